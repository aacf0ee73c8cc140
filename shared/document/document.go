// Package document takes documents that are too large for one call, and tells how far the jobs over them have come.
//
//	POST /documents ── record ── address for one upload ── client PUTs the bytes there (S3; /blobs/ of infra/local)
//	POST /seals/{id}/stamps {"document"} ── seal-stamp records a job ── 202, Location: /jobs/{id}
//	     the table's stream ── [Submit] ── queue ── [Work]: claim ── the job's own service ([Worker]) ── end
//	     a schedule         ── [Sweep]  ── queue
//	GET /jobs/{id} ── state; of a job that is done, an address for its result
//
// One call of a function is bounded in size (6 MB, AWS Lambda quotas) and in time. So the bytes go to the store and come
// from it, by addresses that are good for minutes and for exactly these bytes: the digest is a part of the address, and
// the store itself refuses others, and a second upload.
//
// A document may be used by whoever uploaded it, and a job is shown to whoever asked for it; to everybody else both
// look as if they were not there. A job is done with the rights of its own time: who signs out before it is done, or
// loses a mandate or the grant, has it refused.
//
// A job is done once, however often its message comes. [Work] takes a claim that runs out, so that of any number of
// deliveries one works at a time; that nothing is done twice even where two do is the business of the job's own service
// (see seal.Jobs). A refusal ends a job. A fault is left to the queue, which brings the message again, and after some
// times gives it to its dead-letter queue; what is open long is put on the queue again by [Sweep]; a job that was
// claimed [MaxAttempts] times ends as failed. So every job ends.
//
// It does not look into documents, and it opens no key. It has no kind of job but one: the use of a seal.
package document

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// MaxSize is how long a document may be, in bytes.
const MaxSize = 32 << 20

// The times of uploads, jobs and addresses.
const (
	AddressLife = 10 * time.Minute // of an address
	UploadLife  = 24 * time.Hour   // for how long an upload may be used
	// ResultLife is for how long the result of a job is kept, counted from when the job was asked for.
	ResultLife = 7 * 24 * time.Hour
)

// The media types that are taken.
const (
	PDF = "application/pdf"
	OFD = "application/ofd"
)

// Upload is what was said of a document before its bytes came.
type Upload struct {
	ID        string    `json:"id"`
	MediaType string    `json:"mediaType"` // [PDF] or [OFD]
	Size      int64     `json:"size"`      // bytes
	SHA256    string    `json:"sha256"`    // 64 hexadecimal characters
	Person    string    `json:"person,omitempty"`
	Client    string    `json:"client"`
	At        time.Time `json:"at"`
	Until     time.Time `json:"until"` // when it may no longer be used
}

// UploadSaver keeps what was said of documents.
type UploadSaver interface {
	// SaveUpload stores a new upload together with its event, or returns [ErrExists] where the identifier is taken: of any
	// number of concurrent calls with one identifier exactly one succeeds.
	SaveUpload(ctx context.Context, u Upload, e audit.Event) error
}

// Address is where a client may send or fetch one document itself.
type Address struct {
	Method string
	URL    string
	Header http.Header // to be sent as they are
}

// UploadAddresses gives addresses for uploads.
type UploadAddresses interface {
	// UploadAddress returns where the bytes of an upload may be sent until a time. The store takes them once, and no bytes
	// but those of this size and digest.
	UploadAddress(ctx context.Context, u Upload, until time.Time) (Address, error)
}

// ResultAddresses gives addresses for results.
type ResultAddresses interface {
	// ResultAddress returns where the result of a job may be fetched until a time.
	ResultAddress(ctx context.Context, job string, r Result, until time.Time) (Address, error)
}

// State is how far a job has come.
type State string

// The states of a job. The last two are its ends.
const (
	Accepted State = "accepted" // recorded; nobody works on it yet
	Running  State = "running"  // claimed
	Done     State = "done"     // with a result
	Failed   State = "failed"   // with a problem
)

// Ended tells whether nothing more comes.
func (s State) Ended() bool { return s == Done || s == Failed }

// Result is what came of a job.
type Result struct {
	Order     string `json:"order"` // identifier of the order under which it was made
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"` // 64 hexadecimal characters
}

// End is how a job ended: one of the two is set.
type End struct {
	Result  *Result          `json:"result,omitempty"`
	Problem *problem.Problem `json:"problem,omitempty"`
}

// State is the state of a job that ended so.
func (e End) State() State {
	if e.Result != nil {
		return Done
	}
	return Failed
}

// Job is a job as this service sees it. What it asks for is known to the service that recorded it.
type Job struct {
	ID      string
	Kind    string // "seal.stamp"
	State   State
	Person  string // who asked for it
	Client  string
	At      time.Time // when
	Attempt int       // how often it was claimed
	End     End       // where State has ended
}

// JobReader reads jobs.
type JobReader interface {
	// Job returns a job as last written (a consistent read), or [ErrUnknown].
	Job(ctx context.Context, id string) (Job, error)
}

// Claims says who works on a job.
type Claims interface {
	// ClaimJob gives a job to the caller until a time, counts one attempt more, and returns the job: of any number of
	// concurrent calls exactly one succeeds, the others get [ErrClaimed], until that time has come. It returns [ErrEnded]
	// for a job that has ended, [ErrUnknown] where there is none.
	ClaimJob(ctx context.Context, id string, until time.Time) (Job, error)
	// EndJob ends a job together with the event of it, where its last claim is still the attempt: of any number of
	// concurrent calls exactly one succeeds. It returns [ErrClaimed] where the job was claimed again since, [ErrEnded]
	// where it has ended, [ErrUnknown] where there is none.
	EndJob(ctx context.Context, id string, attempt int, end End, e audit.Event) error
}

// OpenJobs finds jobs that have not ended.
type OpenJobs interface {
	// OpenJobs returns the identifiers of jobs that were recorded before a time and have not ended, oldest first, at most
	// limit. It may lag behind writes.
	OpenJobs(ctx context.Context, before time.Time, limit int) ([]string, error)
}

// Queue brings jobs to [Work], each at least once.
type Queue interface {
	// Enqueue puts a job on the queue, durably before it returns.
	Enqueue(ctx context.Context, job string) error
}

// Worker is the service whose jobs they are.
type Worker interface {
	// DoJob does what a job asks for, or ends what an earlier call began, and returns the result. Whoever calls it
	// twice, or twice at a time, has it done once. A *problem.Problem is a refusal: it will not be done. Any other
	// error is a fault, after which a later call may succeed.
	DoJob(ctx context.Context, job string) (Result, error)
}

// The sentinels of the ports.
var (
	ErrUnknown = errors.New("document: no such record")
	ErrExists  = errors.New("document: the record exists")
	ErrClaimed = errors.New("document: the job is claimed by another")
	ErrEnded   = errors.New("document: the job has ended")
)
