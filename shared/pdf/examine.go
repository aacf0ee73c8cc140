package pdf

import (
	"bytes"
	"cmp"
	"fmt"
	"hash"
	"slices"
	"time"
)

// The codes of findings. Of the attacks, ByteRange and Contents that are missing or garbled are a universal signature
// forgery (USF), a gap or an end elsewhere is signature wrapping (SWA), bytes and changes behind the signed revision
// are incremental saving (ISA), and content that waited unseen in the signed revision is a shadow attack.
const (
	ByteRangeInvalid   Code = "PDF_BYTE_RANGE"          // USF: not four integers, the first 0, in order, in the file
	ContentsInvalid    Code = "PDF_CONTENTS"            // USF: no message in /Contents
	ContentsPadding    Code = "PDF_CONTENTS_PADDING"    // something else than zeros behind the message
	GapMismatch        Code = "PDF_BYTE_RANGE_GAP"      // SWA: the gap is not exactly /Contents of this signature
	PartialCoverage    Code = "PDF_PARTIAL_COVERAGE"    // SWA: the range does not end where its revision ends
	TrailingBytes      Code = "PDF_TRAILING_BYTES"      // ISA: bytes after the last end-of-file marker
	ChangeUndefined    Code = "PDF_CHANGE_UNDEFINED"    // ISA: a change behind the signature that no rule allows
	ChangeNotAllowed   Code = "PDF_CHANGE_NOT_ALLOWED"  // a known kind of change that the permissions forbid
	PagesChanged       Code = "PDF_PAGES_CHANGED"       // ISA: pages were added, removed or exchanged
	ShadowContent      Code = "PDF_SHADOW_CONTENT"      // shadow: prepared content was brought to light
	SignatureRedefined Code = "PDF_SIGNATURE_REDEFINED" // the signature differs from the one in its own revision
	SignatureShared    Code = "PDF_SIGNATURE_SHARED"    // two fields have one signature
	SignatureStripped  Code = "PDF_SIGNATURE_STRIPPED"  // a signature that no field shows any more
	DuplicateField     Code = "PDF_DUPLICATE_FIELD"     // two fields have one name
	SubFilterUnknown   Code = "PDF_SUBFILTER"           // an encoding of the message that we do not know
	DocMDPInvalid      Code = "PDF_DOCMDP"              // a certification that is not the first signature, or garbled
	FormFilled         Code = "PDF_FORM_FILLED"         // warning: form fields were filled after signing
	MetadataChanged    Code = "PDF_METADATA_CHANGED"    // warning: metadata were changed after signing
	SealCovered        Code = "PDF_SEAL_COVERED"        // warning: something was put over a visible signature
	NeedAppearances    Code = "PDF_NEED_APPEARANCES"    // warning: viewers redraw the form
)

// Attack names the class of attack that a finding is the mark of.
type Attack string

// The attacks of the literature that the package comment cites.
const (
	USF             Attack = "universal-signature-forgery"
	SWA             Attack = "signature-wrapping"
	ISA             Attack = "incremental-saving"
	Shadow          Attack = "shadow"
	EvilAnnotation  Attack = "evil-annotation"
	SneakySignature Attack = "sneaky-signature"
)

// Finding is something that Examine noticed. One that is no Warning means that the signature, or the file, must not be
// taken for what it claims.
type Finding struct {
	Code    Code
	Warning bool
	Attack  Attack // "" if the finding is the mark of none
	Field   string // name of the signature's field; "" for the file
	Object  int    // number of the object at fault, 0 if there is none
	Detail  string // English, for evidence
}

// Coverage says how much of the file a signature protects.
type Coverage string

// The coverages. A whole revision is the file as it was when it was signed.
const (
	WholeFile     Coverage = "whole"
	WholeRevision Coverage = "revision"
	Partial       Coverage = "partial"
)

// The encodings of /Contents that shared/cms and shared/tsp read.
const (
	SubFilterCAdES     = "ETSI.CAdES.detached"
	SubFilterPKCS7     = "adbe.pkcs7.detached"
	SubFilterTimestamp = "ETSI.RFC3161"
)

