// Package accesstest holds the contracts of the ports of shared/access, and an issuer of access tokens for the tests of
// services.
//
//	open ── Store ── each sentence of the contract, one subtest
//	New(t) ── Issuer ── Token(Caller) ── a request that Guard lets through
package accesstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
)

// Noon is when the stores that are opened stand.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// GrantStore is a store of grants, seen through access.Grants, with what a test needs to fill it.
type GrantStore struct {
	Grants access.Grants
	// Make makes a live grant that expires at a time, bound to a session where session is not empty.
	Make       func(t *testing.T, id string, g access.Grant, expires time.Time, session string)
	Revoke     func(t *testing.T, id string)
	Sessions   SessionStore
	SaveUnused func(t *testing.T, id string) // a grant whose code nobody has redeemed yet
	SetNow     func(time.Time)
}

// SessionStore is a store of sessions, seen through access.Sessions.
type SessionStore struct {
	Sessions access.Sessions
	Make     func(t *testing.T, id string, s access.Session, expires time.Time)
	End      func(t *testing.T, id string)
	SetNow   func(time.Time)
}

// Grants runs the contract of access.Grants.
func Grants(t *testing.T, open func(t *testing.T) GrantStore) {
	g := access.Grant{Person: "zhang", Organisation: "o", Client: "app", Channel: "web"}
	gone := func(t *testing.T, s GrantStore, id string) {
		t.Helper()
		if got, err := s.Grants.LiveGrant(t.Context(), id); !errors.Is(err, access.ErrGrantGone) || got != (access.Grant{}) {
			t.Errorf("LiveGrant(%s) = %+v, %v, want ErrGrantGone", id, got, err)
		}
	}
	t.Run("a live grant is found", func(t *testing.T) {
		s := open(t)
		s.Make(t, "1", g, Noon.Add(time.Hour), "")
		if got, err := s.Grants.LiveGrant(t.Context(), "1"); err != nil || got != g {
			t.Errorf("LiveGrant = %+v, %v, want %+v", got, err, g)
		}
		gone(t, s, "2")
		gone(t, s, "")
	})
	t.Run("an expired, revoked or unused grant is gone", func(t *testing.T) {
		s := open(t)
		s.Make(t, "expired", g, Noon.Add(time.Hour), "")
		s.Make(t, "revoked", g, Noon.Add(2*time.Hour), "")
		s.SaveUnused(t, "unused")
		s.SetNow(Noon.Add(time.Hour))
		s.Revoke(t, "revoked")
		for _, id := range []string{"expired", "revoked", "unused"} {
			gone(t, s, id)
		}
	})
	t.Run("a grant dies with the session it is bound to", func(t *testing.T) {
		s := open(t)
		for _, id := range []string{"ended", "expired"} {
			s.Sessions.Make(t, "session "+id, access.Session{Person: "zhang"}, Noon.Add(time.Hour))
			s.Make(t, id, g, Noon.Add(24*time.Hour), "session "+id)
			if _, err := s.Grants.LiveGrant(t.Context(), id); err != nil {
				t.Errorf("LiveGrant(%s) = %v", id, err)
			}
		}
		s.Make(t, "orphan", g, Noon.Add(24*time.Hour), "no session")
		s.Sessions.End(t, "session ended")
		gone(t, s, "ended")
		gone(t, s, "orphan")
		if _, err := s.Grants.LiveGrant(t.Context(), "expired"); err != nil {
			t.Errorf("another session's grant = %v", err)
		}
		s.SetNow(Noon.Add(time.Hour))
		gone(t, s, "expired")
	})
}

// Sessions runs the contract of access.Sessions.
func Sessions(t *testing.T, open func(t *testing.T) SessionStore) {
	want := access.Session{Person: "zhang", AuthTime: Noon, ACR: "urn:yinxin:loa:2", Previous: "0"}
	t.Run("a live session is found until it expires", func(t *testing.T) {
		s := open(t)
		s.Make(t, "1", want, Noon.Add(time.Hour))
		s.SetNow(Noon.Add(time.Hour - 1))
		if got, err := s.Sessions.LiveSession(t.Context(), "1"); err != nil || got != want {
			t.Errorf("LiveSession = %+v, %v, want %+v", got, err, want)
		}
		s.SetNow(Noon.Add(time.Hour))
		for _, id := range []string{"1", "2", ""} {
			if _, err := s.Sessions.LiveSession(t.Context(), id); !errors.Is(err, access.ErrSessionGone) {
				t.Errorf("LiveSession(%q) = %v, want ErrSessionGone", id, err)
			}
		}
	})
	t.Run("an ended session is gone, and ending it again is no error", func(t *testing.T) {
		s := open(t)
		s.Make(t, "1", want, Noon.Add(time.Hour))
		s.End(t, "1")
		s.End(t, "1")
		s.End(t, "never made")
		if _, err := s.Sessions.LiveSession(t.Context(), "1"); !errors.Is(err, access.ErrSessionGone) {
			t.Errorf("LiveSession = %v, want ErrSessionGone", err)
		}
	})
}

