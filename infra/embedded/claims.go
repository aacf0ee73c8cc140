package embedded

import (
	"context"
	"errors"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
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
	p, err := Persons(s).Person(ctx, id)
	if errors.Is(err, registry.ErrPersonUnknown) {
		return oidc.Person{}, oidc.ErrPersonUnknown
	}
	return oidc.Person{Name: p.Name, Phone: p.Phone}, err
}

// Who implements [account.People].
func (s Claims) Who(_ context.Context, person string) (who account.Who, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		p, _, err := get[registry.Person](tx, bucketPersons, person)
		if err != nil {
			return err
		}
		who.Name = p.Name
		var mandates []registry.Mandate
		err = eachKey(tx, bucketMandates, person+"\x00", func(organisation string) error {
			return appendMandate(tx, person, organisation, &mandates)
		})
		if err != nil {
			return err
		}
		for _, m := range mandates {
			if now := s.Now(); now.Before(m.From) || !m.To.IsZero() && !now.Before(m.To) {
				continue
			}
			o, _, err := get[registry.Organisation](tx, bucketOrganisations, m.Organisation)
			if err != nil {
				return err
			}
			who.Acts = append(who.Acts, account.Acting{Organisation: m.Organisation, Name: o.Name, Roles: m.Roles})
		}
		return nil
	})
	return who, err
}

// Name implements [account.Names].
func (s Claims) Name(_ context.Context, object string) (name string, err error) {
	kind, id, _ := strings.Cut(object, "/")
	err = s.view(func(tx *bbolt.Tx) error {
		switch kind {
		case "organisation":
			o, _, err := get[registry.Organisation](tx, bucketOrganisations, id)
			name = o.Name
			return err
		case "client":
			c, _, err := get[oidc.Client](tx, bucketClients, id)
			name = c.Name
			return err
		}
		return nil
	})
	return name, err
}