// SignatureField is a signature as the file has it.
type SignatureField struct {
	Field                               string // full name
	Object                              int    // number of the signature dictionary
	Page                                int    // of the first widget, from 1; 0 if it is on no page
	Rect                                Rect   // of that widget on the page as shown; no size if it is not visible
	Filter, SubFilter                   string
	Name, Reason, Location, ContactInfo string
	Time                                time.Time // /M, claimed; zero if missing or malformed
	Timestamp                           bool      // a document time-stamp, not a signature
	Certification                       int       // P of DocMDP, 1 to 3; 0 for an approval signature

	ByteRange   [4]int // zero if malformed
	Contents    []byte // the DER element, without padding; nil if there is none
	RevisionEnd int    // length of the file when it was signed; 0 if that is not to be told
	Coverage    Coverage
	Changes     []Change // what later revisions did
	Findings    []Finding

	data []byte
	gap  [2]int
}

// Report is what Examine tells.
type Report struct {
	Pages         int
	Revisions     int              // cross-reference sections; a linearised file begins with two
	Certification int              // P of DocMDP that holds for the file, 1 to 3; 0 if it is not certified
	Signatures    []SignatureField // in the order of their revisions
	Findings      []Finding        // of the file as a whole
	// Fields are the data fields in the XMP metadata (see [Document]), as the first signed revision has them, so that no
	// later one can take them away; of a file without signatures, as it stands.
	Fields map[string]string
}

// Failures returns the findings that are no warnings: those of the file, then those of each signature.
func (r Report) Failures() []Finding {
	var all []Finding
	keep := func(findings []Finding) {
		for _, f := range findings {
			if !f.Warning {
				all = append(all, f)
			}
		}
	}
	keep(r.Findings)
	for _, s := range r.Signatures {
		keep(s.Findings)
	}
	return all
}

// Digest returns the digest of the covered bytes, or nil if ByteRange is malformed.
func (s SignatureField) Digest(h hash.Hash) []byte {
	parts, ok := s.Covered()
	if !ok {
		return nil
	}
	h.Write(parts[0])
	h.Write(parts[1])
	return h.Sum(nil)
}

// Covered returns the two parts of the file that the signature is over.
func (s SignatureField) Covered() (parts [2][]byte, ok bool) {
	r := s.ByteRange
	if r[3] == 0 || r[2]+r[3] > len(s.data) {
		return parts, false
	}
	return [2][]byte{s.data[:r[1]], s.data[r[2] : r[2]+r[3]]}, true
}

func (s *SignatureField) fail(code Code, attack Attack, format string, args ...any) {
	s.Findings = append(s.Findings, Finding{
		Code: code, Attack: attack, Field: s.Field, Object: s.Object, Detail: fmt.Sprintf(format, args...),
	})
}

// Examine looks at every signature of the file. The error is a [*Refusal]: what a signature needs cannot be read, or is
// beyond a bound.
func (f *File) Examine() (Report, error) {
	pages, err := f.pages()
	if err != nil {
		return Report{}, err
	}
	fields, err := f.fields()
	if err != nil {
		return Report{}, err
	}
	report := Report{Pages: len(pages), Revisions: len(f.sections)}
	widgets, err := f.widgetPages(pages)
	if err != nil {
		return Report{}, err
	}
	for _, field := range fields {
		if field.kind != "Sig" || field.value == nil {
			continue
		}
		if len(report.Signatures) == maxSignatures {
			return Report{}, refuse(TooLarge, "more than %d signatures", maxSignatures)
		}
		s, err := f.signature(field)
		if err != nil {
			return Report{}, err
		}
		if err := f.placeSignature(&s, field, pages, widgets); err != nil {
			return Report{}, err
		}
		report.Signatures = append(report.Signatures, s)
	}
	slices.SortStableFunc(report.Signatures, func(a, b SignatureField) int {
		return cmp.Compare(a.RevisionEnd, b.RevisionEnd)
	})
	report.Fields = f.firstSigned(report.Signatures).dataFields()
	if err := f.certification(&report); err != nil {
		return Report{}, err
	}
	if err := f.examineChanges(&report); err != nil {
		return Report{}, err
	}
	f.examineFields(&report, fields)
	return report, f.examineRest(&report)
}

