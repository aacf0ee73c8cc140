//go:build unix

package embedded_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"mime/multipart"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/seal"
)

// jobWorld is a platform on which a clerk asked for a job.
func jobWorld(t *testing.T) (w *world, job string) {
	t.Helper()
	w = open(t, t.TempDir(), 0, nil)
	t.Cleanup(func() { w.close(t) })
	found(t, w)
	uploaded(t, w)
	return w, w.submit(t)
}

func (w *world) pass(d time.Duration) { w.ahead.Add(int64(d)) }

// orders are the orders of the platform by state, as far as they were begun.
func (w *world) orders(t *testing.T) map[string]int {
	t.Helper()
	list, seen := map[string]int{}, map[string]bool{}
	for _, b := range lines[begunOrder](t, w.dir, ordersFile) {
		o, err := embedded.Orders{DB: w.db}.Order(t.Context(), b.Order)
		if err == nil && !seen[o.ID] {
			seen[o.ID] = true
			list[strings.TrimSpace(string(o.State)+" "+o.Reason)]++
		}
	}
	return list
}

func (w *world) job(t *testing.T, id string) document.Job {
	t.Helper()
	job, err := embedded.JobStates{DB: w.db}.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func TestOfManyWorkersOnOneJobOneUsesTheSeal(t *testing.T) {
	w, id := jobWorld(t)
	w.stamping.Rand = rand.Reader // which goroutines may share
	stamper := seal.NewStamper(w.stamping)
	const workers = 50
	results, errs := make([]seal.JobResult, workers), make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { results[i], errs[i] = stamper.DoJob(t.Context(), id) })
	}
	wg.Wait()
	want, err := stamper.DoJob(t.Context(), id)
	if err != nil || want.Order == "" {
		t.Fatalf("DoJob of a job that is done = %+v, %v", want, err)
	}
	for i, err := range errs {
		if err == nil && results[i] != want {
			t.Errorf("worker %d has %+v, another %+v", i, results[i], want)
		}
	}
	if got := w.orders(t); got["done"] != 1 || len(got) != 1 {
		t.Errorf("orders %v, want one that is done", got)
	}
}

// slowResults lets a worker stand still before it stores its result.
type slowResults struct {
	seal.Results
	reached, goOn chan struct{}
}

func (s slowResults) PutResult(ctx context.Context, job, order, mediaType string, data []byte) error {
	close(s.reached)
	<-s.goOn
	return s.Results.PutResult(ctx, job, order, mediaType, data)
}

func TestAWorkerThatComesBackAfterItsClaimRanOutHandsOutNothing(t *testing.T) {
	w, id := jobWorld(t)
	w.stamping.Rand = rand.Reader
	slow := w.stamping
	results := slowResults{w.stamping.Results, make(chan struct{}), make(chan struct{})}
	slow.Results = results
	states := embedded.JobStates{DB: w.db}
	works := func(p seal.StampPorts) func(context.Context, string) error {
		return document.Work(document.WorkPorts{Claims: states, Worker: jobWorker{seal.NewStamper(p)}, Now: w.now, Rand: rand.Reader})
	}
	first := make(chan error)
	go func() { first <- works(slow)(t.Context(), id) }()
	<-results.reached
	if err := works(w.stamping)(t.Context(), id); !errors.Is(err, document.ErrClaimed) {
		t.Errorf("a second worker under the first one's claim: %v", err)
	}
	w.pass(document.ClaimLife + time.Second)
	if err := works(w.stamping)(t.Context(), id); err != nil {
		t.Fatalf("the second worker: %v", err)
	}
	close(results.goOn)
	if err := <-first; err == nil {
		t.Error("the first worker thinks that it ended the job")
	}
	job := w.job(t, id)
	if got := w.orders(t); got["done"] != 1 || got["failed abandoned"] != 1 || job.State != document.Done || job.Attempt != 2 {
		t.Fatalf("orders %v, job %+v", got, job)
	}
	if done, err := (embedded.Orders{DB: w.db}).Order(t.Context(), job.End.Result.Order); err != nil || done.State != seal.OrderDone {
		t.Errorf("the result is that of %+v, %v", done, err)
	}
	w.trail(t, nil)
	w.checkJob(t, id)
}

