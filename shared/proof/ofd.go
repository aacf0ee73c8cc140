package proof

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/ses"
	"github.com/yinxin/yinxin/shared/sm"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

// ofdStamp is the evidence of one signature of an OFD.
type ofdStamp struct {
	ctx   context.Context
	trust Trust
	now   time.Time
	pkg   *ofd.Package
	sig   ofd.Signature

	stamp    *ses.Stamp
	stampErr error
	signer   *cert.Certificate // nil where it cannot be read
	maker    *cert.Certificate
	refs     []ofd.Finding // of the signature's own files and its references
}

// ofdTable is GB/T 38540-2020, section 7.3, in its order, followed by what the standard leaves to the container: that the
// package is the one that was stamped, and shows the seal as it was stamped.
var ofdTable = []row[*ofdStamp]{
	// 7.3 a: format
	{"stamp.format", both("签章格式正确。", "The stamp has the form of SES_Signature."), (*ofdStamp).format},
	{"stamp.algorithm", both("密码算法为 SM2 与 SM3。", "The algorithms are SM2 and SM3."), (*ofdStamp).algorithm},
	// 7.3 b: signature value
	{"stamp.signature", both("签名值正确。", "The signature over TBS_Sign verifies."), (*ofdStamp).signature},
	// 7.3 c: the certificate fits the seal
	{"stamp.certificate_listed", both("签章者证书在印章中。", "The seal lists the signer's certificate."), (*ofdStamp).listed},
	// 7.3 d: the seal
	{"seal.signature", both("制章者签名正确。", "The maker's signature over the seal verifies."), (*ofdStamp).sealSignature},
	{"maker.chain", both("制章者证书可信。", "The maker's certificate is trusted."), (*ofdStamp).makerChain},
	{"maker.trusted", both("制章者在可信名单中。", "The maker is on the trust list."), (*ofdStamp).makerTrusted},
	{"seal.period", both("签章时印章在有效期内。", "The seal was valid at the time of the stamp."), (*ofdStamp).period},
	{"seal.extensions", both("印章没有未识别的关键扩展。", "The seal has no unknown critical extension."), (*ofdStamp).extensions},
	// 7.3 e: the signer's certificate at the time of the stamp
	{"stamp.time", both("签章时间可能成立。", "The time of the stamp is possible."), (*ofdStamp).time},
	{"signer.chain", both("签章者证书可信。", "The signer's certificate is trusted."), (*ofdStamp).signerChain},
	// 7.3 f: the document
	{"stamp.digest", both("签名描述文件未被改动。", "Signature.xml is as it was stamped."), (*ofdStamp).digest},
	{"stamp.references", both("受保护的文件均未改动。", "Every protected file is as it was stamped."), (*ofdStamp).references},
	// 7.3 g: time stamp
	{"stamp.timestamp", both("时间戳正确。", "The time stamp verifies."), (*ofdStamp).timestamp},
	// the container: GB/T 33190-2016, chapter 18
	{"stamp.property", both("签名与其在包内的位置一致。", "The stamp names its own place in the package."), (*ofdStamp).property},
	{"seal.file", both("包内印章即签名中的印章。", "The seal file is the seal that was signed."), (*ofdStamp).sealFile},
	{"stamp.geometry", both("印章显示的位置和大小如实。", "The seal is shown as it was stamped."), (*ofdStamp).geometry},
	// beyond the document: the register of seals
	{"seal.status", both("签章时印章处于启用状态。", "The register says that the seal was in use."), (*ofdStamp).status},
}

// ofdPackage is the evidence of the package as a whole.
type ofdPackage struct {
	coverage ofd.Coverage
	held     bool // at least one signature holds
	signed   bool
}

// packageTable judges what the signatures protect together: rows 1, 2, 3 and 12 of the table of attacks.
var packageTable = []row[*ofdPackage]{
	{"package.signed", both("文件带有签章。", "The document is signed."), (*ofdPackage).present},
	{"package.coverage", both("全部内容均受签章保护。", "Everything that can be shown is protected."), (*ofdPackage).covered},
	{"package.smuggled", both("包内没有夹带文件。", "The package holds nothing beside the document."), (*ofdPackage).smuggled},
	{"package.stripped", both("没有签章被移除的痕迹。", "No trace of a removed signature."), (*ofdPackage).stripped},
	{"package.rest", both("包内没有其他需要注意的内容。", "Nothing else to remark on in the package."), (*ofdPackage).rest},
}