// firstSigned is the first revision that a signature covers, or f where none does.
func (f *File) firstSigned(signatures []SignatureField) *File {
	for _, s := range signatures {
		if s.RevisionEnd == 0 {
			continue
		}
		if revision, err := f.at(s.RevisionEnd); err == nil {
			return revision
		}
	}
	return f
}

// signature reads the value of a field and checks ByteRange, Contents and the revision that they are of.
func (f *File) signature(field formField) (SignatureField, error) {
	s := SignatureField{Field: field.name, Coverage: Partial, data: f.data[:f.limit]}
	at, ok := field.value.(ref)
	if !ok {
		s.fail(ContentsInvalid, USF, "the signature is not an object of its own")
		return s, nil
	}
	s.Object = at.num
	c, err := f.load(at)
	if err != nil {
		return s, err
	}
	var d dict
	if c != nil {
		d, _ = c.value.(dict)
	}
	if d == nil {
		s.fail(ContentsInvalid, USF, "the signature is not a dictionary")
		return s, nil
	}
	s.describe(d)
	s.Certification = docMDP(d)
	if s.SubFilter != SubFilterCAdES && s.SubFilter != SubFilterPKCS7 && s.SubFilter != SubFilterTimestamp {
		s.fail(SubFilterUnknown, "", "SubFilter %q", s.SubFilter)
	}
	s.readContents(d)
	if !s.readByteRange(d) {
		return s, nil
	}
	if f.place(at.num).kind != 1 || c.contents != [2]int{s.ByteRange[1], s.ByteRange[2]} {
		s.fail(GapMismatch, SWA, "ByteRange leaves out bytes %d to %d, /Contents is at %d to %d",
			s.ByteRange[1], s.ByteRange[2], c.contents[0], c.contents[1])
		return s, nil
	}
	s.gap = c.contents
	return s, f.signedRevision(&s, at, d)
}

func (s *SignatureField) describe(d dict) {
	filter, _ := d["Filter"].(name)
	subFilter, _ := d["SubFilter"].(name)
	s.Filter, s.SubFilter = string(filter), string(subFilter)
	s.Timestamp = d["Type"] == object(name("DocTimeStamp")) || s.SubFilter == SubFilterTimestamp
	s.Name, s.Reason = described(d["Name"]), described(d["Reason"])
	s.Location, s.ContactInfo = described(d["Location"]), described(d["ContactInfo"])
	s.Time = parseDate(described(d["M"]))
}

// described reads a text of a signature dictionary, the beginning of one beyond the bound: many fields may point to one
// dictionary.
func described(o object) string {
	if t, ok := o.(text); ok && len(t) > maxDescribed {
		o = t[:maxDescribed]
	}
	return decodeText(o)
}

// parseDate reads a date (ISO 32000-1, section 7.9.4) to the second; a date without a zone is taken as UTC.
func parseDate(s string) time.Time {
	s, ok := cutPrefix(s, "D:")
	if !ok || len(s) < 14 {
		return time.Time{}
	}
	at, err := time.Parse("20060102150405", s[:14])
	if err != nil {
		return time.Time{}
	}
	zone := s[14:]
	if len(zone) >= 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == '\'' {
		offset, err := time.Parse("-07'00", zone[:6])
		if err != nil {
			return time.Time{}
		}
		_, seconds := offset.Zone()
		at = at.Add(-time.Duration(seconds) * time.Second)
	}
	return at
}

func cutPrefix(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return "", false
	}
	return s[len(prefix):], true
}

