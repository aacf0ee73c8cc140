package key

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/yinxin/yinxin/shared/sm"
)

// local is a key in memory; corrupt spoils its signatures, as a faulty module would.
type local struct {
	private crypto.Signer
	alg     Algorithm
	corrupt func([]byte) ([]byte, error)
}

func (l local) KeyID() string            { return "local" }
func (l local) Algorithm() Algorithm     { return l.alg }
func (l local) Public() crypto.PublicKey { return l.private.Public() }

func (l local) SignDigest(_ context.Context, digest []byte) (signature []byte, err error) {
	switch private := l.private.(type) {
	case *sm.PrivateKey:
		signature, err = sm.SignDigest(rand.Reader, private, digest)
	case *ecdsa.PrivateKey:
		signature, err = ecdsa.SignASN1(rand.Reader, private, digest)
	case *rsa.PrivateKey:
		signature, err = rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest, nil)
	case ed25519.PrivateKey:
		signature = ed25519.Sign(private, digest)
	}
	if err != nil || l.corrupt == nil {
		return signature, err
	}
	return l.corrupt(signature)
}

// locals makes a key of each algorithm.
func locals(t testing.TB) map[Algorithm]local {
	t.Helper()
	sm2, err := sm.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[Algorithm]local{
		SM2SM3: {private: sm2, alg: SM2SM3}, ES256: {private: p256, alg: ES256},
		PS256: {private: rsaKey, alg: PS256}, EdDSA: {private: ed, alg: EdDSA},
	}
}

func TestEveryAlgorithmVerifiesItsOwnSignaturesAndNoOthers(t *testing.T) {
	keys := locals(t)
	message := []byte("印信")
	for alg, k := range keys {
		signature, err := Sign(t.Context(), k, message)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		for other, o := range keys {
			if got, want := Verify(other, k.Public(), message, signature), other == alg; got != want {
				t.Errorf("a signature of %s verified as %s: %v, want %v", alg, other, got, want)
			}
			if other != alg && Verify(alg, o.Public(), message, signature) {
				t.Errorf("a signature of %s is good under a key for %s", alg, other)
			}
		}
		if Verify(alg, k.Public(), []byte("信印"), signature) {
			t.Errorf("%s: the signature is good for another message", alg)
		}
		for i := range signature {
			changed := bytes.Clone(signature)
			changed[i] ^= 0x80
			if Verify(alg, k.Public(), message, changed) {
				t.Errorf("%s: the signature is good with byte %d changed", alg, i)
			}
		}
		for _, bad := range [][]byte{nil, {}, signature[:len(signature)-1], append(bytes.Clone(signature), 0)} {
			if Verify(alg, k.Public(), message, bad) {
				t.Errorf("%s: %d bytes are taken for a signature of %d", alg, len(bad), len(signature))
			}
		}
	}
}

func TestVerifyRefusesKeysThatAreNone(t *testing.T) {
	for _, pub := range []crypto.PublicKey{nil, "key", ed25519.PublicKey{}, ed25519.PublicKey(make([]byte, 5)), []byte("key")} {
		for _, alg := range []Algorithm{SM2SM3, ES256, PS256, EdDSA, "", "none"} {
			if Verify(alg, pub, []byte("印"), make([]byte, 64)) {
				t.Errorf("%T verified as %s", pub, alg)
			}
		}
	}
}

func TestDigestIsThatOfTheStandard(t *testing.T) {
	keys := locals(t)
	message := []byte("印信")
	sum := sha256.Sum256(message)
	for alg, want := range map[Algorithm][]byte{ES256: sum[:], PS256: sum[:], EdDSA: message} {
		if got, err := Digest(alg, keys[alg].Public(), message); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v; want %x", alg, got, err, want)
		}
	}
	e, err := Digest(SM2SM3, keys[SM2SM3].Public(), message)
	if err != nil || len(e) != sm.DigestSize {
		t.Errorf("SM2SM3: %x, %v", e, err)
	}
	if plain := sm.Sum3(message); bytes.Equal(e, plain[:]) {
		t.Error("the digest of SM2 lacks the signer's Z value")
	}
	if _, err := Digest(SM2SM3, keys[EdDSA].Public(), message); !errors.Is(err, sm.ErrNotSM2) {
		t.Errorf("an Ed25519 key: %v, want ErrNotSM2", err)
	}
	if _, err := Digest(SM2SM3, keys[ES256].Public(), message); !errors.Is(err, sm.ErrNotSM2) {
		t.Errorf("a P-256 key: %v, want ErrNotSM2", err)
	}
	if _, err := Digest("none", keys[ES256].Public(), message); err == nil {
		t.Error("there is a digest for no algorithm")
	}
}

func TestSignLetsNoBadSignatureOut(t *testing.T) {
	broken := errors.New("the module is gone")
	for alg, k := range locals(t) {
		for name, corrupt := range map[string]func([]byte) ([]byte, error){
			"a flipped bit": func(s []byte) ([]byte, error) { s[len(s)/2] ^= 1; return s, nil },
			"no signature":  func([]byte) ([]byte, error) { return nil, nil },
		} {
			k.corrupt = corrupt
			if s, err := Sign(t.Context(), k, []byte("印")); err == nil || s != nil {
				t.Errorf("%s, %s: Sign = %x, %v; want no signature and an error", alg, name, s, err)
			}
		}
		k.corrupt = func([]byte) ([]byte, error) { return nil, broken }
		if _, err := Sign(t.Context(), k, []byte("印")); !errors.Is(err, broken) || !strings.Contains(err.Error(), "local") {
			t.Errorf("%s: %v, want the module's error and the key's name", alg, err)
		}
	}
	mislabelled := locals(t)[ES256]
	mislabelled.alg = SM2SM3
	if _, err := Sign(t.Context(), mislabelled, []byte("印")); err == nil {
		t.Error("a P-256 key that calls itself SM2 signed")
	}
}

func TestATestedKeyIsVerifiedOnceAndAnUntestedOneEachTime(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(signature []byte) ([]byte, error) {
		signature[len(signature)-1] ^= 1
		return signature, nil
	}
	if _, err := Tested(t.Context(), local{private, ES256, spoil}); err == nil {
		t.Error("Tested took a key whose signatures its public key refuses")
	}
	signed := 0
	later := local{private, ES256, func(signature []byte) ([]byte, error) {
		if signed++; signed > 1 {
			return spoil(signature)
		}
		return signature, nil
	}}
	tested, err := Tested(t.Context(), later)
	if err != nil || !IsTested(tested) || IsTested(later) {
		t.Fatalf("Tested = %v, %v; want a tested key", tested, err)
	}
	if _, err := Sign(t.Context(), tested, []byte("m")); err != nil {
		t.Errorf("Sign with a tested key = %v, want no second verification", err)
	}
	if _, err := Sign(t.Context(), later, []byte("m")); err == nil {
		t.Error("Sign released a signature that the public key refuses")
	}
}
