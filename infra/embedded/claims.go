package embedded

import (
	"context"

	"github.com/yinxin/yinxin/infra/view"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Claims tells the services of identity what the registry knows of people and what things are called. It reads the
// buckets of [Persons], [Organisations], [Mandates] and [Clients].
type Claims struct{ *DB }

var (
	_ oidc.Persons   = Claims{}
	_ account.People = Claims{}
	_ account.Names  = Claims{}
)

// PersonClaims implements [oidc.Persons].
func (s Claims) PersonClaims(ctx context.Context, id string) (oidc.Person, error) {
	return view.PersonClaims(ctx, Persons(s), id)
}

// Who implements [account.People].
func (s Claims) Who(ctx context.Context, person string) (account.Who, error) {
	return view.Who(ctx, Persons(s), Mandates(s), Organisations(s), person, s.Now())
}

// Name implements [account.Names].
func (s Claims) Name(ctx context.Context, object string) (string, error) {
	return view.Name(ctx, Organisations(s), Clients(s), object)
}
