package aws

import (
	"context"
	"strings"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/seal"
)

// Seals keeps the records of seals and finds them by owner.
type Seals struct{ *DB }

var (
	_ seal.Reader      = Seals{}
	_ seal.Records     = Seals{}
	_ seal.Replacer    = Seals{}
	_ seal.OwnerReader = Seals{}
)

func (s Seals) at(id string) at { return at{s.tables.Seals, "seal#" + id, noSort} }

// Seal implements [seal.Reader].
func (s Seals) Seal(ctx context.Context, id string) (seal.Seal, error) {
	found, ok, err := record[seal.Seal](ctx, s.DB, s.at(id))
	if err == nil && !ok {
		err = seal.ErrUnknown
	}
	return found, err
}

// CreateSeal implements [seal.Records].
func (s Seals) CreateSeal(ctx context.Context, n seal.Seal, e audit.Event) error {
	put := indexed(byFirst, sealsOf(n.Owner.USCC), e.Time.UTC().Format(eventTime)+"#"+n.ID)
	return create(ctx, s.DB, s.at(n.ID), n, n.Revision, put, e, seal.ErrExists)
}

// ReplaceSeal implements [seal.Replacer].
func (s Seals) ReplaceSeal(ctx context.Context, n seal.Seal, e audit.Event) error {
	return replace(ctx, s.DB, s.at(n.ID), n, n.Revision, nil, e, seal.ErrUnknown, seal.ErrChanged)
}

func sealsOf(uscc string) string { return "owner#" + uscc }

// SealsOf implements [seal.OwnerReader].
func (s Seals) SealsOf(ctx context.Context, uscc string) ([]string, error) {
	items, err := s.query(ctx, query{table: s.tables.Seals, index: byFirst, partition: sealsOf(uscc)})
	return without("seal#", items), err
}

// without returns the identifiers in the partition keys of items.
func without(prefix string, items []item) (ids []string) {
	for _, it := range items {
		ids = append(ids, strings.TrimPrefix(textOf(it, "pk"), prefix))
	}
	return ids
}
