package aws_test

import (
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/aws/dynamotest"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/document/documenttest"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/seal/sealtest"
)

// openBlobs makes the blobs of some prefixes in one empty bucket at S3_ENDPOINT, or ends the test.
func openBlobs(t *testing.T, prefixes ...string) []*aws.Blobs {
	t.Helper()
	endpoint := os.Getenv("S3_ENDPOINT")
	if endpoint == "" {
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatal("needs S3_ENDPOINT; python3 infra/aws/moto.py -- go test ./infra/aws/... sets it")
		}
		t.Skip("needs S3_ENDPOINT")
	}
	config, bucket := dynamotest.Config(endpoint), "test-"+strings.ToLower(rand.Text())
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	var list []*aws.Blobs
	for _, prefix := range prefixes {
		b, err := aws.OpenBlobs(aws.BlobsOptions{Config: config, Rand: rand.Reader, Bucket: bucket, Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

func openDocuments(t *testing.T) documenttest.Store {
	db, events, set := open(t, documenttest.Noon)
	states := aws.JobStates{DB: db}
	return documenttest.Store{Uploads: aws.Uploads{DB: db}, Jobs: states, Claims: states, Open: states, Events: events, SetNow: set,
		Begin: func(t *testing.T, id, person, client string, at time.Time) {
			e := audit.Event{ID: "begin" + id, Time: at, Action: "seal.submit", Object: "seal/s1", Outcome: audit.Done}
			if err := (aws.Jobs{DB: db}).BeginJob(t.Context(), seal.Job{ID: id, Person: person, Client: client, At: at}, e); err != nil {
				t.Fatal(err)
			}
		}}
}

func TestUploadsKeepTheContract(t *testing.T)   { documenttest.Uploads(t, openDocuments) }
func TestJobStatesKeepTheContract(t *testing.T) { documenttest.Jobs(t, openDocuments) }

func TestAddressesKeepTheContract(t *testing.T) {
	documenttest.Addresses(t, func(t *testing.T) documenttest.AddressStore {
		b := openBlobs(t, "uploads/", "results/")
		uploads := aws.Uploads{DB: &aws.DB{Now: time.Now}, Blobs: b[0]}
		results := aws.Results{Blobs: b[1], Now: time.Now}
		return documenttest.AddressStore{Uploads: uploads, Results: results,
			Lenient: os.Getenv("YINXIN_ENGINE") == "moto",
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
		db, events, _ := open(t, noon)
		return aws.Jobs{DB: db}, events
	})
}

func TestResultsKeepTheContract(t *testing.T) {
	sealtest.Results(t, func(t *testing.T) seal.Results { return aws.Results{Blobs: openBlobs(t, "results/")[0], Now: time.Now} })
}

func TestSealUploadsKeepTheContract(t *testing.T) {
	sealtest.Uploads(t, func(t *testing.T) sealtest.UploadStore {
		blobs := openBlobs(t, "uploads/")[0]
		db, _, set := open(t, noon)
		s := aws.Uploads{DB: db, Blobs: blobs}
		return sealtest.UploadStore{Uploads: s, SetNow: set,
			Save: func(t *testing.T, u seal.Upload, until time.Time) {
				if err := s.SaveUpload(t.Context(), document.Upload{ID: u.ID, MediaType: u.MediaType, SHA256: u.SHA256,
					Person: u.Person, Client: u.Client, Until: until}, told("e"+u.ID)); err != nil {
					t.Fatal(err)
				}
			},
			Send: func(t *testing.T, u seal.Upload, data []byte) {
				if err := blobs.PutBlob(t.Context(), u.ID+".pdf", data); err != nil {
					t.Fatal(err)
				}
			}}
	})
}