// docMDP returns the permission P of a certification signature, 0 for another, -1 for one that is garbled.
func docMDP(d dict) int {
	references, _ := d["Reference"].(array)
	for _, o := range references {
		reference, _ := o.(dict)
		if reference["TransformMethod"] != object(name("DocMDP")) {
			continue
		}
		params, ok := reference["TransformParams"].(dict)
		if !ok {
			return -1
		}
		switch p, ok := params["P"].(integer); {
		case params["P"] == nil:
			return 2
		case ok && p >= 1 && p <= 3:
			return int(p)
		default:
			return -1
		}
	}
	return 0
}

// readContents separates the message from its padding.
func (s *SignatureField) readContents(d dict) {
	contents, ok := d["Contents"].(text)
	if !ok || len(contents) == 0 {
		s.fail(ContentsInvalid, USF, "no /Contents")
		return
	}
	n, err := derLength(contents)
	if err != nil || contents[0] != 0x30 {
		s.fail(ContentsInvalid, USF, "/Contents holds no DER message")
		return
	}
	if len(bytes.TrimRight(contents[n:], "\x00")) > 0 {
		s.fail(ContentsPadding, "", "other bytes than zeros behind the %d bytes of the message", n)
	}
	s.Contents = contents[:n]
}

func (s *SignatureField) readByteRange(d dict) bool {
	a, _ := d["ByteRange"].(array)
	if len(a) != 4 {
		s.fail(ByteRangeInvalid, USF, "ByteRange has %d numbers", len(a))
		return false
	}
	var r [4]int
	for i := range a {
		v, ok := a[i].(integer)
		if !ok || v < 0 || int(v) > len(s.data) {
			s.fail(ByteRangeInvalid, USF, "number %d of ByteRange", i+1)
			return false
		}
		r[i] = int(v)
	}
	if r[0] != 0 || r[1] == 0 || r[2] <= r[1] || r[3] == 0 || r[2]+r[3] > len(s.data) {
		s.fail(ByteRangeInvalid, USF, "ByteRange %v of %d bytes", r, len(s.data))
		return false
	}
	s.ByteRange = r
	return true
}

// signedRevision holds the end of the range against the revisions of the file.
func (f *File) signedRevision(s *SignatureField, at ref, d dict) error {
	end := s.ByteRange[2] + s.ByteRange[3]
	if !endsRevision(f.data[:end]) {
		s.fail(PartialCoverage, SWA, "the range ends at byte %d, where no revision ends", end)
		return nil
	}
	revision, err := f.at(end)
	if err != nil {
		s.fail(PartialCoverage, SWA, "%v", err)
		return nil
	}
	then, err := revision.load(at)
	if err != nil || then == nil || !equal(then.value, d) || revision.place(at.num) != f.place(at.num) {
		s.fail(SignatureRedefined, ISA, "the signature is not the one of its revision")
		return nil
	}
	s.RevisionEnd = end
	s.Coverage = WholeRevision
	if end == f.limit {
		s.Coverage = WholeFile
	}
	return nil
}

// widgetPages maps each annotation to the index of its page.
func (f *File) widgetPages(pages []page) (map[ref]int, error) {
	at := map[ref]int{}
	for i, p := range pages {
		annots, err := f.arrayOf(p.dict["Annots"])
		if err != nil {
			return nil, err
		}
		for _, o := range annots {
			if r, ok := o.(ref); ok {
				at[r] = i
			}
		}
	}
	return at, nil
}

func (f *File) placeSignature(s *SignatureField, field formField, pages []page, at map[ref]int) error {
	for _, widget := range field.widgets {
		i, ok := at[widget]
		if !ok {
			continue
		}
		d, err := f.dictOf(widget)
		if err != nil {
			return err
		}
		b, ok, err := f.boxOf(d["Rect"])
		if err != nil {
			return err
		}
		s.Page = i + 1
		if ok && b.x1 > b.x0 && b.y1 > b.y0 {
			fr, err := f.frame(pages[i])
			if err != nil {
				return err
			}
			s.Rect = fr.shown(b)
		}
		return nil
	}
	return nil
}

