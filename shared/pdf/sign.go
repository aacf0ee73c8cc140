package pdf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/yinxin/yinxin/shared/layout"
)

// Rect is a rectangle in millimetres. X and Y are its top left corner, from the top left of the page as it is shown:
// within the CropBox and turned by Rotate.
type Rect struct{ X, Y, W, H float64 }

// Signature says how a signature is to stand in the file.
type Signature struct {
	Page int  // counting from 1
	Rect Rect // zero width or height: the signature is not visible
	// Appearance is drawn into Rect as a vector form, stretched from its own size. Text in it becomes outlines, for
	// which Fonts is needed.
	Appearance layout.Page
	Fonts      *layout.Fonts

	Name, Reason, Location, ContactInfo string    // of the signature dictionary; each may be empty
	Time                                time.Time // /M, the claimed time of signing; to the second

	// Certify makes this the certification signature with DocMDP P=2 (ISO 32000-1, section 12.8.2.2): later
	// signatures and the filling of form fields stay allowed, nothing else. Only the first signature may certify.
	Certify bool

	Reserve int // bytes kept for the message; 0 for 8192
}

const defaultReserve = 8192

// Prepared is a file that lacks one signature. Its bytes outside the gap are final.
type Prepared struct {
	data  []byte
	gap   [2]int // of /Contents, with its angle brackets
	field string
}

// Prepare appends a revision with a signature field, its appearance and a signature dictionary whose /Contents is
// empty, and checks the result with Examine. f is not changed.
//
// It refuses a file whose present signatures Examine finds broken, that is certified against any change, or that goes
// on after its last end-of-file marker. The error is a [*Refusal], or a [*layout.MissingGlyphError] for text in the
// appearance.
func (f *File) Prepare(s Signature) (*Prepared, error) {
	if err := f.acceptsSignature(s); err != nil {
		return nil, err
	}
	pages, err := f.pages()
	if err != nil {
		return nil, err
	}
	if s.Page < 1 || s.Page > len(pages) {
		return nil, refuse(NoSuchPage, "page %d of %d", s.Page, len(pages))
	}
	u := newUpdate(f)
	p, err := u.sign(s, pages[s.Page-1])
	if err != nil {
		return nil, err
	}
	return p, p.check(f)
}

func (f *File) acceptsSignature(s Signature) error {
	if n := f.trailing(); n > 0 {
		return refuse(TrailingBytes, "%d bytes after the last end-of-file marker", n)
	}
	for _, t := range []string{s.Name, s.Reason, s.Location, s.ContactInfo} {
		if !utf8.ValidString(t) {
			return refuse(InvalidText, "a text string that is not UTF-8")
		}
	}
	if s.Reserve < 0 || s.Reserve > 1<<20 {
		return refuse(ReserveTooSmall, "a reserve of %d bytes", s.Reserve)
	}
	report, err := f.Examine()
	if err != nil {
		return err
	}
	if len(report.Signatures) >= maxSignatures {
		return refuse(TooLarge, "%d signatures", len(report.Signatures))
	}
	if report.Certification == 1 {
		return refuse(NoChangesAllowed, "the file is certified with DocMDP P=1")
	}
	if s.Certify && len(report.Signatures) > 0 {
		return refuse(AlreadySigned, "only the first of %d signatures may certify", len(report.Signatures)+1)
	}
	if bad := report.Failures(); len(bad) > 0 {
		return refuse(EarlierBroken, "%s: %s", bad[0].Code, bad[0].Detail)
	}
	return nil
}

// check holds the prepared bytes against our own examination: one signature more, nothing broken, and the new one
// covering the whole file.
func (p *Prepared) check(before *File) error {
	f, err := Open(p.data)
	if err != nil {
		return fmt.Errorf("reading the prepared file: %w", err)
	}
	report, err := f.Examine()
	if err != nil {
		return fmt.Errorf("examining the prepared file: %w", err)
	}
	if f.Pages() != before.Pages() {
		return fmt.Errorf("pdf: the prepared file has %d pages instead of %d", f.Pages(), before.Pages())
	}
	found := false
	for _, s := range report.Signatures {
		if s.Field == p.field {
			found = s.Coverage == WholeFile && s.gap == p.gap
		}
	}
	if !found {
		return fmt.Errorf("pdf: the prepared signature %s does not cover its file", p.field)
	}
	for _, finding := range report.Failures() {
		if finding.Code != ContentsInvalid || finding.Field != p.field { // empty as yet
			return refuse(EarlierBroken, "%s: %s", finding.Code, finding.Detail)
		}
	}
	return nil
}

