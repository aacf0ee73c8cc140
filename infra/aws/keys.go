package aws

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/yinxin/yinxin/shared/key"
)

// Custody says how the keys of one purpose are kept. The algorithm is no part of it: it is a property of each key.
//
//	Wrapped   made here, encrypted by kms:Encrypt           signs in this process     all partitions
//	Blind     made by KMS, encrypted before anyone sees it  signs in this process     SM2 in China Regions only
//	Resident  made in KMS, one KMS key per owner            signs by kms:Sign         SM2 in China Regions only
//	Given     one KMS key that the template makes           signs by kms:Sign         SM2 in China Regions only
//	None      there are no such keys in this deployment
//
// Wrapped lets whoever makes a key use it while this process lives, to request its certificate; Blind does not, and is
// for keys whose maker has no business with what they sign.
type Custody struct {
	Kind CustodyKind
	// KMSKey is the identifier or ARN of the symmetric key that encrypts private keys (Wrapped, Blind), or of the signing
	// key itself (Given). Resident has none.
	KMSKey string
}

// CustodyKind is one of the ways to keep a key.
type CustodyKind string

// The ways to keep a key; see [Custody].
const (
	Wrapped  CustodyKind = "wrapped"
	Blind    CustodyKind = "blind"
	Resident CustodyKind = "resident"
	Given    CustodyKind = "given"
	None     CustodyKind = "none"
)

// ParseCustody reads a custody as an environment variable has it: "wrapped:<KMS key>", "blind:<KMS key>",
// "given:<KMS key>", "resident" or "none".
func ParseCustody(text string) (Custody, error) {
	kind, kmsKey, _ := strings.Cut(text, ":")
	c := Custody{CustodyKind(kind), kmsKey}
	return c, c.check()
}

func (c Custody) check() error {
	switch c.Kind {
	case Wrapped, Blind, Given:
		if c.KMSKey == "" {
			return fmt.Errorf("custody %q needs a KMS key", c.Kind)
		}
	case Resident, None:
		if c.KMSKey != "" {
			return fmt.Errorf("custody %q has no KMS key of the template", c.Kind)
		}
	default:
		return fmt.Errorf("there is no custody %q", c.Kind)
	}
	return nil
}

// KeysOptions of [OpenKeys].
type KeysOptions struct {
	DB      *DB                     // holds the key items, in the table of the purpose
	Config  sdk.Config              // of the KMS client: region, credentials; an endpoint where it is not AWS
	Custody map[key.Purpose]Custody // a purpose that is not in it has no keys here
	// Reload is for how long what was read stays good: a key that was killed signs at most so long after. Five minutes
	// where it is 0.
	Reload time.Duration
}

// Keys keeps keys with KMS. What is not secret about a key, and the ciphertext of a private key, are in one item per
// purpose and owner (see keyRing); a purpose whose key is Given has no item.
//
// A private key is decrypted when it signs first, with purpose and owner as encryption context, so that a ciphertext
// that was moved to another item does not open, and a role can be bound to a purpose. It is then tried on a test
// message, and forgotten after Reload. So a function needs kms:Decrypt only if it signs.
//
// If we stop while a key is made, before its item is written: of a Wrapped or Blind key nothing is left, of a Resident
// key a KMS key that no item names, tagged with purpose and owner.
type Keys struct {
	db      *DB
	kms     *kms.Client
	custody map[key.Purpose]Custody
	reload  time.Duration

	mu    sync.Mutex
	known map[string]*heldRing // by partition key
}

var (
	_ key.Opener = (*Keys)(nil)
	_ key.Maker  = (*Keys)(nil)
)

const maxKnown = 256 // rings that stay in memory

// OpenKeys makes a Keys. It sends nothing.
func OpenKeys(o KeysOptions) (*Keys, error) {
	for purpose, c := range o.Custody {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("keeping the %s keys: %w", purpose, err)
		}
	}
	if o.DB == nil {
		return nil, errors.New("opening the keys: there is no store")
	}
	if o.Reload <= 0 {
		o.Reload = key.Reload
	}
	return &Keys{db: o.DB, kms: openKMS(o.Config, o.DB), custody: o.Custody, reload: o.Reload, known: map[string]*heldRing{}}, nil
}

