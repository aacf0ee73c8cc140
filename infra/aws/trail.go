package aws

import (
	"context"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/audit"
)

// Trail takes the events that records carry from the tables' streams into the table log, as [gateway.Trail].
type Trail struct{ Events audit.Recorder }

// Append takes one stream record.
func (t Trail) Append(ctx context.Context, r events.DynamoDBEventRecord) error {
	return gateway.Trail(t).Append(ctx, r)
}
