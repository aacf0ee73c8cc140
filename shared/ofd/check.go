package ofd

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"math"
	"path"
	"strings"

	"github.com/yinxin/yinxin/shared/sm"
)

func finding(code Code, level Level, signature, name, format string, args ...any) Finding {
	f := Finding{Code: code, Level: level, Signature: signature, Detail: fmt.Sprintf(format, args...)}
	if name != "" {
		f.Path = "/" + strings.TrimPrefix(name, "/")
	}
	return f
}

// CheckReferences recomputes the digests of the files that a signature protects (GB/T 38540-2020, 7.3, dataHash). The
// digest of Signature.xml itself is the signature's Digest, for the caller to compare with the stamp.
//
// The result begins with the signature's own Findings, and has no more if the signature is not Readable. No Fail in it
// means that every protected file is as it was signed.
func (p *Package) CheckReferences(s Signature) []Finding {
	out := append([]Finding(nil), s.Findings...)
	if !s.Readable {
		return out
	}
	note := func(code Code, name, format string, args ...any) {
		out = append(out, finding(code, Fail, s.Path, name, format, args...))
	}
	allowed := isSM3(s.CheckMethod)
	if !allowed {
		note(CheckMethod, s.Path, "CheckMethod %.50q", s.CheckMethod)
	}
	if len(s.References) == 0 {
		note(NoReferences, s.Path, "")
	}
	seen := make(map[string]bool, len(s.References))
	for _, r := range s.References {
		name := strings.TrimPrefix(r.path, "/")
		if r.path != r.FileRef || badName(name) != "" {
			note(ReferencePath, name, "FileRef %.200q", r.FileRef)
		}
		if seen[name] {
			note(ReferenceDuplicate, name, "")
		}
		seen[name] = true
		e := p.byName[name]
		switch {
		case e == nil:
			note(ReferenceMissing, name, "")
		case allowed && subtle.ConstantTimeCompare(e.sum[:], r.CheckValue) != 1:
			note(ReferenceDigest, name, "")
		}
	}
	return out
}

// isSM3 tells whether a CheckMethod is SM3. Every other digest is refused, also the HMAC identifier that is sometimes
// written by mistake: which digest a signature uses must not be for the document to say.
func isSM3(method string) bool {
	return method == sm.OIDSM3.String() || strings.EqualFold(method, "SM3")
}

// CheckSeal compares the seal beside a signature with the one in its stamp, which the caller has parsed from Value.
// Only the latter is signed; a reader that draws the former would show another picture.
func (p *Package) CheckSeal(s Signature, sealInStamp []byte) []Finding {
	var out []Finding
	switch {
	case s.SealPath == "":
	case s.Seal == nil:
		out = append(out, finding(SealMissing, Fail, s.Path, s.SealPath, ""))
	case !bytes.Equal(s.Seal, sealInStamp):
		out = append(out, finding(SealDiffers, Fail, s.Path, s.SealPath, ""))
	}
	if s.ImageLoc != "" {
		out = append(out, finding(ImageLocUnchecked, Warn, s.Path, s.ImageLoc, ""))
	}
	return out
}

// CheckPath compares propertyInfo of the stamp with the place of the signature, so that a stamp cannot be carried to
// another place in the package.
func (p *Package) CheckPath(s Signature, propertyInfo string) []Finding {
	if propertyInfo == s.Path {
		return nil
	}
	return []Finding{finding(PropertyPath, Fail, s.Path, s.Path, "propertyInfo %.200q", propertyInfo)}
}

// maxOverlaps bounds the pairs of seals that are compared for one signature: seam seals of two agencies on 700 pages.
const maxOverlaps = 1 << 19

// Geometry is compared with half a millimetre of tolerance.
const tolerance = 0.5

