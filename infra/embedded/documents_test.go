package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/document/documenttest"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/seal/sealtest"
)

// clockedStore opens a store whose clock a test sets.
func clockedStore(t *testing.T, at time.Time) (*DB, func(time.Time)) {
	t.Helper()
	var now atomic.Pointer[time.Time]
	set := func(at time.Time) { now.Store(&at) }
	set(at)
	db, err := Open(t.TempDir()+"/store.db", Options{Now: func() time.Time { return *now.Load() }, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, set
}

func openDocuments(t *testing.T) documenttest.Store {
	db, set := clockedStore(t, documenttest.Noon)
	states := JobStates{db}
	return documenttest.Store{Uploads: Uploads{DB: db}, Jobs: states, Claims: states, Open: states, Events: Events{db}, SetNow: set,
		Begin: func(t *testing.T, id, person, client string, at time.Time) {
			e := audit.Event{ID: "begin" + id, Time: at, Action: "seal.submit", Object: "seal/s1", Outcome: audit.Done}
			if err := (Jobs{db}).BeginJob(t.Context(), seal.Job{ID: id, Person: person, Client: client, At: at}, e); err != nil {
				t.Fatal(err)
			}
		}}
}

func TestUploadsKeepTheContract(t *testing.T)   { documenttest.Uploads(t, openDocuments) }
func TestJobStatesKeepTheContract(t *testing.T) { documenttest.Jobs(t, openDocuments) }

// openBlobs makes an empty directory of blobs behind a server of its own.
func openBlobs(t *testing.T) Blobs {
	t.Helper()
	b := Blobs{Dir: t.TempDir(), Key: make([]byte, 32), Now: time.Now}
	s := httptest.NewServer(http.StripPrefix("/blobs/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.ServeHTTP(w, r) })))
	t.Cleanup(s.Close)
	b.Base = s.URL + "/blobs/"
	return b
}

func TestAddressesKeepTheContract(t *testing.T) {
	documenttest.Addresses(t, func(t *testing.T) documenttest.AddressStore {
		b := openBlobs(t)
		uploads, results := Uploads{Blobs: b}, Results{Blobs: b}
		return documenttest.AddressStore{Uploads: uploads, Results: results,
			Uploaded: func(t *testing.T, id, mediaType string) []byte {
				data, err := uploads.Uploaded(t.Context(), id, mediaType)
				if err != nil && !errors.Is(err, seal.ErrUnknown) {
					t.Fatal(err)
				}
				return data
			},
			Put: func(t *testing.T, job string, r document.Result, data []byte) {
				if err := results.PutResult(t.Context(), job, r.Order, r.MediaType, data); err != nil {
					t.Fatal(err)
				}
			}}
	})
}

func TestJobsKeepTheContract(t *testing.T) {
	sealtest.Jobs(t, func(t *testing.T) (seal.Jobs, audit.Reader) {
		db, _ := clockedStore(t, documenttest.Noon)
		return Jobs{db}, Events{db}
	})
}

func TestResultsKeepTheContract(t *testing.T) {
	sealtest.Results(t, func(t *testing.T) seal.Results { return Results{Blobs: openBlobs(t)} })
}

func TestSealUploadsKeepTheContract(t *testing.T) {
	sealtest.Uploads(t, func(t *testing.T) sealtest.UploadStore {
		db, set := clockedStore(t, documenttest.Noon)
		s := Uploads{DB: db, Blobs: openBlobs(t)}
		return sealtest.UploadStore{Uploads: s, SetNow: set,
			Save: func(t *testing.T, u seal.Upload, until time.Time) {
				e := audit.Event{ID: "e" + u.ID, Time: documenttest.Noon, Action: "document.upload", Outcome: audit.Done}
				if err := s.SaveUpload(context.Background(), document.Upload{ID: u.ID, MediaType: u.MediaType, SHA256: u.SHA256,
					Person: u.Person, Client: u.Client, Until: until}, e); err != nil {
					t.Fatal(err)
				}
			},
			Send: func(t *testing.T, u seal.Upload, data []byte) {
				if err := s.Blobs.PutBlob("uploads/"+u.ID+".pdf", data); err != nil {
					t.Fatal(err)
				}
			}}
	})
}

func TestNamesOfBlobsStayInsideTheirDirectory(t *testing.T) {
	b := openBlobs(t)
	for _, name := range []string{"", "/", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", "a b", "a\x00", "示例", `a\b`, "a?b", "a%2Fb"} {
		if err := b.PutBlob(name, nil); err == nil {
			t.Errorf("PutBlob took the name %q", name)
		}
		if _, err := b.Blob(name); err == nil || errors.Is(err, ErrBlobUnknown) {
			t.Errorf("Blob of the name %q = %v", name, err)
		}
		if _, err := b.DownloadAddress(name, document.PDF, time.Now().Add(time.Minute)); err == nil {
			t.Errorf("DownloadAddress took the name %q", name)
		}
		if _, _, err := b.UploadAddress(name, document.PDF, 1, fmt.Sprintf("%064d", 0), time.Now().Add(time.Minute)); err == nil {
			t.Errorf("UploadAddress took the name %q", name)
		}
	}
}
