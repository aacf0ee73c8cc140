package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/problem"
)

// Function is what a Lambda behind an HTTP API runs.
type Function func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// Lambda makes h a function. Its error is always nil: what goes wrong in h is an answer.
func Lambda(h http.Handler) Function {
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		return Serve(ctx, h, e), nil
	}
}

type contextKey struct{}

// RequestContext returns what the gateway says about the request: route, source address, client certificate.
func RequestContext(ctx context.Context) (events.APIGatewayV2HTTPRequestContext, bool) {
	rc, ok := ctx.Value(contextKey{}).(events.APIGatewayV2HTTPRequestContext)
	return rc, ok
}

// Serve runs h on the request that event describes and returns its answer. The request's context is ctx, with the
// deadline of the invocation, and answers [RequestContext]. A panic of h is logged and becomes 500 as problem+json;
// what h wrote before is dropped.
func Serve(ctx context.Context, h http.Handler, event events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	r, err := toRequest(event)
	if err != nil {
		return refuse(err)
	}
	r = r.WithContext(context.WithValue(ctx, contextKey{}, event.RequestContext))
	w := &recorder{header: http.Header{}}
	r.Body = http.MaxBytesReader(w, r.Body, MaxEventBytes)
	if !survives(h, w, r) {
		return refuse(problem.Internal)
	}
	answer := w.answer()
	if encodedSize(answer) > MaxEventBytes {
		slog.ErrorContext(ctx, "answer too large", "route", event.RouteKey, "bytes", w.body.Len())
		return refuse(problem.Internal)
	}
	return answer
}

func survives(h http.Handler, w http.ResponseWriter, r *http.Request) (survived bool) {
	defer func() {
		if v := recover(); v != nil {
			slog.ErrorContext(r.Context(), "handler panicked", "method", r.Method, "panic", fmt.Sprint(v),
				"stack", string(debug.Stack()))
			survived = false
		}
	}()
	h.ServeHTTP(w, r)
	return true
}

func refuse(err error) events.APIGatewayV2HTTPResponse {
	p := refusal(err)
	body, _ := json.Marshal(p) // a Problem is strings and a number
	return events.APIGatewayV2HTTPResponse{
		StatusCode: p.Status,
		Headers:    map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store"},
		Body:       string(body),
	}
}

// recorder is an http.ResponseWriter that keeps what net/http would send.
type recorder struct {
	header http.Header
	sent   http.Header // header as it was when the status was written
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status)) // as net/http does
	}
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK) // does nothing after the first
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	return w.body.Write(p)
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// answer encodes what was recorded. As net/http does, it guesses a missing media type from the first 512 bytes.
func (w *recorder) answer() events.APIGatewayV2HTTPResponse {
	w.WriteHeader(http.StatusOK)
	a := events.APIGatewayV2HTTPResponse{StatusCode: w.status, Headers: map[string]string{}}
	for name, values := range w.sent {
		switch {
		case name == "Set-Cookie":
			a.Cookies = values
		case isHop(name):
		case len(values) > 0:
			a.Headers[name] = strings.Join(values, ", ")
		}
	}
	body := w.body.Bytes()
	if _, set := w.sent["Content-Type"]; !set && len(body) > 0 && w.sent.Get("Content-Encoding") == "" {
		a.Headers["Content-Type"] = http.DetectContentType(body)
	}
	if plain(a.Headers["Content-Type"]) && w.sent.Get("Content-Encoding") == "" && utf8.Valid(body) {
		a.Body = string(body)
	} else {
		a.Body, a.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), len(body) > 0
	}
	return a
}

// plain tells whether an answer of this media type may leave the function as text.
func plain(contentType string) bool {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	return textual(contentType) || strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml")
}

// Handler is the gateway in front of f: each request becomes an event, as JSON, and the answer of f a response. A
// request that the gateway would refuse never reaches f. An error or panic of f is 500; an invocation that takes longer
// than the timeout is 503, and what f still answers is dropped.
func Handler(f Function, o Options) http.Handler {
	timeout := o.Timeout
	if timeout <= 0 || timeout > MaxDuration {
		timeout = MaxDuration
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := ToEvent(r, o)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		answers := make(chan outcome, 1) // f may outlive the request; its answer then goes nowhere
		go func() { answers <- invoke(ctx, f, event) }()
		select {
		case out := <-answers:
			respond(w, r, out)
		case <-ctx.Done():
			problem.Write(w, r, TimedOut)
		}
	})
}

type outcome struct {
	answer events.APIGatewayV2HTTPResponse
	err    error
}

// invoke sends the event and the answer through JSON, as the runtime does.
func invoke(ctx context.Context, f Function, event events.APIGatewayV2HTTPRequest) (out outcome) {
	defer func() {
		if v := recover(); v != nil {
			out.err = fmt.Errorf("the function panicked: %v", v)
		}
	}()
	sent, err := throughJSON(event)
	if err != nil {
		return outcome{err: fmt.Errorf("encoding the event: %w", err)}
	}
	answer, err := f(ctx, sent)
	if err != nil {
		return outcome{err: fmt.Errorf("the function: %w", err)}
	}
	if answer, err = throughJSON(answer); err != nil {
		return outcome{err: fmt.Errorf("encoding the answer: %w", err)}
	}
	return outcome{answer: answer}
}

func throughJSON[T any](v T) (T, error) {
	var back T
	data, err := json.Marshal(v)
	if err != nil {
		return back, err
	}
	if len(data) > MaxEventBytes {
		return back, BadAnswer.With("more than 6 MB as encoded")
	}
	return back, json.Unmarshal(data, &back)
}

// respond writes the function's answer as the gateway would.
func respond(w http.ResponseWriter, r *http.Request, out outcome) {
	if out.err != nil {
		problem.Write(w, r, out.err)
		return
	}
	body := []byte(out.answer.Body)
	if out.answer.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(out.answer.Body); err != nil {
			problem.Write(w, r, BadAnswer.With("its body is not base64"))
			return
		}
	}
	if out.answer.StatusCode < 200 || out.answer.StatusCode > 599 {
		problem.Write(w, r, BadAnswer.With("it has no status"))
		return
	}
	for name, value := range out.answer.Headers {
		if !isHop(name) {
			w.Header().Set(name, value)
		}
	}
	for _, c := range out.answer.Cookies {
		w.Header().Add("Set-Cookie", c)
	}
	if r.Method != http.MethodHead && bodyAllowed(out.answer.StatusCode) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(out.answer.StatusCode)
	_, _ = w.Write(body) // the client is gone if this fails, or the status allows no body
}
