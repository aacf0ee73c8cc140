package cert

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/sm"
)

func crlTemplate() CRLTemplate {
	return CRLTemplate{
		Number: big.NewInt(300), ThisUpdate: start, NextUpdate: start.Add(24 * time.Hour), KeepsExpiredSince: start,
		Revoked: []Revocation{
			{Serial: big.NewInt(7), At: start.Add(time.Hour)},
			{Serial: new(big.Int).Lsh(big.NewInt(1), 150), At: start, Reason: KeyCompromise, InvalidityDate: start.Add(-time.Hour)},
			{Serial: big.NewInt(255), At: start.AddDate(30, 0, 0), Reason: CessationOfOperation},
		},
	}
}

func TestParseCRLReadsWhatCreateCRLWrote(t *testing.T) {
	for _, alg := range algorithms {
		m := makeChain(t, alg)
		want := crlTemplate()
		der, err := CreateCRL(t.Context(), want, m.root, m.rootKey)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ParseCRL(der)
		if err != nil {
			t.Fatal(err)
		}
		if !l.SignedBy(m.root) || l.SignedBy(m.leaf) || !bytes.Equal(l.Issuer.Raw, m.root.Subject.Raw) ||
			l.Number.Cmp(want.Number) != 0 || !l.ThisUpdate.Equal(want.ThisUpdate) || !l.NextUpdate.Equal(want.NextUpdate) ||
			!l.KeepsExpiredSince.Equal(start) || !bytes.Equal(l.AuthorityKeyID, m.root.SubjectKeyID) {
			t.Errorf("%s: read back as %+v", alg, l)
		}
		for _, r := range want.Revoked {
			got, ok := l.Find(r.Serial)
			if !ok || !got.At.Equal(r.At) || got.Reason != r.Reason || !got.InvalidityDate.Equal(r.InvalidityDate) {
				t.Errorf("%s: Find(%x) = %+v, %v; want %+v", alg, r.Serial, got, ok, r)
			}
		}
		for _, serial := range []*big.Int{big.NewInt(8), big.NewInt(-7), new(big.Int)} {
			if _, ok := l.Find(serial); ok {
				t.Errorf("%s: %v is on the list", alg, serial)
			}
		}
		checkStranger(t, m.root, der, l)
	}
}

// checkStranger reads and verifies a list with gmsm.
func checkStranger(t *testing.T, root *Certificate, der []byte, l *CRL) {
	t.Helper()
	list, err := sm.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := sm.ParseCertificate(root.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		t.Errorf("a stranger refuses the list: %v", err)
	}
	if len(list.RevokedCertificateEntries) != len(l.Revoked) {
		t.Fatalf("a stranger reads %d entries, we %d", len(list.RevokedCertificateEntries), len(l.Revoked))
	}
	for i, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(l.Revoked[i].Serial) != 0 || e.ReasonCode != int(l.Revoked[i].Reason) ||
			!e.RevocationTime.Equal(l.Revoked[i].At) {
			t.Errorf("entry %d: a stranger reads %+v, we %+v", i, e, l.Revoked[i])
		}
	}
}

func TestEveryFlippedBitOfAListIsNoticed(t *testing.T) {
	m := makeChain(t, key.SM2SM3)
	der, err := CreateCRL(t.Context(), crlTemplate(), m.root, m.rootKey)
	if err != nil {
		t.Fatal(err)
	}
	for i := range der {
		changed := bytes.Clone(der)
		changed[i] ^= 1 << (i % 8)
		if l, err := ParseCRL(changed); err == nil && l.SignedBy(m.root) {
			t.Errorf("byte %d changed: still signed", i)
		}
		if l, err := ParseCRL(der[:i]); !errors.Is(err, ErrMalformed) || l != nil {
			t.Errorf("cut off after %d bytes: %v", i, err)
		}
	}
}

func TestCreateCRLRefusesAnotherKeyAndAnEndBeforeTheBeginning(t *testing.T) {
	m := makeChain(t, key.SM2SM3)
	if _, err := CreateCRL(t.Context(), crlTemplate(), m.root, m.leafKey); err == nil {
		t.Error("a list was signed with a key that is not the issuer's")
	}
	backwards := crlTemplate()
	backwards.NextUpdate = backwards.ThisUpdate
	if _, err := CreateCRL(t.Context(), backwards, m.root, m.rootKey); err == nil {
		t.Error("a list that was never valid was made")
	}
}