// CheckGeometry judges where and how large the seal is shown. sealW and sealH are the millimetres in the seal.
func (p *Package) CheckGeometry(s Signature, sealW, sealH float64) []Finding {
	if len(s.Stamps) == 0 {
		return []Finding{finding(NoStampAnnot, Warn, s.Path, s.Path, "")}
	}
	var out []Finding
	note := func(code Code, level Level, a StampAnnot, format string, args ...any) {
		out = append(out, finding(code, level, s.Path, s.Path, "StampAnnot "+a.ID+": "+format, args...))
	}
	shown := 0.0
	for _, a := range s.Stamps {
		if a.malformed {
			note(BoundaryMalformed, Fail, a, "Boundary or Clip")
			continue
		}
		b := a.Boundary
		if math.Abs(b.W-sealW) > tolerance || math.Abs(b.H-sealH) > tolerance {
			note(BoundarySize, Fail, a, "%v × %v mm, the seal has %v × %v", b.W, b.H, sealW, sealH)
		}
		visible := a.visible()
		shown += visible.area()
		page, ok := p.page(s.Body, a.PageRef)
		if !ok {
			note(PageRef, Fail, a, "no page %.20q", a.PageRef)
			continue
		}
		on := visible.intersect(Box{-tolerance, -tolerance, page.W + 2*tolerance, page.H + 2*tolerance})
		switch {
		case visible.intersect(Box{0, 0, page.W, page.H}).area() == 0:
			note(BoundaryOffPage, Fail, a, "%v on a page of %v × %v mm", visible, page.W, page.H)
		case on.area() < visible.area()-1e-6:
			note(BoundaryPartlyOff, Warn, a, "%v on a page of %v × %v mm", visible, page.W, page.H)
		}
	}
	if shown < 0.95*sealW*sealH {
		out = append(out, finding(ClipHidesSeal, Warn, s.Path, s.Path, "%.0f of %.0f mm²", shown, sealW*sealH))
	}
	return out
}

// CheckOverlap names the signatures whose seals lie over or under those of s.
func (p *Package) CheckOverlap(s Signature) []Finding {
	var out []Finding
	budget := maxOverlaps
	for _, other := range p.signatures {
		if other.Path != s.Path && overlapping(s, other, &budget) {
			out = append(out, finding(SealOverlapped, Warn, s.Path, other.Path, ""))
		}
	}
	return out
}

// overlapping tells whether seals of two signatures share more than a square millimetre of a page: which of them hides
// the other, readers decide. What is compared is taken from budget; beyond it nothing is told.
func overlapping(s, other Signature, budget *int) bool {
	for _, a := range s.Stamps {
		for _, b := range other.Stamps {
			if *budget--; *budget < 0 {
				return false
			}
			if s.Body == other.Body && a.PageRef == b.PageRef && a.visible().intersect(b.visible()).area() > 1 {
				return true
			}
		}
	}
	return false
}

// visible is the part of a page that a StampAnnot takes.
func (a StampAnnot) visible() Box {
	if a.Clip == nil {
		return a.Boundary
	}
	return a.Boundary.intersect(Box{a.Boundary.X + a.Clip.X, a.Boundary.Y + a.Clip.Y, a.Clip.W, a.Clip.H})
}

func (p *Package) page(body int, id string) (Page, bool) {
	for _, page := range p.bodies[body].Pages {
		if page.ID == id {
			return page, true
		}
	}
	return Page{}, false
}

// Protection tells how much of the document a signature protects.
type Protection string

// The protections. A later signature's own files, and the list of signatures, count against neither.
const (
	Whole   Protection = "whole"
	Partial Protection = "partial"
)

// Coverage is what the signatures of a package protect together.
type Coverage struct {
	// Judged tells whether any list of References could be relied on. Without one there is nothing to say about
	// protection, and Findings is about the package alone: never take it for whole.
	Judged   bool
	Protects map[string]Protection // by Path, of every listed signature
	Findings []Finding
}

// Coverage judges the package as a whole: every file that can be reached, and every other entry, must be in the
// References of an authentic signature. authentic tells which signatures the caller has verified, Signature.xml by its
// digest in the stamp and the stamp by its key; whether the files still have the digests in the References is what
// [Package.CheckReferences] says, for the same signatures.
//
// What it cannot see: a last signature that was removed with all its files and its entry in the list, which no other
// signature protects. Only a record of how many stamps a document got can tell.
func (p *Package) Coverage(authentic func(Signature) bool) Coverage {
	c := Coverage{Protects: map[string]Protection{}, Findings: append([]Finding(nil), p.findings...)}
	covered := map[string]bool{} // by any authentic signature
	vouched := map[string]bool{} // by any listed signature
	own := map[string]bool{}     // files of listed signatures
	for i, s := range p.signatures {
		c.Protects[s.Path] = p.protects(i)
		own[s.Path], own[s.ValuePath], own[s.SealPath] = true, true, true
		ok := authentic(s)
		c.Judged = c.Judged || ok
		for _, r := range s.References {
			vouched[r.path] = true
			covered[r.path] = covered[r.path] || ok
		}
		if ok { // by being signed, being the signature, or by CheckSeal
			covered[s.Path], covered[s.ValuePath], covered[s.SealPath] = true, true, true
		}
	}
	unlisted := p.unlisted(own, vouched, &c)
	if c.Judged {
		c.Findings = append(c.Findings, p.uncovered(covered, own, unlisted)...)
	}
	return c
}

