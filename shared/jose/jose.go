// Package jose signs and checks JSON Web Signatures (RFC 7515) in compact form and reads JSON Web Keys (RFC 7517), for
// tokens, licences and status lists.
//
//	payload ── Sign(key.Signer, Header) ── header.payload.signature ── Verify(public key, algorithm) ── payload
//	                                                               └─ Parse: what it claims to be, unverified
//
// The algorithm of a check is the caller's choice and never the header's (RFC 8725, section 3.1); keys named in a
// header (jwk, x5c, jku, x5u, kid) are never used unless the caller reads them out and decides to. "none" and the HMAC
// algorithms do not exist here. An extension that a header calls critical is not understood and refused.
//
// It is the only package that imports github.com/lestrrat-go/jwx, so that another version or library replaces it in one
// place. It does not know claims (shared/oidc, shared/sdjwt do), encryption, or SM2 signatures.
package jose

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lestrrat-go/jwx/v2/cert"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/yinxin/yinxin/shared/key"
)

// The bounds of what is read.
const (
	MaxSize       = 1 << 20  // bytes of a compact serialization
	MaxHeaderSize = 64 << 10 // bytes of a protected header, decoded
	maxChain      = 16       // certificates in x5c
)

// The refusals. They are wrapped with what was found.
var (
	// ErrMalformed reports what is no compact JWS, is too large, or uses an extension (crit, b64).
	ErrMalformed = errors.New("jose: malformed")
	// ErrAlgorithm reports another algorithm than the caller demands, or a key that does not fit it.
	ErrAlgorithm = errors.New("jose: algorithm not accepted")
	// ErrSignature reports a signature that the key refuses.
	ErrSignature = errors.New("jose: wrong signature")
)

// Header is the protected header of a JWS (RFC 7515, section 4.1), as far as the house uses it.
type Header struct {
	Alg         string          // "alg"; Sign takes it from the key
	KeyID       string          // "kid"
	Type        string          // "typ", such as "at+jwt"
	ContentType string          // "cty"
	X5C         [][]byte        // "x5c": certificates in DER, the signer's first
	JWK         json.RawMessage // "jwk": read it with [ParseJWK]
}

// Sign signs payload with s and returns the compact serialization. The header's algorithm is the key's. The signature
// is verified before it is returned, so that a fault in a remote module never leaves the house, unless the key was
// [key.Tested].
func Sign(ctx context.Context, s key.Signer, h Header, payload []byte) (string, error) {
	alg, err := signatureAlgorithm(s.Algorithm(), s.Public())
	if err != nil {
		return "", err
	}
	headers, err := protectedHeaders(h)
	if err != nil {
		return "", err
	}
	signed, err := jws.Sign(payload, jws.WithKey(alg, signer{ctx, s}, jws.WithProtectedHeaders(headers)))
	if err != nil {
		return "", fmt.Errorf("signing with key %s: %w", s.KeyID(), err)
	}
	compact := string(signed)
	if key.IsTested(s) {
		return compact, nil
	}
	if _, _, err := Verify(compact, s.Public(), s.Algorithm()); err != nil {
		return "", fmt.Errorf("checking what key %s signed: %w", s.KeyID(), err)
	}
	return compact, nil
}

// Verify checks the signature of compact with pub under alg and returns header and payload. It returns [ErrMalformed],
// [ErrAlgorithm] or [ErrSignature], wrapped. The claims, and the header's typ, are the caller's to check.
func Verify(compact string, pub crypto.PublicKey, alg key.Algorithm) (Header, []byte, error) {
	h, _, err := Parse(compact)
	if err != nil {
		return Header{}, nil, err
	}
	expected, err := signatureAlgorithm(alg, pub)
	if err != nil {
		return Header{}, nil, err
	}
	if h.Alg != expected.String() {
		return Header{}, nil, fmt.Errorf("%w: %q instead of %q", ErrAlgorithm, h.Alg, expected)
	}
	payload, err := jws.Verify([]byte(compact), jws.WithCompact(), jws.WithKey(expected, pub))
	if err != nil {
		return Header{}, nil, fmt.Errorf("%w: %v", ErrSignature, err)
	}
	return h, payload, nil
}

// Parse returns what a compact JWS claims to be, without checking its signature, to find the key that may check it.
// It is strict: three parts of base64url without padding or line breaks, each the only encoding of its bytes; a header
// that is one JSON object without duplicate members and without crit or b64.
func Parse(compact string) (Header, []byte, error) {
	if len(compact) > MaxSize {
		return Header{}, nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSize)
	}
	head, rest, ok := strings.Cut(compact, ".")
	body, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(signature, ".") {
		return Header{}, nil, fmt.Errorf("%w: not three parts", ErrMalformed)
	}
	if base64.RawURLEncoding.DecodedLen(len(head)) > MaxHeaderSize {
		return Header{}, nil, fmt.Errorf("%w: header of more than %d bytes", ErrMalformed, MaxHeaderSize)
	}
	rawHeader, err := decode(head)
	if err != nil {
		return Header{}, nil, err
	}
	payload, err := decode(body)
	if err != nil {
		return Header{}, nil, err
	}
	if _, err := decode(signature); err != nil {
		return Header{}, nil, err
	}
	h, err := parseHeader(rawHeader)
	if err != nil {
		return Header{}, nil, err
	}
	return h, payload, nil
}

