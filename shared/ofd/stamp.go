package ofd

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yinxin/yinxin/shared/sm"
)

// Protect says which files a signature protects (GM/T 0099-2020).
type Protect uint8

// The modes of protection.
const (
	ContinueSign   Protect = iota // all but the lists of signatures: others may stamp afterwards
	WholeProtected                // the list as well: nobody may stamp afterwards
)

// Placement shows the seal once. X and Y are its upper left corner on the page, all in millimetres.
type Placement struct {
	PageIndex  int // of the first document
	X, Y, W, H float64
	Clip       *Box // part shown, relative to the corner: one strip of a seal across the edges of pages (骑缝章)
}

// Stamp is what a signature is to say. The seal is DER(SESeal).
type Stamp struct {
	Placements []Placement
	Seal       []byte
	Provider   Provider
	Time       time.Time // SignatureDateTime, for display; the time that counts is in the stamp's signed part
	Protect    Protect
}

// PreparedStamp is a stamped package of which only the signature value is missing. [Package.PrepareStamp] makes it.
type PreparedStamp struct {
	xml       []byte
	path      string
	valuePath string
	seal      []byte
	entries   []*entry
	pack      *packer
}

// XML returns the final bytes of Signature.xml.
func (s *PreparedStamp) XML() []byte { return bytes.Clone(s.xml) }

// Digest returns SM3(Signature.xml): dataHash of the stamp.
func (s *PreparedStamp) Digest() [sm.DigestSize]byte { return sm.Sum3(s.xml) }

// Path returns the absolute path of Signature.xml in the package: propertyInfo of the stamp.
func (s *PreparedStamp) Path() string { return s.path }

// PrepareStamp adds a signature to the first document of the package, all but its value. The order of work:
// list of signatures and its mention in OFD.xml, Seal.esl, digests of every file, Signature.xml.
//
// Every file is protected; with ContinueSign all but the lists of signatures, so that another agency can stamp
// afterwards. Files that exist are not written anew: OFD.xml gets the element Signatures if it has none, the list gets
// an entry, both as text; everything else keeps its bytes.
//
// It returns [ErrLocked] if a signature in the package protects what would change, [ErrPlacement] for a place that is
// not on a page, and [ErrInput] for other contents that break a rule.
func (p *Package) PrepareStamp(s Stamp) (*PreparedStamp, error) {
	if err := p.checkStamp(s); err != nil {
		return nil, fmt.Errorf("preparing the stamp: %w", err)
	}
	body := p.bodies[0]
	listName, edited := strings.TrimPrefix(body.Signatures, "/"), map[string][]byte{}
	if listName == "" {
		listName = path.Join(dir(strings.TrimPrefix(body.Root, "/")), "Signs/Signatures.xml")
		for p.byName[listName] != nil { // something else has the name
			listName = path.Join(dir(listName), "List", "Signatures.xml")
		}
		content, err := p.mentionList(listName)
		if err != nil {
			return nil, fmt.Errorf("preparing the stamp: %w", err)
		}
		edited[rootName] = content
	}
	folder := p.freeFolder(listName)
	out := &PreparedStamp{
		path: "/" + folder + "/Signature.xml", valuePath: "/" + folder + "/SignedValue.dat",
		seal: bytes.Clone(s.Seal), pack: new(packer),
	}
	list, id, err := p.extendList(listName, out.path)
	if err != nil {
		return nil, fmt.Errorf("preparing the stamp: %w", err)
	}
	edited[listName] = list
	if name, locked := p.lockedBy(edited); locked {
		return nil, fmt.Errorf("preparing the stamp: %w: %s is protected", ErrLocked, name)
	}
	for _, e := range p.entries {
		if content, ok := edited[e.name]; ok {
			e = out.pack.entry(e.name, content)
			delete(edited, e.name)
		}
		out.entries = append(out.entries, e)
	}
	if content, ok := edited[listName]; ok {
		out.entries = append(out.entries, out.pack.entry(listName, content))
	}
	sealPath := "/" + folder + "/Seal.esl"
	out.entries = append(out.entries, out.pack.entry(sealPath[1:], s.Seal))
	out.xml = p.describe(s, out, id, listName, sealPath)
	out.entries = append(out.entries, out.pack.entry(out.path[1:], out.xml))
	if err := out.check(p); err != nil {
		return nil, fmt.Errorf("preparing the stamp: %w", err)
	}
	return out, nil
}

// check opens the package as it will be, but for the value, and finds in it what it should say.
func (s *PreparedStamp) check(before *Package) error {
	after, err := Open(s.with([]byte("value")))
	if err != nil {
		return err
	}
	if len(after.signatures) != len(before.signatures)+1 {
		return fmt.Errorf("%d signatures became %d", len(before.signatures), len(after.signatures))
	}
	for _, signature := range after.signatures {
		if signature.Path != s.path {
			continue
		}
		if found := after.CheckReferences(signature); len(found) > 0 {
			return fmt.Errorf("the new signature does not hold: %+v", found[0])
		}
		return nil
	}
	return fmt.Errorf("the new signature is not listed")
}

