package proof

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sdjwt"
	"github.com/yinxin/yinxin/shared/statuslist"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

// The claims of a licence credential that the tables read; names after GB/T 36903-2018 as code in use has them.
const (
	ClaimIdentifier = "certificateIdentifier" // 电子证照标识
	ClaimTypeCode   = "certificateTypeCode"   // 证照类型代码
	ClaimName       = "certificateName"
	ClaimHolder     = "certificateHolderName"
	ClaimHolderType = "certificateHolderType" // 持证主体代码类型
	ClaimValidFrom  = "certificateEffectiveDate"
	ClaimValidTo    = "certificateExpiringDate"
)

// LicenceOptions are what the caller asks of a licence.
type LicenceOptions struct {
	Text string    // the SD-JWT, issued or presented
	At   time.Time // at which time it must be valid; zero is now
	Now  time.Time
	// KeyBinding is the proof of the holder's key that is demanded; nil demands none.
	KeyBinding *sdjwt.KeyBinding
	Expect     Expectation
}

// Expectation is what the caller says the licence must be. Empty fields expect nothing.
type Expectation struct {
	TypeCode   string // 证照类型代码
	Type       string // vct
	Identifier string // GB/T 36904
	HolderName string
}

const (
	skew     = time.Minute // by which clocks may differ
	maxChain = 8           // certificates in x5c

	// maxListAge is how old a status list may be that does not say itself how long it may be used: an old one, played
	// again, would be good for ever.
	maxListAge = 24 * time.Hour
)

// licence is the evidence of one credential.
type licence struct {
	LicenceOptions
	ctx   context.Context
	trust Trust

	parsed    *sdjwt.SDJWT
	parseErr  error
	content   *sdjwt.Credential // what is disclosed; nil where the disclosures break a rule
	openErr   error
	payload   issuerClaims // of the JWT itself, whatever the disclosures are
	id        ident.LicenceID
	idText    string
	warnings  []ident.Warning
	idErr     error
	chain     []*cert.Certificate // x5c, leaf first
	chainErr  error
	signature error
}

// issuerClaims are claims of the JWT itself, readable also where the disclosures break a rule.
type issuerClaims struct {
	issuer   string
	issuedAt time.Time
}

// licenceTable is in the order of section 7 of the project's licence notes: RFC 9901, section 7.1, with what a licence
// has beside it.
var licenceTable = []row[*licence]{
	{"format.parse", both("凭证格式正确。", "The credential has the form of an SD-JWT VC."), (*licence).format},
	{"identifier.structure", both("电子证照标识结构正确。", "The licence identifier is well formed."), (*licence).identifier},
	{"identifier.check_character", both("电子证照标识校验位正确。", "The check character fits."), (*licence).checkCharacter},
	{"issuer.chain", both("签发者证书可信。", "The issuer's certificate is trusted."), (*licence).issuerChain},
	{"issuer.identity", both("签发者与证书、标识一致。", "Issuer, certificate and identifier agree."), (*licence).issuerIdentity},
	{"issuer.authorised", both("签发者有权签发此类证照。", "The issuer may issue licences of this type."), (*licence).authorised},
	{"signature", both("签发者签名成立。", "The issuer's signature verifies."), (*licence).checkSignature},
	{"disclosures", both("出示的信息项均为签发原样。", "Everything disclosed is as it was issued."), (*licence).disclosures},
	{"validity_period", both("在有效期内。", "It is within its validity."), (*licence).validity},
	{"status", both("状态列表显示有效。", "The status list says valid."), (*licence).status},
	{"holder_binding", both("持证人证明成立。", "The holder's proof verifies."), (*licence).holder},
}

func both(zh, en string) verdict.Text { return verdict.Text{ZH: zh, EN: en} }

// Licence verifies an SD-JWT VC.
func Licence(ctx context.Context, o LicenceOptions, t Trust) verdict.Verdict {
	if o.At.IsZero() {
		o.At = o.Now
	}
	e := &licence{LicenceOptions: o, ctx: ctx, trust: t}
	e.read()
	v := conclude("sd-jwt-vc", []byte(o.Text), o.Now, append(run(licenceTable, "", e), e.expectations()...))
	v.Licence = e.facts()
	return v
}