// decode reads base64url strictly: encoding/base64 would skip line breaks.
func decode(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, fmt.Errorf("%w: line break", ErrMalformed)
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return data, nil
}

func parseHeader(data []byte) (Header, error) {
	members, err := object(data)
	if err != nil {
		return Header{}, err
	}
	for _, name := range []string{"crit", "b64"} {
		if _, present := members[name]; present {
			return Header{}, fmt.Errorf("%w: the header has %q", ErrMalformed, name)
		}
	}
	var h Header
	for name, field := range map[string]*string{"alg": &h.Alg, "kid": &h.KeyID, "typ": &h.Type, "cty": &h.ContentType} {
		raw, present := members[name]
		if !present {
			continue
		}
		if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, field) != nil {
			return Header{}, fmt.Errorf("%w: header %s is not a string", ErrMalformed, name)
		}
	}
	if h.Alg == "" {
		return Header{}, fmt.Errorf("%w: the header has no alg", ErrMalformed)
	}
	h.JWK = members["jwk"]
	raw, present := members["x5c"]
	if !present {
		return h, nil
	}
	// Standard base64, unlike everything else here (RFC 7515, section 4.1.6).
	var chain []string
	if err := json.Unmarshal(raw, &chain); err != nil || len(chain) == 0 || len(chain) > maxChain {
		return Header{}, fmt.Errorf("%w: header x5c is not a list of 1 to %d certificates", ErrMalformed, maxChain)
	}
	for _, c := range chain {
		der, err := base64.StdEncoding.DecodeString(c)
		if err != nil {
			return Header{}, fmt.Errorf("%w: header x5c: %v", ErrMalformed, err)
		}
		h.X5C = append(h.X5C, der)
	}
	return h, nil
}

// object reads one JSON object with unique member names and nothing after it. encoding/json alone would take the last
// of two equal names and match struct fields regardless of case, so that two readers could see two headers.
func object(data []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: the header is not a JSON object", ErrMalformed)
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
		}
		name, _ := t.(string)
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("%w: header %q appears twice", ErrMalformed, name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: something follows the header's object", ErrMalformed)
	}
	return members, nil
}

// protectedHeaders turns h into jwx's, without alg.
func protectedHeaders(h Header) (jws.Headers, error) {
	headers := jws.NewHeaders()
	set := func(name string, value any) error {
		if err := headers.Set(name, value); err != nil {
			return fmt.Errorf("setting header %s: %w", name, err)
		}
		return nil
	}
	for name, value := range map[string]string{
		jws.KeyIDKey: h.KeyID, jws.TypeKey: h.Type, jws.ContentTypeKey: h.ContentType,
	} {
		if value == "" {
			continue
		}
		if err := set(name, value); err != nil {
			return nil, err
		}
	}
	if h.JWK != nil {
		k, err := parsePublic(h.JWK)
		if err != nil {
			return nil, err
		}
		if err := set(jws.JWKKey, k); err != nil {
			return nil, err
		}
	}
	if len(h.X5C) == 0 {
		return headers, nil
	}
	chain := &cert.Chain{}
	for _, der := range h.X5C {
		if err := chain.AddString(base64.StdEncoding.EncodeToString(der)); err != nil {
			return nil, fmt.Errorf("setting header x5c: %w", err)
		}
	}
	return headers, set(jws.X509CertChainKey, chain)
}

// signatureAlgorithm returns jwx's name of alg, if pub is a key for it that meets FAPI 2.0, section 5.4: EC on P-256,
// RSA of 2048 bits or more, Ed25519.
func signatureAlgorithm(alg key.Algorithm, pub crypto.PublicKey) (jwa.SignatureAlgorithm, error) {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		if alg == key.ES256 && pub.Curve == elliptic.P256() {
			return jwa.ES256, nil
		}
	case *rsa.PublicKey:
		if alg == key.PS256 && pub.N.BitLen() >= 2048 {
			return jwa.PS256, nil
		}
	case ed25519.PublicKey:
		if alg == key.EdDSA && len(pub) == ed25519.PublicKeySize {
			return jwa.EdDSA, nil
		}
	}
	return "", fmt.Errorf("%w: %q with a key of type %T", ErrAlgorithm, alg, pub)
}

// signer is a key.Signer as the crypto.Signer that jwx takes: it carries the context of one call.
type signer struct {
	ctx context.Context
	key key.Signer
}

// Public implements crypto.Signer.
func (s signer) Public() crypto.PublicKey { return s.key.Public() }

// Sign implements crypto.Signer. What jwx passes is what key.Digest returns: the SHA-256 digest, or the message itself
// for Ed25519.
func (s signer) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return s.key.SignDigest(s.ctx, digest)
}

// parsePublic reads a JWK and refuses one that holds a secret.
func parsePublic(data []byte) (jwk.Key, error) {
	if len(data) > MaxHeaderSize {
		return nil, fmt.Errorf("%w: JWK of more than %d bytes", ErrMalformed, MaxHeaderSize)
	}
	if _, err := object(data); err != nil {
		return nil, err
	}
	k, err := jwk.ParseKey(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	switch k.(type) {
	case jwk.ECDSAPublicKey, jwk.RSAPublicKey, jwk.OKPPublicKey:
		return k, nil
	default:
		return nil, fmt.Errorf("%w: not a public key", ErrMalformed)
	}
}
