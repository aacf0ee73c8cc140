package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/document"
)

// JobQueue is a queue of SQS (Amazon SQS API Reference, "SendMessage", in the AWS JSON protocol 1.0).
type JobQueue struct {
	URL    string // of the queue
	Config sdk.Config
	Now    func() time.Time
}

var _ document.Queue = JobQueue{}

// sendTries is how often a message is sent: twice is a message twice, which is harmless, and not at all is a job that
// waits for the stream to bring it again.
const sendTries = 3

// Enqueue implements [document.Queue].
func (s JobQueue) Enqueue(ctx context.Context, job string) error {
	message, err := json.Marshal(gateway.JobMessage{Job: job})
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	body, err := json.Marshal(map[string]string{"QueueUrl": s.URL, "MessageBody": string(message)})
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	for range sendTries {
		if err = s.send(ctx, body); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (s JobQueue) send(ctx context.Context, body []byte) error {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is not the address of a queue", s.URL)
	}
	base := "https://" + u.Host + "/"
	if s.Config.BaseEndpoint != nil {
		base = *s.Config.BaseEndpoint + "/"
	}
	status, _, answer, err := signed(ctx, s.Config, s.Now, "sqs", s.Config.Region, base, body, http.Header{
		"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS.SendMessage"},
	})
	if err != nil {
		return fmt.Errorf("sending a message: %w", err)
	}
	var sent struct{ MessageId string }
	if status != http.StatusOK || json.Unmarshal(answer, &sent) != nil || sent.MessageId == "" {
		return fmt.Errorf("sending a message: status %d: %.200s", status, answer)
	}
	return nil
}
