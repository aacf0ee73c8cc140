// Package key names the keys of the house and says how one signs with them, whoever keeps them.
//
//	Purpose + identifier ── Opener ── Signer ── SignDigest ── checked by Sign ── signature
//
// A key is found by what it is for and whom it belongs to, never by an algorithm that a document asks for. Keys are
// kept by infra/embedded (files sealed by a master key) and infra/aws (KMS).
//
// It does not keep keys, choose algorithms for a client (shared/jose has the allow-lists) or build trust
// (shared/trust).
package key

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/yinxin/yinxin/shared/sm"
)

// Purpose says what the signatures of a key mean. A key has one purpose.
type Purpose string

// The purposes, each with what its keys sign.
const (
	Token         Purpose = "token"             // ID Tokens, access tokens, logout tokens
	Seal          Purpose = "seal"              // stamps, GB/T 38540: one SM2 key per seal
	SealCompat    Purpose = "seal-compat"       // PAdES compatibility signatures of a seal's owner: P-256
	SealMaker     Purpose = "seal-maker"        // the maker's signature over a seal (制章)
	LicenceIssuer Purpose = "licence-issuer"    // SD-JWT VC of one agency
	LicenceGM     Purpose = "licence-issuer-gm" // beside LicenceIssuer, over the same data: SM2
	StatusList    Purpose = "status-list"       // Status List Tokens of one agency
	Receipt       Purpose = "receipt"           // verification receipts
	Authority     Purpose = "authority"         // the demonstration certificate authority
	TLS           Purpose = "tls"               // https of the local server
)

// Algorithm is a signature algorithm together with its digest.
type Algorithm string

// The algorithms of the house. Names are those of JOSE (RFC 7518) where it has one.
const (
	ES256  Algorithm = "ES256"  // ECDSA P-256, SHA-256
	PS256  Algorithm = "PS256"  // RSASSA-PSS, SHA-256
	EdDSA  Algorithm = "EdDSA"  // Ed25519
	SM2SM3 Algorithm = "SM2SM3" // SM2 with SM3, identifier sm.DefaultID
)

// ErrUnknown reports a key that does not exist, or does not exist any more.
var ErrUnknown = errors.New("key: unknown key")

// Signer signs with one key.
type Signer interface {
	// KeyID is the identifier under which the public key is published.
	KeyID() string
	// Algorithm is fixed when the key is made.
	Algorithm() Algorithm
	// Public is the public key: *ecdsa.PublicKey (also for SM2), *rsa.PublicKey or ed25519.PublicKey.
	Public() crypto.PublicKey
	// SignDigest signs what [Digest] returns for a message: SHA-256(message) for ES256 and PS256, SM3(ZA ‖ message)
	// for SM2SM3, the message itself for EdDSA. ECDSA and SM2 answer DER SEQUENCE{r, s}.
	SignDigest(ctx context.Context, digest []byte) ([]byte, error)
}

// Opener finds the key of a purpose and an owner: the seal's identifier, the agency's code, or "" where a purpose has
// one key for the platform. It returns [ErrUnknown] for a key that was never made.
type Opener interface {
	OpenKey(ctx context.Context, purpose Purpose, owner string) (Signer, error)
}

// Maker makes keys.
type Maker interface {
	// MakeKey makes the key of a purpose and owner, or returns the one that exists: of any number of concurrent calls
	// all return the same key. It refuses an existing key of another algorithm.
	MakeKey(ctx context.Context, purpose Purpose, owner string, alg Algorithm) (Signer, error)
}

// Digest returns the bytes that SignDigest of a key with this algorithm and public key takes for message.
func Digest(alg Algorithm, pub crypto.PublicKey, message []byte) ([]byte, error) {
	switch alg {
	case ES256, PS256:
		sum := sha256.Sum256(message)
		return sum[:], nil
	case EdDSA:
		return message, nil
	case SM2SM3:
		ec, ok := pub.(*ecdsa.PublicKey)
		if !ok {
			return nil, sm.ErrNotSM2
		}
		return sm.Digest(ec, message)
	default:
		return nil, fmt.Errorf("key: no algorithm %q", alg)
	}
}

// Tested returns s as a key whose signatures need not be verified one by one: it signs and verifies once, now. It is
// for keys that live in this process and sign many short-lived tokens, which is the purpose [Token] alone; documents,
// seals and licences, and whatever a remote module signs, are verified each time.
func Tested(ctx context.Context, s Signer) (Signer, error) {
	if _, err := Sign(ctx, s, []byte("印信 self-test")); err != nil {
		return nil, fmt.Errorf("testing a key: %w", err)
	}
	return tested{s}, nil
}

type tested struct{ Signer }

// IsTested tells whether s came from [Tested].
func IsTested(s Signer) bool {
	_, ok := s.(tested)
	return ok
}

// Sign signs message and verifies the signature before it returns it, so that a fault or a wrong key in a remote
// module never leaves the house. The signatures of a key that was [Tested] are not verified again.
func Sign(ctx context.Context, s Signer, message []byte) ([]byte, error) {
	digest, err := Digest(s.Algorithm(), s.Public(), message)
	if err != nil {
		return nil, err
	}
	signature, err := s.SignDigest(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("signing with key %s: %w", s.KeyID(), err)
	}
	if !IsTested(s) && !Verify(s.Algorithm(), s.Public(), message, signature) {
		return nil, fmt.Errorf("key: %s returned a signature that its public key refuses", s.KeyID())
	}
	return signature, nil
}

// Verify tells whether signature is that of message under pub. The algorithm is the caller's choice, never the
// document's; a key that does not fit the algorithm gives false.
func Verify(alg Algorithm, pub crypto.PublicKey, message, signature []byte) bool {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		if alg == SM2SM3 {
			return sm.Verify(pub, message, signature)
		}
		sum := sha256.Sum256(message)
		return alg == ES256 && !sm.IsKey(pub) && ecdsa.VerifyASN1(pub, sum[:], signature)
	case *rsa.PublicKey:
		sum := sha256.Sum256(message)
		return alg == PS256 && rsa.VerifyPSS(pub, crypto.SHA256, sum[:], signature, nil) == nil
	case ed25519.PublicKey:
		return alg == EdDSA && len(pub) == ed25519.PublicKeySize && ed25519.Verify(pub, message, signature)
	default:
		return false
	}
}
