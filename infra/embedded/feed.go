package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
)

// The tables whose writes are told, as in infra/aws. The feed of a table tells them as its stream would: in the order
// in which they were done, from the same transaction, so that neither is there without the other.
const (
	TableSSO      = "sso"
	TableRegistry = "registry"
	TableSeals    = "seals"
	TableLicences = "licences"
	TableLog      = "log"
)

const (
	bucketFeed       = "feed-"      // and the table: sequence number → record
	bucketFeedsTaken = "feed-taken" // table ‖ 0 ‖ consumer → sequence number of the last record that it took
)

// image is what a write left, as the adapter of infra/aws would have written it.
type image struct {
	table, pk string
	sk        string // "-" if empty
	created   bool   // nothing was there before
	body      any    // the record, where a consumer of the stream reads it
}

// tell stores the event of a write, and tells the feed of its table.
func tell(tx *bbolt.Tx, i image, e audit.Event) error {
	if err := putEvent(tx, e); err != nil {
		return err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	return feed(tx, i, e, map[string]attribute{"event": {S: string(text)}})
}

// attribute is a value of DynamoDB: a text here.
type attribute struct {
	S string `json:"S"`
}

// StreamRecord is a write as the stream of a table tells it (DynamoDB Streams API reference, "Record", with what Lambda
// adds: Lambda developer guide, "Process DynamoDB records").
type StreamRecord struct {
	EventID      string `json:"eventID"`
	EventName    string `json:"eventName"` // INSERT or MODIFY: nothing is removed here
	EventVersion string `json:"eventVersion"`
	EventSource  string `json:"eventSource"`
	Region       string `json:"awsRegion"`
	Change       change `json:"dynamodb"`
	SourceARN    string `json:"eventSourceARN"`
}

type change struct {
	Created        int64                `json:"ApproximateCreationDateTime"` // in epoch seconds
	Keys           map[string]attribute `json:"Keys"`
	NewImage       map[string]attribute `json:"NewImage"`
	SequenceNumber string               `json:"SequenceNumber"`
	SizeBytes      int                  `json:"SizeBytes"`
	StreamViewType string               `json:"StreamViewType"`
}

// Key is the partition key of the record that was written.
func (r StreamRecord) Key() string { return r.Change.Keys["pk"].S }

// SequenceNumber orders the records of a table.
func (r StreamRecord) SequenceNumber() string { return r.Change.SequenceNumber }

func feed(tx *bbolt.Tx, i image, e audit.Event, attributes map[string]attribute) error {
	b, err := tx.CreateBucketIfNotExists([]byte(bucketFeed + i.table))
	if err != nil {
		return err
	}
	n, err := b.NextSequence()
	if err != nil {
		return err
	}
	if i.sk == "" {
		i.sk = "-"
	}
	keys := map[string]attribute{"pk": {S: i.pk}, "sk": {S: i.sk}}
	for name, v := range keys {
		attributes[name] = v
	}
	if i.body != nil {
		body, err := json.Marshal(i.body)
		if err != nil {
			return fmt.Errorf("encoding a record of %s: %w", i.table, err)
		}
		attributes["body"] = attribute{S: string(body)}
	}
	id := sha256.Sum256([]byte(i.table + "\x00" + strconv.FormatUint(n, 10)))
	r := StreamRecord{
		EventID: hex.EncodeToString(id[:16]), EventName: "MODIFY", EventVersion: "1.1", EventSource: "aws:dynamodb",
		Region: "local", SourceARN: "arn:aws:dynamodb:local:000000000000:table/" + i.table + "/stream/1",
		Change: change{Created: e.Time.Unix(), Keys: keys, NewImage: attributes, SequenceNumber: sequenceNumber(n),
			StreamViewType: "NEW_IMAGE"},
	}
	if i.created {
		r.EventName = "INSERT"
	}
	for name, v := range attributes {
		r.Change.SizeBytes += len(name) + len(v.S)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding a stream record of %s: %w", i.table, err)
	}
	return b.Put(sequenceKey(n), data)
}

// sequenceNumber has 21 digits, as those of DynamoDB have at least, so that they order as texts do.
func sequenceNumber(n uint64) string { return fmt.Sprintf("1%020d", n) }

func sequenceKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Feed is the stream of one table. A consumer takes its records in order; where it stands is kept, so that what was not
// taken before a stop comes after it.
type Feed struct {
	*DB
	Table string
}

// Join makes consumer one whose place is kept; records stay until all of them took theirs. A new one begins with the
// oldest record that is left.
func (f Feed) Join(_ context.Context, consumer string) error {
	return f.bolt.Update(func(tx *bbolt.Tx) error { // wakes nobody
		b, err := tx.CreateBucketIfNotExists([]byte(bucketFeedsTaken))
		if err != nil {
			return err
		}
		key := []byte(f.Table + "\x00" + consumer)
		if b.Get(key) != nil {
			return nil
		}
		return b.Put(key, sequenceKey(0))
	})
}

// Keep forgets the places of all consumers but those named: records would stay for what nothing drives any more.
func (f Feed) Keep(_ context.Context, consumers ...string) error {
	return f.bolt.Update(func(tx *bbolt.Tx) error { // wakes nobody
		b := tx.Bucket([]byte(bucketFeedsTaken))
		if b == nil {
			return nil
		}
		var gone [][]byte
		prefix := []byte(f.Table + "\x00")
		c := b.Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			if !slices.Contains(consumers, string(k[len(prefix):])) {
				gone = append(gone, bytes.Clone(k))
			}
		}
		for _, k := range gone {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// Next returns the records that consumer did not take yet, in order, at most limit.
func (f Feed) Next(_ context.Context, consumer string, limit int) (records []StreamRecord, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		taken, all := tx.Bucket([]byte(bucketFeedsTaken)), tx.Bucket([]byte(bucketFeed+f.Table))
		if taken == nil || all == nil {
			return nil
		}
		at := taken.Get([]byte(f.Table + "\x00" + consumer))
		if at == nil {
			return fmt.Errorf("%s did not join the feed of %s", consumer, f.Table)
		}
		c := all.Cursor()
		for k, data := c.Seek(sequenceKey(binary.BigEndian.Uint64(at) + 1)); k != nil && len(records) < limit; k, data = c.Next() {
			var r StreamRecord
			if err := json.Unmarshal(data, &r); err != nil {
				return fmt.Errorf("decoding a stream record of %s: %w", f.Table, err)
			}
			records = append(records, r)
		}
		return nil
	})
	return records, err
}

// Take moves consumer to the record with a sequence number, which it is done with, and forgets what every consumer
// took.
func (f Feed) Take(_ context.Context, consumer, number string) error {
	if len(number) < 2 {
		return fmt.Errorf("%q is no sequence number", number)
	}
	n, err := strconv.ParseUint(number[1:], 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no sequence number: %w", number, err)
	}
	return f.bolt.Update(func(tx *bbolt.Tx) error { // wakes nobody
		taken, all := tx.Bucket([]byte(bucketFeedsTaken)), tx.Bucket([]byte(bucketFeed+f.Table))
		if taken == nil || all == nil {
			return fmt.Errorf("the feed of %s has no record %s", f.Table, number)
		}
		if err := taken.Put([]byte(f.Table+"\x00"+consumer), sequenceKey(n)); err != nil {
			return err
		}
		least, prefix := sequenceKey(n), []byte(f.Table+"\x00")
		c := taken.Cursor()
		for k, at := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, at = c.Next() {
			if bytes.Compare(at, least) < 0 {
				least = bytes.Clone(at)
			}
		}
		c = all.Cursor()
		for k, _ := c.First(); k != nil && bytes.Compare(k, least) <= 0; k, _ = c.First() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return nil
	})
}
