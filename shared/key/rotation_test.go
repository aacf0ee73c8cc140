package key_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/key"
)

func TestTimesSayWhichKeySignsAndWhichAreAccepted(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	h := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	ring := key.Ring{{ID: "1", Until: h(2), Gone: h(3)}, {ID: "2", Sign: h(2), Until: h(6), Gone: h(7)}, {ID: "3", Sign: h(5)}}
	for _, c := range []struct {
		at        int
		signing   string
		published string
	}{
		{0, "1", "123"}, {1, "1", "123"}, {2, "2", "213"}, {3, "2", "23"}, {4, "2", "23"}, {5, "3", "32"}, {6, "3", "32"}, {7, "3", "3"}, {99, "3", "3"},
	} {
		s, ok := ring.Signing(h(c.at))
		var published string
		for _, k := range ring.Published(h(c.at)) {
			published += k.ID
		}
		if !ok || s.ID != c.signing || published != c.published {
			t.Errorf("at %d: %s signs, %s are published; want %s, %s", c.at, s.ID, published, c.signing, c.published)
		}
	}
	if _, ok := (key.Ring{}).Signing(noon); ok {
		t.Error("an empty ring signs")
	}
}

// TestATermIsInOnePhaseAtATime walks over the times of a term and over their edges.
func TestATermIsInOnePhaseAtATime(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	term := key.Term{Sign: noon, Until: noon.Add(2 * time.Hour), Gone: noon.Add(3 * time.Hour)}
	for _, c := range []struct {
		after time.Duration
		want  key.Phase
	}{
		{-1, key.Pending}, {0, key.Active}, {2*time.Hour - 1, key.Active}, {2 * time.Hour, key.Retiring},
		{3*time.Hour - 1, key.Retiring}, {3 * time.Hour, key.Removed},
	} {
		if got := term.Phase(noon.Add(c.after)); got != c.want {
			t.Errorf("%v after noon: %s, want %s", c.after, got, c.want)
		}
	}
	if got := (key.Term{}).Phase(noon); got != key.Active {
		t.Errorf("without times: %s", got)
	}
}

// changes are what a keeper answers to one attempt after the other.
type changes struct {
	key.Rotator
	answers []error
	calls   int
}

func (c *changes) KillKey(context.Context, key.Purpose, string, string) error {
	c.calls++
	return c.answers[min(c.calls, len(c.answers))-1]
}

func (c *changes) RotateKey(context.Context, key.Purpose, string, key.Rotation) error {
	return c.answers[0]
}

func TestAKillIsTriedAgainWhenTheKeysChangeUnderIt(t *testing.T) {
	c := &changes{answers: []error{key.ErrChanged, key.ErrChanged, nil}}
	if _, err := (key.TokenRotator{Keys: c}).Kill(t.Context(), key.KillOrder{KeyID: "1"}); err != nil || c.calls != 3 {
		t.Errorf("%v after %d attempts", err, c.calls)
	}
	c = &changes{answers: []error{key.ErrChanged}}
	if _, err := (key.TokenRotator{Keys: c}).Kill(t.Context(), key.KillOrder{KeyID: "1"}); !errors.Is(err, key.ErrChanged) {
		t.Errorf("a kill that was never done: %v", err)
	}
	if err := (key.TokenRotator{Keys: c}).Rotate(t.Context()); err != nil {
		t.Errorf("a rotation that another did: %v", err)
	}
	if _, err := (key.TokenRotator{Keys: c}).Kill(t.Context(), key.KillOrder{}); err == nil {
		t.Error("no key was killed, and nobody says so")
	}
}

func TestTheRotationOfTokensIsSafe(t *testing.T) {
	if err := key.TokenRotation().Check(key.Reload + key.MaxAge); err != nil {
		t.Error(err)
	}
}

func TestAKillBringsBackNoKeyThatRetired(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	h := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	made := 0
	create := func(alg key.Algorithm) (key.Term, error) {
		made++
		return key.Term{ID: "new", Algorithm: alg}, nil
	}
	ring := key.Ring{{ID: "1", Until: h(0), Gone: h(24)}, {ID: "2", Sign: h(0)}}
	after, err := ring.Killed(h(1), "2", create)
	if s, _ := after.Signing(h(1)); err != nil || s.ID != "new" || made != 1 {
		t.Errorf("%s signs, want a new key: %v", s.ID, err)
	}
	if s, _ := ring.Signing(h(1)); s.ID != "2" {
		t.Error("the ring before was changed")
	}
	ring = key.Ring{{ID: "1", Until: h(2), Gone: h(24)}, {ID: "2", Sign: h(2)}}
	if after, err = ring.Killed(h(1), "2", create); err != nil || len(after) != 1 || !after[0].Until.IsZero() || made != 1 {
		t.Errorf("after the next was killed: %v, %v", after, err)
	}
	if after, err = ring.Killed(h(1), "1", create); err != nil || len(after) != 1 || after[0].Phase(noon.AddDate(-1, 0, 0)) != key.Active {
		t.Errorf("after the one before was killed: %v, %v", after, err)
	}
}
