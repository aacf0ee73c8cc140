package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/key"
)

// Rotation says how the keys of a purpose follow each other. All changes are written ahead as times (see keyRing), so that
// the rotator may come early, late or twice.
//
//	            ◄── Ahead ──►
//	old  signs ─────────────┬── accepted ─────────────┐ removed
//	                        │◄──────── Accept ───────►│
//	new         published   └ signs ──────────────────────── … after Every the same again
type Rotation struct {
	Every time.Duration // how long a key signs
	// Ahead is for how long a key is published before it signs: longer than anybody keeps the published keys, processes
	// here (KeysOptions.Reload) and verifiers (max-age of the JWKS) together, and clocks differ.
	Ahead time.Duration
	// Accept is how long after a key signed last its signatures are accepted: longer than they are good for.
	Accept time.Duration
}

// maxSkew is how far the clocks of two functions may be apart.
const maxSkew = time.Minute

func (r Rotation) check(reload time.Duration) error {
	switch {
	case r.Ahead < reload+maxSkew:
		return fmt.Errorf("a key must be published %v before it signs, not %v: processes read the keys again after %v",
			reload+maxSkew, r.Ahead, reload)
	case r.Every <= r.Ahead:
		return fmt.Errorf("a key that signs for %v cannot be published %v ahead", r.Every, r.Ahead)
	case r.Accept < reload+maxSkew:
		return fmt.Errorf("signatures must be accepted for %v after the last, not %v", reload+maxSkew, r.Accept)
	}
	return nil
}

// RotateKey brings the ring of a purpose and owner up to date: it makes the next key when its time has come, and removes
// keys that are accepted no more. Where there is nothing to do it writes nothing; of two rotators at one time one does.
//
// If we stop after a key is made and before the ring is written: see [Keys]. After that, and before the KMS key of a
// resident key that was removed is let go: the same, a KMS key that no item names.
func (k *Keys) RotateKey(ctx context.Context, purpose key.Purpose, owner string, r Rotation) error {
	if err := r.check(k.reload); err != nil {
		return fmt.Errorf("rotating the %s key of %q: %w", purpose, owner, err)
	}
	return k.change(ctx, "rotating", purpose, owner, func(ring keyRing, name ringName, c Custody) (keyRing, error) {
		now := k.db.Now().UTC()
		ring.Keys = remaining(ring.Keys, now) // a list of its own
		current, ok := ring.signing(now)
		if !ok {
			return ring, errors.New("none of its keys signs")
		}
		began := current.Sign
		if began.IsZero() {
			began = current.Made
		}
		if now.Before(began.Add(r.Every-r.Ahead)) || ring.next(now) >= 0 {
			return ring, nil
		}
		made, _, err := k.generate(ctx, name, c, current.Algorithm)
		if err != nil {
			return ring, err
		}
		made.Sign = now.Add(r.Ahead)
		if planned := began.Add(r.Every); planned.After(made.Sign) {
			made.Sign = planned
		}
		for i := range ring.Keys {
			if ring.Keys[i].ID == current.ID {
				ring.Keys[i].Until, ring.Keys[i].Gone = made.Sign, made.Sign.Add(r.Accept)
			}
		}
		ring.Keys = append(ring.Keys, made)
		return ring, nil
	})
}

// KillKey ends a key at once and takes it out of the ring, its ciphertext too: it signs no more and nothing that it signed
// is accepted, in every process after its Reload at the latest. Where it was the key that signs, the next one does, or a
// new one that nobody has seen yet: verifiers elsewhere ask for the published keys when they meet one that they do not
// know. It returns [key.ErrUnknown] for a key that is not in the ring.
func (k *Keys) KillKey(ctx context.Context, purpose key.Purpose, owner, keyID string) error {
	return k.change(ctx, "killing", purpose, owner, func(ring keyRing, name ringName, c Custody) (keyRing, error) {
		now := k.db.Now().UTC()
		killed, ok := ring.find(keyID)
		if !ok {
			return ring, fmt.Errorf("key %s: %w", keyID, key.ErrUnknown)
		}
		var left []ringKey
		for _, e := range ring.Keys {
			if e.ID != keyID {
				if !e.Until.IsZero() && e.Until.Equal(killed.Sign) {
					e.Until, e.Gone = time.Time{}, time.Time{} // it goes on: its successor will not come
				}
				left = append(left, e)
			}
		}
		ring.Keys = left
		if _, ok := ring.signing(now); ok {
			return ring, nil
		}
		if n := ring.next(now); n >= 0 {
			ring.Keys[n].Sign = time.Time{} // from the beginning: also by clocks that are behind ours
			return ring, nil
		}
		made, _, err := k.generate(ctx, name, c, killed.Algorithm)
		if err == nil {
			ring.Keys = append(ring.Keys, made)
		}
		return ring, err
	})
}

// next returns the place of the key that begins to sign next after a time, or -1.
func (r keyRing) next(at time.Time) int {
	found := -1
	for i, k := range r.Keys {
		if at.Before(k.Sign) && (found < 0 || k.Sign.Before(r.Keys[found].Sign)) {
			found = i
		}
	}
	return found
}

// remaining are the keys that are accepted at a time, or will be.
func remaining(keys []ringKey, at time.Time) (list []ringKey) {
	for _, k := range keys {
		if k.Gone.IsZero() || at.Before(k.Gone) {
			list = append(list, k)
		}
	}
	return list
}

// change reads a ring, changes it and writes it if that changed anything. KMS keys that the ring does not name then are let
// go: those that it named before, and those that were made in vain.
func (k *Keys) change(
	ctx context.Context, doing string, purpose key.Purpose, owner string,
	to func(keyRing, ringName, Custody) (keyRing, error),
) error {
	fail := func(err error) error { return fmt.Errorf("%s the %s key of %q: %w", doing, purpose, owner, err) }
	name, err := nameRing(purpose, owner)
	if err != nil {
		return fail(err)
	}
	c, ok := k.custody[purpose]
	if !ok || c.Kind == Given {
		return fail(errors.New("its custody makes no keys here"))
	}
	before, err := k.db.readRing(ctx, name)
	if err == nil && len(before.Keys) == 0 {
		err = key.ErrUnknown
	}
	if err != nil {
		return fail(err)
	}
	after, err := to(before, name, c)
	if err != nil {
		return fail(err)
	}
	if sameKeys(before.Keys, after.Keys) {
		return nil
	}
	stands, writeErr := after, k.db.replaceRing(ctx, after)
	if writeErr != nil { // it may have been written all the same: the answer was lost, and the next attempt met it
		if stands, err = k.db.readRing(ctx, name); err != nil {
			return fail(errors.Join(writeErr, err))
		}
		if stands.revision == after.revision+1 && sameKeys(stands.Keys, after.Keys) {
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

func sameKeys(a, b []ringKey) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ID != b[i].ID || !a[i].Sign.Equal(b[i].Sign) || !a[i].Until.Equal(b[i].Until) || !a[i].Gone.Equal(b[i].Gone) {
			return false
		}
	}
	return true
}

// forget lets this process read a ring anew.
func (k *Keys) forget(n ringName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, n.pk())
}
