package pdf

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// handmade is a file written by hand: object bodies by number. The catalog is object 1.
type handmade map[int]string

func streamOf(dict, data string) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(data), data)
}

// onePage is a page of 200 by 300 points with a word on it; extra goes into the page.
func onePage(extra string) handmade {
	return handmade{
		1: "<</Type/Catalog/Pages 2 0 R>>",
		2: "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 200 300]/Resources<</Font<</F 5 0 R>>>>>>",
		3: "<</Type/Page/Parent 2 0 R/Contents 4 0 R" + extra + ">>",
		4: streamOf("", "BT /F 18 Tf 20 150 Td (Hello) Tj ET"),
		5: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
	}
}

func (h handmade) numbers() []int { return slices.Sorted(maps.Keys(h)) }

// write appends the objects, but not those to be compressed, and notes where they are.
func (h handmade) write(b *bytes.Buffer, skip map[int]bool) map[int]int {
	at := map[int]int{}
	for _, num := range h.numbers() {
		if skip[num] {
			continue
		}
		at[num] = b.Len()
		fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", num, h[num])
	}
	return at
}

const fileID = "/ID[<00112233445566778899AABBCCDDEEFF><00112233445566778899AABBCCDDEEFF>]"

func (h handmade) size() int { return slices.Max(h.numbers()) + 1 }

// classic writes a cross-reference table.
func (h handmade) classic() []byte {
	b := bytes.NewBufferString("%PDF-1.7\n%\xff\xff\xff\xff\n")
	return h.table(b, h.write(b, nil), fmt.Sprintf("/Size %d/Root 1 0 R%s", h.size(), fileID), true)
}

func (h handmade) table(b *bytes.Buffer, at map[int]int, trailer string, first bool) []byte {
	start := b.Len()
	b.WriteString("xref\n")
	if first {
		b.WriteString("0 1\n0000000000 65535 f \n")
	}
	for _, num := range slices.Sorted(maps.Keys(at)) {
		fmt.Fprintf(b, "%d 1\n%010d 00000 n \n", num, at[num])
	}
	fmt.Fprintf(b, "trailer\n<<%s>>\nstartxref\n%d\n%%%%EOF\n", trailer, start)
	return b.Bytes()
}

// objectStream writes the objects to be compressed as object num.
func (h handmade) objectStream(b *bytes.Buffer, num int, compressed []int) map[int]entry {
	var head, body strings.Builder
	at := map[int]entry{num: {1, b.Len(), 0}}
	for i, n := range compressed {
		fmt.Fprintf(&head, "%d %d ", n, body.Len())
		body.WriteString(h[n] + "\n")
		at[n] = entry{2, num, i}
	}
	dict := fmt.Sprintf("/Type/ObjStm/N %d/First %d/Filter/FlateDecode", len(compressed), head.Len())
	fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", num, streamOf(dict, deflate(head.String()+body.String())))
	return at
}

func deflate(s string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write([]byte(s)) // a buffer takes everything
	_ = z.Close()
	return b.String()
}

// xrefStream appends a cross-reference stream under the next number, with the PNG predictor "up".
func (h handmade) xrefStream(b *bytes.Buffer, at map[int]entry, num int, trailer string) int {
	start := b.Len()
	at[num] = entry{1, start, 0}
	var index, rows strings.Builder
	above := make([]byte, 6)
	for _, n := range slices.Sorted(maps.Keys(at)) {
		e := at[n]
		fmt.Fprintf(&index, "%d 1 ", n)
		row := []byte{byte(e.kind), byte(e.where >> 16), byte(e.where >> 8), byte(e.where), byte(e.gen >> 8), byte(e.gen)}
		rows.WriteByte(2)
		for i := range row {
			rows.WriteByte(row[i] - above[i])
		}
		above = row
	}
	dict := fmt.Sprintf("/Type/XRef/W[1 3 2]/Index[%s]/Size %d%s/Filter/FlateDecode/DecodeParms<</Predictor 12/Columns 6>>",
		index.String(), num+1, trailer)
	fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", num, streamOf(dict, deflate(rows.String())))
	return start
}

// streamed writes a file with object streams and a cross-reference stream.
func (h handmade) streamed() []byte {
	b := bytes.NewBufferString("%PDF-1.7\n%\xff\xff\xff\xff\n")
	skip := map[int]bool{}
	var compressed []int
	for _, num := range h.numbers() {
		if !strings.Contains(h[num], "stream\n") {
			skip[num] = true
			compressed = append(compressed, num)
		}
	}
	places := h.write(b, skip)
	at := h.objectStream(b, h.size(), compressed)
	for num, offset := range places {
		at[num] = entry{1, offset, 0}
	}
	start := h.xrefStream(b, at, h.size()+1, "/Root 1 0 R"+fileID)
	fmt.Fprintf(b, "startxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

// hybrid writes a table and, beside it, a stream that places the font, hidden in an object stream.
func (h handmade) hybrid() []byte {
	b := bytes.NewBufferString("%PDF-1.7\n%\xff\xff\xff\xff\n")
	places := h.write(b, map[int]bool{5: true})
	at := h.objectStream(b, h.size(), []int{5})
	beside := h.xrefStream(b, at, h.size()+1, "")
	trailer := fmt.Sprintf("/Size %d/Root 1 0 R/XRefStm %d%s", h.size()+2, beside, fileID)
	return h.table(b, places, trailer, true)
}

// revise appends a revision with these objects; an empty body frees the object. trailer is added to the trailer.
func revise(t testing.TB, data []byte, objects handmade, trailer string) []byte {
	t.Helper()
	f, err := Open(data)
	check(t, err)
	b := bytes.NewBuffer(bytes.Clone(data))
	freed := map[int]bool{}
	for num, body := range objects {
		freed[num] = body == ""
	}
	at := objects.write(b, freed)
	start := b.Len()
	b.WriteString("xref\n")
	for _, num := range objects.numbers() {
		if freed[num] {
			fmt.Fprintf(b, "%d 1\n%010d 00001 f \n", num, 0)
		} else {
			fmt.Fprintf(b, "%d 1\n%010d 00000 n \n", num, at[num])
		}
	}
	root, err := f.rootRef()
	check(t, err)
	fmt.Fprintf(b, "trailer\n<</Size %d/Root %d 0 R/Prev %d%s>>\nstartxref\n%d\n%%%%EOF\n",
		max(f.size(), objects.size()), root.num, f.sections[0].offset, trailer, start)
	return b.Bytes()
}

// source returns an object of the file as we write it.
func source(t testing.TB, data []byte, num int) string {
	t.Helper()
	f, err := Open(data)
	check(t, err)
	v, err := f.resolve(ref{num, f.place(num).gen})
	check(t, err)
	var b bytes.Buffer
	writeObject(&b, v)
	return b.String()
}

// with adds keys to the source of a dictionary, replacing those it has.
func with(t testing.TB, data []byte, num int, keys string) string {
	t.Helper()
	s := source(t, data, num)
	p := parser{data: []byte(s)}
	v, err := p.value()
	check(t, err)
	q := parser{data: []byte("<<" + keys + ">>")}
	more, err := q.value()
	check(t, err)
	d := v.(dict)
	for key, value := range more.(dict) {
		d[key] = value
		if value == nil {
			delete(d, key)
		}
	}
	var b bytes.Buffer
	writeObject(&b, d)
	return b.String()
}
