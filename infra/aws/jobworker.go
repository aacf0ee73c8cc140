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

// NewJobs is [gateway.NewJobs].
func NewJobs(submit func(ctx context.Context, job string) error) Handler {
	return gateway.NewJobs(submit)
}

// QueuedJobs is [gateway.QueuedJobs].
func QueuedJobs(work func(ctx context.Context, job string) error) Handler {
	return gateway.QueuedJobs(work)
}
