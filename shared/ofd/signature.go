package ofd

import (
	"encoding/base64"
	"errors"
	"path"
	"strings"

	"github.com/yinxin/yinxin/shared/sm"
)

// Signature is one entry of a list of signatures, with its description file (Signature.xml) and its value. A reader
// must not take any field for proven: that is what the checks are for.
type Signature struct {
	Body   int    // index of the document in Bodies
	ID     string // as in the list
	Type   string // "Seal" or "Sign"
	Path   string // absolute path of Signature.xml: what propertyInfo of the stamp must say
	XML    []byte // Signature.xml: the data whose SM3 digest is signed (dataHash)
	Digest [sm.DigestSize]byte

	Provider    Provider
	Method      string // SignatureMethod
	DateTime    string // SignatureDateTime; never decide on it, the signed time is in the stamp
	CheckMethod string // of References; empty if absent, which means MD5
	References  []Reference
	Stamps      []StampAnnot

	ValuePath string // absolute
	Value     []byte // SignedValue.dat: SES_Signature for Seal, GB/T 35275 for Sign; nil if missing
	SealPath  string // absolute; empty if no Seal.esl is named
	Seal      []byte // Seal.esl; nil if missing
	ImageLoc  string // OFD 2.0: a picture beside the seal's own

	Findings []Finding // what is wrong with the files themselves; any Fail makes the signature worthless
	Readable bool      // whether Signature.xml could be read; if not, only Findings, Path, XML and Digest mean anything
}

// Provider names the program that made a signature.
type Provider struct{ Name, Version, Company string }

// Reference is the digest of one protected file.
type Reference struct {
	FileRef    string // as written
	CheckValue []byte // decoded
	path       string // absolute and normal
}

// StampAnnot is one place where the seal is shown.
type StampAnnot struct {
	ID, PageRef string
	Boundary    Box
	Clip        *Box // relative to Boundary; nil if the whole seal is shown
	malformed   bool
}

// Signatures returns every listed signature of every document, in the order of the lists.
func (p *Package) Signatures() []Signature { return p.signatures }

func (p *Package) find(code Code, level Level, signature, name, format string, args ...any) {
	p.findings = append(p.findings, finding(code, level, signature, name, format, args...))
}

// walkSignatures reads the list of signatures of a document (18.1).
func (p *Package) walkSignatures(body *Body, index int) error {
	if body.Signatures == "" {
		return nil
	}
	file := strings.TrimPrefix(body.Signatures, "/")
	if p.lists[file] {
		return nil // documents may share one list
	}
	if !p.reach(file, KindSignatures, rootName) {
		if p.byName[file] != nil {
			return refuse(XMLDuplicate, file, "the list of signatures is also another part")
		}
		return nil
	}
	p.lists[file] = true
	root, err := p.parse(file, "", "Signatures")
	if err != nil {
		return err
	}
	if p.maxSignID[file], err = root.optionalValue(file, "MaxSignId"); err != nil {
		return err
	}
	ids, locations := map[string]bool{}, map[string]bool{}
	for _, n := range root.all("Signature") {
		if len(p.signatures) == MaxSignatures {
			return refuse(XMLTooLarge, file, "more than %d signatures", MaxSignatures)
		}
		name, err := resolve(dir(file), file, n.attr("BaseLoc"))
		if err != nil {
			return err
		}
		s := Signature{Body: index, ID: n.attr("ID"), Type: n.attr("Type"), Path: "/" + name}
		if s.Type == "" {
			s.Type = "Seal"
		}
		if ids[s.ID] || locations[name] || p.signatureAt(s.Path) {
			s.note(SignatureDuplicate, Fail, file, "ID %q, BaseLoc %q", s.ID, s.Path)
		}
		ids[s.ID], locations[name] = true, true
		if s.Type != "Seal" && s.Type != "Sign" {
			s.note(SignatureMalformed, Fail, file, "type %.20q", s.Type)
		}
		p.readSignature(&s, name)
		p.signatures = append(p.signatures, s)
	}
	p.checkMaxSignID(file)
	return nil
}

func (p *Package) signatureAt(location string) bool {
	for _, s := range p.signatures {
		if s.Path == location {
			return true
		}
	}
	return false
}

// checkMaxSignID warns where the list has fewer signatures than it once had.
func (p *Package) checkMaxSignID(file string) {
	highest, ok := trailingNumber(p.maxSignID[file])
	if !ok {
		return
	}
	seen := 0
	for _, s := range p.signatures {
		if n, ok := trailingNumber(s.ID); ok {
			seen = max(seen, n)
		}
	}
	if highest > seen {
		p.find(SignIDGap, Warn, "", file, "MaxSignId %.20q, highest listed number %d", p.maxSignID[file], seen)
	}
}

// trailingNumber returns the number that an identifier such as "s12" ends with.
func trailingNumber(id string) (int, bool) {
	digits := id[len(strings.TrimRight(id, "0123456789")):]
	if digits == "" || len(digits) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n, true
}

