package aws

import (
	"context"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/audit"
)

// Credentials keeps what people sign on with.
type Credentials struct{ *DB }

var (
	_ account.Credentials     = Credentials{}
	_ account.CredentialAdder = Credentials{}
)

func (s Credentials) at(username string) at {
	return at{s.tables.SSO, "credential#" + s.hidden("username", username), noSort}
}

// Credential implements [account.Credentials].
func (s Credentials) Credential(ctx context.Context, username string) (account.Credential, error) {
	c, found, err := record[account.Credential](ctx, s.DB, s.at(username))
	if err == nil && !found {
		err = account.ErrCredentialUnknown
	}
	return c, err
}

// AddCredential implements [account.CredentialAdder].
func (s Credentials) AddCredential(ctx context.Context, c account.Credential, e audit.Event) error {
	body, err := encode(c)
	if err != nil {
		return err
	}
	out, err := s.write(ctx, write{at: s.at(c.Username), put: item{"body": body}, condition: absent, event: &e})
	if err == nil && !out.held {
		err = account.ErrCredentialExists
	}
	return err
}