func TestAJobIsRefusedByTheRightsOfItsTime(t *testing.T) {
	w, id := jobWorld(t)
	want(t, w.sealVerb(t, "suspend", approver, office), 200)
	for range 2 {
		if err := w.work(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		job := w.job(t, id)
		if job.State != document.Failed || job.End.Problem == nil || job.End.Problem.Code != "seal_suspended" || job.Attempt != 1 {
			t.Fatalf("the job is %+v", job)
		}
		if got := w.orders(t); len(got) != 0 {
			t.Fatalf("orders %v", got)
		}
		want(t, w.sealVerb(t, "resume", approver, office), 200) // a job that has ended is not done any more
		w.pass(time.Hour)
		want(t, w.sealVerb(t, "suspend", approver, office), 200)
	}
}

// TestAJobOfACallerWhoIsGoneIsRefused: what was asked for under a grant is done under a live one alone.
func TestAJobOfACallerWhoIsGoneIsRefused(t *testing.T) {
	w, id := jobWorld(t)
	e := audit.Event{ID: "gone", Time: w.now(), Action: "grant.revoke", Outcome: audit.Done}
	if err := (embedded.Grants{DB: w.db}).RevokeGrant(t.Context(), "grant-"+agent, w.now(), e); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.work(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		job := w.job(t, id)
		if job.State != document.Failed || job.End.Problem == nil || job.End.Problem.Code != "caller_gone" {
			t.Fatalf("the job is %+v", job)
		}
	}
	if got := w.orders(t); len(got) != 0 {
		t.Errorf("orders %v", got)
	}
	if !slices.ContainsFunc(w.events(t), func(e audit.Event) bool {
		return e.Action == "seal.stamp" && e.Outcome == audit.Refused && e.Reason == "caller_gone"
	}) {
		t.Error("the trail does not say that the use of the seal was refused")
	}
}

// TestADocumentThatIsNotWhatItWasCalledIsRefused: the result is handed out under the media type that was said.
func TestADocumentThatIsNotWhatItWasCalledIsRefused(t *testing.T) {
	w := open(t, t.TempDir(), 0, nil)
	t.Cleanup(func() { w.close(t) })
	found(t, w)
	activeSeal(t, w)
	uploadAs(t, w, w.document(t, "ofd"), document.PDF)
	id := w.submit(t)
	if err := w.work(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if job := w.job(t, id); job.State != document.Failed || job.End.Problem.Code != problem.Unsupported.Code {
		t.Errorf("the job is %+v", job)
	}
	if got := w.orders(t); len(got) != 0 {
		t.Errorf("orders %v", got)
	}
}

// brokenKeys cannot open a key for some calls.
type brokenKeys struct {
	key.Opener
	left *int
}

func (k brokenKeys) OpenKey(ctx context.Context, purpose key.Purpose, owner string) (key.Signer, error) {
	if *k.left--; *k.left >= 0 {
		return nil, errors.New("made by a test")
	}
	return k.Opener.OpenKey(ctx, purpose, owner)
}

func TestFaultsAreTriedAgainUntilTheJobIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		faults, attempts int // of the key; of the queue
		orders           map[string]int
		state            document.State
		code             string
	}{
		"two faults":  {2, 3, map[string]int{"failed internal": 2, "done": 1}, document.Done, ""},
		"many faults": {100, 6, map[string]int{"failed internal": 5}, document.Failed, "job_given_up"},
	} {
		t.Run(name, func(t *testing.T) {
			w, id := jobWorld(t)
			ports := w.stamping
			ports.Keys = brokenKeys{ports.Keys, &c.faults}
			work := document.Work(document.WorkPorts{Claims: embedded.JobStates{DB: w.db}, Worker: jobWorker{seal.NewStamper(ports)},
				Now: w.now, Rand: w.random})
			attempts := 0
			for attempts < 20 && !w.job(t, id).State.Ended() {
				attempts++
				err := work(t.Context(), id)
				if ended := w.job(t, id).State.Ended(); ended != (err == nil) {
					t.Fatalf("attempt %d: %v, and the job has ended: %v", attempts, err, ended)
				}
				w.pass(5 * time.Minute)
			}
			job := w.job(t, id)
			code := ""
			if job.End.Problem != nil {
				code = job.End.Problem.Code
			}
			got := w.orders(t)
			if attempts != c.attempts || job.State != c.state || code != c.code || len(got) != len(c.orders) {
				t.Fatalf("after %d attempts the job is %+v with orders %v", attempts, job, got)
			}
			for state, n := range c.orders {
				if got[state] != n {
					t.Errorf("orders %v, want %v", got, c.orders)
				}
			}
		})
	}
}

// deafUploads cannot be read.
type deafUploads struct{ seal.Uploads }

