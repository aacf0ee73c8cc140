package embedded

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/ses"
	"github.com/yinxin/yinxin/shared/sm"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

// file is one entry of a package in the hands of a forger.
type file struct {
	name    string
	content []byte
}

func unzip(t testing.TB, document []byte) []file {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(document), int64(len(document)))
	if err != nil {
		t.Fatal(err)
	}
	var files []file
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{f.Name, content})
	}
	return files
}

func rezip(t testing.TB, files []file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		e, err := w.Create(f.name)
		if err == nil {
			_, err = e.Write(f.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// replace changes text in the files whose names end so; finding nothing to change is a fault of the test.
func replace(t testing.TB, files []file, name, from, to string) []file {
	t.Helper()
	files = slices.Clone(files)
	changed := false
	for i, f := range files {
		if strings.HasSuffix(f.name, name) && bytes.Contains(f.content, []byte(from)) {
			files[i].content, changed = bytes.Replace(f.content, []byte(from), []byte(to), 1), true
		}
	}
	if !changed {
		t.Fatalf("no %q in %s", from, name)
	}
	return files
}

func without(files []file, name string) []file {
	return slices.DeleteFunc(slices.Clone(files), func(f file) bool { return strings.Contains(f.name, name) })
}

func with(files []file, name, content string) []file {
	return append(slices.Clone(files), file{name, []byte(content)})
}

// forger stamps with a real seal of the office, but what and how it likes.
type forger struct {
	*office
	record seal.Seal
}

// resign replaces the first signature's value by one over its present description: what the owner of the seal, or
// software that stamps carelessly, could have made.
func (f forger) resign(t testing.TB, files []file, at time.Time) []file {
	t.Helper()
	return f.resignWith(t, files, at, f.record.Body.ESL, f.record.Body.Chain[0], func(tbs []byte) []byte {
		k, err := f.ca.Keys.OpenKey(t.Context(), key.Seal, f.record.ID)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := key.Sign(t.Context(), k, tbs)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	})
}

func (f forger) resignWith(t testing.TB, files []file, at time.Time, esl, leaf []byte, sign func([]byte) []byte) []file {
	t.Helper()
	files = slices.Clone(files)
	description := slices.IndexFunc(files, func(f file) bool { return strings.HasSuffix(f.name, "Sign_0/Signature.xml") })
	value := slices.IndexFunc(files, func(f file) bool { return strings.HasSuffix(f.name, "Sign_0/SignedValue.dat") })
	p, err := ses.PrepareStamp(ses.StampInfo{Seal: esl, Time: at, DataHash: sm.Sum3(files[description].content),
		PropertyInfo: "/" + files[description].name}, leaf)
	if err != nil {
		t.Fatal(err)
	}
	if files[value].content, err = p.Assemble(sign(p.ToBeSigned())); err != nil {
		t.Fatal(err)
	}
	return files
}

var referenceTo = regexp.MustCompile(`<ofd:Reference FileRef="([^"]*)"><ofd:CheckValue>[^<]*</ofd:CheckValue></ofd:Reference>`)

// redigest writes the digests of the files as they are now into the first description.
func redigest(files []file) []file {
	files = slices.Clone(files)
	for i, f := range files {
		if !strings.HasSuffix(f.name, "Sign_0/Signature.xml") {
			continue
		}
		files[i].content = referenceTo.ReplaceAllFunc(f.content, func(match []byte) []byte {
			path := string(referenceTo.FindSubmatch(match)[1])
			for _, other := range files {
				if "/"+other.name == path {
					sum := sm.Sum3(other.content)
					return fmt.Appendf(nil, `<ofd:Reference FileRef=%q><ofd:CheckValue>%s</ofd:CheckValue></ofd:Reference>`,
						path, base64.StdEncoding.EncodeToString(sum[:]))
				}
			}
			return match
		})
	}
	return files
}

// unreference takes the references to files with a name out of the first description.
func unreference(files []file, name string) []file {
	files = slices.Clone(files)
	for i, f := range files {
		if strings.HasSuffix(f.name, "Sign_0/Signature.xml") {
			files[i].content = referenceTo.ReplaceAllFunc(f.content, func(match []byte) []byte {
				if strings.Contains(string(match), name) {
					return nil
				}
				return match
			})
		}
	}
	return files
}

// worded holds every check of a verdict to have its words in two languages, and a code where it is no pass.
func worded(t *testing.T, v verdict.Verdict) {
	t.Helper()
	for _, c := range v.Checks {
		if c.ID == "" || c.Text.ZH == "" || c.Text.EN == "" || strings.HasPrefix(c.Text.EN, "Not passed: ") ||
			c.Code == "" && c.Result != verdict.Pass && c.Result != verdict.NotApplicable {
			t.Errorf("check %+v lacks words or a code", c)
		}
	}
}

// TestOFDAttacksAreRefusedByName is the table of attacks of seals.md B.6, made from our own stamped documents.
func TestOFDAttacksAreRefusedByName(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s, second := o.activeSeal(t, "li", finance), o.activeSeal(t, "sun", commerce)
	record, err := Seals{o.db}.Seal(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	f := forger{o, record}
	at := o.Now()
	document := o.stamp(t, "li", s.ID, o.ofd(t), testOrder)
	once := unzip(t, document)
	twice := unzip(t, o.stamp(t, "sun", second.ID, document, strings.Replace(testOrder, `"x":140`, `"x":80`, 1)))
	swapped := twinCertificate(t, f)

	for _, c := range []struct {
		name  string
		files []file
		want  string
	}{
		{"untouched, packed anew", once, "valid"},
		{"1 an altered page", replace(t, once, "Content.xml", "120000.00", "920000.00"), "invalid HASH_FAILURE"},
		{"1 a page that was never protected", f.resign(t, unreference(once, "/Pages/"), at), "invalid COVERAGE_INCOMPLETE"},
		{"1 OFD.xml that was never protected", f.resign(t, unreference(once, "/OFD.xml"), at), "invalid COVERAGE_INCOMPLETE"},
		{"1 fonts that were never protected", f.resign(t, unreference(once, ".ttf"), at), "invalid COVERAGE_INCOMPLETE"},
		{"2 a smuggled file", with(once, "Doc_0/more.xml", "<more/>"), "invalid SMUGGLED_FILES"},
		{"2 a reference dropped", unreference(once, "/Pages/"), "invalid HASH_FAILURE"},
		{"3 the first of two stripped from the list", replace(t, twice, "Signatures.xml",
			`<ofd:Signature ID="s1" Type="Seal" BaseLoc="/Doc_0/Signs/Sign_0/Signature.xml"/>`, ""), "invalid SIGNATURE_STRIPPED"},
		{"3 the first of two stripped with its files", without(replace(t, twice, "Signatures.xml",
			`<ofd:Signature ID="s1" Type="Seal" BaseLoc="/Doc_0/Signs/Sign_0/Signature.xml"/>`, ""), "Sign_0/"), "invalid HASH_FAILURE"},
		{"5 another certificate of the same key", replaceValue(once, swapped), "invalid SEAL_CERT_MISMATCH"},
		{"6 another picture beside the stamp", replace(t, once, "Seal.esl", "PNG", "GNP"), "invalid HASH_FAILURE SEAL_FILE_DIFFERS"},
		{"6 another picture, protected", f.resign(t, redigest(replace(t, once, "Seal.esl", "PNG", "GNP")), at), "invalid SEAL_FILE_DIFFERS"},
		{"8 digests by MD5", f.resign(t, replace(t, once, "Signature.xml", sm.OIDSM3.String(), "1.2.840.113549.2.5"), at), "invalid ALGORITHM_NOT_ALLOWED"},
		{"8 no digest algorithm", f.resign(t, replace(t, once, "Signature.xml", ` CheckMethod="`+sm.OIDSM3.String()+`"`, ""), at), "invalid ALGORITHM_NOT_ALLOWED"},
		{"9 two entries of one name", append(slices.Clone(once), once[0]), "invalid FORMAT_FAILURE"},
		{"9 two names that differ in case", with(once, "ofd.XML", "<x/>"), "invalid FORMAT_FAILURE"},
		{"9 a name that leaves the package", with(once, "../x", "x"), "invalid FORMAT_FAILURE"},
		{"10 a document type", replace(t, once, "Content.xml", "<ofd:Page ", "<!DOCTYPE x><ofd:Page "), "invalid FORMAT_FAILURE"},
		{"10 two references to one file", f.resign(t, replace(t, once, "Signature.xml", "<ofd:Reference ", `<ofd:Reference FileRef="/OFD.xml"><ofd:CheckValue>AAAA</ofd:CheckValue></ofd:Reference><ofd:Reference `), at), "invalid FORMAT_FAILURE HASH_FAILURE"},
		{"11 a protected file taken away", without(once, ".ttf"), "invalid HASH_FAILURE"},
		{"12 a second document, unsigned", f.resign(t, redigest(with(replace(t, once, "OFD.xml", "</ofd:OFD>",
			`<ofd:DocBody><ofd:DocInfo><ofd:DocID>ffff</ofd:DocID></ofd:DocInfo><ofd:DocRoot>Doc_1/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>`),
			"Doc_1/Document.xml", `<ofd:Document xmlns:ofd="http://www.ofdspec.org/2016"><ofd:CommonData><ofd:MaxUnitID>1</ofd:MaxUnitID><ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea></ofd:CommonData><ofd:Pages/></ofd:Document>`)), at), "invalid COVERAGE_INCOMPLETE"},
		{"13 the seal moved", replace(t, once, "Signature.xml", `Boundary="119`, `Boundary="100`), "invalid HASH_FAILURE"},
		{"13 the seal off the page", f.resign(t, replace(t, once, "Signature.xml", `Boundary="`, `Boundary="9`), at), "invalid STAMP_DISPLACED"},
		{"13 the seal on no page", f.resign(t, replace(t, once, "Signature.xml", `PageRef="`, `PageRef="9`), at), "invalid STAMP_DISPLACED"},
		{"14 a stamp of tomorrow", f.resign(t, once, at.AddDate(0, 0, 1)), "invalid SIGNING_TIME_IMPOSSIBLE"},
		{"the stamp's value altered", flipped(once, "SignedValue.dat"), "invalid SIG_CRYPTO_FAILURE"},
		{"a stamp of nothing", replaceValue(once, []byte("nothing")), "invalid FORMAT_FAILURE"},
		{"no stamp at all", unzip(t, o.ofd(t)), "indeterminate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := o.verdict(t, "application/ofd", rezip(t, c.files))
			if got := strings.TrimSpace(string(v.Overall) + " " + strings.Join(v.Failed(), " ")); got != c.want {
				t.Errorf("%s, want %s%s", got, c.want, failures(v))
			}
			worded(t, v)
		})
	}
	t.Run("4 a stamp carried to another place", func(t *testing.T) {
		moved := replace(t, once, "Signatures.xml", "Sign_0/Signature.xml", "Sign_7/Signature.xml")
		for i, f := range moved {
			moved[i].name = strings.Replace(f.name, "Sign_0/Signature.xml", "Sign_7/Signature.xml", 1)
		}
		v := o.verdict(t, "application/ofd", rezip(t, moved))
		if v.Overall != verdict.Invalid || !slices.Contains(v.Failed(), proof.PropertyMismatch) {
			t.Errorf("%s%s", v.Overall, failures(v))
		}
	})
	t.Run("7 a seal of a maker that nobody trusts", func(t *testing.T) {
		v := o.verdict(t, "application/ofd", rezip(t, fakeSeal(t, f, once, at)))
		if v.Overall != verdict.Invalid || !slices.Contains(v.Failed(), trust.NoChain) || !slices.Contains(v.Failed(), trust.MakerNotTrusted) {
			t.Errorf("%s%s", v.Overall, failures(v))
		}
	})
	t.Run("7 a seal remade under a registered code", func(t *testing.T) {
		remade := remadeSeal(t, f)
		v := o.verdict(t, "application/ofd", rezip(t, f.resignSeal(t, once, at, remade)))
		if v.Overall != verdict.Invalid || strings.Join(v.Failed(), " ") != proof.SealNotAsRegistered {
			t.Errorf("%s%s", v.Overall, failures(v))
		}
	})
	t.Run("a stamp made after the revocation", func(t *testing.T) {
		o.add(time.Hour)
		o.act(t, "/seals/"+s.ID+"/revoke", "wang", authority, "seal.approve", 200)
		o.add(time.Hour)
		v := o.verdict(t, "application/ofd", rezip(t, f.resign(t, once, o.Now())))
		if strings.Join(v.Failed(), " ") != proof.SealRevoked {
			t.Errorf("%s%s", v.Overall, failures(v))
		}
		if v := o.verdict(t, "application/ofd", document); v.Overall != verdict.Valid {
			t.Errorf("stamped before the revocation: %s%s", v.Overall, failures(v))
		}
	})
	t.Run("a stamp made after the certificate was revoked", func(t *testing.T) {
		leaf := parse(t, record.Body.Chain[0])
		if err := o.ca.Revoke(t.Context(), leaf.Serial, cert.CessationOfOperation, at.Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		v := o.verdict(t, "application/ofd", document)
		if strings.Join(v.Failed(), " ") != trust.RevokedBeforeSigning {
			t.Errorf("%s%s", v.Overall, failures(v))
		}
	})
}

func replaceValue(files []file, value []byte) []file {
	files = slices.Clone(files)
	for i, f := range files {
		if strings.HasSuffix(f.name, "SignedValue.dat") {
			files[i].content = value
		}
	}
	return files
}

// flipped changes the last byte of a file: of SignedValue.dat, a byte of the signature.
func flipped(files []file, name string) []file {
	files = slices.Clone(files)
	for i, f := range files {
		if strings.HasSuffix(f.name, name) {
			files[i].content = bytes.Clone(f.content)
			files[i].content[len(f.content)-1] ^= 1
		}
	}
	return files
}

// twinCertificate is the stamp of the first document with another certificate of the same key beside it.
func twinCertificate(t testing.TB, f forger) []byte {
	t.Helper()
	k, err := f.ca.Keys.OpenKey(t.Context(), key.Seal, f.record.ID)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := cert.SealOwner("99000000000009", commerce, "示例省商务厅")
	if err != nil {
		t.Fatal(err)
	}
	csr, err := cert.CreateCSR(t.Context(), subject, k)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := f.ca.CertifySeal(t.Context(), csr, f.Now().Add(-time.Minute), f.Now().AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	document := f.stamp(t, "li", f.record.ID, f.ofd(t), testOrder)
	files := unzip(t, document)
	for _, e := range files {
		if strings.HasSuffix(e.name, "SignedValue.dat") {
			old, swap := octets(f.record.Body.Chain[0]), octets(chain[0])
			at := bytes.LastIndex(e.content, old)
			body := append(bytes.Clone(e.content[:at]), append(swap, e.content[at+len(old):]...)...)
			return relength(body)
		}
	}
	t.Fatal("no stamp")
	return nil
}

// octets is a DER OCTET STRING of more than 255 bytes.
func octets(b []byte) []byte { return append([]byte{4, 0x82, byte(len(b) >> 8), byte(len(b))}, b...) }

// relength corrects the length of the outermost SEQUENCE, of more than 255 bytes.
func relength(der []byte) []byte {
	head := 4
	if der[1] == 0x83 {
		head = 5
	}
	body := der[head:]
	if len(body) > 0xffff {
		return append([]byte{0x30, 0x83, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
	}
	return append([]byte{0x30, 0x82, byte(len(body) >> 8), byte(len(body))}, body...)
}

// makeSeal makes a seal under the code of the record, with any maker and any signer.
func makeSeal(t testing.TB, f forger, maker key.Signer, makerCert, leaf []byte) []byte {
	t.Helper()
	old, err := ses.ParseSeal(f.record.Body.ESL)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ses.PrepareSeal(ses.SealInfo{ID: old.ID, VendorID: "forger", Type: old.Type, Name: old.Name, CertListType: ses.Certificates,
		Certificates: [][]byte{leaf}, CreatedAt: old.CreatedAt, ValidFrom: old.ValidFrom, ValidTo: old.ValidTo, Picture: old.Picture}, makerCert)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign(t.Context(), maker, p.ToBeSigned())
	if err != nil {
		t.Fatal(err)
	}
	esl, err := p.Assemble(signature)
	if err != nil {
		t.Fatal(err)
	}
	return esl
}

// remadeSeal is a seal that the real maker signed again, without the register knowing.
func remadeSeal(t testing.TB, f forger) []byte {
	t.Helper()
	k, err := f.ca.Keys.OpenKey(t.Context(), key.SealMaker, making)
	if err != nil {
		t.Fatal(err)
	}
	der, err := f.ca.MakerCertificate(t.Context(), making)
	if err != nil {
		t.Fatal(err)
	}
	return makeSeal(t, f, k, der, f.record.Body.Chain[0])
}

// resignSeal stamps with another SESeal, by the seal's own key.
func (f forger) resignSeal(t testing.TB, files []file, at time.Time, esl []byte) []file {
	t.Helper()
	files = slices.Clone(files)
	for i, e := range files {
		if strings.HasSuffix(e.name, "Seal.esl") {
			files[i].content = esl
		}
	}
	f.record.Body = &seal.Body{ESL: esl, Chain: f.record.Body.Chain}
	return f.resign(t, redigest(files), at)
}

// fakeSeal is a document stamped with a seal that looks like the real one and is of a maker, and for a signer, that
// certified themselves.
func fakeSeal(t testing.TB, f forger, files []file, at time.Time) []file {
	t.Helper()
	maker, signer := keytest.New(t, key.SM2SM3), keytest.New(t, key.SM2SM3)
	self := func(k key.Signer, name cert.Name) []byte {
		serial := parse(t, f.record.Body.Chain[0]).Serial
		der, err := cert.CreateRoot(context.Background(), cert.Template{Serial: serial, Subject: name, NotBefore: at.AddDate(-1, 0, 0),
			NotAfter: at.AddDate(1, 0, 0), KeyUsage: cert.DigitalSignature | cert.CertSign, IsCA: true, MaxPathLen: -1}, k)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	owner := parse(t, f.record.Body.Chain[0]).Subject
	leaf := self(signer, cert.Name{Country: "CN", Organization: owner.Organization, CommonName: owner.CommonName})
	esl := makeSeal(t, f, maker, self(maker, cert.Name{Country: "CN", Organization: "91990000MB99000007示例刻章店", CommonName: "示例刻章店"}), leaf)
	files = slices.Clone(files)
	for i, e := range files {
		if strings.HasSuffix(e.name, "Seal.esl") {
			files[i].content = esl
		}
	}
	return f.resignWith(t, redigest(files), at, esl, leaf, func(tbs []byte) []byte {
		signature, err := key.Sign(context.Background(), signer, tbs)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	})
}

// revision appends an incremental update to a PDF that puts an object in the place of another (ISO 32000-1, 7.5.6).
func revision(t testing.TB, document []byte, number int, body string) []byte {
	t.Helper()
	last := regexp.MustCompile(`startxref\s+(\d+)\s+%%EOF\s*$`).FindSubmatch(document)
	root := regexp.MustCompile(`/Root (\d+ \d+ R)`).FindSubmatch(document)
	sizes := regexp.MustCompile(`/Size (\d+)`).FindAllSubmatch(document, -1)
	if last == nil || root == nil || sizes == nil {
		t.Fatal("the document is not of the form that the forger expects")
	}
	out := bytes.NewBuffer(bytes.Clone(document))
	if !bytes.HasSuffix(document, []byte("\n")) {
		out.WriteByte('\n')
	}
	at := out.Len()
	fmt.Fprintf(out, "%d 0 obj\n%s\nendobj\n", number, body)
	table := out.Len()
	fmt.Fprintf(out, "xref\n%d 1\n%010d 00000 n \ntrailer\n<</Size %s/Root %s/Prev %s>>\nstartxref\n%d\n%%%%EOF\n",
		number, at, sizes[len(sizes)-1][1], root[1], last[1], table)
	return out.Bytes()
}

func TestPDFAttacksAreRefusedByName(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s := o.activeSeal(t, "li", finance)
	document := o.stamp(t, "li", s.ID, o.pdf(t), testOrder)
	content := regexp.MustCompile(`/Contents (\d+) 0 R`).FindSubmatch(document)
	var number int
	if _, err := fmt.Sscan(string(content[1]), &number); err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte {
		forged := bytes.Clone(document)
		forged[at] ^= 1
		return forged
	}
	stream := bytes.Index(document, fmt.Appendf(nil, "\n%d 0 obj", number))
	inStream := stream + bytes.Index(document[stream:], []byte("stream\n")) + 20
	gap := bytes.Index(document, []byte("/Contents <30")) + len("/Contents <")
	cms := document[gap : gap+bytes.IndexByte(document[gap:], '>')]
	end := len(bytes.TrimRight(cms, "0"))
	for _, c := range []struct {
		name     string
		document []byte
		want     string
	}{
		{"untouched", document, "valid"},
		{"one bit of a page", flip(inStream), "invalid HASH_FAILURE"},
		{"one bit of the signature", flipHex(document, gap+end-8), "invalid SIG_CRYPTO_FAILURE"},
		{"a byte range of one pair", bytes.Replace(document, []byte("/ByteRange [0 "), []byte("/ByteRange [9 "), 1), "invalid STRUCTURE_FORGED"},
		{"another page put in its place", revision(t, document, number, "<</Length 0>>\nstream\n\nendstream"), "invalid CHANGED_AFTER_SIGNING"},
		{"bytes behind the end", append(bytes.Clone(document), "\nmore"...), "invalid STRUCTURE_FORGED"},
		{"no signature", o.pdf(t), "indeterminate"},
		{"no PDF behind the header", []byte("%PDF-1.7\nnothing"), "invalid FORMAT_FAILURE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := o.verdict(t, "application/pdf", c.document)
			got := strings.TrimSpace(string(v.Overall) + " " + strings.Join(v.Failed(), " "))
			if got != c.want {
				t.Errorf("%s, want %s%s", got, c.want, failures(v))
			}
			worded(t, v)
		})
	}
}

func flipHex(document []byte, at int) []byte {
	forged := bytes.Clone(document)
	if forged[at] == '0' {
		forged[at] = '1'
	} else {
		forged[at] = '0'
	}
	return forged
}
