package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/yinxin/yinxin/shared/cms"
)

// form is a page with an interactive form: a text field 7 with its appearance 8, an empty signature field 9.
func form() handmade {
	h := onePage("/Annots[7 0 R 10 0 R]")
	h[1] = "<</Type/Catalog/Pages 2 0 R/AcroForm 6 0 R/Metadata 11 0 R>>"
	h[6] = "<</Fields[7 0 R 9 0 R]/DR<</Font<</F 5 0 R>>>>>>"
	h[7] = "<</Type/Annot/Subtype/Widget/FT/Tx/T(amount)/V(1)/Rect[10 10 60 30]/AP<</N 8 0 R>>/P 3 0 R>>"
	h[8] = streamOf("/Type/XObject/Subtype/Form/BBox[0 0 50 20]", "BT (1) Tj ET")
	h[9] = "<</FT/Sig/T(later)>>"
	h[10] = "<</Type/Annot/Subtype/Text/Contents(a note)/Rect[80 10 100 30]/P 3 0 R>>"
	h[11] = streamOf("/Type/Metadata/Subtype/XML", "<x/>")
	h[12] = "<</Producer(hand)>>"
	h[13] = streamOf("", "q Q") // referred to by nothing
	return h
}

// signedForm signs the form; the new field is object 14, the signature 15.
func signedForm(t testing.TB, a *authority, certify bool) []byte {
	t.Helper()
	return stamp(t, form().classic(), Signature{Page: 1, Name: "示例", Time: signedAt, Certify: certify}, a)
}

