package layout

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"unicode/utf16"
)

// font is a TrueType font (ISO/IEC 14496-22) read in place: tables are views of the file, and a glyph is decoded when
// it is asked for. Every offset is checked, so a damaged file gives an error and never a panic.
type font struct {
	glyf, loca, hmtx   string
	cmap               cmap
	unitsPerEm         int
	glyphs             int // maxp.numGlyphs
	metrics            int // hhea.numberOfHMetrics
	longLoca           bool
	ascender           int
	descender          int
	capHeight          int
	weight             int // OS/2 usWeightClass
	family, postScript string
	copyright, licence string
}

var errFont = errors.New("damaged TrueType font")

func u16(s string, at int) int { return int(s[at])<<8 | int(s[at+1]) }

func i16(s string, at int) int { return int(int16(u16(s, at))) }

func u32(s string, at int) int { return u16(s, at)<<16 | u16(s, at+2) }

// parseFont reads the tables that this package uses.
func parseFont(data string) (*font, error) {
	tables, err := tableDirectory(data)
	if err != nil {
		return nil, err
	}
	for _, need := range []struct {
		tag  string
		size int
	}{
		{"head", 54}, {"hhea", 36}, {"maxp", 6}, {"hmtx", 4}, {"cmap", 4}, {"loca", 4}, {"glyf", 0}, {"OS/2", 78},
		{"name", 6},
	} {
		if t, ok := tables[need.tag]; !ok || len(t) < need.size {
			return nil, fmt.Errorf("%w: table %s is missing or short", errFont, need.tag)
		}
	}
	os2 := tables["OS/2"]
	f := &font{
		glyf: tables["glyf"], loca: tables["loca"], hmtx: tables["hmtx"],
		unitsPerEm: u16(tables["head"], 18),
		glyphs:     u16(tables["maxp"], 4),
		metrics:    u16(tables["hhea"], 34),
		longLoca:   u16(tables["head"], 50) == 1,
		weight:     u16(os2, 4),
		ascender:   i16(os2, 68),
		descender:  i16(os2, 70),
	}
	if len(os2) >= 90 {
		f.capHeight = i16(os2, 88)
	}
	entry := 2
	if f.longLoca {
		entry = 4
	}
	if f.unitsPerEm < 16 || f.unitsPerEm > 16384 || f.glyphs == 0 || f.metrics == 0 || f.metrics > f.glyphs ||
		len(f.loca) < entry*(f.glyphs+1) || len(f.hmtx) < 4*f.metrics+2*(f.glyphs-f.metrics) {
		return nil, fmt.Errorf("%w: head, maxp, loca and hmtx disagree", errFont)
	}
	if f.cmap, err = parseCmap(tables["cmap"]); err != nil {
		return nil, err
	}
	names := tables["name"]
	f.copyright, f.family = fontName(names, 0), fontName(names, 1)
	f.postScript, f.licence = fontName(names, 6), fontName(names, 13)
	return f, nil
}

func tableDirectory(data string) (map[string]string, error) {
	if len(data) < 12 {
		return nil, fmt.Errorf("%w: shorter than its header", errFont)
	}
	if v := u32(data, 0); v != 0x00010000 && v != 0x74727565 {
		return nil, fmt.Errorf("%w: not a file with TrueType outlines", errFont)
	}
	n := u16(data, 4)
	if len(data) < 12+16*n {
		return nil, fmt.Errorf("%w: table directory is cut off", errFont)
	}
	tables := make(map[string]string, n)
	for i := range n {
		at := 12 + 16*i
		start, size := u32(data, at+8), u32(data, at+12)
		if start > len(data) || size > len(data)-start {
			return nil, fmt.Errorf("%w: table %q lies outside the file", errFont, data[at:at+4])
		}
		tables[data[at:at+4]] = data[start : start+size]
	}
	return tables, nil
}

// cmap is a view of the best Unicode subtable: format 12 (all planes) before format 4 (the first plane).
type cmap struct {
	format int
	table  string
	groups int // format 12: groups; format 4: segments
}

