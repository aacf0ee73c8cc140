package proof

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/cms"
	"github.com/yinxin/yinxin/shared/pdf"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

// pdfSignature is the evidence of one signature of a PDF.
type pdfSignature struct {
	ctx   context.Context
	trust Trust
	now   time.Time
	field pdf.SignatureField

	message  *cms.SignedData // nil where it cannot be read
	parseErr error
	outcomes map[cms.Rule]cms.Outcome
	signer   *cert.Certificate // nil where it cannot be read
	others   []*cert.Certificate
}

// The encodings of a message that are judged here (ISO 32000-2, 12.8.3; EN 319 142-1).
const (
	subFilterCAdES = "ETSI.CAdES.detached"
	subFilterPKCS7 = "adbe.pkcs7.detached"
)

// pdfTable: structure and coverage first, since the signature of a file whose ranges lie proves nothing; then the message
// by the rules of RFC 5652 and EN 319 122-1, the certificate, and what came after.
var pdfTable = []row[*pdfSignature]{
	{"signature.structure", both("签名结构完整，未隐藏内容。", "The signature's structure hides nothing."), (*pdfSignature).structure},
	{"signature.format", both("签名消息格式正确。", "The message in the signature is well formed."), (*pdfSignature).format},
	{"signature.algorithm", both("密码算法在允许范围内。", "The algorithms are allowed."), (*pdfSignature).algorithm},
	{"signature.digest", both("所签内容未被改动。", "What was signed was not changed."), (*pdfSignature).digest},
	{"signature.certificate", both("签名指明了签名者证书。", "The signature names its certificate."), (*pdfSignature).certificate},
	{"signature.value", both("签名值正确。", "The signature value verifies."), (*pdfSignature).value},
	{"signature.time", both("签名时间可能成立。", "The time of the signature is possible."), (*pdfSignature).time},
	{"signer.chain", both("签名者证书可信。", "The signer's certificate is trusted."), (*pdfSignature).chain},
	{"signature.coverage", both("签名保护签署时的全部内容。", "It covers the file as it was signed."), (*pdfSignature).coverage},
	{"signature.changes", both("签名之后没有不允许的改动。", "Nothing was changed that may not be."), (*pdfSignature).changes},
	{"signature.timestamp", both("时间戳正确。", "The time stamp verifies."), (*pdfSignature).timestamp},
	{"seal.kind", both("电子印章。", "An electronic seal."), (*pdfSignature).kind},
	{"seal.status", both("签名时印章处于启用状态。", "The register says that the seal was in use."), (*pdfSignature).status},
}

// pdfFile is the evidence of the file as a whole.
type pdfFile struct {
	report pdf.Report
	tail   int // bytes behind the end of the last revision that a signature covers
}

var pdfFileTable = []row[*pdfFile]{
	{"file.signed", both("文件带有签名。", "The file is signed."), (*pdfFile).signed},
	{"file.structure", both("文件结构正确。", "The file's structure is sound."), (*pdfFile).structure},
	{"file.coverage", both("签名保护至文件末尾。", "The signatures cover the file to its end."), (*pdfFile).covered},
}

// PDF verifies every signature of a PDF and the file as a whole.
func PDF(ctx context.Context, document []byte, t Trust, now time.Time) verdict.Verdict {
	file, err := pdf.Open(document)
	var report pdf.Report
	if err == nil {
		report, err = file.Examine()
	}
	if err != nil {
		var refused *pdf.Refusal
		detail := map[string]any{}
		if errors.As(err, &refused) {
			detail["reason"] = string(refused.Code)
			switch refused.Code {
			case pdf.Encrypted:
				return Conclude("pdf", document, now, "file.format", verdict.Unknown, KindUnsupported, detail)
			case pdf.TooLarge:
				return Conclude("pdf", document, now, "file.format", verdict.Unknown, BeyondBounds, detail)
			}
		}
		return Conclude("pdf", document, now, "file.format", verdict.Fail, FormatFailure, detail)
	}
	checks := []verdict.Check{{ID: "file.format", Result: verdict.Pass,
		Text: both("PDF 结构可读。", "The file can be read.")}}
	whole := &pdfFile{report: report, tail: len(document)}
	var seals []verdict.Seal
	for _, s := range report.Signatures {
		e := newPDFSignature(ctx, t, now, s)
		of := run(pdfTable, s.Field, e)
		checks, seals = append(checks, of...), append(seals, e.facts(verdict.Aggregate(of)))
		if s.RevisionEnd > 0 {
			whole.tail = min(whole.tail, len(document)-s.RevisionEnd)
		}
	}
	checks = append(checks, run(pdfFileTable, "", whole)...)
	checks = append(checks, faceChecks(ctx, t, report.Fields[ClaimIdentifier], checks, seals, now)...)
	v := conclude("pdf", document, now, checks)
	v.Seals = seals
	return v
}

