package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/seal"
)

// Orders keeps the uses of seals.
type Orders struct{ *DB }

var _ seal.Orders = Orders{}

const bucketOrders = "seal-orders" // identifier → order

// BeginOrder implements [seal.Orders].
func (s Orders) BeginOrder(_ context.Context, o seal.Order, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		if _, taken, err := get[seal.Order](tx, bucketOrders, o.ID); err != nil || taken {
			return orErr(err, seal.ErrExists)
		}
		o.State = seal.OrderBegun
		if err := put(tx, bucketOrders, o.ID, o); err != nil {
			return err
		}
		return tell(tx, image{table: TableSeals, pk: "order#" + o.ID, created: true}, e)
	})
}

// FinishOrder implements [seal.Orders].
func (s Orders) FinishOrder(_ context.Context, id string, state seal.OrderState, end string, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		o, found, err := get[seal.Order](tx, bucketOrders, id)
		switch {
		case err != nil:
			return err
		case !found:
			return seal.ErrUnknown
		case o.State != seal.OrderBegun:
			return seal.ErrChanged
		}
		if o.State = state; state == seal.OrderDone {
			o.Result = end
		} else {
			o.Reason = end
		}
		if err := put(tx, bucketOrders, id, o); err != nil {
			return err
		}
		return tell(tx, image{table: TableSeals, pk: "order#" + id}, e)
	})
}

// Order implements [seal.Orders].
func (s Orders) Order(_ context.Context, id string) (o seal.Order, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var ok bool
		if o, ok, err = get[seal.Order](tx, bucketOrders, id); err == nil && !ok {
			return seal.ErrUnknown
		}
		return err
	})
	return o, err
}