func TestParseCRLSaysWhatItDoesNotUnderstand(t *testing.T) {
	issuer := &sm.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "示例"}, NotBefore: start, NotAfter: end,
		KeyUsage: sm.KeyUsage(CRLSign), IsCA: true, BasicConstraintsValid: true, SubjectKeyId: []byte{1},
	}
	k, err := sm.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	partial := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}
	foreign := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}
	for name, template := range map[string]*sm.RevocationList{
		"a partial list": {ExtraExtensions: []pkix.Extension{partial}},
		"an entry of another's issue": {RevokedCertificateEntries: []sm.RevocationEntry{{
			SerialNumber: big.NewInt(9), RevocationTime: start, ExtraExtensions: []pkix.Extension{foreign},
		}}},
	} {
		template.Number, template.ThisUpdate, template.NextUpdate = big.NewInt(1), start, end
		der, err := sm.CreateRevocationList(rand.Reader, template, issuer, k)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ParseCRL(der)
		if err != nil || len(l.UnhandledCritical) != 1 {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

func TestOfSeveralEntriesTheEarliestIsFound(t *testing.T) {
	m := makeChain(t, key.ES256)
	template := crlTemplate()
	for _, hours := range []int{5, 2, 9} {
		template.Revoked = append(template.Revoked, Revocation{Serial: big.NewInt(70), At: start.Add(time.Duration(hours) * time.Hour)})
	}
	der, err := CreateCRL(t.Context(), template, m.root, m.rootKey)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseCRL(der)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := l.Find(big.NewInt(70)); !ok || !got.At.Equal(start.Add(2*time.Hour)) {
		t.Errorf("Find = %+v, %v", got, ok)
	}
}

func FuzzParseCRL(f *testing.F) {
	for _, alg := range algorithms {
		m := makeChain(f, alg)
		der, err := CreateCRL(f.Context(), crlTemplate(), m.root, m.rootKey)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
		empty := crlTemplate()
		empty.Revoked, empty.KeepsExpiredSince = nil, time.Time{}
		if der, err = CreateCRL(f.Context(), empty, m.root, m.rootKey); err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		l, err := ParseCRL(der)
		if (l == nil) == (err == nil) {
			t.Fatal("a value and an error, or neither")
		}
		if err != nil {
			return
		}
		if strict, err := sm.ParseRevocationList(der); err == nil && len(strict.RevokedCertificateEntries) != len(l.Revoked) {
			t.Fatalf("the strict parser reads %d entries, we %d", len(strict.RevokedCertificateEntries), len(l.Revoked))
		}
		for _, r := range l.Revoked {
			if found, ok := l.Find(r.Serial); !ok || found.At.After(r.At) {
				t.Fatalf("entry %v is not found", r.Serial)
			}
		}
	})
}

// BenchmarkParseCRL reads a list of 10 000 entries, next to verifying it.
func BenchmarkParseCRL(b *testing.B) {
	root, k := bigRoot(b)
	template := crlTemplate()
	for i := range 10_000 {
		template.Revoked = append(template.Revoked, Revocation{Serial: big.NewInt(1<<40 + int64(i)), At: start, Reason: Superseded})
	}
	der, err := CreateCRL(b.Context(), template, root, k)
	if err != nil {
		b.Fatal(err)
	}
	l, err := ParseCRL(der)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ParseCRL", func(b *testing.B) {
		b.SetBytes(int64(len(der)))
		for b.Loop() {
			if _, err := ParseCRL(der); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("the bare verification", func(b *testing.B) {
		b.SetBytes(int64(len(der)))
		for b.Loop() {
			if !l.SigAlg.verify(root.PublicKey, l.TBSRaw, l.Signature) {
				b.Fatal("refused")
			}
		}
	})
}

func bigRoot(b *testing.B) (*Certificate, key.Signer) {
	b.Helper()
	k := keytest.New(b, key.SM2SM3)
	der, err := CreateRoot(b.Context(), rootTemplate(), k)
	if err != nil {
		b.Fatal(err)
	}
	return mustParse(b, der), k
}
