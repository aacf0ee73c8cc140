package seal

import (
	"context"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// oneSeal is a store of one seal.
type oneSeal struct {
	Records
	seal Seal
}

func (s *oneSeal) Seal(context.Context, string) (Seal, error) { return s.seal, nil }

func (s *oneSeal) ReplaceSeal(_ context.Context, next Seal, _ audit.Event) error {
	s.seal = next
	return nil
}

// Whoever may write to the trail must not have a seal used again by an act of long ago that never was.
func TestAnActThatIsOlderThanTheRecordGivesNothing(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		verb   Verb
		before State
		act    time.Time
		want   State
		redone audit.Redone
	}{
		{VerbResume, Suspended, noon.Add(-time.Second), Suspended, audit.Lost},
		{VerbResume, Suspended, noon.Add(time.Second), Active, audit.InForce},
		{VerbActivate, Made, noon.Add(-time.Second), Made, audit.Lost},
		{VerbActivate, Made, noon, Active, audit.InForce},
		{VerbSuspend, Active, noon.Add(-time.Second), Suspended, audit.InForce}, // takes
		{VerbRevoke, Active, noon.Add(-time.Second), Revoked, audit.InForce},
	} {
		s := &oneSeal{seal: Seal{ID: "1", History: []Change{{Verb: "x", State: c.before, At: noon, Person: "wang"}}}}
		act := audit.Event{ID: "e", Time: c.act, Action: "seal." + string(c.verb), Object: "seal/1", Person: "li", Outcome: audit.Done}
		redone, err := ReplayPorts{Records: s}.Redo(t.Context(), act, act)
		if err != nil || redone != c.redone || s.seal.State() != c.want {
			t.Errorf("%s of %v: %v, %v, %v; want %v, %v", c.verb, c.act, s.seal.State(), redone, err, c.want, c.redone)
		}
	}
}