func parseCmap(t string) (cmap, error) {
	var best cmap
	for i := range u16(t, 2) {
		at := 4 + 8*i
		if at+8 > len(t) {
			return cmap{}, fmt.Errorf("%w: cmap is cut off", errFont)
		}
		platform, encoding, start := u16(t, at), u16(t, at+2), u32(t, at+4)
		if platform != 0 && !(platform == 3 && (encoding == 1 || encoding == 10)) || start > len(t)-4 {
			continue
		}
		switch sub := t[start:]; u16(sub, 0) {
		case 12:
			if len(sub) < 16 || u32(sub, 12) > (len(sub)-16)/12 {
				return cmap{}, fmt.Errorf("%w: cmap format 12 is cut off", errFont)
			}
			best = cmap{format: 12, table: sub, groups: u32(sub, 12)}
		case 4:
			if len(sub) < 16 || len(sub) < 16+8*(u16(sub, 6)/2) {
				return cmap{}, fmt.Errorf("%w: cmap format 4 is cut off", errFont)
			}
			if best.format == 0 {
				best = cmap{format: 4, table: sub, groups: u16(sub, 6) / 2}
			}
		}
	}
	if best.format == 0 {
		return cmap{}, fmt.Errorf("%w: no Unicode cmap of format 4 or 12", errFont)
	}
	return best, nil
}

// glyph returns the glyph of a character, or 0 if the font does not have it.
func (f *font) glyph(r rune) int {
	id := 0
	if f.cmap.format == 12 {
		id = f.cmap.lookup12(int(r))
	} else {
		id = f.cmap.lookup4(int(r))
	}
	if id >= f.glyphs {
		return 0
	}
	return id
}

func (c cmap) lookup12(r int) int {
	i := sort.Search(c.groups, func(i int) bool { return u32(c.table, 16+12*i+4) >= r })
	if i == c.groups {
		return 0
	}
	at := 16 + 12*i
	if start := u32(c.table, at); r >= start {
		return u32(c.table, at+8) + r - start
	}
	return 0
}

func (c cmap) lookup4(r int) int {
	if r > 0xFFFF {
		return 0
	}
	ends, starts := 14, 16+2*c.groups
	deltas, offsets := starts+2*c.groups, starts+4*c.groups
	i := sort.Search(c.groups, func(i int) bool { return u16(c.table, ends+2*i) >= r })
	if i == c.groups || u16(c.table, starts+2*i) > r {
		return 0
	}
	delta, offset := u16(c.table, deltas+2*i), u16(c.table, offsets+2*i)
	if offset == 0 {
		return (r + delta) & 0xFFFF
	}
	at := offsets + 2*i + offset + 2*(r-u16(c.table, starts+2*i))
	if at+2 > len(c.table) {
		return 0
	}
	if id := u16(c.table, at); id != 0 {
		return (id + delta) & 0xFFFF
	}
	return 0
}

func (f *font) advance(id int) int { return u16(f.hmtx, 4*min(id, f.metrics-1)) }

// point is a point of a contour in font units, y up.
type point struct {
	x, y int
	on   bool
}

// Bounds on one glyph: the largest glyph of a Noto CJK font has fewer than 700 points.
const (
	maxGlyphPoints     = 1 << 14
	maxComponentDepth  = 6
	maxGlyphComponents = 64
)

func (f *font) glyphData(id int) (string, error) {
	var from, to int
	if f.longLoca {
		from, to = u32(f.loca, 4*id), u32(f.loca, 4*id+4)
	} else {
		from, to = 2*u16(f.loca, 2*id), 2*u16(f.loca, 2*id+2)
	}
	if from > to || to > len(f.glyf) || to-from > 0 && to-from < 10 {
		return "", fmt.Errorf("%w: glyph %d lies outside glyf", errFont, id)
	}
	return f.glyf[from:to], nil
}

// contours returns the contours of a glyph, components of a composite glyph put in their places.
func (f *font) contours(id int) ([][]point, error) {
	budget := maxGlyphComponents
	return f.load(id, maxComponentDepth, &budget)
}

