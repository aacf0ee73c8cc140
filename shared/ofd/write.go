package ofd

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/layout"
)

// FieldsNamespace is the namespace of the custom tags (自定义标引) by which [Write] says which text objects show which
// data field.
const FieldsNamespace = "urn:yinxin:ofd:fields:1"

// Document is what [Write] makes a package of.
type Document struct {
	Pages       []layout.Page
	Title       string
	Author      string
	Subject     string
	Created     time.Time         // CreationDate, a date in Created's own zone; left out if zero
	DocID       string            // 32 hexadecimal digits, unique to this document
	CustomData  map[string]string // CustomDatas of DocInfo
	Attachments []Attachment
}

// Attachment is a file in a package. Its path in the package does not depend on its name.
type Attachment struct {
	Name   string // as shown
	Format string // such as "json"; the extension of the file
	Data   []byte
}

// Write makes a package with one document: fonts embedded as subsets, texts with the glyphs they are drawn with, paths
// as paths, and a custom tag for every text that names a field. Equal documents make equal bytes. fonts may be nil if
// no page has text.
//
// It returns a [*layout.MissingGlyphError] for a character that no font has, and [ErrInput] for contents that break a
// rule of GB/T 33190-2016 or of XML.
func Write(d Document, fonts *layout.Fonts) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("writing the document: %w", err)
	}
	w := writer{fontID: map[layout.Face]int{}, subset: map[layout.Face]layout.Subset{}}
	if err := w.embedFonts(d, fonts); err != nil {
		return nil, fmt.Errorf("writing the document: %w", err)
	}
	for i, page := range d.Pages {
		if err := w.page(i, page); err != nil {
			return nil, fmt.Errorf("writing page %d: %w", i+1, err)
		}
	}
	w.attachments(d.Attachments)
	w.resources()
	w.customTags()
	files := append([]*entry{
		w.pack.entry(rootName, d.packageXML()),
		w.pack.entry("Doc_0/Document.xml", w.documentXML(d)),
	}, w.files...)
	return writeZip(files), nil
}

func (d Document) check() error {
	if len(d.Pages) == 0 || len(d.Pages) > MaxEntries/2 || len(d.Attachments) > MaxEntries/4 {
		return fmt.Errorf("%w: %d pages, %d attachments", ErrInput, len(d.Pages), len(d.Attachments))
	}
	if id, err := hex.DecodeString(d.DocID); err != nil || len(id) != 16 {
		return fmt.Errorf("%w: DocID %q", ErrInput, d.DocID)
	}
	texts := []string{d.Title, d.Author, d.Subject}
	for k, v := range d.CustomData {
		texts = append(texts, k, v)
	}
	for i, a := range d.Attachments {
		if a.Name == "" || strings.Trim(strings.ToLower(a.Format), "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return fmt.Errorf("%w: attachment %d: name %q, format %q", ErrInput, i, a.Name, a.Format)
		}
		texts = append(texts, a.Name)
	}
	for _, s := range texts {
		if !isText(s) {
			return fmt.Errorf("%w: text %q", ErrInput, s)
		}
	}
	return nil
}

// writer collects the parts of a document. Identifiers are integers, unique in the document (ST_ID).
type writer struct {
	pack   packer
	lastID int
	files  []*entry
	fontID map[layout.Face]int
	subset map[layout.Face]layout.Subset
	images []image
	pages  []pageRef
	fields []field
	attach []byte // Attachments.xml
}

type (
	image   struct{ id, index int }
	pageRef struct {
		id   int
		w, h float64
		path string
	}
	field struct {
		name         string
		page, object int
	}
)

func (w *writer) id() int {
	w.lastID++
	return w.lastID
}

func (w *writer) add(name string, content []byte) {
	w.files = append(w.files, w.pack.entry(name, content))
}

// embedFonts makes one subset per face of all characters of the document.
func (w *writer) embedFonts(d Document, fonts *layout.Fonts) error {
	runes := map[layout.Face][]rune{}
	for _, page := range d.Pages {
		for _, item := range page.Items {
			if t, ok := item.(layout.Text); ok {
				runes[t.Face] = append(runes[t.Face], []rune(t.S)...)
			}
		}
	}
	for _, face := range slices.Sorted(maps.Keys(runes)) {
		if fonts == nil {
			return fmt.Errorf("%w: text without fonts", ErrInput)
		}
		subset, err := fonts.Subset(face, runes[face])
		if err != nil {
			return err
		}
		w.fontID[face], w.subset[face] = w.id(), subset
		w.add(fmt.Sprintf("Doc_0/Res/font_%d.ttf", w.fontID[face]), subset.TTF)
	}
	return nil
}