// Assemble returns the stamped package. signedValue is DER(SES_Signature) over Digest and Path; a value that does not
// even contain them, or the seal, is refused with [ErrInput]. That it verifies is for the caller to check.
func (s *PreparedStamp) Assemble(signedValue []byte) ([]byte, error) {
	digest := s.Digest()
	for _, part := range [][]byte{digest[:], []byte(s.path), s.seal} {
		if !bytes.Contains(signedValue, part) {
			return nil, fmt.Errorf("assembling the stamped package: %w: the value is of another signature", ErrInput)
		}
	}
	return s.with(signedValue), nil
}

// with returns the package with a signature value.
func (s *PreparedStamp) with(value []byte) []byte {
	return writeZip(append(s.entries[:len(s.entries):len(s.entries)], s.pack.entry(s.valuePath[1:], value)))
}

func (p *Package) checkStamp(s Stamp) error {
	switch {
	case len(s.Seal) == 0:
		return fmt.Errorf("%w: no seal", ErrInput)
	case s.Provider.Name == "" || !isText(s.Provider.Name+s.Provider.Version+s.Provider.Company):
		return fmt.Errorf("%w: provider %q", ErrInput, s.Provider)
	case s.Time.IsZero():
		return fmt.Errorf("%w: no time", ErrInput)
	case s.Protect > WholeProtected:
		return fmt.Errorf("%w: mode of protection %d", ErrInput, s.Protect)
	case len(s.Placements) == 0 || len(s.Placements) > MaxEntries:
		return fmt.Errorf("%w: %d places", ErrPlacement, len(s.Placements))
	case len(p.entries)+4 > MaxEntries || len(p.signatures) == MaxSignatures:
		return fmt.Errorf("%w: no room for another signature", ErrInput)
	}
	pages := p.bodies[0].Pages
	for i, at := range s.Placements {
		if at.PageIndex < 0 || at.PageIndex >= len(pages) {
			return fmt.Errorf("%w: place %d: no page %d", ErrPlacement, i, at.PageIndex)
		}
		visible := Box{at.X, at.Y, at.W, at.H}
		if at.Clip != nil {
			visible = visible.intersect(Box{at.X + at.Clip.X, at.Y + at.Clip.Y, at.Clip.W, at.Clip.H})
		}
		page := Box{0, 0, pages[at.PageIndex].W, pages[at.PageIndex].H}
		if !(at.W > 0 && at.H > 0 && at.W < 1e4 && at.H < 1e4) || !(math.Abs(at.X) < 1e4 && math.Abs(at.Y) < 1e4) ||
			!(visible.area() > 0) || visible.intersect(page).area() < visible.area()-1e-6 {
			return fmt.Errorf("%w: place %d: %v on a page of %v × %v mm", ErrPlacement, i, visible, page.W, page.H)
		}
	}
	return nil
}

// mentionList returns OFD.xml with the element Signatures as the last of the first DocBody (its place in the schema).
func (p *Package) mentionList(listName string) ([]byte, error) {
	body := p.bodyNodes[0]
	data, err := p.byName[rootName].read()
	if err != nil {
		return nil, err
	}
	prefix := body.prefix(data)
	element := "<" + prefix + "Signatures>" + escape("/"+listName) + "</" + prefix + "Signatures>"
	return splice(data, body.closing, body.closing, element), nil
}

// extendList returns the list of signatures with one more entry, and the entry's ID.
func (p *Package) extendList(listName, location string) ([]byte, string, error) {
	entry := func(prefix, id string) string {
		return "<" + prefix + `Signature ID="` + id + `" Type="Seal" BaseLoc="` + escape(location) + `"/>`
	}
	e := p.byName[listName]
	if e == nil {
		return []byte(xml.Header + `<ofd:Signatures xmlns:ofd="` + namespace + `"><ofd:MaxSignId>s1</ofd:MaxSignId>` +
			entry("ofd:", "s1") + `</ofd:Signatures>`), "s1", nil
	}
	data, err := e.read()
	if err != nil {
		return nil, "", err
	}
	root, err := p.parse(listName, "", "Signatures")
	if err != nil {
		return nil, "", err
	}
	highest, ids := 0, map[string]bool{}
	for _, s := range p.signatures {
		ids[s.ID] = true
		if n, ok := trailingNumber(s.ID); ok {
			highest = max(highest, n)
		}
	}
	counter, err := root.optional(listName, "MaxSignId")
	if err != nil {
		return nil, "", err
	}
	if counter != nil {
		if n, ok := trailingNumber(counter.value()); ok {
			highest = max(highest, n)
		}
	}
	id := "s" + strconv.Itoa(highest+1)
	prefix := root.prefix(data)
	if root.closing == root.end { // <Signatures … />
		open := bytes.TrimRight(data[:root.end-len("/>")], " \t\r\n")
		out := append(bytes.Clone(open), (">" + entry(prefix, id) + "</" + prefix + "Signatures>")...)
		return append(out, data[root.end:]...), id, nil
	}
	out := splice(data, root.closing, root.closing, entry(prefix, id))
	if counter != nil && counter.closing != counter.end {
		value := id
		if c := counter.value(); c != "" && strings.Trim(c, "0123456789") == "" {
			value = strconv.Itoa(highest + 1) // some programs count without a letter
		}
		out = splice(out, counter.opened, counter.closing, value)
	}
	return out, id, nil
}

