package layout

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf16"
)

// Subset is a TrueType font made for embedding in one document: glyph 0 is .notdef, then one glyph per character by
// code point, so that the way back from glyph to text (ToUnicode) is one-to-one even where the source font draws two
// characters with one glyph.
type Subset struct {
	Tag     string          // six letters for the PDF name "ABCDEF+Name", derived from the content
	Name    string          // PostScript name of the source, such as NotoSerifSC-Regular
	Family  string          // family name of the source, such as Noto Serif SC
	TTF     []byte          // tables OS/2, cmap (format 12), glyf, head, hhea, hmtx, loca, maxp, name, post
	GID     map[rune]uint16 // glyph of each character
	Runes   []rune          // character of each glyph; Runes[0] is 0, for .notdef
	Advance []int           // width of each glyph in 1/1000 em
	Metrics Metrics
}

// Metrics are what a PDF font descriptor asks for (ISO 32000-1, table 122), in 1/1000 em, y up.
type Metrics struct {
	Ascent, Descent int // descent is negative
	CapHeight       int
	StemV           int // estimated from the weight: TrueType does not record it
	XMin, YMin      int // box of the subset's glyphs
	XMax, YMax      int
}

// Subset makes a font of exactly the given characters, in whatever order and however often they are given; the same
// set always makes the same bytes. Characters may come from several fonts: all are scaled to 1000 units per em. A
// composite glyph is resolved into its outline.
//
// It returns a [*MissingGlyphError] for a character that no font has.
func (f *Fonts) Subset(face Face, characters []rune) (Subset, error) {
	runes := slices.Clone(characters)
	slices.Sort(runes)
	runes = slices.Compact(runes)
	if len(runes) > maxSubset {
		return Subset{}, fmt.Errorf("a subset of %d characters: at most %d fit", len(runes), maxSubset)
	}
	if int(face) >= len(f.faces) {
		return Subset{}, fmt.Errorf("unknown face %d", face)
	}
	main := f.faces[face][0]
	s := Subset{
		Name: main.postScript, Family: main.family, GID: make(map[rune]uint16, len(runes)),
		Runes: append([]rune{0}, runes...),
		Metrics: Metrics{
			Ascent: main.perMille(main.ascender), Descent: main.perMille(main.descender),
			CapHeight: main.perMille(main.capHeight), StemV: 50 + main.weight*main.weight/(65*65),
		},
	}
	b := subsetBuilder{}
	if err := b.add(main, 0); err != nil {
		return Subset{}, err
	}
	for i, r := range runes {
		font, id, err := f.find(face, r)
		if err != nil {
			return Subset{}, err
		}
		if err := b.add(font, id); err != nil {
			return Subset{}, fmt.Errorf("glyph of U+%04X: %w", r, err)
		}
		s.GID[r] = uint16(i + 1)
	}
	s.Advance = b.advances
	s.Metrics.XMin, s.Metrics.YMin = b.box.xMin, b.box.yMin
	s.Metrics.XMax, s.Metrics.YMax = b.box.xMax, b.box.yMax
	s.TTF = b.file(main, runes, s.Metrics)
	sum := sha256.Sum256(s.TTF)
	for _, c := range sum[:6] {
		s.Tag += string('A' + rune(c%26))
	}
	return s, nil
}

// maxSubset keeps glyph numbers within 16 bits.
const maxSubset = 65534

// unitsPerEm of a subset, so that its widths are the PDF's widths.
const subsetEm = 1000

func (f *font) perMille(v int) int {
	if f.unitsPerEm == subsetEm {
		return v
	}
	return int(math.Round(float64(v) * subsetEm / float64(f.unitsPerEm)))
}

type subsetBuilder struct {
	glyf                   []byte
	loca                   []uint32 // start of each glyph
	advances               []int
	bearings               []int
	box                    box
	points, contours       int // most of any glyph
	minRight, maxX, maxAdv int
}

