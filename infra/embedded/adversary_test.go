package embedded

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/proof"
)

// try sends a request whatever comes of it.
func (o *office) try(t testing.TB, path, bearer, contentType string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", path, body)
	if bearer != "" {
		r.Header.Set("Authorization", bearer)
	}
	r.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	return w
}

// noise is text that a package may hold: it does not compress beyond the ratio that is allowed.
func noise(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%07d", i*7919%9999991)
	}
	return b.String()
}

// manyFields is a PDF of signature fields that have one signature, below a field with a long name.
func manyFields(fields, name int) []byte {
	b := bytes.NewBufferString("%PDF-1.7\n")
	var at []int
	object := func(format string, args ...any) {
		at = append(at, b.Len())
		fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", len(at), fmt.Sprintf(format, args...))
	}
	var kids strings.Builder
	for i := range fields {
		fmt.Fprintf(&kids, "%d 0 R ", 6+i)
	}
	object("<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]/SigFlags 3>>>>")
	object("<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 200 300]>>")
	object("<</Type/Page/Parent 2 0 R>>")
	object("<</T(%s)/FT/Sig/Kids[%s]>>", strings.Repeat("n", name), &kids)
	object("<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/%s/Name(%s)/Contents<3000>/ByteRange[0 9 20 30]>>",
		strings.Repeat("f", 1<<16), strings.Repeat("N", 1<<20))
	for i := range fields {
		object("<</T(%d)/Parent 4 0 R/V 5 0 R>>", i)
	}
	table := b.Len()
	fmt.Fprintf(b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, table)
	return b.Bytes()
}

// A verdict repeats names and paths of the artefact in every check of every signature. Whoever sends a file must not
// choose how long the answer is: it has to fit into what a function may answer (6 MB), and into its memory.
func TestAVerdictIsNotMuchLargerThanItsDocument(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s := o.activeSeal(t, "li", finance)
	files := unzip(t, o.stamp(t, "li", s.ID, o.ofd(t), testOrder))
	var references strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&references, `<ofd:Reference FileRef="/n%d/%s"><ofd:CheckValue>AAAA</ofd:CheckValue></ofd:Reference>`, i, strings.Repeat("x", 60))
	}
	signature := "Sign_0/Signature.xml"
	for _, c := range []struct {
		name, media string
		document    []byte
	}{
		{"a long name of a signature", "ofd", rezip(t, replace(t, files, "Signatures.xml", `ID="s1"`, `ID="s`+noise(200_000)+`"`))},
		{"a long type of signature", "ofd", rezip(t, replace(t, files, "Signatures.xml", `Type="Seal"`, `Type="`+noise(200_000)+`"`))},
		{"references to nothing", "ofd", rezip(t, replace(t, files, signature, "</ofd:References>", references.String()+"</ofd:References>"))},
		{"a long name of an algorithm", "ofd", rezip(t, replace(t, files, signature, `CheckMethod="`, `CheckMethod="`+noise(200_000)))},
		{"a long name of a form field", "pdf", manyFields(100, 1<<20)},
		{"a name below the bound, many times", "pdf", manyFields(100, 4000)},
		{"more fields than memory", "pdf", manyFields(19_000, 1<<20)},
	} {
		w := o.try(t, "/verify", "", "application/"+c.media, bytes.NewReader(c.document))
		if w.Code != 200 || w.Body.Len() > 1<<20 {
			t.Errorf("%s: %d bytes are answered with %d and %d bytes", c.name, len(c.document), w.Code, w.Body.Len())
		}
	}
}

