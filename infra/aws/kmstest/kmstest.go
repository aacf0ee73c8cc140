// Package kmstest is a key management service for tests: the wire protocol of AWS KMS (AWS JSON 1.1, targets
// "TrentService.*") served from memory, with real signatures, real encryption and real refusals.
//
//	request ── SigV4 recomputed ── parameters ── key found ── policies ── key state ── key usage ── answer
//
// Behaviour follows the AWS KMS API Reference (API version 2014-11-01) and the AWS KMS Developer Guide, sections "Key
// policies", "Condition keys for AWS KMS", "Key states of AWS KMS keys", "Encryption context" and "Offline verification
// with SM2 key pairs"; signatures of requests follow "AWS Signature Version 4" of the IAM User Guide. A parameter, policy
// element or operation that it does not know is refused, never passed over: a test that passes here relied on nothing
// that was silently ignored.
//
// It does not speak of grants, aliases in conditions, imported key material, rotation, multi-Region keys, custom key
// stores, message authentication codes or asymmetric encryption; there is no eventual consistency and no quota, but
// [Server.Inject] answers as a service under load does. Symmetric encryption is AES-256-GCM in every partition, and the
// form of a ciphertext is its own: to clients both are opaque. The keys are gone when the process ends: it keeps nothing.
package kmstest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says what a server is. Only Callers has no default.
type Config struct {
	Partition string            // "aws" (the default) or "aws-cn"; SM2 exists in aws-cn alone
	Region    string            // of the ARNs and of the signatures' scope; "us-east-1", or "cn-north-1" in aws-cn
	Account   string            // twelve digits; "111122223333"
	Callers   map[string]Caller // by access key identifier
	Now       func() time.Time  // of signatures and creation dates; time.Now
	Rand      io.Reader         // of keys, nonces and signatures
}

// Caller is who may send requests.
type Caller struct {
	Secret string // secret access key
	Token  string // session token; "" for credentials that need none
	ARN    string // principal of policies, "arn:aws:iam::111122223333:role/seal-stamp"
	Policy string // identity-based policy in JSON; "" allows nothing by itself
}

// Call is one request as CloudTrail would tell of it.
type Call struct {
	Operation string
	Caller    string            // ARN; "" where the signature was refused
	KeyID     string            // key ARN; "" where no key was found
	Context   map[string]string // encryption context
	Error     string            // code of the refusal, "" for success
}

// Server is the service. It is an http.Handler and safe for concurrent use.
type Server struct {
	config  Config
	callers map[string]caller

	mu      sync.Mutex
	keys    map[string]*kmsKey // by identifier
	aliases map[string]alias   // by name, "alias/…"
	faults  []Fault
	calls   []Call
}

type caller struct {
	Caller
	policy policy
}

// New makes a server without keys.
func New(config Config) (*Server, error) {
	config.Partition = cmp.Or(config.Partition, "aws")
	switch config.Partition {
	case "aws":
		config.Region = cmp.Or(config.Region, "us-east-1")
	case "aws-cn":
		config.Region = cmp.Or(config.Region, "cn-north-1")
	default:
		return nil, fmt.Errorf("no partition %q here", config.Partition)
	}
	config.Account = cmp.Or(config.Account, "111122223333")
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Rand == nil || len(config.Callers) == 0 {
		return nil, errors.New("a key management service needs randomness and callers")
	}
	s := &Server{config: config, callers: map[string]caller{}, keys: map[string]*kmsKey{}, aliases: map[string]alias{}}
	for id, c := range config.Callers {
		p, err := parsePolicy(c.Policy)
		if err != nil {
			return nil, fmt.Errorf("reading the policy of %s: %w", c.ARN, err)
		}
		s.callers[id] = caller{c, p}
	}
	return s, nil
}

// Calls returns what was asked so far, oldest first.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count returns how often an operation was asked for, refusals included.
func (s *Server) Count(operation string) (n int) {
	for _, c := range s.Calls() {
		if c.Operation == operation {
			n++
		}
	}
	return n
}

