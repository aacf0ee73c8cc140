package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
)

// Events keeps the audit events. Adapters whose port methods carry an event write it with [putEvent] in the same
// transaction as the record.
type Events struct{ *DB }

var (
	_ audit.Recorder     = Events{}
	_ audit.Reader       = Events{}
	_ audit.TimeReader   = Events{}
	_ audit.ObjectReader = Events{}
	_ audit.HolderReader = Events{}
)

const (
	bucketEvents       = "audit"           // ID → event
	bucketEventsTime   = "audit-by-time"   // time ‖ ID → nil
	bucketEventsHolder = "audit-by-holder" // holder ‖ 0 ‖ time ‖ ID → nil
	bucketEventsObject = "audit-by-object" // object ‖ 0 ‖ time ‖ ID → nil
)

const eventTime = "20060102T150405.000000000Z"

// putEvent stores e and its indexes. An event whose ID is known is left as it was.
func putEvent(tx *bbolt.Tx, e audit.Event) error {
	if err := e.Check(); err != nil {
		return err
	}
	if _, known, err := get[json.RawMessage](tx, bucketEvents, e.ID); err != nil || known {
		return err
	}
	if err := put(tx, bucketEvents, e.ID, e); err != nil {
		return err
	}
	at := e.Time.UTC().Format(eventTime) + "\x00" + e.ID
	if err := put(tx, bucketEventsTime, at, nil); err != nil {
		return err
	}
	if e.Holder != "" {
		if err := put(tx, bucketEventsHolder, e.Holder+"\x00"+at, nil); err != nil {
			return err
		}
	}
	if e.Object != "" {
		if err := put(tx, bucketEventsObject, e.Object+"\x00"+at, nil); err != nil {
			return err
		}
	}
	return feed(tx, image{table: TableLog, pk: "event#" + e.ID, created: true, body: e}, e, map[string]attribute{})
}

// Record implements [audit.Recorder].
func (s Events) Record(_ context.Context, e audit.Event) error {
	if err := e.Check(); err != nil {
		return err
	}
	known := false
	err := s.view(func(tx *bbolt.Tx) (err error) {
		_, known, err = get[json.RawMessage](tx, bucketEvents, e.ID)
		return err
	})
	if err != nil || known { // the feeds bring every event again, and a write waits for the disk
		return err
	}
	return s.update(func(tx *bbolt.Tx) error { return putEvent(tx, e) })
}

// ByHolder implements [audit.Reader].
func (s Events) ByHolder(_ context.Context, holder string, limit int) ([]audit.Event, error) {
	return s.byPrefix(bucketEventsHolder, holder+"\x00", limit, true)
}

// ByObject implements [audit.Reader].
func (s Events) ByObject(_ context.Context, object string) ([]audit.Event, error) {
	return s.byPrefix(bucketEventsObject, object+"\x00", 0, false)
}

// ByTime implements [audit.Reader].
func (s Events) ByTime(_ context.Context, from, to time.Time, limit int) ([]audit.Event, error) {
	var events []audit.Event
	err := s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketEventsTime))
		if b == nil {
			return nil
		}
		c, end := b.Cursor(), []byte(to.UTC().Format(eventTime))
		for k, _ := c.Seek([]byte(from.UTC().Format(eventTime))); k != nil && bytes.Compare(k, end) < 0; k, _ = c.Next() {
			if limit > 0 && len(events) == limit {
				return nil
			}
			if err := appendEvent(tx, k, &events); err != nil {
				return err
			}
		}
		return nil
	})
	return events, err
}

func (s Events) byPrefix(bucket, prefix string, limit int, newestFirst bool) ([]audit.Event, error) {
	var events []audit.Event
	err := s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		c, p := b.Cursor(), []byte(prefix)
		k, _ := c.Seek(p)
		step := c.Next
		if newestFirst {
			// The key after the last of the prefix; "\x01" follows the separator "\x00".
			if k, _ = c.Seek(append(p[:len(p)-1:len(p)-1], 1)); k == nil {
				k, _ = c.Last()
			} else {
				k, _ = c.Prev()
			}
			step = c.Prev
		}
		for ; k != nil && bytes.HasPrefix(k, p) && (limit <= 0 || len(events) < limit); k, _ = step() {
			if err := appendEvent(tx, k, &events); err != nil {
				return err
			}
		}
		return nil
	})
	return events, err
}

// appendEvent reads the event that an index key ends in.
func appendEvent(tx *bbolt.Tx, indexKey []byte, events *[]audit.Event) error {
	id := string(indexKey[bytes.LastIndexByte(indexKey, 0)+1:])
	e, found, err := get[audit.Event](tx, bucketEvents, id)
	if err == nil && !found {
		err = fmt.Errorf("the audit index names event %s, which is missing", id)
	}
	*events = append(*events, e)
	return err
}
