package aws

import (
	"crypto/rand"

	"github.com/yinxin/yinxin/shared/document"
)

// Uploads keeps documents that clients upload.
func (e *Env) Uploads() Uploads {
	return Uploads{DB: e.seals(), Blobs: e.blobs("uploads/", document.MaxSize)}
}

// Results keeps what jobs made. A stamp adds to a document.
func (e *Env) Results() Results {
	return Results{Blobs: e.blobs("results/", document.MaxSize+4<<20), Now: e.now}
}

func (e *Env) blobs(prefix string, most int64) *Blobs {
	bucket, kmsKey := e.variable("ARTEFACTS_BUCKET"), e.variable("BUCKET_KEY")
	if e.Err() != nil {
		return nil // the cold start ends with what is known already
	}
	b, err := OpenBlobs(BlobsOptions{
		Config: e.config("S3"), Rand: rand.Reader, Bucket: bucket, Prefix: prefix, KMSKey: kmsKey, Max: most,
	})
	e.fault("opening the artefacts", err)
	return b
}

// Jobs keeps what jobs ask for.
func (e *Env) Jobs() Jobs { return Jobs{e.seals()} }

// JobStates keeps how far jobs are.
func (e *Env) JobStates() JobStates { return JobStates{e.seals()} }

// JobQueue is the queue of jobs.
func (e *Env) JobQueue() JobQueue {
	return JobQueue{URL: e.variable("JOBS_QUEUE"), Config: e.config("SQS"), Now: e.now, Rand: rand.Reader}
}

// JobWorker has jobs done by seal-stamp.
func (e *Env) JobWorker() JobWorker {
	return JobWorker{Function: e.variable("STAMP_FUNCTION"), Config: e.config("LAMBDA"), Now: e.now}
}

// Notices is the queue of what people and organisations are told.
func (e *Env) Notices() Notices {
	return Notices{URL: e.variable("NOTICES_QUEUE"), Config: e.config("SQS"), Now: e.now, Rand: rand.Reader}
}
