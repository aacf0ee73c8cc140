package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/cms"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/pdf"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
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

// signPDF puts a signature by any key, with any certificates, onto a document.
func signPDF(t testing.TB, o *office, k key.Signer, chain [][]byte) []byte {
	t.Helper()
	file, err := pdf.Open(o.pdf(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := file.Prepare(pdf.Signature{Page: 1, Rect: pdf.Rect{X: 10, Y: 10, W: 40, H: 40}, Appearance: testPage(),
		Fonts: o.fonts, Name: "示例", Time: o.Now()})
	if err != nil {
		t.Fatal(err)
	}
	message, err := cms.Prepare(cms.Request{Algorithm: key.ES256, Certificates: chain, Public: parse(t, chain[0]).PublicKey,
		ContentDigest: p.Digest(sha256.New())})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign(context.Background(), k, message.ToBeSigned())
	if err != nil {
		t.Fatal(err)
	}
	value, err := message.Assemble(signature)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := p.Embed(value)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Each purpose has its own authority, so that a function which opens the key of one cannot do the work of another: the
// updater of status lists issues no licence, the licence service signs no document, the owner of a seal makes no seal.
func TestAKeyOfOnePurposeDoesNotServeAnother(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	issuer, payload, disclosures := "", []byte(nil), ""
	{
		var err error
		issuer, disclosures, _ = strings.Cut(b.read(t, l.ID, "worker", "licence.show", "application/dc+sd-jwt").Body.String(), "~")
		if _, payload, err = jose.Parse(issuer); err != nil {
			t.Fatal(err)
		}
	}
	open := func(p key.Purpose, owner string) key.Signer {
		t.Helper()
		k, err := b.ca.Keys.OpenKey(t.Context(), p, owner)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	chain := func(p key.Purpose) [][]byte {
		t.Helper()
		c, err := b.ca.IssuerChain(t.Context(), p, labour)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ids, err := Seals{b.db}.SealsOf(t.Context(), labour)
	if err != nil {
		t.Fatal(err)
	}
	record, err := Seals{b.db}.Seal(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	name := cert.Name{Country: "CN", Organization: labour + "示例省人力资源和社会保障厅", CommonName: "localhost"}
	platform, err := b.ca.Enrol(t.Context(), trust.Platform, key.Receipt, "web", name)
	if err != nil {
		t.Fatal(err)
	}
	web := open(key.Receipt, "web")
	compat, own := open(key.SealCompat, record.ID), open(key.LicenceIssuer, labour)
	lists := open(key.StatusList, labour)
	for _, c := range []struct {
		name  string
		k     key.Signer
		chain [][]byte
		want  string
	}{
		{"the issuer itself", own, chain(key.LicenceIssuer), "valid"},
		{"the key of its status lists", lists, chain(key.StatusList), "invalid"},
		{"the compatibility key of its seal", compat, record.Body.CompatChain, "invalid"},
		{"a certificate of the platform", web, platform, "invalid"},
	} {
		jwt, err := jose.Sign(t.Context(), c.k, jose.Header{Type: "dc+sd-jwt", X5C: c.chain}, payload)
		if err != nil {
			t.Fatal(err)
		}
		v := b.judge(t, jwt+"~"+disclosures)
		if string(v.Overall) != c.want || c.want == "invalid" && v.Failed()[0] != trust.NoChain {
			t.Errorf("a licence by %s: %s%s", c.name, v.Overall, failures(v))
		}
	}
	for _, c := range []struct {
		name  string
		k     key.Signer
		chain [][]byte
		want  string
	}{
		{"the compatibility key of the seal", compat, record.Body.CompatChain, "valid"},
		{"the licence key", own, chain(key.LicenceIssuer), "invalid"},
		{"the key of status lists", lists, chain(key.StatusList), "invalid"},
		{"a certificate of the platform", web, platform, "invalid"},
	} {
		v := b.verdict(t, "application/pdf", signPDF(t, b.office, c.k, c.chain))
		if string(v.Overall) != c.want || c.want == "invalid" && v.Failed()[0] != trust.NoChain {
			t.Errorf("a PDF by %s: %s%s", c.name, v.Overall, failures(v))
		}
	}
	// The owner of one seal makes another for itself: maker and signer are its own SM2 key.
	f := forger{b.office, record}
	mine := open(key.Seal, record.ID)
	f.record.Body = &seal.Body{ESL: makeSeal(t, f, mine, record.Body.Chain[0], record.Body.Chain[0]), Chain: record.Body.Chain}
	contentType, body := stampBody(t, b.ofd(t), testOrder)
	b.mandate(t, "sun", labour, "seal.request", "seal.stamp", "licence.issue")
	w := b.try(t, "/seals/"+record.ID+"/stamps", b.bearer(t, "sun", "console", "seal.stamp"), contentType, body)
	if w.Code != 200 {
		t.Fatal(w.Body)
	}
	v := b.verdict(t, "application/ofd", rezip(t, f.resignSeal(t, unzip(t, w.Body.Bytes()), b.Now(), f.record.Body.ESL)))
	if failed := strings.Join(v.Failed(), " "); !strings.Contains(failed, trust.NoChain) || !strings.Contains(failed, trust.MakerNotTrusted) {
		t.Errorf("a seal made by an owner: %s%s", v.Overall, failures(v))
	}
}

// One look for one code, through the door itself; and nobody who looks learns the holder's name or number, in any form of
// the answer, nor does the trail keep them.
func TestOfConcurrentScansOneSeesAndNobodySeesTheNumber(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	w := b.send(t, "/show-codes", "worker", "licence.show", "", `{"licence":"`+l.ID+`"}`)
	var code struct{ Code, QR string }
	if err := json.Unmarshal(w.Body.Bytes(), &code); err != nil || w.Code != 201 {
		t.Fatal(w.Code, err)
	}
	before := len(b.ledger(t, "worker"))
	ask := func(input string) string {
		body, err := json.Marshal(map[string]any{"input": input, "purpose": map[string]string{"text": "核验上门人员(示例)"}})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	scan := ask(code.QR)
	answers := make([]string, 50)
	var wg sync.WaitGroup
	for n := range answers {
		wg.Go(func() {
			w := b.try(t, "/verify", "", "application/json", strings.NewReader(scan))
			answers[n] = w.Body.String()
		})
	}
	wg.Wait()
	seen := 0
	for _, a := range answers {
		if strings.Contains(a, `"verdict":"valid"`) {
			seen++
		} else if !strings.Contains(a, proof.CodeSpent) {
			t.Errorf("a scan is answered with %.300s", a)
		}
	}
	if seen != 1 {
		t.Errorf("%d of %d scans saw the licence, want one", seen, len(answers))
	}
	if n := len(b.ledger(t, "worker")) - before; n != 1 {
		t.Errorf("%d entries in the ledger for one look", n)
	}
	// The same licence in every way of asking, right and wrong.
	answers = append(answers, b.try(t, "/verify", "", "application/json", strings.NewReader(ask(l.Identifier))).Body.String(),
		b.try(t, "/verify", "", "application/json", strings.NewReader(ask(l.Identifier+"0"))).Body.String(),
		b.try(t, "/verify", "", "application/json", strings.NewReader(`{"input":"`+l.Identifier+`"}`)).Body.String(),
		b.try(t, "/verify", "", "application/json", strings.NewReader(
			`{"input":"`+l.Identifier+`","expect":{"holderName":"周"},"purpose":{"text":"x"}}`)).Body.String())
	trail, err := json.Marshal(b.trail(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(answers, string(trail)) {
		for _, secret := range []string{"990000199202140010", "周八", code.Code} {
			if strings.Contains(text, secret) {
				t.Fatalf("%q is told in %.500s", secret, text)
			}
		}
	}
}

// A file that is too large to be examined was not shown to be false: the verdict says that, and nothing else.
func TestWhatIsBeyondTheBoundsIsNotCalledFalse(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s := o.activeSeal(t, "li", finance)
	files := unzip(t, o.stamp(t, "li", s.ID, o.ofd(t), testOrder))
	for name, c := range map[string]struct {
		media    string
		document []byte
	}{
		"a package that unpacks beyond all measure": {"ofd", rezip(t, with(files, "Doc_0/blank", strings.Repeat("\x00", 1<<22)))},
		"a form field with an endless name":         {"pdf", manyFields(3, 1<<16)},
	} {
		v := o.verdict(t, "application/"+c.media, c.document)
		if v.Overall != verdict.Indeterminate || len(v.Checks) != 1 || v.Checks[0].Code != proof.BeyondBounds {
			t.Errorf("%s: %s%s", name, v.Overall, failures(v))
		}
		worded(t, v)
	}
}

// A later seal over an earlier one may be what two agencies want, or the way to hide who else has stamped: it is told.
func TestASealOverAnotherIsTold(t *testing.T) {
	o := openOffice(t, t.TempDir())
	first, second := o.activeSeal(t, "li", finance), o.activeSeal(t, "sun", commerce)
	once := o.stamp(t, "li", first.ID, o.ofd(t), testOrder)
	for x, want := range map[string]int{`"x":141`: 2, `"x":80`: 0} {
		v := o.verdict(t, "application/ofd", o.stamp(t, "sun", second.ID, once, strings.Replace(testOrder, `"x":140`, x, 1)))
		warned := 0
		for _, c := range v.Checks {
			if c.Code == proof.SealOverlapped && c.Result == verdict.Warn {
				warned++
			}
		}
		if v.Overall != verdict.Valid || warned != want {
			t.Errorf("%s: %s with %d warnings, want %d%s", x, v.Overall, warned, want, failures(v))
		}
		worded(t, v)
	}
}
