// Package trust judges certificates: from a leaf to an anchor that the operator trusts for one purpose, at one time,
// with the revocation lists at hand.
//
//	leaf + certificates at hand ── chains that signatures bear out ── each judged ── the best one's checks:
//	     anchors of the purpose ──┘                                 chain, algorithm, validity, key usage, revocation
//
// The time T is that of the signature in question: validity and revocation are judged at T, the algorithms and the
// freshness of lists now (EN 319 102-1, section 5; the signing-time rules are those of GB/T 38540-2020, section 7.3,
// and GM/T 0031-2014, section 6.2.3). Purposes are kept apart by the issuing authority: an anchor names those that may
// certify for its purpose, so that a seal owner's certificate is nobody's maker certificate.
//
// It never fetches anything: certificates and lists are fed by the operator, since the addresses in certificates are
// often private and whoever made the document chose them. It has no OCSP and processes no name constraints.
package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/sm"
	"github.com/yinxin/yinxin/shared/verdict"
)

// Purpose says what an anchor is trusted for.
type Purpose string

// The purposes.
const (
	SealMaker     Purpose = "seal-maker"     // makers of seals (制章人): SM2
	SealOwner     Purpose = "seal-owner"     // who stamps (签章人): SM2
	Document      Purpose = "document"       // compatibility signatures in PDF: P-256, and RSA of others
	LicenceIssuer Purpose = "licence-issuer" // agencies that issue licences; they may sign their status lists as well
	StatusList    Purpose = "status-list"    // status lists alone: whoever keeps them up to date can make no licence
	Platform      Purpose = "platform"       // the platform's own: receipts, trust lists, https
)

// Purposes are all purposes, in the order in which they are shown.
func Purposes() []Purpose {
	return []Purpose{SealMaker, SealOwner, Document, LicenceIssuer, StatusList, Platform}
}

// Anchor is a certificate that is trusted for a purpose without being certified by another.
type Anchor struct {
	Purpose Purpose
	Root    *cert.Certificate
	// Issuers are the authorities under Root that certify leaves of the purpose; they are at hand for building chains.
	// Where there are none, any authority under Root may.
	Issuers []*cert.Certificate
}

// Anchors is a set of anchors.
type Anchors []Anchor

// The codes of what is wrong with a chain, after EN 319 102-1, section 5.1.3, where it has a name for it.
const (
	NoChain              = "NO_CERTIFICATE_CHAIN_FOUND"
	ChainConstraints     = "CHAIN_CONSTRAINTS_FAILURE"
	AlgorithmNotAllowed  = "ALGORITHM_NOT_ALLOWED"
	ExpiredAtSigning     = "CERT_EXPIRED_AT_SIGNING" // or not yet valid
	KeyUsageWrong        = "KEY_USAGE_WRONG"
	RevokedBeforeSigning = "REVOKED_BEFORE_SIGNING"
	RevokedAfterSigning  = "REVOKED_AFTER_SIGNING"
	RevokedNoProof       = "REVOKED_NO_POE" // key compromised, and only the signer says that it signed before
	RevocationUnknown    = "REVOCATION_UNKNOWN"
	MakerNotTrusted      = "MAKER_NOT_TRUSTED"
	IssuerNotTrusted     = "ISSUER_NOT_TRUSTED"
)

// The identifiers of the checks that a [Result] has, each exactly once and in this order.
const (
	CheckChain      = "chain"
	CheckAlgorithm  = "algorithm"
	CheckValidity   = "validity"
	CheckKeyUsage   = "key_usage"
	CheckRevocation = "revocation"
)

// Request asks whether a certificate was good for a purpose at a time.
type Request struct {
	Leaf    *cert.Certificate
	Others  []*cert.Certificate // certificates that came along, in any order; none is trusted for that
	Purpose Purpose
	At      time.Time // T, the time of the signature
	// AtProven says that another than the signer vouches for At: a timestamp, or the platform's own log.
	AtProven    bool
	Now         time.Time
	KeyUsage    cert.KeyUsage         // the leaf's usage must allow one of these; zero asks for none
	ExtKeyUsage asn1.ObjectIdentifier // the leaf must allow it; nil asks for none
	CRLs        []*cert.CRL           // lists at hand, of any issuer
	// NoRevocation leaves revocation out: the check is then skipped, which never allows the verdict "valid".
	NoRevocation bool
}

// Result is the outcome. Checks are ready for a verdict; Chain is the chain they speak of, leaf first, anchor last.
type Result struct {
	Chain  []*cert.Certificate // empty where none was found
	Checks []verdict.Check
}

// Overall aggregates the checks.
func (r Result) Overall() verdict.Overall { return verdict.Aggregate(r.Checks) }

// Codes returns the codes of the checks that are neither passed nor merely remarked on, in order.
func (r Result) Codes() []string {
	var codes []string
	for _, c := range r.Checks {
		if c.Result != verdict.Pass && c.Result != verdict.Warn {
			codes = append(codes, c.Code)
		}
	}
	return codes
}

