package aws

import (
	"context"
	"errors"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Sessions keeps the sessions of browsers. When a session ended stands beside the record.
type Sessions struct{ *DB }

var (
	_ oidc.SessionSaver = Sessions{}
	_ access.Sessions   = Sessions{}
)

func (s Sessions) at(id string) at { return at{s.tables.SSO, "session#" + id, noSort} }

// SaveSession implements [oidc.SessionSaver].
func (s Sessions) SaveSession(ctx context.Context, n oidc.Session, e audit.Event) error {
	if n.ID == "" {
		return errors.New("saving a session: no identifier")
	}
	body, err := encode(n)
	if err != nil {
		return err
	}
	put := item{"body": body, "ttl": tidy(n.Expires)}
	if !n.Ended.IsZero() {
		put["ended"] = moment(n.Ended)
	}
	out, err := s.write(ctx, write{at: s.at(n.ID), put: put, condition: absent, event: &e})
	if err == nil && !out.held {
		err = errors.New("saving a session: the identifier exists")
	}
	return err
}

// EndSession implements [oidc.SessionSaver].
func (s Sessions) EndSession(ctx context.Context, id string, at time.Time, e audit.Event) error {
	_, err := s.write(ctx, write{
		at: s.at(id), update: "SET #ended = :ended, #event = :event",
		condition: "attribute_exists(#pk) AND attribute_not_exists(#ended)", values: item{":ended": moment(at)}, event: &e,
	})
	return err // a condition that did not hold: there is none, or it has ended
}

// LiveSession implements [access.Sessions].
func (s Sessions) LiveSession(ctx context.Context, id string) (access.Session, error) {
	found, err := s.live(ctx, id, s.Now())
	return access.Session{Person: found.Person, AuthTime: found.AuthTime, ACR: found.ACR, Previous: found.Previous}, err
}

// live reads a session that lives at a time, or gives [access.ErrSessionGone].
func (s Sessions) live(ctx context.Context, id string, at time.Time) (oidc.Session, error) {
	it, err := s.get(ctx, s.at(id))
	if err != nil {
		return oidc.Session{}, err
	}
	if it == nil {
		return oidc.Session{}, access.ErrSessionGone
	}
	n, err := decode[oidc.Session](it)
	if err != nil {
		return oidc.Session{}, err
	}
	if n.Ended, err = momentOf(it, "ended"); err != nil {
		return oidc.Session{}, err
	}
	if !n.Live(at) || n.AuthTime.Before(s.Epoch) {
		return oidc.Session{}, access.ErrSessionGone
	}
	return n, nil
}