// read takes the credential apart as far as it goes.
func (e *licence) read() {
	e.parsed, e.parseErr = sdjwt.Parse(strings.TrimSpace(e.Text))
	if e.parseErr != nil {
		return
	}
	if e.parseErr = e.parsed.CheckType(false); e.parseErr != nil {
		return
	}
	e.payload = claimsOf(e.parsed.JWT)
	e.content, e.openErr = e.parsed.Open()
	for i, der := range e.parsed.Header.X5C {
		c, err := cert.Parse(der)
		if err != nil || i == maxChain {
			e.chain, e.chainErr = nil, errors.Join(err, errors.New("unreadable or too many certificates"))
			break
		}
		e.chain = append(e.chain, c)
	}
	if e.content != nil {
		e.idText = e.content.Text(ClaimIdentifier)
		e.id, e.warnings, e.idErr = ident.ParseLicenceID(e.idText)
	}
	if len(e.chain) > 0 {
		e.signature = e.parsed.CheckSignature(e.chain[0].PublicKey, key.ES256)
	}
}

// broken is the finding of an *sdjwt.Error under a code of ours.
func broken(code string, err error) finding {
	var rule *sdjwt.Error
	if errors.As(err, &rule) {
		return fail(code, map[string]any{"reason": string(rule.Code)})
	}
	return fail(code, nil)
}

func (e *licence) format() finding {
	if e.parseErr != nil {
		return broken(LicenceFormat, e.parseErr)
	}
	return pass(map[string]any{"typ": e.parsed.Header.Type, "alg": string(e.parsed.Header.Alg)})
}

func (e *licence) identifier() finding {
	switch {
	case e.parseErr != nil || e.openErr != nil:
		return skipped()
	case e.idText == "" && e.content.Withheld > 0:
		return found(verdict.NotApplicable, LicenceIDWithheld, nil)
	case e.idText == "":
		return fail(LicenceIDMissing, nil)
	case e.idErr != nil:
		return fail(LicenceIDStructure, nil)
	}
	return pass(map[string]any{"identifier": e.idText})
}

func (e *licence) checkCharacter() finding {
	if e.identifier().result != verdict.Pass {
		return e.identifierAbsent()
	}
	return checkCharacter(e.id, e.warnings)
}

// identifierAbsent is what becomes of the rows that need an identifier.
func (e *licence) identifierAbsent() finding {
	if f := e.identifier(); f.result == verdict.NotApplicable {
		return f
	}
	return skipped()
}

// checkCharacter tells of the warnings of an identifier. Identifiers with a wrong check character were issued in
// reality, so that it is no failure.
func checkCharacter(id ident.LicenceID, warnings []ident.Warning) finding {
	if len(warnings) == 0 {
		return pass(nil)
	}
	var reasons []string
	for _, w := range warnings {
		reasons = append(reasons, w.Code)
	}
	printed := id.String()
	return found(verdict.Warn, LicenceIDCheck, map[string]any{"warnings": reasons,
		"printed": printed[len(printed)-1:], "computed": string(id.ComputedCheck())})
}

// signedAt is when the issuer says it signed: the time for which its certificate is judged.
func (e *licence) signedAt() time.Time {
	if !e.payload.issuedAt.IsZero() {
		return e.payload.issuedAt
	}
	return e.Now
}

func (e *licence) issuerChain() finding {
	switch {
	case e.parseErr != nil:
		return skipped()
	case len(e.chain) == 0:
		return fail(LicenceNoChain, nil)
	}
	return finding{checks: issuerChain(e.trust, trust.LicenceIssuer, e.chain, e.signedAt(), e.Now).As("issuer", "")}
}