// As returns the checks with prefix and a dot before each ID, about subject: "maker.chain" of signature "s1".
func (r Result) As(prefix, subject string) []verdict.Check {
	checks := make([]verdict.Check, len(r.Checks))
	for i, c := range r.Checks {
		c.ID, c.Subject = prefix+"."+c.ID, subject
		checks[i] = c
	}
	return checks
}

// Validate judges r.Leaf. Of several chains it tells about the one with the best outcome.
func (a Anchors) Validate(r Request) Result {
	var best Result
	for i, chain := range a.chains(r) {
		if result := judge(r, chain); i == 0 || rank(result) > rank(best) {
			best = result
		}
	}
	if best.Chain == nil {
		return noChain(r)
	}
	return best
}

func rank(r Result) int {
	switch r.Overall() {
	case verdict.Valid:
		return 2
	case verdict.Indeterminate:
		return 1
	default:
		return 0
	}
}

// The bounds of building chains, for each anchor. A document may bring certificates that lead in circles or fan out;
// the anchor's own issuers are tried before them, so that none of them can use up what a good chain needs.
const (
	maxDepth      = 6  // certificates of a chain, leaf and anchor included
	maxOthers     = 32 // certificates that came along and are looked at
	maxSignatures = 48 // signatures that are tried
	maxChains     = 4
)

// chains returns the chains that names and signatures bear out, from the leaf to an anchor of the purpose.
func (a Anchors) chains(r Request) [][]*cert.Certificate {
	var found [][]*cert.Certificate
	for _, anchor := range a {
		if anchor.Purpose != r.Purpose {
			continue
		}
		s := search{anchor: anchor, tries: maxSignatures}
		for _, c := range slices.Concat(anchor.Issuers, r.Others[:min(len(r.Others), maxOthers)]) {
			if !c.Equal(anchor.Root) && !slices.ContainsFunc(s.others, c.Equal) {
				s.others = append(s.others, c)
			}
		}
		s.extend([]*cert.Certificate{r.Leaf})
		found = append(found, s.found...)
	}
	return found
}

type search struct {
	anchor Anchor
	others []*cert.Certificate
	tries  int
	found  [][]*cert.Certificate
}

func (s *search) extend(chain []*cert.Certificate) {
	last := chain[len(chain)-1]
	switch {
	case last.Equal(s.anchor.Root), len(chain) == 2 && !s.mayCertify(last):
		return
	case (len(chain) > 1 || s.mayCertify(s.anchor.Root)) && s.signed(last, s.anchor.Root):
		s.found = append(s.found, append(chain[:len(chain):len(chain)], s.anchor.Root))
	}
	if len(chain) >= maxDepth-1 {
		return
	}
	for _, next := range s.others {
		if len(s.found) < maxChains && !inChain(chain, next) && s.signed(last, next) {
			s.extend(append(chain[:len(chain):len(chain)], next))
		}
	}
}

// mayCertify tells whether issuer is one of those that certify leaves for the purpose.
func (s *search) mayCertify(issuer *cert.Certificate) bool {
	return len(s.anchor.Issuers) == 0 || slices.ContainsFunc(s.anchor.Issuers, issuer.Equal)
}

// signed tells whether issuer's name, key identifier and key are those of the issuer of c.
func (s *search) signed(c, issuer *cert.Certificate) bool {
	if !bytes.Equal(c.Issuer.Raw, issuer.Subject.Raw) || len(c.AuthorityKeyID) > 0 && len(issuer.SubjectKeyID) > 0 &&
		!bytes.Equal(c.AuthorityKeyID, issuer.SubjectKeyID) {
		return false
	}
	if s.tries == 0 {
		return false
	}
	s.tries--
	return c.SignedBy(issuer)
}

func inChain(chain []*cert.Certificate, c *cert.Certificate) bool {
	for _, known := range chain {
		if known.Equal(c) || bytes.Equal(known.Subject.Raw, c.Subject.Raw) && bytes.Equal(known.SPKI, c.SPKI) {
			return true
		}
	}
	return false
}

// judge runs the checks over one chain.
func judge(r Request, chain []*cert.Certificate) Result {
	return Result{Chain: chain, Checks: []verdict.Check{
		checkConstraints(chain),
		checkAlgorithms(chain),
		checkValidity(chain, r.At),
		checkKeyUsage(r),
		checkRevocation(r, chain),
	}}
}

// noChain is the result where no chain was found: what can be said of the leaf alone is said.
func noChain(r Request) Result {
	leaf := []*cert.Certificate{r.Leaf}
	return Result{Checks: []verdict.Check{
		check(CheckChain, verdict.Fail, NoChain, r.Leaf,
			"找不到从该证书到受信任根的证书链。", "No chain of certificates leads to an authority trusted for this purpose."),
		checkAlgorithms(leaf),
		checkValidity(leaf, r.At),
		checkKeyUsage(r),
		check(CheckRevocation, verdict.Unknown, RevocationUnknown, r.Leaf,
			"没有证书链,无法判断是否吊销。", "Without a chain, revocation cannot be told."),
	}}
}

