package access_test

import (
	"errors"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/access/accesstest"
)

func TestATokenOfBeforeTheEpochOpensNothing(t *testing.T) {
	i := accesstest.New(t)
	claims := i.Claims(zhang)
	token := i.Sign(t, access.TokenType, claims)
	issued := time.Unix(claims.IssuedAt, 0)
	for _, tt := range []struct {
		epoch time.Time
		good  bool
	}{
		{time.Time{}, true}, {time.Unix(0, 0), true}, {issued, true}, {issued.Add(time.Millisecond), false}, {issued.Add(time.Second), false},
	} {
		g := i.Guard()
		g.Epoch = tt.epoch
		if _, err := g.Check(t.Context(), token); (err == nil) != tt.good || err != nil && !errors.Is(err, access.InvalidToken) {
			t.Errorf("epoch %v: Check = %v, want good %v", tt.epoch, err, tt.good)
		}
	}
}
