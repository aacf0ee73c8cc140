package cert

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// Request is a certificate request (CSR, PKCS #10, RFC 2986) whose signature was verified: its sender has the key.
type Request struct {
	Raw       []byte
	Subject   Name
	SPKI      []byte
	PublicKey crypto.PublicKey
}

// KeyAlgorithm is as [Certificate.KeyAlgorithm].
func (r *Request) KeyAlgorithm() (key.Algorithm, bool) { return keyAlgorithm(r.PublicKey) }

// CreateCSR makes a request for a certificate of k under the name subject.
func CreateCSR(ctx context.Context, subject Name, k key.Signer) ([]byte, error) {
	algorithm, err := signatureAlgorithm(k)
	if err != nil {
		return nil, err
	}
	spki, err := sm.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return nil, fmt.Errorf("encoding the key: %w", err)
	}
	name, err := subject.encode()
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(name)
		b.AddBytes(spki)
		b.AddASN1(explicit(0), func(*cryptobyte.Builder) {})
	})
	der, err := sign(ctx, &b, algorithm, k)
	if err != nil {
		return nil, err
	}
	if _, err := ParseCSR(der); err != nil {
		return nil, fmt.Errorf("reading the request that was made: %w", err)
	}
	return der, nil
}

// Requester makes keys whose certificates others issue.
type Requester interface {
	// RequestKey makes the key of a purpose and owner unless there is one, and returns the request (CSR, DER) that the key
	// signed when it was made. Asked again, in whatever process and after whatever crash, it returns the same request:
	// whoever makes keys need not be able to open them. Of any number of concurrent calls all return the same. It
	// refuses a key that is there for another algorithm, and returns [ErrRequested] for one whose request is for another
	// name and that cannot sign another.
	RequestKey(ctx context.Context, purpose key.Purpose, owner string, alg key.Algorithm, subject Name) (csr []byte, err error)
}

// ErrRequested reports a key that has requested a certificate already, for another name.
var ErrRequested = errors.New("cert: the key has requested a certificate for another name")

// RequestFor tells whether csr requests a certificate under the name.
func RequestFor(csr []byte, subject Name) (bool, error) {
	name, err := subject.encode()
	if err != nil {
		return false, err
	}
	r, err := ParseCSR(csr)
	if err != nil {
		return false, err
	}
	return bytes.Equal(r.Subject.Raw, name), nil
}

// ParseCSR reads a request and verifies its signature. It passes over attributes: what a certificate may say beside
// name and key is the authority's decision.
func ParseCSR(der []byte) (*Request, error) {
	if len(der) > MaxSize {
		return nil, malformed("request larger than 64 KiB")
	}
	s, err := parseSigned(der)
	if err != nil {
		return nil, err
	}
	var body, name, spki cryptobyte.String
	var version int
	input := s.tbs
	if !input.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Integer(&version) || version != 0 ||
		!body.ReadASN1Element(&name, cbasn1.SEQUENCE) || !body.ReadASN1Element(&spki, cbasn1.SEQUENCE) ||
		!body.SkipOptionalASN1(explicit(0)) || !body.Empty() {
		return nil, malformed("certificate request")
	}
	r := &Request{Raw: der, SPKI: spki}
	if r.Subject, err = parseName(name); err != nil {
		return nil, err
	}
	if r.PublicKey, err = parsePublicKey(spki); err != nil {
		return nil, err
	}
	if !s.algorithm.verify(r.PublicKey, s.tbs, s.signature) {
		return nil, malformed("the request is not signed by the key in it")
	}
	return r, nil
}
