//go:build unix

package embedded_test

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// What is tested here: a job is asked for and worked on, and the process is killed at any effect of either. The client
// asks again under its key, the queue brings the job again, and the seal is used once.

// openJobs wires what seal-stamp and job need beside what other stamps need.
func (w *world) openJobs(stamp seal.StampPorts, c *crasher) seal.StampPorts {
	w.blobs = embedded.Blobs{Dir: filepath.Join(w.dir, "blobs"), Base: crashIssuer + "/blobs/", Key: make([]byte, 32), Now: w.now}
	stamp.Jobs = watchedJobs{embedded.Jobs{DB: w.db}, c}
	stamp.Uploads = embedded.Uploads{DB: w.db, Blobs: w.blobs}
	stamp.Results = watchedResults{embedded.Results{Blobs: w.blobs}, c}
	states := embedded.JobStates{DB: w.db}
	w.work = document.Work(document.WorkPorts{Claims: watchedClaims{states, c}, Worker: jobWorker{seal.NewStamper(stamp)}, Now: w.now,
		Rand: w.random})
	w.stamping = stamp
	return stamp
}

type jobWorker struct{ stamper *seal.Stamper }

func (s jobWorker) DoJob(ctx context.Context, job string) (document.Result, error) {
	r, err := s.stamper.DoJob(ctx, job)
	return document.Result(r), err
}

type watchedJobs struct {
	seal.Jobs
	c *crasher
}

func (p watchedJobs) BeginJob(ctx context.Context, j seal.Job, e audit.Event) error {
	return p.c.do("begin the job", func() error { return p.Jobs.BeginJob(ctx, j, e) })
}

type watchedResults struct {
	seal.Results
	c *crasher
}

func (p watchedResults) PutResult(ctx context.Context, job, order, mediaType string, data []byte) error {
	return p.c.do("store the result", func() error { return p.Results.PutResult(ctx, job, order, mediaType, data) })
}

type watchedClaims struct {
	document.Claims
	c *crasher
}

func (p watchedClaims) ClaimJob(ctx context.Context, id string, until time.Time) (j document.Job, err error) {
	err = p.c.do("claim the job", func() error {
		j, err = p.Claims.ClaimJob(ctx, id, until)
		return err
	})
	return j, err
}

func (p watchedClaims) EndJob(ctx context.Context, id string, attempt int, end document.End, e audit.Event) error {
	return p.c.do("end the job as "+string(end.State()), func() error { return p.Claims.EndJob(ctx, id, attempt, end, e) })
}

const jobUpload = "0123456789abcdef0123456789abcdef"

// uploaded is a seal in use, and a document that its clerk uploaded.
func uploaded(t *testing.T, w *world) {
	activeSeal(t, w)
	uploadAs(t, w, w.document(t, "pdf"), document.PDF)
}

// uploadAs uploads bytes as a document that was called a PDF, or an OFD.
func uploadAs(t *testing.T, w *world, data []byte, mediaType string) {
	t.Helper()
	u := document.Upload{ID: jobUpload, MediaType: mediaType, Size: int64(len(data)), SHA256: sha256Hex(data), Person: agent,
		Client: "desk", At: w.now(), Until: w.now().Add(24 * time.Hour)}
	e := audit.Event{ID: "upload", Time: w.now(), Action: "document.upload", Outcome: audit.Done}
	if err := (embedded.Uploads{DB: w.db}).SaveUpload(t.Context(), u, e); err != nil {
		t.Fatal(err)
	}
	if err := w.blobs.PutBlob("uploads/"+jobUpload+"."+path.Base(mediaType), data); err != nil {
		t.Fatal(err)
	}
}

// submit asks for the job under the client's key and returns its identifier.
func (w *world) submit(t *testing.T) string {
	t.Helper()
	body := `{"document":"` + jobUpload + `","order":{"purpose":{"text":"公示(示例)"},"place":{"page":1,"x":140,"y":230}}}`
	answer := want(t, w.send(t, agent, "POST", "/seals/"+w.sealID(t)+"/stamps", "application/json", strings.NewReader(body),
		"Idempotency-Key", "key-1"), 202)
	return strings.TrimPrefix(answer.Header().Get("Location"), "/jobs/")
}

// checkJob looks at a job that is done: its result is a stamped document that verifies, and of its orders one is done.
func (w *world) checkJob(t *testing.T, id string) {
	t.Helper()
	job, err := embedded.JobStates{DB: w.db}.Job(t.Context(), id)
	if err != nil || job.State != document.Done {
		t.Fatalf("the job is %+v, %v", job, err)
	}
	r := job.End.Result
	stamped, err := embedded.Results{Blobs: w.blobs}.Result(t.Context(), id, r.Order, r.MediaType)
	if err != nil || sha256Hex(stamped) != r.SHA256 || int64(len(stamped)) != r.Size {
		t.Fatalf("the result has %d bytes, %v, and is said to be %+v", len(stamped), err, r)
	}
	w.checkStamped(t, "pdf", stamped)
	done := map[string]bool{}
	for _, b := range lines[begunOrder](t, w.dir, ordersFile) {
		if o, err := (embedded.Orders{DB: w.db}).Order(t.Context(), b.Order); err == nil && o.State == seal.OrderDone {
			done[o.ID] = true
		}
	}
	ends := 0
	for _, e := range w.events(t) {
		if e.Action == "job.end" {
			ends++
		}
	}
	if len(done) != 1 || ends != 1 {
		t.Errorf("%d orders are done and the job has ended %d times, want one of each", len(done), ends)
	}
}

func stampAsAJob() act {
	return act{
		name:     "stamp as a job",
		template: uploaded,
		run: func(t *testing.T, w *world) {
			id := w.submit(t)
			if err := w.work(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			w.checkJob(t, id)
		},
		whole: func(t *testing.T, w *world) { w.checkJob(t, w.submit(t)) },
		left: func(t *testing.T, w *world) {
			for _, b := range lines[begunOrder](t, w.dir, ordersFile) {
				if o, err := (embedded.Orders{DB: w.db}).Order(t.Context(), b.Order); err == nil && o.State == seal.OrderFailed {
					t.Errorf("a process that was killed ended the order %+v", o)
				} else if err != nil && !errors.Is(err, seal.ErrUnknown) {
					t.Error(err)
				}
			}
		},
		again: func(t *testing.T, w *world) {
			id := w.submit(t)
			for range 2 { // once, and a duplicate of the message
				if err := w.work(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			w.checkJob(t, id)
			if again := w.submit(t); again != id {
				t.Errorf("one key, jobs %s and %s", id, again)
			}
		},
	}
}
