package aws_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/licence/licencetest"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/seal/sealtest"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verify"
	"github.com/yinxin/yinxin/shared/verify/verifytest"
)

// authority is a licensed authority of the tests: one root and one issuing authority for each algorithm.
type authority struct {
	t      *testing.T
	serial atomic.Int64
	roots  map[key.Algorithm]*cert.Certificate
	cas    map[key.Algorithm]*cert.Certificate
	rootOf map[key.Algorithm]key.Signer
	keys   map[key.Algorithm]key.Signer
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, roots: map[key.Algorithm]*cert.Certificate{}, cas: map[key.Algorithm]*cert.Certificate{},
		rootOf: map[key.Algorithm]key.Signer{}, keys: map[key.Algorithm]key.Signer{}}
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256} {
		name := func(what string) cert.Name {
			return cert.Name{Country: "CN", CommonName: fmt.Sprintf("示例%s %s", what, alg)}
		}
		template := cert.Template{Subject: name("根"), NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(9, 0, 0),
			KeyUsage: cert.CertSign | cert.CRLSign, IsCA: true, MaxPathLen: -1}
		a.rootOf[alg], a.keys[alg] = keytest.New(t, alg), keytest.New(t, alg)
		a.roots[alg] = a.parsed(cert.CreateRoot(t.Context(), a.numbered(template), a.rootOf[alg]))
		template.Subject, template.MaxPathLen = name("CA"), 0
		a.cas[alg] = a.parsed(cert.Create(t.Context(), a.numbered(template), a.roots[alg], a.rootOf[alg], a.keys[alg].Public()))
	}
	return a
}

func (a *authority) numbered(t cert.Template) cert.Template {
	t.Serial = big.NewInt(a.serial.Add(1))
	return t
}

