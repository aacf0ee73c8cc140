package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/yinxin/yinxin/infra/aws/kmstest"
	"github.com/yinxin/yinxin/infra/e2e/iam"
	"github.com/yinxin/yinxin/infra/e2e/runtime"
)

// The names of a stack of the tests.
const (
	stackName  = "yinxin"
	accountID  = "123456789012" // moto's
	region     = "us-east-1"
	domainName = "yinxin.example"
)

// Endpoints are where functions reach the services of AWS.
type Endpoints struct {
	DynamoDB, S3, SQS, KMS, Lambda string
}

// AWSOptions are what a stack of bootstraps is made of.
type AWSOptions struct {
	Root       string    // of the checkout
	Dir        string    // temporary files
	Bootstraps string    // where [Build] put them
	Engines    Endpoints // DynamoDB, S3 and SQS; KMS and Lambda are served here
	// Edit, where it is set, changes the template's text before it is read.
	Edit func(template []byte) []byte
}

// AWS is a deployed stack: the real bootstraps with the environment that the template gives them, on servers that speak
// AWS's protocols.
//
//	browser ── https ── front: HTTP → event by the template's routes ──┐
//	streams, queues, schedules, the operator ── pumps: events ─────────┼── Runtime API ── bootstrap
//	licence-issue ── Invoke ───────────────────────────────────────────┘                    │
//	moto: DynamoDB, S3, SQS     kmstest: KMS     authority: RFC 7030 ◄──── signed requests ──┘
//
// Tables, indexes, streams, buckets, queues and keys are made from the template's own resources.
type AWS struct {
	Template *Template
	KMS      *kmstest.Server
	Gate     *iam.Gate         // between the functions and the services: it lets through what their roles may do
	Physical map[string]string // names by logical identifier: of a table, bucket or queue; the identifier of a key

	o         AWSOptions
	engines   Endpoints // what the pumps and the operator use
	operator  caller
	authority *authority
	functions map[string]*deployed // by folder
	byName    map[string]*deployed // by function name
	servers   []*http.Server
	front     net.Addr
	client    *http.Transport
	shards    map[string]map[string]string // stream ARN → shard → iterator
	queues    map[string]string            // ARN → address
	seed      []byte

	mu  sync.Mutex
	log []LogLine
}

// LogLine is one line that a bootstrap wrote.
type LogLine struct{ Function, Text string }

// deployed is one function of the stack.
type deployed struct {
	LambdaFunction
	process *runtime.Function
}

// AccessKey is the access key identifier of a function's role: its folder's name says whose request it is.
func AccessKey(folder string) string { return folder }

// SecretKey is the secret of [AccessKey].
func SecretKey(folder string) string { return "secret-of-" + folder }

// RoleARN is the role of a function, named as CloudFormation names it.
func RoleARN(logical string) string {
	return "arn:aws:iam::" + accountID + ":role/" + stackName + "-" + logical + "Role-0E2E0E2E0E2E"
}

// Deploy makes the stack and founds it: an operator seeds it, has keys enrolled and says what is trusted.
func Deploy(ctx context.Context, o AWSOptions) (stack *AWS, err error) {
	s := &AWS{
		o: o, engines: o.Engines, Physical: map[string]string{}, functions: map[string]*deployed{}, byName: map[string]*deployed{},
		shards: map[string]map[string]string{}, queues: map[string]string{},
		operator: caller{
			who:    sdk.Credentials{AccessKeyID: "operator", SecretAccessKey: SecretKey("operator")},
			region: region, http: &http.Client{Timeout: time.Minute},
		},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Template, err = readTemplate(filepath.Join(o.Root, "template.yaml"), o.Edit); err != nil {
		return nil, err
	}
	t := s.Template
	t.StackName, t.Region, t.AccountID, t.Partition = stackName, region, accountID, "aws"
	t.Parameters["DomainName"] = domainName
	const credential = "yinxin:example-enrolment-password"
	if s.authority, err = openAuthority(ctx, o.Dir, credential); err != nil {
		return nil, err
	}
	enrolment, err := s.serve(s.authority, nil)
	if err != nil {
		return nil, err
	}
	t.Parameters["CertificateAuthority"] = "http://" + enrolment.String() + enrolmentPath
	for _, step := range []func(context.Context) error{s.makeKeys, s.makeTables, s.makeBuckets, s.makeQueues} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("deploying: %w", err)
		}
	}
	if t.Parameters["CertificateAuthorityCredential"], err = s.encrypted(ctx, "SecretKey", "ca", credential); err != nil {
		return nil, fmt.Errorf("deploying: %w", err)
	}
	if err := s.makeFunctions(ctx); err != nil {
		return nil, fmt.Errorf("deploying: %w", err)
	}
	if err := s.found(ctx); err != nil {
		return nil, fmt.Errorf("founding: %w", err)
	}
	return s, nil
}

// serve serves h on a free port of the loopback; where a certificate is given, over https.
func (s *AWS) serve(h http.Handler, certificate *tls.Certificate) (net.Addr, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr()
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12})
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, server)
	go server.Serve(l) // ends with Close
	return address, nil
}

// Close ends every process and server.
func (s *AWS) Close() error {
	var faults []error
	for _, f := range s.functions {
		if f.process != nil {
			faults = append(faults, f.process.Close())
		}
	}
	for _, server := range s.servers {
		faults = append(faults, server.Close())
	}
	if s.authority != nil {
		faults = append(faults, s.authority.db.Close())
	}
	return errors.Join(faults...)
}

// suffix is what CloudFormation appends to the names that it makes up.
func suffix() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// Base is the issuer's address.
func (s *AWS) Base() string { return "https://" + domainName }

// Transport reaches the front under the issuer's name.
func (s *AWS) Transport() http.RoundTripper { return s.client }
