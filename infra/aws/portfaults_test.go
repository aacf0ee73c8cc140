package aws_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/notice"
	"github.com/yinxin/yinxin/shared/seal"
)

// Every port is tried under faults: those that are a request or two to DynamoDB by the scripts of faults_test.go, the
// others here, where each request of a call meets each fault on its way to the servers of the tests.

// tried is a call of ports that is tried under faults.
type tried struct {
	name  string
	ports string // "key.Maker", or several with spaces between
	// begin prepares a call over connections that will fail, and returns it: what comes of it is the same every time.
	begin func(t *testing.T, s *process) func(ctx context.Context) (string, error)
	// asked says that it is not sent again by itself, since nobody knows whether it took effect: who asks decides.
	asked bool
	// cleans says that a call that fails looks at what stands or puts something away, which are requests more.
	cleans bool
	// bytes says that the answers are bytes of no form: any are good.
	bytes bool
}

// faulty lets one request of a process fail, or that one and all after it.
type faulty struct {
	next  http.RoundTripper
	fault func(r *http.Request, next http.RoundTripper) (*http.Response, error)
	at    int // counted from 1; 0: none
	stays bool

	mu sync.Mutex
	n  int
}

// RoundTrip implements [http.RoundTripper].
func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.n++
	fails := f.n == f.at || f.stays && f.at > 0 && f.n > f.at
	f.mu.Unlock()
	if fails {
		return f.fault(r, f.next)
	}
	return f.next.RoundTrip(r)
}

// refusing answers as the service of a request refuses: by a code and a status, as its API Reference has them.
func refusing(of map[string]string) func(*http.Request, http.RoundTripper) (*http.Response, error) {
	return func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		target, path := r.Header.Get("X-Amz-Target"), r.URL.Path
		service, form := "s3", `<?xml version="1.0"?><Error><Code>%s</Code><Message>made by a test</Message></Error>`
		switch {
		case strings.Contains(path, "/functions/"), strings.Contains(path, "/est/"):
			service, form = "lambda", `{"Type":"User","Message":"made by a test","__type":"%s"}`
		case strings.HasPrefix(target, "TrentService."):
			service, form = "kms", `{"__type":"%s","message":"made by a test"}`
		case strings.HasPrefix(target, "DynamoDB_"):
			service, form = "dynamodb", `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"made by a test"}`
		case strings.HasPrefix(target, "AmazonSQS."):
			service, form = "sqs", `{"__type":"com.amazonaws.sqs#%s","message":"made by a test"}`
		}
		var status int
		var code string
		if _, err := fmt.Sscanf(of[service], "%d %s", &status, &code); err != nil {
			return nil, fmt.Errorf("no refusal of %s: %w", service, err)
		}
		body := fmt.Sprintf(form, code)
		return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
			Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func failing(err error) func(*http.Request, http.RoundTripper) (*http.Response, error) {
	return func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, err }
}

// lost lets a request take effect, and its answer does not come.
func lost(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	answer, err := next.RoundTrip(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, answer.Body) // nobody reads it
		_ = answer.Body.Close()
	}
	return nil, timeout{}
}

func garbled(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader("<html>"))}, nil
}

type faultFunc = func(*http.Request, http.RoundTripper) (*http.Response, error)

// after which the same request may succeed.
func passingFaults() map[string]faultFunc {
	return map[string]faultFunc{
		"throttled": refusing(map[string]string{"dynamodb": "400 ProvisionedThroughputExceededException", "kms": "400 ThrottlingException",
			"s3": "503 SlowDown", "sqs": "400 RequestThrottled", "lambda": "429 TooManyRequestsException"}),
		"a fault of the service": refusing(map[string]string{"dynamodb": "500 InternalServerError", "kms": "500 KMSInternalException",
			"s3": "500 InternalError", "sqs": "500 InternalFailure", "lambda": "500 ServiceException"}),
		"no answer":            failing(timeout{}),
		"a connection breaks":  failing(syscall.ECONNRESET),
		"the answer gets lost": lost,
	}
}

// after which the same request would fail again.
func wrongFaults() map[string]faultFunc {
	return map[string]faultFunc{
		"access denied": refusing(map[string]string{"dynamodb": "400 AccessDeniedException", "kms": "400 AccessDeniedException",
			"s3": "403 AccessDenied", "sqs": "403 AccessDenied", "lambda": "403 AccessDeniedException"}),
		"credentials that expired": refusing(map[string]string{"dynamodb": "400 ExpiredTokenException", "kms": "400 ExpiredTokenException",
			"s3": "400 ExpiredToken", "sqs": "403 ExpiredToken", "lambda": "403 ExpiredTokenException"}),
	}
}

