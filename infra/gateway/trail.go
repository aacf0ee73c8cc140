package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/redact"
)

// EventOf returns the audit event that a new image of a stream record carries; found is false where it carries none.
//
// The attribute event is the event of the last write. What its writer could not know, since it did not read the record,
// stands in eventPerson, eventHolder, eventObject and eventDivision, copied there from the record by the same write. An
// image may come again, by the stream or by a write without an event of its own: the identifier stays, and whoever
// takes events does so once for each.
func EventOf(image map[string]events.DynamoDBAttributeValue) (e audit.Event, found bool, err error) {
	data := textOf(image, "event")
	if data == "" {
		return audit.Event{}, false, nil
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		kind, _, _ := strings.Cut(textOf(image, "pk"), "#") // the rest of a key may name somebody
		return audit.Event{}, false, fmt.Errorf("reading the event of a %s: %w", kind, redact.JSON(err, int64(len(data))))
	}
	for name, field := range map[string]*string{
		"eventPerson": &e.Person, "eventHolder": &e.Holder, "eventObject": &e.Object, "eventDivision": &e.Division,
	} {
		if v := textOf(image, name); v != "" {
			*field = v
		}
	}
	return e, true, e.Check()
}

// textOf is a text attribute of an image, or "".
func textOf(image map[string]events.DynamoDBAttributeValue, name string) string {
	if v, ok := image[name]; ok && v.DataType() == events.DataTypeString {
		return v.String()
	}
	return ""
}

// Trail takes the events that records carry from the tables' streams into the trail, which stores one that comes again,
// as streams may bring it, once.
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

// Recorded answers the stream of the trail's own table: handle gets each event that entered it. An event that was there
// before, and other records of the table, are not its concern.
func Recorded(handle func(ctx context.Context, e audit.Event) error) Way {
	return Stream(func(ctx context.Context, r events.DynamoDBEventRecord) error {
		id, is := strings.CutPrefix(textOf(r.Change.NewImage, "pk"), "event#")
		if !is || r.EventName != string(events.DynamoDBOperationTypeInsert) {
			return nil
		}
		var e audit.Event
		body := textOf(r.Change.NewImage, "body")
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			return fmt.Errorf("reading event %s: %w", id, redact.JSON(err, int64(len(body))))
		}
		if err := e.Check(); err != nil {
			return err
		}
		return handle(ctx, e)
	})
}
