package ofd

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/ses"
	"github.com/yinxin/yinxin/shared/sm"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// party signs with a key that its certificate names. It is a key.Signer.
type party struct {
	priv *sm.PrivateKey
	cert []byte
}

func (p party) KeyID() string            { return "test" }
func (p party) Algorithm() key.Algorithm { return key.SM2SM3 }
func (p party) Public() crypto.PublicKey { return &p.priv.PublicKey }
func (p party) SignDigest(_ context.Context, digest []byte) ([]byte, error) {
	return sm.SignDigest(rand.Reader, p.priv, digest)
}

func newParty(t testing.TB, name string) party {
	t.Helper()
	priv, err := sm.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &sm.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: testTime.AddDate(-1, 0, 0), NotAfter: testTime.AddDate(3, 0, 0),
	}
	cert, err := sm.CreateCertificate(rand.Reader, template, template, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	return party{priv, cert}
}

// agency is a party with a seal.
type agency struct {
	party
	seal []byte
}

func newAgency(t testing.TB, name string) agency {
	t.Helper()
	owner, maker := newParty(t, name), newParty(t, "示例省印章制作中心")
	prepared, err := ses.PrepareSeal(ses.SealInfo{
		ID: "99000000000001", VendorID: "yinxin", Type: 1, Name: name, CertListType: ses.CertificateDigests,
		Certificates: [][]byte{owner.cert}, CreatedAt: testTime, ValidFrom: testTime, ValidTo: testTime.AddDate(2, 0, 0),
		Picture: ses.Picture{Type: "SVG", Data: []byte("<svg/>"), Width: 42, Height: 42},
	}, maker.cert)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := prepared.Sign(t.Context(), maker)
	if err != nil {
		t.Fatal(err)
	}
	return agency{owner, seal}
}

func sampleDocument(t testing.TB) Document {
	t.Helper()
	return Document{
		Title: "关于示例资金的通知", Author: "示例省财政厅", Subject: "<示例 & 测试>", Created: testTime,
		DocID: "0123456789abcdef0123456789ABCDEF", CustomData: map[string]string{"total": "100.00", "a\"b": "<&>"},
		Attachments: []Attachment{{Name: "数据.json", Format: "json", Data: []byte(`{"amount":"100.00"}`)}},
		Pages: []layout.Page{
			{W: 210, H: 297, Items: []layout.Item{
				layout.Text{X: 20, Y: 30, Size: 6, Face: layout.Bold, S: "关于示例资金的通知", Field: "title"},
				layout.Text{X: 20, Y: 45, Size: 4, S: "姓名：张䶮 𬱖𫖯𬭎 A<B&C"},
				layout.Text{X: 20, Y: 55, Size: 4, S: "一百元", Field: "amount", Color: layout.Color{R: 200}},
				layout.Path{Fill: layout.Color{R: 255}, Ops: []layout.Op{
					{Kind: 'M', X: 100, Y: 100}, {Kind: 'L', X: 120, Y: 100.12345}, {Kind: 'Q', X1: 130, Y1: 110, X: 120, Y: 120},
					{Kind: 'C', X1: 110, Y1: 125, X2: 105, Y2: 125, X: 100, Y: 120}, {Kind: 'Z'},
				}},
				layout.Image{X: 10, Y: 200, W: 20, H: 20, PNG: []byte("\x89PNG\r\n\x1a\n")},
			}},
			{W: 297, H: 210, Items: []layout.Item{layout.Text{X: 20, Y: 30, Size: 4, S: "第二页", Field: "amount"}}},
		},
	}
}

