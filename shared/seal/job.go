package seal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// Upload is a document that was uploaded, as its uploader described it.
type Upload struct {
	ID        string
	MediaType string // "application/pdf" or "application/ofd"
	SHA256    string // 64 hexadecimal characters
	Person    string // who uploaded it
	Client    string
}

// Uploads reads what was uploaded.
type Uploads interface {
	// Upload returns what was said of a document that may still be used, or [ErrUnknown].
	Upload(ctx context.Context, id string) (Upload, error)
	// Arrived tells whether the bytes of an upload of a media type have come. They do so whole, or not.
	Arrived(ctx context.Context, id, mediaType string) (bool, error)
	// Uploaded returns the bytes of an upload of a media type, or [ErrUnknown] where none have come.
	Uploaded(ctx context.Context, id, mediaType string) ([]byte, error)
}

// Results keeps what jobs made, each written once under the order that it was made by.
type Results interface {
	// PutResult stores the result of a job under an order, durably before it returns. The same bytes again are no error;
	// other bytes get [ErrExists].
	PutResult(ctx context.Context, job, order, mediaType string, data []byte) error
	// Result returns what was stored, or [ErrUnknown].
	Result(ctx context.Context, job, order, mediaType string) ([]byte, error)
}

// Job is a use of a seal that was asked for and allowed, and is done afterwards. Seal-stamp alone writes it, so that
// who asks in it is who called.
type Job struct {
	ID           string        `json:"id"`
	Seal         string        `json:"seal"`      // identifier
	Upload       string        `json:"upload"`    // identifier of the document
	MediaType    string        `json:"mediaType"` // of the document, and of the result
	Document     string        `json:"document"`  // digest of the document, "sha256:…"
	Organisation string        `json:"organisation"`
	Purpose      audit.Purpose `json:"purpose"`
	Place        Place         `json:"place"`
	Person       string        `json:"person"`
	Client       string        `json:"client"`
	Grant        string        `json:"grant"` // under which it was asked for, and has to be live when it is done
	Channel      string        `json:"channel,omitempty"`
	At           time.Time     `json:"at"`
	Request      string        `json:"request,omitempty"` // digest of the request, where it came under an Idempotency-Key
}

// JobKind is what this service's jobs are called.
const JobKind = "seal.stamp"

// Jobs keeps jobs.
type Jobs interface {
	// BeginJob stores a new job together with its event, durably before it returns; its stream brings it to who works on
	// jobs. It returns [ErrExists] where the identifier is taken: of any number of concurrent calls with one identifier
	// exactly one succeeds.
	BeginJob(ctx context.Context, j Job, e audit.Event) error
	// Job returns a job as it was begun, or [ErrUnknown].
	Job(ctx context.Context, id string) (Job, error)
}

// JobResult is what came of a job.
type JobResult struct {
	Order     string `json:"order"`
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"` // 64 hexadecimal characters
}

// The refusals of jobs.
var (
	ErrNoDocument = problem.New(http.StatusUnprocessableEntity, "document_unknown",
		"There is no such document that may still be used.")
	ErrNotUploaded = problem.New(http.StatusConflict, "document_missing", "The document was not uploaded.")
	ErrCallerGone  = problem.New(http.StatusForbidden, "caller_gone",
		"Before it was done, whoever asked for it signed out, or the client lost the grant.")
	ErrJobGivenUp = problem.New(http.StatusInternalServerError, "job_given_up",
		"The document was to be stamped several times and none came to its end; nothing was handed out.")
)

// jobRequest is the JSON body of POST /seals/{id}/stamps.
type jobRequest struct {
	Document string       `json:"document"`
	Order    stampCommand `json:"order"`
}

