package aws

import (
	"context"
	"errors"
	"strings"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
)

// Claims tells the services of identity what the registry knows of people and what things are called. It reads the
// items of [Persons], [Organisations], [Mandates] and [Clients].
type Claims struct{ *DB }

var (
	_ oidc.Persons   = Claims{}
	_ account.People = Claims{}
	_ account.Names  = Claims{}
)

// PersonClaims implements [oidc.Persons].
func (s Claims) PersonClaims(ctx context.Context, id string) (oidc.Person, error) {
	p, err := Persons(s).Person(ctx, id)
	if errors.Is(err, registry.ErrPersonUnknown) {
		return oidc.Person{}, oidc.ErrPersonUnknown
	}
	return oidc.Person{Name: p.Name, Phone: p.Phone}, err
}

// Who implements [account.People].
func (s Claims) Who(ctx context.Context, person string) (who account.Who, err error) {
	p, err := Persons(s).Person(ctx, person)
	if err != nil && !errors.Is(err, registry.ErrPersonUnknown) {
		return account.Who{}, err
	}
	who.Name = p.Name
	mandates, err := Mandates(s).MandatesOf(ctx, person)
	if err != nil {
		return account.Who{}, err
	}
	for _, m := range mandates {
		if now := s.Now(); now.Before(m.From) || !m.To.IsZero() && !now.Before(m.To) {
			continue
		}
		name, err := s.organisation(ctx, m.Organisation)
		if err != nil {
			return account.Who{}, err
		}
		who.Acts = append(who.Acts, account.Acting{Organisation: m.Organisation, Name: name, Roles: m.Roles})
	}
	return who, nil
}

// Name implements [account.Names].
func (s Claims) Name(ctx context.Context, object string) (string, error) {
	kind, id, _ := strings.Cut(object, "/")
	switch kind {
	case "organisation":
		return s.organisation(ctx, id)
	case "client":
		c, err := Clients(s).Client(ctx, id)
		if errors.Is(err, oidc.ErrClientUnknown) {
			err = nil
		}
		return c.Name, err
	}
	return "", nil
}

// organisation returns the name of an organisation, or "".
func (s Claims) organisation(ctx context.Context, uscc string) (string, error) {
	o, err := Organisations(s).Organisation(ctx, uscc)
	if errors.Is(err, registry.ErrOrganisationUnknown) {
		err = nil
	}
	return o.Name, err
}
