package cert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/sm"
)

var (
	start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	end   = start.AddDate(1, 0, 0)
)

// made is a root and a certificate under it, with their keys.
type made struct {
	root, leaf       *Certificate
	rootKey, leafKey key.Signer
}

func makeChain(t testing.TB, alg key.Algorithm) made {
	t.Helper()
	m := made{rootKey: keytest.New(t, alg), leafKey: keytest.New(t, alg)}
	der, err := CreateRoot(t.Context(), rootTemplate(), m.rootKey)
	if err != nil {
		t.Fatal(err)
	}
	m.root = mustParse(t, der)
	der, err = Create(t.Context(), leafTemplate(t), m.root, m.rootKey, m.leafKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	m.leaf = mustParse(t, der)
	return m
}

func rootTemplate() Template {
	return Template{
		Serial: big.NewInt(1), Subject: Name{Country: "CN", Organization: "示例电子认证服务机构", CommonName: "示例根证书"},
		NotBefore: start, NotAfter: start.AddDate(10, 0, 0), KeyUsage: CertSign | CRLSign, IsCA: true, MaxPathLen: 0,
	}
}

func leafTemplate(t testing.TB) Template {
	t.Helper()
	subject, err := SealOwner("99000000000001", "11990000MB00000019", "示例省财政厅")
	if err != nil {
		t.Fatal(err)
	}
	return Template{
		Serial: new(big.Int).Lsh(big.NewInt(1), 158), Subject: subject,
		NotBefore: start, NotAfter: end, KeyUsage: DigitalSignature | NonRepudiation, MaxPathLen: -1,
	}
}

func mustParse(t testing.TB, der []byte) *Certificate {
	t.Helper()
	c, err := Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var algorithms = []key.Algorithm{key.SM2SM3, key.ES256, key.EdDSA}

func TestParseReadsWhatCreateWrote(t *testing.T) {
	for _, alg := range algorithms {
		m := makeChain(t, alg)
		c, want := m.leaf, leafTemplate(t)
		if !c.SignedBy(m.root) || !m.root.SignedBy(m.root) || c.SignedBy(c) {
			t.Errorf("%s: the signatures are not those of the issuer", alg)
		}
		got := c.Subject
		got.Raw = nil
		if !reflect.DeepEqual(got, want.Subject) || !bytes.Equal(c.Issuer.Raw, m.root.Subject.Raw) {
			t.Errorf("%s: subject %s, issuer %s", alg, c.Subject, c.Issuer)
		}
		if c.Serial.Cmp(want.Serial) != 0 || !c.NotBefore.Equal(start) || !c.NotAfter.Equal(end) ||
			c.KeyUsage != want.KeyUsage || c.IsCA || !c.BasicConstraints || c.MaxPathLen != -1 {
			t.Errorf("%s: read back as %+v", alg, c)
		}
		if !m.root.IsCA || m.root.MaxPathLen != 0 || !m.root.Allows(CertSign|CRLSign) || m.root.Allows(DigitalSignature) {
			t.Errorf("%s: the root is read back as %+v", alg, m.root)
		}
		if len(c.SubjectKeyID) != 20 || !bytes.Equal(c.AuthorityKeyID, m.root.SubjectKeyID) {
			t.Errorf("%s: key identifiers %x, %x", alg, c.SubjectKeyID, c.AuthorityKeyID)
		}
		if !c.ValidAt(start) || !c.ValidAt(end) || c.ValidAt(start.Add(-1)) || c.ValidAt(end.Add(1)) {
			t.Errorf("%s: the validity is not that of the template, ends included", alg)
		}
		signature, err := key.Sign(t.Context(), m.leafKey, []byte("印"))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := c.KeyAlgorithm(); !ok || got != alg || !c.Verify([]byte("印"), signature) || c.Verify([]byte("信"), signature) {
			t.Errorf("%s: the certified key does not verify", alg)
		}
	}
}

// TestStrangersReadTheSame compares with crypto/x509 and, for SM2, with gmsm.
func TestStrangersReadTheSame(t *testing.T) {
	for _, alg := range algorithms {
		m := makeChain(t, alg)
		if alg != key.SM2SM3 {
			root, err := x509.ParseCertificate(m.root.Raw)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(m.leaf.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if err := leaf.CheckSignatureFrom(root); err != nil {
				t.Errorf("%s: %v", alg, err)
			}
		}
		root, err := sm.ParseCertificate(m.root.Raw)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := sm.ParseCertificate(m.leaf.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := leaf.CheckSignatureFrom(root); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		if err := sameAsStrict(m.leaf, leaf); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		if err := sameAsStrict(m.root, root); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// sameAsStrict tells how our reading of a certificate differs from that of the strict parser.
func sameAsStrict(c *Certificate, s *sm.Certificate) error {
	maxPathLen := -1
	if s.BasicConstraintsValid && (s.MaxPathLen > 0 || s.MaxPathLenZero) {
		maxPathLen = s.MaxPathLen
	}
	for field, same := range map[string]bool{
		"serial":   c.Serial.Cmp(s.SerialNumber) == 0,
		"validity": c.NotBefore.Equal(s.NotBefore) && c.NotAfter.Equal(s.NotAfter),
		"names":    bytes.Equal(c.Subject.Raw, s.RawSubject) && bytes.Equal(c.Issuer.Raw, s.RawIssuer),
		"key":      bytes.Equal(c.SPKI, s.RawSubjectPublicKeyInfo),
		"tbs":      bytes.Equal(c.TBSRaw, s.RawTBSCertificate) && bytes.Equal(c.Signature, s.Signature),
		"usage":    int(c.KeyUsage) == int(s.KeyUsage),
		"ca":       c.IsCA == s.IsCA && c.BasicConstraints == s.BasicConstraintsValid && c.MaxPathLen == maxPathLen,
		"key ids":  bytes.Equal(c.SubjectKeyID, s.SubjectKeyId) && bytes.Equal(c.AuthorityKeyID, s.AuthorityKeyId),
		"extended": len(c.ExtKeyUsage) == len(s.ExtKeyUsage)+len(s.UnknownExtKeyUsage),
	} {
		if !same {
			return fmt.Errorf("%s differs from the strict parser's: %+v, %+v", field, c, s)
		}
	}
	return nil
}

func TestParseReadsCertificatesOfCryptoX509(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, test := range map[SignatureAlgorithm]struct {
		alg x509.SignatureAlgorithm
		key crypto.Signer
	}{
		RSASHA256: {x509.SHA256WithRSA, rsaKey}, RSASHA384: {x509.SHA384WithRSA, rsaKey},
		RSASHA512: {x509.SHA512WithRSA, rsaKey}, ECDSASHA384: {x509.ECDSAWithSHA384, p384},
		"": {x509.SHA256WithRSAPSS, rsaKey},
	} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(7), SignatureAlgorithm: test.alg, NotBefore: start, NotAfter: start.AddDate(40, 0, 0),
			Subject:               pkix.Name{CommonName: "示例", Organization: []string{"first", "second"}},
			CRLDistributionPoints: []string{"ldap://10.0.0.1/cn=crl", "http://示例.invalid/"}, DNSNames: []string{"a.example"},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}, BasicConstraintsValid: true, IsCA: true,
		}
		template.CRLDistributionPoints = template.CRLDistributionPoints[:1]
		der, err := x509.CreateCertificate(rand.Reader, template, template, test.key.Public(), test.key)
		if err != nil {
			t.Fatal(err)
		}
		c := mustParse(t, der)
		if c.SigAlg != want || c.SignedBy(c) != (want != "") {
			t.Errorf("%s is read as %q, signed by itself: %v", test.alg, c.SigAlg, c.SignedBy(c))
		}
		if c.Subject.Organization != "first" || len(c.CRLDistributionPoints) != 1 || len(c.DNSNames) != 1 ||
			!c.AllowsExtended(TimeStamping) || c.AllowsExtended(ServerAuth) || c.MaxPathLen != -1 {
			t.Errorf("%s: read as %+v", test.alg, c)
		}
	}
}

// resign replaces old by new in the part that is signed, mends the lengths around it and signs it anew: a certificate
// as an authority with its own ideas would have made it.
func resign(t testing.TB, c *Certificate, k key.Signer, change func(tbs []byte) []byte) []byte {
	t.Helper()
	tbs := change(bytes.Clone(c.TBSRaw))
	algorithm, err := signatureAlgorithm(k)
	if err != nil {
		t.Fatal(err)
	}
	var b cryptobyte.Builder
	b.AddBytes(tbs)
	der, err := sign(t.Context(), &b, algorithm, k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// withName puts attributes behind those of the subject.
func withName(t testing.TB, c *Certificate, attributes ...func(*cryptobyte.Builder)) func([]byte) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(contents(t, c.Subject.Raw))
		for _, add := range attributes {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, add) })
		}
	})
	name, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return replacing(t, c.Subject.Raw, name)
}