// Field returns the name of the new field.
func (p *Prepared) Field() string { return p.field }

// Ranges returns the two parts of the file that the signature covers. They must not be changed.
func (p *Prepared) Ranges() [2][]byte { return [2][]byte{p.data[:p.gap[0]], p.data[p.gap[1]:]} }

// Digest returns the digest of the covered bytes.
func (p *Prepared) Digest(h hash.Hash) []byte {
	for _, part := range p.Ranges() {
		h.Write(part)
	}
	return h.Sum(nil)
}

// Embed returns the finished file with message, one DER element, in the gap, behind it zeros. The covered bytes are
// those that Digest saw. It refuses a message larger than the reserve.
func (p *Prepared) Embed(message []byte) ([]byte, error) {
	n, err := derLength(message)
	if err != nil || n != len(message) {
		return nil, refuse(InvalidSignature, "the message is not one DER element")
	}
	room := (p.gap[1] - p.gap[0] - 2) / 2
	if len(message) > room {
		return nil, refuse(ReserveTooSmall, "the message has %d bytes, %d are reserved", len(message), room)
	}
	out := bytes.Clone(p.data)
	hex.Encode(out[p.gap[0]+1:], message)
	return out, nil
}

// derLength returns the length of the DER element at the start of data.
func derLength(data []byte) (int, error) {
	if len(data) < 2 || data[0]&0x1f == 0x1f {
		return 0, refuse(InvalidSignature, "no DER element")
	}
	n, head := int(data[1]), 2
	if n >= 0x80 {
		count := n & 0x7f
		if count < 1 || count > 3 || len(data) < 2+count {
			return 0, refuse(InvalidSignature, "length of the DER element")
		}
		n, head = 0, 2+count
		for _, c := range data[2:head] {
			n = n<<8 | int(c)
		}
	}
	if n > len(data)-head {
		return 0, refuse(InvalidSignature, "the DER element is cut off")
	}
	return head + n, nil
}

// update is one revision in the making.
type update struct {
	body
	f *File
}

func newUpdate(f *File) *update {
	u := &update{f: f, body: body{next: f.size(), offsets: map[ref]int{}}}
	u.b.Grow(len(f.data) + 64<<10)
	u.b.Write(f.data)
	if last := f.data[len(f.data)-1]; last != '\n' && last != '\r' {
		u.b.WriteByte('\n')
	}
	return u
}

func (u *update) sign(s Signature, on page) (*Prepared, error) {
	root, err := u.f.rootRef()
	if err != nil {
		return nil, err
	}
	catalog, err := u.f.catalog()
	if err != nil {
		return nil, err
	}
	annots, err := u.f.arrayOf(on.dict["Annots"])
	if err != nil {
		return nil, err
	}
	formRef, form, fields, err := u.form(catalog)
	if err != nil {
		return nil, err
	}
	field, value := u.allot(), u.allot()
	title, err := u.fieldName(form)
	if err != nil {
		return nil, err
	}
	widget := dict{
		"Type": name("Annot"), "Subtype": name("Widget"), "FT": name("Sig"), "T": textString(title),
		"F": integer(132), // Print and Locked
		"P": on.ref, "V": value, "Rect": array{integer(0), integer(0), integer(0), integer(0)},
	}
	if err := u.appearance(s, on, widget); err != nil {
		return nil, err
	}
	u.put(field, widget)

	changedPage := maps.Clone(on.dict)
	changedPage["Annots"] = append(slices.Clone(annots), field)
	u.put(on.ref, changedPage)

	form["Fields"] = append(slices.Clone(fields), field)
	form["SigFlags"] = integer(3) // SignaturesExist, AppendOnly
	changedCatalog := maps.Clone(catalog)
	if formRef != (ref{}) {
		u.put(formRef, form)
	} else {
		changedCatalog["AcroForm"] = form
	}
	if s.Certify {
		changedCatalog["Perms"] = dict{"DocMDP": value}
	}
	if s.Certify || formRef == (ref{}) {
		u.put(root, changedCatalog)
	}
	p := &Prepared{field: title}
	rangeAt, err := u.signatureDictionary(s, value, p)
	if err != nil {
		return nil, err
	}
	u.finish()
	p.data = u.b.Bytes()
	byteRange := fmt.Sprintf("0 %010d %010d %010d", p.gap[0], p.gap[1], len(p.data)-p.gap[1])
	copy(p.data[rangeAt:], byteRange)
	return p, nil
}

