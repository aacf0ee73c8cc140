package aws

import (
	"context"

	"github.com/yinxin/yinxin/shared/seal"
)

// SealCodes keeps which seal claimed which 14-digit code.
type SealCodes struct{ *DB }

var (
	_ seal.Codes      = SealCodes{}
	_ seal.CodeReader = SealCodes{}
)

func (s SealCodes) at(code string) at { return at{s.tables.Seals, "code#" + code, noSort} }

// ClaimSealCode implements [seal.Codes].
func (s SealCodes) ClaimSealCode(ctx context.Context, code, sealID string) error {
	return claim(ctx, s.DB, s.at(code), sealID, seal.ErrExists)
}

// SealByCode implements [seal.CodeReader].
func (s SealCodes) SealByCode(ctx context.Context, code string) (string, error) {
	return claimant(ctx, s.DB, s.at(code), seal.ErrUnknown)
}
