package ofd

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/yinxin/yinxin/shared/sm"
)

// foreignPackage makes packages as other programs write them: other prefixes, names and places, sizes behind the data.
func foreignPackage(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const foreignPage = `<?xml version="1.0" encoding="UTF-8"?>
<Page xmlns="http://www.ofdspec.org/2016">
	<Area><PhysicalBox>0 0 210 140</PhysicalBox></Area>
	<Content/>
</Page>
`

// foreigners are documents that this package did not write, without a signature.
func foreigners(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"prefixless, with a folder entry and comments": foreignPackage(t,
			"OFD.xml", `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<!-- made elsewhere -->
<OFD xmlns="http://www.ofdspec.org/2016" DocType="OFD" Version="1.1">
  <DocBody>
    <DocInfo><DocID>ab</DocID></DocInfo>
    <DocRoot>Doc_0/Document.xml</DocRoot>
  </DocBody>
</OFD>
`, "Doc_0/", "", "Doc_0/Document.xml", `<Document xmlns="http://www.ofdspec.org/2016">
<CommonData><MaxUnitID>9</MaxUnitID><PageArea><PhysicalBox>0 0 210 297</PhysicalBox></PageArea><PublicRes>PublicRes.xml</PublicRes></CommonData>
<Pages><Page ID="5" BaseLoc="Pages/Page_0/Content.xml"/></Pages></Document>`,
			"Doc_0/PublicRes.xml", `<Res xmlns="http://www.ofdspec.org/2016" BaseLoc="Res"><Fonts><Font ID="3" FontName="SimSun"/></Fonts></Res>`,
			"Doc_0/Pages/Page_0/Content.xml", foreignPage),
		"old namespace, other prefix, absolute paths, one list declared and missing": foreignPackage(t,
			"Doc_7/Document.xml", `<o:Document xmlns:o="http://www.ofdspec.org"><o:CommonData><o:PageArea><o:PhysicalBox>0 0 210.0 297.0</o:PhysicalBox></o:PageArea></o:CommonData><o:Pages><o:Page ID="1" BaseLoc="/Doc_7/P.xml"/></o:Pages></o:Document>`,
			"Doc_7/P.xml", `<o:Page xmlns:o="http://www.ofdspec.org"><o:Content></o:Content></o:Page>`,
			"OFD.xml", "\ufeff"+`<o:OFD xmlns:o="http://www.ofdspec.org"><o:DocBody ><o:DocInfo></o:DocInfo><o:DocRoot>/Doc_7/Document.xml</o:DocRoot><o:Signatures>Sigs.xml</o:Signatures></o:DocBody
			></o:OFD>`),
		"empty list of signatures beside Document.xml": foreignPackage(t,
			"OFD.xml", `<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"><ofd:DocBody><ofd:DocInfo/><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot><ofd:Signatures>/Doc_0/Signatures.xml</ofd:Signatures></ofd:DocBody></ofd:OFD>`,
			"Doc_0/Document.xml", bareDocument, "Doc_0/Pages/Page_0/Content.xml", foreignPage,
			"Doc_0/Signatures.xml", `<ofd:Signatures xmlns:ofd="http://www.ofdspec.org/2016" />`),
		"list with a number as MaxSignId": foreignPackage(t,
			"OFD.xml", `<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"><ofd:DocBody><ofd:DocInfo/><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot><ofd:Signatures>Doc_0/Signs/Signatures.xml</ofd:Signatures></ofd:DocBody></ofd:OFD>`,
			"Doc_0/Document.xml", bareDocument, "Doc_0/Pages/Page_0/Content.xml", foreignPage,
			"Doc_0/Signs/Signatures.xml", `<Signatures xmlns="http://www.ofdspec.org/2016"><MaxSignId a=">">0</MaxSignId></Signatures>`),
		"list with an empty MaxSignId": foreignPackage(t,
			"OFD.xml", `<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"><ofd:DocBody><ofd:DocInfo/><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot><ofd:Signatures>Doc_0/Signs/Signatures.xml</ofd:Signatures></ofd:DocBody></ofd:OFD>`,
			"Doc_0/Document.xml", bareDocument, "Doc_0/Pages/Page_0/Content.xml", foreignPage,
			"Doc_0/Signs/Signatures.xml", `<Signatures xmlns="http://www.ofdspec.org/2016"><MaxSignId/></Signatures>`),
		"folder names beyond ASCII": foreignPackage(t,
			"OFD.xml", `<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"><ofd:DocBody><ofd:DocInfo/><ofd:DocRoot>文档/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>`,
			"文档/Document.xml", bareDocument, "文档/Pages/Page_0/Content.xml", foreignPage),
		"traces of signatures that were": foreignPackage(t,
			"OFD.xml", `<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"><ofd:DocBody><ofd:DocInfo/><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>`,
			"Doc_0/Document.xml", bareDocument, "Doc_0/Pages/Page_0/Content.xml", foreignPage,
			"Doc_0/Signs/Signatures.xml", "another file of that name"),
	}
}

