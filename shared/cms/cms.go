// Package cms makes and checks the detached signatures that a PDF carries: SignedData of the Cryptographic Message
// Syntax (RFC 5652) in the profile CAdES (EN 319 122-1 V1.3.1) that PAdES baseline B-B asks for (EN 319 142-1 V1.2.1,
// section 6.3): one signer, its certificates inside, and the signed attributes content-type, message-digest and
// signing-certificate-v2 (RFC 5035).
//
//	digest of the content ─┐
//	certificate, chain   ──┴─ Prepare ── ToBeSigned ── (key.Sign) ── Assemble ── DER
//	DER ── Parse ── SignedData ── Verify ── one outcome per rule, in the order of Rules
//
// Making is in two steps, so that what is signed is known and recorded before a key is touched. P-256 with SHA-256 is
// the compatibility signature of today; SM2 with SM3 takes the content types of GB/T 35275-2017 instead of those of
// PKCS #7 and is checked by our own verifier only.
//
// It builds no certificate chain and asks for no revocation (shared/trust), holds no time-stamp (shared/tsp), and it
// reads DER alone: a message in BER with indefinite lengths is refused.
package cms

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"
	"hash"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// Digest names a digest algorithm that we accept. The zero value is none.
type Digest string

// The digest algorithms that a signature may use. MD5 and SHA-1 are not among them.
const (
	SHA256 Digest = "SHA-256"
	SHA384 Digest = "SHA-384"
	SHA512 Digest = "SHA-512"
	SM3    Digest = "SM3"
)

// New returns a running digest, or nil for a digest that is none of ours.
func (d Digest) New() hash.Hash {
	switch d {
	case SHA256:
		return sha256.New()
	case SHA384:
		return sha512.New384()
	case SHA512:
		return sha512.New()
	case SM3:
		return sm.New3()
	default:
		return nil
	}
}

// Bounds of Parse. A PDF leaves some 8 KB for the whole message; real ones with long chains and revocation data stay
// far below these.
const (
	maxMessage      = 1 << 20
	maxCertificates = 32
	maxCRLs         = 32
	maxSigners      = 8
	maxAttributes   = 32
)

// Object identifiers: content types of PKCS #7 (RFC 5652) and of GB/T 35275-2017, attributes of RFC 5652 and RFC 5035,
// digests of RFC 5754 and signatures of RFC 5754, RFC 5758, RFC 4056 and GM/T 0006.
var (
	oidData         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidGBData       = asn1.ObjectIdentifier{1, 2, 156, 10197, 6, 1, 4, 2, 1}
	oidGBSignedData = asn1.ObjectIdentifier{1, 2, 156, 10197, 6, 1, 4, 2, 2}

	oidContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}

	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}

	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECDSAWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	oidECDSAWithSHA512 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}
	oidRSA             = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidRSAWithSHA256   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidRSAWithSHA384   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}
	oidRSAWithSHA512   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}
	oidRSAPSS          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1            = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidSM2Sign         = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301, 1} // GB/T 35275: SM2 signature, digest apart
)

// digestOf returns the digest that an object identifier names, or "" for one that we do not accept.
func digestOf(oid asn1.ObjectIdentifier) Digest {
	switch {
	case oid.Equal(oidSHA256):
		return SHA256
	case oid.Equal(oidSHA384):
		return SHA384
	case oid.Equal(oidSHA512):
		return SHA512
	case oid.Equal(sm.OIDSM3):
		return SM3
	default:
		return ""
	}
}

// profile is what a signature algorithm of the house writes.
type profile struct {
	digest                          Digest
	digestOID, signatureOID         asn1.ObjectIdentifier
	contentTypeOID, dataContentType asn1.ObjectIdentifier
}

func profileOf(alg key.Algorithm) (profile, error) {
	switch alg {
	case key.ES256:
		return profile{SHA256, oidSHA256, oidECDSAWithSHA256, oidSignedData, oidData}, nil
	case key.SM2SM3:
		return profile{SM3, sm.OIDSM3, sm.OIDSM2WithSM3, oidGBSignedData, oidGBData}, nil
	default:
		return profile{}, fmt.Errorf("cms: no profile for %q", alg)
	}
}

// DigestFor returns the digest that [Prepare] takes of the content when a key of this algorithm is to sign.
func DigestFor(alg key.Algorithm) (Digest, error) {
	p, err := profileOf(alg)
	return p.digest, err
}
