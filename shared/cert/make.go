package cert

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net/netip"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// Template says what a new certificate certifies beside the key.
type Template struct {
	Serial      *big.Int // positive, at most 20 bytes; unique for the issuer
	Subject     Name
	NotBefore   time.Time // whole seconds; what is finer is cut off
	NotAfter    time.Time
	KeyUsage    KeyUsage
	ExtKeyUsage []asn1.ObjectIdentifier
	IsCA        bool
	MaxPathLen  int // of a CA: how many more CAs may follow it; -1 for no limit
	DNSNames    []string
	IPs         []netip.Addr
}

// Create makes a certificate for subject's key, signed by issuerKey. It refuses a key that is not the issuer's, an
// issuer that is no CA and a validity that reaches beyond the issuer's.
func Create(
	ctx context.Context, t Template, issuer *Certificate, issuerKey key.Signer, subject crypto.PublicKey,
) ([]byte, error) {
	spki, err := sm.MarshalPKIXPublicKey(issuerKey.Public())
	if err != nil {
		return nil, fmt.Errorf("encoding the issuer's key: %w", err)
	}
	switch {
	case string(spki) != string(issuer.SPKI):
		return nil, fmt.Errorf("cert: key %s is not that of %s", issuerKey.KeyID(), issuer.Subject)
	case !issuer.IsCA || !issuer.Allows(CertSign):
		return nil, fmt.Errorf("cert: %s may not sign certificates", issuer.Subject)
	case t.NotBefore.Before(issuer.NotBefore) || t.NotAfter.After(issuer.NotAfter):
		return nil, fmt.Errorf("cert: %s is not valid as long as the certificate would be", issuer.Subject)
	}
	return create(ctx, t, issuer, issuerKey, subject)
}

// CreateRoot makes a self-signed certificate.
func CreateRoot(ctx context.Context, t Template, k key.Signer) ([]byte, error) {
	return create(ctx, t, nil, k, k.Public())
}

// create makes a certificate; issuer is nil for one that signs itself.
func create(
	ctx context.Context, t Template, issuer *Certificate, issuerKey key.Signer, subject crypto.PublicKey,
) ([]byte, error) {
	if t.Serial == nil || t.Serial.Sign() <= 0 || t.Serial.BitLen() > 159 {
		return nil, fmt.Errorf("cert: a serial number is positive and has at most 20 bytes")
	}
	if t.NotAfter.Before(t.NotBefore) {
		return nil, fmt.Errorf("cert: the validity ends before it begins")
	}
	algorithm, err := signatureAlgorithm(issuerKey)
	if err != nil {
		return nil, err
	}
	spki, err := sm.MarshalPKIXPublicKey(subject)
	if err != nil {
		return nil, fmt.Errorf("encoding the subject's key: %w", err)
	}
	subjectName, err := t.Subject.encode()
	if err != nil {
		return nil, err
	}
	subjectKeyID := keyID(spki)
	issuerName, issuerKeyID := subjectName, subjectKeyID
	if issuer != nil {
		issuerName, issuerKeyID = issuer.Subject.Raw, issuer.SubjectKeyID
	}

	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1BigInt(t.Serial)
		b.AddBytes(algorithm)
		b.AddBytes(issuerName)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, t.NotBefore)
			addTime(b, t.NotAfter)
		})
		b.AddBytes(subjectName)
		b.AddBytes(spki)
		b.AddASN1(explicit(3), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { t.addExtensions(b, subjectKeyID, issuerKeyID) })
		})
	})
	der, err := sign(ctx, &b, algorithm, issuerKey)
	if err != nil {
		return nil, err
	}
	if made, err := Parse(der); err != nil || len(made.Tolerances) > 0 {
		return nil, fmt.Errorf("cert: the certificate of %s would not be read by others: %v %v", t.Subject, err, made)
	}
	return der, nil
}

