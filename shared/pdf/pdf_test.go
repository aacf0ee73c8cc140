package pdf

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cms"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
)

// authority is a root and a signer under it, for tests.
type authority struct {
	priv       *ecdsa.PrivateKey
	cert, root []byte
}

func (a *authority) KeyID() string            { return "test" }
func (a *authority) Algorithm() key.Algorithm { return key.ES256 }
func (a *authority) Public() crypto.PublicKey { return a.priv.Public() }
func (a *authority) SignDigest(_ context.Context, digest []byte) ([]byte, error) {
	return a.priv.Sign(rand.Reader, digest, crypto.SHA256)
}

func newAuthority(t testing.TB, owner string) *authority {
	t.Helper()
	template := func(serial int64, name string, ca bool) *x509.Certificate {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Country: []string{"CN"}},
			NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC),
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, BasicConstraintsValid: true, IsCA: ca,
		}
		if ca {
			c.KeyUsage = x509.KeyUsageCertSign
		}
		return c
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	a := &authority{}
	a.priv, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	root := template(1, "示例根", true)
	a.root, err = x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	check(t, err)
	a.cert, err = x509.CreateCertificate(rand.Reader, template(7, owner, false), root, a.priv.Public(), rootKey)
	check(t, err)
	return a
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var embedded = sync.OnceValues(layout.Embedded)

func fonts(t testing.TB) *layout.Fonts {
	t.Helper()
	f, err := embedded()
	check(t, err)
	return f
}

var signedAt = time.Date(2026, 3, 14, 8, 30, 0, 0, time.UTC)

// lines are texts that have broken other software: 局 has the bytes of a backslash and an at sign, 䶮 is rare, the
// last three characters lie beyond the basic plane.
var lines = []string{"示例省市场监督管理局", "张䶮(示例)", "𬱖𫖯𬭎", "金额:1,000,000.00 元 (a\\b) <c> & \"d\""}

func notice(t testing.TB) []byte {
	t.Helper()
	p := layout.Page{W: 210, H: 297, Items: []layout.Item{
		layout.Text{X: 40, Y: 40, Size: 8, Face: layout.Bold, S: "关于服务业专项资金的公告(示例)"},
	}}
	for i, s := range lines {
		p.Items = append(p.Items, layout.Text{X: 25, Y: 60 + 10*float64(i), Size: 5, S: s, Field: fmt.Sprintf("line%d", i)})
	}
	p.Items = append(p.Items, layout.Path{Fill: layout.Color{R: 180, G: 30, B: 30}, Ops: []layout.Op{
		{Kind: 'M', X: 20, Y: 45}, {Kind: 'L', X: 190, Y: 45}, {Kind: 'L', X: 190, Y: 45.5}, {Kind: 'L', X: 20, Y: 45.5},
		{Kind: 'Z'},
	}})
	data, err := Write(Document{
		Pages: []layout.Page{p, p}, Title: "公告(示例)", Author: "示例省财政厅", Subject: "测试 <&>",
		Created: signedAt, Metadata: map[string]string{"template": "notice-1"},
	}, fonts(t))
	check(t, err)
	return data
}

func seal(t testing.TB, owner string) layout.Page {
	t.Helper()
	p, err := layout.SealPicture(layout.SealSpec{
		Name: owner, Diameter: 42, Color: layout.SealRed, Sample: true,
	}, fonts(t))
	check(t, err)
	return p
}

func visible(t testing.TB, owner string, x, y float64) Signature {
	t.Helper()
	return Signature{
		Page: 1, Rect: Rect{X: x, Y: y, W: 42, H: 42}, Appearance: seal(t, owner), Name: owner,
		Reason: "公告用印:局", Location: "示例省", Time: signedAt,
	}
}

// stamp is the whole act of signing.
func stamp(t testing.TB, data []byte, s Signature, a *authority) []byte {
	t.Helper()
	f, err := Open(data)
	check(t, err)
	p, err := f.Prepare(s)
	check(t, err)
	out, err := p.Embed(message(t, p, a))
	check(t, err)
	if !bytes.HasPrefix(out, data) {
		t.Fatal("signing changed bytes of the file")
	}
	return out
}

// message makes the CMS message over a prepared file.
func message(t testing.TB, p *Prepared, a *authority) []byte {
	t.Helper()
	digest, err := cms.DigestFor(key.ES256)
	check(t, err)
	m, err := cms.Prepare(cms.Request{
		Algorithm: key.ES256, Certificates: [][]byte{a.cert, a.root}, Public: a.Public(),
		ContentDigest: p.Digest(digest.New()),
	})
	check(t, err)
	signature, err := key.Sign(t.Context(), a, m.ToBeSigned())
	check(t, err)
	der, err := m.Assemble(signature)
	check(t, err)
	return der
}