// faultyProcess is a process whose requests meet a fault.
func (p *platform) faultyProcess(f *faulty) *process {
	s := p.process(0, false)
	f.next = s.next
	s.next = f
	return s
}

const mostAttempts = 6

func TestEveryPortMeetsFaultsAsItsContractSays(t *testing.T) {
	p := newPlatform(t)
	for _, c := range triedCalls() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clean := &faulty{}
			call := c.begin(t, p.faultyProcess(clean))
			before := clean.n
			want, err := call(t.Context())
			if err != nil {
				t.Fatalf("without faults: %v", err)
			}
			requests := clean.n - before
			run := func(f *faulty, n int) (sent int, got string, err error) {
				s := p.faultyProcess(f)
				call := c.begin(t, s)
				before := f.n
				f.at = before + n
				got, err = call(t.Context())
				return f.n - before, got, err
			}
			for n := 1; n <= requests; n++ {
				for name, fault := range passingFaults() {
					sent, got, err := run(&faulty{fault: fault}, n)
					switch {
					case !c.asked && (err != nil || got != want):
						t.Errorf("%s at request %d: %q, %v, want %q", name, n, got, err, want)
					case c.asked && (err == nil || isFact(err) || sent != n):
						t.Errorf("%s at request %d: %v after %d requests, want a fault and no more", name, n, err, sent)
					}
				}
				for name, fault := range wrongFaults() {
					sent, _, err := run(&faulty{fault: fault}, n)
					if err == nil || isFact(err) || sent != n && !c.cleans {
						t.Errorf("%s at request %d: %v after %d requests", name, n, err, sent)
					}
				}
			}
			if requests == 0 {
				return
			}
			for name, fault := range map[string]faultFunc{"throttled": passingFaults()["throttled"], "garbled": garbled} {
				sent, _, err := run(&faulty{fault: fault, stays: true}, 1)
				if err == nil && !(c.bytes && name == "garbled") || isFact(err) || sent > mostAttempts {
					t.Errorf("%s, and it stays so: %v after %d requests", name, err, sent)
				}
			}
			// A service that does not answer has the time of the invocation, and no longer.
			hangs := &faulty{stays: true, fault: func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}}
			call = c.begin(t, p.faultyProcess(hangs))
			hangs.at = hangs.n + 1
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			began := time.Now()
			if _, err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
				t.Errorf("a service that does not answer: %v after %v", err, time.Since(began))
			}
		})
	}
}

// isFact tells whether an error says something of a record.
func isFact(err error) bool {
	return isSentinel(err) || slices.ContainsFunc([]error{key.ErrUnknown, document.ErrUnknown, document.ErrExists, document.ErrClaimed,
		document.ErrEnded, aws.ErrBlobUnknown, aws.ErrBlobTaken}, func(fact error) bool { return errors.Is(err, fact) })
}

