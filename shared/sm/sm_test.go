package sm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSM3AgreesWithTheStandard has the two examples of GM/T 0004-2012 (GB/T 32905-2016), annex A.
func TestSM3AgreesWithTheStandard(t *testing.T) {
	for message, want := range map[string]string{
		"abc":                      "66c7f0f4 62eeedd9 d1f2d46b dc10e4e2 4167c487 5cf2f7a2 297da02b 8f4ba8e0",
		strings.Repeat("abcd", 16): "debe9ff9 2275b8a1 38604889 c18e5a4d 6fdb70e5 387e5765 293dcba3 9c0c5732",
	} {
		if got := Sum3([]byte(message)); !bytes.Equal(got[:], unhex(t, want)) {
			t.Errorf("SM3(%q) = %x, want %s", message, got, want)
		}
		h := New3()
		for i := range len(message) {
			if _, err := h.Write([]byte{message[i]}); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.Sum(nil); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("SM3(%q) byte by byte = %x, want %s", message, got, want)
		}
	}
}

// The example of GM/T 0003.5-2012, annex A.2: signature over the recommended curve with the identifier
// "1234567812345678" and the message "message digest".
const (
	exampleX  = "09F9DF31 1E5421A1 50DD7D16 1E4BC5C6 72179FAD 1833FC07 6BB08FF3 56F35020"
	exampleY  = "CCEA490C E26775A5 2DC6EA71 8CC1AA60 0AED05FB F35E084A 6632F607 2DA9AD13"
	exampleZA = "B2E14C5C 79C6DF5B 85F4FE7E D8DB7A26 2B9DA7E0 7CCB0EA9 F4747B8C CDA8A4F3"
	exampleE  = "F0B43E94 BA45ACCA ACE692ED 534382EB 17E6AB5A 19CE7B31 F4486FDF C0D28640"
	exampleR  = "F5A03B06 48D2C463 0EEAC513 E1BB81A1 5944DA38 27D5B741 43AC7EAC EEE720B3"
	exampleS  = "B1B6AA29 DF212FD8 763182BC 0D421CA1 BB9038FD 1F7F42D4 840B69C4 85BBC1AA"
	message   = "message digest"
)

// exampleKey reads the example's public key as anybody would get it: as SubjectPublicKeyInfo.
func exampleKey(t *testing.T) *ecdsa.PublicKey {
	t.Helper()
	var spki struct {
		Algorithm struct{ OID, Curve asn1.ObjectIdentifier }
		Point     asn1.BitString
	}
	spki.Algorithm.OID = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	spki.Algorithm.Curve = OIDCurve
	spki.Point.Bytes = append([]byte{4}, unhex(t, exampleX+exampleY)...)
	spki.Point.BitLength = len(spki.Point.Bytes) * 8
	der, err := asn1.Marshal(spki)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return pub.(*ecdsa.PublicKey)
}

func TestSM2AgreesWithTheStandard(t *testing.T) {
	pub := exampleKey(t)
	e, err := Digest(pub, []byte(message))
	if err != nil || !bytes.Equal(e, unhex(t, exampleE)) {
		t.Fatalf("Digest = %x, %v; want %s", e, err, exampleE)
	}
	if sum := Sum3(append(unhex(t, exampleZA), message...)); !bytes.Equal(e, sum[:]) {
		t.Error("the digest is not SM3(ZA ‖ message)")
	}
	signature, err := RawToDER(unhex(t, exampleR+exampleS))
	if err != nil {
		t.Fatal(err)
	}
	if !Verify(pub, []byte(message), signature) {
		t.Error("the signature of the standard's example is refused")
	}
}

func TestVerifyRefusesWhatIsNotTheSignature(t *testing.T) {
	pub := exampleKey(t)
	r, s := new(big.Int).SetBytes(unhex(t, exampleR)), new(big.Int).SetBytes(unhex(t, exampleS))
	n, zero := pub.Params().N, new(big.Int)
	encode := func(r, s *big.Int) []byte {
		der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	good := encode(r, s)
	for name, signature := range map[string][]byte{
		"nothing":              nil,
		"r and s swapped":      encode(s, r),
		"r of zero":            encode(zero, s),
		"s of zero":            encode(r, zero),
		"s plus the order":     encode(r, new(big.Int).Add(s, n)),
		"r plus the order":     encode(new(big.Int).Add(r, n), s),
		"s the order":          encode(r, n),
		"s negated":            encode(r, new(big.Int).Neg(s)),
		"r + s = n":            encode(r, new(big.Int).Sub(n, r)),
		"a byte behind":        append(bytes.Clone(good), 0),
		"a truncated sequence": good[:len(good)-1],
		"raw r and s":          unhex(t, exampleR+exampleS),
	} {
		if Verify(pub, []byte(message), signature) {
			t.Errorf("%s is taken for the signature", name)
		}
	}
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 1
		if Verify(pub, []byte(message), changed) {
			t.Errorf("byte %d changed: still taken", i)
		}
	}
	if Verify(pub, []byte(message+"."), good) {
		t.Error("another message is taken")
	}
}

