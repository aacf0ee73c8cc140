package aws

import (
	"context"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Clients keeps the client applications.
type Clients struct{ *DB }

var (
	_ oidc.Clients     = Clients{}
	_ oidc.ClientSaver = Clients{}
)

func (s Clients) at(id string) at { return at{s.tables.Registry, "client#" + id, noSort} }

// Client implements [oidc.Clients].
func (s Clients) Client(ctx context.Context, id string) (oidc.Client, error) {
	c, found, err := record[oidc.Client](ctx, s.DB, s.at(id))
	if err == nil && !found {
		err = oidc.ErrClientUnknown
	}
	return c, err
}

// SaveClient implements [oidc.ClientSaver].
func (s Clients) SaveClient(ctx context.Context, c oidc.Client, e audit.Event) error {
	return save(ctx, s.DB, s.at(c.ID), c, nil, e)
}
