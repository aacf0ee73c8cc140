package aws

import (
	"context"
	"errors"

	"github.com/yinxin/yinxin/infra/view"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
)

// SealDirectory shows shared/seal the organisations of the registry and their duties.
type SealDirectory struct{ *DB }

var (
	_ seal.Directory = SealDirectory{}
	_ seal.Mandates  = Mandates{}
)

// Organisation implements [seal.Directory].
func (s SealDirectory) Organisation(ctx context.Context, uscc string) (seal.Organisation, error) {
	o, err := Organisations(s).Organisation(ctx, uscc)
	if errors.Is(err, registry.ErrOrganisationUnknown) {
		return seal.Organisation{}, seal.ErrOrganisationUnknown
	}
	return view.SealOrganisation(o), err
}

// Responsible implements [seal.Directory]: the organisation with the duty for the division itself, or else for its
// prefecture, or else for its province. Of several in one division it is the one with the lowest code.
func (s SealDirectory) Responsible(ctx context.Context, division string, duty seal.Duty) (seal.Organisation, error) {
	for _, d := range view.DivisionAndAbove(division) {
		list, err := Organisations(s).withDuty(ctx, string(duty), d)
		if err != nil {
			return seal.Organisation{}, err
		}
		if len(list) > 0 {
			return view.SealOrganisation(list[0]), nil
		}
	}
	return seal.Organisation{}, seal.ErrOrganisationUnknown
}
