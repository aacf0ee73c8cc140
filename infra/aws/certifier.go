package aws

import (
	"bytes"
	"context"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

// Certifier asks a certificate authority to certify the keys of seals, by Enrollment over Secure Transport: simple
// enrolment of clients (RFC 7030, section 4.2), HTTP basic authentication (section 3.2.3).
//
//	request ── POST simpleenroll ──┬─ 202: waits as it is told to, if there is time, and asks again
//	                               └─ 200: certs-only message ── the certificate ── its chain up to an anchor ── taken
//
// The authority is not believed: a certificate is taken only if it is for the key and the name that were requested,
// holds for as long as the seal does, says that it is for signatures and for no authority, and has a chain of which
// every link is verified up to an anchor that an operator imported for the purpose. What differs is refused with
// [ErrCertificate].
//
// It does not fetch the authority's own certificates (section 4.1), follow redirects, or ask about revocation: the
// certificate is minutes old.
type Certifier struct {
	Certificates
	Anchors    *Anchors
	Address    string // of the service, "https://ca.example/.well-known/est/seal"
	Credential string // "name:password"
	Client     *http.Client
	Wait       func(ctx context.Context, d time.Duration) error // nil: by the clock
}

var _ seal.Certifier = Certifier{}

const (
	maxEnrolment  = 256 << 10        // bytes of an answer
	maxCertified  = 8                // certificates in it
	maxWaits      = 3                // times that the authority may ask for patience
	enrolmentTime = 15 * time.Second // for one enrolment, waiting included
)

// The refusals of an enrolment. Their details say what was wrong.
var (
	// ErrPending: the authority wants more time than there is. The same request may be made again.
	ErrPending = problem.New(http.StatusServiceUnavailable, "certificate_pending",
		"The certificate authority has not decided yet.")
	// ErrRefused: the authority certifies this request not.
	ErrRefused = problem.New(http.StatusBadGateway, "certificate_refused", "The certificate authority refused the request.")
	// ErrAnswer: the authority's answer is not what RFC 7030 asks of it.
	ErrAnswer = problem.New(http.StatusBadGateway, "certificate_answer", "The certificate authority's answer is not usable.")
	// ErrCertificate: it certified something else than what was requested, or is not trusted for it.
	ErrCertificate = problem.New(http.StatusBadGateway, "certificate_wrong", "The certificate is not the one that was requested.")
)

// CertifySeal implements [seal.Certifier].
func (s Certifier) CertifySeal(ctx context.Context, csr []byte, from, to time.Time) ([][]byte, error) {
	request, err := cert.ParseCSR(csr)
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, enrolmentTime)
	defer cancel()
	body, err := s.enrol(ctx, csr)
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: %w", err)
	}
	list, err := certsOnly(body)
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: %w", err)
	}
	anchors, err := s.Anchors.Anchors(ctx)
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: %w", err)
	}
	chain, err := chainFor(list, request, anchors, from, to)
	if err != nil {
		return nil, fmt.Errorf("enrolling a key: %w", err)
	}
	return chain, nil
}

// enrol sends a request, again when it is told to, and returns the certs-only message.
func (s Certifier) enrol(ctx context.Context, csr []byte) ([]byte, error) {
	wait := s.Wait
	if wait == nil {
		wait = waiting
	}
	for range maxWaits {
		body, patience, err := s.ask(ctx, csr)
		if err != nil || body != nil {
			return body, err
		}
		if end, ok := ctx.Deadline(); patience <= 0 || ok && time.Until(end) <= patience {
			return nil, ErrPending.With("the authority asks for " + patience.String())
		}
		if err := wait(ctx, patience); err != nil {
			return nil, err
		}
	}
	return nil, ErrPending.With("the authority asked for patience too often")
}

func waiting(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask sends a request once. Without a body the authority wants to be asked again after that time.
func (s Certifier) ask(ctx context.Context, csr []byte) (body []byte, patience time.Duration, err error) {
	text := base64.StdEncoding.EncodeToString(csr)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Address+"/simpleenroll", strings.NewReader(text))
	if err != nil {
		return nil, 0, err
	}
	name, password, _ := strings.Cut(s.Credential, ":")
	r.SetBasicAuth(name, password)
	r.Header.Set("Content-Type", "application/pkcs10")
	r.Header.Set("Content-Transfer-Encoding", "base64")
	r.Header.Set("Accept", "application/pkcs7-mime")
	client := *s.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = answer.Body.Close() }() // what was needed of it is read
	switch code := answer.StatusCode; {
	case code == http.StatusAccepted:
		return nil, retryAfter(answer.Header.Get("Retry-After"), s.Now()), nil
	case code >= 400 && code < 500:
		return nil, 0, ErrRefused.With(fmt.Sprintf("status %d", code))
	case code != http.StatusOK:
		return nil, 0, ErrAnswer.With(fmt.Sprintf("status %d", code))
	}
	kind, parameters, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if smime := parameters["smime-type"]; err != nil || kind != "application/pkcs7-mime" || smime != "" && smime != "certs-only" {
		return nil, 0, ErrAnswer.With("its media type is not application/pkcs7-mime; smime-type=certs-only")
	}
	encoded, err := io.ReadAll(io.LimitReader(answer.Body, maxEnrolment+1))
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("reading the answer: %w", err)
	case len(encoded) > maxEnrolment:
		return nil, 0, ErrAnswer.With(fmt.Sprintf("it has more than %d bytes", maxEnrolment))
	}
	// Line breaks stand in what some authorities send (RFC 8951, section 3.1).
	body, err = base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(encoded), nil)))
	if err != nil || len(body) == 0 {
		return nil, 0, ErrAnswer.With("it is not base64")
	}
	return body, 0, nil
}

