package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/redact"
)

// JobMessage is what the queue of jobs carries, and what the service is invoked with that does one.
type JobMessage struct {
	Job string `json:"job"` // identifier
}

// jobPrefix is how the keys of jobs begin.
const jobPrefix = "job#"

// NewJobs takes the records of jobs that were begun from the stream of their table. Other records, and later images of
// the same job, are not its concern: the stream's filter leaves them out, and so does this where the filter is not
// there.
func NewJobs(submit func(ctx context.Context, job string) error) Way {
	return Stream(func(ctx context.Context, r events.DynamoDBEventRecord) error {
		id, found := strings.CutPrefix(textOf(r.Change.Keys, "pk"), jobPrefix)
		if !found || r.EventName != string(events.DynamoDBOperationTypeInsert) {
			return nil
		}
		return submit(ctx, id)
	})
}

// QueuedJobs takes the messages of the queue of jobs. One that is none is a fault, so that it ends as a dead letter.
func QueuedJobs(work func(ctx context.Context, job string) error) Way {
	return Queue(func(ctx context.Context, body []byte) error {
		var m JobMessage
		if err := json.Unmarshal(body, &m); err != nil {
			return fmt.Errorf("reading a message: %w", redact.JSON(err, int64(len(body))))
		}
		if m.Job == "" {
			return errors.New("a message names no job")
		}
		return work(ctx, m.Job)
	})
}
