package gateway

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

func TestLinesOfARequestCarryItsIdentifier(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(LogHandler(slog.NewTextHandler(&b, nil))).With("a", 1)
	e := events.APIGatewayV2HTTPRequest{RawPath: "/x", RequestContext: events.APIGatewayV2HTTPRequestContext{
		RequestID: "id-of-the-request", HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: "GET", Path: "/x"}}}
	Serve(t.Context(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		log.ErrorContext(r.Context(), "in the handler")
		log.WithGroup("g").ErrorContext(r.Context(), "in a group")
	}), e)
	log.Error("outside")
	if got := strings.Count(b.String(), "id-of-the-request"); got != 2 {
		t.Errorf("%d lines carry it:\n%s", got, b.String())
	}
}

func TestARefusalIsToldByItsCodeAlone(t *testing.T) {
	for name, test := range map[string]struct {
		answer events.APIGatewayV2HTTPResponse
		want   string
	}{
		"a problem": {Serve(t.Context(), problem.Handler(func(http.ResponseWriter, *http.Request) error {
			return problem.Conflict.With("detail")
		}), events.APIGatewayV2HTTPRequest{RawPath: "/x"}), "conflict"},
		"a fault": {Serve(t.Context(), problem.Handler(func(http.ResponseWriter, *http.Request) error {
			return errors.New("secret")
		}), events.APIGatewayV2HTTPRequest{RawPath: "/x"}), "internal"},
		"OAuth":                 {refusing("application/json", `{"error":"invalid_grant","error_description":"secret"}`), "invalid_grant"},
		"a page":                {refusing("text/html", `{"error":"invalid_grant"}`), ""},
		"no code":               {refusing("application/json", `{}`), ""},
		"no JSON":               {refusing("application/json", `secret`), ""},
		"what is no word":       {refusing("application/json", `{"error":"990000198503120019"}`), ""},
		"what is too long":      {refusing("application/json", `{"error":"`+strings.Repeat("a", 65)+`"}`), ""},
		"an answer that grants": {events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: `{"code":"secret"}`, Headers: map[string]string{"Content-Type": "application/json"}}, ""},
	} {
		if got := refusalCode(test.answer); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func refusing(media, body string) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{StatusCode: 400, Headers: map[string]string{"Content-Type": media}, Body: body}
}

// TestWhatCannotBeReadIsNotTold: errors of encoding/json quote what they met, which may be a citizen's number.
func TestWhatCannotBeReadIsNotTold(t *testing.T) {
	const canary = "199203170012"
	record := func(pk, body string) string {
		return `{"Records":[{"eventSource":"aws:dynamodb","eventName":"INSERT","dynamodb":{"SequenceNumber":"1",
			"NewImage":{"pk":{"S":"` + pk + `"},"body":{"S":"` + strings.ReplaceAll(body, `"`, `\"`) + `"}}}}]}`
	}
	for name, c := range map[string]struct {
		way   Way
		event string
	}{
		"an event of the trail": {Recorded(func(context.Context, audit.Event) error { return nil }), record("event#e1", `{"person":`+canary+`}`)},
		"a licence":             {LicenceChanges(func(context.Context, map[string][]string) error { return nil }), record("licence#l1", `{"list":`+canary+`}`)},
		"a message": {QueuedJobs(func(context.Context, string) error { return nil }),
			`{"Records":[{"eventSource":"aws:sqs","messageId":"1","body":"{\"job\":` + canary + `}"}]}`},
	} {
		f, log := started(c.way)
		answer, err := f.Invoke(t.Context(), []byte(c.event))
		if err != nil || !strings.Contains(string(answer), `"itemIdentifier":"1"`) || strings.Contains(log.String(), canary) {
			t.Errorf("%s: %s, %v, and the log says %s", name, answer, err, log)
		}
	}
}