func (w *writer) page(index int, page layout.Page) error {
	if !(page.W > 0 && page.H > 0 && page.W <= 1e4 && page.H <= 1e4) {
		return fmt.Errorf("%w: %v × %v mm", ErrInput, page.W, page.H)
	}
	ref := pageRef{id: w.id(), w: page.W, h: page.H, path: fmt.Sprintf("Pages/Page_%d/Content.xml", index)}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	fmt.Fprintf(&b, `<ofd:Page xmlns:ofd="%s"><ofd:Area><ofd:PhysicalBox>0 0 %s %s</ofd:PhysicalBox></ofd:Area>`,
		namespace, number(page.W), number(page.H))
	fmt.Fprintf(&b, `<ofd:Content><ofd:Layer ID="%d" Type="Body">`, w.id())
	for i, item := range page.Items {
		var err error
		switch item := item.(type) {
		case layout.Text:
			err = w.text(&b, ref.id, item)
		case layout.Path:
			err = w.path(&b, item)
		case layout.Image:
			err = w.image(&b, item)
		}
		if err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	b.WriteString(`</ofd:Layer></ofd:Content></ofd:Page>`)
	w.pages = append(w.pages, ref)
	w.add("Doc_0/"+ref.path, b.Bytes())
	return nil
}

// text writes a TextObject (11.2 and 11.3): colour, the glyph of each character, then the text itself.
func (w *writer) text(b *bytes.Buffer, page int, t layout.Text) error {
	if t.S == "" {
		return nil
	}
	if !isText(t.S) || strings.ContainsAny(t.S, "\t\n\r") || !isText(t.Field) ||
		!finite(t.X, t.Y, t.Size) || t.Size <= 0 {
		return fmt.Errorf("%w: text %q", ErrInput, t.S)
	}
	subset := w.subset[t.Face]
	runes := []rune(t.S)
	var glyphs, deltas strings.Builder
	at, written := 0.0, 0.0 // the sum of the rounded distances must not drift from the true one
	for i, r := range runes {
		gid := subset.GID[r]
		if i > 0 {
			glyphs.WriteByte(' ')
			step := math.Round((at-written)*1000) / 1000
			written += step
			if i > 1 {
				deltas.WriteByte(' ')
			}
			deltas.WriteString(number(step))
		}
		fmt.Fprintf(&glyphs, "%d", gid)
		at += float64(subset.Advance[gid]) / 1000 * t.Size
	}
	ascent, descent := float64(subset.Metrics.Ascent)/1000*t.Size, float64(-subset.Metrics.Descent)/1000*t.Size
	id := w.id()
	fmt.Fprintf(b, `<ofd:TextObject ID="%d" Font="%d" Size="%s" Boundary="%s">`, id, w.fontID[t.Face], number(t.Size),
		boxText(Box{t.X, t.Y - ascent, at, ascent + descent}))
	fmt.Fprintf(b, `<ofd:FillColor Value="%s"/>`, color(t.Color))
	fmt.Fprintf(b, `<ofd:CGTransform CodePosition="0" CodeCount="%d" GlyphCount="%d">`, len(runes), len(runes))
	fmt.Fprintf(b, `<ofd:Glyphs>%s</ofd:Glyphs></ofd:CGTransform>`, glyphs.String())
	fmt.Fprintf(b, `<ofd:TextCode X="0" Y="%s"`, number(ascent))
	if deltas.Len() > 0 {
		fmt.Fprintf(b, ` DeltaX="%s"`, deltas.String())
	}
	fmt.Fprintf(b, `>%s</ofd:TextCode></ofd:TextObject>`, escape(t.S))
	if t.Field != "" {
		w.fields = append(w.fields, field{t.Field, page, id})
	}
	return nil
}

// path writes a PathObject (9.1); coordinates are relative to its Boundary.
func (w *writer) path(b *bytes.Buffer, p layout.Path) error {
	if len(p.Ops) == 0 {
		return nil
	}
	box, err := bounds(p.Ops)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, `<ofd:PathObject ID="%d" Boundary="%s" Stroke="false" Fill="true">`, w.id(), boxText(box))
	fmt.Fprintf(b, `<ofd:FillColor Value="%s"/><ofd:AbbreviatedData>`, color(p.Fill))
	put := func(op string, xy ...float64) {
		b.WriteString(op)
		for i, v := range xy {
			b.WriteByte(' ')
			if i%2 == 0 {
				b.WriteString(number(v - box.X))
			} else {
				b.WriteString(number(v - box.Y))
			}
		}
	}
	for i, op := range p.Ops {
		if i > 0 {
			b.WriteByte(' ')
		}
		switch op.Kind {
		case 'M', 'L':
			put(string(rune(op.Kind)), op.X, op.Y)
		case 'Q':
			put("Q", op.X1, op.Y1, op.X, op.Y)
		case 'C':
			put("B", op.X1, op.Y1, op.X2, op.Y2, op.X, op.Y)
		case 'Z':
			put("C")
		}
	}
	b.WriteString(`</ofd:AbbreviatedData></ofd:PathObject>`)
	return nil
}

