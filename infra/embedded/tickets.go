package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/licence"
)

// Tickets gives places in status lists.
type Tickets struct{ *DB }

var _ licence.Tickets = Tickets{}

const bucketTickets = "status-tickets" // list → ticketRecord

type ticketRecord struct {
	Key  [32]byte `json:"key"`
	Next int      `json:"next"`
}

// TakeTicket implements [licence.Tickets].
func (s Tickets) TakeTicket(_ context.Context, list string, size int, newKey [32]byte) (t licence.Ticket, err error) {
	err = s.update(func(tx *bbolt.Tx) error {
		record, ok, err := get[ticketRecord](tx, bucketTickets, list)
		if err != nil {
			return err
		}
		if !ok {
			record.Key = newKey
		}
		if record.Next >= size {
			return licence.ErrListFull
		}
		t = licence.Ticket{Sequence: record.Next, Key: record.Key}
		record.Next++
		return put(tx, bucketTickets, list, record)
	})
	return t, err
}