// submit takes a job: it is checked as far as the document's bytes are not needed, recorded, and answered with 202.
func (s *Stamper) submit(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	ctx := r.Context()
	in, body, err := problem.ReadJSON[jobRequest](w, r)
	if err != nil {
		return err
	}
	if err := in.Order.Purpose.Check(); err != nil {
		return err
	}
	record, err := find(ctx, s.ports.Records, s.ports.ByCode, r.PathValue("id"))
	if err != nil {
		return err
	}
	ids, err := newIDs(s.ports.Rand, 2)
	if err != nil {
		return err
	}
	key, err := access.IdempotencyKey(r, c)
	if err != nil {
		return err
	}
	job := Job{ID: ids[1], Seal: record.ID, Upload: in.Document, Organisation: in.Order.Organisation, Purpose: in.Order.Purpose,
		Place: in.Order.Place, Person: c.Person, Client: c.Client, Grant: c.Grant, Channel: c.Channel,
		At: s.ports.Now().UTC().Truncate(time.Second)}
	if job.Organisation == "" {
		job.Organisation = record.Owner.USCC
	}
	if key != "" {
		job.ID, job.Request = key[:32], access.Digest("job", record.ID, string(body))
		if err := s.submitted(ctx, job); !errors.Is(err, ErrUnknown) {
			return accepted(w, job.ID, err)
		}
	}
	e := trace(c, record, "submit", job.Organisation, job.Purpose, job.At, ids[0])
	if err := s.allowJob(ctx, record, c, &job); err != nil {
		e.Digest = job.Document
		return audit.Refuse(ctx, s.ports.Audit, e, err)
	}
	e.Digest = job.Document
	if err := s.ports.Jobs.BeginJob(ctx, job, e); err != nil {
		if errors.Is(err, ErrExists) && key != "" {
			return accepted(w, job.ID, s.submitted(ctx, job))
		}
		return fmt.Errorf("recording a job: %w", err)
	}
	return accepted(w, job.ID, nil)
}

// accepted answers that a job was recorded, unless err says that it was not.
func accepted(w http.ResponseWriter, id string, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/jobs/"+id)
	return problem.WriteJSON(w, http.StatusAccepted, struct {
		ID string `json:"id"`
	}{id})
}

// submitted tells whether the same job was recorded before under its Idempotency-Key: nil where it was, [ErrUnknown]
// where none was. An order under the key, of a document that came with the request, is another request.
func (s *Stamper) submitted(ctx context.Context, job Job) error {
	first, err := s.ports.Jobs.Job(ctx, job.ID)
	switch {
	case errors.Is(err, ErrUnknown):
		if _, err := s.ports.Orders.Order(ctx, job.ID); !errors.Is(err, ErrUnknown) {
			return orReused(err)
		}
		return ErrUnknown
	case err != nil:
		return fmt.Errorf("reading the job of an Idempotency-Key: %w", err)
	case first.Request != job.Request:
		return access.ErrKeyReused
	}
	return nil
}

func orReused(err error) error {
	if err != nil {
		return fmt.Errorf("reading the order of an Idempotency-Key: %w", err)
	}
	return access.ErrKeyReused
}

// allowJob refuses early what would be refused later, and takes from the upload what the job says of it.
func (s *Stamper) allowJob(ctx context.Context, record Seal, c access.Caller, job *Job) error {
	upload, err := s.ports.Uploads.Upload(ctx, job.Upload)
	switch {
	case errors.Is(err, ErrUnknown):
		return ErrNoDocument
	case err != nil:
		return fmt.Errorf("reading an upload: %w", err)
	case upload.Person != c.Person || upload.Client != c.Client:
		return ErrNoDocument
	}
	job.MediaType, job.Document = upload.MediaType, "sha256:"+upload.SHA256
	if err := s.rights.check(ctx, use, record, c, job.Organisation); err != nil {
		return err
	}
	arrived, err := s.ports.Uploads.Arrived(ctx, job.Upload, job.MediaType)
	switch {
	case err != nil:
		return fmt.Errorf("looking for the document of a job: %w", err)
	case !arrived:
		return ErrNotUploaded
	}
	return nil
}

