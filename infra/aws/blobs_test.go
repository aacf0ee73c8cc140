package aws

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yinxin/yinxin/shared/licence"
)

func s3Config(endpoint string, over http.RoundTripper) sdk.Config {
	c := sdk.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("KEY", "secret", "")}
	if endpoint != "" {
		c.BaseEndpoint = &endpoint
	}
	if over != nil {
		c.HTTPClient = &http.Client{Transport: over}
	}
	return c
}

// script is a bucket that answers as it is told, request after request, and remembers what it was asked.
type script struct {
	t       *testing.T
	answers []answer
	asked   []asked
}

type answer struct {
	status int
	header map[string]string
	body   string
	lost   bool
}

type asked struct {
	method, url string
	header      http.Header
	body        string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	a := asked{method: r.Method, url: r.URL.String(), header: r.Header}
	if r.Body != nil {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		a.body = string(data)
	}
	s.asked = append(s.asked, a)
	if len(s.answers) == 0 {
		s.t.Errorf("%s %s was not expected", r.Method, r.URL)
		return nil, io.EOF
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	if next.lost {
		return nil, io.ErrUnexpectedEOF
	}
	h := http.Header{}
	for name, value := range next.header {
		h.Set(name, value)
	}
	return &http.Response{StatusCode: next.status, Header: h, Body: io.NopCloser(strings.NewReader(next.body)), ContentLength: int64(len(next.body))}, nil
}

func s3Error(status int, code string) answer {
	return answer{status: status, header: map[string]string{"Content-Type": "application/xml"},
		body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>m</Message></Error>`}
}

func (s *script) blobs(change func(*BlobsOptions)) *Blobs {
	o := BlobsOptions{Config: s3Config("", s), Rand: rand.Reader, Bucket: "bucket", Prefix: "artefacts/"}
	if change != nil {
		change(&o)
	}
	b, err := OpenBlobs(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// TestTheRequestsAboutBlobs compares what is sent with the S3 API Reference: PutObject with If-None-Match, checksum and
// encryption at rest, GetObject with the checksum of what was stored.
func TestTheRequestsAboutBlobs(t *testing.T) {
	digest := sha256.Sum256([]byte("face"))
	checksum := base64.StdEncoding.EncodeToString(digest[:])
	s := &script{t: t, answers: []answer{{status: 200}, {status: 200}, {status: 200, body: "face", header: map[string]string{"X-Amz-Checksum-Sha256": checksum}}}}
	if err := s.blobs(nil).PutBlob(t.Context(), "l1/2/face.pdf", []byte("face")); err != nil {
		t.Fatal(err)
	}
	kept := s.blobs(func(o *BlobsOptions) { o.KMSKey, o.Owner = "arn:aws:kms:us-east-1:111122223333:key/1", "111122223333" })
	if err := kept.PutBlob(t.Context(), "l1/2/face.ofd", []byte("face")); err != nil {
		t.Fatal(err)
	}
	if data, err := kept.Blob(t.Context(), "l1/2/face.ofd"); err != nil || string(data) != "face" {
		t.Fatalf("Blob = %q, %v", data, err)
	}
	type want struct {
		method, url, body string
		header            map[string]string
		absent            []string
	}
	for i, w := range []want{
		{"PUT", "https://bucket.s3.us-east-1.amazonaws.com/artefacts/l1/2/face.pdf?x-id=PutObject", "face", map[string]string{
			"If-None-Match": "*", "Content-Type": "application/pdf", "X-Amz-Checksum-Sha256": checksum, "X-Amz-Server-Side-Encryption": "AES256",
		}, []string{"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Checksum-Crc32", "X-Amz-Trailer", "X-Amz-Acl", "X-Amz-Expected-Bucket-Owner"}},
		{"PUT", "https://bucket.s3.us-east-1.amazonaws.com/artefacts/l1/2/face.ofd?x-id=PutObject", "face", map[string]string{
			"If-None-Match": "*", "Content-Type": "application/ofd", "X-Amz-Checksum-Sha256": checksum,
			"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "arn:aws:kms:us-east-1:111122223333:key/1",
			"X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": "true", "X-Amz-Expected-Bucket-Owner": "111122223333",
		}, []string{"X-Amz-Checksum-Crc32", "X-Amz-Trailer", "X-Amz-Acl"}},
		{"GET", "https://bucket.s3.us-east-1.amazonaws.com/artefacts/l1/2/face.ofd?x-id=GetObject", "", map[string]string{
			"X-Amz-Checksum-Mode": "ENABLED", "X-Amz-Expected-Bucket-Owner": "111122223333",
		}, nil},
	} {
		got := s.asked[i]
		if got.method != w.method || got.url != w.url || got.body != w.body {
			t.Errorf("request %d is %s %s %q, want %s %s %q", i, got.method, got.url, got.body, w.method, w.url, w.body)
		}
		for name, value := range w.header {
			if got.header.Get(name) != value {
				t.Errorf("request %d has %s: %q, want %q", i, name, got.header.Get(name), value)
			}
		}
		for _, name := range w.absent {
			if value := got.header.Get(name); value != "" {
				t.Errorf("request %d has %s: %q, want none", i, name, value)
			}
		}
	}
}

func TestWhatS3RefusesIsTriedAgainOrSaid(t *testing.T) {
	taken, same := s3Error(412, "PreconditionFailed"), answer{status: 200, body: "face"}
	for name, c := range map[string]struct {
		answers []answer
		want    error // nil for success, errFault for any other
	}{
		"the name is free":                {[]answer{{status: 200}}, nil},
		"the same bytes stand":            {[]answer{taken, same}, nil},
		"other bytes stand":               {[]answer{taken, {status: 200, body: "other"}}, ErrBlobTaken},
		"what stands cannot be read":      {[]answer{taken, s3Error(403, "AccessDenied")}, errFault},
		"what stood is gone":              {[]answer{taken, s3Error(404, "NoSuchKey")}, ErrBlobUnknown},
		"a conflict, then free":           {[]answer{s3Error(409, "ConditionalRequestConflict"), {status: 200}}, nil},
		"slow down, then free":            {[]answer{s3Error(503, "SlowDown"), s3Error(503, "SlowDown"), {status: 200}}, nil},
		"a lost answer, then our own":     {[]answer{{lost: true}, taken, same}, nil},
		"a role without the right":        {[]answer{s3Error(403, "AccessDenied")}, errFault},
		"a digest that S3 does not share": {[]answer{s3Error(400, "BadDigest")}, errFault},
	} {
		s := &script{t: t, answers: c.answers}
		err := s.blobs(nil).PutBlob(t.Context(), "n", []byte("face"))
		switch {
		case c.want == nil && err != nil, c.want != nil && err == nil, c.want != nil && c.want != errFault && !errors.Is(err, c.want):
			t.Errorf("%s: PutBlob = %v, want %v", name, err, c.want)
		}
		if len(s.answers) != 0 {
			t.Errorf("%s: %d answers were not asked for", name, len(s.answers))
		}
	}
	for name, c := range map[string]struct {
		answer
		want error
	}{
		"a face":                {answer{status: 200, body: "face"}, nil},
		"no such name":          {s3Error(404, "NoSuchKey"), licence.ErrUnknown},
		"no such bucket":        {s3Error(404, "NoSuchBucket"), errFault},
		"no right":              {s3Error(403, "AccessDenied"), errFault},
		"longer than it may be": {answer{status: 200, body: strings.Repeat("x", 101)}, errFault},
		"another digest": {answer{status: 200, body: "face", header: map[string]string{
			"X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(make([]byte, 32))}}, errFault},
	} {
		s := &script{t: t, answers: []answer{c.answer}}
		data, err := Artefacts{s.blobs(func(o *BlobsOptions) { o.Max = 100 })}.Artefact(t.Context(), "n")
		switch {
		case c.want == nil:
			if err != nil || string(data) != "face" {
				t.Errorf("%s: Artefact = %q, %v", name, data, err)
			}
		case err == nil || data != nil || (c.want == licence.ErrUnknown) != errors.Is(err, licence.ErrUnknown):
			t.Errorf("%s: Artefact = %q, %v, want %v", name, data, err, c.want)
		}
	}
}

var errFault = errors.New("any fault")

func TestNamesOfBlobsStayInsideTheirPrefix(t *testing.T) {
	b := (&script{t: t}).blobs(func(o *BlobsOptions) { o.Max = 10 })
	for _, name := range []string{"", "/", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a b", "a\x00", "示例", `a\b`, "a?b", "a#b", "a%2Fb",
		strings.Repeat("a", 901)} {
		if err := b.PutBlob(t.Context(), name, nil); err == nil {
			t.Errorf("PutBlob took the name %q", name)
		}
		if _, err := b.Blob(t.Context(), name); err == nil {
			t.Errorf("Blob took the name %q", name)
		}
		if _, err := b.Stands(t.Context(), name); err == nil {
			t.Errorf("Stands took the name %q", name)
		}
		if _, err := b.DownloadAddress(t.Context(), name, time.Now(), time.Now().Add(time.Minute)); err == nil {
			t.Errorf("DownloadAddress took the name %q", name)
		}
	}
	if err := b.PutBlob(t.Context(), "a", make([]byte, 11)); err == nil {
		t.Error("a blob longer than it may be was written")
	}
	for _, o := range []BlobsOptions{{Bucket: "b", Rand: rand.Reader, Prefix: "p"}, {Bucket: "b", Rand: rand.Reader}, {Rand: rand.Reader, Prefix: "p/"}} {
		if _, err := OpenBlobs(o); err == nil {
			t.Errorf("OpenBlobs took %+v", o)
		}
	}
}

// TestAnAddressBindsWhatMayBeUploaded reads the query of a presigned request (IAM User Guide, "Authenticating requests: using
// query parameters"): what is signed cannot be left out or be other.
func TestAnAddressBindsWhatMayBeUploaded(t *testing.T) {
	b := (&script{t: t}).blobs(func(o *BlobsOptions) { o.Owner = "111122223333" })
	now := time.Now()
	digest := sha256.Sum256([]byte("document"))
	up, err := b.UploadAddress(t.Context(), "d1/document.pdf", 8, digest, now, now.Add(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	signed := strings.Split(u.Query().Get("X-Amz-SignedHeaders"), ";")
	bound := func(name, want string) {
		t.Helper()
		inQuery := ""
		for other, values := range u.Query() {
			if strings.EqualFold(other, name) {
				inQuery = values[0]
			}
		}
		if got := up.Header.Get(name); !(got == want && slices.Contains(signed, strings.ToLower(name))) && inQuery != want {
			t.Errorf("%s is %q in the signed headers %v and %q in the query, want %q", name, got, signed, inQuery, want)
		}
	}
	bound("If-None-Match", "*")
	bound("Content-Length", "8")
	bound("Content-Type", "application/pdf")
	bound("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(digest[:]))
	if !slices.Contains(signed, "x-amz-checksum-sha256") { // S3 looks at no digest in a query: aws/aws-sdk-go-v2#2610
		t.Errorf("the digest is none of the signed headers %v", signed)
	}
	bound("X-Amz-Server-Side-Encryption", "AES256")
	bound("X-Amz-Expected-Bucket-Owner", "111122223333")
	if up.Method != "PUT" || u.Path != "/artefacts/d1/document.pdf" || u.Query().Get("X-Amz-Expires") != "600" || !up.Until.Equal(now.Add(10*time.Minute)) {
		t.Errorf("the address is %s %s until %v", up.Method, up.URL, up.Until)
	}
	down, err := b.DownloadAddress(t.Context(), "d1/document.pdf", now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if u, err = url.Parse(down.URL); err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if down.Method != "GET" || q.Get("X-Amz-Expires") != "60" || q.Get("response-content-type") != "application/pdf" ||
		q.Get("response-content-disposition") != `attachment; filename="document.pdf"` || len(down.Header) != 0 {
		t.Errorf("the address is %s %s with %v", down.Method, down.URL, down.Header)
	}
	for _, life := range []time.Duration{0, -time.Minute, time.Hour + time.Second} {
		if _, err := b.DownloadAddress(t.Context(), "d", now, now.Add(life)); err == nil {
			t.Errorf("an address for %v was given", life)
		}
		if _, err := b.UploadAddress(t.Context(), "d", 1, digest, now, now.Add(life)); err == nil {
			t.Errorf("an address for %v was given", life)
		}
	}
	if _, err := b.UploadAddress(t.Context(), "d", defaultMaxBlob+1, digest, now, now.Add(time.Minute)); err == nil {
		t.Error("an address for too much was given")
	}
}

// openBucket makes a bucket at S3_ENDPOINT, or skips the test.
func openBucket(t *testing.T) *Blobs {
	t.Helper()
	endpoint := os.Getenv("S3_ENDPOINT")
	if endpoint == "" {
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatal("needs S3_ENDPOINT; python3 infra/aws/moto.py -- go test ./infra/aws/... sets it")
		}
		t.Skip("needs S3_ENDPOINT")
	}
	b, err := OpenBlobs(BlobsOptions{Config: s3Config(endpoint, nil), Rand: rand.Reader, Prefix: "artefacts/", Max: 1 << 20,
		Bucket: "test-" + strings.ToLower(rand.Text())})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b.o.Bucket}); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestABlobIsWrittenOnce(t *testing.T) {
	b := openBucket(t)
	const writers = 50
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = b.PutBlob(t.Context(), "one", []byte{byte(i)})
		}()
	}
	wg.Wait()
	stands, err := b.Blob(t.Context(), "one")
	if err != nil || len(stands) != 1 {
		t.Fatalf("Blob = %v, %v", stands, err)
	}
	for i, err := range errs {
		if (i == int(stands[0])) != (err == nil) || err != nil && !errors.Is(err, ErrBlobTaken) {
			t.Errorf("writer %d of what stands by %d: %v", i, stands[0], err)
		}
	}
	if err := b.PutBlob(t.Context(), "one", stands); err != nil {
		t.Errorf("the same bytes again: %v", err)
	}
	for name, want := range map[string]bool{"one": true, "two": false} {
		if got, err := b.Stands(t.Context(), name); err != nil || got != want {
			t.Errorf("Stands(%s) = %v, %v", name, got, err)
		}
	}
	if _, err := b.Blob(t.Context(), "two"); !errors.Is(err, ErrBlobUnknown) {
		t.Errorf("another name: %v, want ErrBlobUnknown", err)
	}
}

func TestAnAddressUploadsOnceAndDownloads(t *testing.T) {
	b := openBucket(t)
	now, data := time.Now(), []byte("document")
	up, err := b.UploadAddress(t.Context(), "d.pdf", int64(len(data)), sha256.Sum256(data), now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := send(t, up, data); status != 200 {
		t.Fatalf("the upload: %d", status)
	}
	if got, err := b.Blob(t.Context(), "d.pdf"); err != nil || !bytes.Equal(got, data) {
		t.Errorf("Blob = %q, %v", got, err)
	}
	if status, _ := send(t, up, data); status != 412 {
		t.Errorf("the second upload: %d, want 412", status)
	}
	down, err := b.DownloadAddress(t.Context(), "d.pdf", now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if status, got := send(t, down, nil); status != 200 || !reflect.DeepEqual(got, data) {
		t.Errorf("the download: %d %q", status, got)
	}
}

func send(t *testing.T, a Address, data []byte) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), a.Method, a.URL, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = a.Header.Clone()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}
