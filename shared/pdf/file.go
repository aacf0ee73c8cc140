package pdf

import (
	"bytes"
	"maps"
	"math"
	"slices"
)

// File is a parsed file. It reads objects as they are needed and remembers them, so it may be used by one goroutine
// at a time. It shares memory with the bytes it was opened from, which must not change.
type File struct {
	data     []byte
	limit    int // the file ends here; less than len(data) for an earlier revision
	end      int // byte after the last %%EOF
	sections []*section
	pageList []page
	first    int // index of sections[0] among those of the whole file
	*shared
}

// shared is what a file and its earlier revisions have in common.
type shared struct {
	history map[int][]placed      // of each object, newest first
	cache   map[entry]*cached     // by place
	streams map[int]*objectStream // by offset of the object stream

	values, inflated, visited, loading int // spent of the bounds
}

// placed is what one section says of an object.
type placed struct {
	section int // counted from the newest
	entry   entry
}

// cached is an object that was read. An earlier revision shares the cache and must not see what reaches beyond it.
type cached struct {
	id       ref
	value    object
	end      int
	contents [2]int
	busy     bool // being read: found again, it contains itself
}

type objectStream struct {
	numbers, offsets []int
	data             []byte
}

// Open reads the structure of a file. The error is a [*Refusal].
func Open(data []byte) (*File, error) {
	if len(data) > maxFile {
		return nil, refuse(TooLarge, "%d bytes", len(data))
	}
	if len(data) < headerSize ||
		!bytes.HasPrefix(data, []byte("%PDF-1.")) && !bytes.HasPrefix(data, []byte("%PDF-2.")) {
		return nil, damaged("no header")
	}
	startxref, end, err := ending(data)
	if err != nil {
		return nil, err
	}
	f := &File{
		data: data, limit: len(data), end: end,
		shared: &shared{
			history: map[int][]placed{}, cache: map[entry]*cached{}, streams: map[int]*objectStream{},
		},
	}
	if err := f.readSections(startxref); err != nil {
		return nil, err
	}
	for i, s := range f.sections {
		for num, e := range s.entries {
			f.history[num] = append(f.history[num], placed{i, e})
		}
	}
	if _, err := f.catalog(); err != nil {
		return nil, err
	}
	if _, err := f.pages(); err != nil {
		return nil, err
	}
	return f, nil
}

// at returns the revision that ends at byte end, sharing what was read. Its last section must be one of f's.
func (f *File) at(end int) (*File, error) {
	startxref, eof, err := ending(f.data[:end])
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(f.sections, func(s *section) bool { return s.offset == startxref })
	if i < 0 {
		return nil, damaged("the revision of %d bytes is not part of the file's history", end)
	}
	r := *f
	r.limit, r.end, r.sections, r.first, r.pageList = end, eof, f.sections[i:], f.first+i, nil
	for _, s := range r.sections {
		if s.offset >= end {
			return nil, damaged("the revision of %d bytes refers beyond its end", end)
		}
	}
	return &r, nil
}

// trailing returns what follows the last end-of-file marker, beyond white space.
func (f *File) trailing() int {
	return len(bytes.TrimLeft(f.data[f.end:f.limit], "\x00\t\n\f\r "))
}

// lookup returns the newest entry of an object.
func (f *File) lookup(num int) entry {
	all := f.history[num]
	i, _ := slices.BinarySearchFunc(all, f.first, func(p placed, first int) int { return p.section - first })
	if i == len(all) {
		return entry{}
	}
	return all[i].entry
}

// place is lookup, but for an object in an object stream it gives the offset of that stream instead of its number: two
// revisions in which place is the same read the same bytes.
func (f *File) place(num int) entry {
	e := f.lookup(num)
	if e.kind != 2 {
		return e
	}
	holder := f.lookup(e.where)
	if holder.kind != 1 {
		return entry{}
	}
	return entry{2, holder.where, e.gen}
}

// size is one more than the highest object number.
func (f *File) size() int {
	top := 0
	for _, s := range f.sections {
		if v, ok := s.trailer["Size"].(integer); ok && v >= 0 && v <= maxObjects*4 {
			top = max(top, int(v)-1)
		}
		for num := range s.entries {
			top = max(top, num)
		}
	}
	return top + 1
}