// OFD verifies every signature of an OFD and the package as a whole.
func OFD(ctx context.Context, document []byte, t Trust, now time.Time) verdict.Verdict {
	pkg, err := ofd.Open(document)
	if err != nil {
		var refused *ofd.FormatError
		detail := map[string]any{}
		if errors.As(err, &refused) {
			detail["reason"], detail["path"] = string(refused.Code), told(refused.Path)
			switch refused.Code {
			case ofd.ZipTooLarge, ofd.ZipTooManyEntries, ofd.ZipRatio, ofd.XMLTooLarge:
				return Conclude("ofd", document, now, "package.format", verdict.Unknown, BeyondBounds, detail)
			}
		}
		return Conclude("ofd", document, now, "package.format", verdict.Fail, FormatFailure, detail)
	}
	checks := []verdict.Check{{ID: "package.format", Result: verdict.Pass,
		Text: both("OFD 包结构正确，只有一种解读。", "The package can be read in one way only.")}}
	var seals []verdict.Seal
	outcome := map[string]verdict.Overall{} // by path of the signature
	for _, s := range pkg.Signatures() {
		e := newOFDStamp(ctx, t, now, pkg, s)
		of := run(ofdTable, s.ID, e)
		outcome[s.Path] = verdict.Aggregate(of)
		checks, seals = append(checks, of...), append(seals, e.facts(outcome[s.Path]))
	}
	whole := &ofdPackage{signed: len(seals) > 0}
	whole.coverage = pkg.Coverage(func(s ofd.Signature) bool {
		holds := outcome[s.Path] != verdict.Invalid
		whole.held = whole.held || holds
		return holds
	})
	for i, s := range pkg.Signatures() {
		seals[i].Coverage = string(whole.coverage.Protects[s.Path])
	}
	checks = append(checks, run(packageTable, "", whole)...)
	for _, body := range pkg.Bodies() {
		checks = append(checks, faceChecks(ctx, t, body.CustomData[ClaimIdentifier], checks, seals, now)...)
	}
	v := conclude("ofd", document, now, checks)
	v.Seals = seals
	return v
}

func newOFDStamp(ctx context.Context, t Trust, now time.Time, pkg *ofd.Package, s ofd.Signature) *ofdStamp {
	e := &ofdStamp{ctx: ctx, trust: t, now: now, pkg: pkg, sig: s, refs: pkg.CheckReferences(s)}
	if s.Type != "Seal" || s.Value == nil {
		return e
	}
	if e.stamp, e.stampErr = ses.ParseStamp(s.Value); e.stamp == nil {
		return e
	}
	// Which of the two cannot be read shows in the rows that need it.
	e.signer, _ = cert.Parse(e.stamp.SignerCert)
	e.maker, _ = cert.Parse(e.stamp.Seal.MakerCert)
	return e
}

// facts tells of the seal. What nobody vouches for is told too: the verdict beside it says what it is worth.
func (e *ofdStamp) facts(overall verdict.Overall) verdict.Seal {
	s := verdict.Seal{Subject: told(e.sig.ID), Kind: verdict.NoSeal, Verdict: overall}
	if e.stamp == nil {
		return s
	}
	s.Kind, s.ID, s.Name = verdict.GBT38540, told(e.stamp.Seal.ID), told(e.stamp.Seal.Name)
	s.SignedAt, s.TimeSource = e.stamp.Time, "claimed"
	if e.signer != nil {
		s.OwnerCode, s.Owner, _ = cert.SplitOwner(e.signer.Subject.Organization)
		s.Owner = told(s.Owner)
	}
	return s
}

// of picks the findings of some codes and makes one finding of ours of them: the worst level decides.
func of(findings []ofd.Finding, code string, codes ...ofd.Code) (finding, bool) {
	return ofAll(findings, code, func(c ofd.Code) bool { return slices.Contains(codes, c) })
}

func ofAll(findings []ofd.Finding, code string, pick func(ofd.Code) bool) (finding, bool) {
	var files, reasons []string
	result := verdict.Pass
	for _, f := range findings {
		if !pick(f.Code) {
			continue
		}
		if f.Level != ofd.Warn {
			result = verdict.Fail
		} else if result == verdict.Pass {
			result = verdict.Warn
		}
		reasons = append(reasons, string(f.Code))
		if f.Path != "" {
			files = append(files, f.Path)
		}
	}
	if result == verdict.Pass {
		return finding{}, false
	}
	detail := map[string]any{"findings": unique(reasons)}
	if len(files) > 0 {
		detail["files"] = unique(files)
	}
	return found(result, code, detail), true
}

