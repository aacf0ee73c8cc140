package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/yinxin/yinxin/shared/account"
)

// Counters counts attempts to sign on.
type Counters struct{ *DB }

var _ account.Counters = Counters{}

func (s Counters) at(key string) at { return at{s.tables.SSO, "counter#" + key, noSort} }

// restarts bounds how often Take finds that another has begun a window meanwhile, which then lasts.
const restarts = 3

// Take implements [account.Counters]. An attempt whose answer was lost may be counted twice.
func (s Counters) Take(ctx context.Context, key string, limit int, window time.Duration) error {
	if limit <= 0 {
		return account.ErrExhausted
	}
	for range restarts {
		now := s.Now()
		add, err := s.write(ctx, write{
			at: s.at(key), update: "ADD #n :one", condition: "#until > :now AND #n < :limit",
			values: item{":one": number(1), ":now": moment(now), ":limit": number(int64(limit))},
		})
		if err != nil || add.held {
			return err
		}
		until, err := momentOf(add.item, "until")
		if err != nil {
			return err
		}
		if now.Before(until) {
			return account.ErrExhausted
		}
		end := now.Add(window)
		begin, err := s.write(ctx, write{
			at: s.at(key), put: item{"n": number(1), "until": moment(end), "ttl": tidy(end)},
			condition: absent + " OR #until <= :now", values: item{":now": moment(now)},
		})
		if err != nil || begin.held {
			return err
		}
	}
	return fmt.Errorf("counting: the window of %s was begun by others again and again", prefix(s.at(key).pk))
}

// Give implements [account.Counters].
func (s Counters) Give(ctx context.Context, key string) error {
	_, err := s.write(ctx, write{
		at: s.at(key), update: "ADD #n :less", condition: "#n > :nought AND #until > :now",
		values: item{":less": number(-1), ":nought": number(0), ":now": moment(s.Now())},
	})
	return err
}