func newPDFSignature(ctx context.Context, t Trust, now time.Time, s pdf.SignatureField) *pdfSignature {
	e := &pdfSignature{ctx: ctx, trust: t, now: now, field: s, outcomes: map[cms.Rule]cms.Outcome{}}
	if s.Contents == nil || s.Timestamp {
		return e
	}
	if e.message, e.parseErr = cms.Parse(s.Contents); e.message == nil {
		return e
	}
	if _, ok := s.Covered(); ok { // else there is nothing that the message could be about
		for _, o := range e.message.Verify(func(d cms.Digest) []byte { return s.Digest(d.New()) }) {
			e.outcomes[o.Rule] = o
		}
	}
	named := e.message.SignerCertificate()
	for _, der := range e.message.Certificates {
		c, err := cert.Parse(der)
		switch {
		case err != nil:
		case string(der) == string(named):
			e.signer = c
		default:
			e.others = append(e.others, c)
		}
	}
	return e
}

func (e *pdfSignature) facts(overall verdict.Overall) verdict.Seal {
	s := verdict.Seal{Subject: told(e.field.Field), Kind: verdict.SignatureOnly, Name: told(e.field.Name), SignedAt: e.field.Time,
		TimeSource: "claimed", Coverage: string(e.field.Coverage), Verdict: overall}
	if e.field.Timestamp {
		s.Kind = verdict.NoSeal
	}
	if e.signer == nil {
		return s
	}
	s.OwnerCode, s.Owner, _ = cert.SplitOwner(e.signer.Subject.Organization)
	s.Owner = told(s.Owner)
	if s.OwnerCode != "" {
		s.ID = told(e.signer.Subject.CommonName)
	}
	return s
}

// What is looked at in rows of its own; every other finding of a signature is one of its structure.
var (
	changeCodes   = []pdf.Code{pdf.ChangeUndefined, pdf.ChangeNotAllowed, pdf.PagesChanged, pdf.ShadowContent}
	extendedCodes = []pdf.Code{pdf.FormFilled, pdf.MetadataChanged, pdf.SealCovered, pdf.NeedAppearances}
)

// ofPDF picks findings and makes one finding of ours of them: the worst decides.
func ofPDF(findings []pdf.Finding, code string, pick func(pdf.Code) bool) (finding, bool) {
	var reasons, attacks []string
	result := verdict.Pass
	for _, f := range findings {
		if !pick(f.Code) {
			continue
		}
		if !f.Warning {
			result = verdict.Fail
		} else if result == verdict.Pass {
			result = verdict.Warn
		}
		reasons = append(reasons, string(f.Code))
		if f.Attack != "" {
			attacks = append(attacks, string(f.Attack))
		}
	}
	if result == verdict.Pass {
		return finding{}, false
	}
	detail := map[string]any{"reason": strings.Join(unique(reasons), ", ")}
	if len(attacks) > 0 {
		detail["attacks"] = unique(attacks)
	}
	return found(result, code, detail), true
}

func (e *pdfSignature) structure() finding {
	if f, is := ofPDF(e.field.Findings, StructureForged, func(c pdf.Code) bool {
		return c != pdf.SubFilterUnknown && !slices.Contains(changeCodes, c) && !slices.Contains(extendedCodes, c)
	}); is {
		return f
	}
	return pass(map[string]any{"byteRange": e.field.ByteRange})
}

func (e *pdfSignature) format() finding {
	switch {
	case e.field.Timestamp:
		return found(verdict.Skipped, TimestampUnchecked, nil)
	case e.field.SubFilter != subFilterCAdES && e.field.SubFilter != subFilterPKCS7:
		return found(verdict.Skipped, KindUnsupported, map[string]any{"reason": "SubFilter " + e.field.SubFilter})
	case e.field.Contents == nil:
		return skipped() // signature.structure has failed
	case e.message == nil:
		return fail(FormatFailure, map[string]any{"reason": text(e.parseErr)})
	}
	return e.rules(FormatFailure, cms.OneSigner, cms.Detached, cms.Attributes)
}

// rules makes one finding of the outcomes of some rules of the message.
func (e *pdfSignature) rules(code string, rules ...cms.Rule) finding {
	if e.message == nil {
		return skipped()
	}
	left := false
	for _, r := range rules {
		o, there := e.outcomes[r]
		if there && o.Failure != nil {
			return fail(code, map[string]any{"rule": string(r), "reason": o.Failure.Detail})
		}
		left = left || !there || o.Skipped
	}
	if left {
		return skipped()
	}
	return pass(nil)
}

func (e *pdfSignature) algorithm() finding {
	f := e.rules(AlgorithmNotAllowed, cms.AllowedAlgorithm)
	if f.result == verdict.Pass {
		f.detail = map[string]any{"digest": string(e.message.ContentDigest())}
	}
	return f
}

func (e *pdfSignature) digest() finding { return e.rules(HashFailure, cms.MessageDigest) }

