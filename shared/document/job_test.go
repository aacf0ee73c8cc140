package document

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

var errFault = errors.New("made by a test")

// one is a store with one job, which answers as it is told.
type one struct {
	job      Job
	claimErr error
	endErr   error
	result   Result
	doErr    error

	until   time.Time
	did     int
	end     End
	event   audit.Event
	attempt int
}

func (o *one) ClaimJob(_ context.Context, _ string, until time.Time) (Job, error) {
	o.until = until
	return o.job, o.claimErr
}

func (o *one) EndJob(_ context.Context, _ string, attempt int, end End, e audit.Event) error {
	o.attempt, o.end, o.event = attempt, end, e
	return o.endErr
}

func (o *one) DoJob(context.Context, string) (Result, error) {
	o.did++
	return o.result, o.doErr
}

// TestADeliveryEndsTheJobOrComesAgain has every way in which the ports can answer. A nil error takes the message from the
// queue.
func TestADeliveryEndsTheJobOrComesAgain(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	refused := problem.New(409, "seal_suspended", "The seal is suspended.")
	for name, c := range map[string]struct {
		one
		gone bool   // the message
		did  int    // calls of the worker
		end  string // "", "done", or the code of the problem
	}{
		"a result":                              {one{result: Result{SHA256: "0a"}}, true, 1, "done"},
		"a refusal":                             {one{doErr: fmt.Errorf("stamping: %w", refused)}, true, 1, "seal_suspended"},
		"a fault":                               {one{job: Job{Attempt: MaxAttempts - 1}, doErr: errFault}, false, 1, ""},
		"the last fault":                        {one{job: Job{Attempt: MaxAttempts}, doErr: errFault}, false, 1, "job_exhausted"},
		"one too many, after workers that died": {one{job: Job{Attempt: MaxAttempts + 1}}, true, 0, "job_exhausted"},
		"another delivery works on it":          {one{claimErr: ErrClaimed}, false, 0, ""},
		"it has ended":                          {one{claimErr: ErrEnded}, true, 0, ""},
		"there is no such job":                  {one{claimErr: ErrUnknown}, true, 0, ""},
		"the store has a fault":                 {one{claimErr: errFault}, false, 0, ""},
		"another ended it meanwhile":            {one{endErr: ErrEnded}, true, 1, "done"},
		"another claimed it meanwhile":          {one{endErr: ErrClaimed}, false, 1, "done"},
		"the end cannot be written":             {one{endErr: errFault}, false, 1, "done"},
		"a refusal that cannot be written":      {one{doErr: refused, endErr: errFault}, false, 1, "seal_suspended"},
	} {
		o := c.one
		o.job.ID, o.job.Person, o.job.Client = "j1", "p", "c"
		err := Work(WorkPorts{Claims: &o, Worker: &o, Now: func() time.Time { return noon }, Rand: rand.Reader})(t.Context(), "j1")
		end := ""
		switch {
		case o.end.Result != nil:
			end = "done"
		case o.end.Problem != nil:
			end = o.end.Problem.Code
		}
		if (err == nil) != c.gone || o.did != c.did || end != c.end || !o.until.Equal(noon.Add(ClaimLife)) {
			t.Errorf("%s: %v after %d calls, ended as %q under a claim until %v", name, err, o.did, end, o.until)
		}
		if end == "" {
			continue
		}
		want := audit.Event{ID: o.event.ID, Time: noon, Action: "job.end", Person: "p", Client: "c", Channel: "event", Object: "job/j1",
			Outcome: audit.Failed, Reason: end}
		if end == "done" {
			want.Outcome, want.Reason, want.Digest = audit.Done, "", "sha256:"+c.result.SHA256
		}
		if o.event != want || o.event.ID == "" || o.attempt != o.job.Attempt {
			t.Errorf("%s: the event is %+v, want %+v", name, o.event, want)
		}
	}
}

type lists struct {
	ids    []string
	before time.Time
	queued []string
	full   int // messages that fit
	err    error
}

func (l *lists) OpenJobs(_ context.Context, before time.Time, _ int) ([]string, error) {
	l.before = before
	return l.ids, l.err
}

func (l *lists) Enqueue(_ context.Context, job string) error {
	if len(l.queued) == l.full {
		return errFault
	}
	l.queued = append(l.queued, job)
	return nil
}

func TestASweepQueuesWhatIsOpenForLong(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		lists
		queued int
		works  bool
	}{
		"nothing is open":         {lists{full: 9}, 0, true},
		"two are open":            {lists{ids: []string{"a", "b"}, full: 9}, 2, true},
		"the queue has a fault":   {lists{ids: []string{"a", "b"}, full: 1}, 1, false},
		"the store has a fault":   {lists{err: errFault, full: 9}, 0, false},
		"as many as a sweep asks": {lists{ids: make([]string, sweepLimit), full: 1000}, sweepLimit, true},
	} {
		l := c.lists
		err := Sweep(SweepPorts{Open: &l, Queue: &l, Now: func() time.Time { return noon }})(t.Context())
		if (err == nil) != c.works || len(l.queued) != c.queued || !l.before.Equal(noon.Add(-SweepAfter)) {
			t.Errorf("%s: %v with %v queued, of before %v", name, err, l.queued, l.before)
		}
	}
	l := lists{}
	if err := Submit(&l)(t.Context(), "a"); !errors.Is(err, errFault) {
		t.Errorf("a queue with a fault: %v", err)
	}
}
