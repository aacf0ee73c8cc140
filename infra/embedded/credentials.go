package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/audit"
)

// Credentials keeps what people sign on with.
type Credentials struct{ *DB }

var (
	_ account.Credentials     = Credentials{}
	_ account.CredentialAdder = Credentials{}
)

const bucketCredentials = "credentials" // user name → account.Credential

// Credential implements [account.Credentials].
func (s Credentials) Credential(_ context.Context, username string) (c account.Credential, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var found bool
		if c, found, err = get[account.Credential](tx, bucketCredentials, username); err == nil && !found {
			err = account.ErrCredentialUnknown
		}
		return err
	})
	return c, err
}

// AddCredential implements [account.CredentialAdder].
func (s Credentials) AddCredential(_ context.Context, c account.Credential, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		_, found, err := get[account.Credential](tx, bucketCredentials, c.Username)
		if err != nil {
			return err
		}
		if found {
			return account.ErrCredentialExists
		}
		if err := put(tx, bucketCredentials, c.Username, c); err != nil {
			return err
		}
		return tell(tx, image{table: TableSSO, pk: "credential#" + c.Username, created: true}, e)
	})
}