// resolve follows references to a value. A reference to nothing is null.
func (f *File) resolve(o object) (object, error) {
	for range 8 {
		r, ok := o.(ref)
		if !ok {
			return o, nil
		}
		c, err := f.load(r)
		if err != nil {
			return nil, err
		}
		if c == nil {
			return nil, nil
		}
		o = c.value
	}
	return nil, damaged("references in a circle")
}

// load reads an indirect object, or returns nil if there is none.
func (f *File) load(r ref) (*cached, error) {
	e := f.place(r.num)
	switch {
	case e.kind == 0, e.kind == 1 && e.gen != r.gen, e.kind == 2 && r.gen != 0:
		return nil, nil
	}
	c, ok := f.cache[e]
	if !ok {
		if f.loading == maxLoading {
			return nil, damaged("object %d needs too many others to be read", r.num)
		}
		f.loading++
		defer func() { f.loading-- }()
		c = &cached{busy: true}
		f.cache[e] = c
		var err error
		if e.kind == 1 {
			err = f.readAt(c, e.where)
		} else {
			err = f.readCompressed(c, e, f.lookup(r.num).where)
		}
		if err != nil {
			delete(f.cache, e)
			return nil, err
		}
		c.busy = false
	}
	if c.busy {
		return nil, damaged("object %d contains itself", r.num)
	}
	if c.id.num != r.num || c.id.gen != r.gen {
		return nil, damaged("object %d is not where the cross-reference section says", r.num)
	}
	if c.end > f.limit {
		return nil, damaged("object %d reaches beyond its revision", r.num)
	}
	return c, nil
}

func (f *File) readAt(c *cached, offset int) error { return f.readWithin(c, offset, f.limit) }

// readWithin is readAt for an object that, the body of a stream apart, takes no more than window bytes.
func (f *File) readWithin(c *cached, offset, window int) error {
	if offset < headerSize || offset >= f.limit {
		return damaged("object at byte %d", offset)
	}
	whole := f.data[:f.limit]
	p := parser{data: whole[:min(f.limit, offset+window)], whole: whole, pos: offset, values: &f.values}
	id, v, err := p.indirect(f.length)
	if err != nil {
		return err
	}
	c.id, c.value, c.end, c.contents = id, v, p.pos, p.contents
	return nil
}

// length resolves the /Length of a stream.
func (f *File) length(o object) (int, error) {
	v, err := f.resolve(o)
	if err != nil {
		return 0, err
	}
	return directLength(v)
}

// readCompressed reads an object out of the object stream with this number (ISO 32000-1, section 7.5.7).
func (f *File) readCompressed(c *cached, e entry, number int) error {
	container, err := f.load(ref{number, f.lookup(number).gen})
	if err != nil {
		return err
	}
	if container == nil {
		return damaged("no object stream %d", number)
	}
	s, ok := container.value.(*stream)
	if !ok || s.dict["Type"] != object(name("ObjStm")) {
		return damaged("object %d is no object stream", number)
	}
	objects, ok := f.streams[e.where]
	if !ok {
		if objects, err = f.readObjectStream(s); err != nil {
			return err
		}
		f.streams[e.where] = objects
	}
	if e.gen >= len(objects.numbers) {
		return damaged("object stream %d has no object %d", number, e.gen)
	}
	p := parser{data: objects.data, pos: objects.offsets[e.gen], values: &f.values}
	v, err := p.value()
	if err != nil {
		return err
	}
	c.id, c.value, c.end = ref{objects.numbers[e.gen], 0}, v, container.end
	return nil
}

func (f *File) readObjectStream(s *stream) (*objectStream, error) {
	count, ok := s.dict["N"].(integer)
	first, ok2 := s.dict["First"].(integer)
	if !ok || !ok2 || count < 0 || count > maxObjects || first < 0 {
		return nil, damaged("object stream")
	}
	data, err := f.inflate(s)
	if err != nil {
		return nil, err
	}
	if int(first) > len(data) || int(count) > len(data) {
		return nil, damaged("object stream")
	}
	p := parser{data: data[:first]}
	objects := &objectStream{data: data}
	for range int(count) {
		num, ok := p.integer()
		offset, ok2 := p.integer()
		if !ok || !ok2 || offset > len(data)-int(first) {
			return nil, damaged("object stream")
		}
		objects.numbers = append(objects.numbers, num)
		objects.offsets = append(objects.offsets, int(first)+offset)
	}
	return objects, nil
}

