package aws

import (
	"cmp"
	"context"
	"slices"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/registry"
)

// Mandates keeps who may act for whom.
type Mandates struct{ *DB }

var (
	_ registry.Mandates      = Mandates{}
	_ registry.MandateLister = Mandates{}
	_ registry.AgentLister   = Mandates{}
	_ registry.MandateSaver  = Mandates{}
)

func (s Mandates) at(person, organisation string) at {
	return at{s.tables.Registry, "mandate#" + s.hidden("person", person), organisation}
}

// Mandated implements [registry.Mandates].
func (s Mandates) Mandated(ctx context.Context, person, organisation, role string) (bool, error) {
	m, found, err := record[registry.Mandate](ctx, s.DB, s.at(person, organisation))
	return err == nil && found && m.Allows(role, s.Now()), err
}

// MandatesOf implements [registry.MandateLister].
func (s Mandates) MandatesOf(ctx context.Context, person string) ([]registry.Mandate, error) {
	return s.mandates(ctx, query{table: s.tables.Registry, partition: s.at(person, "").pk})
}

// MandatesFor implements [registry.AgentLister].
func (s Mandates) MandatesFor(ctx context.Context, organisation string) ([]registry.Mandate, error) {
	list, err := s.mandates(ctx, query{table: s.tables.Registry, index: byFirst, partition: mandatesFor(organisation)})
	slices.SortFunc(list, func(a, b registry.Mandate) int { return cmp.Compare(a.Person, b.Person) })
	return list, err
}

func mandatesFor(organisation string) string { return "mandates#" + organisation }

func (s Mandates) mandates(ctx context.Context, q query) ([]registry.Mandate, error) {
	items, err := s.query(ctx, q)
	if err != nil {
		return nil, err
	}
	var list []registry.Mandate
	for _, it := range items {
		m, err := decode[registry.Mandate](it)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// SaveMandate implements [registry.MandateSaver].
func (s Mandates) SaveMandate(ctx context.Context, m registry.Mandate, e audit.Event) error {
	more := indexed(byFirst, mandatesFor(m.Organisation), s.hidden("person", m.Person))
	return save(ctx, s.DB, s.at(m.Person, m.Organisation), m, more, e)
}
