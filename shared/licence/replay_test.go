package licence

import (
	"context"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// oneLicence is a store of one licence.
type oneLicence struct {
	Records
	licence Licence
}

func (s *oneLicence) Licence(context.Context, string) (Licence, error) { return s.licence, nil }

func (s *oneLicence) ReplaceLicence(_ context.Context, next Licence, _ audit.Event) error {
	s.licence = next
	return nil
}

// Whoever may write to the trail must not have a licence hold again by an act of long ago that never was.
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
		{VerbSuspend, Active, noon.Add(-time.Second), Suspended, audit.InForce}, // takes
		{VerbRevoke, Active, noon.Add(-time.Second), Revoked, audit.InForce},
	} {
		s := &oneLicence{licence: Licence{ID: "1", History: []Change{{Verb: "x", State: c.before, At: noon, Person: "wang"}}}}
		act := audit.Event{ID: "e", Time: c.act, Action: "licence." + string(c.verb), Object: "licence/1", Person: "li", Outcome: audit.Done}
		redone, err := ReplayPorts{Records: s}.Redo(t.Context(), act, act)
		if err != nil || redone != c.redone || s.licence.State() != c.want {
			t.Errorf("%s of %v: %v, %v, %v; want %v, %v", c.verb, c.act, s.licence.State(), redone, err, c.want, c.redone)
		}
	}
}

func TestTheSequenceOfAPlaceIsFoundAgain(t *testing.T) {
	for _, size := range []int{8, 32, 1 << 10, listSize} {
		for key := range byte(3) {
			for sequence := 0; sequence < size; sequence += max(1, size/500) {
				k := [32]byte{key, 7}
				index := statusIndex(Ticket{Sequence: sequence, Key: k}, size)
				if got := statusSequence(index, k, size); got != sequence {
					t.Fatalf("size %d, key %d: place %d is of sequence %d, not %d", size, key, index, got, sequence)
				}
			}
		}
	}
}