// withExtension puts an extension behind the others.
func withExtension(t testing.TB, oid asn1.ObjectIdentifier, critical bool, value []byte) func([]byte) []byte {
	t.Helper()
	return func(tbs []byte) []byte {
		input := cryptobyte.String(contents(t, tbs))
		var fields []byte
		var field, list cryptobyte.String
		for !input.Empty() {
			var tag cbasn1.Tag
			if !input.ReadAnyASN1Element(&field, &tag) {
				t.Fatal("surgery: no field")
			}
			if tag != explicit(3) {
				fields = append(fields, field...)
				continue
			}
			list = contents(t, contents(t, field))
		}
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(fields)
			b.AddASN1(explicit(3), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes(list)
					addExtension(b, oid, critical, func(b *cryptobyte.Builder) { b.AddBytes(value) })
				})
			})
		})
		out, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// contents is what an element holds.
func contents(t testing.TB, der []byte) []byte {
	t.Helper()
	input := cryptobyte.String(der)
	var body cryptobyte.String
	var tag cbasn1.Tag
	if !input.ReadAnyASN1(&body, &tag) {
		t.Fatal("surgery: no element")
	}
	return body
}

// replacing replaces one element of a sequence.
func replacing(t testing.TB, old, new []byte) func([]byte) []byte {
	t.Helper()
	return func(tbs []byte) []byte {
		body := contents(t, tbs)
		i := bytes.LastIndex(body, old)
		if i < 0 {
			t.Fatal("surgery: nothing to replace")
		}
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(body[:i])
			b.AddBytes(new)
			b.AddBytes(body[i+len(old):])
		})
		out, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// badMail is an e-mail address that is no IA5String, as a provincial authority writes it.