const (
	// maxOrders is how many orders one job begins at most.
	maxOrders = 5
	// OrderLife is how long an order of a job can be under way: longer than any invocation of seal-stamp, whose timeout is
	// 25 seconds. Whoever still works on it after this time finds it ended by another, and hands out nothing.
	OrderLife = time.Minute
)

// orderOf is the identifier of the n-th order of a job. The first is that of the job, which may be an Idempotency-Key:
// of all requests under one key, of this kind and the other, at most one stamps.
func orderOf(job string, n int) string {
	if n == 1 {
		return job
	}
	return access.Digest("job", job, fmt.Sprint(n))[:32]
}

// errOrderOpen reports a job whose order another invocation may be working on.
var errOrderOpen = errors.New("another attempt at this job is under way")

// DoJob does a job, or ends what an earlier call began: called any number of times, also at one time, it uses the seal
// once. The orders of a job stand in a row; each is begun by one conditional write after all before it have failed, and
// each ends by one: so at most one is ever done.
//
//	order done   ── its result
//	order failed ── by a refusal: the refusal; by a fault: the next order
//	order begun  ── its result is stored: it is done
//	                it is younger than a minute: whoever began it may live, so this call fails and may come again
//	                else it ends as failed, "abandoned"
//	no order     ── begin it, with the rights as they are now and under a grant that is live: sign ── verify ── store
//	                the result ── done
//
// A result is stored under its order before the order is done, and handed out only if it is.
func (s *Stamper) DoJob(ctx context.Context, id string) (JobResult, error) {
	job, err := s.ports.Jobs.Job(ctx, id)
	if err != nil {
		return JobResult{}, fmt.Errorf("reading a job: %w", err)
	}
	record, err := s.ports.Records.Seal(ctx, job.Seal)
	if err != nil {
		return JobResult{}, fmt.Errorf("reading the seal of a job: %w", err)
	}
	for n := 1; n <= maxOrders; n++ {
		order, err := s.ports.Orders.Order(ctx, orderOf(id, n))
		if errors.Is(err, ErrUnknown) {
			return s.stampJob(ctx, job, record, orderOf(id, n))
		}
		if err != nil {
			return JobResult{}, fmt.Errorf("reading an order of a job: %w", err)
		}
		if order.Reference != referenceOf(job) {
			return JobResult{}, access.ErrKeyReused
		}
		if order.State == OrderBegun {
			if order, err = s.settle(ctx, job, record, order); err != nil {
				return JobResult{}, err
			}
		}
		switch {
		case order.State == OrderDone:
			return s.resultOf(ctx, job, order)
		case order.Reason != reasonFault && order.Reason != reasonAbandoned:
			return JobResult{}, refusalOf(order)
		}
	}
	return JobResult{}, ErrJobGivenUp
}

// The reasons of orders that failed without a refusal.
const (
	reasonFault     = "internal"
	reasonAbandoned = "abandoned"
)

func referenceOf(j Job) string { return "job/" + j.ID }

// refusalOf is the refusal by which an order failed.
func refusalOf(o Order) error {
	for _, p := range []*problem.Problem{ErrSuspended, ErrRevoked} {
		if p.Code == o.Reason {
			return p
		}
	}
	return ErrOrderFailed.With("order " + o.ID + ", " + o.Reason)
}

