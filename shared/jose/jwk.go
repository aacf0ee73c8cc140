package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/yinxin/yinxin/shared/key"
)

// JWK is a public key (RFC 7517): EC on P-256, RSA or Ed25519.
type JWK struct {
	Public crypto.PublicKey // *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey
	KeyID  string           // "kid"; may be empty
	Alg    key.Algorithm    // "alg"; may be empty
}

// Set is a JWK Set (RFC 7517, section 5).
type Set struct {
	Keys []JWK `json:"keys"`
}

// Find returns the key with an identifier.
func (s Set) Find(keyID string) (JWK, bool) {
	for _, k := range s.Keys {
		if k.KeyID == keyID {
			return k, true
		}
	}
	return JWK{}, false
}

// MarshalJSON writes the key with "use":"sig".
func (k JWK) MarshalJSON() ([]byte, error) {
	j, err := k.raw()
	if err != nil {
		return nil, err
	}
	members := map[string]string{jwk.KeyUsageKey: string(jwk.ForSignature)}
	if k.KeyID != "" {
		members[jwk.KeyIDKey] = k.KeyID
	}
	if k.Alg != "" {
		members[jwk.AlgorithmKey] = string(k.Alg)
	}
	for name, value := range members {
		if err := j.Set(name, value); err != nil {
			return nil, fmt.Errorf("encoding a JWK: %w", err)
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what [ParseJWK] reads.
func (k *JWK) UnmarshalJSON(data []byte) error {
	parsed, err := ParseJWK(data)
	if err == nil {
		*k = parsed
	}
	return err
}

// ParseJWK reads a public key. It refuses private and symmetric keys, other curves than P-256 and Ed25519, RSA keys of
// less than 2048 bits, keys for encryption, and points off the curve, all with [ErrMalformed].
func ParseJWK(data []byte) (JWK, error) {
	j, err := parsePublic(data)
	if err != nil {
		return JWK{}, err
	}
	if use := j.KeyUsage(); use != "" && use != string(jwk.ForSignature) {
		return JWK{}, fmt.Errorf("%w: JWK with use %q", ErrMalformed, use)
	}
	k := JWK{KeyID: j.KeyID()}
	if alg := j.Algorithm(); alg != nil {
		k.Alg = key.Algorithm(alg.String())
	}
	k.Public, err = publicKey(j)
	if err != nil {
		return JWK{}, err
	}
	return k, nil
}

// ParseSet reads a JWK Set. Keys that [ParseJWK] refuses are left out, as RFC 7517, section 5, advises.
func ParseSet(data []byte) (Set, error) {
	if len(data) > MaxSize {
		return Set{}, fmt.Errorf("%w: JWK Set of more than %d bytes", ErrMalformed, MaxSize)
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &raw); err != nil || raw.Keys == nil {
		return Set{}, fmt.Errorf("%w: not a JWK Set", ErrMalformed)
	}
	set := Set{Keys: []JWK{}}
	for _, data := range raw.Keys {
		if k, err := ParseJWK(data); err == nil {
			set.Keys = append(set.Keys, k)
		}
	}
	return set, nil
}

// Thumbprint returns the JWK Thumbprint of RFC 7638 with SHA-256, base64url.
func Thumbprint(pub crypto.PublicKey) (string, error) {
	j, err := JWK{Public: pub}.raw()
	if err != nil {
		return "", err
	}
	sum, err := j.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("computing a thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// raw returns the key as jwx's, without kid and alg.
func (k JWK) raw() (jwk.Key, error) {
	if ec, ok := k.Public.(*ecdsa.PublicKey); ok && ec.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: a JWK on curve %s", ErrAlgorithm, ec.Params().Name)
	}
	switch k.Public.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("%w: a JWK of type %T", ErrAlgorithm, k.Public)
	}
	j, err := jwk.FromRaw(k.Public)
	if err != nil {
		return nil, fmt.Errorf("encoding a JWK: %w", err)
	}
	return j, nil
}

// publicKey returns the Go key of a JWK that is good for signatures.
func publicKey(j jwk.Key) (crypto.PublicKey, error) {
	var bad string
	switch j := j.(type) {
	case jwk.ECDSAPublicKey:
		var pub ecdsa.PublicKey
		if j.Crv() != jwa.P256 {
			bad = "the curve is not P-256"
		} else if len(j.X()) > 32 || len(j.Y()) > 32 || j.Raw(&pub) != nil {
			bad = "not a P-256 key"
		} else if _, err := pub.ECDH(); err != nil {
			bad = "the point is not on the curve"
		}
		if bad == "" {
			return &pub, nil
		}
	case jwk.RSAPublicKey:
		var pub rsa.PublicKey
		if len(j.E()) > 4 || len(j.N()) > 1024 || j.Raw(&pub) != nil || pub.N.BitLen() < 2048 || pub.E < 3 || pub.E%2 == 0 {
			bad = "the RSA key is too short, too long or has a bad exponent"
		} else {
			return &pub, nil
		}
	case jwk.OKPPublicKey:
		var pub ed25519.PublicKey
		if j.Crv() != jwa.Ed25519 || j.Raw(&pub) != nil || len(pub) != ed25519.PublicKeySize {
			bad = "not an Ed25519 key"
		} else {
			return pub, nil
		}
	}
	return nil, fmt.Errorf("%w: JWK: %s", ErrMalformed, bad)
}
