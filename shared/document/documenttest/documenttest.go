// Package documenttest holds the contracts of the ports of shared/document as tests. Every adapter runs them.
package documenttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/audit/audittest"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/problem"
)

// Noon is when the clock of a [Store] begins.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Store is what a suite needs of a store.
type Store struct {
	Uploads document.UploadSaver
	Jobs    document.JobReader
	Claims  document.Claims
	Open    document.OpenJobs
	Events  audit.Reader
	SetNow  func(time.Time)
	// Begin records a job of the kind seal.stamp, as the service does whose jobs they are, with an event of the identifier
	// that ends in its own.
	Begin func(t *testing.T, id, person, client string, at time.Time)
}

func event(id, object string) audit.Event {
	return audit.Event{ID: id, Time: Noon, Action: "document.test", Object: object, Outcome: audit.Done}
}

// Uploads is the contract of [document.UploadSaver].
func Uploads(t *testing.T, open func(t *testing.T) Store) {
	s := open(t)
	u := document.Upload{ID: "u1", MediaType: document.PDF, Size: 7, SHA256: "00", Person: "p", Client: "c", At: Noon,
		Until: Noon.Add(time.Hour)}
	winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
		return s.Uploads.SaveUpload(t.Context(), u, event(fmt.Sprint("e", n), "document/u1"))
	}), document.ErrExists)
	if es, err := s.Events.ByObject(t.Context(), "document/u1"); err != nil || len(es) != 1 ||
		es[0].ID != fmt.Sprint("e", winner) {
		t.Fatalf("events = %v, %v, want the winner's", es, err)
	}
}

