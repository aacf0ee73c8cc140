package aws

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/redact"
)

// Handler is what a function does with one kind of event. A function that is reached in several ways has one for each.
// What they do is [gateway.Way]'s, so that infra/local runs the same.
type Handler = gateway.Way

// Serve runs h as the function behind an HTTP API. It does not return.
func Serve(env *Env, h http.Handler) { Start(env, HTTP(h)) }

// Start runs a function that is reached in one way or several, which the event's shape tells apart. A function whose
// environment lacks something ends here, at its cold start, and says what is missing. Start does not return.
func Start(env *Env, handlers ...Handler) {
	logger := slog.New(redact.Handler(lambdacontext.NewLogHandler()))
	slog.SetDefault(logger)
	if err := env.Err(); err != nil {
		logger.LogAttrs(context.Background(), slog.LevelError, "cold start failed", slog.String("error", err.Error()))
		os.Exit(1)
	}
	lambda.Start(env.measure(gateway.Runtime{Name: env.Function(), Log: logger, Now: time.Now, Ways: handlers}, os.Stdout))
}

// HTTP is [gateway.HTTP].
func HTTP(h http.Handler) Handler { return gateway.HTTP(h) }

// Stream is [gateway.Stream].
func Stream(handle func(ctx context.Context, r events.DynamoDBEventRecord) error) Handler {
	return gateway.Stream(handle)
}

// LicenceChanges is [gateway.LicenceChanges].
func LicenceChanges(publish func(ctx context.Context, changed map[string][]string) error) Handler {
	return gateway.LicenceChanges(publish)
}

// Recorded is [gateway.Recorded].
func Recorded(handle func(ctx context.Context, e audit.Event) error) Handler {
	return gateway.Recorded(handle)
}

// NewJobs is [gateway.NewJobs].
func NewJobs(submit func(ctx context.Context, job string) error) Handler {
	return gateway.NewJobs(submit)
}

// QueuedJobs is [gateway.QueuedJobs].
func QueuedJobs(work func(ctx context.Context, job string) error) Handler {
	return gateway.QueuedJobs(work)
}

// Schedule is [gateway.Schedule].
func Schedule(run func(ctx context.Context) error) Handler { return gateway.Schedule(run) }

// Invocation is [gateway.Invocation].
func Invocation[In, Out any](call func(ctx context.Context, in In) (Out, error)) Handler {
	return gateway.Invocation(call)
}