func TestForeignDocumentsAreStampedTwice(t *testing.T) {
	a, b := newAgency(t, "示例省财政厅"), newAgency(t, "示例省商务厅")
	for name, data := range foreigners(t) {
		before := judge(open(t, data))
		s := sampleStamp(a)
		s.Placements[0] = Placement{X: 150, Y: 80, W: 42, H: 42}
		once := stampWith(t, data, a, s)
		s.Seal = b.seal
		p := open(t, stampWith(t, once, b, s))
		var want []Code // what was found before the stamps stays, but for a missing list, which is there now
		for _, c := range before {
			if c != MissingFile {
				want = append(want, c)
			}
		}
		if got := judge(p); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if len(p.Signatures()) != 2 || p.Signatures()[1].ID != "s2" {
			t.Errorf("%s: signatures %+v", name, p.Signatures())
		}
		for i, s := range p.Signatures() {
			if protects := p.Coverage(func(Signature) bool { return true }).Protects[s.Path]; protects != Whole {
				t.Errorf("%s: signature %d protects %s", name, i, protects)
			}
		}
		original := open(t, data)
		for _, file := range original.Files() {
			if file != "/OFD.xml" && file != original.Bodies()[0].Signatures {
				if got, _ := p.File(file); !bytes.Equal(got, mustFile(original, file)) {
					t.Errorf("%s: %s changed", name, file)
				}
			}
		}
		// What was in the edited files is still there, in order, around the addition.
		for _, file := range []string{"/OFD.xml"} {
			if !isSubsequence(mustFile(original, file), mustFile(p, file)) {
				t.Errorf("%s: %s was written anew:\n%s", name, file, mustFile(p, file))
			}
		}
	}
}

// isSubsequence tells whether b is a with one piece inserted.
func isSubsequence(a, b []byte) bool {
	prefix := 0
	for prefix < len(a) && prefix < len(b) && a[prefix] == b[prefix] {
		prefix++
	}
	return bytes.HasSuffix(b, a[prefix:])
}

// A package signed elsewhere: names as ofdrw and others write them, relative locations, Seal as an attribute or absent.
func TestForeignSignaturesAreRead(t *testing.T) {
	a := newAgency(t, "示例省财政厅")
	own := stamp(t, writeSample(t), a)
	// rename carries the signature to other names; the description is signed anew under its new path.
	rename := func(list, description, value, seal string, change func(string) string) []byte {
		files := map[string][]byte{
			list0: nil, signature0: nil, value0: nil, seal0: nil,
			"OFD.xml": []byte(strings.Replace(file(t, own, "OFD.xml"), "/"+list0, list, 1)),
		}
		xml := file(t, own, signature0)
		files[seal] = a.seal
		digest := sm.Sum3(files["OFD.xml"])
		xml = strings.Replace(xml, reference(t, own, "OFD.xml"), `<ofd:Reference FileRef="/OFD.xml"><ofd:CheckValue>`+
			base64.StdEncoding.EncodeToString(digest[:])+`</ofd:CheckValue></ofd:Reference>`, 1)
		xml = strings.Replace(xml, `FileRef="/`+seal0+`"`, `FileRef="/`+seal+`"`, 1)
		xml = change(xml)
		files[description] = []byte(xml)
		files[value] = signValue(t, a, &PreparedStamp{xml: []byte(xml), path: "/" + description})
		files[strings.TrimPrefix(list, "/")] = []byte(strings.Replace(file(t, own, list0), "/"+signature0, relativeTo(list, description), 1))
		if !strings.Contains(xml, seal) {
			files[seal] = nil
		}
		return rebuild(t, own, files)
	}
	for name, data := range map[string][]byte{
		"list beside Document.xml, SignValue.dat, relative locations": rename("/Doc_0/Signatures.xml",
			"Doc_0/Signs/Sign_0/Signature.xml", "Doc_0/Signs/Sign_0/SignValue.dat", seal0, func(s string) string {
				s = strings.Replace(s, "/"+value0, "SignValue.dat", 1)
				return strings.Replace(s, "<ofd:BaseLoc>/"+seal0, "<ofd:BaseLoc>Seal.esl", 1)
			}),
		"Seal with an attribute": rename("Doc_0/Signs/Signatures.xml", signature0, value0, seal0, func(s string) string {
			return strings.Replace(s, "<ofd:Seal><ofd:BaseLoc>/"+seal0+"</ofd:BaseLoc></ofd:Seal>", `<ofd:Seal BaseLoc="/`+seal0+`"/>`, 1)
		}),
		"no Seal.esl, as in invoices": rename("Doc_0/Signs/Signatures.xml", signature0, value0, seal0, func(s string) string {
			from := strings.Index(s, `<ofd:Reference FileRef="/`+seal0)
			s = s[:from] + s[from+strings.Index(s[from:], "</ofd:Reference>")+len("</ofd:Reference>"):]
			return strings.Replace(s, "<ofd:Seal><ofd:BaseLoc>/"+seal0+"</ofd:BaseLoc></ofd:Seal>", "", 1)
		}),
		"old namespace without prefix": rename("Doc_0/Signs/Signatures.xml", signature0, value0, seal0, func(s string) string {
			return strings.NewReplacer("<ofd:", "<", "</ofd:", "</", `xmlns:ofd="http://www.ofdspec.org/2016"`, `xmlns="http://www.ofdspec.org"`).Replace(s)
		}),
		"other folders": rename("/Doc_0/S/List.xml", "Doc_0/S/one/Desc.xml", "Doc_0/S/one/v.dat", "Doc_0/S/one/s.esl", func(s string) string {
			return strings.NewReplacer(value0, "Doc_0/S/one/v.dat", "<ofd:BaseLoc>/"+seal0, "<ofd:BaseLoc>s.esl").Replace(s)
		}),
	} {
		p := open(t, data)
		if len(p.Signatures()) != 1 || !p.Signatures()[0].Readable {
			t.Errorf("%s: signatures %+v", name, p.Signatures())
			continue
		}
		if codes := judge(p); len(codes) != 0 {
			t.Errorf("%s: %v", name, codes)
		}
		if codes := judge(open(t, stamp(t, data, a))); len(codes) != 0 {
			t.Errorf("%s, stamped once more: %v", name, codes)
		}
	}
}