func badMail(b *cryptobyte.Builder) {
	b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1})
	b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte("示例@示例.invalid")) })
}

// TestParseReadsACertificateThatAStrictParserRefuses has the two faults known from certificates in circulation.
func TestParseReadsACertificateThatAStrictParserRefuses(t *testing.T) {
	m := makeChain(t, key.SM2SM3)
	badSAN := []byte{0x30, 0x07, 0x82, 0x05, 0xe7, 0xa4, 0xba, 0xe4, 0xbe}
	for name, change := range map[string]func([]byte) []byte{
		"an e-mail address that is no IA5String": withName(t, m.leaf, badMail),
		"an alternative name that is none":       withExtension(t, oidSubjectAltName, false, badSAN),
		"an alternative name that is no list":    withExtension(t, oidSubjectAltName, false, []byte("示例")),
	} {
		der := resign(t, m.leaf, m.rootKey, change)
		if _, err := sm.ParseCertificate(der); err == nil {
			t.Fatalf("%s: the strict parser takes it", name)
		}
		c, err := Parse(der)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(c.Tolerances) != 1 {
			t.Errorf("%s: tolerances %q, want one", name, c.Tolerances)
		}
		if !c.SignedBy(m.root) || c.Serial.Cmp(m.leaf.Serial) != 0 || c.Subject.CommonName != m.leaf.Subject.CommonName ||
			c.KeyUsage != m.leaf.KeyUsage || !bytes.Equal(c.SPKI, m.leaf.SPKI) || !c.NotAfter.Equal(end) {
			t.Errorf("%s: read as %+v", name, c)
		}
	}
	if len(m.leaf.Tolerances) != 0 {
		t.Errorf("our own certificate: tolerances %q", m.leaf.Tolerances)
	}
}