// bounds returns the box of all points of a path, rounded outwards so that nothing is cut off.
func bounds(ops []layout.Op) (Box, error) {
	x0, y0, x1, y1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, op := range ops {
		var points []float64
		switch op.Kind {
		case 'M', 'L':
			points = []float64{op.X, op.Y}
		case 'Q':
			points = []float64{op.X1, op.Y1, op.X, op.Y}
		case 'C':
			points = []float64{op.X1, op.Y1, op.X2, op.Y2, op.X, op.Y}
		case 'Z':
		default:
			return Box{}, fmt.Errorf("%w: path operation %q", ErrInput, op.Kind)
		}
		if !finite(points...) {
			return Box{}, fmt.Errorf("%w: path coordinates", ErrInput)
		}
		for i := 0; i < len(points); i += 2 {
			x0, x1 = min(x0, points[i]), max(x1, points[i])
			y0, y1 = min(y0, points[i+1]), max(y1, points[i+1])
		}
	}
	if x1 < x0 {
		return Box{}, fmt.Errorf("%w: path without points", ErrInput)
	}
	x0, y0 = math.Floor(x0*1000)/1000, math.Floor(y0*1000)/1000
	return Box{x0, y0, math.Ceil((x1-x0)*1000) / 1000, math.Ceil((y1-y0)*1000) / 1000}, nil
}

// image writes an ImageObject (10): the unit square stretched by CTM over its Boundary.
func (w *writer) image(b *bytes.Buffer, m layout.Image) error {
	if !finite(m.X, m.Y, m.W, m.H) || m.W <= 0 || m.H <= 0 || !bytes.HasPrefix(m.PNG, []byte("\x89PNG\r\n\x1a\n")) {
		return fmt.Errorf("%w: image", ErrInput)
	}
	resource := image{id: w.id(), index: len(w.images)}
	w.images = append(w.images, resource)
	w.add(fmt.Sprintf("Doc_0/Res/image_%d.png", resource.index), m.PNG)
	fmt.Fprintf(b, `<ofd:ImageObject ID="%d" Boundary="%s" CTM="%s 0 0 %s 0 0" ResourceID="%d"/>`,
		w.id(), boxText(Box{m.X, m.Y, m.W, m.H}), number(m.W), number(m.H), resource.id)
	return nil
}

// resources writes PublicRes.xml for fonts and DocumentRes.xml for images (7.9).
func (w *writer) resources() {
	open := xml.Header + `<ofd:Res xmlns:ofd="` + namespace + `" BaseLoc="Res">`
	if len(w.fontID) > 0 {
		var b bytes.Buffer
		b.WriteString(open + `<ofd:Fonts>`)
		for _, face := range slices.Sorted(maps.Keys(w.fontID)) {
			s := w.subset[face]
			fmt.Fprintf(&b, `<ofd:Font ID="%d" FontName="%s" FamilyName="%s"`,
				w.fontID[face], escape(s.Name), escape(s.Family))
			if face == layout.Bold {
				b.WriteString(` Bold="true"`)
			}
			fmt.Fprintf(&b, `><ofd:FontFile>font_%d.ttf</ofd:FontFile></ofd:Font>`, w.fontID[face])
		}
		b.WriteString(`</ofd:Fonts></ofd:Res>`)
		w.add("Doc_0/PublicRes.xml", b.Bytes())
	}
	if len(w.images) > 0 {
		var b bytes.Buffer
		b.WriteString(open + `<ofd:MultiMedias>`)
		for _, m := range w.images {
			fmt.Fprintf(&b, `<ofd:MultiMedia ID="%d" Type="Image" Format="PNG">`, m.id)
			fmt.Fprintf(&b, `<ofd:MediaFile>image_%d.png</ofd:MediaFile></ofd:MultiMedia>`, m.index)
		}
		b.WriteString(`</ofd:MultiMedias></ofd:Res>`)
		w.add("Doc_0/DocumentRes.xml", b.Bytes())
	}
}