func (f *font) load(id, depth int, budget *int) ([][]point, error) {
	if *budget--; depth == 0 || *budget < 0 || id >= f.glyphs {
		return nil, fmt.Errorf("%w: glyph %d has components without end", errFont, id)
	}
	data, err := f.glyphData(id)
	if err != nil || data == "" {
		return nil, err
	}
	if n := i16(data, 0); n >= 0 {
		return simpleGlyph(data[10:], n)
	}
	return f.compositeGlyph(data[10:], depth, budget)
}

// cursor reads a glyph; past the end it gives zeros and remembers.
type cursor struct {
	data string
	at   int
	bad  bool
}

func (c *cursor) byte() int {
	if c.at >= len(c.data) {
		c.bad = true
		return 0
	}
	c.at++
	return int(c.data[c.at-1])
}

func (c *cursor) u16() int { return c.byte()<<8 | c.byte() }

func (c *cursor) i16() int { return int(int16(c.u16())) }

// Flags of a simple glyph's points (ISO/IEC 14496-22, table glyf).
const (
	onCurve      = 0x01
	xShort       = 0x02
	yShort       = 0x04
	repeatFlag   = 0x08
	xSameOrPlus  = 0x10
	ySameOrPlus  = 0x20
	argsAreWords = 0x0001
	argsAreXY    = 0x0002
	haveScale    = 0x0008
	moreParts    = 0x0020
	haveXYScale  = 0x0040
	have2x2      = 0x0080
)

func simpleGlyph(data string, n int) ([][]point, error) {
	c := &cursor{data: data}
	ends := make([]int, 0, min(n, maxGlyphPoints))
	total := 0
	for range n {
		end := c.u16() + 1
		if c.bad || end < total || end > maxGlyphPoints {
			return nil, fmt.Errorf("%w: contour ends are out of order", errFont)
		}
		ends, total = append(ends, end), end
	}
	skip := c.u16()
	c.at += skip // instructions
	flags := make([]int, 0, total)
	for len(flags) < total && !c.bad {
		flag, times := c.byte(), 1
		if flag&repeatFlag != 0 {
			times += c.byte()
		}
		for ; times > 0 && len(flags) < total; times-- {
			flags = append(flags, flag)
		}
	}
	if c.bad {
		return nil, fmt.Errorf("%w: glyph is cut off", errFont)
	}
	points := make([]point, total)
	x, y := 0, 0
	for i, flag := range flags {
		x += c.delta(flag&xShort != 0, flag&xSameOrPlus != 0)
		points[i] = point{x: x, on: flag&onCurve != 0}
	}
	for i, flag := range flags {
		y += c.delta(flag&yShort != 0, flag&ySameOrPlus != 0)
		points[i].y = y
	}
	if c.bad {
		return nil, fmt.Errorf("%w: glyph is cut off", errFont)
	}
	contours := make([][]point, 0, n)
	start := 0
	for _, end := range ends {
		if end > start {
			contours = append(contours, points[start:end:end])
		}
		start = end
	}
	return contours, nil
}

func (c *cursor) delta(short, sameOrPlus bool) int {
	switch {
	case short && sameOrPlus:
		return c.byte()
	case short:
		return -c.byte()
	case sameOrPlus:
		return 0
	}
	return c.i16()
}

