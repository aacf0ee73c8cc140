package pdf

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/yinxin/yinxin/shared/layout"
)

// Document is what [Write] writes.
type Document struct {
	Pages []layout.Page
	// Title, Author and Subject go to the information dictionary and to the metadata alike; each may be empty.
	Title, Author, Subject string
	Created                time.Time // to the second; the file says nothing else about time
	Lang                   string    // RFC 3066, such as zh-CN, which is what "" stands for
	// Metadata are data of the document by key, for indexing (标引): an XMP property each, in the namespace
	// [FieldsNamespace]. Keys are XML names without a colon. The text of a layout.Text with a Field is added under that
	// key where Metadata has none, several lines of one field joined.
	Metadata map[string]string
}

// Write writes a file by the rules of PDF/A-2b, without claiming that a validator has confirmed it. The same document
// always makes the same bytes. The error is a [*Refusal], or a [*layout.MissingGlyphError] that names a character.
func Write(d Document, fonts *layout.Fonts) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	date, err := pdfDate(d.Created)
	if err != nil {
		return nil, err
	}
	packet, err := d.packet()
	if err != nil {
		return nil, err
	}
	w := &writer{body: body{next: 1, offsets: map[ref]int{}}}
	w.b.WriteString("%PDF-1.7\n%\xe5\x8d\xb0\xe4\n") // four bytes above 127 mark the file as binary
	catalog, tree := w.allot(), w.allot()
	info := dict{
		"Producer": textString(producer), "CreationDate": text(date), "ModDate": text(date),
	}
	for _, e := range []struct {
		key   name
		value string
	}{{"Title", d.Title}, {"Author", d.Author}, {"Subject", d.Subject}} {
		if e.value != "" {
			info[e.key] = textString(e.value)
		}
	}
	profile, err := compressed(dict{"N": integer(3)}, sRGBProfile())
	if err != nil {
		return nil, err
	}
	intent := dict{
		"Type": name("OutputIntent"), "S": name("GTS_PDFA1"), "DestOutputProfile": w.add(profile),
		"OutputConditionIdentifier": textString("sRGB IEC61966-2.1"), "Info": textString("sRGB IEC61966-2.1"),
	}
	metadata := w.add(&stream{dict: dict{"Type": name("Metadata"), "Subtype": name("XML")}, raw: packet})
	if err := w.makeFonts(d.Pages, fonts); err != nil {
		return nil, err
	}
	var kids array
	for _, p := range d.Pages {
		kid, err := w.page(p, tree)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	w.put(tree, dict{"Type": name("Pages"), "Kids": kids, "Count": integer(len(kids))})
	w.put(catalog, dict{
		"Type": name("Catalog"), "Pages": tree, "Metadata": metadata, "OutputIntents": array{intent},
		"Lang": textString(d.lang()), "ViewerPreferences": dict{"DisplayDocTitle": true},
	})
	infoRef := w.add(info)
	id := sha256.Sum256(w.b.Bytes())
	w.table(dict{
		"Root": catalog, "Info": infoRef, "ID": array{text(id[:16]), text(id[:16])},
	}, "0 1\n0000000000 65535 f \n")
	return w.b.Bytes(), nil
}

const producer = "Yinxin"

func (d Document) lang() string {
	if d.Lang == "" {
		return "zh-CN"
	}
	return d.Lang
}

func (d Document) check() error {
	if len(d.Pages) == 0 || len(d.Pages) > maxPages {
		return refuse(InvalidDocument, "%d pages", len(d.Pages))
	}
	for i, p := range d.Pages {
		const most = 14400 / pointsPerMM // ISO 32000-1, annex C
		if !(p.W >= 1 && p.H >= 1 && p.W <= most && p.H <= most) {
			return refuse(InvalidDocument, "page %d has %v by %v mm", i+1, p.W, p.H)
		}
	}
	for _, s := range []string{d.Title, d.Author, d.Subject, d.Lang} {
		if !utf8.ValidString(s) {
			return refuse(InvalidText, "a text string that is not UTF-8")
		}
	}
	return nil
}

// writer is a whole file in the making.
type writer struct {
	body
	subsets map[layout.Face]layout.Subset
	fonts   dict // resources: F0, F1
}

func fontName(f layout.Face) name { return name(fmt.Sprintf("F%d", f)) }

func (w *writer) page(p layout.Page, parent ref) (ref, error) {
	c := &content{text: w.line}
	if err := c.draw(p); err != nil {
		return ref{}, err
	}
	s, err := compressed(dict{}, c.b.Bytes())
	if err != nil {
		return ref{}, err
	}
	resources := dict{}
	if len(w.fonts) > 0 {
		resources["Font"] = w.fonts
	}
	images, err := w.images(c.images)
	if err != nil {
		return ref{}, err
	}
	if len(images) > 0 {
		resources["XObject"] = images
	}
	return w.add(dict{
		"Type": name("Page"), "Parent": parent, "Contents": w.add(s), "Resources": resources,
		"MediaBox": array{integer(0), integer(0), decimal(p.W * pointsPerMM), decimal(p.H * pointsPerMM)},
	}), nil
}

