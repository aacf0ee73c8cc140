package cert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/sm"
)

// The object identifiers of extensions, RFC 5280, sections 4.2 and 5.2.
var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidCRLNumber        = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReason           = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidityDate   = asn1.ObjectIdentifier{2, 5, 29, 24}
	oidCRLPoints        = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidPolicies         = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidExpiredOnCRL     = asn1.ObjectIdentifier{2, 5, 29, 60} // expiredCertsOnCRL, X.509
)

func implicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }
func explicit(n uint8) cbasn1.Tag { return implicit(n).Constructed() }

// Parse reads one DER certificate with nothing behind it. Tolerances has an entry where a strict parser refuses it.
func Parse(der []byte) (*Certificate, error) {
	if len(der) > MaxSize {
		return nil, malformed("certificate larger than 64 KiB")
	}
	envelope, err := parseSigned(der)
	if err != nil {
		return nil, err
	}
	c := &Certificate{
		Raw: der, TBSRaw: envelope.tbs, Signature: envelope.signature, SigAlg: envelope.algorithm, MaxPathLen: -1,
	}
	if err := c.parseTBS(envelope); err != nil {
		return nil, err
	}
	if _, err := sm.ParseCertificate(der); err != nil {
		c.Tolerances = append(c.Tolerances, err.Error())
	}
	return c, nil
}

// signed is what certificate, request and list have in common: SEQUENCE{tbs, AlgorithmIdentifier, BIT STRING}.
type signed struct {
	tbs          cryptobyte.String // with tag and length
	algorithm    SignatureAlgorithm
	algorithmRaw cryptobyte.String
	signature    []byte
}

func parseSigned(der []byte) (signed, error) {
	var s signed
	var body cryptobyte.String
	input := cryptobyte.String(der)
	if !input.ReadASN1(&body, cbasn1.SEQUENCE) || !input.Empty() ||
		!body.ReadASN1Element(&s.tbs, cbasn1.SEQUENCE) ||
		!body.ReadASN1Element(&s.algorithmRaw, cbasn1.SEQUENCE) ||
		!body.ReadASN1BitStringAsBytes(&s.signature) || !body.Empty() {
		return signed{}, malformed("not SEQUENCE{to be signed, algorithm, signature}")
	}
	var err error
	s.algorithm, err = parseSignatureAlgorithm(s.algorithmRaw)
	return s, err
}

// parseSignatureAlgorithm reads AlgorithmIdentifier. Unknown identifiers and parameters other than none or NULL give
// the zero algorithm.
func parseSignatureAlgorithm(raw cryptobyte.String) (SignatureAlgorithm, error) {
	var body cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !raw.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&oid) {
		return "", malformed("signature algorithm")
	}
	if !body.Empty() && !bytes.Equal(body, asn1.NullBytes) {
		return "", nil
	}
	for _, a := range signatureOIDs {
		if oid.Equal(a.oid) {
			return a.alg, nil
		}
	}
	return "", nil
}

// parseTBS reads TBSCertificate, field by field in the order of RFC 5280, section 4.1.
func (c *Certificate) parseTBS(s signed) error {
	var tbs, algorithm, issuer, validity, subject, spki cryptobyte.String
	input := s.tbs
	if !input.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return malformed("TBSCertificate")
	}
	var version int
	if !tbs.ReadOptionalASN1Integer(&version, explicit(0), 0) || version < 0 || version > 2 {
		return malformed("version")
	}
	c.Serial = new(big.Int)
	if !tbs.ReadASN1Integer(c.Serial) || c.Serial.BitLen() > maxSerialBytes*8 {
		return malformed("serial number")
	}
	if !tbs.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || !bytes.Equal(algorithm, s.algorithmRaw) {
		return malformed("inner and outer signature algorithm differ")
	}
	if !tbs.ReadASN1Element(&issuer, cbasn1.SEQUENCE) || !tbs.ReadASN1(&validity, cbasn1.SEQUENCE) ||
		!tbs.ReadASN1Element(&subject, cbasn1.SEQUENCE) || !tbs.ReadASN1Element(&spki, cbasn1.SEQUENCE) {
		return malformed("TBSCertificate")
	}
	var err error
	if c.Issuer, err = parseName(issuer); err != nil {
		return err
	}
	if c.Subject, err = parseName(subject); err != nil {
		return err
	}
	if !readTime(&validity, &c.NotBefore) || !readTime(&validity, &c.NotAfter) || !validity.Empty() {
		return malformed("validity")
	}
	c.SPKI = spki
	if c.PublicKey, err = parsePublicKey(spki); err != nil {
		return err
	}
	if version > 0 && (!tbs.SkipOptionalASN1(implicit(1)) || !tbs.SkipOptionalASN1(implicit(2))) {
		return malformed("unique identifier")
	}
	if tbs.Empty() {
		return nil
	}
	var list cryptobyte.String
	if version != 2 || !tbs.ReadASN1(&list, explicit(3)) || !tbs.Empty() {
		return malformed("what follows the public key")
	}
	return parseExtensions(list, c.extension)
}

