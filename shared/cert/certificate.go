// Package cert reads and makes X.509 certificates (RFC 5280; GB/T 20518-2018 for SM2), certificate requests
// (RFC 2986) and revocation lists, with SM2 and with the algorithms of the rest of the world.
//
//	DER ── Parse ── Certificate ── SignedBy(issuer) ── shared/trust builds the chain and judges it
//	Template + key.Signer ── Create, CreateCSR, CreateCRL ── checked ── DER
//
// Certificates in circulation break the rules that a strict parser keeps: a mail address that is no IA5String, an
// alternative name that is none. Parse reads what decides (names, key, validity, usage, constraints) from such a
// certificate as well and says in Tolerances what it overlooked. It never overlooks a length, a time, a key or a
// constraint that it cannot read. See TestParseReadsACertificateThatAStrictParserRefuses.
//
// It does not build chains or judge them (shared/trust), it fetches nothing that a certificate points to, and it
// does not process name constraints and policies: where they are critical, they are listed as unhandled.
package cert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync/atomic"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// The bounds of [Parse]. Certificates of seals have 1 to 2 KiB.
const (
	MaxSize        = 64 << 10 // bytes of a certificate or request
	maxExtensions  = 64
	maxAttributes  = 64   // of a name
	maxSerialBytes = 64   // RFC 5280 allows 20; some authorities use more
	maxRSABits     = 8192 // a larger modulus only makes verification slow
	maxListed      = 64   // names, usages and addresses that an extension lists
)

// ErrMalformed is wrapped by every error of the parsers of this package.
var ErrMalformed = errors.New("cert: malformed")

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// Certificate is a parsed certificate. Byte slices refer to Raw; none of it is to be changed.
type Certificate struct {
	Raw       []byte // the whole certificate, DER
	TBSRaw    []byte // TBSCertificate: what is signed
	Signature []byte // of SM2 and ECDSA: DER SEQUENCE{r, s}
	SigAlg    SignatureAlgorithm

	Serial    *big.Int
	Subject   Name
	Issuer    Name
	NotBefore time.Time
	NotAfter  time.Time // inclusive, as RFC 5280, section 4.1.2.5, has it

	SPKI      []byte           // SubjectPublicKeyInfo, DER
	PublicKey crypto.PublicKey // *ecdsa.PublicKey (also SM2), *rsa.PublicKey or ed25519.PublicKey

	KeyUsage         KeyUsage // zero where the certificate does not restrict it
	ExtKeyUsage      []asn1.ObjectIdentifier
	BasicConstraints bool // whether the extension is there
	IsCA             bool
	MaxPathLen       int // -1 where there is no limit

	SubjectKeyID   []byte
	AuthorityKeyID []byte
	DNSNames       []string
	// CRLDistributionPoints are told for the operator. Nothing here ever fetches them: they are often private addresses.
	CRLDistributionPoints []string
	// UnhandledCritical are the critical extensions that this package does not process; a chain with one is refused.
	UnhandledCritical []asn1.ObjectIdentifier
	// Tolerances say what a strict parser refuses in this certificate; empty for one that keeps the rules.
	Tolerances []string

	signer signer
}

// KeyUsage is a set of the purposes of RFC 5280, section 4.2.1.3.
type KeyUsage uint16

// The key usages.
const (
	DigitalSignature KeyUsage = 1 << iota
	NonRepudiation            // contentCommitment
	KeyEncipherment
	DataEncipherment
	KeyAgreement
	CertSign
	CRLSign
	EncipherOnly
	DecipherOnly
)

// The extended key usages of RFC 5280, section 4.2.1.12, that this project writes or asks for.
var (
	ServerAuth   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	TimeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
)

// SignatureAlgorithm is how a certificate or list is signed. The zero value is an algorithm that this package does
// not know, or one that is broken; no signature of it is ever good.
type SignatureAlgorithm string

// The signature algorithms that this package verifies. MD5, SHA-1 and RSASSA-PSS are not among them.
const (
	SM2SM3      SignatureAlgorithm = "SM2-SM3"
	ECDSASHA256 SignatureAlgorithm = "ECDSA-SHA256"
	ECDSASHA384 SignatureAlgorithm = "ECDSA-SHA384"
	RSASHA256   SignatureAlgorithm = "RSA-SHA256"
	RSASHA384   SignatureAlgorithm = "RSA-SHA384"
	RSASHA512   SignatureAlgorithm = "RSA-SHA512"
	Ed25519     SignatureAlgorithm = "Ed25519"
)

