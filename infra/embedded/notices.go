package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/notice"
)

// Notices is the outbox of the demonstration: what would be brought to people stays here and is shown.
type Notices struct{ *DB }

var _ notice.Sender = Notices{}

const (
	bucketNotices      = "notices"       // time ‖ 0 ‖ ID → notice
	bucketNoticesKnown = "notices-known" // ID → true
)

// Send implements [notice.Sender].
func (s Notices) Send(_ context.Context, n notice.Notice) error {
	return s.update(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(bucketNoticesKnown)); b != nil && b.Get([]byte(n.ID)) != nil {
			return nil
		}
		if err := put(tx, bucketNoticesKnown, n.ID, true); err != nil {
			return err
		}
		return put(tx, bucketNotices, n.Time.UTC().Format(eventTime)+"\x00"+n.ID, n)
	})
}

// Notices returns what was sent, newest first, at most limit.
func (s Notices) Notices(_ context.Context, limit int) ([]notice.Notice, error) {
	return newest[notice.Notice](s.DB, bucketNotices, limit)
}