func (t Template) addExtensions(b *cryptobyte.Builder, subjectKeyID, issuerKeyID []byte) {
	addExtension(b, oidBasicConstraints, true, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if t.IsCA {
				b.AddASN1Boolean(true)
				if t.MaxPathLen >= 0 {
					b.AddASN1Int64(int64(t.MaxPathLen))
				}
			}
		})
	})
	if t.KeyUsage != 0 {
		addExtension(b, oidKeyUsage, true, func(b *cryptobyte.Builder) { b.AddBytes(t.KeyUsage.encode()) })
	}
	if len(t.ExtKeyUsage) > 0 {
		addExtension(b, oidExtKeyUsage, false, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, oid := range t.ExtKeyUsage {
					b.AddASN1ObjectIdentifier(oid)
				}
			})
		})
	}
	if len(t.DNSNames)+len(t.IPs) > 0 {
		addExtension(b, oidSubjectAltName, false, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, name := range t.DNSNames {
					b.AddASN1(implicit(2), func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
				}
				for _, ip := range t.IPs {
					b.AddASN1(implicit(7), func(b *cryptobyte.Builder) { b.AddBytes(ip.AsSlice()) })
				}
			})
		})
	}
	addExtension(b, oidSubjectKeyID, false, func(b *cryptobyte.Builder) { b.AddASN1OctetString(subjectKeyID) })
	addAuthorityKeyID(b, issuerKeyID)
}

func addAuthorityKeyID(b *cryptobyte.Builder, id []byte) {
	addExtension(b, oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(implicit(0), func(b *cryptobyte.Builder) { b.AddBytes(id) })
		})
	})
}

func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, value func(*cryptobyte.Builder)) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, value)
	})
}

// addTime writes Time: UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280, section 4.1.2.5).
func addTime(b *cryptobyte.Builder, t time.Time) {
	t = t.UTC().Truncate(time.Second)
	if t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// encode writes BIT STRING with the trailing zero bits left off, as DER has named bits.
func (u KeyUsage) encode() []byte {
	var b [2]byte
	last := 0
	for i := range 9 {
		if u>>i&1 == 1 {
			b[i/8] |= 0x80 >> (i % 8)
			last = i
		}
	}
	der, err := asn1.Marshal(asn1.BitString{Bytes: b[:last/8+1], BitLength: last + 1})
	if err != nil {
		panic(err) // a bit string of two bytes can be encoded
	}
	return der
}

// keyID is the first 160 bits of the SHA-256 digest of the public key (RFC 7093, section 2, method 1).
func keyID(spki []byte) []byte {
	input := cryptobyte.String(spki)
	var body cryptobyte.String
	var bits []byte
	if input.ReadASN1(&body, cbasn1.SEQUENCE) && body.SkipASN1(cbasn1.SEQUENCE) {
		body.ReadASN1BitStringAsBytes(&bits)
	}
	sum := sha256.Sum256(bits)
	return sum[:20]
}

// signatureAlgorithm is the AlgorithmIdentifier of what k signs; for all of them without parameters.
func signatureAlgorithm(k key.Signer) ([]byte, error) {
	var alg SignatureAlgorithm
	switch k.Algorithm() {
	case key.SM2SM3:
		alg = SM2SM3
	case key.ES256:
		alg = ECDSASHA256
	case key.EdDSA:
		alg = Ed25519
	default:
		return nil, fmt.Errorf("cert: keys of %s sign no certificates here", k.Algorithm())
	}
	for _, a := range signatureOIDs {
		if a.alg == alg {
			var b cryptobyte.Builder
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(a.oid) })
			return b.Bytes()
		}
	}
	panic("cert: " + alg + " has no object identifier")
}

// sign signs what b holds, checks the signature and wraps both.
func sign(ctx context.Context, b *cryptobyte.Builder, algorithm []byte, k key.Signer) ([]byte, error) {
	tbs, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	signature, err := key.Sign(ctx, k, tbs)
	if err != nil {
		return nil, err
	}
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return out.Bytes()
}
