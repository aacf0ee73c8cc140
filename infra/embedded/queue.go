package embedded

import (
	"context"
	"crypto/md5" // SQS names the digest of a body by it
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

const (
	bucketQueue     = "queue-"       // and the name: sequence number → message
	bucketQueueSeen = "queue-seen-"  // and the name: deduplication identifier → when it was sent
	bucketDead      = "dead-letters" // sequence number → dead letter
)

// deduplication is how long a FIFO queue remembers what was sent (SQS developer guide, "Exactly-once processing").
const deduplication = 5 * time.Minute

// Queue is a queue of messages that comes as near to one of SQS as one process needs: at least once, in the order of
// sending where nothing fails, hidden while somebody works on it, and a dead letter after too many attempts.
type Queue struct {
	*DB
	Name        string
	Visibility  time.Duration // for how long a message that was received is hidden
	MaxReceives int           // after so many a message is a dead letter
}

type message struct {
	ID       string    `json:"id"`
	Body     string    `json:"body"`
	Group    string    `json:"group,omitempty"`
	Sent     time.Time `json:"sent"`
	First    time.Time `json:"first"` // when it was received first
	Visible  time.Time `json:"visible"`
	Receives int       `json:"receives"`
}

// QueueMessage is a message as Lambda hands it over (Lambda developer guide, "Process Amazon SQS records").
type QueueMessage struct {
	MessageID     string               `json:"messageId"`
	ReceiptHandle string               `json:"receiptHandle"`
	Body          string               `json:"body"`
	Attributes    map[string]string    `json:"attributes"`
	More          map[string]attribute `json:"messageAttributes"` // none
	MD5           string               `json:"md5OfBody"`
	EventSource   string               `json:"eventSource"`
	SourceARN     string               `json:"eventSourceARN"`
	Region        string               `json:"awsRegion"`
}

// Send puts a message into the queue. One with a deduplication identifier that was sent in the last five minutes is not
// sent again; dedup is empty where the queue is not FIFO.
func (q Queue) Send(_ context.Context, body, group, dedup string) error {
	return q.update(func(tx *bbolt.Tx) error { return q.send(tx, body, group, dedup) })
}

func (q Queue) send(tx *bbolt.Tx, body, group, dedup string) error {
	now := q.Now()
	if dedup != "" {
		sent, found, err := get[time.Time](tx, bucketQueueSeen+q.Name, dedup)
		if err != nil || found && now.Sub(sent) < deduplication {
			return err
		}
		if err := put(tx, bucketQueueSeen+q.Name, dedup, now); err != nil {
			return err
		}
	}
	b, err := tx.CreateBucketIfNotExists([]byte(bucketQueue + q.Name))
	if err != nil {
		return err
	}
	n, err := b.NextSequence()
	if err != nil {
		return err
	}
	id := sha256.Sum256([]byte(q.Name + "\x00" + strconv.FormatUint(n, 10)))
	return putMessage(b, n, message{ID: hex.EncodeToString(id[:16]), Body: body, Group: group, Sent: now, Visible: now})
}

func putMessage(b *bbolt.Bucket, n uint64, m message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	return b.Put(sequenceKey(n), data)
}

// Receive returns at most limit messages that are not hidden, and hides them. A message that was received too often is
// a dead letter instead. Where there is none to be had now, next says when there may be: zero, not before one is sent.
func (q Queue) Receive(_ context.Context, limit int) (list []QueueMessage, next time.Time, err error) {
	err = q.bolt.Update(func(tx *bbolt.Tx) error { // wakes nobody
		list, next = nil, time.Time{}
		b := tx.Bucket([]byte(bucketQueue + q.Name))
		if b == nil {
			return nil
		}
		now, changed, dead := q.Now(), map[uint64]message{}, map[uint64]message{}
		c := b.Cursor()
		for k, data := c.First(); k != nil && len(list) < limit; k, data = c.Next() {
			var m message
			if err := json.Unmarshal(data, &m); err != nil {
				return fmt.Errorf("decoding a message of %s: %w", q.Name, err)
			}
			if m.Visible.After(now) {
				if next.IsZero() || m.Visible.Before(next) {
					next = m.Visible
				}
				continue
			}
			n := binary.BigEndian.Uint64(k)
			if m.Receives++; m.Receives > q.MaxReceives {
				dead[n] = m
				continue
			}
			if m.First.IsZero() {
				m.First = now
			}
			m.Visible = now.Add(q.Visibility)
			changed[n] = m
			list = append(list, q.shown(n, m))
		}
		for n, m := range changed {
			if err := putMessage(b, n, m); err != nil {
				return err
			}
		}
		for n, m := range dead {
			letter := DeadLetter{Time: now, Source: q.Name, Body: m.Body, Reason: fmt.Sprintf("received %d times", q.MaxReceives)}
			if err := putDead(tx, letter); err != nil {
				return err
			}
			if err := b.Delete(sequenceKey(n)); err != nil {
				return err
			}
		}
		return nil
	})
	return list, next, err
}

func (q Queue) shown(n uint64, m message) QueueMessage {
	sum := md5.Sum([]byte(m.Body))
	shown := QueueMessage{
		MessageID: m.ID, ReceiptHandle: strconv.FormatUint(n, 10) + "/" + strconv.Itoa(m.Receives), Body: m.Body,
		Attributes: map[string]string{
			"ApproximateReceiveCount":          strconv.Itoa(m.Receives),
			"SentTimestamp":                    strconv.FormatInt(m.Sent.UnixMilli(), 10),
			"SenderId":                         "local",
			"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.First.UnixMilli(), 10),
		},
		More: map[string]attribute{}, MD5: hex.EncodeToString(sum[:]), EventSource: "aws:sqs",
		SourceARN: "arn:aws:sqs:local:000000000000:" + q.Name, Region: "local",
	}
	if m.Group != "" {
		shown.Attributes["MessageGroupId"] = m.Group
	}
	return shown
}

// Delete removes a message by the receipt that its last Receive gave. With an older one nothing is removed: somebody
// else works on it.
func (q Queue) Delete(_ context.Context, receipt string) error {
	return q.received(receipt, func(b *bbolt.Bucket, n uint64, _ message) error { return b.Delete(sequenceKey(n)) })
}

// Hide sets for how long from now a message that was received is hidden.
func (q Queue) Hide(_ context.Context, receipt string, pause time.Duration) error {
	return q.received(receipt, func(b *bbolt.Bucket, n uint64, m message) error {
		m.Visible = q.Now().Add(pause)
		return putMessage(b, n, m)
	})
}

func (q Queue) received(receipt string, f func(b *bbolt.Bucket, n uint64, m message) error) error {
	number, receives, _ := strings.Cut(receipt, "/")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no receipt: %w", receipt, err)
	}
	return q.bolt.Update(func(tx *bbolt.Tx) error { // wakes nobody
		b := tx.Bucket([]byte(bucketQueue + q.Name))
		if b == nil {
			return nil
		}
		data := b.Get(sequenceKey(n))
		if data == nil {
			return nil // it was removed before
		}
		var m message
		if err := json.Unmarshal(data, &m); err != nil {
			return fmt.Errorf("decoding a message of %s: %w", q.Name, err)
		}
		if strconv.Itoa(m.Receives) != receives {
			return nil
		}
		return f(b, n, m)
	})
}

