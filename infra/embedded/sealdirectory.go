package embedded

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"

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
func (s SealDirectory) Organisation(_ context.Context, uscc string) (found seal.Organisation, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		found, err = sealOrganisation(tx, uscc)
		return err
	})
	return found, err
}

// Responsible implements [seal.Directory]: the organisation with the duty for the division itself, or else for its
// prefecture, or else for its province. Of several in one division it is the one with the lowest code.
func (s SealDirectory) Responsible(_ context.Context, division string, duty seal.Duty) (found seal.Organisation, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		for _, d := range view.DivisionAndAbove(division) {
			if codes := lastParts(tx, bucketDuties, dutyKey(string(duty), d, "")); len(codes) > 0 {
				found, err = sealOrganisation(tx, codes[0])
				return err
			}
		}
		return seal.ErrOrganisationUnknown
	})
	return found, err
}

func sealOrganisation(tx *bbolt.Tx, uscc string) (seal.Organisation, error) {
	o, err := organisation(tx, uscc)
	if errors.Is(err, registry.ErrOrganisationUnknown) {
		return seal.Organisation{}, seal.ErrOrganisationUnknown
	}
	return view.SealOrganisation(o), err
}
