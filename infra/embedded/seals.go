package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/seal"
)

// Seals keeps the records of seals and finds them by owner.
type Seals struct{ *DB }

var (
	_ seal.Reader      = Seals{}
	_ seal.Reader      = Seals{}
	_ seal.Records     = Seals{}
	_ seal.Replacer    = Seals{}
	_ seal.OwnerReader = Seals{}
)

const (
	bucketSeals       = "seals"          // identifier → seal
	bucketSealsOwners = "seals-by-owner" // owner ‖ 0 ‖ time of the request ‖ 0 ‖ identifier → nil
)

// Seal implements [seal.Reader].
func (s Seals) Seal(_ context.Context, id string) (found seal.Seal, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var ok bool
		if found, ok, err = get[seal.Seal](tx, bucketSeals, id); err == nil && !ok {
			return seal.ErrUnknown
		}
		return err
	})
	return found, err
}

// CreateSeal implements [seal.Records].
func (s Seals) CreateSeal(_ context.Context, n seal.Seal, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		if _, taken, err := get[seal.Seal](tx, bucketSeals, n.ID); err != nil || taken {
			return orErr(err, seal.ErrExists)
		}
		owned := n.Owner.USCC + "\x00" + e.Time.UTC().Format(eventTime) + "\x00" + n.ID
		if err := put(tx, bucketSealsOwners, owned, nil); err != nil {
			return err
		}
		if err := put(tx, bucketSeals, n.ID, n); err != nil {
			return err
		}
		return tell(tx, image{table: TableSeals, pk: "seal#" + n.ID, created: true}, e)
	})
}

// ReplaceSeal implements [seal.Replacer].
func (s Seals) ReplaceSeal(_ context.Context, n seal.Seal, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		stored, found, err := get[seal.Seal](tx, bucketSeals, n.ID)
		switch {
		case err != nil:
			return err
		case !found:
			return seal.ErrUnknown
		case stored.Revision+1 != n.Revision:
			return seal.ErrChanged
		}
		if err := put(tx, bucketSeals, n.ID, n); err != nil {
			return err
		}
		return tell(tx, image{table: TableSeals, pk: "seal#" + n.ID}, e)
	})
}

// SealsOf implements [seal.OwnerReader].
func (s Seals) SealsOf(_ context.Context, uscc string) (ids []string, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		ids = lastParts(tx, bucketSealsOwners, uscc+"\x00")
		return nil
	})
	return ids, err
}
