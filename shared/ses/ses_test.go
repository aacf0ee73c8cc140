package ses

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// party is one who signs: a key with a certificate. It is a key.Signer.
type party struct {
	priv *sm.PrivateKey
	cert []byte
}

func (p party) KeyID() string            { return "test" }
func (p party) Algorithm() key.Algorithm { return key.SM2SM3 }
func (p party) Public() crypto.PublicKey { return &p.priv.PublicKey }
func (p party) SignDigest(_ context.Context, digest []byte) ([]byte, error) {
	return sm.SignDigest(rand.Reader, p.priv, digest)
}

func newParty(t testing.TB, name string) party {
	t.Helper()
	priv, err := sm.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &sm.Certificate{
		SerialNumber: big.NewInt(42), Subject: pkix.Name{CommonName: name},
		NotBefore: sealTime.AddDate(-1, 0, 0), NotAfter: sealTime.AddDate(5, 0, 0),
	}
	cert, err := sm.CreateCertificate(rand.Reader, template, template, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	return party{priv, cert}
}

func (p party) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	signature, err := key.Sign(context.Background(), p, message)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

var (
	sealTime  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	stampTime = sealTime.AddDate(0, 3, 0)
)

func sampleInfo(owner party) SealInfo {
	return SealInfo{
		ID: "99000000000001", VendorID: "yinxin", Type: 1, Name: "示例省财政厅", CertListType: Certificates,
		Certificates: [][]byte{owner.cert}, CreatedAt: sealTime, ValidFrom: sealTime, ValidTo: sealTime.AddDate(3, 0, 0),
		Picture:    Picture{Type: "SVG", Data: []byte("<svg/>"), Width: 42, Height: 42},
		Extensions: []Extension{{ID: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{1}}, {ID: asn1.ObjectIdentifier{1, 2, 4}}},
	}
}

func makeSeal(t testing.TB, maker party, info SealInfo) []byte {
	t.Helper()
	prepared, err := PrepareSeal(info, maker.cert)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := prepared.Sign(context.Background(), maker)
	if err != nil {
		t.Fatal(err)
	}
	return seal
}

func sampleStamp(seal []byte) StampInfo {
	return StampInfo{
		Seal: seal, Time: stampTime, DataHash: sm.Sum3([]byte("Signature.xml")),
		PropertyInfo: "/Doc_0/Signs/Sign_0/Signature.xml",
	}
}

func makeStamp(t testing.TB, owner party, info StampInfo) []byte {
	t.Helper()
	prepared, err := PrepareStamp(info, owner.cert)
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := prepared.Sign(context.Background(), owner)
	if err != nil {
		t.Fatal(err)
	}
	return stamp
}

func TestSealAndStampReadBackAsWritten(t *testing.T) {
	maker, owner := newParty(t, "示例省印章制作中心"), newParty(t, "99000000000001")
	for _, kind := range []CertListType{Certificates, CertificateDigests} {
		info := sampleInfo(owner)
		info.CertListType = kind
		stampInfo := sampleStamp(makeSeal(t, maker, info))
		stampInfo.Extensions = info.Extensions
		stamp, err := ParseStamp(makeStamp(t, owner, stampInfo))
		if err != nil {
			t.Fatal(err)
		}
		seal := stamp.Seal
		if len(stamp.Tolerances)+len(seal.Tolerances) != 0 {
			t.Errorf("tolerances %v %v, want none", stamp.Tolerances, seal.Tolerances)
		}
		back := SealInfo{
			seal.ID, seal.VendorID, seal.Type, seal.Name, seal.CertListType, info.Certificates,
			seal.CreatedAt, seal.ValidFrom, seal.ValidTo, seal.Picture, seal.Extensions,
		}
		back.Extensions[1].Value = nil // an empty OCTET STRING
		if !reflect.DeepEqual(back, info) {
			t.Errorf("seal = %+v, want %+v", back, info)
		}
		if stamp.Version != V4 || !stamp.Time.Equal(stampTime) || stamp.PropertyInfo != stampInfo.PropertyInfo ||
			!bytes.Equal(stamp.DataHash, stampInfo.DataHash[:]) || !bytes.Equal(stamp.SignerCert, owner.cert) ||
			!bytes.Equal(seal.MakerCert, maker.cert) || !bytes.Equal(seal.Raw, stampInfo.Seal) || stamp.TimeStamp != nil ||
			len(stamp.Extensions) != 2 || !stamp.Extensions[0].Critical || stamp.Extensions[1].Critical {
			t.Errorf("stamp = %+v", stamp)
		}
		if err := holds(stamp, maker, owner); err != nil {
			t.Error(err)
		}
		if seal.Lists(maker.cert) {
			t.Error("the seal lists a certificate that was not given")
		}
	}
}

// holds runs every check that this package offers, with the certificates the parties are known to have.
func holds(stamp *Stamp, maker, owner party) error {
	makerKey, err := stamp.Seal.MakerKey()
	if err != nil {
		return err
	}
	signerKey, err := stamp.SignerKey()
	switch {
	case err != nil:
		return err
	case !bytes.Equal(stamp.Seal.MakerCert, maker.cert):
		return errors.New("another maker")
	case !stamp.Seal.Lists(stamp.SignerCert):
		return ErrNotListed
	case !stamp.Seal.ValidAt(stamp.Time):
		return ErrPeriod
	}
	if err := stamp.Seal.VerifyMaker(makerKey); err != nil {
		return err
	}
	return stamp.VerifySigner(signerKey)
}

func TestAssembleRefusesAnotherSignature(t *testing.T) {
	maker, owner := newParty(t, "maker"), newParty(t, "owner")
	prepared, err := PrepareSeal(sampleInfo(owner), maker.cert)
	if err != nil {
		t.Fatal(err)
	}
	good := maker.sign(t, prepared.ToBeSigned())
	for name, signature := range map[string][]byte{
		"another key's": owner.sign(t, prepared.ToBeSigned()), "of another message": maker.sign(t, []byte("x")),
		"with a byte behind": append(bytes.Clone(good), 0), "empty": {}, "zeros": {0x30, 6, 2, 1, 0, 2, 1, 0},
	} {
		if _, err := prepared.Assemble(signature); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v, want ErrSignature", name, err)
		}
	}
	if _, err := prepared.Assemble(good); err != nil {
		t.Error(err)
	}
	if _, err := prepared.Sign(context.Background(), owner); !errors.Is(err, ErrPublicKey) {
		t.Errorf("Sign with another key: %v, want ErrPublicKey", err)
	}
}

