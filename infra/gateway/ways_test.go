package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// started is a function whose log a test reads.
func started(ways ...Way) (Runtime, *bytes.Buffer) {
	var log bytes.Buffer
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return Runtime{Name: "a-function", Log: slog.New(slog.NewJSONHandler(&log, nil)), Ways: ways, Now: func() time.Time {
		now = now.Add(5 * time.Millisecond)
		return now
	}}, &log
}

// line is the one line of an invocation; what its items say before is left out.
func line(t *testing.T, log *bytes.Buffer) map[string]any {
	t.Helper()
	var found []map[string]any
	for l := range strings.Lines(log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatal(err)
		}
		if m["msg"] == "invocation" {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d lines:\n%s", len(found), log)
	}
	return found[0]
}

// The shapes of the Lambda developer guide ("Process Amazon SQS records", "Process DynamoDB records", "Invoke a Lambda
// function on a schedule") and of the API Gateway developer guide ("AWS Lambda proxy integrations for HTTP APIs").
const (
	anHTTPEvent = `{"version":"2.0","routeKey":"POST /token","rawPath":"/token","rawQueryString":"code=hidden-in-query",
		"cookies":["__Host-session=hidden-in-cookie"],
		"headers":{"authorization":"Bearer hidden-in-header","content-type":"application/x-www-form-urlencoded"},
		"requestContext":{"accountId":"123456789012","apiId":"api","domainName":"id.example","requestId":"id-of-the-api",
			"http":{"method":"POST","path":"/token","protocol":"HTTP/1.1","sourceIp":"192.0.2.1","userAgent":"agent"},
			"routeKey":"POST /token","stage":"$default","timeEpoch":1583348638390},
		"body":"Y29kZT1oaWRkZW4taW4tYm9keQ==","isBase64Encoded":true}`
	aQueueEvent = `{"Records":[
		{"messageId":"1","receiptHandle":"r","body":"good","attributes":{"ApproximateReceiveCount":"1"},"messageAttributes":{},
			"md5OfBody":"","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:q","awsRegion":"us-east-2"},
		{"messageId":"2","body":"bad","eventSource":"aws:sqs"},
		{"messageId":"3","body":"panic","eventSource":"aws:sqs"},
		{"messageId":"4","body":"good","eventSource":"aws:sqs"}]}`
	aStreamEvent = `{"Records":[
		{"eventID":"1","eventName":"INSERT","eventVersion":"1.0","eventSource":"aws:dynamodb","awsRegion":"us-east-1",
			"dynamodb":{"Keys":{"pk":{"S":"grant#1"},"sk":{"S":"-"}},"SequenceNumber":"111","SizeBytes":26,"StreamViewType":"NEW_IMAGE",
			"NewImage":{"pk":{"S":"grant#1"},"event":{"S":"{\"id\":\"e1\",\"time\":\"2026-03-01T12:00:00Z\",\"action\":\"a\",\"outcome\":\"done\"}"}}}},
		{"eventID":"2","eventName":"MODIFY","eventSource":"aws:dynamodb",
			"dynamodb":{"SequenceNumber":"222","NewImage":{"pk":{"S":"counter#1"},"n":{"N":"1"}}}},
		{"eventID":"3","eventName":"MODIFY","eventSource":"aws:dynamodb",
			"dynamodb":{"SequenceNumber":"333","NewImage":{"pk":{"S":"grant#2"},"event":{"S":"no JSON"}}}},
		{"eventID":"4","eventName":"REMOVE","eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":"444"}}]}`
	aScheduleEvent = `{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","detail-type":"Scheduled Event","source":"aws.events",
		"account":"123456789012","time":"2015-10-08T16:53:06Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:123456789012:rule/r"],
		"detail":{}}`
)

