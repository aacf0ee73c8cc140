package pdf

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
)

// entry says where an object is. The zero entry is a free object.
type entry struct {
	kind  int // 0 free, 1 at an offset, 2 in an object stream
	where int // offset, or number of the object stream
	gen   int // generation, or index within the object stream
}

// section is one cross-reference section: what one revision says. A linearised file has two for its first revision.
type section struct {
	offset  int // the value of startxref that leads here
	entries map[int]entry
	trailer dict
	table   bool // a classic table, perhaps with a stream beside it (hybrid)
	id      int  // number of the cross-reference stream's own object, 0 for a table
	prev    int  // offset of the section before, -1 for none
}

const headerSize = len("%PDF-1.7")

// ending finds the last startxref of data: its value, and the byte after the %%EOF that follows it.
func ending(data []byte) (startxref, end int, err error) {
	at := bytes.LastIndex(data, []byte("startxref"))
	if at < 0 {
		return 0, 0, damaged("no startxref")
	}
	p := parser{data: data, pos: at + len("startxref")}
	offset, ok := p.integer()
	if !ok {
		return 0, 0, damaged("startxref without an offset")
	}
	for p.pos < len(data) && isSpace(data[p.pos]) {
		p.pos++
	}
	if !bytes.HasPrefix(data[p.pos:], []byte("%%EOF")) {
		return 0, 0, damaged("no end-of-file marker after startxref")
	}
	return offset, p.pos + len("%%EOF"), nil
}

// endsRevision tells whether data ends with an end-of-file marker and at most one end of line.
func endsRevision(data []byte) bool {
	data = bytes.TrimSuffix(data, []byte("\n"))
	data = bytes.TrimSuffix(data, []byte("\r"))
	return bytes.HasSuffix(data, []byte("%%EOF"))
}

// readSections follows the chain of sections from startxref back to the first.
func (f *File) readSections(startxref int) error {
	entries := 0
	seen := map[int]bool{}
	for at := startxref; at >= 0; {
		if seen[at] {
			return damaged("cross-reference sections in a circle")
		}
		if len(f.sections) == maxSections {
			return refuse(TooLarge, "more than %d cross-reference sections", maxSections)
		}
		seen[at] = true
		s, err := f.readSection(at)
		if err != nil {
			return err
		}
		if entries += len(s.entries); entries > maxObjects {
			return refuse(TooLarge, "more than %d objects", maxObjects)
		}
		if _, encrypted := s.trailer["Encrypt"]; encrypted {
			return refuse(Encrypted, "the file has an encryption dictionary")
		}
		f.sections = append(f.sections, s)
		at = s.prev
	}
	return nil
}

func (f *File) readSection(at int) (*section, error) {
	if at < headerSize || at >= f.limit {
		return nil, damaged("cross-reference section at byte %d", at)
	}
	p := parser{data: f.data[:f.limit], pos: at, values: &f.values}
	s := &section{offset: at, entries: map[int]entry{}, prev: -1}
	if !p.keyword("xref") {
		return s, f.readXRefStream(s, at)
	}
	s.table = true
	if err := s.readTable(&p); err != nil {
		return nil, err
	}
	if err := s.readPrev(); err != nil {
		return nil, err
	}
	beside, hybrid := s.trailer["XRefStm"]
	if !hybrid {
		return s, nil
	}
	offset, ok := beside.(integer)
	if !ok || offset < integer(headerSize) || int(offset) >= f.limit {
		return nil, damaged("XRefStm")
	}
	hidden := &section{entries: map[int]entry{}, prev: -1}
	if err := f.readXRefStream(hidden, int(offset)); err != nil {
		return nil, err
	}
	// Objects that the stream adds are absent from the table or free in it (ISO 32000-1, section 7.5.8.4). Where both
	// place an object, two kinds of reader would see two documents.
	for num, e := range hidden.entries {
		listed, both := s.entries[num]
		if both && listed.kind != 0 && e.kind != 0 && listed != e {
			return nil, damaged("object %d has two places in a hybrid file", num)
		}
		if !both || listed.kind == 0 {
			s.entries[num] = e
		}
	}
	return s, nil
}

func (s *section) readTable(p *parser) error {
	for !p.keyword("trailer") {
		start, ok := p.integer()
		count, ok2 := p.integer()
		if !ok || !ok2 || start+count > maxObjects*4 {
			return p.fail("malformed cross-reference table")
		}
		if len(s.entries)+count > maxObjects {
			return refuse(TooLarge, "more than %d objects", maxObjects)
		}
		for num := start; num < start+count; num++ {
			where, ok := p.integer()
			gen, ok2 := p.integer()
			used := p.keyword("n")
			if !ok || !ok2 || !used && !p.keyword("f") || used && gen > 65535 { // MuPDF frees object 0 with 65536
				return p.fail("malformed cross-reference entry")
			}
			if _, twice := s.entries[num]; twice {
				return damaged("object %d twice in a cross-reference table", num)
			}
			e := entry{}
			if used && where > 0 {
				e = entry{1, where, gen}
			}
			s.entries[num] = e
		}
	}
	v, err := p.value()
	if err != nil {
		return err
	}
	trailer, ok := v.(dict)
	if !ok {
		return p.fail("no trailer dictionary")
	}
	s.trailer = trailer
	return nil
}

func (s *section) readPrev() error {
	v, ok := s.trailer["Prev"]
	if !ok || v == nil {
		return nil
	}
	prev, ok := v.(integer)
	if !ok || prev < 0 {
		return damaged("Prev")
	}
	s.prev = int(prev)
	return nil
}

