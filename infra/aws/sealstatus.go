package aws

import (
	"context"
	"time"

	"github.com/yinxin/yinxin/infra/view"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/verify"
)

// SealStatus shows verifiers the register of seals.
type SealStatus struct{ *DB }

var _ verify.SealStatus = SealStatus{}

// SealStatus implements [verify.SealStatus].
func (s SealStatus) SealStatus(ctx context.Context, code string, at time.Time) (proof.SealFacts, error) {
	return view.SealFacts(ctx, SealCodes(s), Seals(s), code, at)
}
