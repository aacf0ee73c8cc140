// Package sm gives the commercial cryptography of China to the rest of the house: the SM2 signature
// (GB/T 32918.2-2016) with the SM3 digest (GB/T 32905-2016), as OIDs, keys, digests and checks.
//
//	message ── Digest(pub, ·) = SM3(ZA ‖ message) ── SignDigest ── DER SEQUENCE{r, s} ── Verify
//
// It is the only package that imports github.com/emmansun/gmsm, so that another implementation, or a certified
// module, replaces it in one place. The distinguishing identifier is always [DefaultID], as GB/T 35276 fixes.
//
// It does not keep keys (shared/key names them, infra keeps them) and it is not certified by the State Cryptography
// Administration: where certified products are required, the key lives behind shared/key in such a product.
package sm

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"hash"
	"io"
	"math/big"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
)

// DefaultID is the distinguishing identifier of the signer (GB/T 35276-2017, section 10).
const DefaultID = "1234567812345678"

// DigestSize is the length of an SM3 digest in bytes.
const DigestSize = sm3.Size

// The object identifiers of GM/T 0006.
var (
	OIDCurve      = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301} // the curve sm2p256v1
	OIDSM3        = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 401}
	OIDSM2WithSM3 = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 501}
)

// PrivateKey is an SM2 private key in this process. It is a crypto.Signer.
type PrivateKey = sm2.PrivateKey

// ErrNotSM2 reports a public key on another curve.
var ErrNotSM2 = errors.New("sm: not an SM2 public key")

// Sum3 returns the SM3 digest of data, without the signer's Z value.
func Sum3(data []byte) [DigestSize]byte { return sm3.Sum(data) }

// New3 returns a running SM3 digest.
func New3() hash.Hash { return sm3.New() }

// GenerateKey makes a key pair from random.
func GenerateKey(random io.Reader) (*PrivateKey, error) { return sm2.GenerateKey(random) }

// IsKey tells whether pub is a public key on the SM2 curve.
func IsKey(pub any) bool { return sm2.IsSM2PublicKey(pub) }

// Digest returns e = SM3(ZA ‖ message), the 32 bytes that the SM2 signature is computed over.
func Digest(pub *ecdsa.PublicKey, message []byte) ([]byte, error) {
	if !IsKey(pub) {
		return nil, ErrNotSM2
	}
	return sm2.CalculateSM2Hash(pub, message, nil)
}

// SignDigest signs e, as [Digest] returns it, and answers DER SEQUENCE{r, s}.
func SignDigest(random io.Reader, priv *PrivateKey, e []byte) ([]byte, error) {
	if len(e) != DigestSize {
		return nil, errors.New("sm: the digest of an SM2 signature has 32 bytes")
	}
	return sm2.SignASN1(random, priv, e, nil)
}

// Verify tells whether signature, a DER SEQUENCE{r, s}, is that of message under pub.
// It is false for a key on another curve.
func Verify(pub *ecdsa.PublicKey, message, signature []byte) bool {
	e, err := Digest(pub, message)
	return err == nil && sm2.VerifyASN1(pub, e, signature)
}

// VerifyDigest tells whether signature, a DER SEQUENCE{r, s}, is that of e under pub, e as [Digest] returns it: for those
// who hold no message, such as a module that is given digests. It is false for a key on another curve.
func VerifyDigest(pub *ecdsa.PublicKey, e, signature []byte) bool {
	return IsKey(pub) && len(e) == DigestSize && sm2.VerifyASN1(pub, e, signature)
}

// RawToDER turns the 64 bytes r‖s, as some vendors store a signature, into DER SEQUENCE{r, s}.
func RawToDER(raw []byte) ([]byte, error) {
	if len(raw) != 64 {
		return nil, errors.New("sm: a raw SM2 signature has 64 bytes")
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
}
