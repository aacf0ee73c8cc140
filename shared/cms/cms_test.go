package cms

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// signer is a key with its certificate, for tests.
type signer struct {
	alg  key.Algorithm
	priv crypto.Signer
	cert []byte
	root []byte
}

func (s *signer) KeyID() string            { return "test" }
func (s *signer) Algorithm() key.Algorithm { return s.alg }
func (s *signer) Public() crypto.PublicKey { return s.priv.Public() }
func (s *signer) SignDigest(_ context.Context, digest []byte) ([]byte, error) {
	if s.alg == key.SM2SM3 {
		return sm.SignDigest(rand.Reader, s.priv.(*sm.PrivateKey), digest)
	}
	return s.priv.Sign(rand.Reader, digest, crypto.SHA256)
}

func newSigner(t testing.TB, alg key.Algorithm) *signer {
	t.Helper()
	// KeyUsage as numbers: digitalSignature and contentCommitment, or keyCertSign (RFC 5280, section 4.2.1.3).
	template := func(serial int64, name string, ca bool) *sm.Certificate {
		c := &sm.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Country: []string{"CN"}},
			NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC),
			KeyUsage: 1 | 2, BasicConstraintsValid: true, IsCA: ca, SubjectKeyId: []byte{1, 2, 3, byte(serial)},
		}
		if ca {
			c.KeyUsage = 32
		}
		return c
	}
	newKey := func() crypto.Signer {
		if alg == key.SM2SM3 {
			k, err := sm.GenerateKey(rand.Reader)
			check(t, err)
			return k
		}
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(t, err)
		return k
	}
	rootKey, s := newKey(), &signer{alg: alg, priv: newKey()}
	root := template(1, "示例根", true)
	var err error
	s.root, err = sm.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	check(t, err)
	s.cert, err = sm.CreateCertificate(rand.Reader, template(0x1234, "示例签章", false), root, s.Public(), rootKey)
	check(t, err)
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func digestOfContent(alg key.Algorithm, content []byte) (Digest, []byte) {
	d, err := DigestFor(alg)
	if err != nil {
		panic(err)
	}
	h := d.New()
	h.Write(content)
	return d, h.Sum(nil)
}

func sign(t testing.TB, s *signer, content []byte) []byte {
	t.Helper()
	_, sum := digestOfContent(s.alg, content)
	p, err := Prepare(Request{
		Algorithm: s.alg, Certificates: [][]byte{s.cert, s.root}, Public: s.Public(), ContentDigest: sum,
	})
	check(t, err)
	signature, err := key.Sign(t.Context(), s, p.ToBeSigned())
	check(t, err)
	der, err := p.Assemble(signature)
	check(t, err)
	if len(der) > p.Size() {
		t.Errorf("the message has %d bytes, Size said %d", len(der), p.Size())
	}
	return der
}

var content = []byte("关于服务业专项资金的公告(示例)")

func TestASignatureVerifiesUnderEveryRule(t *testing.T) {
	for _, alg := range []key.Algorithm{key.ES256, key.SM2SM3} {
		s := newSigner(t, alg)
		d, err := Parse(sign(t, s, content))
		check(t, err)
		digest, sum := digestOfContent(alg, content)
		for _, o := range d.Verify(func(got Digest) []byte {
			if got != digest {
				t.Errorf("asked for %s, want %s", got, digest)
			}
			return sum
		}) {
			if o.Failure != nil || o.Skipped {
				t.Errorf("%s %s: %v, skipped %v", alg, o.Rule, o.Failure, o.Skipped)
			}
		}
		check(t, d.VerifyDigest(digest, sum))
		if !bytes.Equal(d.SignerCertificate(), s.cert) {
			t.Error("another certificate")
		}
		if !d.Signers[0].SignedAttributesSorted {
			t.Error("the attributes do not stand in DER order")
		}
	}
}

