package embedded

import (
	"context"
	"crypto"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
)

// Authority is the demonstration certificate authority (示例): two roots and, under them, one issuing authority for each
// purpose of shared/trust.
//
//	示例SM2根 ──┬─ seal-maker      makers of seals (制章人)
//	            └─ seal-owner      who stamps (签章人)
//	示例P-256根 ┬─ document        compatibility signatures in PDF
//	            ├─ licence-issuer  agencies that issue licences
//	            ├─ status-list     their status lists, by a key that makes no licence
//	            └─ platform        the platform's receipts and https
//
// In production requests go to a licensed authority (电子认证服务机构) and its certificates are imported; the services
// see the same ports. It certifies whatever name its caller gives it in the shape of the purpose: that the name is the
// key owner's is the caller's knowledge.
//
// A certificate is recorded before it is signed: if the process stops between the two, a serial number is used up and
// stands in the record without a certificate.
type Authority struct {
	*DB
	Keys   *Keys
	random io.Reader
	cas    []authorityCA

	mu    sync.Mutex
	lists map[string]*cert.CRL // by name: the lists that were read last, which remember that they were verified
}

var (
	_ seal.Certifier             = (*Authority)(nil)
	_ licence.IssuerCertificates = (*Authority)(nil)
)

// authorityCA is one of the certificate authorities.
type authorityCA struct {
	name        string // "root-sm2", "root-p256" or the purpose
	purpose     trust.Purpose
	root        string // the name of the root above; empty for a root
	algorithm   key.Algorithm
	common      string
	years       int // what it certifies is valid for, where the caller does not say
	certificate *cert.Certificate
}

// authorities are the demonstration's, roots first.
func authorities() []authorityCA {
	return []authorityCA{
		{name: "root-sm2", algorithm: key.SM2SM3, common: "示例SM2根证书"},
		{name: "root-p256", algorithm: key.ES256, common: "示例P-256根证书"},
		{name: "seal-maker", purpose: trust.SealMaker, root: "root-sm2", algorithm: key.SM2SM3, common: "示例制章CA", years: 3},
		{name: "seal-owner", purpose: trust.SealOwner, root: "root-sm2", algorithm: key.SM2SM3, common: "示例电子印章CA", years: 1},
		{name: "document", purpose: trust.Document, root: "root-p256", algorithm: key.ES256, common: "示例文档签名CA", years: 1},
		{name: "licence-issuer", purpose: trust.LicenceIssuer, root: "root-p256", algorithm: key.ES256,
			common: "示例电子证照CA", years: 3},
		{name: "status-list", purpose: trust.StatusList, root: "root-p256", algorithm: key.ES256,
			common: "示例证照状态CA", years: 3},
		{name: "platform", purpose: trust.Platform, root: "root-p256", algorithm: key.ES256, common: "示例平台CA", years: 1},
	}
}

const (
	rootYears   = 10
	maxYears    = 5 // of any certificate below an issuing authority
	crlValidity = 24 * time.Hour
	crlRenewal  = 12 * time.Hour // a list older than this is made anew

	bucketCAs     = "ca"              // name → caRecord
	bucketIssued  = "ca-certificates" // serial number, hex → issuedRecord
	bucketHolders = "ca-holders"      // key purpose ‖ 0 ‖ owner → serial number, hex: the current certificate of a key
	bucketCRLs    = "ca-crls"         // name → crlRecord
)

// The refusals of [Authority].
var (
	ErrRequestRefused = errors.New("authority: the request is refused")
	ErrNotIssued      = errors.New("authority: no certificate with this serial number")
	ErrNoCertificate  = errors.New("authority: the key has no certificate")
)

type caRecord struct {
	Certificate []byte `json:"certificate"`
}

type issuedRecord struct {
	Issuer         string      `json:"issuer"`
	Subject        string      `json:"subject"`
	NotAfter       time.Time   `json:"notAfter"`
	Certificate    []byte      `json:"certificate,omitempty"` // empty while it is not signed
	RevokedAt      time.Time   `json:"revokedAt,omitzero"`
	Reason         cert.Reason `json:"reason,omitempty"`
	InvalidityDate time.Time   `json:"invalidityDate,omitzero"`
}

