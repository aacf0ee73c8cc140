package aws

import (
	"context"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/audit"
)

// Trail takes the events that records carry from the tables' streams into the table log. A record that comes again, as
// streams may, is stored once.
type Trail struct{ Events audit.Recorder }

// Append takes one stream record. What was removed carries no event of its own: ttl removes, and nobody else does.
func (t Trail) Append(ctx context.Context, r events.DynamoDBEventRecord) error {
	if r.EventName == string(events.DynamoDBOperationTypeRemove) {
		return nil
	}
	e, found, err := EventOf(r.Change.NewImage)
	if err != nil || !found {
		return err
	}
	return t.Events.Record(ctx, e)
}
