package aws

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/yinxin/yinxin/shared/oidc"
)

// Replays remembers what may be used once.
type Replays struct{ *DB }

var _ oidc.ReplayGuard = Replays{}

// UseOnce implements [oidc.ReplayGuard]. The mark tells a call whose answer was lost that it was the first.
func (s Replays) UseOnce(ctx context.Context, key string, until time.Time) error {
	var b [16]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return fmt.Errorf("drawing a mark: %w", err)
	}
	mark := hex.EncodeToString(b[:])
	out, err := s.write(ctx, write{
		at:        at{s.tables.SSO, "used#" + key, noSort},
		put:       item{"until": moment(until), "ttl": tidy(until), "mark": text(mark)},
		condition: absent + " OR #until <= :now", values: item{":now": moment(s.Now())},
	})
	if err == nil && !out.held && textOf(out.item, "mark") != mark {
		err = oidc.ErrUsed
	}
	return err
}
