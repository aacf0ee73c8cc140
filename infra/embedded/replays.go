package embedded

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/oidc"
)

// Replays remembers what may be used once.
type Replays struct{ *DB }

var _ oidc.ReplayGuard = Replays{}

const bucketReplays = "replays" // key → until when it is remembered

// UseOnce implements [oidc.ReplayGuard].
func (s Replays) UseOnce(_ context.Context, key string, until time.Time) error {
	return s.update(func(tx *bbolt.Tx) error {
		remembered, found, err := get[time.Time](tx, bucketReplays, key)
		if err != nil {
			return err
		}
		if found && s.Now().Before(remembered) {
			return oidc.ErrUsed
		}
		return put(tx, bucketReplays, key, until)
	})
}
