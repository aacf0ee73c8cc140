package embedded

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/sm"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

// The invented organisations of these tests: shape of a unified social credit code, division 990000, not allocated.
const (
	testAgency = "11990000MB00000019"
	testMaker  = "12990000MB00000027"
)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func openAuthority(t testing.TB, dir string, c *clock) *Authority {
	t.Helper()
	db, err := Open(filepath.Join(dir, "store"), Options{Now: c.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the directory goes anyway
	keys, err := OpenKeys(filepath.Join(dir, "keys"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, err := OpenAuthority(t.Context(), db, keys, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)} }

// certifySeal makes a seal's key and certificate of the given algorithm.
func certifySeal(t testing.TB, a *Authority, alg key.Algorithm) [][]byte {
	t.Helper()
	use := key.Seal
	if alg == key.ES256 {
		use = key.SealCompat
	}
	k, err := a.Keys.MakeKey(t.Context(), use, "99000000000001", alg)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := cert.SealOwner("99000000000001", testAgency, "示例省财政厅")
	if err != nil {
		t.Fatal(err)
	}
	csr, err := cert.CreateCSR(t.Context(), subject, k)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := a.CertifySeal(t.Context(), csr, a.Now(), a.Now().AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

func parse(t testing.TB, der []byte) *cert.Certificate {
	t.Helper()
	c, err := cert.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func validate(t testing.TB, a *Authority, chain [][]byte, purpose trust.Purpose, at time.Time) trust.Result {
	t.Helper()
	lists, err := a.CRLs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a.Anchors().Validate(trust.Request{
		Leaf: parse(t, chain[0]), Purpose: purpose, At: at, Now: a.Now(),
		KeyUsage: cert.DigitalSignature | cert.NonRepudiation, CRLs: lists,
	})
}

func TestAuthorityCertifiesSealsForTheirPurposeAndNoOther(t *testing.T) {
	a := openAuthority(t, t.TempDir(), newClock())
	for alg, purpose := range map[key.Algorithm]trust.Purpose{key.SM2SM3: trust.SealOwner, key.ES256: trust.Document} {
		chain := certifySeal(t, a, alg)
		if len(chain) != 2 || parse(t, chain[1]).SelfIssued() {
			t.Fatalf("%s: chain of %d certificates, want the certificate and its issuer without the root", alg, len(chain))
		}
		for _, p := range trust.Purposes() {
			result := validate(t, a, chain, p, a.Now())
			want := verdict.Invalid
			if p == purpose {
				want = verdict.Valid
			}
			if result.Overall() != want {
				t.Errorf("%s certificate as %s: %s %v, want %s", alg, p, result.Overall(), result.Codes(), want)
			}
		}
		c := parse(t, chain[0])
		uscc, name, ok := cert.SplitOwner(c.Subject.Organization)
		if c.Subject.CommonName != "99000000000001" || !ok || uscc != testAgency || name != "示例省财政厅" ||
			c.KeyUsage != cert.DigitalSignature|cert.NonRepudiation {
			t.Errorf("subject %s, usage %b", c.Subject, c.KeyUsage)
		}
	}
}

func TestAuthorityRefusesRequestsOutOfShape(t *testing.T) {
	a := openAuthority(t, t.TempDir(), newClock())
	sm2, err := a.Keys.MakeKey(t.Context(), key.Seal, "s", key.SM2SM3)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := a.Keys.MakeKey(t.Context(), key.LicenceIssuer, testAgency, key.ES256)
	if err != nil {
		t.Fatal(err)
	}
	owner := cert.Name{CommonName: "99000000000001", Organization: testAgency + "示例省财政厅"}
	for name, test := range map[string]struct {
		purpose trust.Purpose
		subject cert.Name
		key     key.Signer
	}{
		"a seal without 14 digits":         {trust.SealOwner, cert.Name{CommonName: "9900", Organization: owner.Organization}, sm2},
		"an organisation without its code": {trust.SealMaker, cert.Name{CommonName: "示例", Organization: "示例省印章制作中心"}, sm2},
		"a P-256 key for stamping":         {trust.SealOwner, owner, p256},
		"an SM2 key for licences":          {trust.LicenceIssuer, owner, sm2},
		"no such purpose":                  {"root", owner, sm2},
		"no purpose":                       {"", owner, sm2},
		"no common name":                   {trust.LicenceIssuer, cert.Name{Organization: owner.Organization}, p256},
	} {
		csr, err := cert.CreateCSR(t.Context(), test.subject, test.key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Certify(t.Context(), test.purpose, csr); !errors.Is(err, ErrRequestRefused) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
		csr[len(csr)-1] ^= 1
		if _, err := a.Certify(t.Context(), test.purpose, csr); !errors.Is(err, ErrRequestRefused) {
			t.Errorf("%s, tampered with: %v, want a refusal", name, err)
		}
	}
}

func TestRevocationCountsFromItsTimeOn(t *testing.T) {
	c := newClock()
	a := openAuthority(t, t.TempDir(), c)
	chain := certifySeal(t, a, key.SM2SM3)
	before := c.Now()
	c.add(time.Hour)
	if r := validate(t, a, chain, trust.SealOwner, before); r.Overall() != verdict.Valid {
		t.Fatalf("before the revocation: %v", r.Codes())
	}
	if err := a.Revoke(t.Context(), parse(t, chain[0]).Serial, cert.CessationOfOperation, c.Now()); err != nil {
		t.Fatal(err)
	}
	if err := a.Revoke(t.Context(), parse(t, chain[0]).Serial, cert.KeyCompromise, c.Now()); err != nil {
		t.Fatalf("a second revocation: %v, want the first to stay silently", err)
	}
	if r := validate(t, a, chain, trust.SealOwner, before); r.Overall() != verdict.Valid {
		t.Errorf("signed before the revocation: %v, want valid", r.Codes())
	}
	if r := validate(t, a, chain, trust.SealOwner, c.Now()); r.Overall() != verdict.Invalid ||
		r.Codes()[0] != trust.RevokedBeforeSigning {
		t.Errorf("signed when revoked: %s %v, want %s", r.Overall(), r.Codes(), trust.RevokedBeforeSigning)
	}
	if err := a.Revoke(t.Context(), big.NewInt(1), cert.Superseded, c.Now()); !errors.Is(err, ErrNotIssued) {
		t.Errorf("revoking what was never issued: %v", err)
	}
	if err := a.Revoke(t.Context(), parse(t, chain[0]).Serial, cert.Superseded, c.Now().Add(time.Hour)); err == nil {
		t.Error("a revocation in the future was accepted")
	}
}

func TestARevokedAuthorityTakesItsCertificatesAlong(t *testing.T) {
	c := newClock()
	a := openAuthority(t, t.TempDir(), c)
	chain := certifySeal(t, a, key.SM2SM3)
	if err := a.Revoke(t.Context(), parse(t, chain[1]).Serial, cert.CACompromise, c.Now()); err != nil {
		t.Fatal(err)
	}
	if r := validate(t, a, chain, trust.SealOwner, c.Now()); r.Overall() != verdict.Invalid {
		t.Errorf("%s %v, want invalid", r.Overall(), r.Codes())
	}
}

func TestCRLsAreKeptForHalfADayAndMadeAnewAfter(t *testing.T) {
	c := newClock()
	a := openAuthority(t, t.TempDir(), c)
	lists := func() []*cert.CRL {
		l, err := a.CRLs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := lists()
	if len(first) != 8 {
		t.Fatalf("%d lists, want those of two roots and six authorities", len(first))
	}
	c.add(crlRenewal - time.Second)
	if !bytes.Equal(lists()[0].Raw, first[0].Raw) {
		t.Error("the list was made anew before its time")
	}
	c.add(time.Second)
	second := lists()
	for i := range second {
		if second[i].Number.Cmp(first[i].Number) <= 0 || !second[i].NextUpdate.Equal(c.Now().Add(24*time.Hour)) {
			t.Errorf("list %d: number %v after %v, next update %v", i, second[i].Number, first[i].Number, second[i].NextUpdate)
		}
	}
}

func TestARevocationIsInEveryListFromThenOn(t *testing.T) {
	c := newClock()
	a := openAuthority(t, t.TempDir(), c)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if i%2 == 0 { // makers of lists, in the way of each other and of the revocations
				c.add(13 * time.Hour)
				if _, err := a.CRLs(context.Background()); err != nil {
					t.Error(err)
				}
				return
			}
			chain, err := a.Enrol(context.Background(), trust.SealMaker, key.SealMaker, fmt.Sprint("maker", i),
				cert.Name{CommonName: "示例", Organization: testMaker + "示例省印章制作中心"})
			if err != nil {
				t.Error(err)
				return
			}
			leaf, err := cert.Parse(chain[0])
			if err != nil {
				t.Error(err)
				return
			}
			if err := a.Revoke(context.Background(), leaf.Serial, cert.Superseded, c.Now()); err != nil {
				t.Error(err)
			}
			lists, err := a.CRLs(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			if _, ok := lists[2].Find(leaf.Serial); !ok {
				t.Errorf("list %v does not have what was revoked before it", lists[2].Number)
			}
		}()
	}
	wg.Wait()
}

func TestSerialNumbersAreNeverGivenTwice(t *testing.T) {
	a := openAuthority(t, t.TempDir(), newClock())
	a.random = zeros{} // even if the random source is broken
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			serial, err := a.drawSerial()
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if seen[serial.String()] || serial.Sign() <= 0 {
				t.Errorf("serial number %v came twice", serial)
			}
			seen[serial.String()] = true
		}()
	}
	wg.Wait()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestEnrolGivesOneCertificateUntilItIsRevokedOrExpires(t *testing.T) {
	c := newClock()
	a := openAuthority(t, t.TempDir(), c)
	subject := cert.Name{CommonName: "示例省印章制作中心", Organization: testMaker + "示例省印章制作中心"}
	if _, err := a.MakerCertificate(t.Context(), testMaker); !errors.Is(err, seal.ErrUnknown) {
		t.Fatalf("before enrolment: %v", err)
	}
	enrol := func() []byte {
		chain, err := a.Enrol(t.Context(), trust.SealMaker, key.SealMaker, testMaker, subject)
		if err != nil {
			t.Fatal(err)
		}
		return chain[0]
	}
	first := enrol()
	got, err := a.MakerCertificate(t.Context(), testMaker)
	if err != nil || !bytes.Equal(got, first) || !bytes.Equal(enrol(), first) {
		t.Fatalf("MakerCertificate = %v; want the one that was enrolled", err)
	}
	if r := validate(t, a, [][]byte{first}, trust.SealMaker, c.Now()); r.Overall() != verdict.Valid {
		t.Errorf("the maker: %v", r.Codes())
	}
	if err := a.Revoke(t.Context(), parse(t, first).Serial, cert.Superseded, c.Now()); err != nil {
		t.Fatal(err)
	}
	second := enrol()
	if bytes.Equal(second, first) || !bytes.Equal(parse(t, second).SPKI, parse(t, first).SPKI) {
		t.Error("after a revocation: want another certificate of the same key")
	}
	c.add(4 * 365 * 24 * time.Hour)
	if bytes.Equal(enrol(), second) {
		t.Error("an expired certificate was given again")
	}
}

func TestAgenciesHaveChainsForBothKeysOfLicences(t *testing.T) {
	c := newClock()
	a := openAuthority(t, t.TempDir(), c)
	seen := map[string]bool{}
	for use, purpose := range map[key.Purpose]trust.Purpose{key.LicenceIssuer: trust.LicenceIssuer, key.StatusList: trust.StatusList} {
		if _, err := a.IssuerChain(t.Context(), use, testAgency); !errors.Is(err, licence.ErrUnknown) {
			t.Fatalf("%s, before enrolment: %v", use, err)
		}
		subject := cert.Name{Country: "CN", CommonName: "示例省财政厅", Organization: testAgency + "示例省财政厅"}
		if _, err := a.Enrol(t.Context(), purpose, use, testAgency, subject); err != nil {
			t.Fatal(err)
		}
		chain, err := a.IssuerChain(t.Context(), use, testAgency)
		if err != nil || len(chain) != 2 {
			t.Fatalf("%s: a chain of %d, %v", use, len(chain), err)
		}
		if r := validate(t, a, chain, purpose, c.Now()); r.Overall() != verdict.Valid {
			t.Errorf("%s: %v", use, r.Codes())
		}
		seen[string(parse(t, chain[0]).SPKI)] = true
	}
	if len(seen) != 2 {
		t.Error("both purposes have one key")
	}
}

func TestAuthorityIsTheSameAfterARestart(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	first := openAuthority(t, dir, c)
	chain := certifySeal(t, first, key.SM2SM3)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openAuthority(t, dir, c)
	if r := validate(t, second, chain, trust.SealOwner, c.Now()); r.Overall() != verdict.Valid {
		t.Errorf("%v", r.Codes())
	}
}

// OpenSSL 3.0 takes the SM2 identifier for the one certificate it was asked about and for nothing else, so that the
// links of an SM2 chain, and its lists, are verified one by one.
func TestOpenSSLVerifiesTheChainsAndLists(t *testing.T) {
	openssl := need(t, "openssl")
	a := openAuthority(t, t.TempDir(), &clock{now: time.Now()}) // openssl has its own clock
	dir := t.TempDir()
	if err := a.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	run := func(want bool, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if (err == nil) != want {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	keep := func(name string, der []byte) {
		t.Helper()
		if err := writePEM(filepath.Join(dir, name), "CERTIFICATE", der); err != nil {
			t.Fatal(err)
		}
	}

	sm2 := []string{"verify", "-x509_strict", "-vfyopt", "distid:" + sm.DefaultID, "-partial_chain", "-CAfile"}
	keep("stamp.pem", certifySeal(t, a, key.SM2SM3)[0])
	run(true, append(sm2, "root-sm2.pem", "ca-seal-owner.pem")...)
	run(true, append(sm2, "root-sm2.pem", "ca-seal-maker.pem")...)
	run(true, append(sm2, "ca-seal-owner.pem", "stamp.pem")...)
	run(false, append(sm2, "ca-seal-maker.pem", "stamp.pem")...)
	text := run(true, "x509", "-in", "stamp.pem", "-noout", "-text", "-nameopt", "utf8,-esc_msb")
	if !strings.Contains(text, "O="+testAgency+"示例省财政厅, CN=99000000000001") ||
		!strings.Contains(text, "Digital Signature, Non Repudiation") {
		t.Errorf("openssl reads\n%s", text)
	}

	document := certifySeal(t, a, key.ES256)
	keep("document.pem", document[0])
	p256 := []string{"verify", "-x509_strict", "-crl_check_all", "-CAfile", "root-p256.pem", "-untrusted", "ca-document.pem",
		"-CRLfile", "crl-root-p256.pem", "-CRLfile", "crl-document.pem", "document.pem"}
	run(true, p256...)
	if err := a.Revoke(t.Context(), parse(t, document[0]).Serial, cert.KeyCompromise, a.Now()); err != nil {
		t.Fatal(err)
	}
	if err := a.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if text := run(false, p256...); !strings.Contains(text, "certificate revoked") {
		t.Errorf("openssl says of a revoked certificate:\n%s", text)
	}
	if text := run(true, "crl", "-in", "crl-document.pem", "-noout", "-text"); !strings.Contains(text, "Key Compromise") {
		t.Errorf("openssl reads\n%s", text)
	}

	lists, err := a.CRLs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"root-sm2", "root-p256", "ca-seal-maker", "ca-seal-owner", "ca-document"} {
		public := run(true, "x509", "-in", name+".pem", "-noout", "-pubkey")
		for file, data := range map[string][]byte{"key": []byte(public), "tbs": lists[i].TBSRaw, "sig": lists[i].Signature} {
			if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		digest := []string{"dgst", "-sm3", "-sigopt", "distid:" + sm.DefaultID}
		if lists[i].SigAlg != cert.SM2SM3 {
			digest = []string{"dgst", "-sha256"}
		}
		run(true, append(digest, "-verify", "key", "-signature", "sig", "tbs")...)
	}
}

func TestTLSCertificateServesHTTPS(t *testing.T) {
	c := &clock{now: time.Now()} // crypto/tls has its own clock
	a := openAuthority(t, t.TempDir(), c)
	certificate, err := a.TLSCertificate(t.Context(), "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.TLSCertificate(t.Context(), "localhost", "127.0.0.1")
	if err != nil || !bytes.Equal(again.Certificate[0], certificate.Certificate[0]) {
		t.Errorf("asked again: %v; want the certificate that was kept", err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "印信") // a client that is gone is no concern here
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	dir := t.TempDir()
	if err := a.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "root-p256.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(text); block == nil || !roots.AppendCertsFromPEM(text) {
		t.Fatal("root-p256.pem holds no certificate")
	}
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MaxVersion: version}}}
		for _, host := range []string{"localhost", "127.0.0.1"} {
			response, err := client.Get("https://" + net.JoinHostPort(host, port))
			if err != nil {
				t.Fatal(err)
			}
			if err := response.Body.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// need finds a tool, and skips the test without it unless tools are required.
func need(t testing.TB, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil && os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
		t.Fatalf("needs %s", tool)
	}
	if err != nil {
		t.Skipf("needs %s", tool)
	}
	return path
}
