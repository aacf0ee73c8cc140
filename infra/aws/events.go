package aws

import (
	"cmp"
	"context"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yinxin/yinxin/shared/audit"
)

// Events keeps the audit events, each an item of the table log. Those of a record come from the stream of its table:
// whoever is given the stream calls [gateway.EventOf] and then Record.
type Events struct{ *DB }

var (
	_ audit.Recorder     = Events{}
	_ audit.Reader       = Events{}
	_ audit.TimeReader   = Events{}
	_ audit.ObjectReader = Events{}
	_ audit.HolderReader = Events{}
)

// eventTime orders as text as the times do.
const eventTime = "20060102T150405.000000000Z"

// timeShards is among how many partitions the events of one day are spread: a partition takes 1000 writes a second.
const timeShards = 4

// eventAttribute is an event as an attribute of the record that it is about.
func eventAttribute(e audit.Event) (types.AttributeValue, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	return encode(e)
}

// eventID is the identifier of the event in an item, or "".
func eventID(it item) string {
	var e struct {
		ID string `json:"id"`
	}
	if json.Unmarshal([]byte(textOf(it, "event")), &e) != nil {
		return ""
	}
	return e.ID
}

// Record implements [audit.Recorder].
func (s Events) Record(ctx context.Context, e audit.Event) error {
	if err := e.Check(); err != nil {
		return err
	}
	body, err := encode(e)
	if err != nil {
		return err
	}
	when := e.Time.UTC().Format(eventTime) + "#" + e.ID
	put := item{"body": body}
	keys := []item{indexed(byThird, dayPartition(e.Time, shardOf(e.ID)), when)}
	if e.Holder != "" {
		keys = append(keys, indexed(byFirst, "holder#"+s.hidden("holder", e.Holder), when))
	}
	if e.Object != "" {
		keys = append(keys, indexed(bySecond, "object#"+s.hidden("object", e.Object), when))
	}
	for _, k := range keys {
		for name, v := range k {
			put[name] = v
		}
	}
	m := meterOf(ctx)
	before := m.count(sdkRetries)
	out, err := s.write(ctx, write{at: at{s.tables.Log, "event#" + e.ID, noSort}, put: put, condition: absent})
	if err == nil && (out.held || m.count(sdkRetries) > before) { // a write that was sent again may have met itself
		m.recorded(e)
	}
	return err // one that is known stays as it is
}

// ByHolder implements [audit.Reader]. It may lag behind writes, as the other methods may.
func (s Events) ByHolder(ctx context.Context, holder string, limit int) ([]audit.Event, error) {
	return s.events(ctx, query{table: s.tables.Log, index: byFirst, partition: "holder#" + s.hidden("holder", holder),
		newestFirst: true, limit: max(limit, 0)})
}

// ByObject implements [audit.Reader].
func (s Events) ByObject(ctx context.Context, object string) ([]audit.Event, error) {
	return s.events(ctx, query{table: s.tables.Log, index: bySecond, partition: "object#" + s.hidden("object", object)})
}

// ByTime implements [audit.Reader]. It asks for each day by itself.
func (s Events) ByTime(ctx context.Context, from, to time.Time, limit int) ([]audit.Event, error) {
	var found []audit.Event
	from, to = from.UTC(), to.UTC()
	if !from.Before(to) {
		return nil, nil // DynamoDB refuses such bounds
	}
	for day := from.Truncate(24 * time.Hour); day.Before(to) && (limit <= 0 || len(found) < limit); day = day.AddDate(0, 0, 1) {
		var ofDay []audit.Event
		for shard := range timeShards {
			list, err := s.events(ctx, query{table: s.tables.Log, index: byThird, partition: dayPartition(day, shard),
				from: from.Format(eventTime), before: to.Format(eventTime), limit: max(limit, 0)})
			if err != nil {
				return nil, err
			}
			ofDay = append(ofDay, list...)
		}
		slices.SortFunc(ofDay, func(a, b audit.Event) int {
			return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
		})
		found = append(found, ofDay...)
	}
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, nil
}

func shardOf(id string) int {
	sum := fnv.New32a()
	sum.Write([]byte(id)) // a hash takes everything
	return int(sum.Sum32() % timeShards)
}

func dayPartition(at time.Time, shard int) string {
	return "day#" + at.UTC().Format("20060102") + "#" + strconv.Itoa(shard)
}

func (s Events) events(ctx context.Context, q query) ([]audit.Event, error) {
	items, err := s.query(ctx, q)
	if err != nil {
		return nil, err
	}
	var list []audit.Event
	for _, it := range items {
		e, err := decode[audit.Event](it)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}
