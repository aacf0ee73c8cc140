package aws

import (
	"bytes"
	"context"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/seal"
)

// Certifier asks a certificate authority to certify the keys of seals, by Enrollment over Secure Transport: simple
// enrolment of clients (RFC 7030, section 4.2), HTTP basic authentication (section 3.2.3). For how long it certifies is
// the authority's policy; a certificate that ends before the seal does is refused.
type Certifier struct {
	Certificates
	Address    string // of the service, "https://ca.example/.well-known/est/seal"
	Credential string // "name:password"
	Client     *http.Client
}

var _ seal.Certifier = Certifier{}

const (
	maxEnrolment  = 1 << 20          // bytes of an answer
	enrolmentTime = 15 * time.Second // for one request
)

// CertifySeal implements [seal.Certifier].
func (s Certifier) CertifySeal(ctx context.Context, csr []byte, from, to time.Time) ([][]byte, error) {
	request, err := cert.ParseCSR(csr)
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, enrolmentTime)
	defer cancel()
	body := base64.StdEncoding.EncodeToString(csr)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Address+"/simpleenroll", strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: %w", err)
	}
	name, password, _ := strings.Cut(s.Credential, ":")
	r.SetBasicAuth(name, password)
	r.Header.Set("Content-Type", "application/pkcs10")
	r.Header.Set("Content-Transfer-Encoding", "base64")
	r.Header.Set("Accept", "application/pkcs7-mime")
	answer, err := s.Client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // what was needed of it is read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxEnrolment+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("enrolling a key: %w", err)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("enrolling a key: the authority answered with status %d", answer.StatusCode)
	case len(text) > maxEnrolment:
		return nil, fmt.Errorf("enrolling a key: the answer has more than %d bytes", maxEnrolment)
	}
	// Line breaks stand in what some authorities send (RFC 8951, section 3.1).
	der, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(text), nil)))
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: the answer is not base64: %w", err)
	}
	list, err := certsOnly(der)
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: %w", err)
	}
	return chainFor(list, request, from, to)
}

// certsOnly returns the certificates of a certs-only message: a SignedData that signs nothing (RFC 5272, section 4.1).
func certsOnly(der []byte) ([]*cert.Certificate, error) {
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	var inner struct {
		Version      int
		Algorithms   asn1.RawValue
		Encapsulated asn1.RawValue
		Certificates asn1.RawValue `asn1:"optional,tag:0"`
		CRLs         asn1.RawValue `asn1:"optional,tag:1"`
		Signers      asn1.RawValue
	}
	signedData := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 || !outer.Type.Equal(signedData) {
		return nil, errors.New("the answer is no PKCS #7 message of certificates")
	}
	if rest, err := asn1.Unmarshal(outer.Content.Bytes, &inner); err != nil || len(rest) > 0 {
		return nil, errors.New("the answer is no PKCS #7 message of certificates")
	}
	var list []*cert.Certificate
	for rest := inner.Certificates.Bytes; len(rest) > 0; {
		var one asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return nil, fmt.Errorf("reading the certificates: %w", err)
		}
		c, err := cert.Parse(one.FullBytes)
		if err != nil {
			return nil, fmt.Errorf("reading the certificates: %w", err)
		}
		list = append(list, c)
	}
	return list, nil
}

// chainFor orders certificates: first the one for the key of the request, then its issuers, the root left out.
func chainFor(list []*cert.Certificate, request *cert.Request, from, to time.Time) ([][]byte, error) {
	var current *cert.Certificate
	for _, c := range list {
		if bytes.Equal(c.SPKI, request.SPKI) {
			current = c
		}
	}
	if current == nil {
		return nil, errors.New("enrolling a key: the authority certified another")
	}
	if !current.ValidAt(from) || !current.ValidAt(to) {
		return nil, errors.New("enrolling a key: the certificate does not hold as long as the seal")
	}
	chain := [][]byte{current.Raw}
	for range list {
		var above *cert.Certificate
		for _, c := range list {
			if !c.SelfIssued() && !c.Equal(current) && current.SignedBy(c) {
				above = c
			}
		}
		if above == nil {
			break
		}
		chain, current = append(chain, above.Raw), above
	}
	return chain, nil
}
