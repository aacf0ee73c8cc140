package embedded

import (
	"bytes"
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/seal"
)

// SealCodes keeps which seal claimed which 14-digit code.
type SealCodes struct{ *DB }

var (
	_ seal.Codes      = SealCodes{}
	_ seal.CodeReader = SealCodes{}
)

const bucketSealCodes = "seal-codes" // code → identifier of the seal

// ClaimSealCode implements [seal.Codes].
func (s SealCodes) ClaimSealCode(_ context.Context, code, sealID string) error {
	return s.update(func(tx *bbolt.Tx) error {
		holder, taken, err := get[string](tx, bucketSealCodes, code)
		switch {
		case err != nil:
			return err
		case taken && holder != sealID:
			return seal.ErrExists
		}
		return put(tx, bucketSealCodes, code, sealID)
	})
}

// SealByCode implements [seal.CodeReader].
func (s SealCodes) SealByCode(_ context.Context, code string) (id string, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var ok bool
		if id, ok, err = get[string](tx, bucketSealCodes, code); err == nil && !ok {
			return seal.ErrUnknown
		}
		return err
	})
	return id, err
}

// lastParts returns what follows the last separator in each key with a prefix, in the order of the keys.
func lastParts(tx *bbolt.Tx, bucket, prefix string) (parts []string) {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	c := b.Cursor()
	for k, _ := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, _ = c.Next() {
		parts = append(parts, string(k[bytes.LastIndexByte(k, 0)+1:]))
	}
	return parts
}

// orErr returns err, or where there is none the alternative.
func orErr(err, alternative error) error {
	if err != nil {
		return err
	}
	return alternative
}