// uncovered finds what no authentic signature protects. Lists of signatures cannot be protected if others are to stamp
// afterwards, and files of a listed signature that is not authentic are that signature's trouble.
func (p *Package) uncovered(covered, own, unlisted map[string]bool) []Finding {
	var out []Finding
	for _, part := range p.parts {
		name := strings.TrimPrefix(part.Path, "/")
		if part.Missing || covered[part.Path] || own[part.Path] || p.lists[name] {
			continue
		}
		out = append(out, finding(UncoveredReachable, Fail, "", name, "%s", part.Kind))
	}
	for _, e := range p.entries {
		_, reachable := p.seen[e.name]
		switch {
		case e.folder() || reachable || covered["/"+e.name] || unlisted[dir(e.name)]:
		case e.name == "OFDEntries.xml" || e.name == "signedvalue.dat":
			out = append(out, finding(UncheckedManifest, Warn, "", e.name, "GM/T 0099 integrity protection"))
		default:
			out = append(out, finding(SmuggledEntry, Fail, "", e.name, ""))
		}
	}
	for _, body := range p.bodies {
		if !covered[body.Root] {
			out = append(out, finding(UnsignedDocument, Fail, "", body.Root, ""))
		}
	}
	return out
}

// protects tells whether the i-th signature covers all that can be reached, but for later signatures and the lists.
func (p *Package) protects(i int) Protection {
	s := p.signatures[i]
	free := map[string]bool{s.Path: true, s.ValuePath: true, s.SealPath: true}
	for _, r := range s.References {
		free[r.path] = true
	}
	for _, later := range p.signatures[i+1:] {
		free[later.Path], free[later.ValuePath], free[later.SealPath] = true, true, true
	}
	for _, part := range p.parts {
		if !part.Missing && !free[part.Path] && !p.lists[strings.TrimPrefix(part.Path, "/")] {
			return Partial
		}
	}
	return Whole
}

// unlisted finds files of signatures that no list names: what remains when an entry is taken out of the list, which a
// signature that leaves room for others cannot protect. It returns their folders.
func (p *Package) unlisted(own, vouched map[string]bool, c *Coverage) map[string]bool {
	folders, listed := map[string]bool{}, map[string]bool{}
	for _, s := range p.signatures {
		listed[path.Dir(s.Path)] = true
		if !s.Readable { // which of the files beside it are its own is unknown
			folders[dir(s.Path[1:])] = true
		}
	}
	for _, e := range p.entries {
		at := "/" + e.name
		if e.folder() || own[at] || folders[dir(e.name)] || !p.looksSigned(e, listed[path.Dir(at)]) {
			continue
		}
		folders[dir(e.name)] = true
		if vouched[at] {
			const why = "a listed signature vouches for it"
			c.Findings = append(c.Findings, finding(SignatureStripped, Fail, "", e.name, why))
		} else {
			c.Findings = append(c.Findings, finding(UnlistedSignature, Fail, "", e.name, ""))
		}
	}
	return folders
}

// looksSigned tells whether an entry belongs to a signature, by its name or, for XML that nothing names, by its root.
// Not every file in the folder of a listed signature does.
func (p *Package) looksSigned(e *entry, listedFolder bool) bool {
	folder := strings.ToLower(path.Base(dir(e.name)))
	rest, ok := strings.CutPrefix(folder, "sign_")
	if ok && !listedFolder && rest != "" && strings.Trim(rest, "0123456789") == "" {
		return true
	}
	base := strings.ToLower(path.Base(e.name))
	if base == "signature.xml" || base == "signedvalue.dat" && dir(e.name) != "" || base == "signvalue.dat" {
		return true
	}
	if _, reachable := p.seen[e.name]; reachable || !strings.HasSuffix(base, ".xml") {
		return false
	}
	content, err := e.read()
	if err != nil {
		return false
	}
	budget := 64 << 10 // the root stands at the front
	_, err = readXML(e.name, content, &budget, "Signature", "Signature")
	return err == nil
}