func TestOpenSSLAcceptsOurSignature(t *testing.T) {
	openssl := tool(t, "openssl")
	s := newSigner(t, key.ES256)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, data, 0o600))
		return path
	}
	message, data := write("cms.der", sign(t, s, content)), write("content", content)
	root := write("root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.root}))
	verify := func(data string) ([]byte, error) {
		return exec.Command(openssl, "cms", "-verify", "-cades", "-inform", "DER", "-in", message, "-content", data,
			"-binary", "-CAfile", root, "-purpose", "any", "-out", filepath.Join(dir, "out")).CombinedOutput()
	}
	if out, err := verify(data); err != nil {
		t.Fatalf("openssl refuses: %v\n%s", err, out)
	}
	if out, err := verify(write("other", append([]byte("x"), content...))); err == nil {
		t.Fatalf("openssl accepts other content: %s", out)
	}
}

// TestWeAcceptWhatOpenSSLSigns takes ECDSA on P-384, RSA with PKCS #1 and PSS, with and without subject key identifier.
func TestWeAcceptWhatOpenSSLSigns(t *testing.T) {
	openssl := tool(t, "openssl")
	cases := []struct {
		name    string
		newKey  []string
		options []string
		digest  Digest
	}{
		{"P-256", []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}, []string{"-md", "sha256"}, SHA256},
		{"P-384", []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"}, []string{"-md", "sha384"}, SHA384},
		{"RSA", []string{"-newkey", "rsa:2048"}, []string{"-md", "sha256"}, SHA256},
		{"RSA key identifier", []string{"-newkey", "rsa:2048"}, []string{"-md", "sha512", "-keyid"}, SHA512},
		{"RSA-PSS", []string{"-newkey", "rsa:2048"}, []string{"-md", "sha256", "-keyopt", "rsa_padding_mode:pss",
			"-keyopt", "rsa_pss_saltlen:digest"}, SHA256},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := func(name string) string { return filepath.Join(dir, name) }
			run := func(args ...string) {
				t.Helper()
				if out, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
					t.Fatalf("openssl %v: %v\n%s", args, err, out)
				}
			}
			check(t, os.WriteFile(path("content"), content, 0o600))
			run(append([]string{"req", "-x509", "-nodes", "-keyout", path("key"), "-out", path("cert"), "-subj", "/CN=x",
				"-days", "30"}, c.newKey...)...)
			run(append([]string{"cms", "-sign", "-cades", "-binary", "-outform", "DER", "-signer", path("cert"), "-inkey",
				path("key"), "-in", path("content"), "-out", path("cms")}, c.options...)...)
			der, err := os.ReadFile(path("cms"))
			check(t, err)
			d, err := Parse(der)
			check(t, err)
			h := c.digest.New()
			h.Write(content)
			check(t, d.VerifyDigest(c.digest, h.Sum(nil)))
			var f *Failure
			if err := d.VerifyDigest(c.digest, make([]byte, h.Size())); !errors.As(err, &f) || f.Code != HashFailure {
				t.Errorf("another digest: %v", err)
			}
		})
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	s := newSigner(t, key.ES256)
	der := sign(t, s, content)
	_, sum := digestOfContent(s.alg, content)
	d, err := Parse(der)
	check(t, err)
	// The root certificate is not signed: shared/trust compares it with its own.
	at := bytes.Index(der, s.root)
	accepted := 0
	for i := range der {
		if i >= at && i < at+len(s.root) {
			continue
		}
		for bit := range 8 {
			broken := bytes.Clone(der)
			broken[i] ^= 1 << bit
			if d, err := Parse(broken); err == nil && d.VerifyDigest(SHA256, sum) == nil {
				accepted++
			}
		}
	}
	check(t, d.VerifyDigest(SHA256, sum))
	if accepted != 2 { // version 1 of SignedData becomes 3 or 5, which says nothing about the content
		t.Errorf("%d flipped bits were accepted", accepted)
	}
	for i := range der {
		if _, err := Parse(der[:i]); err == nil {
			t.Errorf("a message cut to %d of %d bytes was parsed", i, len(der))
		}
	}
	if _, err := Parse(append(bytes.Clone(der), 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("a byte after the message: %v", err)
	}
}

