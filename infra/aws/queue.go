package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
)

// queue is a queue of SQS to which messages are sent (Amazon SQS API Reference, "SendMessage", in the AWS JSON protocol
// 1.0).
type queue struct {
	URL    string // of the queue
	Config sdk.Config
	Now    func() time.Time
	Rand   io.Reader // of the delays between tries; nil for none
}

// message is what is sent. Group and Deduplication are for FIFO queues: what has one deduplication identifier is
// delivered once if it is sent within five minutes.
type message struct {
	QueueURL      string `json:"QueueUrl"`
	Body          string `json:"MessageBody"`
	Group         string `json:"MessageGroupId,omitempty"`
	Deduplication string `json:"MessageDeduplicationId,omitempty"`
}

// sendTries is how often sending a message is tried. One that arrives twice is harmless; one that never arrives is a
// fault, and the stream brings its event again.
const sendTries = 3

func (q queue) send(ctx context.Context, m message) error {
	m.QueueURL = q.URL
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	for try := 1; ; try++ {
		again, err := q.once(ctx, body)
		if err == nil || !again || try == sendTries || ctx.Err() != nil {
			return err
		}
		if q.Rand == nil {
			continue
		}
		delay, drawn := jitter(q.Rand, try)
		if drawn != nil {
			return errors.Join(err, drawn)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// once sends a message once. again says that it may be taken another time: after throttling, a fault of the service, an
// answer that did not come or is none.
func (q queue) once(ctx context.Context, body []byte) (again bool, err error) {
	u, err := url.Parse(q.URL)
	if err != nil || u.Host == "" {
		return false, fmt.Errorf("%q is not the address of a queue", q.URL)
	}
	base := "https://" + u.Host + "/"
	if q.Config.BaseEndpoint != nil {
		base = *q.Config.BaseEndpoint + "/"
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	status, _, answer, err := signed(ctx, q.Config, q.Now, "sqs", q.Config.Region, base, body, http.Header{
		"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS.SendMessage"},
	})
	if err != nil {
		return true, fmt.Errorf("sending a message: %w", err)
	}
	var sent struct {
		MessageId string
		Type      string `json:"__type"`
	}
	if err := json.Unmarshal(answer, &sent); status == http.StatusOK && err == nil && sent.MessageId != "" {
		return false, nil
	}
	refused := status >= 400 && status < 500 && status != http.StatusTooManyRequests && !strings.Contains(sent.Type, "Throttl")
	return !refused, fmt.Errorf("sending a message: status %d: %.200s", status, answer)
}
