package aws

import (
	"context"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/registry"
)

// Persons keeps people.
type Persons struct{ *DB }

var (
	_ registry.Persons     = Persons{}
	_ registry.PersonSaver = Persons{}
)

func (s Persons) at(id string) at {
	return at{s.tables.Registry, "person#" + s.hidden("person", id), noSort}
}

// Person implements [registry.Persons].
func (s Persons) Person(ctx context.Context, id string) (registry.Person, error) {
	p, found, err := record[registry.Person](ctx, s.DB, s.at(id))
	if err == nil && !found {
		err = registry.ErrPersonUnknown
	}
	return p, err
}

// SavePerson implements [registry.PersonSaver].
func (s Persons) SavePerson(ctx context.Context, p registry.Person, e audit.Event) error {
	var more item
	if p.IDNumber != "" {
		more = indexed(byFirst, s.identity(p.IDType, p.IDNumber), s.hidden("person", p.ID))
	}
	return save(ctx, s.DB, s.at(p.ID), p, more, e)
}

// identity is where the index holds who has an identity number.
func (s Persons) identity(kind, number string) string {
	return "identity#" + s.hidden("identity", kind+"\x00"+number)
}

// byIdentity finds the person with an identity number, as last saved. The index only says where to look.
func (s Persons) byIdentity(ctx context.Context, kind, number string) (registry.Person, error) {
	if number == "" {
		return registry.Person{}, registry.ErrPersonUnknown
	}
	items, err := s.query(ctx, query{table: s.tables.Registry, index: byFirst, partition: s.identity(kind, number)})
	if err != nil {
		return registry.Person{}, err
	}
	for _, it := range items {
		p, found, err := record[registry.Person](ctx, s.DB, at{s.tables.Registry, textOf(it, "pk"), textOf(it, "sk")})
		if err != nil || found && p.IDType == kind && p.IDNumber == number {
			return p, err
		}
	}
	return registry.Person{}, registry.ErrPersonUnknown
}
