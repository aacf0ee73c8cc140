package aws

import (
	"context"
	"slices"
	"strings"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/registry"
)

// Organisations keeps agencies and enterprises. Who has a duty is found by hints, items of their own that are written
// before the record and never removed: what a hint says counts only if the record says it too.
type Organisations struct{ *DB }

var (
	_ registry.Organisations     = Organisations{}
	_ registry.OrganisationSaver = Organisations{}
)

func (s Organisations) at(uscc string) at {
	return at{s.tables.Registry, "organisation#" + uscc, noSort}
}

// Organisation implements [registry.Organisations].
func (s Organisations) Organisation(ctx context.Context, uscc string) (registry.Organisation, error) {
	o, found, err := record[registry.Organisation](ctx, s.DB, s.at(uscc))
	if err == nil && !found {
		err = registry.ErrOrganisationUnknown
	}
	return o, err
}

// SaveOrganisation implements [registry.OrganisationSaver].
func (s Organisations) SaveOrganisation(ctx context.Context, o registry.Organisation, e audit.Event) error {
	for _, duty := range o.Duties {
		hint := at{s.tables.Registry, dutyPartition(duty), o.Division + "#" + o.USCC}
		if _, err := s.write(ctx, write{at: hint, put: item{}}); err != nil {
			return err
		}
	}
	return save(ctx, s.DB, s.at(o.USCC), o, nil, e)
}

func dutyPartition(duty string) string { return "duty#" + duty }

// withDuty returns the organisations that have a duty, for one division or, where it is empty, for any: ordered by
// division and code.
func (s Organisations) withDuty(ctx context.Context, duty, division string) ([]registry.Organisation, error) {
	q := query{table: s.tables.Registry, partition: dutyPartition(duty)}
	if division != "" {
		q.begins = division + "#"
	}
	hints, err := s.query(ctx, q)
	if err != nil {
		return nil, err
	}
	var list []registry.Organisation
	for _, hint := range hints {
		of, uscc, _ := strings.Cut(textOf(hint, "sk"), "#")
		o, found, err := record[registry.Organisation](ctx, s.DB, s.at(uscc))
		if err != nil {
			return nil, err
		}
		if found && o.Division == of && slices.Contains(o.Duties, duty) {
			list = append(list, o)
		}
	}
	return list, nil
}