// certificate: signing-certificate-v2 may be missing in signatures of older software (ISO 32000-1), where PAdES asks for
// it (EN 319 142-1, section 6.3).
func (e *pdfSignature) certificate() finding {
	rules := []cms.Rule{cms.SignerCertificate, cms.SigningCertificate}
	if e.field.SubFilter == subFilterPKCS7 {
		rules = rules[:1]
	}
	return e.rules(SealCertMismatch, rules...)
}

func (e *pdfSignature) value() finding { return e.rules(SigCryptoFailure, cms.SignatureValue) }

func (e *pdfSignature) time() finding {
	detail := map[string]any{"source": "claimed"}
	if e.field.Time.IsZero() {
		return found(verdict.Unknown, TimeImpossible, detail)
	}
	detail["m"] = rfc3339(e.field.Time)
	if e.field.Time.After(e.now.Add(skew)) {
		return fail(TimeImpossible, detail)
	}
	return pass(detail)
}

func (e *pdfSignature) chain() finding {
	if e.signer == nil {
		return skipped()
	}
	r := e.trust.Anchors.Validate(trust.Request{Leaf: e.signer, Others: e.others, Purpose: trust.Document,
		At: e.field.Time, Now: e.now, KeyUsage: cert.DigitalSignature | cert.NonRepudiation, CRLs: e.trust.CRLs})
	return finding{checks: r.As("signer", e.field.Field)}
}

// coverage: a signature that covers less than its whole revision has failed signature.structure already.
func (e *pdfSignature) coverage() finding {
	detail := map[string]any{"coverage": string(e.field.Coverage)}
	switch e.field.Coverage {
	case pdf.WholeFile, pdf.WholeRevision:
		return pass(detail)
	}
	if e.structure().result == verdict.Fail {
		return skipped()
	}
	return fail(CoverageIncomplete, detail)
}

func (e *pdfSignature) changes() finding {
	if f, is := ofPDF(e.field.Findings, ChangedAfter, among(changeCodes)); is {
		return f
	}
	if f, is := ofPDF(e.field.Findings, ExtendedAfter, among(extendedCodes)); is {
		return f
	}
	var kinds []string
	for _, c := range e.field.Changes {
		kinds = append(kinds, string(c.Kind))
	}
	return pass(map[string]any{"later": unique(kinds)})
}

// timestamp: the signature time-stamp is not read here yet.
func (e *pdfSignature) timestamp() finding {
	if e.message == nil || len(e.message.Signers) != 1 {
		return skipped()
	}
	for _, a := range e.message.Signers[0].UnsignedAttributes {
		if a.OID.String() == "1.2.840.113549.1.9.16.2.14" { // id-aa-timeStampToken, RFC 3161
			return found(verdict.Skipped, TimestampUnchecked, nil)
		}
	}
	return found(verdict.NotApplicable, TimestampMissing, nil)
}

// kind says on every PDF that the picture of a seal in it is no electronic seal after GB/T 38540.
func (e *pdfSignature) kind() finding {
	if e.field.Timestamp {
		return found(verdict.NotApplicable, "", nil)
	}
	return found(verdict.Warn, SignatureOnly, map[string]any{"kind": string(verdict.SignatureOnly)})
}

// status asks the register of seals about the seal that the certificate names. A certificate that names none is an
// ordinary one, with nothing to ask.
func (e *pdfSignature) status() finding {
	if e.signer == nil {
		return skipped()
	}
	code := e.facts("").ID
	if len(code) != 14 {
		return found(verdict.NotApplicable, "", nil)
	}
	facts, f := askSeal(e.ctx, e.trust, code, e.field.Time)
	if f != nil {
		return *f
	}
	return pass(facts)
}

func (p *pdfFile) signed() finding {
	if len(p.report.Signatures) == 0 {
		return found(verdict.Unknown, NoSignature, nil)
	}
	return pass(map[string]any{"signatures": len(p.report.Signatures), "revisions": p.report.Revisions})
}

func (p *pdfFile) structure() finding {
	if f, is := ofPDF(p.report.Findings, SignatureStripped, among([]pdf.Code{pdf.SignatureStripped})); is {
		return f
	}
	if f, is := ofPDF(p.report.Findings, ChangedAfter, among(changeCodes)); is {
		return f
	}
	if f, is := ofPDF(p.report.Findings, Tolerated, among(extendedCodes)); is {
		return f
	}
	if f, is := ofPDF(p.report.Findings, StructureForged, func(pdf.Code) bool { return true }); is {
		return f
	}
	return pass(nil)
}

func among(codes []pdf.Code) func(pdf.Code) bool {
	return func(c pdf.Code) bool { return slices.Contains(codes, c) }
}

// covered: what was added behind the last signature was judged as its change; here it is only told.
func (p *pdfFile) covered() finding {
	switch {
	case len(p.report.Signatures) == 0:
		return found(verdict.NotApplicable, "", nil)
	case p.tail == 0:
		return pass(nil)
	}
	return found(verdict.Warn, ExtendedAfter, map[string]any{"bytes": p.tail})
}