func (deafUploads) Uploaded(context.Context, string, string) ([]byte, error) {
	return nil, errors.New("made by a test")
}

func TestAJobThatNeverComesToItsOrderEndsToo(t *testing.T) {
	w, id := jobWorld(t)
	ports := w.stamping
	ports.Uploads = deafUploads{ports.Uploads}
	states := embedded.JobStates{DB: w.db}
	work := document.Work(document.WorkPorts{Claims: states, Worker: jobWorker{seal.NewStamper(ports)}, Now: w.now, Rand: w.random})
	var queue queued
	sweep := document.Sweep(document.SweepPorts{Open: states, Queue: &queue, Now: w.now})
	for attempts := 0; !w.job(t, id).State.Ended(); attempts++ {
		if attempts > 2*document.MaxAttempts {
			t.Fatalf("the job is still open: %+v", w.job(t, id))
		}
		// The queue gave it up, and the schedule finds it.
		w.pass(document.SweepAfter + time.Minute)
		queue = nil
		if err := sweep(t.Context()); err != nil || len(queue) != 1 || queue[0] != id {
			t.Fatalf("the sweep queued %v, %v", queue, err)
		}
		if err := work(t.Context(), id); err == nil {
			t.Fatal("a fault was no error")
		}
	}
	if job := w.job(t, id); job.End.Problem == nil || job.End.Problem.Code != "job_exhausted" || job.Attempt != document.MaxAttempts {
		t.Errorf("the job is %+v", job)
	}
	queue = nil
	if err := sweep(t.Context()); err != nil || len(queue) != 0 {
		t.Errorf("a job that has ended was queued: %v, %v", queue, err)
	}
}

type queued []string

func (q *queued) Enqueue(_ context.Context, job string) error {
	*q = append(*q, job)
	return nil
}

func TestOneKeyIsOneStampInWhateverForm(t *testing.T) {
	w, id := jobWorld(t) // under the key key-1
	inOneCall := func(key string) string {
		body := new(bytes.Buffer)
		m := multipart.NewWriter(body)
		part, err := m.CreateFormFile("document", "notice")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(w.document(t, "pdf")); err != nil {
			t.Fatal(err)
		}
		if err := m.WriteField("order", `{"purpose":{"text":"公示(示例)"},"place":{"page":1,"x":140,"y":230}}`); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		answer := w.send(t, agent, "POST", "/seals/"+w.sealID(t)+"/stamps", m.FormDataContentType(), body, "Idempotency-Key", key)
		if answer.Code == 200 {
			return "stamped"
		}
		return decode[struct{ Code string }](t, answer).Code
	}
	asAJob := func(key string) string {
		body := `{"document":"` + jobUpload + `","order":{"purpose":{"text":"公示(示例)"},"place":{"page":1,"x":140,"y":230}}}`
		answer := w.send(t, agent, "POST", "/seals/"+w.sealID(t)+"/stamps", "application/json", strings.NewReader(body), "Idempotency-Key", key)
		if answer.Code == 202 {
			return "accepted"
		}
		return decode[struct{ Code string }](t, answer).Code
	}
	if err := w.work(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := inOneCall("key-1"); got != access.ErrKeyReused.Code {
		t.Errorf("in one call under the key of a job: %s", got)
	}
	if got := inOneCall("key-2"); got != "stamped" {
		t.Fatal(got)
	}
	if got := asAJob("key-2"); got != access.ErrKeyReused.Code {
		t.Errorf("a job under the key of a call: %s", got)
	}
	if got := w.orders(t); got["done"] != 2 {
		t.Errorf("orders %v", got)
	}
	// Both came in between: the job was recorded, and the call was first to begin its order.
	if got := asAJob("key-3"); got != "accepted" {
		t.Fatal(got)
	}
	if got := inOneCall("key-3"); got != "stamped" && got != access.ErrKeyReused.Code {
		t.Fatal(got)
	}
	open, err := embedded.JobStates{DB: w.db}.OpenJobs(t.Context(), w.now(), 10)
	if err != nil || len(open) != 1 {
		t.Fatalf("open jobs %v, %v", open, err)
	}
	if err := w.work(t.Context(), open[0]); err != nil {
		t.Fatal(err)
	}
	if job := w.job(t, open[0]); job.State != document.Failed || job.End.Problem.Code != access.ErrKeyReused.Code {
		t.Errorf("the job is %+v", job)
	}
	if got := w.orders(t); got["done"] != 3 {
		t.Errorf("orders %v, want one for each key", got)
	}
}
