package embedded

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/access"
)

// Budgets keeps how much of their budgets callers have spent.
type Budgets struct{ *DB }

var _ access.Budgets = Budgets{}

const bucketBudgets = "budgets" // key → counter

// Spend implements [access.Budgets].
func (s Budgets) Spend(_ context.Context, key string, limit int, window time.Duration) (end time.Time, err error) {
	err = s.update(func(tx *bbolt.Tx) error {
		c, found, err := get[counter](tx, bucketBudgets, key)
		if err != nil {
			return err
		}
		if now := s.Now(); !found || !now.Before(c.End) {
			c = counter{End: now.Add(window)}
		}
		end = c.End
		if c.N >= limit {
			return access.ErrSpent
		}
		c.N++
		return put(tx, bucketBudgets, key, c)
	})
	return end, err
}
