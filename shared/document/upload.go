package document

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// DocumentPorts are the rights of document: it records uploads, reads jobs, and gives addresses.
type DocumentPorts struct {
	Access  access.Guard
	Uploads UploadSaver
	Places  UploadAddresses
	Jobs    JobReader
	Results ResultAddresses
	Now     func() time.Time
	Rand    io.Reader
}

// DocumentRoutes are the routes of [Document].
var DocumentRoutes = []string{"POST /documents", "GET /jobs/{id}"}

// Document serves uploads and jobs.
//
//	POST /documents  {"mediaType", "size", "sha256"} ── 201 {"id", "expires", "upload": {"method", "url", "headers", "expires"}}
//	GET  /jobs/{id}  200 {"id", "kind", "state", "result"?, "problem"?}
//
// The upload is to be sent with exactly the headers that are named. The document may be used until "expires" by the
// same person with the same client.
func Document(p DocumentPorts) http.Handler {
	d := documents{p}
	mux := http.NewServeMux()
	mux.Handle(DocumentRoutes[0], p.Access.Require(access.DocumentUpload, d.upload))
	mux.Handle(DocumentRoutes[1], p.Access.Require("", d.job))
	return mux
}

type documents struct{ DocumentPorts }

// The refusals of an upload.
var (
	ErrMediaType = problem.New(http.StatusUnprocessableEntity, "media_type_refused",
		"A document is application/pdf or application/ofd.")
	ErrSize   = problem.New(http.StatusUnprocessableEntity, "size_refused", "A document has 1 to 33554432 bytes.")
	ErrDigest = problem.New(http.StatusUnprocessableEntity, "digest_refused",
		"The digest is SHA-256 in 64 hexadecimal characters, lower case.")
)

// uploadRequest is the body of POST /documents.
type uploadRequest struct {
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
}

func (in uploadRequest) check() error {
	switch {
	case in.MediaType != PDF && in.MediaType != OFD:
		return ErrMediaType
	case in.Size < 1 || in.Size > MaxSize:
		return ErrSize
	case !isDigest(in.SHA256):
		return ErrDigest
	}
	return nil
}

func isDigest(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// addressAnswer is an address in an answer.
type addressAnswer struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Expires time.Time         `json:"expires"`
}

func answerOf(a Address, until time.Time) addressAnswer {
	headers := map[string]string{}
	for name := range a.Header {
		headers[name] = a.Header.Get(name)
	}
	return addressAnswer{Method: a.Method, URL: a.URL, Headers: headers, Expires: until}
}

type uploadAnswer struct {
	ID      string        `json:"id"`
	Expires time.Time     `json:"expires"`
	Upload  addressAnswer `json:"upload"`
}

// upload records what will be uploaded, then says where.
func (d documents) upload(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	in, _, err := problem.ReadJSON[uploadRequest](w, r)
	if err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	id, err := audit.NewID(d.Rand)
	if err != nil {
		return err
	}
	event, err := audit.NewID(d.Rand)
	if err != nil {
		return err
	}
	now := d.Now().UTC().Truncate(time.Second)
	u := Upload{ID: id, MediaType: in.MediaType, Size: in.Size, SHA256: in.SHA256, Person: c.Person, Client: c.Client, At: now,
		Until: now.Add(UploadLife)}
	until := now.Add(AddressLife)
	place, err := d.Places.UploadAddress(r.Context(), u, until)
	if err != nil {
		return fmt.Errorf("addressing an upload: %w", err)
	}
	if err := d.Uploads.SaveUpload(r.Context(), u, audit.Event{
		ID: event, Time: now, Action: "document.upload", Person: c.Person, Organisation: c.Organisation, Client: c.Client,
		Channel: c.Channel, Object: "document/" + id, Digest: "sha256:" + in.SHA256, Outcome: audit.Done,
	}); err != nil {
		return fmt.Errorf("recording an upload: %w", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	return problem.WriteJSON(w, http.StatusCreated, uploadAnswer{ID: id, Expires: u.Until, Upload: answerOf(place, until)})
}

// resultAnswer is a result and where it is fetched, by GET and without a token: no address once it may be kept no more.
type resultAnswer struct {
	Result
	URL     string    `json:"url,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

type jobAnswer struct {
	ID      string           `json:"id"`
	Kind    string           `json:"kind"`
	State   State            `json:"state"`
	Result  *resultAnswer    `json:"result,omitempty"`
	Problem *problem.Problem `json:"problem,omitempty"`
}

// ErrNoJob refuses the identifier of a job that is not there, or is another's.
var ErrNoJob = problem.New(http.StatusNotFound, "job_unknown", "There is no such job.")

// job tells how far a job is, to whoever asked for it. A token of any scope does: the job is the caller's own.
func (d documents) job(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	job, err := d.Jobs.Job(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, ErrUnknown):
		return ErrNoJob
	case err != nil:
		return fmt.Errorf("reading a job: %w", err)
	case job.Person != c.Person || job.Client != c.Client:
		return ErrNoJob
	}
	out := jobAnswer{ID: job.ID, Kind: job.Kind, State: job.State, Problem: job.End.Problem}
	if result := job.End.Result; result != nil {
		out.Result = &resultAnswer{Result: *result}
		until := d.Now().UTC().Truncate(time.Second).Add(AddressLife)
		if !until.After(job.At.Add(ResultLife)) {
			place, err := d.Results.ResultAddress(r.Context(), job.ID, *result, until)
			if err != nil {
				return fmt.Errorf("addressing a result: %w", err)
			}
			out.Result.URL, out.Result.Expires = place.URL, until
		}
	}
	if !job.State.Ended() {
		w.Header().Set("Retry-After", "2")
	}
	return problem.WriteJSON(w, http.StatusOK, out)
}
