package cert

import (
	"bytes"
	"context"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/key"
)

// MaxCRLSize is the bound of [ParseCRL] in bytes: several hundred thousand revocations.
const MaxCRLSize = 16 << 20

// Reason is why a certificate was revoked (CRLReason, RFC 5280, section 5.3.1).
type Reason int

// The reasons.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	RemoveFromCRL        Reason = 8
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

// Compromised tells whether the reason says that another than the owner may have signed.
func (r Reason) Compromised() bool {
	return r == KeyCompromise || r == CACompromise || r == AACompromise
}

// Revocation is one entry of a list.
type Revocation struct {
	Serial *big.Int
	At     time.Time
	Reason Reason
	// InvalidityDate is since when the key is known or suspected to be compromised, or zero.
	InvalidityDate time.Time
}

// CRL is a parsed certificate revocation list (RFC 5280, section 5).
type CRL struct {
	Raw        []byte
	TBSRaw     []byte
	Signature  []byte
	SigAlg     SignatureAlgorithm
	Issuer     Name
	ThisUpdate time.Time
	NextUpdate time.Time // zero where the list does not say
	Number     *big.Int  // nil where the list does not say

	AuthorityKeyID []byte
	// KeepsExpiredSince says that certificates which expired since then stay on the list (expiredCertsOnCRL); where
	// it is zero, a certificate may have left the list after it expired.
	KeepsExpiredSince time.Time
	Revoked           []Revocation
	// UnhandledCritical are critical extensions that change what the list means, such as those of partial lists and
	// of differences. A list with one says nothing to us.
	UnhandledCritical []asn1.ObjectIdentifier

	bySerial map[string]int
	signer   signer
}

// SignedBy tells whether the issuer's key signed the list. It looks at nothing else. The key is remembered, so that a
// list that is kept is verified once.
func (l *CRL) SignedBy(issuer *Certificate) bool {
	return l.signer.is(issuer, l.SigAlg, l.TBSRaw, l.Signature)
}

// Find returns the entry of a serial number; where there are several, the earliest.
func (l *CRL) Find(serial *big.Int) (Revocation, bool) {
	i, ok := l.bySerial[serialKey(serial)]
	if !ok {
		return Revocation{}, false
	}
	return l.Revoked[i], true
}

// CRLTemplate says what a new list holds.
type CRLTemplate struct {
	Number            *big.Int // grows from list to list
	ThisUpdate        time.Time
	NextUpdate        time.Time
	KeepsExpiredSince time.Time // zero to leave the extension off
	Revoked           []Revocation
}

// CreateCRL makes a list signed by the issuer's key.
func CreateCRL(ctx context.Context, t CRLTemplate, issuer *Certificate, issuerKey key.Signer) ([]byte, error) {
	algorithm, err := signatureAlgorithm(issuerKey)
	if err != nil {
		return nil, err
	}
	if t.Number == nil || t.Number.Sign() < 0 || !t.NextUpdate.After(t.ThisUpdate) {
		return nil, fmt.Errorf("cert: a revocation list has a number and ends after it begins")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddBytes(algorithm)
		b.AddBytes(issuer.Subject.Raw)
		addTime(b, t.ThisUpdate)
		addTime(b, t.NextUpdate)
		if len(t.Revoked) > 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, r := range t.Revoked {
					addRevocation(b, r)
				}
			})
		}
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addAuthorityKeyID(b, issuer.SubjectKeyID)
				addExtension(b, oidCRLNumber, false, func(b *cryptobyte.Builder) { b.AddASN1BigInt(t.Number) })
				if !t.KeepsExpiredSince.IsZero() {
					since := t.KeepsExpiredSince.UTC().Truncate(time.Second)
					addExtension(b, oidExpiredOnCRL, false, func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(since) })
				}
			})
		})
	})
	der, err := sign(ctx, &b, algorithm, issuerKey)
	if err != nil {
		return nil, err
	}
	made, err := ParseCRL(der)
	if err != nil {
		return nil, fmt.Errorf("reading the list that was made: %w", err)
	}
	if !made.SignedBy(issuer) {
		return nil, fmt.Errorf("cert: key %s is not that of %s", issuerKey.KeyID(), issuer.Subject)
	}
	return der, nil
}

func addRevocation(b *cryptobyte.Builder, r Revocation) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(r.Serial)
		addTime(b, r.At)
		if r.Reason == Unspecified && r.InvalidityDate.IsZero() {
			return
		}
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if r.Reason != Unspecified {
				addExtension(b, oidReason, false, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(r.Reason)) })
			}
			if !r.InvalidityDate.IsZero() {
				since := r.InvalidityDate.UTC().Truncate(time.Second)
				addExtension(b, oidInvalidityDate, false, func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(since) })
			}
		})
	})
}