// OpenAuthority opens the authority kept in db and keys, and makes what is not there yet.
func OpenAuthority(ctx context.Context, db *DB, keys *Keys, random io.Reader) (*Authority, error) {
	a := &Authority{DB: db, Keys: keys, random: random, lists: map[string]*cert.CRL{}}
	for _, ca := range authorities() {
		if err := a.openCA(ctx, &ca); err != nil {
			return nil, fmt.Errorf("opening the authority %s: %w", ca.name, err)
		}
		a.cas = append(a.cas, ca)
	}
	return a, nil
}

func (a *Authority) openCA(ctx context.Context, ca *authorityCA) error {
	var record caRecord
	var found bool
	err := a.view(func(tx *bbolt.Tx) (err error) {
		record, found, err = get[caRecord](tx, bucketCAs, ca.name)
		return err
	})
	if err != nil {
		return err
	}
	if !found {
		if record.Certificate, err = a.makeCA(ctx, *ca); err != nil {
			return err
		}
		if err := a.update(func(tx *bbolt.Tx) error { return put(tx, bucketCAs, ca.name, record) }); err != nil {
			return err
		}
	}
	ca.certificate, err = cert.Parse(record.Certificate)
	return err
}

func (a *Authority) makeCA(ctx context.Context, ca authorityCA) ([]byte, error) {
	k, err := a.Keys.MakeKey(ctx, key.Authority, ca.name, ca.algorithm)
	if err != nil {
		return nil, err
	}
	t := cert.Template{
		Subject:  cert.Name{Country: "CN", Organization: "示例电子认证服务机构", CommonName: ca.common},
		KeyUsage: cert.CertSign | cert.CRLSign, IsCA: true, MaxPathLen: 0,
	}
	if ca.root == "" {
		t.MaxPathLen = 1
		t.NotBefore = a.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second)
		t.NotAfter = t.NotBefore.AddDate(rootYears, 0, 0)
		if t.Serial, err = a.drawSerial(); err != nil {
			return nil, err
		}
		return cert.CreateRoot(ctx, t, k)
	}
	root := a.ca(ca.root)
	t.NotBefore, t.NotAfter = root.certificate.NotBefore, root.certificate.NotAfter
	return a.issue(ctx, root, t, k.Public())
}

// ca returns one of the authorities that exist.
func (a *Authority) ca(name string) authorityCA {
	i := slices.IndexFunc(a.cas, func(ca authorityCA) bool { return ca.name == name })
	return a.cas[i]
}

func (a *Authority) byPurpose(p trust.Purpose) (authorityCA, bool) {
	i := slices.IndexFunc(a.cas, func(ca authorityCA) bool { return ca.purpose == p && p != "" })
	if i < 0 {
		return authorityCA{}, false
	}
	return a.cas[i], true
}

// drawSerial draws a serial number of 16 bytes: a counter, so that none comes twice, and 64 random bits, so that none
// can be foreseen (CA/Browser Forum Baseline Requirements, section 7.1).
func (a *Authority) drawSerial() (*big.Int, error) {
	serial := make([]byte, 16)
	if _, err := io.ReadFull(a.random, serial[8:]); err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	err := a.update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucketIssued))
		if err != nil {
			return err
		}
		n, err := b.NextSequence()
		binary.BigEndian.PutUint64(serial, n)
		return err
	})
	return new(big.Int).SetBytes(serial), err
}

// issue draws the serial number, records, signs and keeps a certificate.
func (a *Authority) issue(
	ctx context.Context, ca authorityCA, t cert.Template, subject crypto.PublicKey,
) ([]byte, error) {
	var err error
	if t.Serial, err = a.drawSerial(); err != nil {
		return nil, err
	}
	record := issuedRecord{Issuer: ca.name, Subject: t.Subject.String(), NotAfter: t.NotAfter}
	if err := a.update(func(tx *bbolt.Tx) error { return put(tx, bucketIssued, serialID(t.Serial), record) }); err != nil {
		return nil, fmt.Errorf("recording a certificate: %w", err)
	}
	k, err := a.Keys.OpenKey(ctx, key.Authority, ca.name)
	if err != nil {
		return nil, err
	}
	der, err := cert.Create(ctx, t, ca.certificate, k, subject)
	if err != nil {
		return nil, err
	}
	err = a.update(func(tx *bbolt.Tx) error {
		record, _, err := get[issuedRecord](tx, bucketIssued, serialID(t.Serial))
		if err != nil {
			return err
		}
		record.Certificate = der
		return put(tx, bucketIssued, serialID(t.Serial), record)
	})
	if err != nil {
		return nil, fmt.Errorf("keeping a certificate: %w", err)
	}
	return der, nil
}