// A seal under contents that an earlier signature shows to be altered would vouch for the alteration.
func TestNoSealIsPutOntoABrokenSignature(t *testing.T) {
	o := openOffice(t, t.TempDir())
	first, second := o.activeSeal(t, "li", finance), o.activeSeal(t, "sun", commerce)
	pdf := o.stamp(t, "li", first.ID, o.pdf(t), testOrder)
	altered := bytes.Clone(pdf)
	altered[bytes.Index(pdf, []byte("stream\n"))+40] ^= 1
	gap := bytes.Index(pdf, []byte("/Contents <30")) + len("/Contents <")
	end := len(bytes.TrimRight(pdf[gap:gap+bytes.IndexByte(pdf[gap:], '>')], "0"))
	files := unzip(t, o.stamp(t, "li", first.ID, o.ofd(t), testOrder))
	order := strings.Replace(testOrder, `"x":140`, `"x":80`, 1)
	for name, document := range map[string][]byte{
		"PDF, a page altered":                  altered,
		"PDF, the signature altered":           flipHex(pdf, gap+end-8),
		"OFD, a page altered":                  rezip(t, replace(t, files, "Content.xml", "120000.00", "920000.00")),
		"OFD, a page and its digest altered":   rezip(t, redigest(replace(t, files, "Content.xml", "120000.00", "920000.00"))),
		"OFD, the stamp altered":               rezip(t, flipped(files, "SignedValue.dat")),
		"OFD, the stamp replaced by something": rezip(t, replaceValue(files, []byte("nothing"))),
	} {
		contentType, body := stampBody(t, document, order)
		w := o.try(t, "/seals/"+second.ID+"/stamps", o.bearer(t, "sun", "console", "seal.stamp"), contentType, body)
		if w.Code != 422 || !strings.Contains(w.Body.String(), `"document_refused"`) {
			t.Errorf("%s: %d %.200q, want it refused as document_refused", name, w.Code, w.Body)
		}
	}
}

// The face of a licence is signed once and stays; the licence does not. A revoked licence must not be shown valid in any
// of its forms.
func TestTheFaceOfARevokedLicenceIsNotValid(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	faces := map[string][]byte{}
	for _, media := range []string{"application/pdf", "application/ofd"} {
		faces[media] = b.read(t, l.ID, "worker", "licence.show", media).Body.Bytes()
	}
	check := func(when string, faces map[string][]byte, want string) {
		t.Helper()
		for media, face := range faces {
			v := b.verdict(t, media, face)
			if got := strings.TrimSpace(string(v.Overall) + " " + strings.Join(v.Failed(), " ")); got != want {
				t.Errorf("%s, %s: %s, want %s%s", when, media, got, want, failures(v))
			}
			worded(t, v)
		}
	}
	before := len(b.ledger(t, "worker"))
	check("in force", faces, "valid")
	if n := len(b.ledger(t, "worker")); n != before {
		t.Errorf("verifying a face that the caller holds left %d entries in the ledger", n-before)
	}
	for _, c := range [][2]string{{"suspend", "invalid LIC_SUSPENDED"}, {"resume", "valid"}, {"revoke", "invalid LIC_REVOKED"}} {
		decode(t, b.verb(t, l.ID, c[0], "sun", labour, "投诉待查(示例)"), 200)
		check(c[0], faces, c[1])
	}
	// Metadata may change after a signature; what the signature protects still names the licence.
	pdf := faces["application/pdf"]
	var metadata int
	if _, err := fmt.Sscan(string(regexp.MustCompile(`/Metadata (\d+) 0 R`).FindSubmatch(pdf)[1]), &metadata); err != nil {
		t.Fatal(err)
	}
	check("with other metadata", map[string][]byte{"application/pdf": revision(t, pdf, metadata,
		"<</Type/Metadata/Subtype/XML/Length 4>>\nstream\n<x/>\nendstream")}, "invalid LIC_REVOKED")
	// Whoever names a licence in a document of their own learns nothing about it, and the document is no face of it.
	s := b.activeSeal(t, "li", finance)
	named, err := ofd.Write(ofd.Document{Pages: []layout.Page{testPage()}, Title: "示例", Created: b.Now(),
		DocID: "00112233445566778899aabbccddeeff", CustomData: map[string]string{proof.ClaimIdentifier: l.Identifier}}, b.fonts)
	if err != nil {
		t.Fatal(err)
	}
	b.mandate(t, "li", finance, "seal.request", "seal.stamp")
	named = b.stamp(t, "li", s.ID, named, testOrder)
	check("stamped by another", map[string][]byte{"application/ofd": named}, "indeterminate")
	if v := b.verdict(t, "application/ofd", named); strings.Contains(failures(v), "REVOKED") {
		t.Errorf("a stranger to the licence learns its state:%s", failures(v))
	}
}