// retryAfter reads how long to wait (RFC 9110, section 10.2.3): seconds, or a date; 0 for anything else.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return max(time.Duration(seconds)*time.Second, time.Millisecond) // "0": at once
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), time.Millisecond)
	}
	return 0
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
	noMessage := ErrAnswer.With("it is no PKCS #7 message of certificates")
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 || !outer.Type.Equal(signedData) {
		return nil, noMessage
	}
	if rest, err := asn1.Unmarshal(outer.Content.Bytes, &inner); err != nil || len(rest) > 0 {
		return nil, noMessage
	}
	var list []*cert.Certificate
	for rest := inner.Certificates.Bytes; len(rest) > 0; {
		if len(list) == maxCertified {
			return nil, ErrAnswer.With(fmt.Sprintf("it holds more than %d certificates", maxCertified))
		}
		var one asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return nil, noMessage
		}
		c, err := cert.Parse(one.FullBytes)
		if err != nil {
			return nil, ErrAnswer.With("a certificate in it cannot be read")
		}
		list = append(list, c)
	}
	return list, nil
}

// chainFor finds the certificate for the key of the request among those that came, and its chain up to an anchor; the
// anchor is left out.
func chainFor(list []*cert.Certificate, request *cert.Request, anchors trust.Anchors, from, to time.Time) ([][]byte, error) {
	i := slices.IndexFunc(list, func(c *cert.Certificate) bool { return bytes.Equal(c.SPKI, request.SPKI) })
	if i < 0 {
		return nil, ErrCertificate.With("it is for another key")
	}
	leaf := list[i]
	if late := leaf.NotBefore; late.After(from) && late.Sub(from) <= seal.CertifyingTime {
		from = late
	}
	switch {
	case !sameName(leaf.Subject, request.Subject):
		return nil, ErrCertificate.With("it is for another name")
	case !leaf.ValidAt(from) || !leaf.ValidAt(to):
		return nil, ErrCertificate.With("it does not hold as long as the seal")
	case leaf.IsCA || leaf.KeyUsage&cert.DigitalSignature == 0 || leaf.KeyUsage&(cert.CertSign|cert.CRLSign) != 0 ||
		!signsDocuments(leaf):
		return nil, ErrCertificate.With("it is not for signatures")
	}
	purpose := trust.Document
	if algorithm, _ := request.KeyAlgorithm(); algorithm == key.SM2SM3 {
		purpose = trust.SealOwner
	}
	ask := trust.Request{Leaf: leaf, Others: list, Purpose: purpose, At: from, Now: from, KeyUsage: cert.DigitalSignature,
		NoRevocation: true}
	result := anchors.Validate(ask)
	ask.At, ask.Now = to, to
	for _, c := range slices.Concat(result.Checks, anchors.Validate(ask).Checks) {
		if c.Result != verdict.Pass && c.Result != verdict.Warn && c.Result != verdict.Skipped {
			return nil, ErrCertificate.With("its chain is not trusted: " + c.Code)
		}
	}
	var chain [][]byte
	for _, c := range result.Chain[:len(result.Chain)-1] {
		chain = append(chain, c.Raw)
	}
	return chain, nil
}

// sameName compares names by what they say, not by how an authority encodes texts.
func sameName(a, b cert.Name) bool {
	return a.Country == b.Country && a.Province == b.Province && a.Locality == b.Locality &&
		a.Organization == b.Organization && a.OrganizationalUnit == b.OrganizationalUnit && a.CommonName == b.CommonName
}

// signsDocuments tells whether the extended usages of a certificate, if it has any, allow signatures of documents: any
// usage, document signing (RFC 9336) and its forerunner of Microsoft, and protection of mail.
func signsDocuments(c *cert.Certificate) bool {
	return len(c.ExtKeyUsage) == 0 || slices.ContainsFunc(c.ExtKeyUsage, func(id asn1.ObjectIdentifier) bool {
		switch id.String() {
		case "2.5.29.37.0", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.311.10.3.12", "1.3.6.1.5.5.7.3.4":
			return true
		}
		return false
	})
}
