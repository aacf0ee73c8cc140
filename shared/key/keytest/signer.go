package keytest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// New makes a key in memory for a test: SM2SM3, ES256 or EdDSA.
func New(t testing.TB, alg key.Algorithm) key.Signer {
	t.Helper()
	var private crypto.Signer
	var err error
	switch alg {
	case key.SM2SM3:
		private, err = sm.GenerateKey(rand.Reader)
	case key.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case key.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no keys of %q here", alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	spki, err := sm.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	return memory{private, alg, hex.EncodeToString(sum[:8])}
}

type memory struct {
	private crypto.Signer
	alg     key.Algorithm
	id      string
}

func (m memory) KeyID() string            { return m.id }
func (m memory) Algorithm() key.Algorithm { return m.alg }
func (m memory) Public() crypto.PublicKey { return m.private.Public() }

func (m memory) SignDigest(_ context.Context, digest []byte) ([]byte, error) {
	switch private := m.private.(type) {
	case *sm.PrivateKey:
		return sm.SignDigest(rand.Reader, private, digest)
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(rand.Reader, private, digest)
	default:
		return m.private.Sign(rand.Reader, digest, crypto.Hash(0))
	}
}