// customTags writes the index of fields (ch. 16): per field the text objects that show it.
func (w *writer) customTags() {
	if len(w.fields) == 0 {
		return
	}
	w.add("Doc_0/Tags/CustomTags.xml", []byte(xml.Header+`<ofd:CustomTags xmlns:ofd="`+namespace+`">`+
		`<ofd:CustomTag NameSpace="`+FieldsNamespace+`"><ofd:FileLoc>Fields.xml</ofd:FileLoc></ofd:CustomTag></ofd:CustomTags>`))
	var b bytes.Buffer
	b.WriteString(xml.Header)
	fmt.Fprintf(&b, `<fields xmlns="%s" xmlns:ofd="%s">`, FieldsNamespace, namespace)
	var names []string
	objects := map[string][]field{}
	for _, f := range w.fields {
		if objects[f.name] == nil {
			names = append(names, f.name)
		}
		objects[f.name] = append(objects[f.name], f)
	}
	for _, name := range names {
		fmt.Fprintf(&b, `<field name="%s">`, escape(name))
		for _, f := range objects[name] {
			fmt.Fprintf(&b, `<ofd:ObjectRef PageRef="%d">%d</ofd:ObjectRef>`, f.page, f.object)
		}
		b.WriteString(`</field>`)
	}
	b.WriteString(`</fields>`)
	w.add("Doc_0/Tags/Fields.xml", b.Bytes())
}

// attachments writes the attached files and their list (ch. 20).
func (w *writer) attachments(list []Attachment) {
	if len(list) == 0 {
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `%s<ofd:Attachments xmlns:ofd="%s">`, xml.Header, namespace)
	for i, a := range list {
		name := fmt.Sprintf("attachment_%d", i)
		if a.Format != "" {
			name += "." + strings.ToLower(a.Format)
		}
		fmt.Fprintf(&b, `<ofd:Attachment ID="a%d" Name="%s"`, i+1, escape(a.Name))
		if a.Format != "" {
			fmt.Fprintf(&b, ` Format="%s"`, escape(a.Format))
		}
		fmt.Fprintf(&b, ` Size="%s" Visible="true"><ofd:FileLoc>%s</ofd:FileLoc></ofd:Attachment>`,
			number(float64(len(a.Data))/1024), name) // Size counts kilobytes
		w.add(path.Join("Doc_0/Attachs", name), a.Data)
	}
	b.WriteString(`</ofd:Attachments>`)
	w.attach = b.Bytes()
	w.add("Doc_0/Attachs/Attachments.xml", w.attach)
}

// documentXML writes Document.xml (7.5), elements in the order of the schema.
func (w *writer) documentXML(d Document) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `%s<ofd:Document xmlns:ofd="%s"><ofd:CommonData><ofd:MaxUnitID>%d</ofd:MaxUnitID>`,
		xml.Header, namespace, w.lastID)
	fmt.Fprintf(&b, `<ofd:PageArea><ofd:PhysicalBox>0 0 %s %s</ofd:PhysicalBox></ofd:PageArea>`,
		number(w.pages[0].w), number(w.pages[0].h))
	if len(w.fontID) > 0 {
		b.WriteString(`<ofd:PublicRes>PublicRes.xml</ofd:PublicRes>`)
	}
	if len(w.images) > 0 {
		b.WriteString(`<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes>`)
	}
	b.WriteString(`</ofd:CommonData><ofd:Pages>`)
	for _, p := range w.pages {
		fmt.Fprintf(&b, `<ofd:Page ID="%d" BaseLoc="%s"/>`, p.id, p.path)
	}
	b.WriteString(`</ofd:Pages>`)
	if len(w.fields) > 0 {
		b.WriteString(`<ofd:CustomTags>Tags/CustomTags.xml</ofd:CustomTags>`)
	}
	if w.attach != nil {
		b.WriteString(`<ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments>`)
	}
	b.WriteString(`</ofd:Document>`)
	return b.Bytes()
}

// packageXML writes OFD.xml (7.4).
func (d Document) packageXML() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `%s<ofd:OFD xmlns:ofd="%s" DocType="OFD" Version="1.0">`, xml.Header, namespace)
	b.WriteString(`<ofd:DocBody><ofd:DocInfo>`)
	element := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, `<ofd:%s>%s</ofd:%s>`, name, escape(value), name)
		}
	}
	element("DocID", strings.ToLower(d.DocID))
	element("Title", d.Title)
	element("Author", d.Author)
	element("Subject", d.Subject)
	if !d.Created.IsZero() {
		element("CreationDate", d.Created.Format(time.DateOnly))
	}
	element("Creator", "Yinxin")
	if len(d.CustomData) > 0 {
		b.WriteString(`<ofd:CustomDatas>`)
		for _, name := range slices.Sorted(maps.Keys(d.CustomData)) {
			fmt.Fprintf(&b, `<ofd:CustomData Name="%s">%s</ofd:CustomData>`, escape(name), escape(d.CustomData[name]))
		}
		b.WriteString(`</ofd:CustomDatas>`)
	}
	b.WriteString(`</ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>`)
	return b.Bytes()
}

func color(c layout.Color) string { return fmt.Sprintf("%d %d %d", c.R, c.G, c.B) }

func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.Abs(v) > 1e5 {
			return false
		}
	}
	return true
}