// certification finds the permission that holds for the file and checks that it is that of the first signature.
func (f *File) certification(report *Report) error {
	catalog, err := f.catalog()
	if err != nil {
		return err
	}
	perms, err := f.dictOf(catalog["Perms"])
	if err != nil {
		return err
	}
	named, _ := perms["DocMDP"].(ref)
	found := perms["DocMDP"] == nil
	for i := range report.Signatures {
		s := &report.Signatures[i]
		found = found || s.Object == named.num
		if s.Certification == 0 {
			if s.Object == named.num && named.num != 0 {
				s.fail(DocMDPInvalid, "", "the catalog names it as certification, it does not say so itself")
			}
			continue
		}
		if s.Certification < 0 || i > 0 {
			s.fail(DocMDPInvalid, "", "a certification that is garbled or not the first signature")
			s.Certification = max(s.Certification, 1)
		}
		if report.Certification == 0 || s.Certification < report.Certification {
			report.Certification = s.Certification
		}
	}
	if !found {
		report.Findings = append(report.Findings, Finding{
			Code: DocMDPInvalid, Object: named.num, Detail: "the catalog names a certification that no field has",
		})
	}
	return nil
}

// examineFields finds names and signatures that occur twice.
func (f *File) examineFields(report *Report, fields []formField) {
	names, values := map[string]name{}, map[int]bool{}
	for _, field := range fields {
		kind, twice := names[field.name]
		if twice && field.name != "" { // common in foreign forms, but no signature may be confused with another field
			report.Findings = append(report.Findings, Finding{
				Code: DuplicateField, Warning: kind != "Sig" && field.kind != "Sig", Field: field.name,
				Object: field.ref.num, Detail: "two fields have this name",
			})
		}
		if kind != "Sig" {
			names[field.name] = field.kind
		}
	}
	for i := range report.Signatures {
		s := &report.Signatures[i]
		if s.Object != 0 && values[s.Object] {
			s.fail(SignatureShared, "", "another field has the same signature")
		}
		values[s.Object] = true
	}
}

// examineRest finds what belongs to no signature: trailing bytes, signatures without a field, viewers told to redraw.
func (f *File) examineRest(report *Report) error {
	if n := f.trailing(); n > 0 {
		report.Findings = append(report.Findings, Finding{
			Code: TrailingBytes, Attack: ISA, Detail: fmt.Sprintf("%d bytes after the last end-of-file marker", n),
		})
	}
	catalog, err := f.catalog()
	if err != nil {
		return err
	}
	form, err := f.dictOf(catalog["AcroForm"])
	if err != nil {
		return err
	}
	if form["NeedAppearances"] == object(true) {
		report.Findings = append(report.Findings, Finding{
			Code: NeedAppearances, Warning: true, Detail: "viewers are told to draw the form fields anew",
		})
	}
	stripped, err := f.stripped(report.Signatures)
	if err != nil {
		return err
	}
	for _, num := range stripped {
		report.Findings = append(report.Findings, Finding{
			Code: SignatureStripped, Object: num, Detail: "a signature of an earlier revision that no field shows",
		})
	}
	return nil
}

// stripped looks for signature dictionaries that are none of the given ones: in every revision, also in those to which
// no cross-reference section leads any more.
func (f *File) stripped(known []SignatureField) ([]int, error) {
	var offsets []int
	for _, s := range f.sections {
		for _, e := range s.entries {
			if e.kind == 1 {
				offsets = append(offsets, e.where)
			}
		}
	}
	slices.Sort(offsets)
	var found []int
	marker := []byte("/ByteRange")
	tried, attempts := -1, 0
	for at, seen := 0, 0; ; at += len(marker) {
		i := bytes.Index(f.data[at:f.limit], marker)
		if i < 0 {
			return found, nil
		}
		at += i
		if at < seen { // within an object that was looked at
			continue
		}
		starts := []int{-1, headerBefore(f.data[seen:at])}
		if k, _ := slices.BinarySearch(offsets, at); k > 0 && offsets[k-1] > tried {
			starts[0] = offsets[k-1]
		}
		if starts[1] >= 0 {
			starts[1] += seen
		}
		seen = at
		for _, start := range starts {
			if start < 0 {
				continue
			}
			if attempts++; attempts > 4*maxSignatures {
				return nil, refuse(TooLarge, "%q occurs too often", marker)
			}
			tried = max(tried, start)
			c := &cached{}
			if f.readWithin(c, start, 512<<10) == nil && c.end > at {
				seen = c.end
				if f.isStripped(c, start, known) {
					found = append(found, c.id.num)
				}
				break
			}
		}
	}
}

