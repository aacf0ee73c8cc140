package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/document"
)

// JobQueue is a queue of SQS.
type JobQueue struct {
	URL    string // of the queue
	Config sdk.Config
	Now    func() time.Time
	Rand   io.Reader // of the delays between tries; nil for none
}

var _ document.Queue = JobQueue{}

// Enqueue implements [document.Queue].
func (s JobQueue) Enqueue(ctx context.Context, job string) error {
	body, err := json.Marshal(gateway.JobMessage{Job: job})
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	return queue(s).send(ctx, message{Body: string(body)})
}
