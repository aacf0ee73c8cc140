package seal

import (
	"errors"
	"slices"
	"testing"
	"time"
)

var states = []State{None, Requested, Approved, Made, Active, Suspended, Rejected, Revoked}

// life is the life cycle as it was decided, written down apart from the table: verb and state before → state after.
var life = map[Verb]map[State]State{
	VerbRequest:  {None: Requested},
	VerbApprove:  {Requested: Approved},
	VerbReject:   {Requested: Rejected},
	VerbMake:     {Approved: Made},
	VerbActivate: {Made: Active},
	VerbSuspend:  {Active: Suspended},
	VerbResume:   {Suspended: Active},
	VerbRevoke:   {Made: Revoked, Active: Revoked, Suspended: Revoked},
}

func in(state State) Seal {
	if state == None {
		return Seal{ID: "s"}
	}
	return Seal{ID: "s", Revision: 1, History: []Change{{Verb: "test", State: state, Person: "nobody"}}}
}

func TestEveryVerbInEveryStateDoesWhatTheLifeCycleSays(t *testing.T) {
	if len(Transitions) != len(life) {
		t.Fatalf("the table has %d rows, want %d", len(Transitions), len(life))
	}
	for _, row := range Transitions {
		for _, state := range states {
			after, allowed := life[row.Verb][state]
			s := in(state)
			err := row.allow(s, "somebody")
			if (err == nil) != allowed {
				t.Errorf("%s of a seal that is %q: %v, want allowed = %v", row.Verb, state, err, allowed)
				continue
			}
			if !allowed {
				continue
			}
			next := row.apply(s, Change{Person: "somebody"})
			if next.State() != after || next.Revision != s.Revision+1 || len(s.History) == len(next.History) {
				t.Errorf("%s of a seal that is %q gives %q, revision %d", row.Verb, state, next.State(), next.Revision)
			}
		}
	}
}

func TestEveryVerbHasOnePartyWithItsRoleAndScope(t *testing.T) {
	want := map[Verb]struct {
		party Party
		right string
	}{
		VerbRequest: {ByOwner, "seal.request"}, VerbActivate: {ByOwner, "seal.request"}, VerbMake: {ByMaker, "seal.make"},
		VerbApprove: {ByAuthority, "seal.approve"}, VerbReject: {ByAuthority, "seal.approve"}, VerbSuspend: {ByAuthority, "seal.approve"},
		VerbResume: {ByAuthority, "seal.approve"}, VerbRevoke: {ByAuthority, "seal.approve"}, use.Verb: {ByOwner, "seal.stamp"},
	}
	for _, row := range append(slices.Clone(Transitions), use) {
		w := want[row.Verb]
		if row.Party != w.party || row.Role != w.right || row.Scope != w.right {
			t.Errorf("%s is for %s with role %s and scope %s, want %s and %s", row.Verb, row.Party, row.Role, row.Scope, w.party, w.right)
		}
	}
}

func TestOnlyAnActiveSealStamps(t *testing.T) {
	for _, state := range states {
		if err := use.allow(in(state), "somebody"); (err == nil) != (state == Active) {
			t.Errorf("a seal that is %q stamps: %v", state, err)
		}
	}
	if err := use.allow(in(Suspended), "p"); !errors.Is(err, ErrSuspended) {
		t.Errorf("a suspended seal: %v", err)
	}
	if err := use.allow(in(Revoked), "p"); !errors.Is(err, ErrRevoked) {
		t.Errorf("a revoked seal: %v", err)
	}
}

func TestNobodyApprovesMakesOrActivatesWhatTheyDidTheStepBefore(t *testing.T) {
	for _, c := range []struct {
		did, does Verb
		state     State
	}{
		{VerbRequest, VerbApprove, Requested}, {VerbRequest, VerbReject, Requested}, {VerbApprove, VerbMake, Approved},
		{VerbApprove, VerbActivate, Made}, {VerbMake, VerbActivate, Made}, {VerbRequest, VerbRevoke, Active},
	} {
		s := in(c.state)
		s.History[0] = Change{Verb: c.did, State: c.state, Person: "p"}
		row, _ := transition(c.does)
		if err := row.allow(s, "p"); !errors.Is(err, ErrSamePerson) {
			t.Errorf("%s by the person who did %s: %v, want %v", c.does, c.did, err, ErrSamePerson)
		}
		if err := row.allow(s, "another"); err != nil {
			t.Errorf("%s by another person: %v", c.does, err)
		}
	}
}

func TestTheStateAtATimeIsThatOfTheLastChangeBefore(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	s := Seal{History: []Change{{State: Requested, At: day(1)}, {State: Approved, At: day(2)}, {State: Active, At: day(4)},
		{State: Suspended, At: day(6)}, {State: Active, At: day(8)}}}
	for _, c := range []struct {
		at, since time.Time
		want      State
	}{
		{day(1).Add(-time.Second), time.Time{}, None}, {day(1), day(1), Requested}, {day(3), day(2), Approved},
		{day(5), day(4), Active}, {day(6), day(6), Suspended}, {day(7), day(6), Suspended}, {day(9), day(8), Active},
	} {
		if state, since := s.StateAt(c.at); state != c.want || !since.Equal(c.since) {
			t.Errorf("on %v: %q since %v, want %q since %v", c.at, state, since, c.want, c.since)
		}
	}
}

func TestAChangeIsNeverOlderThanTheOneBefore(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := Seal{History: []Change{{State: Active, At: at}}}
	row, _ := transition(VerbSuspend)
	next := row.apply(s, Change{At: at.Add(-time.Second)})
	if !next.History[1].At.Equal(at) {
		t.Errorf("the change is of %v, want %v", next.History[1].At, at)
	}
}