func (b *subsetBuilder) add(f *font, id int) error {
	contours, err := f.contours(id)
	if err != nil {
		return err
	}
	if f.unitsPerEm != subsetEm {
		contours = f.scaled(contours)
	}
	advance := f.perMille(f.advance(id))
	b.loca = append(b.loca, uint32(len(b.glyf)))
	b.advances = append(b.advances, advance)
	b.maxAdv = max(b.maxAdv, advance)
	if len(contours) == 0 {
		b.bearings = append(b.bearings, 0)
		return nil
	}
	extent := bounds(contours)
	if extent.xMin < math.MinInt16 || extent.yMin < math.MinInt16 || extent.xMax > math.MaxInt16 ||
		extent.yMax > math.MaxInt16 {
		return fmt.Errorf("%w: glyph %d is too large", errFont, id)
	}
	if len(b.glyf) == 0 {
		b.box, b.minRight = extent, advance-extent.xMax
	}
	b.box = b.box.union(extent)
	b.bearings = append(b.bearings, extent.xMin)
	b.minRight = min(b.minRight, advance-extent.xMax)
	b.maxX = max(b.maxX, extent.xMax)
	b.contours = max(b.contours, len(contours))
	total := 0
	for _, c := range contours {
		total += len(c)
	}
	b.points = max(b.points, total)
	b.glyf = appendGlyph(b.glyf, contours, extent)
	return nil
}

func (f *font) scaled(contours [][]point) [][]point {
	out := make([][]point, len(contours))
	for i, c := range contours {
		out[i] = make([]point, len(c))
		for k, p := range c {
			out[i][k] = point{f.perMille(p.x), f.perMille(p.y), p.on}
		}
	}
	return out
}