func TestEachRuleRefusesByName(t *testing.T) {
	s := newSigner(t, key.ES256)
	other := newSigner(t, key.ES256)
	der := sign(t, s, content)
	_, sum := digestOfContent(s.alg, content)
	resign := func(d *SignedData) { // over changed attributes
		h := sha256.Sum256(d.Signers[0].SignedAttributesDER)
		signature, err := s.SignDigest(t.Context(), h[:])
		check(t, err)
		d.Signers[0].Signature = signature
	}
	without := func(d *SignedData, oid asn1.ObjectIdentifier) {
		var kept []Attribute
		for _, a := range d.Signers[0].SignedAttributes {
			if !a.OID.Equal(oid) {
				kept = append(kept, a)
			}
		}
		d.Signers[0].SignedAttributes = kept
		resign(d)
	}
	cases := []struct {
		name   string
		rule   Rule
		code   string
		change func(*SignedData)
	}{
		{"two signers", OneSigner, FormatFailure, func(d *SignedData) { d.Signers = append(d.Signers, d.Signers[0]) }},
		{"no signer", OneSigner, FormatFailure, func(d *SignedData) { d.Signers = nil }},
		{"content inside", Detached, FormatFailure, func(d *SignedData) { d.Content = content }},
		{"SHA-1", AllowedAlgorithm, AlgorithmNotAllowed, func(d *SignedData) {
			d.Signers[0].Digest.OID = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
		}},
		{"digest under another signature algorithm", AllowedAlgorithm, AlgorithmNotAllowed, func(d *SignedData) {
			d.Signers[0].Digest.OID, d.DigestAlgorithms[0].OID = oidSHA512, oidSHA512
		}},
		{"SM2 under SHA-256", AllowedAlgorithm, AlgorithmNotAllowed, func(d *SignedData) {
			d.Signers[0].SignatureAlgorithm.OID = sm.OIDSM2WithSM3
		}},
		{"digest not announced", AllowedAlgorithm, FormatFailure, func(d *SignedData) { d.DigestAlgorithms = nil }},
		{"no attributes", Attributes, FormatFailure, func(d *SignedData) { d.Signers[0].SignedAttributes = nil }},
		{"no message-digest", Attributes, FormatFailure, func(d *SignedData) { without(d, oidMessageDigest) }},
		{"no content-type", Attributes, FormatFailure, func(d *SignedData) { without(d, oidContentType) }},
		{"message-digest twice", Attributes, FormatFailure, func(d *SignedData) {
			a := d.Signers[0].SignedAttributes
			d.Signers[0].SignedAttributes = append(a, a...)
		}},
		{"another content-type", Attributes, FormatFailure, func(d *SignedData) { d.ContentType = oidSignedData }},
		{"certificate missing", SignerCertificate, SignerNotFound, func(d *SignedData) {
			d.Certificates = [][]byte{s.root}
		}},
		{"certificate twice", SignerCertificate, SignerNotFound, func(d *SignedData) {
			d.Certificates = append(d.Certificates, s.cert)
		}},
		{"no signing-certificate-v2", SigningCertificate, FormatFailure, func(d *SignedData) {
			without(d, oidSigningCertificateV2)
		}},
		// The substitute has the same issuer and serial number and another key.
		{"certificate exchanged", SigningCertificate, SigCertMismatch, func(d *SignedData) {
			d.Certificates = [][]byte{other.cert}
		}},
		{"signature of another key", SignatureValue, SigCryptoFailure, func(d *SignedData) {
			h := sha256.Sum256(d.Signers[0].SignedAttributesDER)
			signature, err := other.SignDigest(t.Context(), h[:])
			check(t, err)
			d.Signers[0].Signature = signature
		}},
	}
	for _, c := range cases {
		d, err := Parse(der)
		check(t, err)
		c.change(d)
		var f *Failure
		if err := d.VerifyDigest(SHA256, sum); !errors.As(err, &f) || f.Rule != c.rule || f.Code != c.code {
			t.Errorf("%s: %v, want %s %s", c.name, err, c.rule, c.code)
		}
	}
	d, err := Parse(der)
	check(t, err)
	var f *Failure
	if err := d.VerifyDigest(SHA256, make([]byte, 32)); !errors.As(err, &f) || f.Rule != MessageDigest {
		t.Errorf("another digest: %v", err)
	}
	short := sha1.Sum(content)
	if err := d.VerifyDigest("SHA-1", short[:]); !errors.As(err, &f) || f.Rule != MessageDigest {
		t.Errorf("SHA-1: %v", err)
	}
}