// line shows a line of text with the glyphs of its subset.
func (w *writer) line(c *content, t layout.Text) error {
	subset := w.subsets[t.Face]
	c.color(t.Color)
	fmt.Fprintf(&c.b, "BT\n/%s ", fontName(t.Face))
	c.number(t.Size * pointsPerMM)
	c.b.WriteString("Tf\n")
	c.point(t.X, t.Y)
	c.b.WriteString("Td\n<")
	for _, r := range t.S {
		fmt.Fprintf(&c.b, "%04X", subset.GID[r])
	}
	c.b.WriteString("> Tj\nET\n")
	return nil
}

// makeFonts embeds, per face, a font of the characters that the pages show.
func (w *writer) makeFonts(pages []layout.Page, fonts *layout.Fonts) error {
	characters := map[layout.Face][]rune{}
	for _, p := range pages {
		for _, item := range p.Items {
			if t, ok := item.(layout.Text); ok {
				if !utf8.ValidString(t.S) {
					return refuse(InvalidText, "a line that is not UTF-8")
				}
				if math.IsNaN(t.Size) || t.Size <= 0 {
					return refuse(InvalidDocument, "text of size %v mm", t.Size)
				}
				characters[t.Face] = append(characters[t.Face], []rune(t.S)...)
			}
		}
	}
	w.subsets, w.fonts = map[layout.Face]layout.Subset{}, dict{}
	for _, face := range []layout.Face{layout.Regular, layout.Bold} {
		if len(characters[face]) == 0 {
			continue
		}
		if fonts == nil {
			return refuse(InvalidDocument, "text without fonts")
		}
		subset, err := fonts.Subset(face, characters[face])
		if err != nil {
			return err
		}
		w.subsets[face] = subset
		if w.fonts[fontName(face)], err = w.font(subset); err != nil {
			return err
		}
	}
	return nil
}

// font writes a composite font (ISO 32000-1, section 9.7) whose codes are the glyph numbers of the subset.
func (w *writer) font(s layout.Subset) (ref, error) {
	file, err := compressed(dict{"Length1": integer(len(s.TTF))}, s.TTF)
	if err != nil {
		return ref{}, err
	}
	toUnicode, err := compressed(dict{}, toUnicode(s.Runes))
	if err != nil {
		return ref{}, err
	}
	m, base := s.Metrics, name(s.Tag+"+"+s.Name)
	descriptor := w.add(dict{
		"Type": name("FontDescriptor"), "FontName": base, "FontFamily": textString(s.Family),
		"Flags":    integer(4 | 2), // symbolic, with serifs
		"FontBBox": array{integer(m.XMin), integer(m.YMin), integer(m.XMax), integer(m.YMax)},
		"Ascent":   integer(m.Ascent), "Descent": integer(m.Descent), "CapHeight": integer(m.CapHeight),
		"ItalicAngle": integer(0), "StemV": integer(m.StemV), "FontFile2": w.add(file),
	})
	var widths array
	for _, v := range s.Advance {
		widths = append(widths, integer(v))
	}
	descendant := w.add(dict{
		"Type": name("Font"), "Subtype": name("CIDFontType2"), "BaseFont": base, "CIDToGIDMap": name("Identity"),
		"CIDSystemInfo":  raw("<</Ordering (Identity) /Registry (Adobe) /Supplement 0>>"),
		"FontDescriptor": descriptor, "DW": integer(1000), "W": array{integer(0), widths},
	})
	return w.add(dict{
		"Type": name("Font"), "Subtype": name("Type0"), "BaseFont": base, "Encoding": name("Identity-H"),
		"DescendantFonts": array{descendant}, "ToUnicode": w.add(toUnicode),
	}), nil
}

// toUnicode maps each glyph to its character in UTF-16 (ISO 32000-1, section 9.10.3), so that text can be searched and
// copied, characters beyond the basic plane too.
func toUnicode(runes []rune) []byte {
	var b bytes.Buffer
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n" +
		"/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n" +
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n" +
		"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n")
	gid := 1
	for block := range slices.Chunk(runes[1:], 100) { // at most 100 in a block
		fmt.Fprintf(&b, "%d beginbfchar\n", len(block))
		for _, r := range block {
			fmt.Fprintf(&b, "<%04X> <", gid)
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, "%04X", u)
			}
			b.WriteString(">\n")
			gid++
		}
		b.WriteString("endbfchar\n")
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return b.Bytes()
}

// fieldValues returns the metadata of the document: the given ones, and the text of the fields on its pages.
func (d Document) fieldValues() map[string]string {
	shown := map[string]*strings.Builder{}
	for _, p := range d.Pages {
		for _, item := range p.Items {
			t, ok := item.(layout.Text)
			if !ok || t.Field == "" {
				continue
			}
			if shown[t.Field] == nil {
				shown[t.Field] = &strings.Builder{}
			}
			shown[t.Field].WriteString(t.S)
		}
	}
	values := map[string]string{}
	for key, b := range shown {
		values[key] = b.String()
	}
	for key, value := range d.Metadata {
		values[key] = value
	}
	return values
}