// appendGlyph writes a simple glyph, padded to four bytes.
func appendGlyph(out []byte, contours [][]point, extent box) []byte {
	be := binary.BigEndian
	out = be.AppendUint16(out, uint16(len(contours)))
	for _, v := range []int{extent.xMin, extent.yMin, extent.xMax, extent.yMax} {
		out = be.AppendUint16(out, uint16(v))
	}
	end := -1
	for _, c := range contours {
		end += len(c)
		out = be.AppendUint16(out, uint16(end))
	}
	out = be.AppendUint16(out, 0) // no instructions
	var flags, xs, ys []byte
	var x, y int
	for _, c := range contours {
		for _, p := range c {
			flag := byte(0)
			if p.on {
				flag = onCurve
			}
			var short, same byte
			xs, short, same = appendDelta(xs, p.x-x, xShort, xSameOrPlus)
			flag |= short | same
			ys, short, same = appendDelta(ys, p.y-y, yShort, ySameOrPlus)
			flags = append(flags, flag|short|same)
			x, y = p.x, p.y
		}
	}
	for i := 0; i < len(flags); {
		run := 1
		for i+run < len(flags) && flags[i+run] == flags[i] && run < 256 {
			run++
		}
		if run > 1 {
			out = append(out, flags[i]|repeatFlag, byte(run-1))
		} else {
			out = append(out, flags[i])
		}
		i += run
	}
	out = append(append(out, xs...), ys...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}

func appendDelta(out []byte, d int, short, sameOrPlus byte) ([]byte, byte, byte) {
	switch {
	case d == 0:
		return out, 0, sameOrPlus
	case d > 0 && d < 256:
		return append(out, byte(d)), short, sameOrPlus
	case d < 0 && d > -256:
		return append(out, byte(-d)), short, 0
	}
	return binary.BigEndian.AppendUint16(out, uint16(d)), 0, 0
}

// file assembles the tables in the order of their tags. The dates are zero: a document's date is no business of its
// fonts.
func (b *subsetBuilder) file(f *font, runes []rune, m Metrics) []byte {
	n := len(b.loca)
	tables := []struct {
		tag  string
		data []byte
	}{
		{"OS/2", b.os2(f, runes, m)},
		{"cmap", cmapTable(runes)},
		{"glyf", b.glyf},
		{"head", words16(1, 0, 1, 0, 0, 0, 0x5F0F, 0x3CF5, 3, subsetEm, 0, 0, 0, 0, 0, 0, 0, 0,
			b.box.xMin, b.box.yMin, b.box.xMax, b.box.yMax, boldBit(f), 6, 2, 1, 0)},
		{"hhea", words16(1, 0, m.Ascent, m.Descent, 0, b.maxAdv, b.box.xMin, b.minRight, b.maxX,
			1, 0, 0, 0, 0, 0, 0, 0, n)},
		{"hmtx", nil},
		{"loca", nil},
		{"maxp", words16(1, 0, n, b.points, b.contours, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0)},
		{"name", nameTable(f)},
		{"post", words16(3, 0, 0, 0, -100, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
	}
	for i, advance := range b.advances {
		tables[5].data = append(tables[5].data, words16(advance, b.bearings[i])...)
		tables[6].data = binary.BigEndian.AppendUint32(tables[6].data, b.loca[i])
	}
	tables[6].data = binary.BigEndian.AppendUint32(tables[6].data, uint32(len(b.glyf)))

	// 10 tables: searchRange 128, entrySelector 3, rangeShift 32.
	out := words16(1, 0, len(tables), 128, 3, len(tables)*16-128)
	offset := len(out) + 16*len(tables)
	head := 0
	var body []byte
	for _, t := range tables {
		if t.tag == "head" {
			head = offset + len(body)
		}
		out = append(out, t.tag...)
		out = binary.BigEndian.AppendUint32(out, checksum(t.data))
		out = binary.BigEndian.AppendUint32(out, uint32(offset+len(body)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(t.data)))
		body = append(body, t.data...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
	}
	out = append(out, body...)
	binary.BigEndian.PutUint32(out[head+8:], 0xB1B0AFBA-checksum(out))
	return out
}

func boldBit(f *font) int {
	if f.weight >= 600 {
		return 1
	}
	return 0
}

func words16(values ...int) []byte {
	out := make([]byte, 0, 2*len(values))
	for _, v := range values {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	return out
}

func checksum(data []byte) uint32 {
	var sum uint32
	for len(data) >= 4 {
		sum += binary.BigEndian.Uint32(data)
		data = data[4:]
	}
	var last [4]byte
	copy(last[:], data)
	return sum + binary.BigEndian.Uint32(last[:])
}

// cmapTable writes one format 12 subtable; runs of neighbouring characters share a group.
func cmapTable(runes []rune) []byte {
	var groups []byte
	count := 0
	for i := 0; i < len(runes); {
		k := i + 1
		for k < len(runes) && runes[k] == runes[k-1]+1 {
			k++
		}
		for _, v := range []int{int(runes[i]), int(runes[k-1]), i + 1} {
			groups = binary.BigEndian.AppendUint32(groups, uint32(v))
		}
		count++
		i = k
	}
	const start = 4 + 2*8
	out := words16(0, 2, 0, 4, 0, start, 3, 10, 0, start, 12, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(16+len(groups)))
	out = binary.BigEndian.AppendUint32(out, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(count))
	return append(out, groups...)
}

func (b *subsetBuilder) os2(f *font, runes []rune, m Metrics) []byte {
	first, last, selection := 0, 0, 0x40 // REGULAR
	if len(runes) > 0 {
		first, last = min(int(runes[0]), 0xFFFF), min(int(runes[len(runes)-1]), 0xFFFF)
	}
	if f.weight >= 600 {
		selection = 0x20 // BOLD
	}
	sum := 0
	for _, a := range b.advances {
		sum += a
	}
	out := words16(4, sum/len(b.advances), f.weight, 5, 0, 650, 600, 0, 75, 650, 600, 0, 350, 50, 308, 0)
	out = append(out, make([]byte, 10+16)...) // panose, Unicode ranges: not stated
	out = append(out, "NONE"...)
	return append(out, words16(selection, first, last, m.Ascent, m.Descent, 0, max(m.YMax, 0), max(-m.YMin, 0),
		0, 0, 0, 0, 0, m.CapHeight, 0, 0x20, 1)...)
}

// nameTable keeps the source's names and, as the Open Font License asks of copies, its copyright and licence.
func nameTable(f *font) []byte {
	style := "Regular"
	if f.weight >= 600 {
		style = "Bold"
	}
	names := []struct {
		id    int
		value string
	}{
		{0, f.copyright}, {1, f.family}, {2, style}, {3, f.postScript + " subset"}, {4, f.family + " " + style},
		{5, "Version 1.0"}, {6, f.postScript}, {13, f.licence},
	}
	out := words16(0, len(names), 6+12*len(names))
	var storage []byte
	for _, n := range names {
		start := len(storage)
		for _, unit := range utf16.Encode([]rune(n.value)) {
			storage = binary.BigEndian.AppendUint16(storage, unit)
		}
		out = append(out, words16(3, 1, 0x0409, n.id, len(storage)-start, start)...)
	}
	return append(out, storage...)
}