// checkConstraints keeps RFC 5280, section 6.1.4 (k) to (n): each issuer is an authority that may sign certificates
// and stands no farther from the leaf than it may; no certificate has a critical extension that is not understood.
func checkConstraints(chain []*cert.Certificate) verdict.Check {
	fail := func(c *cert.Certificate, zh, en string) verdict.Check {
		return check(CheckChain, verdict.Fail, ChainConstraints, c, zh, en)
	}
	for i, c := range chain {
		below := 0 // authorities between c and the leaf, those that merely renewed their key not counted
		for _, under := range chain[min(1, i):i] {
			if !under.SelfIssued() {
				below++
			}
		}
		switch {
		case len(c.UnhandledCritical) > 0:
			return fail(c, "证书含有无法理解的关键扩展 "+c.UnhandledCritical[0].String()+"。",
				"The certificate has a critical extension that is not understood: "+c.UnhandledCritical[0].String()+".")
		case i == 0:
		case !c.IsCA:
			return fail(c, "签发者不是证书认证机构。", "The issuer is no certificate authority.")
		case !c.Allows(cert.CertSign):
			return fail(c, "签发者的密钥用途不允许签发证书。", "The issuer's key usage does not allow signing certificates.")
		case c.MaxPathLen >= 0 && below > c.MaxPathLen:
			return fail(c, "证书链长于签发者所允许的。", "The chain is longer than the issuer allows.")
		}
	}
	return check(CheckChain, verdict.Pass, "", chain[len(chain)-1],
		"证书链可追溯至受信任根。", "The chain leads to an authority trusted for this purpose.")
}

// checkAlgorithms asks of every key and signature of the chain what is allowed today; the anchor's own signature is
// nobody's proof and not asked about.
func checkAlgorithms(chain []*cert.Certificate) verdict.Check {
	for i, c := range chain {
		anchor := i > 0 && i == len(chain)-1
		if !allowedKey(c) || c.SigAlg == "" && !anchor {
			return check(CheckAlgorithm, verdict.Fail, AlgorithmNotAllowed, c,
				"证书的密钥或签名算法不被允许。", "The certificate's key or signature algorithm is not allowed.")
		}
	}
	return check(CheckAlgorithm, verdict.Pass, "", chain[0], "证书的算法符合要求。", "The algorithms of the chain are allowed.")
}

func allowedKey(c *cert.Certificate) bool {
	switch pub := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return sm.IsKey(pub) || pub.Curve == elliptic.P256() || pub.Curve == elliptic.P384()
	case *rsa.PublicKey:
		return pub.N.BitLen() >= 2048
	default: // Ed25519: the parser knows no other
		return true
	}
}

func checkValidity(chain []*cert.Certificate, at time.Time) verdict.Check {
	for _, c := range chain {
		if !c.ValidAt(at) {
			v := check(CheckValidity, verdict.Fail, ExpiredAtSigning, c,
				"签名时证书不在有效期内。", "The certificate was not valid when the signature was made.")
			v.Detail["notBefore"], v.Detail["notAfter"] = stamp(c.NotBefore), stamp(c.NotAfter)
			v.Detail["at"] = stamp(at)
			return v
		}
	}
	return check(CheckValidity, verdict.Pass, "", chain[0],
		"签名时各证书均在有效期内。", "All certificates were valid when the signature was made.")
}

func checkKeyUsage(r Request) verdict.Check {
	switch {
	case r.KeyUsage != 0 && r.Leaf.KeyUsage != 0 && r.Leaf.KeyUsage&r.KeyUsage == 0,
		r.ExtKeyUsage != nil && !r.Leaf.AllowsExtended(r.ExtKeyUsage),
		r.ExtKeyUsage == nil && r.Purpose != Platform && forServers(r.Leaf):
		return check(CheckKeyUsage, verdict.Fail, KeyUsageWrong, r.Leaf,
			"证书的密钥用途不允许此类签名。", "The certificate's key usage does not allow this kind of signature.")
	default:
		return check(CheckKeyUsage, verdict.Pass, "", r.Leaf, "密钥用途符合要求。", "The key usage allows this kind of signature.")
	}
}

// forServers tells whether the extended key usages name duties of servers and of software publishers, and no other but
// that of their clients: a certificate with them must be used for nothing else (RFC 5280, section 4.2.1.12). Certificates
// of persons and organisations often name clientAuth alone, and sign documents.
func forServers(c *cert.Certificate) bool {
	of := false
	for _, usage := range c.ExtKeyUsage {
		switch usage.String() {
		case "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9":
			of = true // serverAuth, codeSigning, timeStamping, OCSPSigning
		case "1.3.6.1.5.5.7.3.2": // clientAuth
		default:
			return false
		}
	}
	return of
}

func check(id string, result verdict.Result, code string, c *cert.Certificate, zh, en string) verdict.Check {
	return verdict.Check{
		ID: id, Result: result, Code: code,
		Detail: map[string]any{"certificate": c.Subject.String(), "serial": fmt.Sprintf("%x", c.Serial)},
		Text:   verdict.Text{ZH: zh, EN: en},
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