func (a *authority) parsed(der []byte, err error) *cert.Certificate {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := cert.Parse(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// CertifySeal implements [seal.Certifier].
func (a *authority) CertifySeal(ctx context.Context, csr []byte, from, to time.Time) ([][]byte, error) {
	r, err := cert.ParseCSR(csr)
	if err != nil {
		return nil, err
	}
	alg, _ := r.KeyAlgorithm()
	t := cert.Template{Subject: r.Subject, NotBefore: from, NotAfter: to, KeyUsage: cert.DigitalSignature | cert.NonRepudiation}
	der, err := cert.Create(ctx, a.numbered(t), a.cas[alg], a.keys[alg], r.PublicKey)
	return [][]byte{der, a.cas[alg].Raw}, err
}

// MakerCertificate implements [seal.Certifier].
func (a *authority) MakerCertificate(context.Context, string) ([]byte, error) {
	return nil, seal.ErrUnknown
}

// IssuerChain implements [licence.IssuerCertificates] for one key of one agency. Those that are imported have a test of
// their own.
func (a *authority) IssuerChain(_ context.Context, purpose key.Purpose, uscc string) ([][]byte, error) {
	if purpose != key.LicenceIssuer || uscc != issuing {
		return nil, licence.ErrUnknown
	}
	return [][]byte{a.cas[key.ES256].Raw}, nil
}

// publish imports anchors and lists of all authorities.
func (a *authority) publish(s *aws.Trust) {
	a.t.Helper()
	for _, p := range trust.Purposes() {
		alg := key.ES256
		if p == trust.SealMaker || p == trust.SealOwner {
			alg = key.SM2SM3
		}
		anchor := trust.Anchor{Purpose: p, Root: a.roots[alg], Issuers: []*cert.Certificate{a.cas[alg]}}
		if err := s.SaveAnchor(a.t.Context(), anchor, told("anchor "+string(p))); err != nil {
			a.t.Fatal(err)
		}
	}
	for alg := range a.roots {
		a.list(s, a.roots[alg], a.rootOf[alg], 1, noon.Add(-time.Hour))
		a.list(s, a.cas[alg], a.keys[alg], 1, noon.Add(-time.Hour))
	}
}

func (a *authority) list(s *aws.Trust, of *cert.Certificate, k key.Signer, number int64, at time.Time, revoked ...cert.Revocation) {
	a.t.Helper()
	der, err := cert.CreateCRL(a.t.Context(), cert.CRLTemplate{Number: big.NewInt(number), ThisUpdate: at, NextUpdate: at.AddDate(0, 0, 1),
		Revoked: revoked}, of, k)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := s.SaveCRL(a.t.Context(), der, told(fmt.Sprint("crl", a.serial.Add(1)))); err != nil {
		a.t.Fatal(err)
	}
}

const (
	making  = "11990000YX0000059Y"
	issuing = "11990000YX0000067R"
)

func openTrust(t *testing.T) (*authority, *aws.Trust) {
	a := newAuthority(t)
	db, _, _ := open(t, noon)
	s := aws.NewTrust(db, aws.LicenceTypes{DB: db})
	a.publish(s)
	for i, o := range []registry.Organisation{
		{USCC: making, Name: "示例省印章制作中心", Division: "990000", Duties: []string{"seal.make"}},
		{USCC: issuing, Name: "示例省人力资源和社会保障厅", Division: "990000"},
	} {
		if err := (aws.Organisations{DB: db}).SaveOrganisation(t.Context(), o, told(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	kind := licence.Definition{Code: issuing + "001", Version: 1, Issuers: []string{issuing, "11990000MB99000009"}}
	if err := (aws.LicenceTypes{DB: db}).SaveLicenceType(t.Context(), kind, told("type")); err != nil {
		t.Fatal(err)
	}
	return a, s
}

func TestTrustIsWhatWasImportedAndTheRegistry(t *testing.T) {
	verifytest.Trust(t, func(t *testing.T) (verify.Trust, string, string, string, time.Time) {
		_, s := openTrust(t)
		return s, making, issuing, issuing + "001", noon
	})
	sealtest.Trust(t, func(t *testing.T) (seal.Trust, seal.Certifier, time.Time) {
		a, s := openTrust(t)
		return s, a, noon
	})
}

func TestAnOldRevocationListReplacesNoNewerOne(t *testing.T) {
	a, s := openTrust(t)
	revoked := cert.Revocation{Serial: big.NewInt(77), At: noon}
	count := func() (lists, entries int) {
		t.Helper()
		_, _, crls, err := s.Trust(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range crls {
			entries += len(l.Revoked)
		}
		return len(crls), entries
	}
	a.list(s, a.cas[key.ES256], a.keys[key.ES256], 3, noon, revoked)
	a.list(s, a.cas[key.ES256], a.keys[key.ES256], 2, noon.Add(-time.Minute))
	if lists, entries := count(); lists != 4 || entries != 1 {
		t.Errorf("%d lists with %d entries, want 4 with 1", lists, entries)
	}
	a.list(s, a.cas[key.ES256], a.keys[key.ES256], 4, noon.Add(time.Minute), revoked, cert.Revocation{Serial: big.NewInt(78), At: noon})
	if lists, entries := count(); lists != 4 || entries != 2 {
		t.Errorf("%d lists with %d entries, want 4 with 2", lists, entries)
	}
	if err := s.SaveCRL(t.Context(), []byte("no list"), told("no")); err == nil {
		t.Error("what is no list was taken")
	}
}

func TestLicenceDirectoryKeepsTheContract(t *testing.T) {
	licencetest.Directory(t, func(t *testing.T, p licencetest.People) licencetest.DirectoryPorts {
		db, _, _ := open(t, noon)
		o := registry.Organisation{USCC: p.Agency.USCC, Name: p.Agency.Name, Kind: registry.Agency, Division: p.Agency.Division}
		person := registry.Person{ID: p.Person.Subject, Name: p.Person.Name, IDType: string(p.Person.Type), IDNumber: p.Person.Code}
		m := registry.Mandate{Person: p.Mandate[0], Organisation: p.Mandate[1], Roles: []string{p.Mandate[2]}}
		err := errors.Join(aws.Organisations{DB: db}.SaveOrganisation(t.Context(), o, told("1")),
			aws.Persons{DB: db}.SavePerson(t.Context(), person, told("2")), aws.Mandates{DB: db}.SaveMandate(t.Context(), m, told("3")))
		if err != nil {
			t.Fatal(err)
		}
		d := aws.LicenceDirectory{DB: db}
		return licencetest.DirectoryPorts{Agencies: d, Holders: d, Mandates: aws.Mandates{DB: db}, Certificates: newAuthority(t)}
	})
}