// openKMS makes a client that tries again as that of the tables does: after throttling, faults of the service (KMS
// answers 500 and 503 for those that pass) and lost connections.
func openKMS(config sdk.Config, db *DB) *kms.Client {
	return kms.NewFromConfig(config, func(o *kms.Options) {
		o.Retryer = retryer(db.rand)
		if b, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
			o.HTTPClient = b.WithTimeout(answerTime)
		} else if o.HTTPClient == nil {
			o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(answerTime)
		}
	})
}

// heldRing is a ring in memory. Whoever has taken its turn may read and change the rest.
type heldRing struct {
	turn   chan struct{} // holds one value while it is free
	loaded time.Time     // zero: not at all
	ring   keyRing
	open   map[string]key.Signer // by key identifier
}

func (h *heldRing) take(ctx context.Context) error {
	select {
	case <-h.turn:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *heldRing) release() { h.turn <- struct{}{} }

// held returns the place of a ring in memory, empty at first. When there are too many, those in use longest ago go.
func (k *Keys) held(pk string) *heldRing {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h, ok := k.known[pk]; ok {
		return h
	}
	for len(k.known) >= maxKnown {
		for other := range k.known { // any: who still uses it keeps it, and the next call reads it again
			delete(k.known, other)
			break
		}
	}
	h := &heldRing{turn: make(chan struct{}, 1)}
	h.release()
	k.known[pk] = h
	return h
}

// OpenKey implements [key.Opener]. The key is the one that signs now; see [Custody] for what it takes to sign with it.
func (k *Keys) OpenKey(ctx context.Context, purpose key.Purpose, owner string) (key.Signer, error) {
	return k.with(ctx, purpose, owner, k.load)
}

// WarmKey opens a key as far as signing needs it, so that the first signature does not wait: for the cold start of
// functions whose key is known then.
func (k *Keys) WarmKey(ctx context.Context, purpose key.Purpose, owner string) error {
	s, err := k.OpenKey(ctx, purpose, owner)
	if err != nil {
		return err
	}
	if w, ok := s.(*wrappedKey); ok {
		if _, err := w.open(ctx); err != nil {
			return fmt.Errorf("opening the %s key of %q: %w", purpose, owner, err)
		}
	}
	return nil
}

// MakeKey implements [key.Maker].
func (k *Keys) MakeKey(ctx context.Context, purpose key.Purpose, owner string, alg key.Algorithm) (key.Signer, error) {
	s, err := k.with(ctx, purpose, owner, func(ctx context.Context, h *heldRing, name ringName, c Custody) (key.Signer, error) {
		s, err := k.load(ctx, h, name, c)
		if errors.Is(err, key.ErrUnknown) && len(h.ring.Keys) == 0 && c.Kind != Given {
			return k.first(ctx, h, name, c, alg, nil)
		}
		return s, err
	})
	if err == nil && s.Algorithm() != alg {
		return nil, fmt.Errorf("the %s key of %q is there already, for %s, not %s", purpose, owner, s.Algorithm(), alg)
	}
	return s, err
}

// with runs an act on a ring while nobody else in this process does.
func (k *Keys) with(
	ctx context.Context, purpose key.Purpose, owner string,
	act func(context.Context, *heldRing, ringName, Custody) (key.Signer, error),
) (key.Signer, error) {
	name, err := nameRing(purpose, owner)
	if err != nil {
		return nil, err
	}
	c, ok := k.custody[purpose]
	if !ok || c.Kind == None {
		return nil, fmt.Errorf("%s keys are not kept in this function", purpose)
	}
	h := k.held(name.pk())
	if err := h.take(ctx); err != nil {
		return nil, fmt.Errorf("opening the %s key of %q: %w", purpose, owner, err)
	}
	defer h.release()
	s, err := act(ctx, h, name, c)
	if err != nil {
		return nil, fmt.Errorf("opening the %s key of %q: %w", purpose, owner, err)
	}
	return s, nil
}

// load returns the key of a ring that signs now, from memory while that is fresh.
func (k *Keys) load(ctx context.Context, h *heldRing, name ringName, c Custody) (key.Signer, error) {
	now := k.db.Now()
	if h.loaded.IsZero() || now.Before(h.loaded) || now.Sub(h.loaded) >= k.reload {
		h.loaded, h.ring, h.open = time.Time{}, keyRing{}, nil
		var err error
		if c.Kind == Given {
			h.ring, err = k.given(ctx, name, c)
		} else {
			h.ring, err = k.db.readRing(ctx, name)
		}
		if err != nil {
			return nil, err
		}
		h.loaded = now
	}
	entry, ok := h.ring.signing(now)
	if !ok {
		h.loaded = time.Time{} // what is not there may be made by another
		return nil, key.ErrUnknown
	}
	if s, ok := h.open[entry.ID]; ok {
		return s, nil
	}
	return h.keep(k.signer(name, c, entry, nil)), nil
}

// keep remembers a signer of the ring.
func (h *heldRing) keep(s key.Signer) key.Signer {
	if h.open == nil {
		h.open = map[string]key.Signer{}
	}
	h.open[s.KeyID()] = s
	return s
}

// first makes the first key of a ring. Of two processes that do, the one whose item is written first has made it; the
// other returns that key and lets its own go. request, unless nil, is what the key signs once, before its item is
// written; the process forgets the private half then.
func (k *Keys) first(
	ctx context.Context, h *heldRing, name ringName, c Custody, alg key.Algorithm, request func(key.Signer) ([]byte, error),
) (key.Signer, error) {
	made, private, err := k.generate(ctx, name, c, alg)
	if err != nil {
		return nil, err
	}
	if request != nil {
		if made.Request, err = request(k.signer(name, c, made, private)); err != nil {
			return nil, errors.Join(err, k.discard(ctx, made))
		}
		private = nil
	}
	ring := keyRing{Purpose: name.purpose, Owner: name.owner, Keys: []ringKey{made}, revision: 1}
	stands, won, err := k.db.createRing(ctx, ring)
	if err != nil {
		return nil, err
	}
	h.loaded, h.ring, h.open = k.db.Now(), stands, nil
	if !won {
		private = nil
		if _, ours := stands.find(made.ID); !ours {
			if err := k.discard(ctx, made); err != nil {
				return nil, err
			}
		}
	}
	entry, ok := stands.signing(k.db.Now())
	if !ok {
		return nil, key.ErrUnknown
	}
	return h.keep(k.signer(name, c, entry, private)), nil
}

// generate makes a key in the custody of its purpose. private is nil where it did not come into this process.
func (k *Keys) generate(ctx context.Context, name ringName, c Custody, alg key.Algorithm) (made ringKey, private crypto.Signer, err error) {
	switch c.Kind {
	case Wrapped:
		made, private, err = k.makeWrapped(ctx, name, c, alg)
	case Blind:
		made, err = k.makeBlind(ctx, name, c, alg)
	case Resident:
		made, err = k.makeResident(ctx, name, alg)
	default:
		err = fmt.Errorf("custody %q makes no keys", c.Kind)
	}
	made.Made = k.db.Now().UTC()
	return made, private, err
}

// signer is the key of an entry. A key stays where it was made: the entry says, not the custody of today.
func (k *Keys) signer(name ringName, c Custody, entry ringKey, private crypto.Signer) key.Signer {
	if entry.KMSKey != "" {
		return &residentKey{client: k.kms, entry: entry}
	}
	w := &wrappedKey{keys: k, name: name, kmsKey: c.KMSKey, entry: entry, turn: make(chan struct{}, 1), private: private}
	w.turn <- struct{}{}
	return w
}