func TestKeysOfOtherCurvesAreNone(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if IsKey(&p256.PublicKey) {
		t.Error("a P-256 key is taken for one of SM2")
	}
	if _, err := Digest(&p256.PublicKey, nil); !errors.Is(err, ErrNotSM2) {
		t.Errorf("Digest = %v, want ErrNotSM2", err)
	}
	if Verify(&p256.PublicKey, nil, nil) || VerifyDigest(&p256.PublicKey, make([]byte, DigestSize), nil) {
		t.Error("Verify = true")
	}
}

func TestSignDigestSignsDigestsOnly(t *testing.T) {
	priv, err := GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 20, 31, 33, 64} {
		if _, err := SignDigest(rand.Reader, priv, make([]byte, size)); err == nil {
			t.Errorf("%d bytes were signed", size)
		}
	}
	for _, size := range []int{0, 63, 65} {
		if _, err := RawToDER(make([]byte, size)); err == nil {
			t.Errorf("a raw signature of %d bytes was taken", size)
		}
	}
	e, err := Digest(&priv.PublicKey, []byte(message))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := SignDigest(rand.Reader, priv, e)
	if err != nil || !Verify(&priv.PublicKey, []byte(message), signature) || !VerifyDigest(&priv.PublicKey, e, signature) {
		t.Errorf("our own signature is refused: %v", err)
	}
	if plain := Sum3([]byte(message)); VerifyDigest(&priv.PublicKey, plain[:], signature) || VerifyDigest(&priv.PublicKey, e[1:], signature) {
		t.Error("the signature is good for another digest")
	}
}

// TestOpenSSLAgrees signs here and verifies there, and the other way round.
func TestOpenSSLAgrees(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil && os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
		t.Fatal("needs openssl")
	}
	if err != nil {
		t.Skip("needs openssl")
	}
	dir := t.TempDir()
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
		return out
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}

	text := []byte("印信: what is stamped is trusted")
	write("message", text)
	sum := Sum3(text)
	if out := run("dgst", "-sm3", "-r", "message"); !strings.HasPrefix(string(out), hex.EncodeToString(sum[:])) {
		t.Errorf("SM3: openssl says %s, we say %x", out, sum)
	}

	priv, err := GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := MarshalPKIXPublicKey(&priv.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	write("ours.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	write("ours.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	e, err := Digest(&priv.PublicKey, text)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := SignDigest(rand.Reader, priv, e)
	if err != nil {
		t.Fatal(err)
	}
	write("ours.sig", signature)
	run("dgst", "-sm3", "-verify", "ours.pub", "-sigopt", "distid:"+DefaultID, "-signature", "ours.sig", "message")
	run("dgst", "-sm3", "-sign", "ours.pem", "-sigopt", "distid:"+DefaultID, "-out", "their.sig", "message")
	if !Verify(&priv.PublicKey, text, read("their.sig")) {
		t.Error("a signature that openssl made with our key is refused")
	}

	run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2", "-out", "their.pem")
	run("pkey", "-in", "their.pem", "-pubout", "-outform", "DER", "-out", "their.der")
	run("dgst", "-sm3", "-sign", "their.pem", "-sigopt", "distid:"+DefaultID, "-out", "their.sig", "message")
	theirs, err := ParsePKIXPublicKey(read("their.der"))
	if err != nil {
		t.Fatal(err)
	}
	pub, ok := theirs.(*ecdsa.PublicKey)
	if !ok || !Verify(pub, text, read("their.sig")) {
		t.Errorf("a signature that openssl made with its key (%T) is refused", theirs)
	}
}

func BenchmarkSM2(b *testing.B) {
	priv, err := GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	text := []byte(message)
	e, err := Digest(&priv.PublicKey, text)
	if err != nil {
		b.Fatal(err)
	}
	signature, err := SignDigest(rand.Reader, priv, e)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("sign", func(b *testing.B) {
		for b.Loop() {
			if _, err := SignDigest(rand.Reader, priv, e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if !Verify(&priv.PublicKey, text, signature) {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkSM3(b *testing.B) {
	data := make([]byte, 1<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Sum3(data)
	}
}
