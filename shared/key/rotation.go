package key

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Term says from when until when a key does what. All changes are written ahead as times, never as states, so that
// processes whose copies are old, and whose clocks differ a little, agree on which key signs:
//
//	pending ──Sign──► active ──Until──► retiring ──Gone──► removed
type Term struct {
	ID        string    `json:"id"` // as [Signer].KeyID
	Algorithm Algorithm `json:"algorithm"`
	Made      time.Time `json:"made,omitzero"`
	Sign      time.Time `json:"sign,omitzero"`  // it signs from here on; zero: from the beginning
	Until     time.Time `json:"until,omitzero"` // it signs no more; zero: open
	Gone      time.Time `json:"gone,omitzero"`  // its signatures are accepted no more; zero: open
}

// Phase is where a key is in its life.
type Phase string

// The phases of a key.
const (
	Pending  Phase = "pending"  // published, signs nothing yet
	Active   Phase = "active"   // may sign
	Retiring Phase = "retiring" // signs no more; what it signed is accepted
	Removed  Phase = "removed"  // nothing that it signed is accepted
)

// Phase is where the key is at a time.
func (t Term) Phase(at time.Time) Phase {
	switch {
	case !t.Gone.IsZero() && !at.Before(t.Gone):
		return Removed
	case !t.Until.IsZero() && !at.Before(t.Until):
		return Retiring
	case at.Before(t.Sign):
		return Pending
	default:
		return Active
	}
}

func (t Term) equal(o Term) bool {
	return t.ID == o.ID && t.Sign.Equal(o.Sign) && t.Until.Equal(o.Until) && t.Gone.Equal(o.Gone)
}

// Ring is the terms of the keys of one purpose and owner, oldest first. Its methods return rings of their own.
type Ring []Term

// Signing returns the key that signs at a time: of those that are active, the one that began last.
func (r Ring) Signing(at time.Time) (found Term, ok bool) {
	for _, t := range r {
		if t.Phase(at) == Active && (!ok || !t.Sign.Before(found.Sign)) {
			found, ok = t, true
		}
	}
	return found, ok
}

// Published returns the keys whose signatures are accepted at a time, or will be: first the one that signs.
func (r Ring) Published(at time.Time) (list Ring) {
	first, ok := r.Signing(at)
	if ok {
		list = append(list, first)
	}
	for _, t := range r {
		if t.Phase(at) != Removed && (!ok || t.ID != first.ID) {
			list = append(list, t)
		}
	}
	return list
}

// Find returns the term of a key.
func (r Ring) Find(id string) (Term, bool) {
	for _, t := range r {
		if t.ID == id {
			return t, true
		}
	}
	return Term{}, false
}

// Equal tells whether two rings hold the same keys under the same times.
func (r Ring) Equal(o Ring) bool {
	if len(r) != len(o) {
		return false
	}
	for i := range r {
		if !r[i].equal(o[i]) {
			return false
		}
	}
	return true
}

// next returns the place of the key that begins to sign next after a time, or -1.
func (r Ring) next(at time.Time) int {
	found := -1
	for i, t := range r {
		if t.Phase(at) == Pending && (found < 0 || t.Sign.Before(r[found].Sign)) {
			found = i
		}
	}
	return found
}

// Rotation says how the keys of a purpose follow each other.
//
//	            ◄── Ahead ──►
//	old  signs ─────────────┬── accepted ─────────────┐ removed
//	                        │◄──────── Accept ───────►│
//	new         published   └ signs ──────────────────────── … after Every the same again
type Rotation struct {
	Every time.Duration // how long a key signs
	// Ahead is for how long a key is published before it signs: longer than anybody keeps the published keys, and clocks
	// differ; see [Rotation.Check].
	Ahead time.Duration
	// Accept is how long after a key signed last its signatures are accepted: longer than they are good for.
	Accept time.Duration
}

// MaxSkew is how far the clocks of two processes may be apart.
const MaxSkew = time.Minute

// Check tells whether the rotation is safe where the published keys are kept for that long: by processes of ours that
// read them again after a while, and by verifiers that were told so (max-age of the JWKS), one after the other.
func (r Rotation) Check(kept time.Duration) error {
	switch {
	case r.Ahead < kept+MaxSkew:
		return fmt.Errorf("a key must be published %v before it signs, not %v: the published keys are kept for %v",
			kept+MaxSkew, r.Ahead, kept)
	case r.Every <= r.Ahead:
		return fmt.Errorf("a key that signs for %v cannot be published %v ahead", r.Every, r.Ahead)
	case r.Accept < kept+MaxSkew:
		return fmt.Errorf("signatures must be accepted for %v after the last, not %v", kept+MaxSkew, r.Accept)
	}
	return nil
}