func codes(findings []Finding) string {
	var all []string
	for _, f := range findings {
		s := string(f.Code)
		if f.Warning {
			s += "?"
		}
		if f.Attack != "" {
			s += " " + string(f.Attack)
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

// TestChangesAfterSigningAreClassified takes one signed file through every kind of later revision.
func TestChangesAfterSigningAreClassified(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	signed := signedForm(t, a, false)
	wantIntact(t, signed, 1)
	page := func(keys string) string { return with(t, signed, 3, keys) }
	undefined := "PDF_CHANGE_UNDEFINED incremental-saving"
	cases := []struct {
		name    string
		objects handmade
		trailer string
		want    string // codes of the findings of the signature
		changes string // kinds of the changes, if not empty
	}{
		{name: "nothing", objects: handmade{3: page("")}, want: ""},
		{name: "page content replaced", objects: handmade{4: streamOf("", "BT (Bye) Tj ET")}, want: undefined},
		{name: "page content exchanged", objects: handmade{3: page("/Contents 20 0 R"), 20: streamOf("", "q Q")},
			want: undefined + ", " + undefined},
		{name: "font replaced", objects: handmade{5: "<</Type/Font/Subtype/Type1/BaseFont/Courier>>"}, want: undefined},
		{name: "page turned", objects: handmade{3: page("/Rotate 90")}, want: undefined},
		{name: "page box moved in the tree", objects: handmade{2: with(t, signed, 2, "/MediaBox[0 0 100 100]")},
			want: undefined},
		{name: "page content freed", objects: handmade{4: ""}, want: undefined},
		{name: "page added", objects: handmade{
			2: with(t, signed, 2, "/Kids[3 0 R 20 0 R]/Count 2"), 20: "<</Type/Page/Parent 2 0 R>>",
		}, want: "PDF_PAGES_CHANGED incremental-saving"},
		{name: "page removed and another put there", objects: handmade{
			2: with(t, signed, 2, "/Kids[20 0 R]"), 20: "<</Type/Page/Parent 2 0 R>>",
		}, want: "PDF_PAGES_CHANGED incremental-saving"},
		{name: "script added", objects: handmade{1: with(t, signed, 1, "/OpenAction<</S/JavaScript/JS(x)>>")},
			want: undefined},
		{name: "layers added", objects: handmade{1: with(t, signed, 1, "/OCProperties<</OCGs[]/D<<>>>>")},
			want: undefined},
		{name: "object that nothing needs", objects: handmade{20: "(hidden)"}, want: undefined},
		{name: "validation data", objects: handmade{
			1: with(t, signed, 1, "/DSS 20 0 R"), 20: "<</Certs[21 0 R]>>", 21: streamOf("", "certificate"),
		}, changes: "validation-data"},
		{name: "validation data that hides a font", objects: handmade{
			1: with(t, signed, 1, "/DSS 20 0 R"), 20: "<</Certs[5 0 R]>>", 5: streamOf("", "certificate"),
		}, want: undefined},
		{name: "document time-stamp", objects: handmade{
			6: with(t, signed, 6, "/Fields[7 0 R 9 0 R 14 0 R 20 0 R]"), 20: "<</FT/Sig/T(stamp)/V 21 0 R>>",
			21: "<</Type/DocTimeStamp/Contents<3000>>>",
		}, changes: "document-timestamp"},
		{name: "font added to the form's resources", objects: handmade{
			6: with(t, signed, 6, "/DR<</Font<</F 5 0 R/G 20 0 R>>>>"), 20: "<</Type/Font/Subtype/Type1/BaseFont/Courier>>",
		}},
		{name: "font of the form's resources replaced", objects: handmade{
			6: with(t, signed, 6, "/DR<</Font<</H 20 0 R>>>>"), 20: "<</Type/Font/Subtype/Type1/BaseFont/Courier>>",
		}, want: undefined},
		{name: "field filled", objects: handmade{7: with(t, signed, 7, "/V(2)/AP<</N 20 0 R>>"), 20: streamOf("", "q Q")},
			want: "PDF_FORM_FILLED?", changes: "form-fill"},
		{name: "field filled in place", objects: handmade{7: with(t, signed, 7, "/V(2)"), 8: streamOf("", "q Q")},
			want: "PDF_FORM_FILLED?", changes: "form-fill"},
		{name: "field drawn anew and not filled", objects: handmade{8: streamOf("", "q Q")}, want: undefined},
		{name: "field moved", objects: handmade{7: with(t, signed, 7, "/Rect[0 0 200 300]")}, want: undefined},
		{name: "field removed", objects: handmade{6: with(t, signed, 6, "/Fields[9 0 R 14 0 R]")}, want: undefined},
		{name: "text field added", objects: handmade{
			6: with(t, signed, 6, "/Fields[7 0 R 9 0 R 14 0 R 20 0 R]"), 20: "<</FT/Tx/T(new)>>",
		}, want: undefined},
		{name: "empty signature field signed", objects: handmade{
			9: with(t, signed, 9, "/V 20 0 R"), 20: "<</Type/Sig/Contents<3000>>>",
		}, changes: "signature"},
		{name: "invisible empty signature field", objects: handmade{
			6: with(t, signed, 6, "/Fields[7 0 R 9 0 R 14 0 R 20 0 R]"), 20: "<</FT/Sig/T(new)>>",
		}, changes: "signature"},
		{name: "visible signature field without a signature", objects: handmade{
			3: page("/Annots[7 0 R 10 0 R 14 0 R 20 0 R]"), 6: with(t, signed, 6, "/Fields[7 0 R 9 0 R 14 0 R 20 0 R]"),
			20: "<</Type/Annot/Subtype/Widget/FT/Sig/T(new)/Rect[0 0 200 300]/AP<</N 21 0 R>>/P 3 0 R>>",
			21: streamOf("", "q Q"),
		}, want: "PDF_CHANGE_NOT_ALLOWED evil-annotation"},
		{name: "signature field without a signature, in a rectangle beyond the numbers that are read", objects: handmade{
			3: page("/Annots[7 0 R 10 0 R 14 0 R 20 0 R]"), 6: with(t, signed, 6, "/Fields[7 0 R 9 0 R 14 0 R 20 0 R]"),
			20: "<</Type/Annot/Subtype/Widget/FT/Sig/T(new)/Rect[0 0 5000000 300]/AP<</N 21 0 R>>/P 3 0 R>>", 21: streamOf("", "q Q"),
		}, want: "PDF_CHANGE_NOT_ALLOWED evil-annotation"},
		{name: "signature field without a signature, in a rectangle of five numbers", objects: handmade{
			3: page("/Annots[7 0 R 10 0 R 14 0 R 20 0 R]"), 6: with(t, signed, 6, "/Fields[7 0 R 9 0 R 14 0 R 20 0 R]"),
			20: "<</Type/Annot/Subtype/Widget/FT/Sig/T(new)/Rect[0 0 200 300 0]/AP<</N 21 0 R>>/P 3 0 R>>", 21: streamOf("", "q Q"),
		}, want: "PDF_CHANGE_NOT_ALLOWED evil-annotation"},
		{name: "note added over the text", objects: handmade{
			3: page("/Annots[7 0 R 10 0 R 14 0 R 20 0 R]"), 20: "<</Type/Annot/Subtype/FreeText/Rect[0 0 200 300]>>",
		}, want: "PDF_CHANGE_NOT_ALLOWED evil-annotation", changes: "annotation"},
		{name: "note changed", objects: handmade{10: with(t, signed, 10, "/Contents(another)")},
			want: "PDF_CHANGE_NOT_ALLOWED evil-annotation"},
		{name: "note removed", objects: handmade{3: page("/Annots[7 0 R 14 0 R]")}, want: undefined},
		{name: "metadata", objects: handmade{11: streamOf("/Type/Metadata/Subtype/XML", "<y/>")},
			want: "PDF_METADATA_CHANGED?", changes: "metadata"},
		{name: "information", objects: handmade{12: "<</Producer(another)>>"}, trailer: "/Info 12 0 R",
			want: "PDF_METADATA_CHANGED?", changes: "metadata"},
		{name: "signature renamed", objects: handmade{15: with(t, signed, 15, "/Reason(none)")},
			want: "PDF_BYTE_RANGE_GAP signature-wrapping"},
		{name: "signature's picture changed", objects: handmade{14: with(t, signed, 14, "/Rect[0 0 200 300]")},
			want: undefined},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := examine(t, revise(t, signed, c.objects, c.trailer))
			var s SignatureField
			for _, candidate := range r.Signatures {
				if candidate.Object == 15 {
					s = candidate
				}
			}
			if got := codes(s.Findings); got != c.want {
				t.Errorf("findings %q, want %q\n%+v", got, c.want, s.Findings)
			}
			var kinds []string
			for _, change := range s.Changes {
				kinds = append(kinds, string(change.Kind))
			}
			if got := strings.Join(kinds, ", "); c.changes != "" && got != c.changes {
				t.Errorf("changes %q, want %q", got, c.changes)
			}
			if c.name != "signature renamed" && s.Coverage != WholeRevision {
				t.Errorf("coverage %s", s.Coverage)
			}
		})
	}
}

func TestCertificationForbidsWhatItSays(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	for p, want := range map[int]string{
		1: "PDF_CHANGE_NOT_ALLOWED, PDF_CHANGE_NOT_ALLOWED evil-annotation",
		2: "PDF_FORM_FILLED?, PDF_CHANGE_NOT_ALLOWED evil-annotation",
		3: "PDF_FORM_FILLED?",
	} {
		// The permission is part of the signed dictionary, so it is set before the message is made.
		f, err := Open(form().classic())
		check(t, err)
		prepared, err := f.Prepare(Signature{Page: 1, Time: signedAt, Certify: true})
		check(t, err)
		prepared.data = bytes.Replace(prepared.data, []byte("/P 2 /V"), fmt.Appendf(nil, "/P %d /V", p), 1)
		signed := embed(t, prepared, a)
		wantIntact(t, signed, 1)
		changed := revise(t, signed, handmade{
			7: with(t, signed, 7, "/V(2)"), 10: with(t, signed, 10, "/Contents(another)"),
		}, "")
		r := examine(t, changed)
		if r.Certification != p {
			t.Errorf("certification %d, want %d", r.Certification, p)
		}
		if got := codes(r.Signatures[0].Findings); got != want {
			t.Errorf("P=%d: %q, want %q", p, got, want)
		}
		g, err := Open(signed)
		check(t, err)
		_, err = g.Prepare(Signature{Page: 1, Time: signedAt})
		if got := refusal(err); (p == 1) != (got == NoChangesAllowed) {
			t.Errorf("signing over P=%d: %v", p, err)
		}
	}
}

func embed(t testing.TB, p *Prepared, a *authority) []byte {
	t.Helper()
	out, err := p.Embed(message(t, p, a))
	check(t, err)
	return out
}

func TestAFieldThatASignatureLockedMustNotBeFilled(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	f, err := Open(form().classic())
	check(t, err)
	p, err := f.Prepare(Signature{Page: 1, Time: signedAt, Certify: true})
	check(t, err)
	before := []byte("/TransformMethod /DocMDP /TransformParams <</Type /TransformParams /P 2 /V /1.2>>")
	after := []byte("/TransformMethod/FieldMDP/TransformParams<</Action/Include/Fields[(amount)]>>")
	p.data = bytes.Replace(p.data, before, append(after, bytes.Repeat([]byte(" "), len(before)-len(after))...), 1)
	p.data = bytes.Replace(p.data, []byte("/Perms"), []byte("/Other"), 1)
	signed := embed(t, p, a)
	changed := revise(t, signed, handmade{7: with(t, signed, 7, "/V(2)")}, "")
	if got := codes(examine(t, changed).Signatures[0].Findings); got != "PDF_CHANGE_UNDEFINED incremental-saving" {
		t.Error(got)
	}
}

// TestForgeriesWithoutCoverage: universal signature forgery, ByteRange and Contents missing or garbled.
func TestForgeriesWithoutCoverage(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	signed := signedForm(t, a, false)
	s := examine(t, signed).Signatures[0]
	byteRange := fmt.Sprintf("/ByteRange[%d %d %d %d]", s.ByteRange[0], s.ByteRange[1], s.ByteRange[2], s.ByteRange[3])
	contents := fmt.Sprintf("/Contents<%x>", s.Contents)
	const noRange = "PDF_BYTE_RANGE universal-signature-forgery"
	const noContents = "PDF_CONTENTS universal-signature-forgery, PDF_BYTE_RANGE_GAP signature-wrapping"
	for name, c := range map[string]struct{ dict, want string }{
		"no ByteRange":         {contents, noRange},
		"ByteRange null":       {"/ByteRange null" + contents, noRange},
		"ByteRange empty":      {"/ByteRange[]" + contents, noRange},
		"ByteRange of three":   {"/ByteRange[0 10 20]" + contents, noRange},
		"ByteRange of six":     {"/ByteRange[0 10 20 30 40 50]" + contents, noRange},
		"ByteRange negative":   {"/ByteRange[0 10 -20 30]" + contents, noRange},
		"ByteRange of reals":   {"/ByteRange[0 10.0 20 30]" + contents, noRange},
		"ByteRange overlaps":   {"/ByteRange[0 100 50 30]" + contents, noRange},
		"ByteRange from one":   {"/ByteRange[1 100 200 30]" + contents, noRange},
		"ByteRange beyond":     {"/ByteRange[0 100 200 99999999]" + contents, noRange},
		"no Contents":          {byteRange, noContents},
		"Contents null":        {byteRange + "/Contents null", noContents},
		"Contents empty":       {byteRange + "/Contents<>", noContents},
		"Contents zero":        {byteRange + "/Contents<00>", noContents},
		"Contents copied":      {byteRange + contents, "PDF_BYTE_RANGE_GAP signature-wrapping"},
		"Contents as a number": {byteRange + "/Contents 7", noContents},
	} {
		const head = "<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached"
		forged := revise(t, signed, handmade{15: head + c.dict + ">>"}, "")
		r := examine(t, forged)
		if got := codes(r.Signatures[0].Findings); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if !strings.Contains(codes(r.Findings), string(SignatureStripped)) {
			t.Errorf("%s: the signature that was replaced is not missed: %s", name, codes(r.Findings))
		}
	}
}

// TestSignatureWrappingIsFound builds the attack of Mladenov et al., section 4.3: the two signed parts stay as they
// are, the second one moves back, and the room between them takes a new signature dictionary whose ByteRange says so,
// a new page content, and a cross-reference table at the very place to which the signed startxref points.
func TestSignatureWrappingIsFound(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	signed := signedForm(t, a, false)
	s := examine(t, signed).Signatures[0]
	f, err := Open(signed)
	check(t, err)
	startxref := f.sections[0].offset
	r := s.ByteRange
	build := func(content, dictionary, moved int) (data []byte, contentAt, dictionaryAt int) {
		b := bytes.NewBuffer(bytes.Clone(signed[:r[2]]))
		b.Write(bytes.Repeat([]byte(" "), startxref-b.Len()))
		b.WriteString("xref\n")
		for _, num := range []int{3, 6, 14} { // the page, form and field of the signed revision
			fmt.Fprintf(b, "%d 1\n%010d 00000 n \n", num, f.lookup(num).where)
		}
		fmt.Fprintf(b, "4 1\n%010d 00000 n \n15 1\n%010d 00000 n \ntrailer\n<</Size 16/Root 1 0 R/Prev %d>>\n",
			content, dictionary, f.sections[1].offset)
		contentAt = b.Len()
		fmt.Fprintf(b, "4 0 obj\n%s\nendobj\n", streamOf("", "BT (forged) Tj ET"))
		dictionaryAt = b.Len()
		fmt.Fprintf(b, "15 0 obj\n<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached"+
			"/ByteRange[0 %d %010d %d]/Contents<%x>>>\nendobj\n", r[1], moved, r[3], s.Contents)
		return b.Bytes(), contentAt, dictionaryAt
	}
	head, content, dictionary := build(0, 0, 0)
	head, _, _ = build(content, dictionary, len(head))
	forged := append(head, signed[r[2]:]...)
	got := examine(t, forged)
	if err := messageIntact(got.Signatures[0]); err != nil {
		t.Fatalf("the attack does not keep the digest: %v", err)
	}
	if c := codes(got.Signatures[0].Findings); !strings.Contains(c, "PDF_BYTE_RANGE_GAP signature-wrapping") {
		t.Errorf("findings %q", c)
	}
}

func TestEveryFlippedByteIsNoticed(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	signed := signedForm(t, a, false)
	s := examine(t, signed).Signatures[0]
	if err := messageIntact(s); err != nil {
		t.Fatal(err)
	}
	step := max(1, len(signed)/3000)
	for i := 0; i < len(signed); i += step {
		if i > s.ByteRange[1] && i < s.ByteRange[1]+2*len(s.Contents) {
			continue // the message, whose bits shared/cms tests
		}
		broken := bytes.Clone(signed)
		broken[i] ^= 0x01
		f, err := Open(broken)
		if err != nil {
			continue
		}
		r, err := f.Examine()
		if err != nil || len(r.Failures()) > 0 || len(r.Signatures) != 1 || messageIntact(r.Signatures[0]) != nil {
			continue
		}
		t.Fatalf("byte %d of %d may be changed", i, len(signed))
	}
	broken := bytes.Clone(signed)
	broken[bytes.Index(broken, []byte("Hello"))] = 'J'
	var failure *cms.Failure
	err := messageIntact(examine(t, broken).Signatures[0])
	if !errors.As(err, &failure) || failure.Rule != cms.MessageDigest {
		t.Errorf("another word: %v", err)
	}
}

func TestBytesBehindTheFileAreFound(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	signed := signedForm(t, a, false)
	for _, tail := range []string{
		"x", "\n4 0 obj\n(forged)\nendobj\n", "4 0 obj\n(x)\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n",
	} {
		data := append(bytes.Clone(signed), tail...)
		r := examine(t, data)
		if got := codes(r.Findings); got != "PDF_TRAILING_BYTES incremental-saving" {
			t.Errorf("%q: %s", tail, got)
		}
		if r.Signatures[0].Coverage == WholeFile {
			t.Errorf("%q: covers the whole file", tail)
		}
		f, err := Open(data)
		check(t, err)
		if _, err := f.Prepare(Signature{Page: 1, Time: signedAt}); refusal(err) != TrailingBytes {
			t.Errorf("signing a file with %q behind it: %v", tail, err)
		}
	}
	if r := examine(t, append(bytes.Clone(signed), "\r\n \x00"...)); len(r.Failures()) > 0 {
		t.Errorf("white space: %+v", r.Failures())
	}
}

// TestShadowAttacksAreFound: content prepared before signing and brought to light afterwards (Mainka et al.).
func TestShadowAttacksAreFound(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	sign := func(h handmade) []byte {
		return stamp(t, h.classic(), Signature{Page: 1, Time: signedAt}, a)
	}
	shadow := "PDF_SHADOW_CONTENT shadow"
	t.Run("replace: the page points to an object that comes later", func(t *testing.T) {
		h := form()
		h[3] = strings.Replace(h[3], "/Contents 4 0 R", "/Contents[4 0 R 40 0 R]", 1)
		signed := sign(h)
		// The object arrives as the appearance of a filled field, where a new object is welcome.
		changed := revise(t, signed, handmade{
			7: with(t, signed, 7, "/V(2)/AP<</N 40 0 R>>"), 40: streamOf("", "q Q"),
		}, "")
		if got := codes(examine(t, changed).Signatures[0].Findings); !strings.Contains(got, shadow) {
			t.Error(got)
		}
	})
	t.Run("hide and replace: a second definition lies in the signed bytes", func(t *testing.T) {
		hidden := []byte("4 0 obj\n" + streamOf("", "BT (other) Tj ET") + "\nendobj\n")
		base := form().classic()
		base = bytes.Replace(base, []byte("%\xff\xff\xff\xff\n"), append([]byte("%\xff\xff\xff\xff\n"), hidden...), 1)
		data := rebase(t, base, len(hidden))
		signed := stamp(t, data, Signature{Page: 1, Time: signedAt}, a)
		at := bytes.Index(signed, hidden)
		f, err := Open(signed)
		check(t, err)
		start := len(signed)
		changed := fmt.Appendf(bytes.Clone(signed),
			"xref\n4 1\n%010d 00000 n \ntrailer\n<</Size %d/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n",
			at, f.size(), f.sections[0].offset, start)
		if got := codes(examine(t, changed).Signatures[0].Findings); !strings.Contains(got, shadow) {
			t.Error(got)
		}
	})
	t.Run("a table that lay in the signed bytes", func(t *testing.T) {
		h := form()
		signed := sign(h)
		// A later startxref that goes back to the first revision alone drops the signature and every change.
		f, err := Open(signed)
		check(t, err)
		old := f.sections[1].offset
		changed := fmt.Appendf(bytes.Clone(signed), "startxref\n%d\n%%%%EOF\n", old)
		r := examine(t, changed)
		if len(r.Signatures) != 0 || !strings.Contains(codes(r.Findings), string(SignatureStripped)) {
			t.Errorf("%d signatures, %s", len(r.Signatures), codes(r.Findings))
		}
	})
	t.Run("an object stream replaced under its objects", func(t *testing.T) {
		signed := stamp(t, form().streamed(), Signature{Page: 1, Time: signedAt}, a)
		f, err := Open(signed)
		check(t, err)
		holder := f.lookup(5).where
		h := form()
		h[5] = "<</Type/Font/Subtype/Type1/BaseFont/Courier>>"
		b := bytes.NewBuffer(bytes.Clone(signed))
		var compressed []int
		for _, num := range h.numbers() {
			if !strings.Contains(h[num], "stream\n") {
				compressed = append(compressed, num)
			}
		}
		at := h.objectStream(b, holder, compressed)
		start := h.xrefStream(b, map[int]entry{holder: at[holder]}, f.size(),
			fmt.Sprintf("/Root 1 0 R/Prev %d", f.sections[0].offset))
		fmt.Fprintf(b, "startxref\n%d\n%%%%EOF\n", start)
		if got := codes(examine(t, b.Bytes()).Signatures[0].Findings); !strings.Contains(got, string(ChangeUndefined)) {
			t.Error(got)
		}
	})
	t.Run("a new generation that takes an object away", func(t *testing.T) {
		signed := sign(form())
		changed := revise(t, signed, handmade{4: form()[4]}, "")
		// same content, but generation 1: the page's reference to generation 0 leads to nothing
		i := bytes.LastIndex(changed, []byte("4 0 obj"))
		changed[i+2] = '1'
		i = bytes.LastIndex(changed, []byte(" 00000 n"))
		copy(changed[i:], " 00001 n")
		if got := codes(examine(t, changed).Signatures[0].Findings); !strings.Contains(got, string(ChangeUndefined)) {
			t.Error(got)
		}
	})
}

// rebase moves every offset of a classic file by n.
func rebase(t testing.TB, data []byte, n int) []byte {
	t.Helper()
	i := bytes.Index(data, []byte("xref\n0 1\n"))
	head, tail := data[:i], string(data[i:])
	var out strings.Builder
	for _, line := range strings.SplitAfter(tail, "\n") {
		var at, gen int
		if k, _ := fmt.Sscanf(line, "%010d %05d n", &at, &gen); k == 2 && strings.HasSuffix(line, " n \n") {
			line = fmt.Sprintf("%010d %05d n \n", at+n, gen)
		}
		out.WriteString(line)
	}
	s := out.String()
	j := strings.Index(s, "startxref\n")
	return []byte(string(head) + s[:j] + fmt.Sprintf("startxref\n%d\n%%%%EOF\n", i))
}

func TestSignaturesThatOccurTwiceAreFound(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	signed := signedForm(t, a, false)
	shared := revise(t, signed, handmade{9: with(t, signed, 9, "/V 15 0 R")}, "")
	r := examine(t, shared)
	all := codes(r.Findings)
	for _, s := range r.Signatures {
		all += ", " + codes(s.Findings)
	}
	if !strings.Contains(all, string(SignatureShared)) || !strings.Contains(all, string(ChangeUndefined)) {
		t.Errorf("one signature in two fields: %s", all)
	}
	named := revise(t, signed, handmade{9: with(t, signed, 9, "/T(Signature1)")}, "")
	if got := codes(examine(t, named).Failures()); !strings.Contains(got, string(DuplicateField)) {
		t.Errorf("one name for two fields: %s", got)
	}
	stripped := revise(t, signed, handmade{14: with(t, signed, 14, "/V null")}, "")
	if got := codes(examine(t, stripped).Failures()); !strings.Contains(got, string(SignatureStripped)) {
		t.Errorf("a signature taken out: %s", got)
	}
}

func TestALaterSealOverAnEarlierOneIsAWarning(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	data := stamp(t, notice(t), visible(t, "示例省财政厅", 60, 180), a)
	data = stamp(t, data, visible(t, "示例省商务厅", 80, 180), a)
	r := wantIntact(t, data, 2)
	if got := codes(r.Signatures[0].Findings); got != "PDF_SEAL_COVERED?" {
		t.Error(got)
	}
}

func TestABrokenSignatureIsNotSignedOver(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	signed := signedForm(t, a, false)
	f, err := Open(revise(t, signed, handmade{4: streamOf("", "BT (Bye) Tj ET")}, ""))
	check(t, err)
	if _, err := f.Prepare(Signature{Page: 1, Time: signedAt}); refusal(err) != EarlierBroken {
		t.Error(err)
	}
	f, err = Open(signed)
	check(t, err)
	if _, err := f.Prepare(Signature{Page: 1, Time: signedAt, Certify: true}); refusal(err) != AlreadySigned {
		t.Error(err)
	}
}

func TestPaddingIsZeros(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	signed := signedForm(t, a, false)
	s := examine(t, signed).Signatures[0]
	signed[s.ByteRange[2]-3] = '1'
	if got := codes(examine(t, signed).Failures()); got != string(ContentsPadding) {
		t.Error(got)
	}
}

func TestTheNameOfAFormFieldIsBounded(t *testing.T) {
	for n, want := range map[int]Code{maxFieldName - 2: "", maxFieldName: TooLarge} {
		h := onePage("")
		h[1] = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[6 0 R]>>>>"
		h[6] = "<</T(" + strings.Repeat("n", n) + ")/Kids[7 0 R]>>"
		h[7] = "<</T(k)/FT/Tx/Parent 6 0 R>>"
		f, err := Open(h.classic())
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Examine()
		var refused *Refusal
		if errors.As(err, &refused); err == nil && want != "" || err != nil && (refused == nil || refused.Code != want) {
			t.Errorf("a name of %d bytes: %v, want %q", n, err, want)
		}
	}
}