// issuerChain judges the certificate of who signed a credential or a status list.
func issuerChain(t Trust, p trust.Purpose, chain []*cert.Certificate, at, now time.Time) trust.Result {
	return t.Anchors.Validate(trust.Request{Leaf: chain[0], Others: chain[1:], Purpose: p, At: at,
		Now: now, KeyUsage: cert.DigitalSignature | cert.NonRepudiation, CRLs: t.CRLs})
}

// issuerIdentity holds three names of the issuer equal: the last part of iss, the certificate's organisation, and the
// issuer in the identifier, where it is disclosed.
func (e *licence) issuerIdentity() finding {
	if e.parseErr != nil || len(e.chain) == 0 {
		return skipped()
	}
	uscc, _, ok := cert.SplitOwner(e.chain[0].Subject.Organization)
	address := e.payload.issuer
	last := address[strings.LastIndexByte(address, '/')+1:]
	detail := map[string]any{"iss": address, "certificate": uscc}
	if !ok || last != uscc {
		return fail(LicenceIssuer, detail)
	}
	if e.identifier().result == verdict.Pass && e.id.Issuer != uscc {
		detail["identifier"] = e.id.Issuer
		return fail(LicenceIssuer, detail)
	}
	return pass(detail)
}

func (e *licence) authorised() finding {
	if e.parseErr != nil || len(e.chain) == 0 {
		return skipped()
	}
	if e.identifier().result != verdict.Pass {
		return skipped() // without the type nobody can say
	}
	if f := e.types(); f != nil {
		return *f
	}
	c := e.trust.List.CheckIssuer(e.chain[0], e.id.TypeCode, e.signedAt())
	c.ID = "issuer.authorised"
	return finding{checks: []verdict.Check{c}}
}

// typePrefix is that of the vct of licences: the licence type code and a version follow.
const typePrefix = "urn:cn:elicence:"

// types holds the three names of the type equal: in the identifier, for which the trust list speaks, in vct, and in the
// claim of its own where it is disclosed. An agency that may issue one type must not be able to give its credentials
// the vct of another's.
func (e *licence) types() *finding {
	detail := map[string]any{"identifier": e.id.TypeCode, "vct": e.content.Type}
	rest, ours := strings.CutPrefix(e.content.Type, typePrefix)
	code, _, _ := strings.Cut(rest, ":")
	claimed := e.id.TypeCode
	if _, disclosed := e.content.Claims[ClaimTypeCode]; disclosed {
		claimed = e.content.Text(ClaimTypeCode)
		detail["claim"] = claimed
	}
	switch {
	case ours && code != e.id.TypeCode, claimed != e.id.TypeCode:
		f := fail(LicenceTypeMismatch, detail)
		return &f
	case !ours: // what type of licence it stands for is not known here
		f := found(verdict.Unknown, LicenceTypeUnknown, detail)
		return &f
	}
	return nil
}

func (e *licence) checkSignature() finding {
	switch {
	case e.parseErr != nil || len(e.chain) == 0:
		return skipped()
	case e.signature != nil:
		return broken(LicenceSignature, e.signature)
	}
	return pass(map[string]any{"alg": string(key.ES256), "kid": e.parsed.Header.KeyID})
}

func (e *licence) disclosures() finding {
	switch {
	case e.parseErr != nil:
		return skipped()
	case e.openErr != nil:
		return broken(LicenceDisclosure, e.openErr)
	}
	return pass(map[string]any{"disclosed": e.content.Disclosed, "withheld": e.content.Withheld})
}

func (e *licence) validity() finding {
	if e.content == nil {
		return skipped()
	}
	err := e.content.CheckValidity(e.At, skew)
	detail := map[string]any{"at": e.At.UTC().Format(time.RFC3339)}
	var rule *sdjwt.Error
	switch {
	case e.signedAt().After(e.Now.Add(skew)):
		detail["iat"] = rfc3339(e.signedAt())
		return fail(LicenceNotYet, detail)
	case err == nil:
		return pass(detail)
	case errors.As(err, &rule) && rule.Code == sdjwt.NotYetValid:
		return fail(LicenceNotYet, detail)
	default:
		return fail(LicenceExpired, detail)
	}
}