// Rotated returns the ring as it is to be now: with the next key, which create makes, when its time has come, and
// without keys that are accepted no more. It is the same ring where there is nothing to do, and whenever it comes:
// early, late or again.
func (r Ring) Rotated(now time.Time, by Rotation, create func(Algorithm) (Term, error)) (Ring, error) {
	now = now.UTC()
	var after Ring
	for _, t := range r {
		if t.Phase(now) != Removed {
			after = append(after, t)
		}
	}
	current, ok := after.Signing(now)
	if !ok {
		return nil, errors.New("none of the keys signs")
	}
	began := current.Sign
	if began.IsZero() {
		began = current.Made
	}
	if now.Before(began.Add(by.Every-by.Ahead)) || after.next(now) >= 0 {
		return after, nil
	}
	made, err := create(current.Algorithm)
	if err != nil {
		return nil, err
	}
	made.Sign = now.Add(by.Ahead)
	if planned := began.Add(by.Every); planned.After(made.Sign) {
		made.Sign = planned
	}
	for i := range after {
		if after[i].ID == current.ID {
			after[i].Until, after[i].Gone = made.Sign, made.Sign.Add(by.Accept)
		}
	}
	return append(after, made), nil
}

// Killed returns the ring without a key. Where that was the one that signs, the next one does from now on, or a new one
// that nobody has seen yet: verifiers elsewhere ask for the published keys when they meet one that they do not know. It
// returns [ErrUnknown] for a key that is not in the ring.
func (r Ring) Killed(now time.Time, id string, create func(Algorithm) (Term, error)) (Ring, error) {
	killed, ok := r.Find(id)
	if !ok {
		return nil, fmt.Errorf("the key to end: %w", ErrUnknown) // what was given for its identifier may be anything
	}
	var after Ring
	for _, t := range r {
		if t.ID == id {
			continue
		}
		if killed.Phase(now) == Pending && t.Until.Equal(killed.Sign) {
			t.Until, t.Gone = time.Time{}, time.Time{} // it goes on: its successor will not come
		}
		after = append(after, t)
	}
	if _, ok := after.Signing(now); ok {
		return after, nil
	}
	if n := after.next(now); n >= 0 {
		after[n].Sign = time.Time{} // from the beginning: also by clocks that are behind ours
		return after, nil
	}
	made, err := create(killed.Algorithm)
	if err != nil {
		return nil, err
	}
	return append(after, made), nil
}

// ErrChanged reports that another has changed the keys in the meantime: the caller's own change was not made.
var ErrChanged = errors.New("key: the keys were changed at the same time")

// Rotator moves the keys of a purpose and owner on. A change is made whole or not at all; whoever stops before it
// leaves the keys as they were, and the next call does what is to be done. Of concurrent calls one makes the change,
// the others find nothing to do or return [ErrChanged].
type Rotator interface {
	// RotateKey brings the keys up to date, see [Ring.Rotated]. Where there is nothing to do it changes nothing. It
	// refuses a rotation that is not safe (see [Rotation.Check]), and returns [ErrUnknown] where no key was ever made.
	RotateKey(ctx context.Context, purpose Purpose, owner string, r Rotation) error
	// KillKey ends a key at once, see [Ring.Killed], and destroys its private half. In this process it takes effect
	// before KillKey returns, in others when they read the keys again.
	KillKey(ctx context.Context, purpose Purpose, owner, keyID string) error
}

const (
	// Reload is for how long what was read of a ring stays good in a process: a key that was killed signs, and is
	// published, at most so long after.
	Reload = 5 * time.Minute
	// MaxAge is for how long verifiers elsewhere may keep the published keys (Cache-Control of /jwks).
	MaxAge = 5 * time.Minute
)

// TokenRotator moves the token keys on, and ends one at once when it must: what key-rotate does.
//
// A kill is complete for the functions of the platform after [Reload], for verifiers elsewhere after [Reload] and
// [MaxAge]: then the key signs nothing, and nothing that it signed is accepted. A key that takes its place before it was
// published is found at its first token, by one reading more (access.Reread).
type TokenRotator struct{ Keys Rotator }

// TokenRotation: a key signs for a day. It is published an hour before: the key set may be kept for five minutes by
// verifiers and is read again by our own functions after five. It is accepted for a day after: no access token lives
// longer than an hour, and an ID Token may come back as a hint.
func TokenRotation() Rotation {
	return Rotation{Every: 24 * time.Hour, Ahead: time.Hour, Accept: 24 * time.Hour}
}

// Rotate makes the next token key when its time has come, and drops those that are accepted no more.
func (r TokenRotator) Rotate(ctx context.Context) error {
	err := r.Keys.RotateKey(ctx, Token, "", TokenRotation())
	if errors.Is(err, ErrChanged) {
		return nil // another has done it, or the next call does
	}
	return err
}

// KillOrder names the token key that is to end.
type KillOrder struct {
	KeyID string `json:"keyId"` // kid
}

const killAttempts = 5 // against others that change the keys at the same time

// Kill ends a token key. It returns [ErrUnknown] for a key that is not there, or was killed before.
func (r TokenRotator) Kill(ctx context.Context, o KillOrder) (struct{}, error) {
	if o.KeyID == "" {
		return struct{}{}, errors.New("a key to end needs its identifier")
	}
	var err error
	for range killAttempts {
		if err = r.Keys.KillKey(ctx, Token, "", o.KeyID); !errors.Is(err, ErrChanged) {
			break
		}
	}
	return struct{}{}, err
}
