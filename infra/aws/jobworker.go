package aws

import (
	"context"
	"errors"
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
	result, err := invoke[gateway.JobMessage, document.Result](ctx, invocation(s), gateway.JobMessage{Job: job})
	if err == nil && (result.Order == "" || result.SHA256 == "") {
		err = errors.New("the seal service answered with nothing")
	}
	return result, err
}