// relativeTo returns the location of a file as seen from the list, relative where the list is above it.
func relativeTo(list, name string) string {
	if folder := dir(strings.TrimPrefix(list, "/")); strings.HasPrefix(name, folder+"/") {
		return strings.TrimPrefix(name, folder+"/")
	}
	return "/" + name
}

func TestFontNotEmbeddedAndSharedPartsAreFound(t *testing.T) {
	all := foreigners(t)
	if got := judge(open(t, all["prefixless, with a folder entry and comments"])); !slices.Equal(got, []Code{FontNotEmbedded}) {
		t.Errorf("font by name: %v", got)
	}
	p := open(t, all["prefixless, with a folder entry and comments"])
	if page := p.Bodies()[0].Pages[0]; page.ID != "5" || page.W != 210 || page.H != 140 {
		t.Errorf("page = %+v", page)
	}
}

func TestPackagesWithoutADocumentAreRefused(t *testing.T) {
	const ns = ` xmlns="http://www.ofdspec.org/2016"`
	const body = `<DocBody><DocInfo/><DocRoot>D.xml</DocRoot></DocBody>`
	document := func(inner string) string { return `<Document` + ns + `>` + inner + `</Document>` }
	for name, c := range map[string]struct {
		root, document string
		want           Code
	}{
		"no body":               {`<OFD` + ns + `/>`, document(""), NotOFD},
		"65 bodies":             {`<OFD` + ns + `>` + strings.Repeat(body, 65) + `</OFD>`, document(""), NotOFD},
		"two bodies, one root":  {`<OFD` + ns + `>` + body + body + `</OFD>`, document(`<CommonData/><Pages/>`), XMLDuplicate},
		"no DocInfo":            {`<OFD` + ns + `><DocBody><DocRoot>D.xml</DocRoot></DocBody></OFD>`, document(""), XMLMissing},
		"two DocRoot":           {`<OFD` + ns + `><DocBody><DocInfo/><DocRoot>D.xml</DocRoot><DocRoot>D.xml</DocRoot></DocBody></OFD>`, document(""), XMLDuplicate},
		"two Signatures":        {`<OFD` + ns + `><DocBody><DocInfo/><DocRoot>D.xml</DocRoot><Signatures>a</Signatures><Signatures>b</Signatures></DocBody></OFD>`, document(`<CommonData/><Pages/>`), XMLDuplicate},
		"list that is the page": {`<OFD` + ns + `><DocBody><DocInfo/><DocRoot>D.xml</DocRoot><Signatures>D.xml</Signatures></DocBody></OFD>`, document(`<CommonData/><Pages/>`), XMLDuplicate},
		"root missing":          {`<OFD` + ns + `><DocBody><DocInfo/><DocRoot>E.xml</DocRoot></DocBody></OFD>`, document(""), NotOFD},
		"root outside":          {`<OFD` + ns + `><DocBody><DocInfo/><DocRoot>../D.xml</DocRoot></DocBody></OFD>`, document(""), BadPath},
		"no CommonData":         {`<OFD` + ns + `>` + body + `</OFD>`, document(`<Pages/>`), XMLMissing},
		"two Pages":             {`<OFD` + ns + `>` + body + `</OFD>`, document(`<CommonData/><Pages/><Pages/>`), XMLDuplicate},
		"two pages of one ID":   {`<OFD` + ns + `>` + body + `</OFD>`, document(`<CommonData/><Pages><Page ID="1" BaseLoc="a"/><Page ID="1" BaseLoc="b"/></Pages>`), XMLDuplicate},
		"custom data twice":     {`<OFD` + ns + `><DocBody><DocInfo><CustomDatas><CustomData Name="a"/><CustomData Name="a"/></CustomDatas></DocInfo><DocRoot>D.xml</DocRoot></DocBody></OFD>`, document(""), XMLDuplicate},
	} {
		_, err := Open(foreignPackage(t, "OFD.xml", c.root, "D.xml", c.document))
		if code(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := Open(foreignPackage(t, "Doc_0/OFD.xml", "")); code(err) != NotOFD {
		t.Errorf("no OFD.xml: %v", err)
	}
}

// Everything that can be named is followed: each kind of file, from each place that names it.
func TestEverythingReachableIsFollowed(t *testing.T) {
	const ns = ` xmlns="http://www.ofdspec.org/2016"`
	p := open(t, foreignPackage(t,
		"OFD.xml", `<OFD`+ns+`><DocBody><DocInfo><Cover>c.png</Cover></DocInfo><DocRoot>D/Doc.xml</DocRoot>
			<Versions><Version ID="v" Index="1" Current="true" BaseLoc="D/V/V.xml"/></Versions></DocBody></OFD>`,
		"c.png", "", "D/V/V.xml", `<DocVersion`+ns+`><FileList><File ID="f">old.xml</File></FileList><DocRoot>../Doc0.xml</DocRoot></DocVersion>`,
		"D/V/old.xml", "", "D/Doc0.xml", "",
		"D/Doc.xml", `<Document`+ns+`><CommonData><PublicRes>R.xml</PublicRes><DocumentRes>/D/S.xml</DocumentRes>
			<TemplatePage ID="9" BaseLoc="T.xml"/></CommonData><Pages><Page ID="1" BaseLoc="P.xml"/></Pages>
			<Annotations>A/A.xml</Annotations><CustomTags>C/C.xml</CustomTags><Attachments>B/B.xml</Attachments><Extensions>E/E.xml</Extensions></Document>`,
		"D/R.xml", `<Res`+ns+` BaseLoc="./Res"><Fonts><Font ID="1" FontName="x"><FontFile>f.ttf</FontFile></Font></Fonts>
			<ColorSpaces><ColorSpace ID="2" Type="RGB" Profile="p.icc"/></ColorSpaces></Res>`,
		"D/Res/f.ttf", "", "D/Res/p.icc", "",
		"D/S.xml", `<Res`+ns+` BaseLoc="."><MultiMedias><MultiMedia ID="3" Type="Image"><MediaFile>i.png</MediaFile></MultiMedia></MultiMedias></Res>`,
		"D/i.png", "", "D/T.xml", `<Page`+ns+`><PageRes>T.res</PageRes><Content/></Page>`, "D/T.res", `<Res`+ns+` BaseLoc="/"><MultiMedias><MultiMedia ID="4" Type="Image"><MediaFile>t.png</MediaFile></MultiMedia></MultiMedias></Res>`,
		"t.png", "", "D/P.xml", `<Page`+ns+`><PageRes>P.res</PageRes></Page>`, "D/P.res", `<Res`+ns+` BaseLoc=""/>`,
		"D/A/A.xml", `<Annotations`+ns+`><Page PageID="1"><FileLoc>P/A.xml</FileLoc></Page></Annotations>`, "D/A/P/A.xml", "",
		"D/C/C.xml", `<CustomTags`+ns+`><CustomTag NameSpace="n"><SchemaLoc>s.xsd</SchemaLoc><FileLoc>t.xml</FileLoc></CustomTag></CustomTags>`, "D/C/s.xsd", "", "D/C/t.xml", "",
		"D/B/B.xml", `<Attachments`+ns+`><Attachment ID="a" Name="n"><FileLoc>a.bin</FileLoc></Attachment></Attachments>`, "D/B/a.bin", "",
		"D/E/E.xml", `<Extensions`+ns+`><Extension AppName="x" RefId="1"><Property Name="p">v</Property><ExtendData>x.xml</ExtendData></Extension></Extensions>`, "D/E/x.xml", "",
	))
	reached := map[string]bool{}
	for _, part := range p.Parts() {
		reached[part.Path] = true
		if part.Missing {
			t.Errorf("%s, named in %s, is missing", part.Path, part.From)
		}
	}
	for _, name := range p.Files() {
		if !reached[name] {
			t.Errorf("%s was not reached", name)
		}
	}
}