func unique(list []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// What rows of their own look at; every other finding about the files of a signature says that it cannot be read in one
// way only, every other finding about the package is told in its last row.
var (
	digestCodes   = []ofd.Code{ofd.ReferenceDigest, ofd.ReferenceMissing}
	coverageCodes = []ofd.Code{ofd.UncoveredReachable, ofd.UnsignedDocument, ofd.MissingFile}
	strippedCodes = []ofd.Code{ofd.SignatureStripped, ofd.UnlistedSignature, ofd.SignIDGap}
)

func (e *ofdStamp) format() finding {
	if f, is := ofAll(e.refs, FormatFailure, func(c ofd.Code) bool {
		return c != ofd.CheckMethod && !slices.Contains(digestCodes, c)
	}); is {
		return f
	}
	var version *ses.VersionError
	switch {
	case e.sig.Type != "Seal":
		return found(verdict.Skipped, KindUnsupported, map[string]any{"reason": "Type=" + e.sig.Type})
	case errors.As(e.stampErr, &version):
		return found(verdict.Skipped, VersionUnsupported, map[string]any{"version": version.Version})
	case e.stamp == nil:
		return fail(FormatFailure, map[string]any{"reason": text(e.stampErr)})
	}
	var tolerated []string
	for _, t := range append(e.stamp.Seal.Tolerances, e.stamp.Tolerances...) {
		tolerated = append(tolerated, string(t))
	}
	for _, c := range []*cert.Certificate{e.signer, e.maker} {
		if c != nil && len(c.Tolerances) > 0 {
			tolerated = append(tolerated, "certificate: "+c.Subject.CommonName)
		}
	}
	if len(tolerated) > 0 {
		return found(verdict.Warn, Tolerated, map[string]any{"tolerances": unique(tolerated)})
	}
	return pass(map[string]any{"version": e.stamp.Version, "sealVersion": e.stamp.Seal.Version})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// algorithm is the allow-list, judged by today's rule: SM2 with SM3 in stamp, seal and description file, SM3 for files.
func (e *ofdStamp) algorithm() finding {
	if f, is := of(e.refs, AlgorithmNotAllowed, ofd.CheckMethod); is {
		return f
	}
	if e.stamp == nil {
		return skipped()
	}
	detail := map[string]any{"stamp": e.stamp.SignatureAlgorithm.String(),
		"seal": e.stamp.Seal.SignatureAlgorithm.String(), "signatureMethod": e.sig.Method, "checkMethod": e.sig.CheckMethod}
	if !e.stamp.SignatureAlgorithm.Equal(sm.OIDSM2WithSM3) || !e.stamp.Seal.SignatureAlgorithm.Equal(sm.OIDSM2WithSM3) ||
		e.sig.Method != "" && e.sig.Method != sm.OIDSM2WithSM3.String() {
		return fail(AlgorithmNotAllowed, detail)
	}
	return pass(detail)
}

func (e *ofdStamp) signature() finding {
	if e.stamp == nil {
		return skipped()
	}
	pub, err := e.stamp.SignerKey()
	if err == nil {
		err = e.stamp.VerifySigner(pub)
	}
	switch {
	case errors.Is(err, ses.ErrAlgorithm):
		return skipped() // stamp.algorithm has failed
	case err != nil:
		return fail(SigCryptoFailure, nil)
	}
	return pass(nil)
}

func (e *ofdStamp) listed() finding {
	switch {
	case e.stamp == nil:
		return skipped()
	case !e.stamp.Seal.Lists(e.stamp.SignerCert):
		return fail(SealCertMismatch, map[string]any{"certListType": int(e.stamp.Seal.CertListType)})
	}
	return pass(map[string]any{"certListType": int(e.stamp.Seal.CertListType)})
}

func (e *ofdStamp) sealSignature() finding {
	if e.stamp == nil {
		return skipped()
	}
	pub, err := e.stamp.Seal.MakerKey()
	if err == nil {
		err = e.stamp.Seal.VerifyMaker(pub)
	}
	switch {
	case errors.Is(err, ses.ErrAlgorithm):
		return skipped()
	case err != nil:
		return fail(SealSignatureFailure, nil)
	}
	return pass(nil)
}

// chain judges a certificate of the stamp at the time of the stamp, which only the signer vouches for.
func (e *ofdStamp) chain(c *cert.Certificate, p trust.Purpose, prefix string, at time.Time) finding {
	switch {
	case e.stamp == nil:
		return skipped()
	case c == nil:
		return fail(FormatFailure, map[string]any{"reason": "certificate"})
	}
	r := e.trust.Anchors.Validate(trust.Request{Leaf: c, Purpose: p, At: at, Now: e.now, CRLs: e.trust.CRLs,
		KeyUsage: cert.DigitalSignature | cert.NonRepudiation})
	return finding{checks: r.As(prefix, e.sig.ID)}
}

// makerChain is judged at the time of the stamp, as the signer's is: who was no longer trusted then vouches for nothing.
func (e *ofdStamp) makerChain() finding {
	if e.stamp == nil {
		return skipped()
	}
	return e.chain(e.maker, trust.SealMaker, "maker", e.stamp.Time)
}

func (e *ofdStamp) makerTrusted() finding {
	if e.stamp == nil || e.maker == nil {
		return skipped()
	}
	c := e.trust.List.CheckMaker(e.maker, e.stamp.Time)
	c.ID, c.Subject = "maker.trusted", e.sig.ID
	return finding{checks: []verdict.Check{c}}
}

func (e *ofdStamp) period() finding {
	if e.stamp == nil {
		return skipped()
	}
	s := e.stamp.Seal
	detail := map[string]any{"at": rfc3339(e.stamp.Time), "validFrom": rfc3339(s.ValidFrom),
		"validTo": rfc3339(s.ValidTo)}
	if !s.ValidAt(e.stamp.Time) {
		return fail(SealExpiredAtSigning, detail)
	}
	return pass(detail)
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (e *ofdStamp) extensions() finding {
	if e.stamp == nil {
		return skipped()
	}
	for _, x := range append(e.stamp.Seal.Extensions, e.stamp.Extensions...) {
		if x.Critical {
			return found(verdict.Unknown, SealExtensionCritical, map[string]any{"value": x.ID.String()})
		}
	}
	return pass(nil)
}

// time judges the claimed time, since no time stamp proves it: not in the future, not before the seal was made.
func (e *ofdStamp) time() finding {
	if e.stamp == nil {
		return skipped()
	}
	detail := map[string]any{"timeInfo": rfc3339(e.stamp.Time), "source": "claimed"}
	if e.stamp.Time.After(e.now.Add(skew)) || e.stamp.Time.Before(e.stamp.Seal.CreatedAt) {
		return fail(TimeImpossible, detail)
	}
	return pass(detail)
}

func (e *ofdStamp) signerChain() finding {
	if e.stamp == nil {
		return skipped()
	}
	return e.chain(e.signer, trust.SealOwner, "signer", e.stamp.Time)
}

func (e *ofdStamp) digest() finding {
	if e.stamp == nil {
		return skipped()
	}
	if !bytes.Equal(e.stamp.DataHash, e.sig.Digest[:]) {
		return fail(HashFailure, map[string]any{"files": []string{e.sig.Path}})
	}
	return pass(nil)
}

func (e *ofdStamp) references() finding {
	if f, is := of(e.refs, HashFailure, digestCodes...); is {
		return f
	}
	if e.stamp == nil {
		return skipped()
	}
	return pass(map[string]any{"references": len(e.sig.References)})
}

// timestamp: tokens of RFC 3161 are not read here yet, so that a stamp with one is not called valid.
func (e *ofdStamp) timestamp() finding {
	switch {
	case e.stamp == nil:
		return skipped()
	case e.stamp.TimeStamp == nil:
		return found(verdict.NotApplicable, TimestampMissing, nil)
	}
	return found(verdict.Skipped, TimestampUnchecked, nil)
}

func (e *ofdStamp) property() finding {
	if e.stamp == nil {
		return skipped()
	}
	if f, is := of(e.pkg.CheckPath(e.sig, e.stamp.PropertyInfo), PropertyMismatch, ofd.PropertyPath); is {
		return f
	}
	return pass(map[string]any{"propertyInfo": e.stamp.PropertyInfo})
}

func (e *ofdStamp) sealFile() finding {
	switch {
	case e.stamp == nil:
		return skipped()
	case e.sig.SealPath == "":
		return found(verdict.NotApplicable, "", nil)
	}
	f, is := of(e.pkg.CheckSeal(e.sig, e.stamp.Seal.Raw), SealFileDiffers, ofd.SealMissing, ofd.SealDiffers,
		ofd.ImageLocUnchecked)
	if is {
		return f
	}
	return pass(map[string]any{"path": e.sig.SealPath})
}

func (e *ofdStamp) geometry() finding {
	if e.stamp == nil {
		return skipped()
	}
	p := e.stamp.Seal.Picture
	f, is := of(e.pkg.CheckGeometry(e.sig, float64(p.Width), float64(p.Height)), StampDisplaced, ofd.NoStampAnnot,
		ofd.PageRef, ofd.BoundaryMalformed, ofd.BoundaryOffPage, ofd.BoundaryPartlyOff, ofd.BoundarySize, ofd.ClipHidesSeal)
	if is {
		return f
	}
	if f, is := of(e.pkg.CheckOverlap(e.sig), SealOverlapped, ofd.SealOverlapped); is {
		return f
	}
	return pass(map[string]any{"appearances": len(e.sig.Stamps)})
}

// status asks the register of seals what the seal was at the time of the stamp, and whether it is the registered one
// (a certificate swapped for another of the same key, or a seal remade by somebody, shows here).
func (e *ofdStamp) status() finding {
	if e.stamp == nil {
		return skipped()
	}
	detail, f := askSeal(e.ctx, e.trust, e.stamp.Seal.ID, e.stamp.Time)
	if f != nil {
		return *f
	}
	if sum := sm.Sum3(e.stamp.Seal.Raw); detail["sealDigest"] != "sm3:"+hex.EncodeToString(sum[:]) {
		return fail(SealNotAsRegistered, detail)
	}
	return pass(detail)
}

// askSeal asks the register about a seal at a time. It returns the evidence of a seal in use, or a finding.
func askSeal(ctx context.Context, t Trust, code string, at time.Time) (map[string]any, *finding) {
	if t.Seal == nil {
		f := found(verdict.Skipped, SealStatusUnknown, nil)
		return nil, &f
	}
	facts, known, err := t.Seal(ctx, code, at)
	if err != nil || !known {
		f := found(verdict.Skipped, SealStatusUnknown, nil)
		if err != nil {
			f.result = verdict.Unknown
		}
		return nil, &f
	}
	detail := map[string]any{"state": facts.State, "since": rfc3339(facts.Since), "at": rfc3339(at),
		"sealDigest": "sm3:" + hex.EncodeToString(facts.Digest[:])}
	codes := map[string]string{"active": "", "suspended": SealSuspended, "revoked": SealRevoked}
	reason, ordinary := codes[facts.State]
	if !ordinary {
		reason = SealNotActive
	}
	if reason != "" {
		f := fail(reason, detail)
		return nil, &f
	}
	return detail, nil
}

func (p *ofdPackage) present() finding {
	if !p.signed {
		return found(verdict.Unknown, NoSignature, nil)
	}
	return pass(nil)
}

// coverage says what no signature that holds protects. Where none holds there is nothing to say: that one fails is the
// news.
func (p *ofdPackage) covered() finding {
	if p.signed && !p.held {
		return skipped()
	}
	if f, is := of(p.coverage.Findings, CoverageIncomplete, coverageCodes...); is {
		return f
	}
	if !p.signed {
		return found(verdict.NotApplicable, "", nil)
	}
	return pass(nil)
}

func (p *ofdPackage) smuggled() finding {
	if p.signed && !p.held {
		return skipped()
	}
	if f, is := of(p.coverage.Findings, SmuggledFiles, ofd.SmuggledEntry); is {
		return f
	}
	return pass(nil)
}

func (p *ofdPackage) stripped() finding {
	f, is := of(p.coverage.Findings, SignatureStripped, strippedCodes...)
	if is {
		return f
	}
	return pass(nil)
}

func (p *ofdPackage) rest() finding {
	if f, is := of(p.coverage.Findings, FontNotEmbedded, ofd.FontNotEmbedded); is {
		return f
	}
	if f, is := of(p.coverage.Findings, ManifestUnchecked, ofd.UncheckedManifest); is {
		return f
	}
	if f, is := ofAll(p.coverage.Findings, FormatFailure, func(c ofd.Code) bool {
		return c != ofd.SmuggledEntry && !slices.Contains(coverageCodes, c) && !slices.Contains(strippedCodes, c)
	}); is {
		return f
	}
	return pass(nil)
}
