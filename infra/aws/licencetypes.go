package aws

import (
	"context"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
)

// LicenceTypes keeps licence types, all in one partition: they are few and change seldom.
type LicenceTypes struct{ *DB }

var (
	_ licence.Types      = LicenceTypes{}
	_ licence.TypeReader = LicenceTypes{}
	_ licence.TypeLister = LicenceTypes{}
	_ licence.TypeSaver  = LicenceTypes{}
)

func (s LicenceTypes) at(code string) at { return at{s.tables.Licences, "type#", code} }

// LicenceType implements [licence.TypeReader].
func (s LicenceTypes) LicenceType(ctx context.Context, code string) (licence.Definition, error) {
	t, found, err := record[licence.Definition](ctx, s.DB, s.at(code))
	if err == nil && !found {
		err = licence.ErrUnknown
	}
	return t, err
}

// LicenceTypes implements [licence.TypeLister].
func (s LicenceTypes) LicenceTypes(ctx context.Context) ([]licence.Definition, error) {
	items, err := s.query(ctx, query{table: s.tables.Licences, partition: s.at("").pk})
	if err != nil {
		return nil, err
	}
	var list []licence.Definition
	for _, it := range items {
		t, err := decode[licence.Definition](it)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// SaveLicenceType implements [licence.TypeSaver].
func (s LicenceTypes) SaveLicenceType(ctx context.Context, t licence.Definition, e audit.Event) error {
	return save(ctx, s.DB, s.at(t.Code), t, nil, e)
}
