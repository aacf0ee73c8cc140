package pdf

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/yinxin/yinxin/shared/layout"
)

func TestTheSameDocumentMakesTheSameBytes(t *testing.T) {
	if !bytes.Equal(notice(t), notice(t)) {
		t.Error("two documents")
	}
}

func TestEveryLineCanBeReadBack(t *testing.T) {
	data := notice(t)
	out, err := run(t, data, "pdftotext", "-layout", "FILE", "-")
	check(t, err)
	for _, s := range lines {
		if strings.Count(out, s) != 2 {
			t.Errorf("pdftotext finds %q %d times on two pages\n%s", s, strings.Count(out, s), out)
		}
	}
	if out, err := run(t, data, "qpdf", "--check", "FILE"); err != nil || strings.Contains(out, "WARNING") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run(t, data, "pdfinfo", "FILE")
	check(t, err)
	for _, s := range []string{"公告(示例)", "示例省财政厅", "测试 <&>", "595.276 x 841.89"} {
		if !strings.Contains(out, s) {
			t.Errorf("pdfinfo does not find %q\n%s", s, out)
		}
	}
	out, err = run(t, data, "pdffonts", "FILE")
	check(t, err)
	if strings.Count(out, "yes yes yes") != 2 { // embedded, subset, with ToUnicode
		t.Error(out)
	}
}

func TestMetadataHoldTheFields(t *testing.T) {
	data := notice(t)
	f, err := Open(data)
	check(t, err)
	catalog, err := f.catalog()
	check(t, err)
	v, err := f.resolve(catalog["Metadata"])
	check(t, err)
	packet := v.(*stream).raw
	got := map[string]string{}
	d := xml.NewDecoder(bytes.NewReader(packet))
	var current string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			current = ""
			if n := token.Name; n.Space == FieldsNamespace || n.Local == "conformance" || n.Local == "part" {
				current = n.Local
			}
		case xml.CharData:
			if current != "" {
				got[current] += string(token)
			}
		case xml.EndElement:
			current = ""
		}
	}
	want := map[string]string{"template": "notice-1", "part": "2", "conformance": "B"}
	for i, s := range lines {
		want["line"+string('0'+rune(i))] = s + s // on two pages
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s = %q, want %q", key, got[key], value)
		}
	}
}

func TestWhatCannotBeWrittenIsRefusedByName(t *testing.T) {
	page := func(items ...layout.Item) []layout.Page { return []layout.Page{{W: 50, H: 50, Items: items}} }
	at := signedAt
	for name, c := range map[string]struct {
		document Document
		want     Code
	}{
		"no pages":      {Document{Created: signedAt}, InvalidDocument},
		"no size":       {Document{Created: at, Pages: make([]layout.Page, 1)}, InvalidDocument},
		"no time":       {Document{Pages: page()}, InvalidTime},
		"broken title":  {Document{Created: at, Pages: page(), Title: "\xff"}, InvalidText},
		"control":       {Document{Created: at, Pages: page(), Title: "\x01"}, InvalidText},
		"metadata key":  {Document{Created: at, Pages: page(), Metadata: map[string]string{"a b": ""}}, InvalidField},
		"metadata text": {Document{Created: at, Pages: page(), Metadata: map[string]string{"a": "\x00"}}, InvalidText},
		"text size":     {Document{Created: at, Pages: page(layout.Text{S: "x"})}, InvalidDocument},
		"image":         {Document{Created: at, Pages: page(layout.Image{W: 1, H: 1, PNG: []byte("x")})}, InvalidImage},
	} {
		if _, err := Write(c.document, fonts(t)); refusal(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	var missing *layout.MissingGlyphError
	_, err := Write(Document{Created: at, Pages: page(layout.Text{Size: 5, S: "𠀀"})}, fonts(t))
	if !errors.As(err, &missing) || missing.Rune != '𠀀' {
		t.Errorf("a character that no font has: %v", err)
	}
}

// TestPathsAndImagesAreDrawn renders each kind of curve and an image with a transparent half.
func TestPathsAndImagesAreDrawn(t *testing.T) {
	tool(t, "pdftoppm")
	blue := layout.Color{B: 255}
	p := layout.Page{W: 60, H: 40, Items: []layout.Item{
		layout.Path{Fill: blue, Ops: []layout.Op{ // a parabola from (5,20) over (15,0) to (25,20)
			{Kind: 'M', X: 5, Y: 20}, {Kind: 'Q', X1: 15, Y1: 0, X: 25, Y: 20}, {Kind: 'Z'},
		}},
		layout.Path{Fill: blue, Ops: []layout.Op{
			{Kind: 'M', X: 30, Y: 20}, {Kind: 'C', X1: 30, Y1: 5, X2: 50, Y2: 5, X: 50, Y: 20}, {Kind: 'Z'},
		}},
		layout.Image{X: 5, Y: 25, W: 10, H: 10, PNG: pngOf(t, 20, 20, layoutRed())},
	}}
	data, err := Write(Document{Pages: []layout.Page{p}, Created: signedAt}, nil)
	check(t, err)
	pixels := render(t, data)
	at := func(x, y float64) [3]byte {
		k := float64(len(pixels[0])) / p.W
		return pixels[int(y*k)][int(x*k)]
	}
	for _, c := range []struct {
		x, y float64
		want [3]byte
	}{
		{15, 11, [3]byte{0, 0, 255}}, {15, 9, [3]byte{255, 255, 255}}, // the parabola's top is at 10
		{40, 10, [3]byte{0, 0, 255}}, {40, 8, [3]byte{255, 255, 255}}, // the cubic's at 8.75
		{13, 27, [3]byte{255, 0, 0}}, {7, 33, [3]byte{255, 255, 255}}, // upper right half of the image
	} {
		if got := at(c.x, c.y); got != c.want {
			t.Errorf("at %v, %v: %v, want %v", c.x, c.y, got, c.want)
		}
	}
}

// TestTheColourProfileIsWellFormed reads the profile back by ICC.1:2001-04, section 6.
func TestTheColourProfileIsWellFormed(t *testing.T) {
	p := sRGBProfile()
	be := binary.BigEndian
	if int(be.Uint32(p)) != len(p) || string(p[36:40]) != "acsp" || string(p[12:24]) != "mntrRGB XYZ " {
		t.Fatal("header")
	}
	var sum [3]float64
	n := int(be.Uint32(p[128:]))
	for i := range n {
		tag := p[132+12*i:]
		offset, size := int(be.Uint32(tag[4:])), int(be.Uint32(tag[8:]))
		if offset%4 != 0 || offset < 132+12*n || offset+size > len(p) {
			t.Errorf("tag %s at %d, %d bytes", tag[:4], offset, size)
		}
		if s := string(tag[:4]); s == "rXYZ" || s == "gXYZ" || s == "bXYZ" {
			for k := range sum {
				sum[k] += float64(int32(be.Uint32(p[offset+8+4*k:]))) / 65536
			}
		}
	}
	for k, want := range []float64{0.9642, 1, 0.8249} { // the primaries add up to the white of the connection space
		if d := sum[k] - want; d > 0.001 || d < -0.001 {
			t.Errorf("white %v, want %v", sum[k], want)
		}
	}
}