// freeFolder returns the folder of the new signature: Signs/Sign_N with the smallest N above those that exist, listed
// or not, so that no trace of an earlier signature is overwritten.
func (p *Package) freeFolder(listName string) string {
	base := dir(listName)
	if path.Base(base) != "Signs" {
		base = path.Join(base, "Signs")
	}
	if strings.ContainsFunc(base, func(r rune) bool { return r >= utf8.RuneSelf }) {
		base = "Signs" // propertyInfo is an IA5String
	}
	next := 0
	for _, e := range p.entries {
		rest, ok := strings.CutPrefix(strings.ToLower(e.name), strings.ToLower(base)+"/sign_")
		if !ok {
			continue
		}
		digits, _, _ := strings.Cut(rest, "/")
		if n, err := strconv.Atoi(digits); err == nil && n >= 0 && n < MaxEntries {
			next = max(next, n+1)
		}
	}
	return path.Join(base, "Sign_"+strconv.Itoa(next))
}

// lockedBy tells whether an earlier signature protects a file that would change.
func (p *Package) lockedBy(edited map[string][]byte) (string, bool) {
	for _, s := range p.signatures {
		for _, r := range s.References {
			if _, ok := edited[strings.TrimPrefix(r.path, "/")]; ok {
				return r.FileRef, true
			}
		}
	}
	return "", false
}

// describe writes Signature.xml (18.2): elements in the order of the schema, one Reference per protected file in the
// order of the archive.
func (p *Package) describe(s Stamp, prepared *PreparedStamp, id, listName, sealPath string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	fmt.Fprintf(&b, `<ofd:Signature xmlns:ofd="%s"><ofd:SignedInfo>`, namespace)
	fmt.Fprintf(&b, `<ofd:Provider ProviderName="%s"`, escape(s.Provider.Name))
	if s.Provider.Version != "" {
		fmt.Fprintf(&b, ` Version="%s"`, escape(s.Provider.Version))
	}
	if s.Provider.Company != "" {
		fmt.Fprintf(&b, ` Company="%s"`, escape(s.Provider.Company))
	}
	fmt.Fprintf(&b, `/><ofd:SignatureMethod>%s</ofd:SignatureMethod>`, sm.OIDSM2WithSM3)
	fmt.Fprintf(&b, `<ofd:SignatureDateTime>%s</ofd:SignatureDateTime>`, s.Time.UTC().Format("20060102150405Z"))
	fmt.Fprintf(&b, `<ofd:References CheckMethod="%s">`, sm.OIDSM3)
	for _, e := range prepared.entries {
		isList := e.name == listName || p.lists[e.name]
		if e.folder() || isList && s.Protect == ContinueSign {
			continue
		}
		fmt.Fprintf(&b, `<ofd:Reference FileRef="/%s"><ofd:CheckValue>%s</ofd:CheckValue></ofd:Reference>`,
			escape(e.name), base64.StdEncoding.EncodeToString(e.sum[:]))
	}
	b.WriteString(`</ofd:References>`)
	for i, at := range s.Placements {
		fmt.Fprintf(&b, `<ofd:StampAnnot ID="%sa%d" PageRef="%s" Boundary="%s"`,
			id, i+1, escape(p.bodies[0].Pages[at.PageIndex].ID), boxText(Box{at.X, at.Y, at.W, at.H}))
		if at.Clip != nil {
			fmt.Fprintf(&b, ` Clip="%s"`, boxText(*at.Clip))
		}
		b.WriteString(`/>`)
	}
	fmt.Fprintf(&b, `<ofd:Seal><ofd:BaseLoc>%s</ofd:BaseLoc></ofd:Seal></ofd:SignedInfo>`, escape(sealPath))
	fmt.Fprintf(&b, `<ofd:SignedValue>%s</ofd:SignedValue></ofd:Signature>`, escape(prepared.valuePath))
	return b.Bytes()
}

// splice returns data with data[from:to] replaced.
func splice(data []byte, from, to int, with string) []byte {
	out := make([]byte, 0, len(data)+len(with))
	out = append(out, data[:from]...)
	out = append(out, with...)
	return append(out, data[to:]...)
}

// escape writes text for an attribute or an element.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

// isText tells whether s may stand in XML 1.0 as it is: UTF-8 without control characters.
func isText(s string) bool {
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFD' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}

func boxText(b Box) string {
	return number(b.X) + " " + number(b.Y) + " " + number(b.W) + " " + number(b.H)
}

// number writes millimetres with at most three decimals.
func number(v float64) string {
	s := strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}