// readTime reads Time, which is UTCTime or GeneralizedTime, always in UTC with seconds.
func readTime(der *cryptobyte.String, t *time.Time) bool {
	if der.PeekASN1Tag(cbasn1.UTCTime) {
		return der.ReadASN1UTCTime(t)
	}
	return der.ReadASN1GeneralizedTime(t)
}

// parsePublicKey reads SubjectPublicKeyInfo. Curves are known by name only, as RFC 5480, section 2.1.1, has it:
// parameters spelt out could describe a curve with another generator, where anybody has the key (CVE-2020-0601).
func parsePublicKey(raw cryptobyte.String) (crypto.PublicKey, error) {
	var body, algorithm cryptobyte.String
	var oid asn1.ObjectIdentifier
	input := raw
	if !input.ReadASN1(&body, cbasn1.SEQUENCE) || !input.Empty() || !body.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&oid) {
		return nil, malformed("public key")
	}
	if !algorithm.Empty() && algorithm.PeekASN1Tag(cbasn1.SEQUENCE) {
		return nil, malformed("public key with parameters spelt out")
	}
	pub, err := sm.ParsePKIXPublicKey(raw)
	if err != nil {
		return nil, malformed("public key: " + err.Error())
	}
	switch pub := pub.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return pub, nil
	case *rsa.PublicKey:
		if pub.N.BitLen() > maxRSABits {
			return nil, malformed("RSA key larger than 8192 bits")
		}
		return pub, nil
	default:
		return nil, malformed("public key of a kind that is not known")
	}
}

