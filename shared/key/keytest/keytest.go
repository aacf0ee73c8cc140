// Package keytest holds the contract of the ports of shared/key. Every adapter passes it.
//
//	open ── fresh store ── each sentence of the contract, one subtest
//
// It does not ask how keys are kept.
package keytest

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// Store is one store of keys, seen through both ports.
type Store interface {
	key.Maker
	key.Opener
}

// Keys runs the contract against the stores that open returns: empty ones, each of its own.
func Keys(t *testing.T, open func(t *testing.T) Store) {
	algorithms := []key.Algorithm{key.SM2SM3, key.ES256, key.EdDSA}

	t.Run("a key that was never made is unknown", func(t *testing.T) {
		if _, err := open(t).OpenKey(t.Context(), key.Seal, "none"); !errors.Is(err, key.ErrUnknown) {
			t.Errorf("OpenKey = %v, want ErrUnknown", err)
		}
	})
	t.Run("a key that was made signs, and is found again", func(t *testing.T) {
		s := open(t)
		for _, alg := range algorithms {
			made, err := s.MakeKey(t.Context(), key.Token, string(alg), alg)
			if err != nil {
				t.Fatal(err)
			}
			found, err := s.OpenKey(t.Context(), key.Token, string(alg))
			if err != nil {
				t.Fatal(err)
			}
			if !same(made, found) || made.Algorithm() != alg {
				t.Errorf("%s: the key that is found is another", alg)
			}
			checkSigns(t, found)
		}
	})
	t.Run("of concurrent calls all return the same key", func(t *testing.T) {
		for _, alg := range algorithms {
			race(t, open(t), alg)
		}
	})
	t.Run("purposes and owners have keys of their own", func(t *testing.T) {
		s := open(t)
		seen := map[string]string{}
		for _, purpose := range []key.Purpose{key.Seal, key.SealMaker, key.SealCompat} {
			for _, owner := range []string{"", "a", "A", "a/b", "../a", "a.key", "示例", strings.Repeat("9", 60)} {
				made, err := s.MakeKey(t.Context(), purpose, owner, key.ES256)
				if err != nil {
					t.Fatalf("the key of %q: %v", owner, err)
				}
				name := fmt.Sprintf("%s of %q", purpose, owner)
				if other, taken := seen[made.KeyID()]; taken {
					t.Errorf("%s has the key of %s", name, other)
				}
				seen[made.KeyID()] = name
			}
		}
	})
	t.Run("a key of another algorithm is not returned", func(t *testing.T) {
		s := open(t)
		first, err := s.MakeKey(t.Context(), key.Seal, "s", key.SM2SM3)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.MakeKey(t.Context(), key.Seal, "s", key.ES256); err == nil {
			t.Error("MakeKey returned a key of another algorithm")
		}
		if found, err := s.OpenKey(t.Context(), key.Seal, "s"); err != nil || !same(first, found) {
			t.Errorf("afterwards the first key is gone: %v", err)
		}
	})
	t.Run("an algorithm that nobody knows is refused", func(t *testing.T) {
		s := open(t)
		if _, err := s.MakeKey(t.Context(), key.Seal, "s", "none"); err == nil {
			t.Error("MakeKey made a key of no algorithm")
		}
		if _, err := s.OpenKey(t.Context(), key.Seal, "s"); !errors.Is(err, key.ErrUnknown) {
			t.Errorf("afterwards OpenKey = %v, want ErrUnknown", err)
		}
	})
}

const racers = 50

func race(t *testing.T, s Store, alg key.Algorithm) {
	t.Helper()
	signers := make([]key.Signer, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-start
			var err error
			if signers[i], err = s.MakeKey(t.Context(), key.Seal, "one", alg); err != nil {
				t.Errorf("MakeKey: %v", err)
			}
		}()
	}
	close(start)
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, other := range signers[1:] {
		if !same(signers[0], other) {
			t.Fatalf("%s: two calls returned different keys", alg)
		}
	}
	checkSigns(t, signers[racers-1])
}

// same tells whether two signers are one key.
func same(a, b key.Signer) bool {
	left, err := sm.MarshalPKIXPublicKey(a.Public())
	if err != nil {
		return false
	}
	right, err := sm.MarshalPKIXPublicKey(b.Public())
	return err == nil && string(left) == string(right) && a.KeyID() == b.KeyID() && a.Algorithm() == b.Algorithm()
}

// checkSigns asks that the key signs what its public key verifies, and nothing else.
func checkSigns(t *testing.T, s key.Signer) {
	t.Helper()
	message := make([]byte, 100)
	if _, err := rand.Read(message); err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign(t.Context(), s, message)
	if err != nil {
		t.Fatal(err)
	}
	message[0] ^= 1
	if key.Verify(s.Algorithm(), s.Public(), message, signature) {
		t.Errorf("%s: the signature is good for another message", s.Algorithm())
	}
	if _, ok := s.Public().(ed25519.PublicKey); ok != (s.Algorithm() == key.EdDSA) {
		t.Errorf("%s: public key %T", s.Algorithm(), s.Public())
	}
	if s.KeyID() == "" {
		t.Error("a key without identifier")
	}
}