// status looks the credential up in its status list. A credential whose signature does not hold is not looked up: what
// it points at is not the issuer's word (Token Status List, section 8.3).
//
// The list speaks for the time from its making on. Asked about an earlier time it says nothing, not even by "valid": a
// suspension that was lifted since leaves no trace in it. A status by other means than a list is not read here, which is
// not the same as having none.
func (e *licence) status() finding {
	switch {
	case e.content == nil || len(e.chain) == 0 || e.signature != nil:
		return skipped()
	case e.content.Status == nil && e.content.Claims["status"] != nil:
		return found(verdict.Skipped, LicenceStatus, map[string]any{"reason": "not a status list"})
	case e.content.Status == nil:
		return found(verdict.NotApplicable, LicenceNoStatus, nil)
	case e.trust.StatusList == nil:
		return found(verdict.Skipped, LicenceStatus, nil)
	}
	at := *e.content.Status
	detail := map[string]any{"uri": at.URI, "index": at.Index}
	compact, known, err := e.trust.StatusList(e.ctx, at.URI)
	if err != nil || !known {
		return found(verdict.Unknown, LicenceStatus, detail)
	}
	list, f := e.statusList(compact, at.URI, detail)
	if f != nil {
		return *f
	}
	value, err := list.Status(at.Index)
	if err != nil {
		return statusBroken(err, detail)
	}
	detail["value"], detail["listIssuedAt"] = int(value), rfc3339(list.IssuedAt)
	detail["ageSeconds"] = int(e.Now.Sub(list.IssuedAt).Seconds())
	code := map[statuslist.Status]string{statuslist.Invalid: LicenceRevoked, statuslist.Suspended: LicenceSuspended,
		statuslist.Superseded: LicenceSuperseded}[value]
	switch {
	case !e.At.Equal(e.Now) && e.At.Before(list.IssuedAt), value != statuslist.Valid && code == "",
		e.At.After(e.Now.Add(skew)) && value != statuslist.Invalid: // which alone is for good
		return found(verdict.Unknown, LicenceStatus, detail)
	case value == statuslist.Valid:
		return pass(detail)
	}
	return fail(code, detail)
}

