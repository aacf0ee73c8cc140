package embedded

import (
	"context"
	"encoding/json"
	"reflect"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/registry"
)

// Persons keeps people.
type Persons struct{ *DB }

var (
	_ registry.Persons     = Persons{}
	_ registry.PersonSaver = Persons{}
)

const bucketPersons = "persons" // ID → registry.Person

// Person implements [registry.Persons].
func (s Persons) Person(_ context.Context, id string) (p registry.Person, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var found bool
		if p, found, err = get[registry.Person](tx, bucketPersons, id); err == nil && !found {
			err = registry.ErrPersonUnknown
		}
		return err
	})
	return p, err
}

// SavePerson implements [registry.PersonSaver].
func (s Persons) SavePerson(_ context.Context, p registry.Person, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		_, err := putChanged(tx, bucketPersons, p.ID, p, image{table: TableRegistry, pk: "person#" + p.ID}, e)
		return err
	})
}

// putChanged writes v and its event unless v stands there already.
func putChanged[T any](tx *bbolt.Tx, bucket, key string, v T, i image, e audit.Event) (changed bool, err error) {
	old, found, err := get[T](tx, bucket, key)
	if err != nil {
		return false, err
	}
	if found {
		// Through JSON, so that what encodes alike is alike: a nil and an empty slice, times in two zones.
		var again T
		data, err := json.Marshal(v)
		if err != nil {
			return false, err
		}
		if err := json.Unmarshal(data, &again); err != nil {
			return false, err
		}
		if reflect.DeepEqual(old, again) {
			return false, nil
		}
	}
	if err := put(tx, bucket, key, v); err != nil {
		return false, err
	}
	i.created = !found
	return true, tell(tx, i, e)
}