// form returns the interactive form, to be changed, with the reference it stands under, if it has one.
func (u *update) form(catalog dict) (ref, dict, array, error) {
	form, err := u.f.dictOf(catalog["AcroForm"])
	if err != nil {
		return ref{}, nil, nil, err
	}
	if form["XFA"] != nil {
		return ref{}, nil, nil, refuse(XFAForm, "the form is XFA")
	}
	fields, err := u.f.arrayOf(form["Fields"])
	if err != nil {
		return ref{}, nil, nil, err
	}
	at, _ := catalog["AcroForm"].(ref)
	if form == nil {
		return ref{}, dict{}, nil, nil
	}
	return at, maps.Clone(form), fields, nil
}

// fieldName returns the first of Signature1, Signature2 … that no field has.
func (u *update) fieldName(form dict) (string, error) {
	all, err := u.f.fields()
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, field := range all {
		taken[field.name] = true
	}
	for i := 1; ; i++ {
		if title := fmt.Sprintf("Signature%d", i); !taken[title] {
			return title, nil
		}
	}
}

// appearance sets the place and look of the widget.
func (u *update) appearance(s Signature, on page, widget dict) error {
	if s.Rect.W <= 0 || s.Rect.H <= 0 {
		if s.Rect.W < 0 || s.Rect.H < 0 || len(s.Appearance.Items) > 0 {
			return refuse(InvalidAppearance, "an appearance of %v by %v mm", s.Rect.W, s.Rect.H)
		}
		return nil // Rect stays empty
	}
	if s.Appearance.W <= 0 || s.Appearance.H <= 0 {
		return refuse(InvalidAppearance, "an appearance without a size")
	}
	fr, err := u.f.frame(on)
	if err != nil {
		return err
	}
	w, h := fr.size()
	const slack = 0.01
	if s.Rect.X < -slack || s.Rect.Y < -slack || s.Rect.X+s.Rect.W > w+slack || s.Rect.Y+s.Rect.H > h+slack {
		return refuse(OutsidePage, "the page has %.1f by %.1f mm", w, h)
	}
	ax, ay := fr.point(s.Rect.X, s.Rect.Y)
	bx, by := fr.point(s.Rect.X+s.Rect.W, s.Rect.Y+s.Rect.H)
	widget["Rect"] = array{
		decimal(min(ax, bx)), decimal(min(ay, by)), decimal(max(ax, bx)), decimal(max(ay, by)),
	}
	form, err := u.drawForm(s)
	if err != nil {
		return err
	}
	// The viewer stretches the turned BBox over Rect (ISO 32000-1, section 12.5.5), so only the turn is stated.
	if turn := [...]raw{"", "[0 1 -1 0 0 0]", "[-1 0 0 -1 0 0]", "[0 -1 1 0 0 0]"}[fr.rotate/90]; turn != "" {
		form.dict["Matrix"] = turn
	}
	widget["AP"] = dict{"N": u.add(form)}
	return nil
}