func TestARequestIsAnsweredAndToldInOneLine(t *testing.T) {
	f, log := started(HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "code=hidden-in-body" || r.URL.RawQuery != "code=hidden-in-query" {
			t.Errorf("%q, %v, %s", body, err, r.URL)
		}
		w.Header().Add("Set-Cookie", "a=hidden-in-answer")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"id_token":"hidden-in-answer"}`))
	})))
	data, err := f.Invoke(t.Context(), []byte(anHTTPEvent))
	if err != nil {
		t.Fatal(err)
	}
	var answer events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(data, &answer); err != nil || answer.StatusCode != 201 || len(answer.Cookies) != 1 {
		t.Errorf("%s, %v", data, err)
	}
	l := line(t, log)
	for key, want := range map[string]any{"function": "a-function", "kind": "http", "route": "POST /token", "status": 201.0,
		"milliseconds": 5.0, "apiRequestId": "id-of-the-api", "level": "INFO"} {
		if l[key] != want {
			t.Errorf("%s = %v, want %v", key, l[key], want)
		}
	}
	if strings.Contains(log.String(), "hidden") {
		t.Errorf("the log holds what was said: %s", log)
	}
}

func TestAMessageThatFailsComesAgainAlone(t *testing.T) {
	f, log := started(Queue(func(_ context.Context, body []byte) error {
		switch string(body) {
		case "bad":
			return errors.New("no")
		case "panic":
			panic("no")
		}
		return nil
	}))
	data, err := f.Invoke(t.Context(), []byte(aQueueEvent))
	if want := `{"batchItemFailures":[{"itemIdentifier":"2"},{"itemIdentifier":"3"}]}`; err != nil || string(data) != want {
		t.Errorf("%s, %v; want %s", data, err, want)
	}
	if l := line(t, log); l["items"] != 4.0 || l["failed"] != 2.0 {
		t.Errorf("%v", l)
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	if data, err = f.Invoke(over, []byte(aQueueEvent)); err != nil || strings.Count(string(data), "itemIdentifier") != 4 {
		t.Errorf("after the deadline: %s, %v", data, err)
	}
	if data, err = f.Invoke(t.Context(), []byte(`{"Records":[]}`)); err != nil || string(data) != `{"batchItemFailures":[]}` {
		t.Errorf("of nothing: %s, %v", data, err)
	}
}

// trail keeps what is recorded.
type trail struct {
	known map[string]audit.Event
	fails bool
}

func (s *trail) Record(_ context.Context, e audit.Event) error {
	if s.fails {
		return errors.New("no")
	}
	s.known[e.ID] = e
	return nil
}

func TestAStreamIsTakenInOrderAndAgainFromWhereItFailed(t *testing.T) {
	kept := &trail{known: map[string]audit.Event{}}
	f, log := started(Stream(Trail{Events: kept}.Append))
	for range 2 { // a duplicate delivery changes nothing
		data, err := f.Invoke(t.Context(), []byte(aStreamEvent))
		if want := `{"batchItemFailures":[{"itemIdentifier":"333"}]}`; err != nil || string(data) != want {
			t.Errorf("%s, %v; want %s", data, err, want)
		}
		if len(kept.known) != 1 || kept.known["e1"].Action != "a" {
			t.Errorf("recorded: %v", kept.known)
		}
	}
	if got := strings.Count(log.String(), `"failed":2`); got != 2 {
		t.Errorf("%s", log)
	}
	kept.fails = true
	if data, err := f.Invoke(t.Context(), []byte(aStreamEvent)); err == nil || data != nil {
		t.Errorf("where the first of several fails: %s, %v; want an error, for the batch to be halved", data, err)
	}
	var e struct{ Records []json.RawMessage }
	if err := json.Unmarshal([]byte(aStreamEvent), &e); err != nil {
		t.Fatal(err)
	}
	data, err := f.Invoke(t.Context(), fmt.Appendf(nil, `{"Records":[%s]}`, e.Records[0]))
	if want := `{"batchItemFailures":[{"itemIdentifier":"111"}]}`; err != nil || string(data) != want {
		t.Errorf("where one alone fails: %s, %v; want %s", data, err, want)
	}
}

func TestABatchIsTakenAsAWhole(t *testing.T) {
	var fails error
	var seen []int
	f, _ := started(StreamBatch(func(_ context.Context, records []events.DynamoDBEventRecord) error {
		seen = append(seen, len(records))
		if fails == nil && len(records) == 0 {
			panic("no")
		}
		return fails
	}))
	for range 2 {
		if data, err := f.Invoke(t.Context(), []byte(aStreamEvent)); err != nil || string(data) != `{"batchItemFailures":[]}` {
			t.Errorf("%s, %v", data, err)
		}
	}
	if data, err := f.Invoke(t.Context(), []byte(`{"Records":[]}`)); err != nil || string(data) != `{"batchItemFailures":[]}` {
		t.Errorf("of nothing: %s, %v", data, err)
	}
	fails = errors.New("no")
	if _, err := f.Invoke(t.Context(), []byte(aStreamEvent)); err == nil {
		t.Error("a batch that failed was taken")
	}
	data, err := f.Invoke(t.Context(), []byte(`{"Records":[{"eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":"9"}}]}`))
	if want := `{"batchItemFailures":[{"itemIdentifier":"9"}]}`; err != nil || string(data) != want {
		t.Errorf("%s, %v; want %s", data, err, want)
	}
	if want := []int{4, 4, 4, 1}; !slices.Equal(seen, want) {
		t.Errorf("batches of %v, want %v", seen, want)
	}
}

func TestAnEventFindsItsHandlerByItsShape(t *testing.T) {
	var ran []string
	ok := func(name string) func(context.Context) error {
		return func(context.Context) error { ran = append(ran, name); return nil }
	}
	f, _ := started(
		HTTP(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { _ = ok("http")(nil) })),
		Queue(func(ctx context.Context, _ []byte) error { return ok("queue")(ctx) }),
		Stream(func(ctx context.Context, _ events.DynamoDBEventRecord) error { return ok("stream")(ctx) }),
		Schedule(ok("schedule")),
		Invocation(func(ctx context.Context, in struct{ Of string }) (string, error) { return in.Of, ok("invocation")(ctx) }),
	)
	for kind, event := range map[string]string{"http": anHTTPEvent, "queue": aQueueEvent, "stream": aStreamEvent,
		"schedule": aScheduleEvent, "invocation": `{"Of":"it"}`} {
		ran = nil
		if _, err := f.Invoke(t.Context(), []byte(event)); err != nil || len(ran) == 0 || ran[0] != kind {
			t.Errorf("%s ran %v, %v", kind, ran, err)
		}
	}
	f.Ways = f.Ways[:2]
	for _, event := range []string{aStreamEvent, aScheduleEvent, `{"Of":"it"}`, `no JSON`} {
		if _, err := f.Invoke(t.Context(), []byte(event)); err == nil {
			t.Errorf("%.30s was taken", event)
		}
	}
}

func TestAnInvocationAnswersWithAResultARefusalOrAFault(t *testing.T) {
	refused := problem.New(http.StatusConflict, "no_seal", "No.")
	f, log := started(Invocation(func(_ context.Context, in struct{ Do string }) ([]byte, error) {
		switch in.Do {
		case "refuse":
			return nil, refused.With("there is none")
		case "fail":
			return nil, errors.New("broken")
		case "panic":
			panic("broken")
		}
		return []byte(in.Do), nil
	}))
	if data, err := f.Invoke(t.Context(), []byte(`{"Do":"it"}`)); err != nil || string(data) != `{"result":"aXQ="}` {
		t.Errorf("%s, %v", data, err)
	}
	data, err := f.Invoke(t.Context(), []byte(`{"Do":"refuse"}`))
	var answer InvocationAnswer[[]byte]
	if err != nil || json.Unmarshal(data, &answer) != nil || !errors.Is(answer.Problem, refused) || answer.Problem.Detail == "" {
		t.Errorf("%s, %v", data, err)
	}
	for _, do := range []string{`{"Do":"fail"}`, `{"Do":"panic"}`, `[]`} {
		log.Reset()
		if data, err := f.Invoke(t.Context(), []byte(do)); err == nil || data != nil {
			t.Errorf("%s: %s, %v", do, data, err)
		}
		if l := line(t, log); l["level"] != "ERROR" {
			t.Errorf("%s: %v", do, l)
		}
	}
}