// The structures of GB/T 38540-2020 as Go types of encoding/asn1: a decoder and encoder that this package does not use.
type (
	asn1Seal struct {
		Info      asn1Info
		Cert      []byte
		Algorithm asn1.ObjectIdentifier
		Signature asn1.BitString
	}
	asn1Info struct {
		Header struct {
			ID      string `asn1:"ia5"`
			Version int
			Vid     string `asn1:"ia5"`
		}
		ID       string `asn1:"ia5"`
		Property struct {
			Type         int
			Name         string `asn1:"utf8"`
			CertListType int
			CertList     [][]byte
			CreateDate   time.Time `asn1:"generalized"`
			ValidStart   time.Time `asn1:"generalized"`
			ValidEnd     time.Time `asn1:"generalized"`
		}
		Picture struct {
			Type          string `asn1:"ia5"`
			Data          []byte
			Width, Height int
		}
		ExtDatas []asn1Ext `asn1:"optional"`
	}
	asn1Ext struct {
		ID       asn1.ObjectIdentifier
		Critical bool `asn1:"optional"`
		Value    []byte
	}
	asn1Stamp struct {
		TBS struct {
			Version  int
			Seal     asn1Seal
			Time     time.Time `asn1:"generalized"`
			DataHash asn1.BitString
			Property string    `asn1:"ia5"`
			ExtDatas []asn1Ext `asn1:"optional,explicit,tag:0"`
		}
		Cert      []byte
		Algorithm asn1.ObjectIdentifier
		Signature asn1.BitString
	}
)

func TestEncodingIsThatOfTheModule(t *testing.T) {
	maker, owner := newParty(t, "maker"), newParty(t, "owner")
	info := sampleStamp(makeSeal(t, maker, sampleInfo(owner)))
	info.Extensions = sampleInfo(owner).Extensions
	der := makeStamp(t, owner, info)
	var stamp asn1Stamp
	if rest, err := asn1.Unmarshal(der, &stamp); err != nil || len(rest) > 0 {
		t.Fatalf("encoding/asn1 reads: %v, %d bytes left", err, len(rest))
	}
	again, err := asn1.Marshal(stamp)
	if err != nil || !bytes.Equal(again, der) {
		t.Errorf("encoding/asn1 writes other bytes (%v):\n%x\n%x", err, again, der)
	}
	if stamp.TBS.Seal.Info.Header.Version != 4 || stamp.TBS.Seal.Info.Property.Name != "示例省财政厅" ||
		!stamp.TBS.Seal.Algorithm.Equal(asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 501}) {
		t.Errorf("module: %+v", stamp.TBS.Seal)
	}
}

