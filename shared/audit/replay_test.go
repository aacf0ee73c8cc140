package audit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// tape is a trail in memory.
type tape []Event

func (s tape) ByTime(_ context.Context, from, to time.Time, limit int) (list []Event, err error) {
	for _, e := range s {
		if !e.Time.Before(from) && e.Time.Before(to) && (limit == 0 || len(list) < limit) {
			list = append(list, e)
		}
	}
	return list, nil
}

func (s tape) ByObject(_ context.Context, object string) (list []Event, err error) {
	for _, e := range s {
		if e.Object == object {
			list = append(list, e)
		}
	}
	return list, nil
}

// redoer counts, and fails at one event.
type redoer struct {
	seen  map[string]int
	again map[string]Event
	fails string
}

func (r *redoer) Redo(_ context.Context, act, again Event) (Redone, error) {
	if act.ID == r.fails {
		return Passed, errors.New("unreachable")
	}
	r.seen[act.ID]++
	r.again[act.ID] = again
	return InForce, nil
}

func TestAReplayComesByEveryEventOnceHoweverManyHaveOneTime(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	var trail tape
	for i := range 1000 { // 700 of them in one second, more than three pages
		at := from.Add(time.Duration(max(i-700, 0)) * time.Second)
		trail = append(trail, Event{ID: fmt.Sprintf("e%04d", i), Time: at, Action: "seal.revoke", Outcome: Done})
	}
	trail = append(trail, Event{ID: "x", Time: to, Action: "seal.revoke", Outcome: Done})
	r := &redoer{seen: map[string]int{}, again: map[string]Event{}}
	replay := Replay(ReplayPorts{Trail: trail, Seals: r, Epoch: to, Now: func() time.Time { return to }})
	o := ReplayOrder{From: from, To: to}
	calls, read := 0, 0
	for ; calls < 50; calls++ {
		answer, err := replay(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		read += answer.Read
		if o.Cursor = answer.Cursor; o.Cursor == "" {
			break
		}
	}
	if read != 1000 || len(r.seen) != 1000 || r.seen["x"] != 0 || calls > 10 {
		t.Errorf("%d events in %d calls, %d different, the one of the end %d times", read, calls+1, len(r.seen), r.seen["x"])
	}
	e := r.again["e0001"]
	if e.ID == "e0001" || e.Reason != Restored || e.Bound("event") != "e0001" || e.Action != "seal.revoke" || !e.Time.Equal(to) {
		t.Errorf("the event of doing it again is %+v", e)
	}
	r.fails = "e0500"
	if _, err := replay(t.Context(), ReplayOrder{From: from, To: to, Cursor: "2026-03-01T12:00:00Z#e0400"}); err == nil {
		t.Error("a replay that cannot do an act again answers as if it had")
	}
}

// What a replay did again has the time of the replay: were it taken for an act, a seal that was resumed, and suspended after
// the replay, would be resumed by the next.
func TestAReplayPassesOverWhatAnEarlierOneDid(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	act := Event{ID: "e", Time: from, Action: "seal.resume", Object: "seal/1", Outcome: Done}
	again := Event{ID: "a", Time: from.Add(30 * time.Minute), Action: "seal.resume", Object: "seal/1", Outcome: Done, Reason: Restored, Binds: "event/e"}
	ofNone := Event{ID: "b", Time: from.Add(31 * time.Minute), Action: "seal.resume", Object: "seal/2", Outcome: Done, Reason: Restored, Binds: "event/x"}
	r := &redoer{seen: map[string]int{}, again: map[string]Event{}}
	trail := tape{act, again, ofNone}
	replay := Replay(ReplayPorts{Trail: trail, Acts: trail, Seals: r, Epoch: to, Now: func() time.Time { return to }})
	answer, err := replay(t.Context(), ReplayOrder{From: from, To: to})
	if err != nil || len(r.seen) != 1 || r.seen["e"] != 1 || len(answer.Lost) != 1 || answer.Lost[0].Event != "b" {
		t.Errorf("done again: %v, %+v, %v", r.seen, answer, err)
	}
	if _, err := replay(t.Context(), ReplayOrder{From: from.Add(10 * time.Minute), To: to}); !errors.Is(err, ErrReplayPeriod) {
		t.Errorf("a replay of a replay alone: %v, want ErrReplayPeriod", err)
	}
}

func TestAReplayIsRefusedBeforeTheEpochAndForNoPeriod(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	for name, c := range map[string]struct {
		epoch time.Time
		o     ReplayOrder
		want  error
	}{
		"good":                     {to, ReplayOrder{From: from, To: to}, nil},
		"no epoch":                 {time.Time{}, ReplayOrder{From: from, To: to}, ErrEpoch},
		"an epoch of before":       {to.Add(-1), ReplayOrder{From: from, To: to}, ErrEpoch},
		"the wrong way round":      {to, ReplayOrder{From: to, To: from}, ErrReplayPeriod},
		"an end to come":           {to.Add(time.Hour), ReplayOrder{From: from, To: to.Add(time.Hour)}, ErrReplayPeriod},
		"no cursor":                {to, ReplayOrder{From: from, To: to, Cursor: "x"}, ErrReplayPeriod},
		"a cursor of another time": {to, ReplayOrder{From: from, To: to, Cursor: "2025-03-01T12:00:00Z#e"}, ErrReplayPeriod},
	} {
		_, err := Replay(ReplayPorts{Trail: tape{}, Epoch: c.epoch, Now: func() time.Time { return to }})(t.Context(), c.o)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
