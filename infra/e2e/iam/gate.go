package iam

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Gate lets through to the engines what the callers' roles may do. It is an http.Handler and safe for concurrent use.
// Signatures stay as they are, and so does the Host header that they cover: an engine that checks them can.
type Gate struct {
	Stack   *Stack
	Callers map[string]string   // role, by its function's folder, by access key identifier
	Engines map[string]*url.URL // by service as it stands in the credential scope: dynamodb (streams too), kms, lambda, s3, sqs
	// Transport reaches the engines; http.DefaultTransport where nil.
	Transport http.RoundTripper

	mu        sync.Mutex
	refusals  []Refusal
	iterators map[string]string // stream's ARN by shard iterator
}

// Refusal is a call that did not get through.
type Refusal struct {
	Role     string
	Action   string
	Resource string
	Why      string
}

// String implements [fmt.Stringer].
func (r Refusal) String() string {
	return fmt.Sprintf("role %s is not authorized to perform: %s on resource: %s because %s", r.Role, r.Action, r.Resource, r.Why)
}

// Refusals are those so far, oldest first.
func (g *Gate) Refusals() []Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.refusals)
}

// maxCall bounds the body of a call: Lambda takes 6 MiB, S3 what Blobs sends, 32 MiB.
const maxCall = 64 << 20

// ServeHTTP implements [http.Handler].
func (g *Gate) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	id, service := credential(req)
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxCall))
	if err != nil {
		refuse(w, service, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", err.Error())
		return
	}
	role, known := g.Callers[id]
	if !known {
		refuse(w, service, http.StatusForbidden, "UnrecognizedClientException", fmt.Sprintf("nobody has the access key %q", id))
		return
	}
	engine := g.Engines[service]
	if engine == nil {
		g.deny(w, service, Refusal{role, service + ":" + req.Header.Get("X-Amz-Target"), "*", "the service is not known here"})
		return
	}
	c := call{stack: g.Stack, http: req, body: body, iterator: g.iterator}
	requests, err := c.requests(service)
	if err != nil {
		g.deny(w, service, Refusal{role, service + ":" + operationOf(req), "*", "it is not understood: " + err.Error()})
		return
	}
	for _, r := range requests {
		if r.Context == nil {
			r.Context = map[string][]string{}
		}
		r.Context["aws:SecureTransport"] = []string{"true"} // outside of tests there is no other
		if d := g.Stack.Decide(role, r); !d.Allowed {
			g.deny(w, service, Refusal{role, r.Action, r.Resource, d.Why + context(r)})
			return
		}
	}
	proxy := httputil.ReverseProxy{
		Transport: cmp.Or[http.RoundTripper](g.Transport, http.DefaultTransport),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(engine)
			p.Out.URL.Path, p.Out.URL.RawPath, p.Out.Host = p.In.URL.Path, p.In.URL.RawPath, p.In.Host
			p.Out.Body = io.NopCloser(bytes.NewReader(body))
			p.Out.ContentLength = int64(len(body))
		},
		ModifyResponse: func(res *http.Response) error { return g.answered(role, service, requests, res) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			refuse(w, service, http.StatusBadGateway, "ServiceUnavailable", err.Error())
		},
	}
	proxy.ServeHTTP(w, req)
}

// context says of which values a refused request was, for whoever reads the refusal.
func context(r Request) string {
	var parts []string
	for name, values := range r.Context {
		if name != "aws:SecureTransport" {
			parts = append(parts, fmt.Sprintf("%s=%v", name, values))
		}
	}
	slices.Sort(parts)
	return " (" + strings.Join(parts, " ") + ")"
}

