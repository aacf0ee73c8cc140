package aws

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

// TokenKeys publishes the public halves of the token keys. It reads no ciphertext and asks nothing of KMS: every
// function that checks tokens may have it.
type TokenKeys struct {
	db     *DB
	reload time.Duration

	mu     sync.Mutex
	set    jose.Set
	loaded time.Time
}

var _ access.Keys = (*TokenKeys)(nil)

// OpenTokenKeys makes a TokenKeys that reads again after reload, five minutes where it is 0: a key that was killed is
// accepted at most so long after.
func OpenTokenKeys(db *DB, reload time.Duration) *TokenKeys {
	if reload <= 0 {
		reload = key.Reload
	}
	return &TokenKeys{db: db, reload: reload}
}

// TokenKeys implements [access.Keys]. After the signing key come those that signed before and the next, which is
// published ahead so that who keeps the set for a while knows it when it begins to sign.
func (s *TokenKeys) TokenKeys(ctx context.Context) (jose.Set, error) {
	now := s.db.Now()
	s.mu.Lock()
	set, age := s.set, now.Sub(s.loaded)
	s.mu.Unlock()
	if len(set.Keys) > 0 && age >= 0 && age < s.reload {
		return set, nil
	}
	ring, err := s.db.readPublicRing(ctx, ringName{purpose: key.Token})
	if err != nil {
		return jose.Set{}, fmt.Errorf("reading the token keys: %w", err)
	}
	if k, ok := ring.signing(now); ok {
		meterOf(ctx).oldest(tokenKeyAge, now.Sub(later(k.Sign, k.Made)))
	}
	set = jose.Set{}
	for _, k := range ring.published(now) {
		set.Keys = append(set.Keys, jose.JWK{Public: k.public, KeyID: k.ID, Alg: k.Algorithm})
	}
	if len(set.Keys) == 0 {
		return jose.Set{}, fmt.Errorf("reading the token keys: %w", key.ErrUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !now.Before(s.loaded) {
		s.set, s.loaded = set, now
	}
	return set, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
