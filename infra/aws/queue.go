package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
)

// queue is a queue of SQS to which messages are sent (Amazon SQS API Reference, "SendMessage", in the AWS JSON protocol
// 1.0).
type queue struct {
	URL    string // of the queue
	Config sdk.Config
	Now    func() time.Time
}

// message is what is sent. Group and Deduplication are for FIFO queues: what has one deduplication identifier is delivered
// once if it is sent within five minutes.
type message struct {
	QueueURL      string `json:"QueueUrl"`
	Body          string `json:"MessageBody"`
	Group         string `json:"MessageGroupId,omitempty"`
	Deduplication string `json:"MessageDeduplicationId,omitempty"`
}

// sendTries is how often a message is sent: twice is a message twice, which is harmless, and not at all is an event that
// the stream brings again.
const sendTries = 3

func (q queue) send(ctx context.Context, m message) error {
	m.QueueURL = q.URL
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	for range sendTries {
		if err = q.once(ctx, body); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (q queue) once(ctx context.Context, body []byte) error {
	u, err := url.Parse(q.URL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is not the address of a queue", q.URL)
	}
	base := "https://" + u.Host + "/"
	if q.Config.BaseEndpoint != nil {
		base = *q.Config.BaseEndpoint + "/"
	}
	status, _, answer, err := signed(ctx, q.Config, q.Now, "sqs", q.Config.Region, base, body, http.Header{
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