// readXRefStream reads a cross-reference stream (ISO 32000-1, section 7.5.8).
func (f *File) readXRefStream(s *section, at int) error {
	p := parser{data: f.data[:f.limit], pos: at, values: &f.values}
	id, v, err := p.indirect(directLength)
	if err != nil {
		return err
	}
	x, ok := v.(*stream)
	if !ok || x.dict["Type"] != object(name("XRef")) {
		return damaged("no cross-reference section at byte %d", at)
	}
	s.id, s.trailer = id.num, x.dict
	if err := s.readPrev(); err != nil {
		return err
	}
	data, err := f.inflate(x)
	if err != nil {
		return err
	}
	var width [3]int
	row := 0
	w, _ := x.dict["W"].(array)
	if len(w) != 3 {
		return damaged("W of a cross-reference stream")
	}
	for i := range w {
		v, ok := w[i].(integer)
		if !ok || v < 0 || v > 8 {
			return damaged("W of a cross-reference stream")
		}
		width[i] = int(v)
		row += int(v)
	}
	size, ok := x.dict["Size"].(integer)
	if !ok || size < 0 || size > maxObjects*4 || row == 0 {
		return damaged("Size of a cross-reference stream")
	}
	index := array{integer(0), size}
	if v, ok := x.dict["Index"]; ok {
		if index, ok = v.(array); !ok || len(index)%2 != 0 {
			return damaged("Index of a cross-reference stream")
		}
	}
	for i := 0; i < len(index); i += 2 {
		start, ok := index[i].(integer)
		count, ok2 := index[i+1].(integer)
		if !ok || !ok2 || start < 0 || count < 0 || start > maxObjects*4 || int(count) > len(data)/row ||
			len(s.entries)+int(count) > maxObjects {
			return damaged("Index of a cross-reference stream")
		}
		for num := int(start); num < int(start+count); num++ {
			if _, twice := s.entries[num]; twice {
				return damaged("object %d twice in a cross-reference stream", num)
			}
			s.entries[num] = readEntry(data[:row], width)
			data = data[row:]
		}
	}
	return nil
}

func readEntry(row []byte, width [3]int) entry {
	field := func(n, missing int) int {
		if n == 0 {
			return missing
		}
		v := uint64(0)
		for _, c := range row[:n] {
			v = v<<8 | uint64(c)
		}
		row = row[n:]
		return int(min(v, 1<<40)) // beyond every bound, and refused where it is used
	}
	e := entry{kind: field(width[0], 1)}
	e.where, e.gen = field(width[1], 0), field(width[2], 0)
	if e.kind != 1 && e.kind != 2 || e.kind == 1 && e.where == 0 {
		return entry{}
	}
	return e
}

func directLength(o object) (int, error) {
	n, ok := o.(integer)
	if !ok || n < 0 || n > maxFile {
		return 0, damaged("stream without a length")
	}
	return int(n), nil
}

// inflate decodes a cross-reference or object stream: no filter or FlateDecode, with the predictors of PNG.
func (f *File) inflate(s *stream) ([]byte, error) {
	filter, params := s.dict["Filter"], s.dict["DecodeParms"]
	if a, ok := filter.(array); ok && len(a) <= 1 {
		filter = nil
		if len(a) == 1 {
			filter = a[0]
		}
	}
	if a, ok := params.(array); ok && len(a) <= 1 {
		params = nil
		if len(a) == 1 {
			params = a[0]
		}
	}
	if filter == nil {
		return s.raw, nil
	}
	if filter != object(name("FlateDecode")) {
		return nil, damaged("filter of a cross-reference or object stream")
	}
	z, err := zlib.NewReader(bytes.NewReader(s.raw))
	if err != nil {
		return nil, damaged("compressed stream: %v", err)
	}
	room := maxInflated - f.inflated
	data, err := io.ReadAll(io.LimitReader(z, int64(room)+1))
	if len(data) > room {
		return nil, refuse(TooLarge, "more than %d bytes of compressed structure", maxInflated)
	}
	f.inflated += len(data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // some writers leave the checksum out
		return nil, damaged("compressed stream: %v", err)
	}
	d, _ := params.(dict)
	if d == nil {
		return data, nil
	}
	return unpredict(data, d)
}

// unpredict undoes the PNG predictors (RFC 2083, section 6) for one byte per component.
func unpredict(data []byte, params dict) ([]byte, error) {
	value := func(key name, missing int) int {
		v, ok := params[key].(integer)
		if !ok {
			return missing
		}
		return int(max(-1, min(v, 1<<20)))
	}
	predictor, columns, colors := value("Predictor", 1), value("Columns", 1), value("Colors", 1)
	if predictor == 1 {
		return data, nil
	}
	if predictor < 10 || value("BitsPerComponent", 8) != 8 || columns < 1 || colors < 1 || colors > 4 ||
		len(data)%(columns*colors+1) != 0 {
		return nil, damaged("predictor of a compressed stream")
	}
	width := columns * colors
	out := make([]byte, 0, len(data)/(width+1)*width)
	above := make([]byte, width)
	for len(data) > 0 {
		kind, row := data[0], data[1:width+1]
		data = data[width+1:]
		start := len(out)
		out = append(out, row...)
		current := out[start:]
		for i := range current {
			var left, upperLeft byte
			if i >= colors {
				left, upperLeft = current[i-colors], above[i-colors]
			}
			switch kind {
			case 0:
			case 1:
				current[i] += left
			case 2:
				current[i] += above[i]
			case 3:
				current[i] += byte((int(left) + int(above[i])) / 2)
			case 4:
				current[i] += paeth(left, above[i], upperLeft)
			default:
				return nil, damaged("predictor of a compressed stream")
			}
		}
		above = current
	}
	return out, nil
}

func paeth(a, b, c byte) byte {
	p := int(a) + int(b) - int(c)
	pa, pb, pc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	default:
		return c
	}
}

func abs(v int) int { return max(v, -v) }
