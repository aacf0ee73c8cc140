package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/licence"
)

// TicketKeeper keeps places in status lists from being given again. It writes the records of [Tickets].
type TicketKeeper struct{ *DB }

var _ licence.TicketKeeper = TicketKeeper{}

// ListKey implements [licence.TicketKeeper].
func (s TicketKeeper) ListKey(_ context.Context, list string) (key [32]byte, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		record, ok, err := get[ticketRecord](tx, bucketTickets, list)
		if err == nil && !ok {
			err = licence.ErrUnknown
		}
		key = record.Key
		return err
	})
	return key, err
}

// RaiseTickets implements [licence.TicketKeeper].
func (s TicketKeeper) RaiseTickets(_ context.Context, list string, next int, newKey [32]byte) error {
	return s.update(func(tx *bbolt.Tx) error {
		record, ok, err := get[ticketRecord](tx, bucketTickets, list)
		if err != nil || ok && record.Next >= next {
			return err
		}
		if !ok {
			record.Key = newKey
		}
		record.Next = next
		return put(tx, bucketTickets, list, record)
	})
}
