package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/registry"
)

// Organisations keeps agencies and enterprises.
type Organisations struct{ *DB }

var (
	_ registry.Organisations     = Organisations{}
	_ registry.OrganisationSaver = Organisations{}
)

const (
	bucketOrganisations = "organisations"        // uscc → registry.Organisation
	bucketDuties        = "organisations-duties" // duty ‖ 0 ‖ division ‖ 0 ‖ uscc → nil
)

// Organisation implements [registry.Organisations].
func (s Organisations) Organisation(_ context.Context, uscc string) (o registry.Organisation, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		o, err = organisation(tx, uscc)
		return err
	})
	return o, err
}

// organisation reads one organisation, or gives [registry.ErrOrganisationUnknown].
func organisation(tx *bbolt.Tx, uscc string) (registry.Organisation, error) {
	o, found, err := get[registry.Organisation](tx, bucketOrganisations, uscc)
	if err == nil && !found {
		err = registry.ErrOrganisationUnknown
	}
	return o, err
}

// SaveOrganisation implements [registry.OrganisationSaver].
func (s Organisations) SaveOrganisation(_ context.Context, o registry.Organisation, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		old, _, err := get[registry.Organisation](tx, bucketOrganisations, o.USCC)
		if err != nil {
			return err
		}
		changed, err := putChanged(tx, bucketOrganisations, o.USCC, o, image{table: TableRegistry, pk: "organisation#" + o.USCC}, e)
		if err != nil || !changed {
			return err
		}
		for _, d := range old.Duties {
			if err := remove(tx, bucketDuties, dutyKey(d, old.Division, o.USCC)); err != nil {
				return err
			}
		}
		for _, d := range o.Duties {
			if err := put(tx, bucketDuties, dutyKey(d, o.Division, o.USCC), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func dutyKey(duty, division, uscc string) string { return duty + "\x00" + division + "\x00" + uscc }