// dictOf resolves to a dictionary, or to nil for null. A stream counts as none.
func (f *File) dictOf(o object) (dict, error) {
	v, err := f.resolve(o)
	if err != nil || v == nil {
		return nil, err
	}
	d, ok := v.(dict)
	if !ok {
		return nil, damaged("no dictionary where one belongs")
	}
	return d, nil
}

// arrayOf resolves to an array, or to nil for null.
func (f *File) arrayOf(o object) (array, error) {
	v, err := f.resolve(o)
	if err != nil || v == nil {
		return nil, err
	}
	a, ok := v.(array)
	if !ok {
		return nil, damaged("no array where one belongs")
	}
	return a, nil
}

func (f *File) trailer() dict { return f.sections[0].trailer }

func (f *File) rootRef() (ref, error) {
	r, ok := f.trailer()["Root"].(ref)
	if !ok {
		return r, damaged("no Root in the trailer")
	}
	return r, nil
}

func (f *File) catalog() (dict, error) {
	r, err := f.rootRef()
	if err != nil {
		return nil, err
	}
	d, err := f.dictOf(r)
	if err != nil {
		return nil, err
	}
	if d == nil || d["Type"] != object(name("Catalog")) {
		return nil, damaged("no catalog")
	}
	return d, nil
}

// page is one leaf of the page tree.
type page struct {
	ref       ref
	dict      dict // the leaf itself
	inherited dict // Resources, MediaBox, CropBox, Rotate: its own or those of the nearest parent
}

// pages walks the page tree (ISO 32000-1, section 7.7.3).
func (f *File) pages() ([]page, error) {
	if f.pageList != nil {
		return f.pageList, nil
	}
	root, err := f.catalog()
	if err != nil {
		return nil, err
	}
	w := pageWalk{f: f, seen: map[ref]bool{}}
	if err := w.node(root["Pages"], dict{}, 0); err != nil {
		return nil, err
	}
	if len(w.pages) == 0 {
		return nil, damaged("no pages")
	}
	f.pageList = w.pages
	return w.pages, nil
}

type pageWalk struct {
	f     *File
	seen  map[ref]bool
	pages []page
}

func (w *pageWalk) node(o object, inherited dict, depth int) error {
	r, ok := o.(ref)
	if !ok || w.seen[r] {
		return damaged("page tree")
	}
	if depth > maxTree || len(w.seen) > 2*maxPages {
		return refuse(TooLarge, "page tree")
	}
	w.seen[r] = true
	d, err := w.f.dictOf(r)
	if err != nil {
		return err
	}
	inherited = maps.Clone(inherited)
	for _, key := range []name{"Resources", "MediaBox", "CropBox", "Rotate"} {
		if v, ok := d[key]; ok && v != nil {
			inherited[key] = v
		}
	}
	switch d["Type"] {
	case name("Page"):
		if len(w.pages) == maxPages {
			return refuse(TooLarge, "more than %d pages", maxPages)
		}
		w.pages = append(w.pages, page{r, d, inherited})
		return nil
	case name("Pages"):
		kids, err := w.f.arrayOf(d["Kids"])
		if err != nil {
			return err
		}
		for _, kid := range kids {
			if err := w.node(kid, inherited, depth+1); err != nil {
				return err
			}
		}
		return nil
	default:
		return damaged("page tree node without a type")
	}
}

// Pages returns the number of pages.
func (f *File) Pages() int {
	pages, err := f.pages()
	if err != nil { // Open has walked the tree
		return 0
	}
	return len(pages)
}

// box is a rectangle in the units of user space, with x0 ≤ x1 and y0 ≤ y1.
type box struct{ x0, y0, x1, y1 float64 }