func examine(t testing.TB, data []byte) Report {
	t.Helper()
	f, err := Open(data)
	check(t, err)
	r, err := f.Examine()
	check(t, err)
	return r
}

// messageIntact verifies the message in a signature over the bytes that it covers.
func messageIntact(s SignatureField) error {
	m, err := cms.Parse(s.Contents)
	if err != nil {
		return err
	}
	return m.VerifyDigest(m.ContentDigest(), s.Digest(m.ContentDigest().New()))
}

// wantIntact requires n signatures, all intact and free of failures, the last one over the whole file.
func wantIntact(t testing.TB, data []byte, n int) Report {
	t.Helper()
	r := examine(t, data)
	if len(r.Signatures) != n {
		t.Fatalf("%d signatures, want %d", len(r.Signatures), n)
	}
	for _, f := range r.Failures() {
		t.Errorf("finding %+v", f)
	}
	for i, s := range r.Signatures {
		if err := messageIntact(s); err != nil {
			t.Errorf("signature %d: %v", i+1, err)
		}
		want := WholeRevision
		if i == n-1 {
			want = WholeFile
		}
		if s.Coverage != want {
			t.Errorf("signature %d covers %s, want %s", i+1, s.Coverage, want)
		}
	}
	return r
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

// run runs a tool on data in a file of its own; FILE in the arguments stands for its path.
func run(t testing.TB, data []byte, name string, args ...string) (string, error) {
	t.Helper()
	command := tool(t, name)
	path := filepath.Join(t.TempDir(), "file.pdf")
	check(t, os.WriteFile(path, data, 0o600))
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "FILE", path)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, command, args...)
	c.Dir = filepath.Dir(path)
	out, err := c.CombinedOutput()
	return string(out), err
}

// wantAccepted asks foreign software about a signed file: pdfsig for each signature, qpdf, MuPDF and OpenSSL.
func wantAccepted(t *testing.T, data []byte, a *authority) {
	t.Helper()
	r := examine(t, data)
	t.Run("pdfsig", func(t *testing.T) {
		out, err := run(t, data, "pdfsig", "-nocert", "FILE")
		if err != nil && !strings.Contains(out, "Signature Validation") {
			t.Fatalf("%v\n%s", err, out)
		}
		if n := strings.Count(out, "Signature is Valid"); n != len(r.Signatures) {
			t.Errorf("pdfsig finds %d of %d signatures valid\n%s", n, len(r.Signatures), out)
		}
		last := r.Signatures[len(r.Signatures)-1]
		if !strings.Contains(out, "Total document signed") ||
			!strings.Contains(out, fmt.Sprintf("%d]", len(data))) && !strings.Contains(out, fmt.Sprintf("- %d", len(data))) {
			t.Errorf("pdfsig does not find the document signed to byte %d by %s\n%s", len(data), last.Field, out)
		}
	})
	t.Run("qpdf", func(t *testing.T) {
		if out, err := run(t, data, "qpdf", "--check", "FILE"); err != nil || strings.Contains(out, "WARNING") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("mutool", func(t *testing.T) {
		out, err := run(t, data, "mutool", "sign", "-v", "FILE")
		if strings.Contains(out, "no signature") || strings.Contains(out, "without signature support") {
			t.Skipf("needs mutool with signatures: %s", out)
		}
		if err != nil || !strings.Contains(out, "unchanged since signing") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("openssl", func(t *testing.T) {
		dir := t.TempDir()
		root := filepath.Join(dir, "root.pem")
		check(t, os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root}), 0o600))
		s := r.Signatures[len(r.Signatures)-1]
		parts, ok := s.Covered()
		if !ok {
			t.Fatal("nothing covered")
		}
		content := filepath.Join(dir, "content")
		check(t, os.WriteFile(content, append(bytes.Clone(parts[0]), parts[1]...), 0o600))
		out, err := run(t, s.Contents, "openssl", "cms", "-verify", "-cades", "-inform", "DER", "-in", "FILE", "-content",
			content, "-binary", "-CAfile", root, "-purpose", "any", "-out", filepath.Join(dir, "out"))
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func refusal(err error) Code {
	var r *Refusal
	if !errors.As(err, &r) {
		return ""
	}
	return r.Code
}

func pngOf(t testing.TB, w, h int, c color.Color) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			if x > y {
				img.Set(x, y, c)
			}
		}
	}
	var b bytes.Buffer
	check(t, png.Encode(&b, img))
	return b.Bytes()
}

func layoutRed() color.Color { return color.NRGBA{R: 255, A: 255} }

func ecdsaVerify(a *authority, digest, signature []byte) bool {
	return ecdsa.VerifyASN1(&a.priv.PublicKey, digest, signature)
}