// isStripped tells whether the object at offset is a signature dictionary that none of the known signatures is.
func (f *File) isStripped(c *cached, offset int, known []SignatureField) bool {
	d, ok := c.value.(dict)
	_, hasContents := d["Contents"]
	return ok && hasContents && d["ByteRange"] != nil && !slices.ContainsFunc(known, func(s SignatureField) bool {
		return s.Object == c.id.num && f.place(c.id.num) == entry{1, offset, c.id.gen}
	})
}

// headerBefore finds the last "n g obj" in data, or returns -1.
func headerBefore(data []byte) int {
	i := bytes.LastIndex(data, []byte(" obj"))
	if i < 0 {
		return -1
	}
	for _, part := range []func(byte) bool{isDigit, isSpace, isDigit} {
		start := i
		for i > 0 && part(data[i-1]) {
			i--
		}
		if i == start {
			return -1
		}
	}
	return i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// formField is a terminal field of the interactive form.
type formField struct {
	ref     ref // zero for a field that is no object of its own
	name    string
	kind    name   // FT, its own or inherited
	value   object // V, unresolved, its own or inherited
	widgets []ref
}

// fields walks the field tree (ISO 32000-1, section 12.7.3).
func (f *File) fields() ([]formField, error) {
	catalog, err := f.catalog()
	if err != nil {
		return nil, err
	}
	form, err := f.dictOf(catalog["AcroForm"])
	if err != nil {
		return nil, err
	}
	top, err := f.arrayOf(form["Fields"])
	if err != nil {
		return nil, err
	}
	w := fieldWalk{f: f, seen: map[ref]bool{}}
	for _, o := range top {
		if err := w.node(o, formField{}, 0); err != nil {
			return nil, err
		}
	}
	return w.fields, nil
}

type fieldWalk struct {
	f      *File
	seen   map[ref]bool
	fields []formField
}

func (w *fieldWalk) node(o object, parent formField, depth int) error {
	field := parent
	field.ref, field.widgets = ref{}, nil
	if r, ok := o.(ref); ok {
		if w.seen[r] {
			return damaged("field tree")
		}
		w.seen[r] = true
		field.ref = r
	}
	if depth > maxTree || len(w.fields) == maxFields {
		return refuse(TooLarge, "form fields")
	}
	d, err := w.f.dictOf(o)
	if err != nil || d == nil {
		return err
	}
	if title, ok := d["T"]; ok {
		t, err := w.f.resolve(title)
		if err != nil {
			return err
		}
		if field.name != "" {
			field.name += "."
		}
		field.name += decodeText(t)
		if len(field.name) > maxFieldName { // every field below repeats it
			return refuse(TooLarge, "the name of a form field has more than %d bytes", maxFieldName)
		}
	}
	if kind, ok := d["FT"].(name); ok {
		field.kind = kind
	}
	if value, ok := d["V"]; ok {
		field.value = value
	}
	kids, err := w.f.arrayOf(d["Kids"])
	if err != nil {
		return err
	}
	terminal := true
	for _, kid := range kids {
		k, err := w.f.dictOf(kid)
		if err != nil {
			return err
		}
		if _, ok := k["T"]; ok {
			terminal = false
		}
	}
	if terminal {
		field.widgets = []ref{field.ref}
		for _, kid := range kids {
			if r, ok := kid.(ref); ok {
				field.widgets = append(field.widgets, r)
			}
		}
		w.fields = append(w.fields, field)
		return nil
	}
	for _, kid := range kids {
		if err := w.node(kid, field, depth+1); err != nil {
			return err
		}
	}
	return nil
}