// Jobs is the contract of [document.JobReader], [document.Claims] and [document.OpenJobs].
func Jobs(t *testing.T, open func(t *testing.T) Store) {
	ctx := context.Background()
	result := document.End{Result: &document.Result{Order: "o1", MediaType: document.PDF, Size: 9, SHA256: "0a"}}
	begun := document.Job{ID: "j1", Kind: "seal.stamp", State: document.Accepted, Person: "p", Client: "c", At: Noon}
	opened := func(t *testing.T) Store {
		s := open(t)
		s.Begin(t, "j1", "p", "c", Noon)
		return s
	}
	check := func(t *testing.T, s Store, want document.Job) {
		t.Helper()
		got, err := s.Jobs.Job(ctx, want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("Job = %+v, %v, want %+v", got, err, want)
		}
	}
	t.Run("a job that was begun is accepted", func(t *testing.T) { check(t, opened(t), begun) })
	t.Run("a job that was never begun is unknown to all", func(t *testing.T) {
		s := open(t)
		if _, err := s.Jobs.Job(ctx, "j1"); !errors.Is(err, document.ErrUnknown) {
			t.Errorf("Job = %v", err)
		}
		if _, err := s.Claims.ClaimJob(ctx, "j1", Noon.Add(time.Minute)); !errors.Is(err, document.ErrUnknown) {
			t.Errorf("ClaimJob = %v", err)
		}
		if err := s.Claims.EndJob(ctx, "j1", 1, result, event("e", "job/j1")); !errors.Is(err, document.ErrUnknown) {
			t.Errorf("EndJob = %v", err)
		}
		if _, err := s.Jobs.Job(ctx, "j1"); !errors.Is(err, document.ErrUnknown) {
			t.Errorf("Job after it = %v", err)
		}
	})
	t.Run("of concurrent claims one succeeds, until it has run out", func(t *testing.T) {
		s := opened(t)
		claim := func(int) error {
			job, err := s.Claims.ClaimJob(ctx, "j1", Noon.Add(time.Minute))
			want := begun
			if want.State, want.Attempt = document.Running, 1; err == nil && !reflect.DeepEqual(job, want) {
				return fmt.Errorf("the claim of %+v", job)
			}
			return err
		}
		audittest.OneWinner(t, audittest.Race(claim), document.ErrClaimed)
		s.SetNow(Noon.Add(time.Minute - time.Nanosecond))
		if err := claim(0); !errors.Is(err, document.ErrClaimed) {
			t.Fatalf("a claim a nanosecond before the end of the first = %v", err)
		}
		s.SetNow(Noon.Add(time.Minute))
		winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
			_, err := s.Claims.ClaimJob(ctx, "j1", Noon.Add(2*time.Minute))
			return err
		}), document.ErrClaimed)
		_ = winner
		want := begun
		want.State, want.Attempt = document.Running, 2
		check(t, s, want)
	})
	t.Run("of concurrent ends one succeeds, and it is for good", func(t *testing.T) {
		s := opened(t)
		job, err := s.Claims.ClaimJob(ctx, "j1", Noon.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		refused := document.End{Problem: problem.New(409, "seal_suspended", "The seal is suspended.").With("示例")}
		ends := []document.End{result, refused}
		winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
			return s.Claims.EndJob(ctx, "j1", job.Attempt, ends[n%2], event(fmt.Sprint("e", n), "job/j1"))
		}), document.ErrEnded)
		want := begun
		want.State, want.Attempt, want.End = ends[winner%2].State(), 1, ends[winner%2]
		check(t, s, want)
		s.SetNow(Noon.Add(time.Hour))
		if _, err := s.Claims.ClaimJob(ctx, "j1", Noon.Add(2*time.Hour)); !errors.Is(err, document.ErrEnded) {
			t.Errorf("ClaimJob of a job that has ended = %v", err)
		}
		if es, err := s.Events.ByObject(ctx, "job/j1"); err != nil || len(es) != 1 || es[0].ID != fmt.Sprint("e", winner) {
			t.Errorf("events = %v, %v, want the winner's", es, err)
		}
	})
	t.Run("a claim that was taken over ends nothing", func(t *testing.T) {
		s := opened(t)
		if err := s.Claims.EndJob(ctx, "j1", 0, result, event("e0", "job/j1")); !errors.Is(err, document.ErrClaimed) {
			t.Fatalf("EndJob without a claim = %v", err)
		}
		if _, err := s.Claims.ClaimJob(ctx, "j1", Noon.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		s.SetNow(Noon.Add(time.Minute))
		if _, err := s.Claims.ClaimJob(ctx, "j1", Noon.Add(2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := s.Claims.EndJob(ctx, "j1", 1, result, event("e1", "job/j1")); !errors.Is(err, document.ErrClaimed) {
			t.Errorf("EndJob of the first claim = %v", err)
		}
		if err := s.Claims.EndJob(ctx, "j1", 2, result, event("e2", "job/j1")); err != nil {
			t.Errorf("EndJob of the second claim = %v", err)
		}
		if es, err := s.Events.ByObject(ctx, "job/j1"); err != nil || len(es) != 1 || es[0].ID != "e2" {
			t.Errorf("events = %v, %v, want that of the second", es, err)
		}
	})
	t.Run("open jobs come oldest first and leave when they end", func(t *testing.T) {
		s := open(t)
		for i, id := range []string{"j3", "j1", "j2", "j4"} {
			s.Begin(t, id, "p", "c", Noon.Add(time.Duration(i)*time.Minute))
		}
		list := func(before time.Time, limit int, want ...string) {
			t.Helper()
			if got, err := s.Open.OpenJobs(ctx, before, limit); err != nil || !slices.Equal(got, want) {
				t.Fatalf("OpenJobs before %v = %v, %v, want %v", before, got, err, want)
			}
		}
		list(Noon, 10)
		list(Noon.Add(3*time.Minute), 10, "j3", "j1", "j2")
		list(Noon.Add(3*time.Minute), 2, "j3", "j1")
		if _, err := s.Claims.ClaimJob(ctx, "j1", Noon.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		list(Noon.Add(time.Hour), 10, "j3", "j1", "j2", "j4")
		if err := s.Claims.EndJob(ctx, "j1", 1, result, event("e", "job/j1")); err != nil {
			t.Fatal(err)
		}
		list(Noon.Add(time.Hour), 10, "j3", "j2", "j4")
	})
}

// AddressStore is what [Addresses] needs of a store. Its clock is the real one: addresses are looked at by a server.
type AddressStore struct {
	Uploads document.UploadAddresses
	Results document.ResultAddresses
	// Uploaded reads what came, as the service does that uses it; nil where nothing has.
	Uploaded func(t *testing.T, id, mediaType string) []byte
	// Put stores the result of a job.
	Put func(t *testing.T, job string, r document.Result, data []byte)
	// Lenient says that the server does not check what was signed, which moto does not.
	Lenient bool
}

// Addresses is the contract of [document.UploadAddresses] and [document.ResultAddresses].
func Addresses(t *testing.T, open func(t *testing.T) AddressStore) {
	ctx := context.Background()
	data := bytes.Repeat([]byte("%PDF-1.7 示例 "), 1000)
	sum := sha256.Sum256(data)
	u := document.Upload{ID: "u1", MediaType: document.PDF, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
	soon := func() time.Time { return time.Now().Add(time.Minute) }
	t.Run("an address takes its bytes, once", func(t *testing.T) {
		s := open(t)
		a, err := s.Uploads.UploadAddress(ctx, u, soon())
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := send(t, a, data); status != 200 {
			t.Fatalf("the upload was answered with %d", status)
		}
		if got := s.Uploaded(t, "u1", document.PDF); !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came, want %d", len(got), len(data))
		}
		if status, _ := send(t, a, data); status != 412 {
			t.Errorf("the same bytes again were answered with %d", status)
		}
	})
	t.Run("an address takes no other bytes", func(t *testing.T) {
		s := open(t)
		if s.Lenient {
			t.Log("the server does not look at what was signed: not asked")
			return
		}
		a, err := s.Uploads.UploadAddress(ctx, u, soon())
		if err != nil {
			t.Fatal(err)
		}
		other := bytes.Clone(data)
		other[100]++
		for name, sent := range map[string][]byte{"others": other, "fewer": data[1:], "more": append(bytes.Clone(data), 0), "none": nil} {
			if status, _ := send(t, a, sent); status < 400 || status > 499 {
				t.Errorf("%s: answered with %d", name, status)
			}
		}
		late, err := s.Uploads.UploadAddress(ctx, u, time.Now().Add(-time.Second))
		if err == nil { // S3's is not even made
			if status, _ := send(t, late, data); status != 403 {
				t.Errorf("an address of the past was answered with %d", status)
			}
		}
		get := a
		get.Method = http.MethodGet
		if status, _ := send(t, get, nil); status != 403 {
			t.Errorf("the address of an upload was read from: %d", status)
		}
		if got := s.Uploaded(t, "u1", document.PDF); got != nil {
			t.Errorf("%d bytes came by a refused upload", len(got))
		}
	})
	t.Run("a result is fetched at its address, and nothing else is", func(t *testing.T) {
		s := open(t)
		r := document.Result{Order: "o1", MediaType: document.PDF}
		s.Put(t, "j1", r, data)
		s.Put(t, "j2", r, []byte("another's"))
		a, err := s.Results.ResultAddress(ctx, "j1", r, soon())
		if err != nil {
			t.Fatal(err)
		}
		if status, got := send(t, a, nil); status != 200 || !bytes.Equal(got, data) {
			t.Fatalf("the result was answered with %d and %d bytes", status, len(got))
		}
		if _, err := s.Results.ResultAddress(ctx, "j1", document.Result{Order: "../j2/o1", MediaType: document.PDF},
			soon()); err == nil {
			t.Error("an address left the results of its job")
		}
		if _, err := s.Results.ResultAddress(ctx, "j1", document.Result{Order: "o1", MediaType: "text/html"}, soon()); err == nil {
			t.Error("an address for what is no document")
		}
		if s.Lenient {
			return
		}
		for name, change := range map[string]func(string) string{
			"another's result": func(url string) string { return replace(t, url, "/j1/", "/j2/") },
			"another type":     func(url string) string { return replace(t, url, "pdf&", "html&") },
		} {
			changed := a
			changed.URL = change(a.URL)
			if status, _ := send(t, changed, nil); status != 403 {
				t.Errorf("%s: answered with %d", name, status)
			}
		}
	})
}

func replace(t *testing.T, url, old, new string) string {
	t.Helper()
	changed := string(bytes.ReplaceAll([]byte(url), []byte(old), []byte(new)))
	if changed == url {
		changed = url + "0" // an address without the text is spoilt otherwise
	}
	return changed
}

func send(t *testing.T, a document.Address, data []byte) (status int, body []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), a.Method, a.URL, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range a.Header {
		r.Header[name] = values
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}