// Keys runs the contract of access.Keys: the first key published is the one that signs.
func Keys(t *testing.T, open func(t *testing.T) (access.Keys, key.Signer)) {
	t.Run("the signing key is published first, with its identifier and algorithm", func(t *testing.T) {
		keys, signer := open(t)
		set, err := keys.TokenKeys(t.Context())
		if err != nil || len(set.Keys) == 0 {
			t.Fatalf("TokenKeys = %+v, %v", set, err)
		}
		if k := set.Keys[0]; k.KeyID != signer.KeyID() || k.Alg != signer.Algorithm() {
			t.Errorf("TokenKeys begins with %+v", k)
		}
		compact, err := jose.Sign(t.Context(), signer, jose.Header{KeyID: signer.KeyID()}, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := jose.Verify(compact, set.Keys[0].Public, key.ES256); err != nil {
			t.Errorf("what it signs does not verify: %v", err)
		}
	})
}

// KeyStore is an [access.Keys] whose keys another process changes.
type KeyStore struct {
	access.Keys
	SetNow func(time.Time)
	Kill   func(t *testing.T, id string) (next string) // elsewhere; next signs from then on
	Break  func(broken bool)                           // the store cannot be read meanwhile
	// Reads counts the readings of the store so far; nil where nothing does, and the limit is seen by what is not found.
	Reads func() int
}

// KeysAgain runs the contract of TokenKeysAgain.
func KeysAgain(t *testing.T, open func(t *testing.T) KeyStore) {
	counted := true
	start := func(t *testing.T) (s KeyStore, first string, find func(id string) (bool, error)) {
		s = open(t)
		if s.Reads == nil {
			s.Reads = func() int { return 0 }
			counted = false
		}
		s.SetNow(Noon)
		set, err := s.TokenKeys(t.Context())
		if err != nil || len(set.Keys) != 1 {
			t.Fatalf("TokenKeys = %+v, %v", set, err)
		}
		return s, set.Keys[0].KeyID, func(id string) (bool, error) {
			_, found, err := access.FindKey(t.Context(), s.Keys, id)
			return found, err
		}
	}
	t.Run("a key that another process made in place of one that was killed is known at its first token", func(t *testing.T) {
		s, first, find := start(t)
		next := s.Kill(t, first)
		s.SetNow(Noon.Add(access.Reread))
		if found, err := find(next); !found || err != nil {
			t.Errorf("the key of after the kill: %v, %v", found, err)
		}
		if found, err := find(first); found || err != nil {
			t.Errorf("the key that was killed, once that is known: %v, %v", found, err)
		}
		again := s.Kill(t, next)
		s.SetNow(Noon.Add(2*access.Reread - 1))
		if found, err := find(again); found || err != nil {
			t.Errorf("a second reading within %v: %v, %v", access.Reread, found, err)
		}
		s.SetNow(Noon.Add(2 * access.Reread))
		if found, err := find(again); !found || err != nil {
			t.Errorf("the next key, %v later: %v, %v", access.Reread, found, err)
		}
	})
	t.Run("whoever invents keys has the store read once in a while", func(t *testing.T) {
		s, first, find := start(t)
		before := s.Reads()
		for n := range 100 {
			s.SetNow(Noon.Add(time.Duration(n) * access.Reread / 50)) // twice as long as Reread
			if found, err := find(fmt.Sprint("invented", n)); found || err != nil {
				t.Fatalf("an invented key: %v, %v", found, err)
			}
			if found, err := find(""); found || err != nil {
				t.Fatalf("no key: %v, %v", found, err)
			}
		}
		if n := s.Reads() - before; n != 1 && counted {
			t.Errorf("%d readings for 100 keys in %v, want 1", n, 2*access.Reread)
		}
		s.SetNow(Noon.Add(3 * access.Reread))
		before = s.Reads()
		var all sync.WaitGroup
		for n := range 50 {
			all.Go(func() { _, _ = find(fmt.Sprint("at once", n)) }) // found or not: its readings are counted
		}
		all.Wait()
		if n := s.Reads() - before; n != 1 && counted {
			t.Errorf("%d readings for 50 keys at once, want 1", n)
		}
		if found, err := find(first); !found || err != nil {
			t.Errorf("the key that signs: %v, %v", found, err)
		}
	})
	t.Run("a reading that fails is told once and takes no key away", func(t *testing.T) {
		s, first, find := start(t)
		s.SetNow(Noon.Add(access.Reread))
		s.Break(true)
		if found, err := find("invented"); found || err == nil {
			t.Errorf("while the store cannot be read: %v, %v", found, err)
		}
		before := s.Reads()
		for n := range 10 {
			if found, err := find(fmt.Sprint("invented", n)); found || err != nil {
				t.Errorf("after a reading that failed: %v, %v", found, err)
			}
		}
		if n := s.Reads() - before; n != 0 {
			t.Errorf("%d readings more", n)
		}
		if found, err := find(first); !found || err != nil {
			t.Errorf("the key that signs: %v, %v", found, err)
		}
		s.Break(false)
	})
	t.Run("a clock that is set back does not stop the readings", func(t *testing.T) {
		s, first, find := start(t)
		next := s.Kill(t, first)
		s.SetNow(Noon.Add(-time.Hour))
		if found, err := find(next); !found || err != nil {
			t.Errorf("the key of after the kill: %v, %v", found, err)
		}
	})
}

// Issuer issues access tokens in memory. It implements access.Grants and access.Keys.
type Issuer struct {
	URL    string
	Signer key.Signer
	Now    func() time.Time

	mu     sync.Mutex
	grants map[string]access.Grant
	made   int
}

// New makes an issuer "https://issuer.example" whose clock stands at [Noon].
func New(t testing.TB) *Issuer {
	t.Helper()
	return &Issuer{
		URL: "https://issuer.example", Signer: keytest.New(t, key.ES256), Now: func() time.Time { return Noon },
		grants: map[string]access.Grant{},
	}
}

// Guard returns a guard that accepts what the issuer issues.
func (i *Issuer) Guard() access.Guard {
	return access.Guard{Issuer: i.URL, Keys: i, Grants: i, Now: i.Now}
}

// Token issues a token that speaks for c under a new live grant.
func (i *Issuer) Token(t testing.TB, c access.Caller) string {
	t.Helper()
	return i.Sign(t, access.TokenType, i.Claims(c))
}

// Claims makes a live grant for c and the claims of a good token under it.
func (i *Issuer) Claims(c access.Caller) access.Claims {
	i.mu.Lock()
	i.made++
	id := fmt.Sprintf("grant-%d", i.made)
	i.grants[id] = access.Grant{Person: c.Person, Organisation: c.Organisation, Client: c.Client, Channel: c.Channel}
	i.mu.Unlock()
	claims := access.Claims{
		Issuer: i.URL, Subject: "subject", Audience: access.Audience{i.URL}, ClientID: c.Client,
		Scope: strings.Join(c.Scopes, " "), IssuedAt: i.Now().Unix(), Expires: i.Now().Add(10 * time.Minute).Unix(),
		ID: "jti-" + id, ACR: c.ACR, GrantID: id,
	}
	if !c.AuthTime.IsZero() {
		claims.AuthTime = c.AuthTime.Unix()
	}
	return claims
}

// Sign signs any claims with any typ.
func (i *Issuer) Sign(t testing.TB, typ string, claims access.Claims) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(t.Context(), i.Signer, jose.Header{KeyID: i.Signer.KeyID(), Type: typ}, payload)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Authorize puts a token for c into a request.
func (i *Issuer) Authorize(t testing.TB, r *http.Request, c access.Caller) {
	t.Helper()
	r.Header.Set("Authorization", "Bearer "+i.Token(t, c))
}

// Revoke ends a grant.
func (i *Issuer) Revoke(grant string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.grants, grant)
}

// LiveGrant implements access.Grants.
func (i *Issuer) LiveGrant(_ context.Context, id string) (access.Grant, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	g, found := i.grants[id]
	if !found {
		return access.Grant{}, access.ErrGrantGone
	}
	return g, nil
}

// TokenKeys implements access.Keys.
func (i *Issuer) TokenKeys(context.Context) (jose.Set, error) {
	return jose.Set{Keys: []jose.JWK{{Public: i.Signer.Public(), KeyID: i.Signer.KeyID(), Alg: i.Signer.Algorithm()}}}, nil
}

// TokenKeysAgain implements access.Keys.
func (i *Issuer) TokenKeysAgain(ctx context.Context) (jose.Set, error) { return i.TokenKeys(ctx) }