func TestWeakRSAKeysAreRefused(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	check(t, err)
	v := &verification{hash: SHA256, signer: &SignerInfo{SignatureAlgorithm: Algorithm{OID: oidRSAWithSHA256}}}
	v.public = &weak.PublicKey
	if f := v.signatureValue(); f == nil || f.Code != AlgorithmNotAllowed {
		t.Errorf("RSA of 1024 bits: %v", f)
	}
}

func TestACertificateOverAnotherKeyIsRefusedBeforeSigning(t *testing.T) {
	s, other := newSigner(t, key.ES256), newSigner(t, key.ES256)
	_, sum := digestOfContent(s.alg, content)
	request := Request{Algorithm: s.alg, Certificates: [][]byte{other.cert}, Public: s.Public(), ContentDigest: sum}
	if _, err := Prepare(request); err == nil {
		t.Error("prepared with the certificate of another key")
	}
	request.Certificates, request.ContentDigest = [][]byte{s.cert}, sum[:20]
	if _, err := Prepare(request); err == nil {
		t.Error("prepared with a short digest")
	}
}

func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
		t.Fatalf("needs %s", name)
	}
	t.Skipf("needs %s", name)
	return ""
}

// FuzzParse: a value or an error, never both; and whatever verifies has one signer over its attributes.
func FuzzParse(f *testing.F) {
	s := newSigner(f, key.ES256)
	_, sum := digestOfContent(s.alg, content)
	p, err := Prepare(Request{
		Algorithm: s.alg, Certificates: [][]byte{s.cert, s.root}, Public: s.Public(), ContentDigest: sum,
	})
	check(f, err)
	signature, err := key.Sign(context.Background(), s, p.ToBeSigned())
	check(f, err)
	der, err := p.Assemble(signature)
	check(f, err)
	f.Add(der)
	f.Add(der[:len(der)/2])
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if (d == nil) == (err == nil) {
			t.Fatal("value and error, or neither")
		}
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		outcomes := d.Verify(func(Digest) []byte { return sum })
		if len(outcomes) != len(steps()) {
			t.Fatal("a rule has no outcome")
		}
		if d.VerifyDigest(SHA256, sum) == nil &&
			(!bytes.Contains(d.Signers[0].SignedAttributesDER, sum) || d.VerifyDigest(SHA256, make([]byte, 32)) == nil) {
			t.Fatal("verifies over something else")
		}
	})
}

func BenchmarkSign(b *testing.B) {
	s := newSigner(b, key.ES256)
	_, sum := digestOfContent(s.alg, content)
	b.Run("bare ECDSA", func(b *testing.B) {
		for b.Loop() {
			_, err := s.SignDigest(b.Context(), sum)
			check(b, err)
		}
	})
	b.Run("prepare and assemble", func(b *testing.B) {
		for b.Loop() {
			p, err := Prepare(Request{
				Algorithm: s.alg, Certificates: [][]byte{s.cert, s.root}, Public: s.Public(), ContentDigest: sum,
			})
			check(b, err)
			h := sha256.Sum256(p.ToBeSigned())
			signature, err := s.SignDigest(b.Context(), h[:])
			check(b, err)
			_, err = p.Assemble(signature)
			check(b, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := newSigner(b, key.ES256)
	_, sum := digestOfContent(s.alg, content)
	signature, err := s.SignDigest(b.Context(), sum)
	check(b, err)
	p, err := Prepare(Request{
		Algorithm: s.alg, Certificates: [][]byte{s.cert, s.root}, Public: s.Public(), ContentDigest: sum,
	})
	check(b, err)
	attributes, err := key.Sign(b.Context(), s, p.ToBeSigned())
	check(b, err)
	der, err := p.Assemble(attributes)
	check(b, err)
	b.Run("bare ECDSA", func(b *testing.B) {
		pub := s.Public().(*ecdsa.PublicKey)
		for b.Loop() {
			if !ecdsa.VerifyASN1(pub, sum, signature) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("parse and verify", func(b *testing.B) {
		for b.Loop() {
			d, err := Parse(der)
			check(b, err)
			check(b, d.VerifyDigest(SHA256, sum))
		}
	})
}
