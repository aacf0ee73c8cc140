package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/problem"
)

// Handler is what a function does with one kind of event. A function that is reached in several ways has one for each.
type Handler struct {
	kind string // for the log: "http", "queue", "stream", "schedule", "invocation"
	run  func(ctx context.Context, event []byte) (answer []byte, said []slog.Attr, err error)
}

// Serve runs h as the function behind an HTTP API. It does not return.
func Serve(env *Env, h http.Handler) { Start(env, HTTP(h)) }

// Start runs a function that is reached in one way or several, which the event's shape tells apart. A function whose
// environment lacks something ends here, at its cold start, and says what is missing. Start does not return.
func Start(env *Env, handlers ...Handler) {
	logger := slog.New(lambdacontext.NewLogHandler())
	slog.SetDefault(logger)
	if err := env.Err(); err != nil {
		logger.LogAttrs(context.Background(), slog.LevelError, "cold start failed", slog.String("error", err.Error()))
		os.Exit(1)
	}
	lambda.Start(function{name: env.Function(), log: logger, now: time.Now, handlers: handlers})
}

// function is a started function: a lambda.Handler.
type function struct {
	name     string
	log      *slog.Logger
	now      func() time.Time
	handlers []Handler
}

// Invoke runs the handler of the event and writes one line: what was asked for by its route, never its parameters,
// headers or bodies. A panic is an error of this invocation; the next finds the function as it was.
func (f function) Invoke(ctx context.Context, event []byte) (answer []byte, err error) {
	began := f.now()
	h, err := f.handler(event)
	var said []slog.Attr
	if err == nil {
		answer, said, err = survive(ctx, h, event)
	}
	line := []slog.Attr{slog.String("function", f.name), slog.String("kind", h.kind),
		slog.Float64("milliseconds", float64(f.now().Sub(began).Microseconds())/1000)}
	line = append(line, said...)
	if trace, _ := ctx.Value("x-amzn-trace-id").(string); trace != "" { // the key is aws-lambda-go's
		line = append(line, slog.String("traceId", trace))
	}
	level := slog.LevelInfo
	if err != nil {
		level, line = slog.LevelError, append(line, slog.String("error", err.Error()))
	}
	f.log.LogAttrs(ctx, level, "invocation", line...)
	return answer, err
}

func survive(ctx context.Context, h Handler, event []byte) (answer []byte, said []slog.Attr, err error) {
	defer func() {
		if v := recover(); v != nil {
			answer, err = nil, fmt.Errorf("the handler panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return h.run(ctx, event)
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

func (f function) handler(event []byte) (Handler, error) {
	if len(f.handlers) == 1 {
		return f.handlers[0], nil
	}
	var s shape
	if err := json.Unmarshal(event, &s); err != nil {
		return Handler{}, fmt.Errorf("reading the event: %w", err)
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
	for _, h := range f.handlers {
		if h.kind == kind {
			return h, nil
		}
	}
	return Handler{kind: kind}, fmt.Errorf("the function is not reached by %s", kind)
}

// HTTP answers requests that come through an HTTP API (payload format 2.0).
func HTTP(h http.Handler) Handler {
	return Handler{kind: "http", run: func(ctx context.Context, event []byte) ([]byte, []slog.Attr, error) {
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, nil, fmt.Errorf("reading the event: %w", err)
		}
		answer := gateway.Serve(ctx, h, e)
		said := []slog.Attr{slog.String("route", e.RouteKey), slog.Int("status", answer.StatusCode),
			slog.String("apiRequestId", e.RequestContext.RequestID)}
		data, err := json.Marshal(answer)
		return data, said, err
	}}
}

// Queue answers the messages of an SQS queue, whose mapping reports batch item failures: a message whose handling fails
// comes again, alone, and after some times goes to the dead-letter queue. What the time no longer allows fails too.
func Queue(handle func(ctx context.Context, body []byte) error) Handler {
	return Handler{kind: "queue", run: func(ctx context.Context, event []byte) ([]byte, []slog.Attr, error) {
		var e events.SQSEvent
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, nil, fmt.Errorf("reading the event: %w", err)
		}
		answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
		for _, m := range e.Records {
			if err := one(ctx, func() error { return handle(ctx, []byte(m.Body)) }); err != nil {
				slog.ErrorContext(ctx, "message failed", "messageId", m.MessageId, "error", err.Error())
				answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			}
		}
		return batch(answer, len(e.Records), len(answer.BatchItemFailures))
	}}
}

// Stream answers the records of a table's stream, whose mapping reports batch item failures: in order, and from the
// first that fails on they come again.
func Stream(handle func(ctx context.Context, r events.DynamoDBEventRecord) error) Handler {
	return Handler{kind: "stream", run: func(ctx context.Context, event []byte) ([]byte, []slog.Attr, error) {
		var e events.DynamoDBEvent
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, nil, fmt.Errorf("reading the event: %w", err)
		}
		answer := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
		for i, r := range e.Records {
			if err := one(ctx, func() error { return handle(ctx, r) }); err != nil {
				slog.ErrorContext(ctx, "stream record failed", "sequence", r.Change.SequenceNumber, "error", err.Error())
				answer.BatchItemFailures = append(answer.BatchItemFailures,
					events.DynamoDBBatchItemFailure{ItemIdentifier: r.Change.SequenceNumber})
				return batch(answer, len(e.Records), len(e.Records)-i)
			}
		}
		return batch(answer, len(e.Records), 0)
	}}
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
func Schedule(run func(ctx context.Context) error) Handler {
	return Handler{kind: "schedule", run: func(ctx context.Context, _ []byte) ([]byte, []slog.Attr, error) {
		return []byte("null"), nil, run(ctx)
	}}
}

// invocationAnswer is what a function that was invoked directly answers: what it made, or its refusal. A fault is the
// error of the invocation instead.
type invocationAnswer[T any] struct {
	Result  T                `json:"result"`
	Problem *problem.Problem `json:"problem,omitempty"`
}

// Invocation answers direct invocations with JSON in and JSON out: {"result": …}, or {"problem": …} for a refusal.
func Invocation[In, Out any](call func(ctx context.Context, in In) (Out, error)) Handler {
	return Handler{kind: "invocation", run: func(ctx context.Context, event []byte) ([]byte, []slog.Attr, error) {
		var in In
		if err := json.Unmarshal(event, &in); err != nil {
			return nil, nil, fmt.Errorf("reading the event: %w", err)
		}
		var answer invocationAnswer[Out]
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
