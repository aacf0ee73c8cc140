package aws

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yinxin/yinxin/shared/licence"
)

// Tickets gives places in status lists. A place whose answer was lost stays empty.
type Tickets struct{ *DB }

var _ licence.Tickets = Tickets{}

// ticketsPartition is where the first index holds all lists; a ticket changes nothing in it.
const ticketsPartition = "tickets#"

func (s Tickets) at(list string) at { return at{s.tables.Licences, "ticket#" + list, noSort} }

// TakeTicket implements [licence.Tickets].
func (s Tickets) TakeTicket(ctx context.Context, list string, size int, newKey [32]byte) (licence.Ticket, error) {
	if size <= 0 {
		return licence.Ticket{}, licence.ErrListFull
	}
	w := write{
		at:        s.at(list),
		update:    "SET #key = if_not_exists(#key, :key), #firstPk = :lists, #firstSk = :list ADD #next :one",
		condition: "attribute_not_exists(#next) OR #next < :size",
		values: item{":key": &types.AttributeValueMemberB{Value: newKey[:]}, ":lists": text(ticketsPartition), ":list": text(list),
			":one": number(1), ":size": number(int64(size))},
	}
	out, err := s.write(ctx, w)
	if err != nil {
		return licence.Ticket{}, err
	}
	if !out.held {
		return licence.Ticket{}, licence.ErrListFull
	}
	next, err := numberOf(out.item, "next")
	key, _ := out.item["key"].(*types.AttributeValueMemberB)
	if err != nil || key == nil || len(key.Value) != 32 {
		return licence.Ticket{}, errors.Join(errors.New("reading a ticket: the record is not one"), err)
	}
	return licence.Ticket{Sequence: int(next) - 1, Key: [32]byte(key.Value)}, nil
}