// answered looks at what an engine answered: what it made, and what a role may not be told.
func (g *Gate) answered(role, service string, requests []Request, res *http.Response) error {
	action := requests[0].Action
	switch {
	case action == "s3:GetObject" && res.StatusCode == http.StatusNotFound:
		// "If you have the s3:ListBucket permission on the bucket, Amazon S3 returns an HTTP status code 404 (Not
		// Found) error. If you don't have the s3:ListBucket permission, Amazon S3 returns an HTTP status code 403" (API
		// Reference, GetObject).
		bucket, key, _ := strings.Cut(requests[0].Resource, "/")
		list := Request{"s3:ListBucket", bucket, map[string][]string{"s3:prefix": {key}, "aws:SecureTransport": {"true"}}}
		if d := g.Stack.Decide(role, list); !d.Allowed {
			refusal := Refusal{role, list.Action, list.Resource,
				d.Why + context(list) + "; S3 does not say that the object is not there"}
			g.keep(refusal)
			body := shape(service, "AccessDenied", refusal.String())
			res.StatusCode, res.Status = http.StatusForbidden, "403 Forbidden"
			res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			res.Header.Set("Content-Length", fmt.Sprint(len(body)))
		}
	case res.StatusCode == http.StatusOK && action == "kms:CreateKey",
		res.StatusCode == http.StatusOK && (action == "dynamodb:GetShardIterator" || action == "dynamodb:GetRecords"):
		body, err := io.ReadAll(io.LimitReader(res.Body, maxCall))
		if err != nil {
			return err
		}
		if err := res.Body.Close(); err != nil {
			return err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		return g.learn(requests[0], body)
	}
	return nil
}

// learn remembers what an engine made: keys with their tags, iterators of streams.
func (g *Gate) learn(r Request, body []byte) error {
	var made struct {
		KeyMetadata                      struct{ Arn, KeySpec, KeyUsage string }
		ShardIterator, NextShardIterator string
	}
	if err := json.Unmarshal(body, &made); err != nil {
		return fmt.Errorf("reading the answer to %s: %w", r.Action, err)
	}
	if arn := made.KeyMetadata.Arn; arn != "" {
		tags := map[string]string{}
		for name, values := range r.Context {
			if tag, ok := strings.CutPrefix(name, "aws:RequestTag/"); ok && len(values) == 1 {
				tags[tag] = values[0]
			}
		}
		g.Stack.Learn(arn, Key{Tags: tags, Spec: made.KeyMetadata.KeySpec, Use: made.KeyMetadata.KeyUsage})
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.iterators == nil {
		g.iterators = map[string]string{}
	}
	for _, it := range []string{made.ShardIterator, made.NextShardIterator} {
		if it != "" {
			g.iterators[it] = r.Resource
		}
	}
	return nil
}

func (g *Gate) iterator(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.iterators[name]
}

func (g *Gate) keep(r Refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusals = append(g.refusals, r)
}

func (g *Gate) deny(w http.ResponseWriter, service string, r Refusal) {
	g.keep(r)
	status, code := http.StatusBadRequest, "AccessDeniedException"
	switch service {
	case "s3":
		status, code = http.StatusForbidden, "AccessDenied"
	case "lambda":
		status = http.StatusForbidden
	}
	refuse(w, service, status, code, r.String())
}

// refuse answers as the service does.
func refuse(w http.ResponseWriter, service string, status int, code, message string) {
	media := "application/x-amz-json-1.0"
	switch service {
	case "s3":
		media = "application/xml"
	case "kms":
		media = "application/x-amz-json-1.1"
	case "lambda":
		media = "application/json"
		w.Header().Set("X-Amzn-Errortype", code)
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = w.Write(shape(service, code, message)) // a caller that is gone needs no refusal
}

// shape is the body of an error: XML for S3 (API Reference, "Error responses"), JSON of the AWS JSON protocols with the
// type in __type, of REST JSON with the type in a header.
func shape(service, code, message string) []byte {
	if service == "s3" {
		var b bytes.Buffer
		b.WriteString(xml.Header + "<Error><Code>" + code + "</Code><Message>")
		_ = xml.EscapeText(&b, []byte(message)) // a buffer takes everything
		b.WriteString("</Message></Error>")
		return b.Bytes()
	}
	prefix := map[string]string{"dynamodb": "com.amazonaws.dynamodb.v20120810#", "sqs": "com.amazonaws.sqs#"}[service]
	body, err := json.Marshal(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{prefix + code, message})
	if err != nil {
		return []byte("{}")
	}
	return body
}

// credential is the access key identifier and the service of a signed request (IAM User Guide, "Elements of an AWS API
// request signature"): Credential=<key>/<date>/<region>/<service>/aws4_request, in the header or, presigned, in the
// query.
func credential(req *http.Request) (id, service string) {
	scope := req.URL.Query().Get("X-Amz-Credential")
	if _, after, ok := strings.Cut(req.Header.Get("Authorization"), "Credential="); ok {
		scope, _, _ = strings.Cut(after, ",")
	}
	parts := strings.Split(strings.TrimSpace(scope), "/")
	if len(parts) != 5 {
		return "", ""
	}
	return parts[0], parts[3]
}

// operationOf is the name of a call, for a refusal.
func operationOf(req *http.Request) string {
	if target := req.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndex(target, ".")+1:]
	}
	return req.Method + " " + req.URL.Path
}