// ParseCRL reads one DER list with nothing behind it. It does not verify the signature.
func ParseCRL(der []byte) (*CRL, error) {
	if len(der) > MaxCRLSize {
		return nil, malformed("revocation list larger than 16 MiB")
	}
	s, err := parseSigned(der)
	if err != nil {
		return nil, err
	}
	l := &CRL{Raw: der, TBSRaw: s.tbs, Signature: s.signature, SigAlg: s.algorithm, bySerial: map[string]int{}}
	var tbs, algorithm, issuer, revoked, extensions cryptobyte.String
	input := s.tbs
	if !input.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return nil, malformed("TBSCertList")
	}
	version := 0 // absent in the first version, which has no extensions
	if tbs.PeekASN1Tag(cbasn1.INTEGER) && (!tbs.ReadASN1Integer(&version) || version != 1) {
		return nil, malformed("version of a revocation list")
	}
	if !tbs.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || !bytes.Equal(algorithm, s.algorithmRaw) {
		return nil, malformed("inner and outer signature algorithm differ")
	}
	if !tbs.ReadASN1Element(&issuer, cbasn1.SEQUENCE) || !readTime(&tbs, &l.ThisUpdate) {
		return nil, malformed("TBSCertList")
	}
	if l.Issuer, err = parseName(issuer); err != nil {
		return nil, err
	}
	if (tbs.PeekASN1Tag(cbasn1.UTCTime) || tbs.PeekASN1Tag(cbasn1.GeneralizedTime)) && !readTime(&tbs, &l.NextUpdate) {
		return nil, malformed("next update")
	}
	var hasRevoked, hasExtensions bool
	if !tbs.ReadOptionalASN1(&revoked, &hasRevoked, cbasn1.SEQUENCE) ||
		!tbs.ReadOptionalASN1(&extensions, &hasExtensions, explicit(0)) || !tbs.Empty() || hasExtensions && version != 1 {
		return nil, malformed("TBSCertList")
	}
	for !revoked.Empty() {
		if err := l.parseRevocation(&revoked); err != nil {
			return nil, err
		}
	}
	if hasExtensions {
		err = parseExtensions(extensions, l.extension)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *CRL) parseRevocation(list *cryptobyte.String) error {
	var entry cryptobyte.String
	r := Revocation{Serial: new(big.Int)}
	if !list.ReadASN1(&entry, cbasn1.SEQUENCE) || !entry.ReadASN1Integer(r.Serial) ||
		r.Serial.BitLen() > maxSerialBytes*8 || !readTime(&entry, &r.At) {
		return malformed("entry of a revocation list")
	}
	if !entry.Empty() {
		err := parseExtensions(entry, func(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
			ok := true
			switch {
			case oid.Equal(oidReason):
				ok = value.ReadASN1Enum((*int)(&r.Reason)) && value.Empty()
			case oid.Equal(oidInvalidityDate):
				ok = value.ReadASN1GeneralizedTime(&r.InvalidityDate) && value.Empty()
			case critical: // such as certificateIssuer, by which an entry is another authority's
				l.UnhandledCritical = append(l.UnhandledCritical, oid)
			}
			if !ok {
				return malformed("extension " + oid.String() + " of an entry")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if earlier, twice := l.Find(r.Serial); !twice || r.At.Before(earlier.At) {
		l.bySerial[serialKey(r.Serial)] = len(l.Revoked)
	}
	l.Revoked = append(l.Revoked, r)
	return nil
}

// serialKey tells serial numbers apart, also negative ones, without the cost of decimal digits.
func serialKey(n *big.Int) string {
	if n.Sign() < 0 {
		return "-" + string(n.Bytes())
	}
	return "+" + string(n.Bytes())
}

func (l *CRL) extension(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
	ok := true
	switch {
	case oid.Equal(oidCRLNumber):
		l.Number = new(big.Int)
		ok = value.ReadASN1Integer(l.Number) && value.Empty()
	case oid.Equal(oidAuthorityKeyID):
		l.AuthorityKeyID, ok = readAuthorityKeyID(value)
	case oid.Equal(oidExpiredOnCRL):
		ok = value.ReadASN1GeneralizedTime(&l.KeepsExpiredSince) && value.Empty()
	case critical:
		l.UnhandledCritical = append(l.UnhandledCritical, oid)
	}
	if !ok {
		return malformed("extension " + oid.String())
	}
	return nil
}