func TestParseRefusesWhatDecidesAndCannotBeRead(t *testing.T) {
	m := makeChain(t, key.SM2SM3)
	p256 := makeChain(t, key.ES256)
	usage := asn1.ObjectIdentifier{2, 5, 29, 15}
	for name, der := range map[string][]byte{
		"a second key usage":          resign(t, m.leaf, m.rootKey, withExtension(t, usage, true, []byte{3, 2, 1, 6})),
		"an empty extended key usage": resign(t, m.leaf, m.rootKey, withExtension(t, oidExtKeyUsage, false, []byte{0x30, 0})),
		"a key of another kind":       resign(t, m.leaf, m.rootKey, replacing(t, m.leaf.SPKI, []byte{0x30, 0})),
		"a curve spelt out":           resign(t, m.leaf, m.rootKey, replacing(t, m.leaf.SPKI, speltOut(t))),
		"a point off the curve":       resign(t, m.leaf, m.rootKey, replacing(t, m.leaf.SPKI, offCurve(m.leaf.SPKI))),
		"an issuer that is no name":   resign(t, m.leaf, m.rootKey, replacing(t, m.leaf.Issuer.Raw, []byte{0x30, 2, 5, 0})),
		"another inner algorithm":     resign(t, p256.leaf, m.rootKey, bytes.Clone),
		"a byte behind":               append(bytes.Clone(m.leaf.Raw), 0),
		"nothing":                     {},
		"an indefinite length":        append([]byte{0x30, 0x80}, m.leaf.Raw[4:]...),
		"too much":                    make([]byte, MaxSize+1),
	} {
		if c, err := Parse(der); !errors.Is(err, ErrMalformed) || c != nil {
			t.Errorf("%s: Parse = %v, %v; want ErrMalformed", name, c, err)
		}
	}
	for i := range m.leaf.Raw {
		if c, err := Parse(m.leaf.Raw[:i]); err == nil {
			t.Fatalf("cut off after %d bytes: %v", i, c)
		}
	}
}

// speltOut is the SM2 curve by its parameters instead of its name.
func speltOut(t testing.TB) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1})
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(1) })
		})
		b.AddASN1BitString(make([]byte, 65))
	})
	der, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func offCurve(spki []byte) []byte {
	changed := bytes.Clone(spki)
	changed[len(changed)-1] ^= 1
	return changed
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256} {
		m := makeChain(t, alg)
		for i := range m.leaf.Raw {
			changed := bytes.Clone(m.leaf.Raw)
			changed[i] ^= 1 << (i % 8)
			if c, err := Parse(changed); err == nil && c.SignedBy(m.root) {
				t.Errorf("%s: byte %d of %d changed: still signed", alg, i, len(changed))
			}
		}
	}
}

func TestARememberedSignerIsNoOtherSigner(t *testing.T) {
	m, other := makeChain(t, key.SM2SM3), makeChain(t, key.SM2SM3)
	for range 2 {
		if !m.leaf.SignedBy(m.root) || m.leaf.SignedBy(other.root) || m.leaf.SignedBy(m.leaf) {
			t.Fatal("the signer is another than the first time")
		}
	}
}

func TestUnknownCriticalExtensionsAreListed(t *testing.T) {
	m := makeChain(t, key.SM2SM3)
	nameConstraints := asn1.ObjectIdentifier{2, 5, 29, 30}
	for critical, want := range map[bool]int{true: 1, false: 0} {
		for _, oid := range []asn1.ObjectIdentifier{{1, 2, 156, 10197, 9, 9}, nameConstraints} {
			c := mustParse(t, resign(t, m.leaf, m.rootKey, withExtension(t, oid, critical, []byte{0x30, 0})))
			if len(c.UnhandledCritical) != want {
				t.Errorf("%s, critical %v: listed %v", oid, critical, c.UnhandledCritical)
			}
		}
	}
}

