package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/key"
)

var _ key.Rotator = (*Keys)(nil)

// RotateKey implements [key.Rotator].
//
// If we stop after a key is made and before the ring is written: see [Keys]. After that, and before the KMS key of a
// resident key that was removed is let go: the same, a KMS key that no item names.
func (k *Keys) RotateKey(ctx context.Context, purpose key.Purpose, owner string, r key.Rotation) error {
	if err := r.Check(k.reload + key.MaxAge); err != nil {
		return fmt.Errorf("rotating the %s key of %q: %w", purpose, owner, err)
	}
	return k.change(ctx, "rotating", purpose, owner, func(ring key.Ring, now time.Time, create creator) (key.Ring, error) {
		return ring.Rotated(now, r, create)
	})
}

// KillKey implements [key.Rotator]. The ciphertext goes out of the ring, and the KMS key of a resident key is let go.
func (k *Keys) KillKey(ctx context.Context, purpose key.Purpose, owner, keyID string) error {
	return k.change(ctx, "killing", purpose, owner, func(ring key.Ring, now time.Time, create creator) (key.Ring, error) {
		return ring.Killed(now, keyID, create)
	})
}

// creator makes a key for a ring.
type creator = func(key.Algorithm) (key.Term, error)

// change reads a ring, changes it and writes it if that changed anything. KMS keys that the ring does not name then are
// let go: those that it named before, and those that were made in vain.
func (k *Keys) change(
	ctx context.Context, doing string, purpose key.Purpose, owner string,
	to func(ring key.Ring, now time.Time, create creator) (key.Ring, error),
) error {
	fail := func(err error) error { return fmt.Errorf("%s the %s key of %q: %w", doing, purpose, owner, err) }
	name, err := nameRing(purpose, owner)
	if err != nil {
		return fail(err)
	}
	c, ok := k.custody[purpose]
	if !ok || c.Kind == Given || c.Kind == None {
		return fail(errors.New("its custody makes no keys here"))
	}
	before, err := k.db.readRing(ctx, name)
	if err == nil && len(before.Keys) == 0 {
		err = key.ErrUnknown
	}
	if err != nil {
		return fail(err)
	}
	var made []ringKey
	terms, err := to(before.terms(), k.db.Now().UTC(), func(alg key.Algorithm) (key.Term, error) {
		one, _, err := k.generate(ctx, name, c, alg)
		made = append(made, one)
		return one.Term, err
	})
	if err != nil {
		return fail(err)
	}
	if terms.Equal(before.terms()) {
		return nil
	}
	after := before
	after.Keys = before.under(terms, made...)
	stands, writeErr := after, k.db.replaceRing(ctx, after)
	if writeErr != nil { // it may have been written all the same: the answer was lost, and the next attempt met it
		if stands, err = k.db.readRing(ctx, name); err != nil {
			return fail(errors.Join(writeErr, err))
		}
		if stands.revision == after.revision+1 && stands.terms().Equal(terms) {
			writeErr = nil
		}
	}
	k.forget(name)
	errs := []error{writeErr}
	for _, e := range append(slices.Clone(before.Keys), after.Keys...) {
		if _, named := stands.find(e.ID); !named {
			errs = append(errs, k.discard(ctx, e))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fail(err)
	}
	return nil
}

// forget lets this process read a ring anew.
func (k *Keys) forget(n ringName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, n.pk())
}
