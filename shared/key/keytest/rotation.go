package keytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/key"
)

// Keeper is a process that keeps keys, seen through all ports.
type Keeper interface {
	Store
	key.Rotator
	// PublishedKeys are the identifiers of the token keys as /jwks of this process shows them, the signing one first.
	PublishedKeys(ctx context.Context) ([]string, error)
}

// House is where keys are kept, empty at first, and how processes begin there.
type House struct {
	Open   func(t *testing.T, now func() time.Time) Keeper // one more process, with a clock of its own
	Reload time.Duration                                   // after which every process reads again
	Days   int                                             // that are simulated; 30 where it is 0
}

// clock is the true time.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// apart is a clock that is wrong.
func (c *clock) apart(d time.Duration) func() time.Time {
	return func() time.Time { return c.now().Add(d) }
}

// Rotation runs the contract of [key.Rotator] against the houses that open returns.
func Rotation(t *testing.T, open func(t *testing.T) House) {
	daily := key.Rotation{Every: 24 * time.Hour, Ahead: time.Hour, Accept: 20 * time.Minute}
	begin := func(t *testing.T) (House, *clock, Keeper) {
		h, c := open(t), newClock()
		k := h.Open(t, c.now)
		mustMake(t, k)
		return h, c, k
	}
	rotate := func(t *testing.T, k Keeper) {
		t.Helper()
		if err := k.RotateKey(t.Context(), key.Token, "", daily); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a key is published, signs, is accepted and is removed at its times", func(t *testing.T) {
		h, c, k := begin(t)
		first := signs(t, k)
		for _, step := range []struct {
			pass           time.Duration
			signing, known string
		}{
			{0, "1", "1"}, {23*time.Hour - time.Minute, "1", "1"}, {time.Minute, "1", "12"}, {59 * time.Minute, "1", "12"},
			{time.Minute, "2", "21"}, {19 * time.Minute, "2", "21"}, {time.Minute, "2", "2"},
		} {
			c.pass(step.pass)
			rotate(t, k)
			rotate(t, k) // finds nothing to do
			name := func(id string) string { return map[bool]string{true: "1", false: "2"}[id == first] }
			known := ""
			for _, id := range published(t, h.Open(t, c.now)) {
				known += name(id)
			}
			if signing := name(signs(t, k)); signing != step.signing || known != step.known {
				t.Errorf("%v later: %s signs and %s are known, want %s and %s", step.pass, signing, known, step.signing, step.known)
			}
		}
	})
	t.Run("of concurrent rotators one makes the next key", func(t *testing.T) {
		h, c, k := begin(t)
		c.pass(23 * time.Hour)
		errs, rotators := make([]error, racers), make([]Keeper, racers)
		for i := range rotators {
			rotators[i] = h.Open(t, c.now)
		}
		var wg sync.WaitGroup
		for i, one := range rotators {
			wg.Go(func() { errs[i] = one.RotateKey(context.Background(), key.Token, "", daily) })
		}
		wg.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else if !errors.Is(err, key.ErrChanged) {
				t.Error(err)
			}
		}
		c.pass(h.Reload)
		if known := published(t, k); len(known) != 2 || done == 0 {
			t.Errorf("%d keys after %d of %d rotators were done", len(known), done, racers)
		}
	})
	t.Run("a killed key is gone in its process at once and in others after the reload", func(t *testing.T) {
		h, c, operator := begin(t)
		other := h.Open(t, c.now)
		kill := func(id string) (next string) {
			t.Helper()
			if err := operator.KillKey(t.Context(), key.Token, "", id); err != nil {
				t.Fatal(err)
			}
			next = signs(t, operator)
			c.pass(h.Reload)
			for _, k := range []Keeper{operator, other} {
				if now := signs(t, k); now == id || now != next {
					t.Errorf("%s signs, want %s after %s was killed", now, next, id)
				}
				for _, known := range published(t, k) {
					if known == id {
						t.Error("the key is still published")
					}
				}
			}
			return next
		}
		first := signs(t, other)
		second := kill(first) // nothing follows yet: a new one is made
		if err := operator.KillKey(t.Context(), key.Token, "", first); !errors.Is(err, key.ErrUnknown) {
			t.Errorf("killed again: %v, want ErrUnknown", err)
		}
		c.pass(23 * time.Hour)
		rotate(t, operator)
		waits := published(t, h.Open(t, c.now))[1]
		if third := kill(second); third != waits {
			t.Error("the key that waited is not the next")
		}
		c.pass(24 * time.Hour)
		rotate(t, operator)
		if err := operator.KillKey(t.Context(), key.Token, "", published(t, h.Open(t, c.now))[1]); err != nil { // one that waits
			t.Fatal(err)
		}
		c.pass(2 * time.Hour)
		if now := signs(t, other); now != waits {
			t.Error("the key whose successor was killed does not go on")
		}
	})
	t.Run("a rotation that would surprise somebody is refused", func(t *testing.T) {
		h, c := open(t), newClock()
		k := h.Open(t, c.now)
		if err := k.RotateKey(t.Context(), key.Token, "", daily); !errors.Is(err, key.ErrUnknown) {
			t.Errorf("no key yet: %v, want ErrUnknown", err)
		}
		if err := k.KillKey(t.Context(), key.Token, "", "1"); !errors.Is(err, key.ErrUnknown) {
			t.Errorf("no key yet: %v, want ErrUnknown", err)
		}
		mustMake(t, k)
		for name, r := range map[string]key.Rotation{
			"nothing":          {},
			"published late":   {Every: 24 * time.Hour, Ahead: time.Minute, Accept: time.Hour},
			"always in change": {Every: time.Hour, Ahead: time.Hour, Accept: time.Hour},
			"forgotten early":  {Every: 24 * time.Hour, Ahead: time.Hour},
		} {
			if err := k.RotateKey(t.Context(), key.Token, "", r); err == nil {
				t.Errorf("%s: the rotation was done", name)
			}
		}
	})
	t.Run("over days no verifier meets an unknown key", func(t *testing.T) { days(t, open(t)) })
}