func TestCreateRefusesWhatNobodyWouldAccept(t *testing.T) {
	m := makeChain(t, key.SM2SM3)
	for name, change := range map[string]func(*Template){
		"no serial number":             func(t *Template) { t.Serial = nil },
		"a serial number of zero":      func(t *Template) { t.Serial = new(big.Int) },
		"a serial number of 21 bytes":  func(t *Template) { t.Serial = new(big.Int).Lsh(big.NewInt(1), 160) },
		"an end before the beginning":  func(t *Template) { t.NotAfter = t.NotBefore.Add(-time.Second) },
		"an end after the issuer's":    func(t *Template) { t.NotAfter = m.root.NotAfter.Add(time.Second) },
		"a beginning before":           func(t *Template) { t.NotBefore = m.root.NotBefore.Add(-time.Second) },
		"a name that is not UTF-8":     func(t *Template) { t.Subject.CommonName = "\xff" },
		"a country that is no country": func(t *Template) { t.Subject.Country = "中国" },
	} {
		template := leafTemplate(t)
		change(&template)
		if _, err := Create(t.Context(), template, m.root, m.rootKey, m.leafKey.Public()); err == nil {
			t.Errorf("%s: a certificate was made", name)
		}
	}
	if _, err := Create(t.Context(), leafTemplate(t), m.root, m.leafKey, m.leafKey.Public()); err == nil {
		t.Error("a certificate was made with a key that is not the issuer's")
	}
	if _, err := Create(t.Context(), leafTemplate(t), m.leaf, m.leafKey, m.leafKey.Public()); err == nil {
		t.Error("a certificate was made by an issuer that is no authority")
	}
	if _, err := Create(t.Context(), leafTemplate(t), m.root, m.rootKey, "key"); err == nil {
		t.Error("a certificate was made for a key that is none")
	}
}

func TestCreateWritesHostsAndTimesBeyond2049(t *testing.T) {
	k := keytest.New(t, key.ES256)
	template := rootTemplate()
	template.NotAfter = time.Date(2077, 1, 2, 3, 4, 5, 0, time.UTC)
	template.DNSNames, template.IPs = []string{"localhost"}, []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	template.ExtKeyUsage = []asn1.ObjectIdentifier{ServerAuth}
	der, err := CreateRoot(t.Context(), template, k)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := c.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if !c.NotAfter.Equal(template.NotAfter) || len(c.ExtKeyUsage) != 1 || !mustParse(t, der).NotAfter.Equal(template.NotAfter) {
		t.Errorf("not after %v, usages %v", c.NotAfter, c.ExtKeyUsage)
	}
}

func TestKeyUsageIsWrittenAsDERWantsIt(t *testing.T) {
	for usage := KeyUsage(1); usage < 1<<9; usage++ {
		der := usage.encode()
		got, ok := readKeyUsage(der)
		if !ok || got != usage {
			t.Fatalf("usage %09b is read back as %09b", usage, got)
		}
	}
}

func TestRequestsAreVerified(t *testing.T) {
	for _, alg := range algorithms {
		k := keytest.New(t, alg)
		der, err := CreateCSR(t.Context(), leafTemplate(t).Subject, k)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ParseCSR(der)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := r.KeyAlgorithm(); !ok || got != alg || r.Subject.CommonName != "99000000000001" {
			t.Errorf("%s: read as %s, %s", alg, got, r.Subject)
		}
		strict, err := sm.ParseCertificateRequest(der)
		if err != nil {
			t.Fatal(err)
		}
		if err := strict.CheckSignature(); err != nil {
			t.Errorf("%s: a stranger refuses the request: %v", alg, err)
		}
		for i := range der {
			changed := bytes.Clone(der)
			changed[i] ^= 1 << (i % 8)
			if r, err := ParseCSR(changed); !errors.Is(err, ErrMalformed) || r != nil {
				t.Errorf("%s: byte %d changed: %v", alg, i, err)
			}
		}
	}
}