// Equal tells whether both are the same bytes.
func (c *Certificate) Equal(other *Certificate) bool { return bytes.Equal(c.Raw, other.Raw) }

// SelfIssued tells whether subject and issuer are the same name, as in a root.
func (c *Certificate) SelfIssued() bool { return bytes.Equal(c.Subject.Raw, c.Issuer.Raw) }

// ValidAt tells whether t lies in the validity.
func (c *Certificate) ValidAt(t time.Time) bool {
	return !t.Before(c.NotBefore) && !t.After(c.NotAfter)
}

// Allows tells whether the certificate's key may be used for all of usage: so it is where the extension is absent.
func (c *Certificate) Allows(usage KeyUsage) bool {
	return c.KeyUsage == 0 || c.KeyUsage&usage == usage
}

// AllowsExtended tells whether the extended key usages name usage, or name none.
func (c *Certificate) AllowsExtended(usage asn1.ObjectIdentifier) bool {
	return len(c.ExtKeyUsage) == 0 || slices.ContainsFunc(c.ExtKeyUsage, usage.Equal)
}

// SignedBy tells whether the issuer's key signed c. It looks at nothing else. The key is remembered, so that an
// authority's certificate that is kept is verified once.
func (c *Certificate) SignedBy(issuer *Certificate) bool {
	return c.signer.is(issuer, c.SigAlg, c.TBSRaw, c.Signature)
}

// signer remembers the key that was found to have signed something; that nobody did is not remembered.
type signer struct{ spki atomic.Pointer[[]byte] }

func (s *signer) is(issuer *Certificate, alg SignatureAlgorithm, message, signature []byte) bool {
	if known := s.spki.Load(); known != nil && bytes.Equal(*known, issuer.SPKI) {
		return true
	}
	if !alg.verify(issuer.PublicKey, message, signature) {
		return false
	}
	s.spki.Store(&issuer.SPKI)
	return true
}

// KeyAlgorithm is the algorithm of the house that signatures of the certified key are checked with; false for a key
// that the house has none for. RSA keys sign documents in several ways: theirs is for the caller to choose.
func (c *Certificate) KeyAlgorithm() (key.Algorithm, bool) { return keyAlgorithm(c.PublicKey) }

// Verify tells whether signature is that of message by the certified key, in the algorithm of
// [Certificate.KeyAlgorithm].
func (c *Certificate) Verify(message, signature []byte) bool {
	alg, ok := c.KeyAlgorithm()
	return ok && key.Verify(alg, c.PublicKey, message, signature)
}

func keyAlgorithm(pub crypto.PublicKey) (key.Algorithm, bool) {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		if sm.IsKey(pub) {
			return key.SM2SM3, true
		}
		return key.ES256, pub.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return key.EdDSA, true
	default:
		return "", false
	}
}

// The object identifiers of signature algorithms: GM/T 0006, RFC 5758, RFC 4055 and RFC 8410.
var signatureOIDs = []struct {
	oid asn1.ObjectIdentifier
	alg SignatureAlgorithm
}{
	{sm.OIDSM2WithSM3, SM2SM3},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, ECDSASHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, ECDSASHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, RSASHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, RSASHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, RSASHA512},
	{asn1.ObjectIdentifier{1, 3, 101, 112}, Ed25519},
}

// verify tells whether signature is that of message under pub in this algorithm.
func (a SignatureAlgorithm) verify(pub crypto.PublicKey, message, signature []byte) bool {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		switch {
		case a == SM2SM3:
			return sm.Verify(pub, message, signature)
		case sm.IsKey(pub):
			return false
		case a == ECDSASHA256:
			sum := sha256.Sum256(message)
			return ecdsa.VerifyASN1(pub, sum[:], signature)
		case a == ECDSASHA384:
			sum := sha512.Sum384(message)
			return ecdsa.VerifyASN1(pub, sum[:], signature)
		}
	case *rsa.PublicKey:
		switch a {
		case RSASHA256:
			sum := sha256.Sum256(message)
			return rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], signature) == nil
		case RSASHA384:
			sum := sha512.Sum384(message)
			return rsa.VerifyPKCS1v15(pub, crypto.SHA384, sum[:], signature) == nil
		case RSASHA512:
			sum := sha512.Sum512(message)
			return rsa.VerifyPKCS1v15(pub, crypto.SHA512, sum[:], signature) == nil
		}
	case ed25519.PublicKey:
		return a == Ed25519 && ed25519.Verify(pub, message, signature)
	}
	return false
}