// parseExtensions calls each with every extension of SEQUENCE OF Extension. None may occur twice.
func parseExtensions(
	raw cryptobyte.String, each func(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error,
) error {
	var list cryptobyte.String
	if !raw.ReadASN1(&list, cbasn1.SEQUENCE) || !raw.Empty() {
		return malformed("extensions")
	}
	var seen []asn1.ObjectIdentifier
	for !list.Empty() {
		var e, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		critical := false
		if len(seen) == maxExtensions || !list.ReadASN1(&e, cbasn1.SEQUENCE) || !e.ReadASN1ObjectIdentifier(&oid) ||
			e.PeekASN1Tag(cbasn1.BOOLEAN) && !e.ReadASN1Boolean(&critical) ||
			!e.ReadASN1(&value, cbasn1.OCTET_STRING) || !e.Empty() {
			return malformed("extension")
		}
		for _, known := range seen {
			if oid.Equal(known) {
				return malformed("extension " + oid.String() + " twice")
			}
		}
		seen = append(seen, oid)
		if err := each(oid, critical, value); err != nil {
			return err
		}
	}
	return nil
}

// extension reads one extension of a certificate. What decides must be readable; what is only told (alternative names
// and addresses of lists) is told as far as it can be read.
func (c *Certificate) extension(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
	ok := true
	switch {
	case oid.Equal(oidBasicConstraints):
		c.BasicConstraints = true
		c.IsCA, c.MaxPathLen, ok = readBasicConstraints(value)
	case oid.Equal(oidKeyUsage):
		c.KeyUsage, ok = readKeyUsage(value)
	case oid.Equal(oidExtKeyUsage):
		c.ExtKeyUsage, ok = readOIDs(value)
	case oid.Equal(oidSubjectKeyID):
		var id cryptobyte.String
		ok = value.ReadASN1(&id, cbasn1.OCTET_STRING) && value.Empty()
		c.SubjectKeyID = id
	case oid.Equal(oidAuthorityKeyID):
		c.AuthorityKeyID, ok = readAuthorityKeyID(value)
	case oid.Equal(oidSubjectAltName):
		c.DNSNames = readStrings(value, cbasn1.SEQUENCE, implicit(2))
	case oid.Equal(oidCRLPoints):
		c.CRLDistributionPoints = readCRLPoints(value)
	case oid.Equal(oidPolicies): // any policy will do
	default:
		if critical {
			c.UnhandledCritical = append(c.UnhandledCritical, oid)
		}
	}
	if !ok {
		return malformed("extension " + oid.String())
	}
	return nil
}

func readBasicConstraints(value cryptobyte.String) (isCA bool, maxPathLen int, ok bool) {
	var body cryptobyte.String
	maxPathLen = -1
	if !value.ReadASN1(&body, cbasn1.SEQUENCE) || !value.Empty() ||
		body.PeekASN1Tag(cbasn1.BOOLEAN) && !body.ReadASN1Boolean(&isCA) {
		return false, -1, false
	}
	if !body.Empty() && (!body.ReadASN1Integer(&maxPathLen) || maxPathLen < 0) {
		return false, -1, false
	}
	return isCA, maxPathLen, body.Empty()
}

func readKeyUsage(value cryptobyte.String) (KeyUsage, bool) {
	var bits asn1.BitString
	if !value.ReadASN1BitString(&bits) || !value.Empty() {
		return 0, false
	}
	var usage KeyUsage
	for i := range 9 {
		usage |= KeyUsage(bits.At(i)) << i
	}
	return usage, usage != 0 // an empty set would read as "not restricted"
}

func readOIDs(value cryptobyte.String) ([]asn1.ObjectIdentifier, bool) {
	var body cryptobyte.String
	if !value.ReadASN1(&body, cbasn1.SEQUENCE) || !value.Empty() || body.Empty() {
		return nil, false
	}
	var oids []asn1.ObjectIdentifier
	for !body.Empty() {
		var oid asn1.ObjectIdentifier
		if len(oids) == maxListed || !body.ReadASN1ObjectIdentifier(&oid) {
			return nil, false
		}
		oids = append(oids, oid)
	}
	return oids, true
}

// readAuthorityKeyID reads the key identifier [0] and passes over issuer [1] and serial number [2].
func readAuthorityKeyID(value cryptobyte.String) ([]byte, bool) {
	var body, id cryptobyte.String
	var present bool
	if !value.ReadASN1(&body, cbasn1.SEQUENCE) || !value.Empty() || !body.ReadOptionalASN1(&id, &present, implicit(0)) {
		return nil, false
	}
	return id, true
}

// readStrings reads the members with tag of a list, as far as they can be read and are ASCII.
func readStrings(value cryptobyte.String, list, member cbasn1.Tag) []string {
	var body cryptobyte.String
	if !value.ReadASN1(&body, list) {
		return nil
	}
	var names []string
	for !body.Empty() && len(names) < maxListed {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !body.ReadAnyASN1(&name, &tag) {
			break
		}
		if tag == member && ascii(name) {
			names = append(names, string(name))
		}
	}
	return names
}

func readCRLPoints(value cryptobyte.String) []string {
	var body cryptobyte.String
	if !value.ReadASN1(&body, cbasn1.SEQUENCE) {
		return nil
	}
	var points []string
	for !body.Empty() && len(points) < maxListed {
		var point, name cryptobyte.String
		if !body.ReadASN1(&point, cbasn1.SEQUENCE) || !point.ReadASN1(&name, explicit(0)) {
			break
		}
		points = append(points, readStrings(name, explicit(0), implicit(6))...)
	}
	return points
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return len(b) > 0
}