func mustMake(t *testing.T, k Keeper) {
	t.Helper()
	if _, err := k.MakeKey(t.Context(), key.Token, "", key.ES256); err != nil {
		t.Fatal(err)
	}
}

// signs is the identifier of the key that signs, once it has.
func signs(t *testing.T, k Keeper) string {
	t.Helper()
	s, err := k.OpenKey(t.Context(), key.Token, "")
	if err != nil {
		t.Fatal(err)
	}
	checkSigns(t, s)
	return s.KeyID()
}

func published(t *testing.T, k Keeper) []string {
	t.Helper()
	ids, err := k.PublishedKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// verifier keeps the published keys for [key.MaxAge], whatever happens, as a portal may.
type verifier struct {
	source Keeper
	known  map[string]bool
	loaded time.Time
}

func (v *verifier) knows(t *testing.T, id string, now time.Time) bool {
	t.Helper()
	if now.Sub(v.loaded) >= key.MaxAge {
		v.known, v.loaded = map[string]bool{}, now
		for _, id := range published(t, v.source) {
			v.known[id] = true
		}
	}
	return v.known[id]
}

// days lets days pass in uneven steps:
//
//	two rotators ── every hour, sometimes both ──► ring ──┬─ three signers, 60 s apart, each reloading
//	                                                      └─ two publishers, each reloading ── five verifiers, each caching
//
// Two keys are killed, one while the next is known and one while it is not.
func days(t *testing.T, h House) {
	c := newClock()
	rotators := []Keeper{h.Open(t, c.now), h.Open(t, c.apart(20*time.Second))}
	mustMake(t, rotators[0])
	signers := []Keeper{h.Open(t, c.apart(-key.MaxSkew/2)), h.Open(t, c.now), h.Open(t, c.apart(key.MaxSkew/2))}
	publishers := []Keeper{h.Open(t, c.apart(-20*time.Second)), h.Open(t, c.apart(20*time.Second))}
	var verifiers []*verifier
	for i := range 5 {
		verifiers = append(verifiers, &verifier{source: publishers[i%2]})
	}
	n := h.Days
	if n == 0 {
		n = 30
	}
	random := rand.New(rand.NewPCG(1, 2)) // the same days in every run
	kept := h.Reload + key.MaxAge
	rotation := key.TokenRotation()
	first, last := map[string]time.Time{}, map[string]time.Time{} // when a key signed
	tried, killed := map[string]bool{}, map[string]time.Time{}
	surprise := time.Time{} // when a key came that nobody had seen
	began, rotated := c.now(), time.Time{}
	for c.now().Before(began.AddDate(0, 0, n)) {
		c.pass(time.Minute + time.Duration(random.Int64N(int64(8*time.Minute))))
		now := c.now()
		if now.Sub(rotated) >= time.Hour {
			rotated = now
			for _, r := range rotators[:1+random.IntN(2)] {
				if err := (key.TokenRotator{Keys: r}).Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for day, known := range map[int]int{1: 1, 2: 2} { // on the first day without a successor, on the second with one
			if len(killed) != day-1 || now.Sub(began) < time.Duration(day)*24*time.Hour+6*time.Hour {
				continue
			}
			if ids := published(t, h.Open(t, c.now)); known == 1 || now.Sub(rotated) > 30*time.Minute && waiting(ids, first) {
				if _, err := (key.TokenRotator{Keys: rotators[0]}).Kill(t.Context(), key.KillOrder{KeyID: ids[0]}); err != nil {
					t.Fatal(err)
				}
				killed[ids[0]] = now
				if known == 1 {
					surprise = now
				}
				break
			}
		}
		for i, k := range signers {
			s, err := k.OpenKey(t.Context(), key.Token, "")
			if err != nil {
				t.Fatal(err)
			}
			id := s.KeyID()
			if name := fmt.Sprint(i, id); !tried[name] {
				tried[name] = true
				checkSigns(t, s)
			}
			if first[id].IsZero() {
				first[id] = now
			}
			last[id] = now
			if at, ok := killed[id]; ok && now.Sub(at) >= h.Reload {
				t.Fatalf("%v after its kill a key signs", now.Sub(at))
			}
		}
		for id, at := range last {
			for _, later := range first {
				if _, dead := killed[id]; !dead && later.After(first[id]) && at.Sub(later) > key.MaxSkew {
					t.Fatalf("a key signs %v after the next one began", at.Sub(later))
				}
			}
			for i, v := range verifiers {
				knows := v.knows(t, id, now)
				dead, isDead := killed[id]
				switch {
				case isDead && knows && now.Sub(dead) >= kept:
					t.Fatalf("verifier %d knows a key %v after its kill", i, now.Sub(dead))
				case isDead || !surprise.IsZero() && now.Sub(surprise) < kept:
				case !knows && now.Sub(at) < rotation.Accept-key.MaxSkew:
					t.Fatalf("verifier %d meets a key that it does not know, %v after it began", i, now.Sub(first[id]))
				case knows && now.Sub(at) > rotation.Accept+kept+key.MaxSkew+time.Hour:
					t.Fatalf("verifier %d knows a key %v after it signed last", i, now.Sub(at))
				}
			}
		}
	}
	if len(first) < n || len(first) > n+3 {
		t.Errorf("in %d days %d keys signed", n, len(first))
	}
	if len(killed) != min(2, n-1) {
		t.Errorf("%d keys were killed", len(killed))
	}
}

// waiting tells whether one of the published keys has signed nothing yet.
func waiting(ids []string, signed map[string]time.Time) bool {
	for _, id := range ids {
		if signed[id].IsZero() {
			return true
		}
	}
	return false
}
