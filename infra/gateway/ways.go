package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/redact"
)

// Way is one way in which a function is reached, and what it does then: [HTTP], [Queue], [Stream], [Schedule] or
// [Invocation].
type Way struct {
	kind string // for the log: "http", "queue", "stream", "schedule", "invocation"
	run  func(ctx context.Context, log *slog.Logger, event []byte) (answer []byte, said []slog.Attr, err error)
}

// Runtime runs a function that is reached in one way or several, which the event's shape tells apart: the same in AWS,
// where it is the lambda.Handler, and in infra/local.
type Runtime struct {
	Name string
	Log  *slog.Logger
	Now  func() time.Time
	Ways []Way
	// Told, where it is set, hears the attributes of every line, and how the invocation ended.
	Told func(ctx context.Context, line []slog.Attr, err error)
}

// Invoke runs the handler of the event and writes one line: what was asked for by its route, never its parameters,
// headers or bodies. A panic is an error of this invocation; the next finds the function as it was.
func (f Runtime) Invoke(ctx context.Context, event []byte) (answer []byte, err error) {
	began := f.Now()
	h, err := f.way(event)
	var said []slog.Attr
	if err == nil {
		answer, said, err = f.survive(ctx, h, event)
	}
	line := []slog.Attr{slog.String("function", f.Name), slog.String("kind", h.kind),
		slog.Float64("milliseconds", float64(f.Now().Sub(began).Microseconds())/1000)}
	line = append(line, said...)
	if trace, _ := ctx.Value("x-amzn-trace-id").(string); trace != "" { // the key is aws-lambda-go's
		line = append(line, slog.String("traceId", trace))
	}
	level := slog.LevelInfo
	if err != nil {
		level, line = slog.LevelError, append(line, slog.String("error", err.Error()))
	}
	f.Log.LogAttrs(ctx, level, "invocation", line...)
	if f.Told != nil {
		f.Told(ctx, line, err)
	}
	return answer, err
}

func (f Runtime) survive(ctx context.Context, h Way, event []byte) (answer []byte, said []slog.Attr, err error) {
	defer func() {
		if v := recover(); v != nil {
			answer, err = nil, fmt.Errorf("the handler panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return h.run(ctx, f.Log, event)
}

// shape is what tells the kinds of events apart: their documented fields.
type shape struct {
	RequestContext *struct {
		HTTP json.RawMessage `json:"http"`
	} `json:"requestContext"`
	Records []struct {
		Source string `json:"eventSource"`
	} `json:"Records"`
	DetailType string `json:"detail-type"`
}

func (f Runtime) way(event []byte) (Way, error) {
	if len(f.Ways) == 1 {
		return f.Ways[0], nil
	}
	var s shape
	if err := json.Unmarshal(event, &s); err != nil {
		return Way{}, fmt.Errorf("reading the event: %w", redact.JSON(err, int64(len(event))))
	}
	kind := "invocation"
	switch {
	case s.RequestContext != nil && s.RequestContext.HTTP != nil:
		kind = "http"
	case len(s.Records) > 0 && s.Records[0].Source == "aws:sqs":
		kind = "queue"
	case len(s.Records) > 0 && s.Records[0].Source == "aws:dynamodb":
		kind = "stream"
	case s.DetailType != "":
		kind = "schedule"
	}
	for _, h := range f.Ways {
		if h.kind == kind {
			return h, nil
		}
	}
	return Way{kind: kind}, fmt.Errorf("the function is not reached by %s", kind)
}

// HTTP answers requests that come through an HTTP API (payload format 2.0).
func HTTP(h http.Handler) Way {
	return Way{kind: "http", run: func(ctx context.Context, _ *slog.Logger, event []byte) ([]byte, []slog.Attr, error) {
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, nil, fmt.Errorf("reading the event: %w", redact.JSON(err, int64(len(event))))
		}
		answer := Serve(ctx, h, e)
		said := []slog.Attr{slog.String("route", e.RouteKey), slog.Int("status", answer.StatusCode),
			slog.String("apiRequestId", e.RequestContext.RequestID)}
		if code := refusalCode(answer); code != "" {
			said = append(said, slog.String("refused", code))
		}
		data, err := json.Marshal(answer)
		return data, said, err
	}}
}

// Queue answers the messages of an SQS queue, whose mapping reports batch item failures: a message whose handling fails
// comes again, alone, and after some times goes to the dead-letter queue. What the time no longer allows fails too.
func Queue(handle func(ctx context.Context, body []byte) error) Way {
	return Way{kind: "queue", run: func(ctx context.Context, log *slog.Logger, event []byte) ([]byte, []slog.Attr, error) {
		var e events.SQSEvent
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, nil, fmt.Errorf("reading the event: %w", redact.JSON(err, int64(len(event))))
		}
		answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
		for _, m := range e.Records {
			if err := one(ctx, func() error { return handle(ctx, []byte(m.Body)) }); err != nil {
				log.ErrorContext(ctx, "message failed", "messageId", m.MessageId, "error", err.Error())
				answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			}
		}
		return batch(answer, len(e.Records), len(answer.BatchItemFailures))
	}}
}

// Stream answers the records of a table's stream, whose mapping reports batch item failures and halves batches on
// errors: in order, and from the first that fails on they come again. Where already the first of several fails, it is
// the error of the invocation: Lambda then halves the batch until that record comes alone, so that the dead letter of
// one that never succeeds is about nothing else (Lambda developer guide, "Configuring partial batch response with
// DynamoDB").
func Stream(handle func(ctx context.Context, r events.DynamoDBEventRecord) error) Way {
	return Way{kind: "stream", run: func(ctx context.Context, log *slog.Logger, event []byte) ([]byte, []slog.Attr, error) {
		var e events.DynamoDBEvent
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, nil, fmt.Errorf("reading the event: %w", redact.JSON(err, int64(len(event))))
		}
		for i, r := range e.Records {
			if err := one(ctx, func() error { return handle(ctx, r) }); err != nil {
				return streamFailed(ctx, log, e, i, err)
			}
		}
		return streamTaken(e)
	}}
}

