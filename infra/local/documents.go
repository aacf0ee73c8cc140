package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// How jobs run, as in template.yaml: an attempt that fails comes again when its message is visible again, after five it
// is a dead letter, and what is open long is looked for.
const (
	jobTimeout    = 40 * time.Second
	jobVisibility = 4 * time.Minute
	jobReceives   = 5
	sweepEvery    = 10 * time.Minute
)

// blobsPath is where clients put documents and fetch results, which in AWS S3 takes and gives.
const blobsPath = "/blobs/"

// openBlobs opens the directory of documents and results.
func (s *server) openBlobs(ctx context.Context) (err error) {
	s.blobs = embedded.Blobs{Dir: filepath.Join(s.data, "blobs"), Base: s.issuer + blobsPath, Now: s.now}
	s.blobs.Key, err = embedded.Secrets{DB: s.db, Keys: s.keys}.Secret(ctx, "blobs", s.random)
	return err
}

// documents are the functions of large documents and the jobs over them.
func (s *server) documents(guard access.Guard, stamper *seal.Stamper) ([]function, driven) {
	uploads := embedded.Uploads{DB: s.db, Blobs: s.blobs}
	states := embedded.JobStates{DB: s.db}
	queue := embedded.Queue{DB: s.db, Name: "jobs", Visibility: jobVisibility, MaxReceives: jobReceives}
	work := document.Work(document.WorkPorts{Claims: states, Worker: sealJobs{stamper}, Now: s.now, Rand: s.random})
	sweep := document.Sweep(document.SweepPorts{Open: states, Queue: jobQueue{queue}, Now: s.now})
	return []function{
			{Name: "document", Routes: document.DocumentRoutes, Handler: document.Document(document.DocumentPorts{
				Access: guard, Uploads: uploads, Places: uploads, Jobs: states, Results: embedded.Results{Blobs: s.blobs},
				Now: s.now, Rand: s.random,
			})},
		}, driven{
			Name: "job", Timeout: jobTimeout, Every: sweepEvery,
			Ways: []gateway.Way{
				gateway.NewJobs(document.Submit(jobQueue{queue})), gateway.QueuedJobs(work), gateway.Schedule(sweep),
			},
			Streams: []streamSource{{Table: embedded.TableSeals, Prefix: "job#", Insert: true, Batch: 10, Attempts: 100}},
			Queues:  []queueSource{{Queue: queue, Batch: 1}},
		}
}

// jobQueue is the queue of jobs.
type jobQueue struct{ queue embedded.Queue }

var _ document.Queue = jobQueue{}

// Enqueue implements [document.Queue].
func (q jobQueue) Enqueue(ctx context.Context, job string) error {
	message, err := json.Marshal(gateway.JobMessage{Job: job})
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	return q.queue.Send(ctx, string(message), "", "")
}

// sealJobs is seal-stamp as job sees it. In AWS the same call is an invocation of that function.
type sealJobs struct{ stamper *seal.Stamper }

var _ document.Worker = sealJobs{}

// DoJob implements [document.Worker].
func (s sealJobs) DoJob(ctx context.Context, job string) (document.Result, error) {
	result, err := s.stamper.DoJob(ctx, job)
	return document.Result(result), err
}