// DeadLetter is what no function could take: a message, or a place in a feed.
type DeadLetter struct {
	Time     time.Time `json:"time"`
	Function string    `json:"function,omitempty"` // of a feed: who could not take it
	Source   string    `json:"source"`             // the queue, or the table of the feed
	Body     string    `json:"body"`               // of the message, or from which record of the feed to which
	Reason   string    `json:"reason"`
}

// DeadLetters keeps them until somebody looks.
type DeadLetters struct{ *DB }

// Add keeps one more.
func (s DeadLetters) Add(_ context.Context, l DeadLetter) error {
	return s.bolt.Update(func(tx *bbolt.Tx) error { return putDead(tx, l) })
}

func putDead(tx *bbolt.Tx, l DeadLetter) error {
	b, err := tx.CreateBucketIfNotExists([]byte(bucketDead))
	if err != nil {
		return err
	}
	n, err := b.NextSequence()
	if err != nil {
		return err
	}
	return put(tx, bucketDead, string(sequenceKey(n)), l)
}

// All returns them, newest first, at most limit.
func (s DeadLetters) All(_ context.Context, limit int) ([]DeadLetter, error) {
	return newest[DeadLetter](s.DB, bucketDead, limit)
}

// newest returns the records of a bucket that is ordered by time, newest first, at most limit.
func newest[T any](d *DB, bucket string, limit int) (list []T, err error) {
	err = d.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, data := c.Last(); k != nil && len(list) < limit; k, data = c.Prev() {
			var v T
			if err := json.Unmarshal(data, &v); err != nil {
				return fmt.Errorf("decoding a record of %s: %w", bucket, err)
			}
			list = append(list, v)
		}
		return nil
	})
	return list, err
}