func serialID(serial *big.Int) string { return serial.Text(16) }

// Certify certifies the key of a request for a purpose, from now on for the years of the purpose, and returns the
// certificate and its issuers without the root, DER, the certificate first. It returns [ErrRequestRefused] for a
// request that is malformed, not signed by its key, of another algorithm than the purpose has, or under a name that the
// purpose does not know.
func (a *Authority) Certify(ctx context.Context, purpose trust.Purpose, csr []byte) (chain [][]byte, err error) {
	ca, ok := a.byPurpose(purpose)
	if !ok {
		return nil, fmt.Errorf("%w: no authority certifies for %q", ErrRequestRefused, purpose)
	}
	from := a.Now().UTC().Truncate(time.Second)
	return a.certify(ctx, ca, csr, from, from.AddDate(ca.years, 0, 0))
}

// CertifySeal implements [seal.Certifier]: SM2 keys are certified for stamping, P-256 keys for signatures in PDF.
func (a *Authority) CertifySeal(ctx context.Context, csr []byte, from, to time.Time) (chain [][]byte, err error) {
	r, err := cert.ParseCSR(csr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequestRefused, err)
	}
	if err := checkSubject(trust.SealOwner, r.Subject); err != nil {
		return nil, err
	}
	purpose := trust.Document
	if alg, _ := r.KeyAlgorithm(); alg == key.SM2SM3 {
		purpose = trust.SealOwner
	}
	ca, _ := a.byPurpose(purpose)
	if to.Nanosecond() > 0 {
		to = to.Truncate(time.Second).Add(time.Second)
	}
	return a.certify(ctx, ca, csr, from, to)
}

func (a *Authority) certify(ctx context.Context, ca authorityCA, csr []byte, from, to time.Time) ([][]byte, error) {
	r, err := cert.ParseCSR(csr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequestRefused, err)
	}
	if alg, _ := r.KeyAlgorithm(); alg != ca.algorithm {
		return nil, fmt.Errorf("%w: %s certifies keys of %s", ErrRequestRefused, ca.name, ca.algorithm)
	}
	if err := checkSubject(ca.purpose, r.Subject); err != nil {
		return nil, err
	}
	if !to.After(from) || to.After(from.AddDate(maxYears, 0, 1)) {
		return nil, fmt.Errorf("%w: a certificate is valid for at most %d years", ErrRequestRefused, maxYears)
	}
	t := cert.Template{
		Subject: r.Subject, NotBefore: from, NotAfter: to, KeyUsage: cert.DigitalSignature | cert.NonRepudiation,
	}
	der, err := a.issue(ctx, ca, t, r.PublicKey)
	if err != nil {
		return nil, err
	}
	return [][]byte{der, ca.certificate.Raw}, nil
}

// checkSubject tells whether a name has the shape that certificates of the purpose have.
func checkSubject(purpose trust.Purpose, n cert.Name) error {
	uscc, name, ok := cert.SplitOwner(n.Organization)
	if purpose == trust.SealOwner {
		if _, err := cert.SealOwner(n.CommonName, uscc, name); err != nil {
			return fmt.Errorf("%w: %w", ErrRequestRefused, err)
		}
	}
	if n.CommonName == "" || !ok && purpose != trust.Platform {
		return fmt.Errorf("%w: the subject needs a common name, and as organisation a unified social credit code and a name",
			ErrRequestRefused)
	}
	return nil
}