// answeredBy is a process whose requests all go to one handler.
func answeredBy(s *process, h http.HandlerFunc) sdk.Config {
	s.next.(*faulty).next = roundTripper(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h(w, r)
		return w.Result(), nil
	})
	endpoint := "https://service.example"
	return sdk.Config{Region: "cn-north-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: s.mortal},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

// keysOf are keys in one custody.
func (s *process) keysOf(t *testing.T, c aws.Custody) *aws.Keys {
	t.Helper()
	k, err := aws.OpenKeys(aws.KeysOptions{DB: s.db, Config: s.platform.kmsConfig(s.mortal),
		Custody: map[key.Purpose]aws.Custody{key.LicenceIssuer: c, key.Token: c}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *process) blobs(t *testing.T, prefix string) *aws.Blobs {
	t.Helper()
	b, err := aws.OpenBlobs(aws.BlobsOptions{Config: s.platform.s3Config(s.mortal), Rand: rand.Reader, Bucket: s.platform.bucket, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const stampFunction = "arn:aws-cn:lambda:cn-north-1:111122223333:function:seal-stamp:live"

func triedCalls() []tried {
	list := []tried{
		{name: "the token keys are read", ports: "access.Keys", begin: func(_ *testing.T, s *process) func(context.Context) (string, error) {
			return func(ctx context.Context) (string, error) {
				set, err := aws.OpenTokenKeys(s.db, 0).TokenKeys(ctx)
				return fmt.Sprint(len(set.Keys)), err
			}
		}},
		{name: "a face is written", ports: "licence.Artefacts", bytes: true, begin: func(t *testing.T, s *process) func(context.Context) (string, error) {
			store, name := aws.Artefacts{Blobs: s.blobs(t, "faces/")}, strings.ToLower(rand.Text())
			return func(ctx context.Context) (string, error) { return "", store.PutArtefact(ctx, name, []byte("face")) }
		}},
		{name: "a face is read", ports: "licence.ArtefactReader", bytes: true, begin: func(t *testing.T, s *process) func(context.Context) (string, error) {
			store, name := aws.Artefacts{Blobs: s.blobs(t, "faces/")}, strings.ToLower(rand.Text())
			if err := store.PutArtefact(t.Context(), name, []byte("face")); err != nil {
				t.Fatal(err)
			}
			return func(ctx context.Context) (string, error) {
				data, err := store.Artefact(ctx, name)
				return string(data), err
			}
		}},
		{name: "a face is stamped", ports: "licence.FaceStamper", asked: true,
			begin: func(_ *testing.T, s *process) func(context.Context) (string, error) {
				c := answeredBy(s, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"result":"c3RhbXBlZA=="}`) })
				return func(ctx context.Context) (string, error) {
					face, err := aws.FaceStamper{Function: stampFunction, Config: c, Now: s.platform.now}.StampFace(ctx, licence.FaceOrder{})
					return string(face), err
				}
			}},
		{name: "a job is worked on", ports: "document.Worker", asked: true,
			begin: func(_ *testing.T, s *process) func(context.Context) (string, error) {
				c := answeredBy(s, func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, `{"result":{"order":"o1","sha256":"00"}}`)
				})
				return func(ctx context.Context) (string, error) {
					result, err := aws.JobWorker{Function: stampFunction, Config: c, Now: s.platform.now}.DoJob(ctx, "j1")
					return result.Order, err
				}
			}},
		{name: "a job is put on the queue", ports: "document.Queue", begin: func(_ *testing.T, s *process) func(context.Context) (string, error) {
			c := answeredBy(s, taken)
			return func(ctx context.Context) (string, error) {
				return "", aws.JobQueue{URL: "https://sqs.example/1/jobs", Config: c, Now: s.platform.now}.Enqueue(ctx, "j1")
			}
		}},
		{name: "a notice is sent", ports: "notice.Sender", begin: func(_ *testing.T, s *process) func(context.Context) (string, error) {
			c := answeredBy(s, taken)
			return func(ctx context.Context) (string, error) {
				return "", aws.Notices{URL: "https://sqs.example/1/notices.fifo", Config: c, Now: s.platform.now}.Send(ctx, notice.Notice{ID: "n1"})
			}
		}},
		{name: "a seal is certified", ports: "seal.Certifier", asked: true,
			begin: func(t *testing.T, s *process) func(context.Context) (string, error) {
				server := s.platform.authority.enrolment(t)
				name, err := cert.SealOwner("99000000000001", labourCode, "示例省人力资源和社会保障厅")
				if err != nil {
					t.Fatal(err)
				}
				csr, err := cert.CreateCSR(t.Context(), name, keytest.New(t, key.SM2SM3))
				if err != nil {
					t.Fatal(err)
				}
				c := aws.Certifier{Certificates: aws.Certificates{DB: s.db}, Anchors: aws.NewAnchors(s.platform.store.DB), Address: server.URL + "/.well-known/est/seal",
					Credential: "yinxin:secret", Client: &http.Client{Transport: s.mortal}}
				return func(ctx context.Context) (string, error) {
					chain, err := c.CertifySeal(ctx, csr, noon, noon.AddDate(1, 0, 0))
					return fmt.Sprint(len(chain)), err
				}
			}},
		{name: "a maker's certificate is read", ports: "seal.Certifier", begin: func(_ *testing.T, s *process) func(context.Context) (string, error) {
			return func(ctx context.Context) (string, error) {
				der, err := aws.Certificates{DB: s.db}.MakerCertificate(ctx, workshopCode)
				return digest(der), err
			}
		}},
		{name: "an issuer's chain is read", ports: "licence.IssuerCertificates", begin: func(_ *testing.T, s *process) func(context.Context) (string, error) {
			return func(ctx context.Context) (string, error) {
				chain, err := aws.Certificates{DB: s.db}.IssuerChain(ctx, key.LicenceIssuer, labourCode)
				return digest(chain...), err
			}
		}},
		{name: "a result is kept", ports: "seal.Results document.ResultAddresses", bytes: true, begin: func(t *testing.T, s *process) func(context.Context) (string, error) {
			r, job := aws.Results{Blobs: s.blobs(t, "results/"), Now: s.platform.now}, strings.ToLower(rand.Text())
			return func(ctx context.Context) (string, error) {
				if err := r.PutResult(ctx, job, "o1", document.PDF, []byte("%PDF")); err != nil {
					return "", err
				}
				data, err := r.Result(ctx, job, "o1", document.PDF)
				if err == nil {
					_, err = r.ResultAddress(ctx, job, document.Result{Order: "o1", MediaType: document.PDF}, s.platform.now().Add(time.Minute))
				}
				return string(data), err
			}
		}},
		{name: "a document is uploaded", ports: "document.UploadSaver document.UploadAddresses seal.Uploads",
			begin: func(t *testing.T, s *process) func(context.Context) (string, error) {
				store, sum := aws.Uploads{DB: s.db, Blobs: s.blobs(t, "uploads/")}, sha256.Sum256([]byte("%PDF"))
				u := document.Upload{ID: strings.ToLower(rand.Text()), MediaType: document.PDF, Size: 4, SHA256: hex.EncodeToString(sum[:]),
					Person: "sun", Until: noon.Add(time.Hour)}
				if err := s.blobs(t, "uploads/").PutBlob(t.Context(), u.ID+".pdf", []byte("%PDF")); err != nil {
					t.Fatal(err)
				}
				return func(ctx context.Context) (string, error) {
					if err := store.SaveUpload(ctx, u, told("upload-"+u.ID)); err != nil {
						return "", err
					}
					_, err := store.UploadAddress(ctx, u, s.platform.now().Add(time.Minute))
					if err != nil {
						return "", err
					}
					if _, err := store.Upload(ctx, u.ID); err != nil {
						return "", err
					}
					data, err := store.Uploaded(ctx, u.ID, document.PDF)
					return string(data), err
				}
			}},
		{name: "a job goes from its beginning to its end", ports: "seal.Jobs document.JobReader document.Claims document.OpenJobs",
			begin: func(_ *testing.T, s *process) func(context.Context) (string, error) {
				jobs, states, id := aws.Jobs{DB: s.db}, aws.JobStates{DB: s.db}, strings.ToLower(rand.Text())
				return func(ctx context.Context) (string, error) {
					if err := jobs.BeginJob(ctx, seal.Job{ID: id, At: noon, Person: "sun"}, told("begin-"+id)); err != nil {
						return "", err
					}
					if _, err := jobs.Job(ctx, id); err != nil {
						return "", err
					}
					j, err := states.ClaimJob(ctx, id, noon.Add(time.Hour))
					if err != nil {
						return "", err
					}
					open, err := states.OpenJobs(ctx, noon.Add(time.Hour), 0)
					if err != nil || !slices.Contains(open, id) {
						return "", errors.Join(err, fmt.Errorf("open are %v", open))
					}
					if err := states.EndJob(ctx, id, j.Attempt, document.End{Result: &document.Result{Order: "o1"}}, told("end-"+id)); err != nil {
						return "", err
					}
					ended, err := states.Job(ctx, id)
					return fmt.Sprint(ended.State, ended.Attempt), err
				}
			}},
	}
	for kind, custody := range map[string]func(p *platform) aws.Custody{
		"wrapped":  func(p *platform) aws.Custody { return aws.Custody{Kind: aws.Wrapped, KMSKey: p.wrapper} },
		"blind":    func(p *platform) aws.Custody { return aws.Custody{Kind: aws.Blind, KMSKey: p.wrapper} },
		"resident": func(*platform) aws.Custody { return aws.Custody{Kind: aws.Resident} },
	} {
		list = append(list, tried{name: "a key is made, " + kind, ports: "key.Maker", cleans: kind == "resident",
			begin: func(t *testing.T, s *process) func(context.Context) (string, error) {
				owner, k := strings.ToLower(rand.Text()), s.keysOf(t, custody(s.platform))
				return func(ctx context.Context) (string, error) {
					made, err := k.MakeKey(ctx, key.LicenceIssuer, owner, key.ES256)
					if err != nil {
						return "", err
					}
					// Whatever was tried again, there is one key, and it signs.
					other, err := s.platform.process(0, false).keysOf(t, custody(s.platform)).OpenKey(ctx, key.LicenceIssuer, owner)
					if err == nil {
						_, err = key.Sign(ctx, other, []byte("印"))
					}
					return fmt.Sprint(err == nil && made.KeyID() == other.KeyID()), err
				}
			}},
			tried{name: "a key signs, " + kind, ports: "key.Opener", begin: func(t *testing.T, s *process) func(context.Context) (string, error) {
				owner := strings.ToLower(rand.Text())
				k := s.platform.process(0, false).keysOf(t, custody(s.platform))
				if _, err := k.MakeKey(t.Context(), key.LicenceIssuer, owner, key.SM2SM3); err != nil {
					if _, err = k.MakeKey(t.Context(), key.LicenceIssuer, owner, key.ES256); err != nil {
						t.Fatal(err)
					}
				}
				return func(ctx context.Context) (string, error) {
					signer, err := s.keysOf(t, custody(s.platform)).OpenKey(ctx, key.LicenceIssuer, owner)
					if err == nil {
						_, err = key.Sign(ctx, signer, []byte("印"))
					}
					return "", err
				}
			}},
			tried{name: "a key is rotated, " + kind, ports: "key.Rotator", cleans: true,
				begin: func(t *testing.T, s *process) func(context.Context) (string, error) {
					owner := strings.ToLower(rand.Text())
					if _, err := s.platform.process(0, false).keysOf(t, custody(s.platform)).MakeKey(t.Context(), key.Token, owner, key.ES256); err != nil {
						t.Fatal(err)
					}
					s.db.Now = func() time.Time { return s.platform.now().Add(23 * time.Hour) }
					k := s.keysOf(t, custody(s.platform))
					return func(ctx context.Context) (string, error) {
						return "", k.RotateKey(ctx, key.Token, owner, key.Rotation{Every: 24 * time.Hour, Ahead: time.Hour, Accept: time.Hour})
					}
				}})
		if kind != "blind" {
			list = append(list, tried{name: "a certificate is requested, " + kind, ports: "cert.Requester", cleans: kind == "resident",
				begin: func(t *testing.T, s *process) func(context.Context) (string, error) {
					owner, k := strings.ToLower(rand.Text()), s.keysOf(t, custody(s.platform))
					return func(ctx context.Context) (string, error) {
						csr, err := k.RequestKey(ctx, key.LicenceIssuer, owner, key.ES256, cert.Name{Country: "CN", CommonName: "示例"})
						if err != nil {
							return "", err
						}
						again, err := s.platform.process(0, false).keysOf(t, custody(s.platform)).RequestKey(ctx, key.LicenceIssuer, owner, key.ES256,
							cert.Name{Country: "CN", CommonName: "示例"})
						return fmt.Sprint(bytes.Equal(csr, again)), err
					}
				}})
		}
	}
	return list
}

// taken is how SQS answers who sent a message.
func taken(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"MessageId":"m1"}`) }

func digest(parts ...[]byte) string {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return hex.EncodeToString(sum[:])
}

// TestNoPortIsWithoutFaults holds the calls that are tried to the adapters: var _ oidc.CodeRedeemer = Codes{}.
func TestNoPortIsWithoutFaults(t *testing.T) {
	of := map[string]bool{}
	for _, c := range calls() {
		for _, port := range strings.Fields(c.ports) {
			of[port] = true
		}
	}
	for _, c := range triedCalls() {
		for _, port := range strings.Fields(c.ports) {
			of[port] = true
		}
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	ports := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Names) != 1 || v.Names[0].Name != "_" {
				return true
			}
			if s, ok := v.Type.(*ast.SelectorExpr); ok {
				ports++
				port := fmt.Sprint(s.X, ".", s.Sel)
				if of[port] {
					return true
				}
				parts := partsOf(t, s.X.(*ast.Ident).Name, s.Sel.Name)
				if len(parts) == 0 || slices.ContainsFunc(parts, func(part string) bool { return !of[part] }) {
					t.Errorf("%s: %s is not tried under faults: calls in wire_test.go or triedCalls here", e.Name(), port)
				}
			}
			return true
		})
	}
	if ports < 60 {
		t.Errorf("only %d ports were found", ports)
	}
}

// partsOf are the ports of which a port of a service is made, if it is made of others and nothing else.
func partsOf(t *testing.T, service, port string) (parts []string) {
	t.Helper()
	files, err := filepath.Glob("../../shared/" + service + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != port {
				return true
			}
			if i, ok := spec.Type.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					if part, ok := m.Type.(*ast.Ident); ok && len(m.Names) == 0 {
						parts = append(parts, service+"."+part.Name)
					} else {
						parts = append(parts, "a method of its own")
					}
				}
			}
			return true
		})
	}
	return parts
}