func TestOpenSSLVerifiesSealAndStamp(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatal("needs openssl")
		}
		t.Skip("needs openssl")
	}
	maker, owner := newParty(t, "maker"), newParty(t, "owner")
	stamp, err := ParseStamp(makeStamp(t, owner, sampleStamp(makeSeal(t, maker, sampleInfo(owner)))))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	verify := func(p party, message, signature []byte) (string, error) {
		spki, err := sm.MarshalPKIXPublicKey(&p.priv.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{
			"pub.pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), "tbs": message, "sig": signature,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(openssl, "dgst", "-sm3", "-verify", "pub.pem", "-sigopt", "distid:1234567812345678", "-signature", "sig", "tbs")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := verify(maker, stamp.Seal.InfoRaw, stamp.Seal.Signature); err != nil || !strings.Contains(out, "Verified OK") {
		t.Errorf("seal: %v %s", err, out)
	}
	if out, err := verify(owner, stamp.TBSRaw, stamp.Signature); err != nil || !strings.Contains(out, "Verified OK") {
		t.Errorf("stamp: %v %s", err, out)
	}
	changed := bytes.Clone(stamp.TBSRaw)
	changed[len(changed)-1] ^= 1
	if out, err := verify(owner, changed, stamp.Signature); err == nil {
		t.Errorf("a changed stamp: %s", out)
	}
}

// One bit of every byte, each position of the bit in turn.
func TestNoFlippedBitHolds(t *testing.T) {
	maker, owner := newParty(t, "maker"), newParty(t, "owner")
	der := makeStamp(t, owner, sampleStamp(makeSeal(t, maker, sampleInfo(owner))))
	for i := range der {
		changed := bytes.Clone(der)
		changed[i] ^= 1 << (i % 8)
		stamp, err := ParseStamp(changed)
		if (stamp == nil) == (err == nil) {
			t.Fatalf("byte %d: value %v and error %v", i, stamp, err)
		}
		if err == nil && holds(stamp, maker, owner) == nil {
			t.Errorf("byte %d: the changed stamp holds", i)
		}
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	maker, owner := newParty(t, "maker"), newParty(t, "owner")
	der := makeStamp(t, owner, sampleStamp(makeSeal(t, maker, sampleInfo(owner))))
	for n := range der {
		if _, err := ParseStamp(der[:n]); !errors.Is(err, ErrFormat) {
			t.Fatalf("%d bytes: %v, want ErrFormat", n, err)
		}
	}
	if _, err := ParseStamp(append(der, 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("a trailing byte: %v, want ErrFormat", err)
	}
}

func TestWriterRefuses(t *testing.T) {
	maker, owner := newParty(t, "maker"), newParty(t, "owner")
	for name, spoil := range map[string]func(*SealInfo){
		"no identifier":         func(s *SealInfo) { s.ID = "" },
		"identifier not IA5":    func(s *SealInfo) { s.ID = "章" },
		"vendor not IA5":        func(s *SealInfo) { s.VendorID = "印" },
		"no name":               func(s *SealInfo) { s.Name = "" },
		"name not UTF-8":        func(s *SealInfo) { s.Name = "\xff" },
		"negative type":         func(s *SealInfo) { s.Type = -1 },
		"unknown list type":     func(s *SealInfo) { s.CertListType = 3 },
		"no certificates":       func(s *SealInfo) { s.Certificates = nil },
		"too many certificates": func(s *SealInfo) { s.Certificates = slices.Repeat(s.Certificates, 65) },
		"empty certificate":     func(s *SealInfo) { s.Certificates = [][]byte{{}} },
		"no time":               func(s *SealInfo) { s.ValidTo = s.ValidFrom },
		"no picture":            func(s *SealInfo) { s.Picture.Data = nil },
		"large picture":         func(s *SealInfo) { s.Picture.Data = make([]byte, 1<<20+1) },
		"no picture type":       func(s *SealInfo) { s.Picture.Type = "" },
		"no width":              func(s *SealInfo) { s.Picture.Width = 0 },
		"too many extensions":   func(s *SealInfo) { s.Extensions = make([]Extension, 33) },
		"bad extension":         func(s *SealInfo) { s.Extensions = []Extension{{}} },
		"year 10000":            func(s *SealInfo) { s.ValidTo = s.ValidTo.AddDate(9000, 0, 0) },
	} {
		info := sampleInfo(owner)
		spoil(&info)
		if _, err := PrepareSeal(info, maker.cert); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v, want ErrInput", name, err)
		}
	}
	if _, err := PrepareSeal(sampleInfo(owner), []byte{0x30, 0}); !errors.Is(err, ErrPublicKey) {
		t.Errorf("no maker certificate: %v, want ErrPublicKey", err)
	}
	seal := makeSeal(t, maker, sampleInfo(owner))
	for name, c := range map[string]struct {
		spoil func(*StampInfo)
		cert  []byte
		want  error
	}{
		"another certificate": {func(*StampInfo) {}, maker.cert, ErrNotListed},
		"too early":           {func(s *StampInfo) { s.Time = sealTime.Add(-time.Second) }, owner.cert, ErrPeriod},
		"too late":            {func(s *StampInfo) { s.Time = sealTime.AddDate(3, 0, 1) }, owner.cert, ErrPeriod},
		"no path":             {func(s *StampInfo) { s.PropertyInfo = "" }, owner.cert, ErrInput},
		"path not IA5":        {func(s *StampInfo) { s.PropertyInfo = "/签" }, owner.cert, ErrInput},
		"no seal":             {func(s *StampInfo) { s.Seal = nil }, owner.cert, ErrFormat},
		"bad extension":       {func(s *StampInfo) { s.Extensions = []Extension{{}} }, owner.cert, ErrInput},
	} {
		info := sampleStamp(seal)
		c.spoil(&info)
		if _, err := PrepareStamp(info, c.cert); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
