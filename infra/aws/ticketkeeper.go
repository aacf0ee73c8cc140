package aws

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yinxin/yinxin/shared/licence"
)

// TicketKeeper keeps places in status lists from being given again. It writes the items of [Tickets].
type TicketKeeper struct{ *DB }

var _ licence.TicketKeeper = TicketKeeper{}

// ListKey implements [licence.TicketKeeper].
func (s TicketKeeper) ListKey(ctx context.Context, list string) ([32]byte, error) {
	it, err := s.get(ctx, Tickets(s).at(list))
	if err != nil {
		return [32]byte{}, err
	}
	if it == nil {
		return [32]byte{}, licence.ErrUnknown
	}
	key, _ := it["key"].(*types.AttributeValueMemberB)
	if key == nil || len(key.Value) != 32 {
		return [32]byte{}, errors.New("reading the key of a status list: the record has none")
	}
	return [32]byte(key.Value), nil
}

// RaiseTickets implements [licence.TicketKeeper].
func (s TicketKeeper) RaiseTickets(ctx context.Context, list string, next int, newKey [32]byte) error {
	_, err := s.write(ctx, write{
		at:        Tickets(s).at(list),
		update:    "SET #key = if_not_exists(#key, :key), #firstPk = :lists, #firstSk = :list, #next = :next",
		condition: "attribute_not_exists(#next) OR #next < :next",
		values: item{":key": &types.AttributeValueMemberB{Value: newKey[:]}, ":lists": text(ticketsPartition), ":list": text(list),
			":next": number(int64(next))},
	})
	return err // a condition that did not hold: it stands as high
}