// Enrol makes the key of a purpose and owner if it is not there, has it certified under subject if it has no
// certificate that is good now, and returns the chain as [Authority.Certify] does. It is how the makers, agencies and
// the platform of the demonstration come to their certificates.
func (a *Authority) Enrol(
	ctx context.Context, purpose trust.Purpose, use key.Purpose, owner string, subject cert.Name,
) (chain [][]byte, err error) {
	if chain, err := a.Chain(ctx, use, owner); !errors.Is(err, ErrNoCertificate) {
		return chain, err
	}
	ca, ok := a.byPurpose(purpose)
	if !ok {
		return nil, fmt.Errorf("%w: no authority certifies for %q", ErrRequestRefused, purpose)
	}
	csr, err := a.Keys.RequestKey(ctx, use, owner, ca.algorithm, subject)
	if err != nil {
		return nil, err
	}
	if chain, err = a.Certify(ctx, purpose, csr); err != nil {
		return nil, err
	}
	return chain, a.hold(use, owner, chain[0])
}

// hold makes a certificate the current one of a key.
func (a *Authority) hold(use key.Purpose, owner string, der []byte) error {
	c, err := cert.Parse(der)
	if err != nil {
		return err
	}
	return a.update(func(tx *bbolt.Tx) error {
		return put(tx, bucketHolders, string(use)+"\x00"+owner, serialID(c.Serial))
	})
}

// Chain returns the current certificate of an enrolled key and its issuers without the root, DER, the certificate
// first; [ErrNoCertificate] where the key was never enrolled, or its certificate has expired or is revoked.
func (a *Authority) Chain(_ context.Context, use key.Purpose, owner string) (chain [][]byte, err error) {
	err = a.view(func(tx *bbolt.Tx) error {
		id, _, err := get[string](tx, bucketHolders, string(use)+"\x00"+owner)
		if err != nil {
			return err
		}
		record, _, err := get[issuedRecord](tx, bucketIssued, id)
		if err != nil {
			return err
		}
		if record.Certificate == nil || !record.RevokedAt.IsZero() || a.Now().After(record.NotAfter) {
			return fmt.Errorf("%w: %s of %q", ErrNoCertificate, use, owner)
		}
		chain = [][]byte{record.Certificate, a.ca(record.Issuer).certificate.Raw}
		return nil
	})
	return chain, err
}

// MakerCertificate implements [seal.Certifier]: it answers for makers that were enrolled.
func (a *Authority) MakerCertificate(ctx context.Context, maker string) ([]byte, error) {
	chain, err := a.Chain(ctx, key.SealMaker, maker)
	if errors.Is(err, ErrNoCertificate) {
		return nil, seal.ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	return chain[0], nil
}

// IssuerChain implements [licence.IssuerCertificates]: it answers for agencies that were enrolled.
func (a *Authority) IssuerChain(ctx context.Context, purpose key.Purpose, uscc string) ([][]byte, error) {
	chain, err := a.Chain(ctx, purpose, uscc)
	if errors.Is(err, ErrNoCertificate) {
		return nil, licence.ErrUnknown
	}
	return chain, err
}

// Anchors returns what verifiers trust: for each purpose its root, and the authority under it that certifies for it.
func (a *Authority) Anchors() trust.Anchors {
	var anchors trust.Anchors
	for _, ca := range a.cas {
		if ca.root != "" {
			anchors = append(anchors, trust.Anchor{
				Purpose: ca.purpose, Root: a.ca(ca.root).certificate, Issuers: []*cert.Certificate{ca.certificate},
			})
		}
	}
	return anchors
}

// Export writes roots, authorities and current lists as PEM files, named by what they are: root-sm2.pem,
// ca-seal-maker.pem, crl-seal-maker.pem, crl-root-sm2.pem and so on.
func (a *Authority) Export(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	lists, err := a.CRLs(ctx)
	if err != nil {
		return err
	}
	for i, ca := range a.cas {
		name := ca.name
		if ca.root != "" {
			name = "ca-" + name
		}
		if err := writePEM(filepath.Join(dir, name+".pem"), "CERTIFICATE", ca.certificate.Raw); err != nil {
			return err
		}
		if err := writePEM(filepath.Join(dir, "crl-"+ca.name+".pem"), "X509 CRL", lists[i].Raw); err != nil {
			return err
		}
	}
	return nil
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644)
}
