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

	mu       sync.Mutex
	set      jose.Set
	revision int64 // of the ring that set is of
	loaded   time.Time
	asked    time.Time // when an unknown key last had them read
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
	set, fresh := s.set, within(s.loaded, now, s.reload)
	s.mu.Unlock()
	if len(set.Keys) > 0 && fresh {
		return set, nil
	}
	return s.read(ctx, now)
}

// TokenKeysAgain implements [access.Keys].
func (s *TokenKeys) TokenKeysAgain(ctx context.Context) (jose.Set, error) {
	now := s.db.Now()
	s.mu.Lock()
	set, known := s.set, within(s.loaded, now, access.Reread) || within(s.asked, now, access.Reread)
	if !known {
		s.asked = now
	}
	s.mu.Unlock()
	if known {
		return set, nil
	}
	return s.read(ctx, now)
}

// within tells whether something of a time is not yet that old. Of a time to come, by a clock that was set back since,
// it is not so.
func within(of, now time.Time, age time.Duration) bool { return !now.Before(of) && now.Sub(of) < age }

// read reads the keys, and keeps them.
func (s *TokenKeys) read(ctx context.Context, now time.Time) (jose.Set, error) {
	ring, err := s.db.readPublicRing(ctx, ringName{purpose: key.Token})
	if err != nil {
		return jose.Set{}, fmt.Errorf("reading the token keys: %w", err)
	}
	if k, ok := ring.signing(now); ok {
		meterOf(ctx).oldest(tokenKeyAge, now.Sub(later(k.Sign, k.Made)))
	}
	set := jose.Set{}
	for _, k := range ring.published(now) {
		set.Keys = append(set.Keys, jose.JWK{Public: k.public, KeyID: k.ID, Alg: k.Algorithm})
	}
	if len(set.Keys) == 0 {
		return jose.Set{}, fmt.Errorf("reading the token keys: %w", key.ErrUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ring.revision >= s.revision || !within(s.loaded, now, s.reload) { // of two readings at once the one of the later ring
		s.set, s.loaded, s.revision = set, now, ring.revision
	}
	return set, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
