package aws

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/redact"
)

// Enrolment makes the keys of agencies and makers, and takes the certificates that an authority issued for them: what
// an operator does once for each, and again when a certificate ends.
//
//	{"purpose", "owner", "name"}   ── key made or found ── {"request": PEM}   to the authority
//	{"purpose", "owner", "chain"}  ── checked against the key ── imported
type Enrolment struct {
	Keys         cert.Requester
	Certificates Certificates
}

// EnrolmentOrder is one step of an enrolment.
type EnrolmentOrder struct {
	Purpose key.Purpose `json:"purpose"`         // seal-maker, licence-issuer, licence-issuer-gm or status-list
	Owner   string      `json:"owner"`           // unified social credit code
	Name    string      `json:"name,omitempty"`  // of the owner, as the certificate is to have it
	Chain   string      `json:"chain,omitempty"` // PEM: the certificate, then its issuers without the root
}

// EnrolmentAnswer says what came of a step.
type EnrolmentAnswer struct {
	KeyID   string `json:"keyId,omitempty"`
	Request string `json:"request,omitempty"` // CSR, PEM
}

// enrolled are the algorithms of the keys that are enrolled.
func enrolled(p key.Purpose) (key.Algorithm, bool) {
	switch p {
	case key.SealMaker, key.LicenceGM:
		return key.SM2SM3, true
	case key.LicenceIssuer, key.StatusList:
		return key.ES256, true
	default:
		return "", false
	}
}

// Enrol does one step.
func (s Enrolment) Enrol(ctx context.Context, o EnrolmentOrder) (EnrolmentAnswer, error) {
	algorithm, ok := enrolled(o.Purpose)
	if !ok || o.Owner == "" {
		return EnrolmentAnswer{}, fmt.Errorf("no %v key of %v is enrolled here", redact.Of(string(o.Purpose)), redact.Of(o.Owner))
	}
	if o.Chain != "" {
		chain, err := chainOf(o.Chain)
		if err != nil {
			return EnrolmentAnswer{}, err
		}
		return EnrolmentAnswer{}, s.Certificates.SaveChain(ctx, o.Purpose, o.Owner, chain)
	}
	if o.Name == "" {
		return EnrolmentAnswer{}, errors.New("a request needs the owner's name")
	}
	csr, err := s.Keys.RequestKey(ctx, o.Purpose, o.Owner, algorithm,
		cert.Name{Country: "CN", Organization: o.Owner + o.Name, CommonName: o.Name})
	if err != nil {
		return EnrolmentAnswer{}, fmt.Errorf("requesting a certificate: %w", err)
	}
	request, err := cert.ParseCSR(csr)
	if err != nil {
		return EnrolmentAnswer{}, fmt.Errorf("reading a request: %w", err)
	}
	id, _, err := keyID(request.PublicKey)
	if err != nil {
		return EnrolmentAnswer{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})
	return EnrolmentAnswer{KeyID: id, Request: string(text)}, nil
}

func chainOf(text string) (chain [][]byte, err error) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a chain is of certificates, not of a %s", block.Type)
		}
		chain = append(chain, block.Bytes)
	}
	if len(chain) == 0 {
		return nil, errors.New("the chain holds no certificate")
	}
	return chain, nil
}