// Refusal is an error of the service in the form that goes over the wire.
type Refusal struct {
	Code    string // "AccessDeniedException"
	Message string
	Status  int // HTTP status, 400 where 0
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

func refuse(code, format string, args ...any) error {
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

// request is one call on its way through the server. The server's lock is held while it runs.
type request struct {
	*Server
	operation string
	caller    caller
	told      Call
}

// operation decodes the parameters of a request and carries it out.
type operation func(*request, []byte) (json.RawMessage, error)

// op makes an operation of a typed function. Unknown parameters are refused.
func op[In, Out any](run func(*request, In) (Out, error)) operation {
	return func(r *request, body []byte) (json.RawMessage, error) {
		var in In
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			return nil, refuse("SerializationException", "%s: %v", r.operation, err)
		}
		out, err := run(r, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}

// operations by the name after "TrentService.".
func operations() map[string]operation {
	return map[string]operation{
		"CreateKey": op(createKey), "DescribeKey": op(describeKey), "GetPublicKey": op(getPublicKey),
		"EnableKey": op(enableKey), "DisableKey": op(disableKey), "ListResourceTags": op(listResourceTags),
		"ScheduleKeyDeletion": op(scheduleKeyDeletion), "CancelKeyDeletion": op(cancelKeyDeletion),
		"CreateAlias": op(createAlias), "UpdateAlias": op(updateAlias), "DeleteAlias": op(deleteAlias), "ListAliases": op(listAliases),
		"Sign": op(sign), "Verify": op(verify), "Encrypt": op(encrypt), "Decrypt": op(decrypt),
		"GenerateDataKey": op(generateDataKey), "GenerateDataKeyWithoutPlaintext": op(generateDataKeyWithoutPlaintext),
		"GenerateDataKeyPair":                 op(generateDataKeyPair),
		"GenerateDataKeyPairWithoutPlaintext": op(generateDataKeyPairWithoutPlaintext),
	}
}

const maxBody = 1 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		answer(w, nil, refuse("RequestEntityTooLargeException", "%v", err))
		return
	}
	name, ok := strings.CutPrefix(req.Header.Get("X-Amz-Target"), "TrentService.")
	run, known := operations()[name]
	if !ok || !known || req.Method != http.MethodPost || req.URL.Path != "/" {
		answer(w, nil, refuse("UnknownOperationException", "%s %s %s", req.Method, req.URL.Path, req.Header.Get("X-Amz-Target")))
		return
	}
	if media := req.Header.Get("Content-Type"); media != "application/x-amz-json-1.1" {
		answer(w, nil, refuse("UnknownOperationException", "content of type %q", media))
		return
	}
	f := s.fault(name)
	if f.Hang {
		<-req.Context().Done()
		return
	}
	out, err := s.serve(req, name, body, run, f)
	if f.Lost {
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	answer(w, out, err)
}

func (s *Server) serve(req *http.Request, name string, body []byte, run operation, f Fault) (out json.RawMessage, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &request{Server: s, operation: name, told: Call{Operation: name}}
	defer func() {
		var refusal *Refusal
		switch {
		case errors.As(err, &refusal):
			r.told.Error = refusal.Code
		case err != nil:
			r.told.Error = "KMSInternalException"
		}
		s.calls = append(s.calls, r.told)
	}()
	if r.caller, err = s.authenticate(req, body); err != nil {
		return nil, err
	}
	r.told.Caller = r.caller.ARN
	if f.Refusal != nil {
		return nil, f.Refusal
	}
	if out, err = run(r, body); err == nil && f.Spoil {
		out, err = spoil(out)
	}
	return out, err
}

// answer writes the result or the error as AWS JSON 1.1.
func answer(w http.ResponseWriter, out json.RawMessage, err error) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err == nil {
		_, _ = w.Write(out) // the client went away
		return
	}
	var r *Refusal
	if !errors.As(err, &r) {
		r = &Refusal{Code: "KMSInternalException", Message: err.Error(), Status: http.StatusInternalServerError}
	}
	text, err := json.Marshal(map[string]string{"__type": r.Code, "message": r.Message})
	if err != nil {
		text = []byte(`{"__type":"KMSInternalException"}`)
	}
	w.WriteHeader(cmp.Or(r.Status, http.StatusBadRequest))
	_, _ = w.Write(text) // the client went away
}
