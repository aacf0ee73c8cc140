// Package embedded keeps everything in one bbolt file and a directory: the adapters of the ports of shared for one
// process, no cloud. It is what infra/local runs on and what the contract suites run against first.
//
//	port method ── one bbolt transaction ─┬─ records as JSON, the audit events of the act beside them
//	                                      └─ feeds: what the streams of the tables would tell ── infra/local
//
// bbolt has one writer at a time and serialisable transactions, so that an atomic step is one Update. Each port has a
// file of its own, named as in infra/aws, and its own buckets.
//
// It does not scale beyond one process and it does not encrypt records; private keys are sealed by a master key.
package embedded

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// DB is an open store. Adapters embed it.
type DB struct {
	bolt *bbolt.DB
	// Now is the clock that expiry is decided by.
	Now func() time.Time
	// Epoch is the time before which no grant, session, code, shown code or device counts: see infra/README.md, Restore.
	Epoch time.Time

	wake   sync.Mutex
	waking map[chan struct{}]bool // of those who wait for writes
}

// Options of [Open].
type Options struct {
	Now    func() time.Time // required
	Epoch  time.Time        // zero for none
	NoSync bool             // do not wait for the disk: tests only, a crash may lose records
}

// Open opens or creates the store in file path. A second process waits up to two seconds and is then refused.
func Open(path string, o Options) (*DB, error) {
	b, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 2 * time.Second, NoSync: o.NoSync})
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	return &DB{bolt: b, Now: o.Now, Epoch: o.Epoch}, nil
}

// Close closes the store; transactions under way finish first.
func (d *DB) Close() error { return d.bolt.Close() }

func (d *DB) update(f func(tx *bbolt.Tx) error) error {
	if err := d.bolt.Update(f); err != nil {
		return err
	}
	d.wake.Lock()
	defer d.wake.Unlock()
	for c := range d.waking {
		select {
		case c <- struct{}{}:
		default: // it is awake already
		}
	}
	return nil
}

// Woken returns a channel that tells of writes to feeds and queues, several at once as one, until leave is called.
func (d *DB) Woken() (woken <-chan struct{}, leave func()) {
	c := make(chan struct{}, 1)
	d.wake.Lock()
	defer d.wake.Unlock()
	if d.waking == nil {
		d.waking = map[chan struct{}]bool{}
	}
	d.waking[c] = true
	return c, func() {
		d.wake.Lock()
		defer d.wake.Unlock()
		delete(d.waking, c)
	}
}

func (d *DB) view(f func(tx *bbolt.Tx) error) error { return d.bolt.View(f) }

// put writes v as JSON under key.
func put(tx *bbolt.Tx, bucket, key string, v any) error {
	b, err := tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a record of %s: %w", bucket, err)
	}
	return b.Put([]byte(key), data)
}

// get reads the record under key; found is false where there is none.
func get[T any](tx *bbolt.Tx, bucket, key string) (v T, found bool, err error) {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return v, false, nil
	}
	data := b.Get([]byte(key))
	if data == nil {
		return v, false, nil
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, false, fmt.Errorf("decoding a record of %s: %w", bucket, err)
	}
	return v, true, nil
}

// remove deletes the record under key, if there is one.
func remove(tx *bbolt.Tx, bucket, key string) error {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return b.Delete([]byte(key))
}
