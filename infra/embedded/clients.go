package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Clients keeps the client applications.
type Clients struct{ *DB }

var (
	_ oidc.Clients     = Clients{}
	_ oidc.ClientSaver = Clients{}
)

const bucketClients = "clients" // client_id → oidc.Client

// Client implements [oidc.Clients].
func (s Clients) Client(_ context.Context, id string) (c oidc.Client, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var found bool
		if c, found, err = get[oidc.Client](tx, bucketClients, id); err == nil && !found {
			err = oidc.ErrClientUnknown
		}
		return err
	})
	return c, err
}

// SaveClient implements [oidc.ClientSaver].
func (s Clients) SaveClient(_ context.Context, c oidc.Client, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		_, err := putChanged(tx, bucketClients, c.ID, c, image{table: TableRegistry, pk: "client#" + c.ID}, e)
		return err
	})
}
