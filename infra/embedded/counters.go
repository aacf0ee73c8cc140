package embedded

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/account"
)

// Counters counts attempts to sign on.
type Counters struct{ *DB }

var _ account.Counters = Counters{}

const bucketCounters = "counters" // key → counter

type counter struct {
	N   int       `json:"n"`
	End time.Time `json:"end"` // of the window
}

// Take implements [account.Counters].
func (s Counters) Take(_ context.Context, key string, limit int, window time.Duration) error {
	return s.update(func(tx *bbolt.Tx) error {
		c, found, err := get[counter](tx, bucketCounters, key)
		if err != nil {
			return err
		}
		if now := s.Now(); !found || !now.Before(c.End) {
			c = counter{End: now.Add(window)}
		}
		if c.N >= limit {
			return account.ErrExhausted
		}
		c.N++
		return put(tx, bucketCounters, key, c)
	})
}

// Give implements [account.Counters].
func (s Counters) Give(_ context.Context, key string) error {
	return s.update(func(tx *bbolt.Tx) error {
		c, found, err := get[counter](tx, bucketCounters, key)
		if err != nil || !found || c.N == 0 {
			return err
		}
		c.N--
		return put(tx, bucketCounters, key, c)
	})
}
