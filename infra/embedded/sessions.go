package embedded

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Sessions keeps the sessions of browsers.
type Sessions struct{ *DB }

var (
	_ oidc.SessionSaver = Sessions{}
	_ access.Sessions   = Sessions{}
)

const bucketSessions = "sessions" // ID → oidc.Session

// SaveSession implements [oidc.SessionSaver].
func (s Sessions) SaveSession(_ context.Context, n oidc.Session, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		_, found, err := get[oidc.Session](tx, bucketSessions, n.ID)
		if err != nil {
			return err
		}
		if n.ID == "" || found {
			return fmt.Errorf("saving a session: no identifier, or one that exists")
		}
		if err := put(tx, bucketSessions, n.ID, n); err != nil {
			return err
		}
		return tell(tx, image{table: TableSSO, pk: "session#" + n.ID, created: true}, e)
	})
}

// EndSession implements [oidc.SessionSaver].
func (s Sessions) EndSession(_ context.Context, id string, at time.Time, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		old, found, err := get[oidc.Session](tx, bucketSessions, id)
		if err != nil || !found || !old.Ended.IsZero() {
			return err
		}
		old.Ended = at
		if err := put(tx, bucketSessions, id, old); err != nil {
			return err
		}
		return tell(tx, image{table: TableSSO, pk: "session#" + id}, e)
	})
}

// LiveSession implements [access.Sessions].
func (s Sessions) LiveSession(_ context.Context, id string) (live access.Session, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		found, err := session(tx, id, s.Now())
		if err == nil && found.AuthTime.Before(s.Epoch) {
			err = access.ErrSessionGone
		}
		live = access.Session{Person: found.Person, AuthTime: found.AuthTime, ACR: found.ACR, Previous: found.Previous}
		return err
	})
	return live, err
}

// session reads a session that lives at a time, or gives [access.ErrSessionGone].
func session(tx *bbolt.Tx, id string, at time.Time) (oidc.Session, error) {
	s, found, err := get[oidc.Session](tx, bucketSessions, id)
	switch {
	case err != nil:
		return oidc.Session{}, err
	case !found || !s.Live(at):
		return oidc.Session{}, access.ErrSessionGone
	}
	return s, nil
}