func (f *File) boxOf(o object) (box, bool, error) {
	a, err := f.arrayOf(o)
	if err != nil || len(a) != 4 {
		return box{}, false, err
	}
	var v [4]float64
	for i := range a {
		e, err := f.resolve(a[i])
		if err != nil {
			return box{}, false, err
		}
		n, ok := number(e)
		if !ok || n > 1e6 || n < -1e6 {
			return box{}, false, nil
		}
		v[i] = n
	}
	b := box{min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])}
	return b, true, nil
}

// frame is how a page is shown: the visible part of user space, turned clockwise, in units of 1/72 inch times unit.
type frame struct {
	box
	rotate int // 0, 90, 180, 270
	unit   float64
}

const pointsPerMM = 72 / 25.4

func (f *File) frame(p page) (frame, error) {
	media, ok, err := f.boxOf(p.inherited["MediaBox"])
	if err != nil {
		return frame{}, err
	}
	if !ok || media.x1-media.x0 < 1 || media.y1-media.y0 < 1 {
		return frame{}, damaged("MediaBox")
	}
	fr := frame{box: media, unit: 1}
	crop, ok, err := f.boxOf(p.inherited["CropBox"])
	if err != nil {
		return frame{}, err
	}
	if ok {
		crop = box{max(crop.x0, media.x0), max(crop.y0, media.y0), min(crop.x1, media.x1), min(crop.y1, media.y1)}
		if crop.x1-crop.x0 >= 1 && crop.y1-crop.y0 >= 1 {
			fr.box = crop
		}
	}
	turn, err := f.resolve(p.inherited["Rotate"])
	if err != nil {
		return frame{}, err
	}
	if v, ok := turn.(integer); ok {
		if v%90 != 0 {
			return frame{}, damaged("Rotate")
		}
		fr.rotate = int((v%360 + 360) % 360)
	}
	unit, err := f.resolve(p.dict["UserUnit"])
	if err != nil {
		return frame{}, err
	}
	if v, ok := number(unit); ok && v >= 0.01 && v <= 1000 {
		fr.unit = v
	}
	return fr, nil
}

// size is the width and height of the page as it is shown, in millimetres.
func (fr frame) size() (w, h float64) {
	w, h = (fr.x1-fr.x0)*fr.unit/pointsPerMM, (fr.y1-fr.y0)*fr.unit/pointsPerMM
	if fr.rotate%180 != 0 {
		w, h = h, w
	}
	return w, h
}

// point turns millimetres from the top left of the shown page into user space.
func (fr frame) point(x, y float64) (float64, float64) {
	x, y = x*pointsPerMM/fr.unit, y*pointsPerMM/fr.unit
	switch fr.rotate {
	case 90:
		return fr.x0 + y, fr.y0 + x
	case 180:
		return fr.x1 - x, fr.y0 + y
	case 270:
		return fr.x1 - y, fr.y1 - x
	default:
		return fr.x0 + x, fr.y1 - y
	}
}

// shown turns a rectangle of user space into one in millimetres from the top left of the shown page.
func (fr frame) shown(b box) Rect {
	back := func(x, y float64) (float64, float64) {
		switch fr.rotate {
		case 90:
			return y - fr.y0, x - fr.x0
		case 180:
			return fr.x1 - x, y - fr.y0
		case 270:
			return fr.y1 - y, fr.x1 - x
		default:
			return x - fr.x0, fr.y1 - y
		}
	}
	ax, ay := back(b.x0, b.y0)
	bx, by := back(b.x1, b.y1)
	k := fr.unit / pointsPerMM
	return Rect{X: min(ax, bx) * k, Y: min(ay, by) * k, W: math.Abs(ax-bx) * k, H: math.Abs(ay-by) * k}
}

// PageSize returns the width and height in millimetres of a page as it is shown, counting from 1. The error is a
// [*Refusal] with [NoSuchPage] or [Damaged].
func (f *File) PageSize(number int) (w, h float64, err error) {
	pages, err := f.pages()
	if err != nil {
		return 0, 0, err
	}
	if number < 1 || number > len(pages) {
		return 0, 0, refuse(NoSuchPage, "page %d of %d", number, len(pages))
	}
	fr, err := f.frame(pages[number-1])
	if err != nil {
		return 0, 0, err
	}
	w, h = fr.size()
	return w, h, nil
}
