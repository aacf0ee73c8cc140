package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/yinxin/yinxin/shared/access"
)

// Budgets keeps how much of their budgets callers have spent: items as those of [Counters], under a prefix of their
// own.
type Budgets struct{ *DB }

var _ access.Budgets = Budgets{}

func (s Budgets) at(key string) at {
	return at{s.tables.SSO, "budget#" + s.hidden("budget", key), noSort}
}

// Spend implements [access.Budgets].
func (s Budgets) Spend(ctx context.Context, key string, limit int, window time.Duration) (time.Time, error) {
	for range restarts {
		now := s.Now()
		add, err := s.write(ctx, write{
			at: s.at(key), update: "ADD #n :one", condition: "#until > :now AND #n < :limit",
			values: item{":one": number(1), ":now": moment(now), ":limit": number(int64(limit))},
		})
		if err != nil {
			return time.Time{}, err
		}
		end, err := momentOf(add.item, "until")
		switch {
		case err != nil || add.held:
			return end, err
		case now.Before(end):
			return end, access.ErrSpent
		}
		end = now.Add(window)
		begin, err := s.write(ctx, write{
			at: s.at(key), put: item{"n": number(1), "until": moment(end), "ttl": tidy(end)},
			condition: absent + " OR #until <= :now", values: item{":now": moment(now)},
		})
		if err != nil || begin.held {
			return end, err
		}
	}
	return time.Time{}, fmt.Errorf("spending: the window of %s was begun by others again and again", prefix(s.at(key).pk))
}