// StreamBatch is [Stream] for what is done once for a whole batch: it succeeds or fails as a whole.
func StreamBatch(handle func(ctx context.Context, records []events.DynamoDBEventRecord) error) Way {
	return Way{kind: "stream", run: func(ctx context.Context, log *slog.Logger, event []byte) ([]byte, []slog.Attr, error) {
		var e events.DynamoDBEvent
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, nil, fmt.Errorf("reading the event: %w", redact.JSON(err, int64(len(event))))
		}
		if len(e.Records) > 0 {
			if err := one(ctx, func() error { return handle(ctx, e.Records) }); err != nil {
				return streamFailed(ctx, log, e, 0, err)
			}
		}
		return streamTaken(e)
	}}
}

func streamTaken(e events.DynamoDBEvent) ([]byte, []slog.Attr, error) {
	return batch(events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}, len(e.Records), 0)
}

// streamFailed answers that record i is the first that was not taken.
func streamFailed(ctx context.Context, log *slog.Logger, e events.DynamoDBEvent, i int, err error) ([]byte, []slog.Attr, error) {
	number := e.Records[i].Change.SequenceNumber
	if i == 0 && len(e.Records) > 1 {
		return nil, []slog.Attr{slog.Int("items", len(e.Records)), slog.Int("failed", len(e.Records))},
			fmt.Errorf("stream record %s, the first of %d: %w", number, len(e.Records), err)
	}
	log.ErrorContext(ctx, "stream record failed", "sequence", number, "error", err.Error())
	failed := []events.DynamoDBBatchItemFailure{{ItemIdentifier: number}}
	return batch(events.DynamoDBEventResponse{BatchItemFailures: failed}, len(e.Records), len(e.Records)-i)
}

// one handles one item of a batch: its panic is its own failure, and nothing begins after the deadline.
func one(ctx context.Context, handle func() error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the handler panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return handle()
}

// batch encodes which items of a batch failed.
func batch[T any](answer T, of, failed int) ([]byte, []slog.Attr, error) {
	data, err := json.Marshal(answer)
	return data, []slog.Attr{slog.Int("items", of), slog.Int("failed", failed)}, err
}

// Schedule answers what EventBridge sends at intervals. The event says nothing that is needed.
func Schedule(run func(ctx context.Context) error) Way {
	return Way{kind: "schedule", run: func(ctx context.Context, _ *slog.Logger, _ []byte) ([]byte, []slog.Attr, error) {
		return []byte("null"), nil, run(ctx)
	}}
}

// InvocationAnswer is what a function that was invoked directly answers: what it made, or its refusal. A fault is the
// error of the invocation instead.
type InvocationAnswer[T any] struct {
	Result  T                `json:"result"`
	Problem *problem.Problem `json:"problem,omitempty"`
}

// Invocation answers direct invocations with JSON in and JSON out: {"result": …}, or {"problem": …} for a refusal.
func Invocation[In, Out any](call func(ctx context.Context, in In) (Out, error)) Way {
	return Way{kind: "invocation", run: func(ctx context.Context, _ *slog.Logger, event []byte) ([]byte, []slog.Attr, error) {
		var in In
		if err := json.Unmarshal(event, &in); err != nil {
			return nil, nil, fmt.Errorf("reading the event: %w", redact.JSON(err, int64(len(event))))
		}
		var answer InvocationAnswer[Out]
		var err error
		answer.Result, err = call(ctx, in)
		if err != nil && !errors.As(err, &answer.Problem) {
			return nil, nil, err
		}
		var said []slog.Attr
		if answer.Problem != nil {
			said = []slog.Attr{slog.String("refused", answer.Problem.Code)}
		}
		data, err := json.Marshal(answer)
		return data, said, err
	}}
}