// statusList verifies a Status List Token. Its signer is certified for lists, or for licences, and is of the same
// organisation.
func (e *licence) statusList(compact, uri string, detail map[string]any) (statuslist.Token, *finding) {
	refused := func(f finding) (statuslist.Token, *finding) { return statuslist.Token{}, &f }
	unverified, err := statuslist.Parse(compact, 0)
	if err != nil {
		return refused(statusBroken(err, detail))
	}
	var chain []*cert.Certificate
	for _, der := range unverified.X5C {
		c, err := cert.Parse(der)
		if err != nil || len(chain) == maxChain {
			return refused(found(verdict.Unknown, LicenceStatusList, detail))
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 || chain[0].Subject.Organization != e.chain[0].Subject.Organization {
		return refused(found(verdict.Unknown, LicenceStatusList, detail))
	}
	r := issuerChain(e.trust, trust.StatusList, chain, unverified.IssuedAt, e.Now)
	if r.Overall() != verdict.Valid { // an issuer's own key does as well, never the other way round
		r = issuerChain(e.trust, trust.LicenceIssuer, chain, unverified.IssuedAt, e.Now)
	}
	if r.Overall() != verdict.Valid {
		detail["chain"] = r.Codes()
		return refused(found(verdict.Unknown, LicenceStatusList, detail))
	}
	token, err := statuslist.Verify(compact, statuslist.Options{Key: chain[0].PublicKey, Algorithm: key.ES256, URI: uri,
		Now: e.Now, Skew: skew})
	if err != nil {
		return refused(statusBroken(err, detail))
	}
	if token.Expires.IsZero() && token.TTL == 0 && e.Now.Sub(token.IssuedAt) > maxListAge {
		detail["reason"] = string(statuslist.Stale)
		return refused(found(verdict.Unknown, LicenceStatusList, detail))
	}
	return token, nil
}

// statusBroken tells of a list that cannot be used. It is no proof against the licence.
func statusBroken(err error, detail map[string]any) finding {
	var rule *statuslist.Error
	if errors.As(err, &rule) {
		detail["reason"] = string(rule.Code)
	}
	return found(verdict.Unknown, LicenceStatusList, detail)
}

// holder judges the holder's proof. Whether it is needed is the caller's to say (RFC 9901, section 7.3): where none is
// demanded and none is there, there is nothing to check; where one is there and the caller did not say for whom and for
// which transaction it should have been made, it is left unchecked.
func (e *licence) holder() finding {
	switch {
	case e.content == nil:
		return skipped()
	case e.KeyBinding == nil && e.parsed.KeyBinding == "":
		return found(verdict.NotApplicable, LicenceNoKB, nil)
	case e.KeyBinding == nil:
		return found(verdict.Skipped, LicenceKBUnchecked, nil)
	}
	if err := e.parsed.CheckKeyBinding(e.content, *e.KeyBinding, e.Now, skew); err != nil {
		return broken(LicenceKB, err)
	}
	return pass(nil)
}

// expectations compares what is disclosed with what is expected; what is withheld is not what was expected.
func (e *licence) expectations() []verdict.Check {
	is := Expectation{TypeCode: e.id.TypeCode, Identifier: e.idText}
	if e.content != nil {
		is.Type, is.HolderName = e.content.Type, e.content.Text(ClaimHolder)
	}
	return Expected(e.Expect, is)
}

// Expected compares what a caller expects of a licence with what it is.
func Expected(want, is Expectation) []verdict.Check {
	var checks []verdict.Check
	for _, c := range []struct{ id, want, is string }{
		{"expectation.type", want.TypeCode, is.TypeCode}, {"expectation.vct", want.Type, is.Type},
		{"expectation.identifier", want.Identifier, is.Identifier}, {"expectation.holder", want.HolderName, is.HolderName},
	} {
		if c.want == "" {
			continue
		}
		check := verdict.Check{ID: c.id, Result: verdict.Pass, Text: both("与期望一致。", "It is what was expected.")}
		if c.want != c.is {
			check = verdict.Check{ID: c.id, Result: verdict.Fail, Code: LicenceExpectation}
			explain(&check)
		}
		checks = append(checks, check)
	}
	return checks
}

// facts is what the verdict tells of the licence: what was disclosed, the holder masked.
func (e *licence) facts() *verdict.Licence {
	if e.content == nil {
		return nil
	}
	mask := ident.MaskName // of people; organisations are public
	if e.content.Text(ClaimHolderType) == string(ident.USCCType) {
		mask = ident.MaskNone
	}
	l := &verdict.Licence{Identifier: e.idText, Name: e.content.Text(ClaimName),
		Holder: ident.Mask(mask, e.content.Text(ClaimHolder)), ValidFrom: e.content.Text(ClaimValidFrom), ValidTo: e.content.Text(ClaimValidTo)}
	if e.idErr == nil && e.idText != "" {
		l.TypeCode, l.IssuerCode = e.id.TypeCode, e.id.Issuer
	}
	if len(e.chain) > 0 {
		_, l.Issuer, _ = cert.SplitOwner(e.chain[0].Subject.Organization)
	}
	return l
}

// claimsOf reads the issuer and the time of signing from a JWT whose form was checked by its parser.
func claimsOf(compact string) (c issuerClaims) {
	_, payload, err := jose.Parse(compact)
	if err != nil {
		return issuerClaims{}
	}
	// By name exactly: encoding/json would take "ISS" for the member iss of a struct. What is of another type leaves a
	// zero value, which no later row takes for good.
	var members map[string]json.RawMessage
	var seconds float64
	if json.Unmarshal(payload, &members) != nil {
		return issuerClaims{}
	}
	_ = json.Unmarshal(members["iss"], &c.issuer)
	if json.Unmarshal(members["iat"], &seconds) == nil && seconds >= 1 && seconds < 253402300800 { // the year 10000
		c.issuedAt = time.Unix(int64(seconds), 0).UTC()
	}
	return c
}
