package aws

import (
	"context"
	"errors"
	"time"

	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/sm"
	"github.com/yinxin/yinxin/shared/verify"
)

// SealStatus shows verifiers the register of seals.
type SealStatus struct{ *DB }

var _ verify.SealStatus = SealStatus{}

// SealStatus implements [verify.SealStatus].
func (s SealStatus) SealStatus(ctx context.Context, code string, at time.Time) (proof.SealFacts, error) {
	id, err := SealCodes(s).SealByCode(ctx, code)
	if err != nil {
		return proof.SealFacts{}, unknownSeal(err)
	}
	record, err := Seals(s).Seal(ctx, id)
	if err != nil {
		return proof.SealFacts{}, unknownSeal(err)
	}
	state, since := record.StateAt(at)
	facts := proof.SealFacts{State: string(state), Since: since}
	if record.Body != nil {
		facts.Digest = sm.Sum3(record.Body.ESL)
	}
	return facts, nil
}

func unknownSeal(err error) error {
	if errors.Is(err, seal.ErrUnknown) {
		return verify.ErrUnknown
	}
	return err
}