// stampJob begins an order of a job and does it.
func (s *Stamper) stampJob(ctx context.Context, job Job, record Seal, order string) (JobResult, error) {
	document, err := s.ports.Uploads.Uploaded(ctx, job.Upload, job.MediaType)
	switch {
	case errors.Is(err, ErrUnknown):
		return JobResult{}, ErrNotUploaded
	case err != nil:
		return JobResult{}, fmt.Errorf("reading the document of a job: %w", err)
	case sha256Name(document) != job.Document:
		return JobResult{}, fmt.Errorf("the document of job %s is not the one that was to be uploaded", job.ID)
	}
	c := access.Caller{Person: job.Person, Client: job.Client, Channel: job.Channel}
	in := stampCommand{Organisation: job.Organisation, Purpose: job.Purpose, Place: job.Place, reference: referenceOf(job),
		request: job.Request, order: order, mediaType: job.MediaType,
		live: func(ctx context.Context) error { return s.live(ctx, job) },
		keep: func(ctx context.Context, o Order, stamped []byte) error {
			if err := s.ports.Results.PutResult(ctx, job.ID, o.ID, job.MediaType, stamped); err != nil {
				return fmt.Errorf("storing the result of job %s: %w", job.ID, err)
			}
			return nil
		}}
	stamped, done, err := s.stamp(ctx, record, use, c, in, document)
	if err != nil {
		return JobResult{}, err
	}
	return madeBy(job, done.ID, stamped), nil
}

// live refuses a job whose grant has ended since: by signing out, or because it was revoked. So nothing that was asked for
// under a stolen session is done once that is ended.
func (s *Stamper) live(ctx context.Context, job Job) error {
	g, err := s.ports.Access.Grants.LiveGrant(ctx, job.Grant)
	switch {
	case errors.Is(err, access.ErrGrantGone), err == nil && (g.Person != job.Person || g.Client != job.Client):
		return ErrCallerGone
	case err != nil:
		return fmt.Errorf("reading the grant of a job: %w", err)
	}
	return nil
}

func madeBy(job Job, order string, stamped []byte) JobResult {
	sum := sha256.Sum256(stamped)
	return JobResult{Order: order, MediaType: job.MediaType, Size: int64(len(stamped)), SHA256: hex.EncodeToString(sum[:])}
}

// settle ends an order that another call began and left, and returns it as it ended, by this call or another.
func (s *Stamper) settle(ctx context.Context, job Job, record Seal, order Order) (Order, error) {
	state, end := OrderFailed, reasonAbandoned
	stamped, err := s.ports.Results.Result(ctx, job.ID, order.ID, job.MediaType)
	switch {
	case err == nil:
		state, end = OrderDone, sha256Name(stamped)
	case !errors.Is(err, ErrUnknown):
		return Order{}, fmt.Errorf("reading the result of job %s: %w", job.ID, err)
	case s.ports.Now().Before(order.At.Add(OrderLife)):
		return Order{}, fmt.Errorf("doing job %s: %w", job.ID, errOrderOpen)
	}
	ids, err := newIDs(s.ports.Rand, 1) // no event of the call that began it, so that two that end it are two
	if err != nil {
		return Order{}, err
	}
	c := access.Caller{Person: order.Person, Client: order.Client, Channel: job.Channel}
	e := trace(c, record, use.Verb, order.For, order.Purpose, s.ports.Now().UTC(), ids[0])
	e.Binds = "order/" + order.ID
	if e.Outcome, e.Digest, e.Reason = audit.Done, end, ""; state == OrderFailed {
		e.Outcome, e.Digest, e.Reason = audit.Failed, order.Document, end
	}
	if err := s.ports.Orders.FinishOrder(ctx, order.ID, state, end, e); err != nil && !errors.Is(err, ErrChanged) {
		return Order{}, fmt.Errorf("ending order %s: %w", order.ID, err)
	}
	if order, err = s.ports.Orders.Order(ctx, order.ID); err != nil {
		return Order{}, fmt.Errorf("reading an order of a job: %w", err)
	}
	return order, nil
}

// resultOf is the result of an order that is done.
func (s *Stamper) resultOf(ctx context.Context, job Job, order Order) (JobResult, error) {
	stamped, err := s.ports.Results.Result(ctx, job.ID, order.ID, job.MediaType)
	if err != nil {
		return JobResult{}, fmt.Errorf("reading the result of order %s: %w", order.ID, err)
	}
	if sha256Name(stamped) != order.Result {
		return JobResult{}, fmt.Errorf("the result of order %s is not the one that was stamped", order.ID)
	}
	return madeBy(job, order.ID, stamped), nil
}
