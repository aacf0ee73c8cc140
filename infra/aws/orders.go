package aws

import (
	"context"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/seal"
)

// Orders keeps the uses of seals. The order as it was begun is the body; how it ended stands beside it.
type Orders struct{ *DB }

var _ seal.Orders = Orders{}

func (s Orders) at(id string) at { return at{s.tables.Seals, "order#" + id, noSort} }

// BeginOrder implements [seal.Orders].
func (s Orders) BeginOrder(ctx context.Context, o seal.Order, e audit.Event) error {
	o.State = seal.OrderBegun
	body, err := encode(o)
	if err != nil {
		return err
	}
	put := item{"body": body, "state": text(string(seal.OrderBegun))}
	out, err := s.write(ctx, write{at: s.at(o.ID), put: put, condition: absent, event: &e})
	if err == nil && !out.held {
		err = seal.ErrExists
	}
	return err
}

// FinishOrder implements [seal.Orders].
func (s Orders) FinishOrder(ctx context.Context, id string, state seal.OrderState, end string, e audit.Event) error {
	out, err := s.write(ctx, write{
		at: s.at(id), update: "SET #state = :state, #end = :end, #event = :event", condition: "#state = :begun",
		values: item{":state": text(string(state)), ":end": text(end), ":begun": text(string(seal.OrderBegun))}, event: &e,
	})
	switch {
	case err != nil || out.held:
		return err
	case out.item == nil:
		return seal.ErrUnknown
	}
	return seal.ErrChanged
}

// Order implements [seal.Orders].
func (s Orders) Order(ctx context.Context, id string) (seal.Order, error) {
	it, err := s.get(ctx, s.at(id))
	if err != nil {
		return seal.Order{}, err
	}
	if it == nil {
		return seal.Order{}, seal.ErrUnknown
	}
	o, err := decode[seal.Order](it)
	o.State = seal.OrderState(textOf(it, "state"))
	switch o.State {
	case seal.OrderDone:
		o.Result = textOf(it, "end")
	case seal.OrderFailed:
		o.Reason = textOf(it, "end")
	}
	return o, err
}
