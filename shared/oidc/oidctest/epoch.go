package oidctest

import (
	"errors"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Epoch is what the token epoch ends: grants with their codes and refresh families, and sessions, of before it.
func Epoch(t *testing.T, open func(t *testing.T) (s Store, setEpoch func(time.Time))) {
	s, setEpoch := open(t)
	later := Noon.Add(time.Minute)
	for id, at := range map[string]time.Time{"before": Noon, "after": later} {
		code := oidc.Grant{ID: "code-" + id, Client: "c", Person: "p", Created: at, Expires: at.Add(time.Hour), CodeHash: "h",
			CodeExpires: at.Add(time.Hour), Challenge: "x"}
		live := oidc.Grant{ID: id, Client: "c", Person: "p", Created: at, Expires: at.Add(time.Hour), Redeemed: at, FamilyHash: "f",
			RefreshHash: "r", RefreshExpires: at.Add(time.Hour)}
		for _, g := range []oidc.Grant{code, live} {
			if err := s.Grants.SaveGrant(t.Context(), g, Event(g.ID, "grant/"+g.ID)); err != nil {
				t.Fatal(err)
			}
		}
		session := oidc.Session{ID: id, Person: "p", AuthTime: at, Expires: at.Add(time.Hour)}
		if err := s.Sessions.SaveSession(t.Context(), session, Event("s"+id, "person/p")); err != nil {
			t.Fatal(err)
		}
	}
	setEpoch(later)
	s.SetNow(later.Add(time.Second))
	for id, good := range map[string]bool{"before": false, "after": true} {
		want := func(err error) error {
			if good {
				return nil
			}
			return err
		}
		if _, err := s.LiveGrants.LiveGrant(t.Context(), id); !errors.Is(err, want(access.ErrGrantGone)) {
			t.Errorf("the grant of %s the epoch: %v", id, err)
		}
		if _, err := s.LiveSessions.LiveSession(t.Context(), id); !errors.Is(err, want(access.ErrSessionGone)) {
			t.Errorf("the session of %s the epoch: %v", id, err)
		}
		at := later.Add(time.Second)
		_, err := s.Codes.RedeemCode(t.Context(), oidc.Redemption{GrantID: "code-" + id, CodeHash: "h", Client: "c", Challenge: "x",
			At: at}, Event("redeem"+id, "grant/code-"+id))
		if !errors.Is(err, want(oidc.ErrCodeUnknown)) {
			t.Errorf("the code of %s the epoch: %v", id, err)
		}
		_, err = s.Refresh.RotateRefresh(t.Context(),
			oidc.Rotation{GrantID: id, FamilyHash: "f", Hash: "r", NewHash: "r2", Client: "c",
				At: at, Expires: at.Add(time.Hour)}, Event("rotate"+id, "grant/"+id))
		if !errors.Is(err, want(oidc.ErrRefreshUnknown)) {
			t.Errorf("the refresh token of %s the epoch: %v", id, err)
		}
	}
}
