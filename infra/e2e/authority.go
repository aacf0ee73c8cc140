package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/trust"
)

// authority is the certificate authority of a stack: the demonstration's, reached as a licensed one would be.
type authority struct {
	*embedded.Authority
	db         *embedded.DB
	credential string // "name:password" of the enrolment service
}

// openAuthority makes an authority with its own store in dir.
func openAuthority(ctx context.Context, dir, credential string) (*authority, error) {
	db, err := embedded.Open(filepath.Join(dir, "authority.db"), embedded.Options{Now: time.Now})
	if err != nil {
		return nil, err
	}
	keys, err := embedded.OpenKeys(filepath.Join(dir, "authority-keys"), rand.Reader)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	a, err := embedded.OpenAuthority(ctx, db, keys, rand.Reader)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &authority{Authority: a, db: db, credential: credential}, nil
}

const enrolmentPath = "/.well-known/est/seal"

// ServeHTTP is simple enrolment (RFC 7030, section 4.2) of the keys of seals, for two years.
func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, password, _ := r.BasicAuth()
	switch {
	case r.Method+" "+r.URL.Path != "POST "+enrolmentPath+"/simpleenroll":
		w.WriteHeader(http.StatusNotFound)
		return
	case name+":"+password != a.credential:
		w.Header().Set("WWW-Authenticate", `Basic realm="enrolment"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	csr, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(text), nil)))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	from := time.Now().UTC().Truncate(time.Second).Add(-time.Hour) // as authorities do, for clocks that differ
	chain, err := a.CertifySeal(r.Context(), csr, from, from.AddDate(2, 0, 0))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	message, err := certsOnly(chain)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
	w.Header().Set("Content-Transfer-Encoding", "base64")
	_, _ = io.WriteString(w, base64.StdEncoding.EncodeToString(message)) // the client is gone if this fails
}

// certsOnly is a SignedData that signs nothing and brings certificates (RFC 5652, section 5.1; RFC 5272, section 4.1).
func certsOnly(chain [][]byte) ([]byte, error) {
	data := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	signedData := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	type encapsulated struct{ Type asn1.ObjectIdentifier }
	set := asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSet, IsCompound: true}
	inner, err := asn1.Marshal(struct {
		Version      int
		Algorithms   asn1.RawValue
		Encapsulated encapsulated
		Certificates asn1.RawValue
		Signers      asn1.RawValue
	}{1, set, encapsulated{data}, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true,
		Bytes: bytes.Join(chain, nil)}, set})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}{signedData, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: inner}})
}

// anchors are the orders by which an operator has the platform trust the authority.
func (a *authority) anchors(ctx context.Context) (orders []map[string]string, err error) {
	for _, anchor := range a.Anchors() {
		text := pemOf("CERTIFICATE", anchor.Root.Raw)
		for _, issuer := range anchor.Issuers {
			text += pemOf("CERTIFICATE", issuer.Raw)
		}
		orders = append(orders, map[string]string{"purpose": string(anchor.Purpose), "anchor": text})
	}
	lists, err := a.CRLs(ctx)
	if err != nil {
		return nil, err
	}
	crls := ""
	for _, l := range lists {
		crls += pemOf("X509 CRL", l.Raw)
	}
	return append(orders, map[string]string{"crls": crls}), nil
}

// certify answers a request for the certificate of an agency's key, PEM in and out.
func (a *authority) certify(ctx context.Context, use key.Purpose, request string) (string, error) {
	purpose, ok := map[key.Purpose]trust.Purpose{
		key.SealMaker: trust.SealMaker, key.LicenceIssuer: trust.LicenceIssuer, key.StatusList: trust.StatusList,
	}[use]
	block, _ := pem.Decode([]byte(request))
	if !ok || block == nil {
		return "", fmt.Errorf("no request for a %s key", use)
	}
	chain, err := a.Certify(ctx, purpose, block.Bytes)
	if err != nil {
		return "", err
	}
	text := ""
	for _, der := range chain {
		text += pemOf("CERTIFICATE", der)
	}
	return text, nil
}

// https is the certificate of a host, and the pool that trusts it.
func (a *authority) https(ctx context.Context, host string) (tls.Certificate, *x509.CertPool, error) {
	c, err := a.TLSCertificate(ctx, host)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool := x509.NewCertPool()
	for _, anchor := range a.Anchors() {
		if anchor.Purpose == trust.Platform {
			root, err := x509.ParseCertificate(anchor.Root.Raw)
			if err != nil {
				return tls.Certificate{}, nil, err
			}
			pool.AddCert(root)
		}
	}
	return c, pool, nil
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