func (f *font) compositeGlyph(data string, depth int, budget *int) ([][]point, error) {
	c := &cursor{data: data}
	var out [][]point
	total := 0
	for more := true; more; {
		flags, id := c.u16(), c.u16()
		var dx, dy int
		if flags&argsAreWords != 0 {
			dx, dy = c.i16(), c.i16()
		} else {
			dx, dy = int(int8(c.byte())), int(int8(c.byte()))
		}
		xx, xy, yx, yy := 1.0, 0.0, 0.0, 1.0
		f2dot14 := func() float64 { return float64(c.i16()) / 16384 }
		switch {
		case flags&haveScale != 0:
			xx = f2dot14()
			yy = xx
		case flags&haveXYScale != 0:
			xx, yy = f2dot14(), f2dot14()
		case flags&have2x2 != 0:
			xx, xy, yx, yy = f2dot14(), f2dot14(), f2dot14(), f2dot14()
		}
		if c.bad || flags&argsAreXY == 0 {
			return nil, fmt.Errorf("%w: composite glyph is cut off or placed by point numbers", errFont)
		}
		part, err := f.load(id, depth-1, budget)
		if err != nil {
			return nil, err
		}
		for _, contour := range part {
			moved := make([]point, len(contour))
			for i, p := range contour {
				x, y := float64(p.x), float64(p.y)
				moved[i] = point{
					x: int(math.Round(x*xx+y*yx)) + dx, y: int(math.Round(x*xy+y*yy)) + dy, on: p.on,
				}
			}
			if total += len(moved); total > maxGlyphPoints {
				return nil, fmt.Errorf("%w: composite glyph has too many points", errFont)
			}
			out = append(out, moved)
		}
		more = flags&moreParts != 0
	}
	return out, nil
}

// box is the extent of points in font units.
type box struct{ xMin, yMin, xMax, yMax int }

func bounds(contours [][]point) box {
	b := box{xMin: math.MaxInt, yMin: math.MaxInt, xMax: math.MinInt, yMax: math.MinInt}
	for _, c := range contours {
		for _, p := range c {
			b = b.union(box{p.x, p.y, p.x, p.y})
		}
	}
	if b.xMin > b.xMax {
		return box{}
	}
	return b
}

func (b box) union(o box) box {
	return box{min(b.xMin, o.xMin), min(b.yMin, o.yMin), max(b.xMax, o.xMax), max(b.yMax, o.yMax)}
}

// appendContour turns a contour into operations in em, y down. Between two points off the curve TrueType implies one
// on it, half way.
func appendContour(ops []Op, c []point, em float64) []Op {
	type vertex struct{ x, y float64 }
	at := func(i int) vertex {
		p := c[i]
		return vertex{float64(p.x) / em, -float64(p.y) / em}
	}
	middle := func(a, b vertex) vertex { return vertex{(a.x + b.x) / 2, (a.y + b.y) / 2} }
	from, to := 0, len(c) // the points after the start
	var start vertex
	switch {
	case c[0].on:
		start, from = at(0), 1
	case c[to-1].on:
		start, to = at(to-1), to-1
	default:
		start = middle(at(to-1), at(0))
	}
	ops = append(ops, Op{Kind: 'M', X: start.x, Y: start.y})
	var control vertex
	pending := false
	for i := from; i < to; i++ {
		v, on := at(i), c[i].on
		switch {
		case on && pending:
			ops = append(ops, Op{Kind: 'Q', X1: control.x, Y1: control.y, X: v.x, Y: v.y})
			pending = false
		case on:
			ops = append(ops, Op{Kind: 'L', X: v.x, Y: v.y})
		case pending:
			m := middle(control, v)
			ops = append(ops, Op{Kind: 'Q', X1: control.x, Y1: control.y, X: m.x, Y: m.y})
			control = v
		default:
			control, pending = v, true
		}
	}
	if pending {
		ops = append(ops, Op{Kind: 'Q', X1: control.x, Y1: control.y, X: start.x, Y: start.y})
	}
	return append(ops, Op{Kind: 'Z'})
}

// fontName returns an entry of the name table as the Windows platform stores it (UTF-16), or an empty string.
func fontName(t string, id int) string {
	count, storage := u16(t, 2), u16(t, 4)
	for i := range count {
		at := 6 + 12*i
		if at+12 > len(t) {
			return ""
		}
		if u16(t, at) != 3 || u16(t, at+6) != id {
			continue
		}
		size, start := u16(t, at+8), storage+u16(t, at+10)
		if start+size > len(t) {
			return ""
		}
		units := make([]uint16, size/2)
		for k := range units {
			units[k] = uint16(u16(t, start+2*k))
		}
		return string(utf16.Decode(units))
	}
	return ""
}