func TestParseCSRReadsRequestsOfOthers(t *testing.T) {
	k, err := sm.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &sm.CertificateRequest{Subject: pkix.Name{CommonName: "示例"}, DNSNames: []string{"a.example"}}
	der, err := sm.CreateCertificateRequest(rand.Reader, template, k)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := ParseCSR(der); err != nil || r.Subject.CommonName != "示例" {
		t.Errorf("ParseCSR = %v, %v", r, err)
	}
}

func TestSealOwnerAndSplitOwnerAreEachOthersOpposite(t *testing.T) {
	n, err := SealOwner("99000000000001", "11990000MB00000019", "示例省财政厅")
	if err != nil {
		t.Fatal(err)
	}
	if n.Organization != "11990000MB00000019示例省财政厅" || n.CommonName != "99000000000001" {
		t.Errorf("SealOwner = %s", n)
	}
	if uscc, name, ok := SplitOwner(n.Organization); !ok || uscc != "11990000MB00000019" || name != "示例省财政厅" {
		t.Errorf("SplitOwner = %q, %q, %v", uscc, name, ok)
	}
	for _, o := range []string{"", "示例省财政厅", "11990000MB00000019", "11990000MB0000001I示例", "11990000mb00000019示例",
		"1199 000MB00000019示例", "11990000MB00000019\xff", strings.Repeat("示", 18)} {
		if uscc, _, ok := SplitOwner(o); ok {
			t.Errorf("SplitOwner(%q) = %q", o, uscc)
		}
	}
	for _, id := range []string{"", "9900000000000", "990000000000012", "9900000000000a", "９９000000"} {
		if _, err := SealOwner(id, "11990000MB00000019", "示例"); !errors.Is(err, ErrMalformed) {
			t.Errorf("SealOwner(%q) = %v", id, err)
		}
	}
}

func TestNamesOfOldStringKindsAreRead(t *testing.T) {
	for want, test := range map[string]struct {
		tag   cbasn1.Tag
		value []byte
	}{
		"示例":       {30, []byte{0x79, 0x3a, 0x4f, 0x8b}},
		"Zoë":      {cbasn1.T61String, []byte{'Z', 'o', 0xeb}},
		"a\uFFFDb": {cbasn1.UTF8String, []byte{'a', 0xff, 'b'}},
	} {
		if got := text(test.tag, test.value); got != want {
			t.Errorf("text = %q, want %q", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, alg := range algorithms {
		m := makeChain(f, alg)
		f.Add(m.root.Raw)
		f.Add(m.leaf.Raw)
		f.Add(resign(f, m.leaf, m.rootKey, withName(f, m.leaf, badMail)))
		f.Add(resign(f, m.leaf, m.rootKey, withExtension(f, oidCRLPoints, false, []byte{0x30, 0})))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := Parse(der)
		strict, strictErr := sm.ParseCertificate(der)
		switch {
		case (c == nil) == (err == nil):
			t.Fatal("a value and an error, or neither")
		case err != nil:
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		case (strictErr == nil) != (len(c.Tolerances) == 0):
			t.Fatalf("tolerances %q, but the strict parser says %v", c.Tolerances, strictErr)
		case strictErr == nil:
			if err := sameAsStrict(c, strict); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(c.Raw, der) || c.PublicKey == nil || !bytes.Contains(der, c.TBSRaw) {
			t.Fatal("the certificate is not what was read")
		}
		c.SignedBy(c)
		_ = c.Subject.String()
	})
}

func FuzzParseCSR(f *testing.F) {
	for _, alg := range algorithms {
		der, err := CreateCSR(f.Context(), Name{CommonName: "示例"}, keytest.New(f, alg))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if r, err := ParseCSR(der); (r == nil) == (err == nil) {
			t.Fatal("a value and an error, or neither")
		}
	})
}

func BenchmarkParse(b *testing.B) {
	m := makeChain(b, key.SM2SM3)
	b.Run("Parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := Parse(m.leaf.Raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("strict parser alone", func(b *testing.B) {
		for b.Loop() {
			if _, err := sm.ParseCertificate(m.leaf.Raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}