func (s *Signature) note(code Code, level Level, name, format string, args ...any) {
	s.Findings = append(s.Findings, finding(code, level, s.Path, name, format, args...))
}

// readSignature reads Signature.xml (18.2) and the files that it names. What is wrong becomes a finding.
func (p *Package) readSignature(s *Signature, name string) {
	if !p.reach(name, KindSignature, strings.TrimPrefix(p.bodies[s.Body].Signatures, "/")) && p.byName[name] == nil {
		s.note(SignatureMalformed, Fail, name, "Signature.xml is missing")
		return
	}
	e := p.byName[name]
	content, err := e.read()
	if err != nil {
		s.note(SignatureMalformed, Fail, name, "%v", err)
		return
	}
	s.XML, s.Digest = content, e.sum
	if err := p.readDescription(s, name); err != nil {
		code, detail := SignatureMalformed, err.Error()
		var fe *FormatError
		if errors.As(err, &fe) {
			code, detail = fe.Code, fe.Detail
		}
		s.note(code, Fail, name, "%s", detail)
		s.References, s.Stamps = nil, nil
		return
	}
	s.Readable = true
}

func (p *Package) readDescription(s *Signature, name string) error {
	root, err := readXML(name, s.XML, &p.xmlBudget, "", "Signature")
	if err != nil {
		return err
	}
	value, err := root.one(name, "SignedValue")
	if err != nil {
		return err
	}
	target, err := resolve(dir(name), name, value.value())
	if err != nil {
		return err
	}
	s.ValuePath = "/" + target
	p.reach(target, KindSignedValue, name)
	if s.Value, _ = p.File(s.ValuePath); s.Value == nil {
		s.note(SignedValueMissing, Fail, target, "")
	}
	info, err := root.one(name, "SignedInfo")
	if err != nil {
		return err
	}
	if s.Method, err = info.optionalValue(name, "SignatureMethod"); err != nil {
		return err
	}
	if s.DateTime, err = info.optionalValue(name, "SignatureDateTime"); err != nil {
		return err
	}
	provider, err := info.one(name, "Provider")
	if err != nil {
		return err
	}
	s.Provider = Provider{provider.attr("ProviderName"), provider.attr("Version"), provider.attr("Company")}
	if err := p.readSeal(s, name, info); err != nil {
		return err
	}
	readStamps(s, info)
	return readReferences(s, name, info)
}

// readSeal reads the Seal element: BaseLoc as a child, or as the attribute that some programs write.
func (p *Package) readSeal(s *Signature, name string, info *node) error {
	seal, err := info.optional(name, "Seal")
	if err != nil || seal == nil {
		return err
	}
	base, err := seal.optional(name, "BaseLoc")
	if err != nil {
		return err
	}
	location := seal.attr("BaseLoc")
	if base != nil {
		if seal.has("BaseLoc") && location != base.value() {
			return refuse(XMLDuplicate, name, "two locations of the seal")
		}
		location = base.value()
	}
	image, err := seal.optional(name, "ImageLoc")
	if err != nil {
		return err
	}
	if image != nil {
		target, err := resolve(dir(name), name, image.value())
		if err != nil {
			return err
		}
		s.ImageLoc = "/" + target
		p.reach(target, KindSeal, name)
	}
	if location == "" {
		return nil
	}
	target, err := resolve(dir(name), name, location)
	if err != nil {
		return err
	}
	s.SealPath = "/" + target
	p.reach(target, KindSeal, name)
	s.Seal, _ = p.File(s.SealPath)
	return nil
}

func readStamps(s *Signature, info *node) {
	for _, n := range info.all("StampAnnot") {
		a := StampAnnot{ID: n.attr("ID"), PageRef: n.attr("PageRef")}
		var ok bool
		a.Boundary, ok = parseBox(n.attr("Boundary"))
		a.malformed = !ok
		if n.has("Clip") {
			clip, ok := parseBox(n.attr("Clip"))
			a.Clip, a.malformed = &clip, a.malformed || !ok
		}
		s.Stamps = append(s.Stamps, a)
	}
}

func readReferences(s *Signature, name string, info *node) error {
	refs, err := info.one(name, "References")
	if err != nil {
		return err
	}
	s.CheckMethod = refs.attr("CheckMethod")
	for _, n := range refs.all("Reference") {
		value, err := n.one(name, "CheckValue")
		if err != nil {
			return err
		}
		r := Reference{FileRef: n.attr("FileRef")}
		r.path = path.Clean("/" + r.FileRef)
		if r.CheckValue, err = base64.StdEncoding.Strict().DecodeString(value.value()); err != nil {
			return refuse(SignatureMalformed, name, "CheckValue of %.200q is no base64", r.FileRef)
		}
		s.References = append(s.References, r)
	}
	return nil
}
