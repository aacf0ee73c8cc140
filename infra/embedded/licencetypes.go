package embedded

import (
	"context"
	"encoding/json"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
)

// LicenceTypes keeps licence types.
type LicenceTypes struct{ *DB }

var (
	_ licence.Types      = LicenceTypes{}
	_ licence.TypeReader = LicenceTypes{}
	_ licence.TypeLister = LicenceTypes{}
	_ licence.TypeSaver  = LicenceTypes{}
)

const bucketLicenceTypes = "licence-types" // code → licence.Definition

// LicenceType implements [licence.TypeReader].
func (s LicenceTypes) LicenceType(_ context.Context, code string) (t licence.Definition, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var ok bool
		if t, ok, err = get[licence.Definition](tx, bucketLicenceTypes, code); err == nil && !ok {
			return licence.ErrUnknown
		}
		return err
	})
	return t, err
}

// LicenceTypes implements [licence.TypeLister].
func (s LicenceTypes) LicenceTypes(context.Context) (types []licence.Definition, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketLicenceTypes))
		if b == nil {
			return nil
		}
		return b.ForEach(func(_, data []byte) error {
			var t licence.Definition
			if err := json.Unmarshal(data, &t); err != nil {
				return err
			}
			types = append(types, t)
			return nil
		})
	})
	return types, err
}

// SaveLicenceType implements [licence.TypeSaver].
func (s LicenceTypes) SaveLicenceType(_ context.Context, t licence.Definition, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		_, err := putChanged(tx, bucketLicenceTypes, t.Code, t, image{table: TableLicences, pk: "type#", sk: t.Code}, e)
		return err
	})
}
