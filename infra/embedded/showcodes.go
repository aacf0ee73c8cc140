package embedded

import (
	"context"
	"encoding/hex"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/verify"
)

// ShowCodes keeps the codes that holders show. The code itself is not in the store: a record is found by its digest.
type ShowCodes struct{ *DB }

var (
	_ licence.ShowCodes = ShowCodes{}
	_ verify.ShowCodes  = ShowCodes{}
)

const bucketShowCodes = "show-codes" // hex of the digest of the code → showRecord

type showRecord struct {
	licence.ShowCode
	Spent time.Time `json:"spent,omitzero"`
}

// SaveShowCode implements [licence.ShowCodes].
func (s ShowCodes) SaveShowCode(_ context.Context, c licence.ShowCode, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		if err := put(tx, bucketShowCodes, hex.EncodeToString(c.Hash[:]), showRecord{ShowCode: c}); err != nil {
			return err
		}
		return tell(tx, image{table: TableLicences, pk: "show#" + hex.EncodeToString(c.Hash[:]), created: true}, e)
	})
}

// RedeemShowCode implements [verify.ShowCodes]. A code that was spent stays spent after it has expired.
func (s ShowCodes) RedeemShowCode(_ context.Context, code string, e audit.Event) (shown verify.Shown, err error) {
	hash := licence.ShowCodeHash(code)
	name := hex.EncodeToString(hash[:])
	err = s.update(func(tx *bbolt.Tx) error {
		record, ok, err := get[showRecord](tx, bucketShowCodes, name)
		switch {
		case err != nil:
			return err
		case !ok:
			return verify.ErrUnknown
		case !record.Spent.IsZero():
			return verify.ErrCodeSpent
		case !s.Now().Before(record.Expires) || record.Minted.Before(s.Epoch):
			return verify.ErrUnknown
		}
		record.Spent = s.Now()
		if err := put(tx, bucketShowCodes, name, record); err != nil {
			return err
		}
		shown.Presentation = record.Presentation
		e.Object, e.Holder, e.Division = "licence/"+record.Licence, record.Holder, record.Division
		return tell(tx, image{table: TableLicences, pk: "show#" + name}, e)
	})
	if err != nil {
		return verify.Shown{}, err
	}
	return shown, nil
}
