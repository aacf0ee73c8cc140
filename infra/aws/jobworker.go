package aws

import (
	"context"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/document"
)

// JobWorker is seal-stamp as the function job sees it: each attempt at a job is an invocation of that function, which
// reads itself what is asked for and alone opens the keys of seals.
type JobWorker struct {
	Function string // ARN of the function's alias
	Config   sdk.Config
	Now      func() time.Time
}

var _ document.Worker = JobWorker{}

// DoJob implements [document.Worker].
func (s JobWorker) DoJob(ctx context.Context, job string) (document.Result, error) {
	return invoke[gateway.JobMessage, document.Result](ctx, invocation(s), gateway.JobMessage{Job: job})
}

// NewJobs answers the stream of the table that jobs are in.
func NewJobs(submit func(ctx context.Context, job string) error) Handler {
	return Stream(gateway.NewJobs(submit))
}

// QueuedJobs answers the queue of jobs.
func QueuedJobs(work func(ctx context.Context, job string) error) Handler {
	return Queue(gateway.QueuedJobs(work))
}
