package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Grants keeps grants with their codes and refresh families, one record each.
type Grants struct{ *DB }

var (
	_ oidc.GrantSaver   = Grants{}
	_ oidc.CodeRedeemer = Grants{}
	_ oidc.Refresher    = Grants{}
	_ oidc.GrantRevoker = Grants{}
	_ access.Grants     = Grants{}
)

const bucketGrants = "grants" // ID → oidc.Grant

// SaveGrant implements [oidc.GrantSaver].
func (s Grants) SaveGrant(_ context.Context, g oidc.Grant, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		_, found, err := get[oidc.Grant](tx, bucketGrants, g.ID)
		if err != nil {
			return err
		}
		if g.ID == "" || found {
			return fmt.Errorf("saving grant %q: no identifier, or one that exists", g.ID)
		}
		if err := put(tx, bucketGrants, g.ID, g); err != nil {
			return err
		}
		return tell(tx, image{table: TableSSO, pk: "grant#" + g.ID, created: true}, e)
	})
}

// RedeemCode implements [oidc.CodeRedeemer].
func (s Grants) RedeemCode(_ context.Context, r oidc.Redemption, e audit.Event) (oidc.Grant, error) {
	return s.change(r.GrantID, e, func(tx *bbolt.Tx, g oidc.Grant) (oidc.Grant, error) {
		alive, err := sessionAlive(tx, g, r.At)
		if err != nil {
			return oidc.Grant{}, err
		}
		if !alive || g.Created.Before(s.Epoch) {
			return oidc.Grant{}, oidc.ErrCodeUnknown
		}
		return g.Redeem(r)
	}, oidc.ErrCodeUnknown)
}

// RotateRefresh implements [oidc.Refresher].
func (s Grants) RotateRefresh(_ context.Context, r oidc.Rotation, e audit.Event) (oidc.Grant, error) {
	return s.change(r.GrantID, e, func(tx *bbolt.Tx, g oidc.Grant) (oidc.Grant, error) {
		alive, err := sessionAlive(tx, g, r.At)
		if err != nil {
			return oidc.Grant{}, err
		}
		if !alive || g.Created.Before(s.Epoch) {
			return oidc.Grant{}, oidc.ErrRefreshUnknown
		}
		return g.Rotate(r)
	}, oidc.ErrRefreshUnknown)
}

// change applies a rule to one grant in one transaction. A refusal of the rule leaves the record and returns what the
// rule returned.
func (s Grants) change(
	id string, e audit.Event, rule func(*bbolt.Tx, oidc.Grant) (oidc.Grant, error), unknown error,
) (after oidc.Grant, err error) {
	err = s.update(func(tx *bbolt.Tx) error {
		g, found, err := get[oidc.Grant](tx, bucketGrants, id)
		if err != nil {
			return err
		}
		if !found {
			return unknown
		}
		if after, err = rule(tx, g); err != nil {
			return err
		}
		if err := put(tx, bucketGrants, id, after); err != nil {
			return err
		}
		e.Person = after.Person
		return tell(tx, image{table: TableSSO, pk: "grant#" + id}, e)
	})
	return after, err
}

// RevokeGrant implements [oidc.GrantRevoker].
func (s Grants) RevokeGrant(_ context.Context, id string, at time.Time, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		g, found, err := get[oidc.Grant](tx, bucketGrants, id)
		if err != nil || !found || !g.Revoked.IsZero() {
			return err
		}
		g.Revoked = at
		if err := put(tx, bucketGrants, id, g); err != nil {
			return err
		}
		e.Person, e.Holder = g.Person, g.Person
		return tell(tx, image{table: TableSSO, pk: "grant#" + id}, e)
	})
}

// LiveGrant implements [access.Grants].
func (s Grants) LiveGrant(_ context.Context, id string) (live access.Grant, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		g, found, err := get[oidc.Grant](tx, bucketGrants, id)
		if err != nil {
			return err
		}
		now := s.Now()
		if !found || !g.Live(now) || g.Created.Before(s.Epoch) {
			return access.ErrGrantGone
		}
		alive, err := sessionAlive(tx, g, now)
		if err == nil && !alive {
			err = access.ErrGrantGone
		}
		live = access.Grant{Person: g.Person, Organisation: g.Organisation, Client: g.Client, Channel: g.Channel}
		return err
	})
	if err != nil {
		return access.Grant{}, err
	}
	return live, nil
}

// sessionAlive tells whether the session that a grant is bound to, if it is bound to one, lives.
func sessionAlive(tx *bbolt.Tx, g oidc.Grant, at time.Time) (bool, error) {
	if g.Session == "" {
		return true, nil
	}
	s, err := session(tx, g.Session, at)
	if errors.Is(err, access.ErrSessionGone) {
		return false, nil
	}
	return s.ID != "", err
}