func writeSample(t testing.TB) []byte {
	t.Helper()
	fonts, err := layout.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	data, err := Write(sampleDocument(t), fonts)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t testing.TB, data []byte) *Package {
	t.Helper()
	p, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sampleStamp(a agency) Stamp {
	return Stamp{
		Placements: []Placement{{PageIndex: 0, X: 140, Y: 220, W: 42, H: 42}}, Seal: a.seal,
		Provider: Provider{Name: "yinxin", Version: "1", Company: "示例"}, Time: testTime.AddDate(0, 1, 0),
	}
}

func stamp(t testing.TB, data []byte, a agency) []byte {
	t.Helper()
	return stampWith(t, data, a, sampleStamp(a))
}

func stampWith(t testing.TB, data []byte, a agency, s Stamp) []byte {
	t.Helper()
	prepared, err := open(t, data).PrepareStamp(s)
	if err != nil {
		t.Fatal(err)
	}
	out, err := prepared.Assemble(signValue(t, a, prepared))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func signValue(t testing.TB, a agency, prepared *PreparedStamp) []byte {
	t.Helper()
	tbs, err := ses.PrepareStamp(ses.StampInfo{
		Seal: a.seal, Time: testTime.AddDate(0, 1, 0), DataHash: prepared.Digest(), PropertyInfo: prepared.Path(),
	}, a.cert)
	if err != nil {
		t.Fatal(err)
	}
	value, err := tbs.Sign(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// judge runs every check on a package and returns the codes of all findings, each once, sorted; "value" stands for a
// signature value that does not verify or is over other bytes.
func judge(p *Package) []Code {
	var all []Finding
	authentic := map[string]bool{}
	for _, s := range p.Signatures() {
		all = append(all, p.CheckReferences(s)...)
		if !s.Readable {
			continue
		}
		value, err := ses.ParseStamp(s.Value)
		if err != nil || !bytes.Equal(value.DataHash, s.Digest[:]) {
			all = append(all, Finding{Code: "value", Level: Fail})
			continue
		}
		pub, err := value.SignerKey()
		if err != nil || value.VerifySigner(pub) != nil || !value.Seal.Lists(value.SignerCert) {
			all = append(all, Finding{Code: "value", Level: Fail})
			continue
		}
		authentic[s.Path] = true
		all = slices.Concat(all, p.CheckSeal(s, value.Seal.Raw), p.CheckPath(s, value.PropertyInfo),
			p.CheckGeometry(s, float64(value.Seal.Picture.Width), float64(value.Seal.Picture.Height)))
	}
	all = append(all, p.Coverage(func(s Signature) bool { return authentic[s.Path] }).Findings...)
	var codes []Code
	for _, f := range all {
		codes = append(codes, f.Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// rebuild makes a package with the files changed: nil removes one, a new name is appended.
func rebuild(t testing.TB, data []byte, change map[string][]byte) []byte {
	t.Helper()
	list, err := readZip(data)
	if err != nil {
		t.Fatal(err)
	}
	var out []*entry
	done := map[string]bool{}
	for _, e := range list {
		content, ok := change[e.name]
		done[e.name] = true
		switch {
		case !ok:
			out = append(out, e)
		case content != nil:
			out = append(out, newEntry(e.name, content))
		}
	}
	var names []string
	for name := range change {
		if !done[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		out = append(out, newEntry(name, change[name]))
	}
	return writeZip(out)
}

func file(t testing.TB, data []byte, name string) string {
	t.Helper()
	content, ok := open(t, data).File("/" + name)
	if !ok {
		t.Fatalf("no file %s", name)
	}
	return string(content)
}

// edit replaces text in one file of a package.
func edit(t testing.TB, data []byte, name, from, to string) []byte {
	t.Helper()
	content := file(t, data, name)
	if !strings.Contains(content, from) {
		t.Fatalf("%s does not contain %q:\n%s", name, from, content)
	}
	return rebuild(t, data, map[string][]byte{name: []byte(strings.Replace(content, from, to, 1))})
}

func TestWrittenDocumentOpens(t *testing.T) {
	data := writeSample(t)
	if !bytes.Equal(data, writeSample(t)) {
		t.Error("equal documents make unequal bytes")
	}
	p := open(t, data)
	body := p.Bodies()[0]
	if body.DocID != "0123456789abcdef0123456789abcdef" || body.Title != "关于示例资金的通知" || body.CustomData["a\"b"] != "<&>" ||
		len(body.Pages) != 2 || body.Pages[1].W != 297 || body.Attachments[0].Name != "数据.json" || body.Signatures != "" {
		t.Errorf("body = %+v", body)
	}
	if content, ok := p.File(body.Attachments[0].Path); !ok || string(content) != `{"amount":"100.00"}` {
		t.Errorf("attachment = %s, %v", content, ok)
	}
	if len(p.Parts()) != len(p.Files()) {
		t.Errorf("%d files, %d of them reachable: %+v", len(p.Files()), len(p.Parts()), p.Parts())
	}
	if codes := judge(p); len(codes) != 0 {
		t.Errorf("findings %v", codes)
	}
	// archive/zip reads the same files, and no XML part is malformed.
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		if mine, _ := p.File(p.Files()[i]); "/"+f.Name != p.Files()[i] || !bytes.Equal(mine, content) {
			t.Errorf("%s differs", f.Name)
		}
	}
	if r.File[0].Name != "OFD.xml" {
		t.Errorf("first entry %s", r.File[0].Name)
	}
}

// The sequences of the schemas of GB/T 33190-2016.
var orders = map[string][]string{
	"OFD":         {"DocBody"},
	"DocBody":     {"DocInfo", "DocRoot", "Versions", "Signatures"},
	"DocInfo":     {"DocID", "Title", "Author", "Subject", "Abstract", "CreationDate", "ModDate", "DocUsage", "Cover", "Keywords", "Creator", "CreatorVersion", "CustomDatas"},
	"Document":    {"CommonData", "Pages", "Outlines", "Permissions", "Actions", "VPreferences", "Bookmarks", "Annotations", "CustomTags", "Attachments", "Extensions"},
	"CommonData":  {"MaxUnitID", "PageArea", "PublicRes", "DocumentRes", "TemplatePage", "DefaultCS"},
	"Page":        {"Template", "PageRes", "Area", "Content", "Actions"},
	"TextObject":  {"FillColor", "StrokeColor", "CGTransform", "TextCode"},
	"PathObject":  {"StrokeColor", "FillColor", "AbbreviatedData"},
	"Signatures":  {"MaxSignId", "Signature"},
	"SignedInfo":  {"Provider", "SignatureMethod", "SignatureDateTime", "Parameters", "References", "StampAnnot", "Seal"},
	"Reference":   {"CheckValue"},
	"Attachment":  {"FileLoc"},
	"CustomTag":   {"SchemaLoc", "FileLoc"},
	"PageArea":    {"PhysicalBox", "ApplicationBox", "ContentBox", "BleedBox"},
	"CGTransform": {"Glyphs"},
}

func TestElementsStandInTheOrderOfTheSchemas(t *testing.T) {
	a := newAgency(t, "示例省财政厅")
	p := open(t, stamp(t, writeSample(t), a))
	seen := map[string]bool{}
	for _, name := range p.Files() {
		if !strings.HasSuffix(name, ".xml") {
			continue
		}
		content, _ := p.File(name)
		d := xml.NewDecoder(bytes.NewReader(content))
		type level struct {
			name string
			at   int
		}
		var stack []level
		ids := map[string]bool{}
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			switch token := token.(type) {
			case xml.StartElement:
				if len(stack) > 0 {
					parent := &stack[len(stack)-1]
					if order := orders[parent.name]; order != nil && !(parent.name == "Page" && parent.at < 0) {
						at := slices.Index(order, token.Name.Local)
						if at < parent.at || at < 0 {
							t.Errorf("%s: %s after position %d of %s", name, token.Name.Local, parent.at, parent.name)
						}
						parent.at = at
						seen[parent.name] = true
					}
				}
				for _, attr := range token.Attr {
					if attr.Name.Local == "ID" {
						if ids[attr.Value] {
							t.Errorf("%s: ID %s twice", name, attr.Value)
						}
						ids[attr.Value] = true
					}
				}
				stack = append(stack, level{name: token.Name.Local})
			case xml.EndElement:
				stack = stack[:len(stack)-1]
			}
		}
	}
	for name := range orders {
		if !seen[name] {
			t.Errorf("no %s was looked at", name)
		}
	}
}

func TestIdentifiersAreUniqueAndBelowTheMaximum(t *testing.T) {
	p := open(t, writeSample(t))
	highest, ids := 0, map[string]string{}
	for _, name := range p.Files() {
		if !strings.Contains(name, "Page_") && !strings.HasSuffix(name, "Res.xml") && !strings.HasSuffix(name, "Document.xml") {
			continue
		}
		content, _ := p.File(name)
		budget := maxXMLTotal
		root, err := readXML(name, content, &budget, "", "Page", "Res", "Document")
		if err != nil {
			t.Fatal(err)
		}
		var walk func(*node)
		walk = func(n *node) {
			if id := n.attr("ID"); id != "" {
				number, _ := trailingNumber(id)
				highest = max(highest, number)
				if ids[id] != "" {
					t.Errorf("ID %s in %s and %s", id, ids[id], name)
				}
				ids[id] = name
			}
			for _, c := range n.children {
				walk(c)
			}
		}
		walk(root)
	}
	if !strings.Contains(string(mustFile(p, "/Doc_0/Document.xml")), "<ofd:MaxUnitID>"+number(float64(highest))+"<") {
		t.Errorf("MaxUnitID is not %d", highest)
	}
}

func mustFile(p *Package, name string) []byte { content, _ := p.File(name); return content }

func TestCustomTagsNameTheTextsOfFields(t *testing.T) {
	p := open(t, writeSample(t))
	type fields struct {
		Field []struct {
			Name string `xml:"name,attr"`
			Refs []struct {
				Page   string `xml:"PageRef,attr"`
				Object string `xml:",chardata"`
			} `xml:"ObjectRef"`
		} `xml:"field"`
	}
	var tags fields
	if err := xml.Unmarshal(mustFile(p, "/Doc_0/Tags/Fields.xml"), &tags); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, f := range tags.Field {
		for _, ref := range f.Refs {
			for _, page := range p.Bodies()[0].Pages {
				if page.ID == ref.Page {
					got[f.Name] = append(got[f.Name], textOf(t, mustFile(p, page.Path), ref.Object))
				}
			}
		}
	}
	if !slices.Equal(got["title"], []string{"关于示例资金的通知"}) || !slices.Equal(got["amount"], []string{"一百元", "第二页"}) {
		t.Errorf("fields = %v", got)
	}
}

func textOf(t testing.TB, page []byte, id string) string {
	t.Helper()
	var content struct {
		Texts []struct {
			ID   string `xml:"ID,attr"`
			Code string `xml:"TextCode"`
		} `xml:"Content>Layer>TextObject"`
	}
	if err := xml.Unmarshal(page, &content); err != nil {
		t.Fatal(err)
	}
	for _, text := range content.Texts {
		if text.ID == id {
			return text.Code
		}
	}
	return ""
}

func TestWriterRefuses(t *testing.T) {
	fonts, err := layout.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	var missing *layout.MissingGlyphError
	for name, spoil := range map[string]func(*Document){
		"no page":            func(d *Document) { d.Pages = nil },
		"page without size":  func(d *Document) { d.Pages[0].W = 0 },
		"short DocID":        func(d *Document) { d.DocID = "0123" },
		"control character":  func(d *Document) { d.Title = "a\x00b" },
		"no UTF-8":           func(d *Document) { d.Author = "\xff" },
		"attachment format":  func(d *Document) { d.Attachments[0].Format = "../x" },
		"attachment name":    func(d *Document) { d.Attachments[0].Name = "" },
		"line break in text": func(d *Document) { d.Pages[0].Items[0] = layout.Text{Size: 3, S: "a\nb"} },
		"size of text":       func(d *Document) { d.Pages[0].Items[0] = layout.Text{S: "a"} },
		"unknown operation":  func(d *Document) { d.Pages[0].Items[0] = layout.Path{Ops: []layout.Op{{Kind: 'X'}}} },
		"no PNG":             func(d *Document) { d.Pages[0].Items[0] = layout.Image{W: 1, H: 1, PNG: []byte("GIF")} },
	} {
		d := sampleDocument(t)
		spoil(&d)
		if _, err := Write(d, fonts); !errors.Is(err, ErrInput) && !(name == "line break in text" && errors.As(err, &missing)) {
			t.Errorf("%s: %v, want ErrInput", name, err)
		}
	}
	d := sampleDocument(t)
	d.Pages[0].Items[0] = layout.Text{Size: 3, S: "\U0001F600"}
	if _, err := Write(d, fonts); !errors.As(err, &missing) || missing.Rune != 0x1F600 {
		t.Errorf("a character in no font: %v", err)
	}
	if _, err := Write(sampleDocument(t), nil); !errors.Is(err, ErrInput) {
		t.Errorf("text without fonts: %v, want ErrInput", err)
	}
}

func TestTwoAgenciesStampOneAfterTheOther(t *testing.T) {
	first, second := newAgency(t, "示例省财政厅"), newAgency(t, "示例省商务厅")
	plain := writeSample(t)
	once := stamp(t, plain, first)
	s := sampleStamp(second)
	s.Placements = []Placement{{PageIndex: 0, X: 20, Y: 220, W: 42, H: 42}, {PageIndex: 1, X: 20, Y: 100, W: 42, H: 42}}
	twice := stampWith(t, once, second, s)

	p := open(t, twice)
	if codes := judge(p); len(codes) != 0 {
		t.Fatalf("findings %v", codes)
	}
	signatures := p.Signatures()
	if len(signatures) != 2 || signatures[0].ID != "s1" || signatures[1].ID != "s2" || len(signatures[1].Stamps) != 2 ||
		signatures[0].Path != "/Doc_0/Signs/Sign_0/Signature.xml" || signatures[1].Path != "/Doc_0/Signs/Sign_1/Signature.xml" ||
		signatures[0].Provider != s.Provider || signatures[0].DateTime != "20260202030405Z" {
		t.Errorf("signatures = %+v", signatures)
	}
	for path, protects := range p.Coverage(func(Signature) bool { return true }).Protects {
		if protects != Whole {
			t.Errorf("%s protects %s, want whole", path, protects)
		}
	}
	// Nothing that was there changed, but for OFD.xml and the list.
	before, middle := open(t, plain), open(t, once)
	for _, name := range before.Files() {
		if got, _ := p.File(name); name != "/OFD.xml" && !bytes.Equal(got, mustFile(before, name)) {
			t.Errorf("%s changed", name)
		}
	}
	for _, name := range middle.Files() {
		if got, _ := p.File(name); name != "/Doc_0/Signs/Signatures.xml" && !bytes.Equal(got, mustFile(middle, name)) {
			t.Errorf("%s changed by the second stamp", name)
		}
	}
	if !strings.Contains(file(t, twice, "Doc_0/Signs/Signatures.xml"), "<ofd:MaxSignId>s2</ofd:MaxSignId>") {
		t.Error("MaxSignId was not counted up")
	}
	// The second one protects the first: its files are among the References.
	var refs []string
	for _, r := range signatures[1].References {
		refs = append(refs, r.FileRef)
	}
	for _, name := range []string{"/OFD.xml", "/Doc_0/Signs/Sign_0/Signature.xml", "/Doc_0/Signs/Sign_0/SignedValue.dat",
		"/Doc_0/Signs/Sign_0/Seal.esl", "/Doc_0/Signs/Sign_1/Seal.esl"} {
		if !slices.Contains(refs, name) {
			t.Errorf("the second signature does not protect %s", name)
		}
	}
	if slices.Contains(refs, "/Doc_0/Signs/Signatures.xml") {
		t.Error("the second signature protects the list")
	}
}

func TestOpenSSLVerifiesTheStampInThePackage(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatal("needs openssl")
		}
		t.Skip("needs openssl")
	}
	a := newAgency(t, "示例省财政厅")
	s := open(t, stamp(t, writeSample(t), a)).Signatures()[0]
	value, err := ses.ParseStamp(s.Value)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := sm.MarshalPKIXPublicKey(&a.priv.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"pub.pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}),
		"tbs":     value.TBSRaw, "sig": value.Signature, "Signature.xml": s.XML,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) []byte {
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("openssl %v: %v %s", args, err, out)
		}
		return out
	}
	run("dgst", "-sm3", "-verify", "pub.pem", "-sigopt", "distid:1234567812345678", "-signature", "sig", "tbs")
	if digest := run("dgst", "-sm3", "-binary", "Signature.xml"); !bytes.Equal(digest, value.DataHash) {
		t.Errorf("dataHash = %x, openssl says %x", value.DataHash, digest)
	}
}

func TestStampIsRefused(t *testing.T) {
	a := newAgency(t, "示例省财政厅")
	p := open(t, writeSample(t))
	for name, c := range map[string]struct {
		spoil func(*Stamp)
		want  error
	}{
		"no seal":           {func(s *Stamp) { s.Seal = nil }, ErrInput},
		"no provider":       {func(s *Stamp) { s.Provider.Name = "" }, ErrInput},
		"provider no text":  {func(s *Stamp) { s.Provider.Company = "\x01" }, ErrInput},
		"no time":           {func(s *Stamp) { s.Time = time.Time{} }, ErrInput},
		"no place":          {func(s *Stamp) { s.Placements = nil }, ErrPlacement},
		"no such page":      {func(s *Stamp) { s.Placements[0].PageIndex = 2 }, ErrPlacement},
		"page before":       {func(s *Stamp) { s.Placements[0].PageIndex = -1 }, ErrPlacement},
		"off the page":      {func(s *Stamp) { s.Placements[0].X = 200 }, ErrPlacement},
		"no width":          {func(s *Stamp) { s.Placements[0].W = 0 }, ErrPlacement},
		"clipped away":      {func(s *Stamp) { s.Placements[0].Clip = &Box{50, 0, 1, 1} }, ErrPlacement},
		"not a number":      {func(s *Stamp) { s.Placements[0].Y = nan() }, ErrPlacement},
		"unknown mode":      {func(s *Stamp) { s.Protect = 7 }, ErrInput},
		"one place is off":  {func(s *Stamp) { s.Placements = append(s.Placements, Placement{W: 42, H: 42, X: -10}) }, ErrPlacement},
		"height of a tower": {func(s *Stamp) { s.Placements[0].H = 1e9 }, ErrPlacement},
	} {
		s := sampleStamp(a)
		c.spoil(&s)
		if _, err := p.PrepareStamp(s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	prepared, err := p.PrepareStamp(sampleStamp(a))
	if err != nil {
		t.Fatal(err)
	}
	other, err := open(t, stamp(t, writeSample(t), a)).PrepareStamp(sampleStamp(a))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prepared.Assemble(signValue(t, a, other)); !errors.Is(err, ErrInput) {
		t.Errorf("Assemble with the value of another signature: %v, want ErrInput", err)
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

func TestAfterWholeProtectedNobodyStamps(t *testing.T) {
	a := newAgency(t, "示例省财政厅")
	s := sampleStamp(a)
	s.Protect = WholeProtected
	data := stampWith(t, writeSample(t), a, s)
	if codes := judge(open(t, data)); len(codes) != 0 {
		t.Errorf("findings %v", codes)
	}
	if _, err := open(t, data).PrepareStamp(sampleStamp(a)); !errors.Is(err, ErrLocked) {
		t.Errorf("PrepareStamp = %v, want ErrLocked", err)
	}
}

// A seal across the right edges of both pages (骑缝章): two strips, one signature.
func TestSeamSeal(t *testing.T) {
	a := newAgency(t, "示例省财政厅")
	s := sampleStamp(a)
	s.Placements = []Placement{
		{PageIndex: 0, X: 189, Y: 100, W: 42, H: 42, Clip: &Box{0, 0, 21, 42}},
		{PageIndex: 1, X: 255, Y: 100, W: 42, H: 42, Clip: &Box{21, 0, 21, 42}},
	}
	p := open(t, stampWith(t, writeSample(t), a, s))
	if codes := judge(p); len(codes) != 0 {
		t.Errorf("findings %v", codes)
	}
	if clip := p.Signatures()[0].Stamps[1].Clip; clip == nil || *clip != (Box{21, 0, 21, 42}) {
		t.Errorf("clip = %v", clip)
	}
}