// drawForm draws the appearance as a form XObject that is a transparency group.
func (u *update) drawForm(s Signature) (*stream, error) {
	c := &content{fonts: s.Fonts}
	if err := c.draw(s.Appearance); err != nil {
		return nil, err
	}
	resources := dict{}
	objects, err := u.images(c.images)
	if err != nil {
		return nil, err
	}
	if len(objects) > 0 {
		resources["XObject"] = objects
	}
	return compressed(dict{
		"Type": name("XObject"), "Subtype": name("Form"), "Resources": resources,
		"BBox": array{
			integer(0), integer(0), decimal(s.Appearance.W * pointsPerMM), decimal(s.Appearance.H * pointsPerMM),
		},
		"Group": dict{"Type": name("Group"), "S": name("Transparency"), "CS": name("DeviceRGB")},
	}, c.b.Bytes())
}

// signatureDictionary writes the value of the field by hand, so that ByteRange and Contents are where we know them. It
// notes the gap in p and returns where the numbers of ByteRange begin.
func (u *update) signatureDictionary(s Signature, at ref, p *Prepared) (int, error) {
	date, err := pdfDate(s.Time)
	if err != nil {
		return 0, err
	}
	reserve := s.Reserve
	if reserve == 0 {
		reserve = defaultReserve
	}
	u.offsets[at] = u.b.Len()
	fmt.Fprintf(&u.b, "%d %d obj\n<</Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached\n/ByteRange [",
		at.num, at.gen)
	rangeAt := u.b.Len()
	fmt.Fprintf(&u.b, "0 %010d %010d %010d]\n/Contents ", 0, 0, 0)
	p.gap[0] = u.b.Len()
	u.b.WriteByte('<')
	u.b.Write(bytes.Repeat([]byte("00"), reserve))
	u.b.WriteByte('>')
	p.gap[1] = u.b.Len()
	fmt.Fprintf(&u.b, "\n/M (%s)", date)
	for _, e := range []struct {
		key   name
		value string
	}{{"Name", s.Name}, {"Reason", s.Reason}, {"Location", s.Location}, {"ContactInfo", s.ContactInfo}} {
		if e.value != "" {
			fmt.Fprintf(&u.b, "\n/%s ", e.key)
			writeObject(&u.b, textString(e.value))
		}
	}
	if s.Certify {
		u.b.WriteString("\n/Reference [<</Type /SigRef /TransformMethod /DocMDP " +
			"/TransformParams <</Type /TransformParams /P 2 /V /1.2>>>>]")
	}
	u.b.WriteString(">>\nendobj\n")
	return rangeAt, nil
}

// pdfDate writes a date (ISO 32000-1, section 7.9.4) in UTC.
func pdfDate(t time.Time) (string, error) {
	t = t.UTC()
	if t.Year() < 1900 || t.Year() > 9999 {
		return "", refuse(InvalidTime, "the year %d", t.Year())
	}
	return t.Format("D:20060102150405Z"), nil
}

// finish writes the cross-reference section in the kind that the file uses.
func (u *update) finish() {
	trailer := dict{"Prev": integer(u.f.sections[0].offset)}
	for _, key := range []name{"Root", "Info", "ID"} {
		if v, ok := u.f.trailer()[key]; ok {
			trailer[key] = v
		}
	}
	if _, ok := trailer["ID"]; !ok {
		sum := sha256.Sum256(u.f.data)
		trailer["ID"] = array{text(sum[:16]), text(sum[:16])}
	}
	if u.f.sections[0].table {
		u.table(trailer, "")
	} else {
		u.xrefStream(trailer)
	}
}

func (u *update) xrefStream(trailer dict) {
	self := u.allot()
	start := u.b.Len()
	u.offsets[self] = start
	var index array
	var rows []byte
	for group := range runs(u.sorted()) {
		index = append(index, integer(group[0].num), integer(len(group)))
		for _, r := range group {
			v := u.offsets[r]
			rows = append(rows, 1, byte(v>>24), byte(v>>16), byte(v>>8), byte(v), byte(r.gen>>8), byte(r.gen))
		}
	}
	trailer["Type"], trailer["Size"], trailer["Index"] = name("XRef"), integer(u.next), index
	trailer["W"] = array{integer(1), integer(4), integer(2)}
	u.put(self, &stream{dict: trailer, raw: rows})
	fmt.Fprintf(&u.b, "startxref\n%d\n%%%%EOF\n", start)
}
