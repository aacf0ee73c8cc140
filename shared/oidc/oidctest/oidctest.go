// Package oidctest holds the contracts of the ports of shared/oidc, and a store in memory for its endpoint tests.
//
//	open ── Store ── each sentence of the contract, one subtest; each atomic step raced
//
// An adapter that passes may be given to the endpoints. The store in memory passes too.
package oidctest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// racers is how many calls an atomic step is raced by.
const racers = 100

// Noon is when the stores that are opened stand.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Store is a store of identity, seen through its ports.
type Store struct {
	Grants       oidc.GrantSaver
	Codes        oidc.CodeRedeemer
	Refresh      oidc.Refresher
	Revoker      oidc.GrantRevoker
	LiveGrants   access.Grants
	Sessions     oidc.SessionSaver
	LiveSessions access.Sessions
	Clients      oidc.Clients
	ClientSaver  oidc.ClientSaver
	Consents     oidc.Consents
	Replays      oidc.ReplayGuard
	Events       audit.Reader
	SetNow       func(time.Time)
}

// Event makes an event of an object.
func Event(id, object string) audit.Event {
	return audit.Event{ID: id, Time: Noon, Action: "oidc.test", Object: object, Outcome: audit.Done}
}

// events counts the events of an object.
func (s Store) events(t *testing.T, object string) int {
	t.Helper()
	list, err := s.Events.ByObject(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// race calls f from many goroutines at once and returns how many calls ended with each error.
func race(f func(i int) error) map[string]int {
	var wg sync.WaitGroup
	results := make([]error, racers)
	start := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-start
			results[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	counts := map[string]int{}
	for _, err := range results {
		counts[fmt.Sprint(err)]++
	}
	return counts
}

// grant is a saved grant with an unredeemed code.
func grant(id string) oidc.Grant {
	return oidc.Grant{
		ID: id, Client: "app", Person: "zhang", Channel: "web", Browser: "s1", Scope: "openid profile",
		RedirectURI: "https://app.example/cb", Challenge: "challenge", Nonce: "n", ACR: "acr", AuthTime: Noon.Add(-time.Minute),
		Created: Noon, Expires: Noon.Add(oidc.GrantLife), CodeHash: "code", CodeExpires: Noon.Add(oidc.CodeLife),
	}
}

func redemption(id string) oidc.Redemption {
	return oidc.Redemption{
		GrantID: id, CodeHash: "code", Client: "app", RedirectURI: "https://app.example/cb", Challenge: "challenge", At: Noon,
		FamilyHash: "family", RefreshHash: "r0", RefreshExpires: Noon.Add(oidc.RefreshIdle),
	}
}

func rotation(id string) oidc.Rotation {
	return oidc.Rotation{
		GrantID: id, FamilyHash: "family", Hash: "r0", NewHash: "r1", Client: "app", At: Noon.Add(time.Minute),
		Expires: Noon.Add(time.Minute + oidc.RefreshIdle),
	}
}

// save saves a grant; with redeem it redeems the code as well.
func (s Store) save(t *testing.T, g oidc.Grant, redeem bool) {
	t.Helper()
	if err := s.Grants.SaveGrant(t.Context(), g, Event("save "+g.ID, "grant/"+g.ID)); err != nil {
		t.Fatal(err)
	}
	if !redeem {
		return
	}
	if _, err := s.Codes.RedeemCode(t.Context(), redemption(g.ID), Event("redeem "+g.ID, "grant/"+g.ID)); err != nil {
		t.Fatal(err)
	}
}

// Grants runs the contracts of GrantSaver, CodeRedeemer, Refresher and GrantRevoker.
func Grants(t *testing.T, open func(t *testing.T) Store) {
	t.Run("GrantSaver", func(t *testing.T) { grantSaver(t, open) })
	t.Run("CodeRedeemer", func(t *testing.T) { codeRedeemer(t, open) })
	t.Run("Refresher", func(t *testing.T) { refresher(t, open) })
	t.Run("GrantRevoker", func(t *testing.T) { grantRevoker(t, open) })
}

func grantSaver(t *testing.T, open func(t *testing.T) Store) {
	t.Run("an identifier is saved once, with its event", func(t *testing.T) {
		s := open(t)
		counts := race(func(i int) error {
			err := s.Grants.SaveGrant(t.Context(), grant("g"), Event(fmt.Sprint(i), "grant/g"))
			if err != nil {
				return errors.New("refused")
			}
			return nil
		})
		if counts["<nil>"] != 1 || s.events(t, "grant/g") != 1 {
			t.Errorf("outcomes %v with %d events, want one", counts, s.events(t, "grant/g"))
		}
	})
}

func codeRedeemer(t *testing.T, open func(t *testing.T) Store) {
	t.Run("a code gives its grant", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), false)
		got, err := s.Codes.RedeemCode(t.Context(), redemption("g"), Event("e", "grant/g"))
		want := grant("g")
		want.Redeemed, want.FamilyHash, want.RefreshHash, want.RefreshExpires = Noon, "family", "r0", Noon.Add(oidc.RefreshIdle)
		if err != nil || !reflect.DeepEqual(utc(got), want) {
			t.Errorf("RedeemCode = %+v, %v, want %+v", got, err, want)
		}
		list, err := s.Events.ByObject(t.Context(), "grant/g")
		if err != nil || len(list) != 2 || !slices.ContainsFunc(list, func(e audit.Event) bool { return e.ID == "e" && e.Person == "zhang" }) {
			t.Errorf("events = %+v, %v", list, err)
		}
	})
	t.Run("of concurrent calls exactly one succeeds", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), false)
		counts := race(func(i int) error {
			_, err := s.Codes.RedeemCode(t.Context(), redemption("g"), Event(fmt.Sprint(i), "grant/g"))
			return err
		})
		if counts["<nil>"] != 1 || counts[oidc.ErrCodeRedeemed.Error()] != racers-1 {
			t.Errorf("outcomes = %v", counts)
		}
		if n := s.events(t, "grant/g"); n != 2 {
			t.Errorf("%d events, want those of the save and the winner", n)
		}
	})
	t.Run("what does not fit changes nothing", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), false)
		for name, change := range map[string]func(*oidc.Redemption){
			"another grant":        func(r *oidc.Redemption) { r.GrantID = "h" },
			"no grant":             func(r *oidc.Redemption) { r.GrantID = "" },
			"another code":         func(r *oidc.Redemption) { r.CodeHash = "other" },
			"no code":              func(r *oidc.Redemption) { r.CodeHash = "" },
			"another client":       func(r *oidc.Redemption) { r.Client = "other" },
			"another address":      func(r *oidc.Redemption) { r.RedirectURI = "https://app.example/cb/" },
			"another verifier":     func(r *oidc.Redemption) { r.Challenge = "other" },
			"no verifier":          func(r *oidc.Redemption) { r.Challenge = "" },
			"the code has expired": func(r *oidc.Redemption) { r.At = Noon.Add(oidc.CodeLife) },
		} {
			r := redemption("g")
			change(&r)
			got, err := s.Codes.RedeemCode(t.Context(), r, Event(name, "grant/g"))
			if !errors.Is(err, oidc.ErrCodeUnknown) || got.ID != "" {
				t.Errorf("%s: RedeemCode = %+v, %v, want ErrCodeUnknown", name, got, err)
			}
		}
		if n := s.events(t, "grant/g"); n != 1 {
			t.Errorf("%d events, want that of the save", n)
		}
		r := redemption("g")
		r.At, r.RedirectURI = Noon.Add(oidc.CodeLife-1), ""
		if _, err := s.Codes.RedeemCode(t.Context(), r, Event("good", "grant/g")); err != nil {
			t.Errorf("the right client afterwards: %v", err)
		}
	})
	t.Run("a replay is told from a guess, and only to its client", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), true)
		r := redemption("g")
		r.Challenge, r.At = "whatever", Noon.Add(time.Hour)
		if got, err := s.Codes.RedeemCode(t.Context(), r, Event("1", "grant/g")); !errors.Is(err, oidc.ErrCodeRedeemed) || got.ID != "g" {
			t.Errorf("replay: RedeemCode = %+v, %v, want ErrCodeRedeemed with the grant", got, err)
		}
		r.Client = "other"
		if _, err := s.Codes.RedeemCode(t.Context(), r, Event("2", "grant/g")); !errors.Is(err, oidc.ErrCodeUnknown) {
			t.Errorf("replay by another client = %v, want ErrCodeUnknown", err)
		}
		r = redemption("g")
		r.CodeHash = "other"
		if _, err := s.Codes.RedeemCode(t.Context(), r, Event("3", "grant/g")); !errors.Is(err, oidc.ErrCodeUnknown) {
			t.Errorf("guess = %v, want ErrCodeUnknown", err)
		}
	})
	t.Run("a code bound to a session ends with it, another does not", func(t *testing.T) {
		s := open(t)
		s.endedWith(t, false)
		if _, err := s.Codes.RedeemCode(t.Context(), redemption("bound"), Event("1", "grant")); !errors.Is(err, oidc.ErrCodeUnknown) {
			t.Errorf("bound: RedeemCode = %v, want ErrCodeUnknown", err)
		}
		if _, err := s.Codes.RedeemCode(t.Context(), redemption("offline"), Event("2", "grant")); err != nil {
			t.Errorf("offline: RedeemCode = %v", err)
		}
	})
}

// endedWith saves a grant "bound" to a session and a grant "offline", and ends the session.
func (s Store) endedWith(t *testing.T, redeem bool) {
	t.Helper()
	session := oidc.Session{ID: "s1", Person: "zhang", AuthTime: Noon, Expires: Noon.Add(time.Hour)}
	if err := s.Sessions.SaveSession(t.Context(), session, Event("s", "session")); err != nil {
		t.Fatal(err)
	}
	bound := grant("bound")
	bound.Session = "s1"
	s.save(t, bound, redeem)
	s.save(t, grant("offline"), redeem)
	if err := s.Sessions.EndSession(t.Context(), "s1", Noon, Event("x", "session")); err != nil {
		t.Fatal(err)
	}
}

func refresher(t *testing.T, open func(t *testing.T) Store) {
	t.Run("of concurrent calls with one token exactly one succeeds", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), true)
		counts := race(func(i int) error {
			r := rotation("g")
			r.NewHash = fmt.Sprint("r", i+1)
			_, err := s.Refresh.RotateRefresh(t.Context(), r, Event(fmt.Sprint(i), "grant/g"))
			return err
		})
		if counts["<nil>"] != 1 || counts[oidc.ErrRefreshRaced.Error()] != racers-1 {
			t.Errorf("outcomes = %v", counts)
		}
		if n := s.events(t, "grant/g"); n != 3 {
			t.Errorf("%d events, want those of save, redemption and the winner", n)
		}
	})
	t.Run("a token that does not rotate works again", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), true)
		r := rotation("g")
		r.NewHash = r.Hash
		for i := range 3 {
			if _, err := s.Refresh.RotateRefresh(t.Context(), r, Event(fmt.Sprint(i), "grant/g")); err != nil {
				t.Errorf("use %d: %v", i+1, err)
			}
		}
	})
	t.Run("an old token of the family is a theft, a made-up one is nothing", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), true)
		r := rotation("g")
		for i := range 3 {
			r.Hash, r.NewHash, r.At = fmt.Sprint("r", i), fmt.Sprint("r", i+1), r.At.Add(time.Minute)
			if _, err := s.Refresh.RotateRefresh(t.Context(), r, Event(fmt.Sprint(i), "grant/g")); err != nil {
				t.Fatal(err)
			}
		}
		rotated := r.At
		for name, tt := range map[string]struct {
			change func(*oidc.Rotation)
			want   error
		}{
			"the last one, at once": {func(r *oidc.Rotation) { r.Hash = "r2" }, oidc.ErrRefreshRaced},
			"the last one, later":   {func(r *oidc.Rotation) { r.Hash, r.At = "r2", rotated.Add(30*time.Second) }, oidc.ErrRefreshReused},
			"the first one":         {func(r *oidc.Rotation) { r.Hash = "r0" }, oidc.ErrRefreshReused},
			"another family":        {func(r *oidc.Rotation) { r.Hash, r.FamilyHash = "r3", "other" }, oidc.ErrRefreshUnknown},
			"no family":             {func(r *oidc.Rotation) { r.Hash, r.FamilyHash = "r3", "" }, oidc.ErrRefreshUnknown},
			"another client":        {func(r *oidc.Rotation) { r.Hash, r.Client = "r3", "other" }, oidc.ErrRefreshUnknown},
			"another grant":         {func(r *oidc.Rotation) { r.Hash, r.GrantID = "r3", "other" }, oidc.ErrRefreshUnknown},
			"an idle month later":   {func(r *oidc.Rotation) { r.Hash, r.At = "r3", r.Expires }, oidc.ErrRefreshUnknown},
		} {
			r := rotation("g")
			r.At, r.NewHash = rotated.Add(time.Second), "r9"
			r.Expires = rotation("g").Expires
			tt.change(&r)
			g, err := s.Refresh.RotateRefresh(t.Context(), r, Event(name, "grant/g"))
			if !errors.Is(err, tt.want) || (tt.want == oidc.ErrRefreshReused) != (g.ID == "g") {
				t.Errorf("%s: RotateRefresh = %+v, %v, want %v", name, g, err, tt.want)
			}
		}
		r = rotation("g")
		r.Hash, r.NewHash, r.At = "r3", "r4", rotated.Add(time.Second)
		if _, err := s.Refresh.RotateRefresh(t.Context(), r, Event("good", "grant/g")); err != nil {
			t.Errorf("the current token afterwards: %v", err)
		}
	})
	t.Run("a scope that was not granted changes nothing", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), true)
		for scope, want := range map[string]error{"openid seal.stamp": oidc.ErrRefreshScope, "profil": oidc.ErrRefreshScope} {
			r := rotation("g")
			r.Scope = scope
			if _, err := s.Refresh.RotateRefresh(t.Context(), r, Event(scope, "grant/g")); !errors.Is(err, want) {
				t.Errorf("scope %q: RotateRefresh = %v, want %v", scope, err, want)
			}
		}
		r := rotation("g")
		r.Hash, r.Scope = "other", "openid seal.stamp"
		if _, err := s.Refresh.RotateRefresh(t.Context(), r, Event("old", "grant/g")); !errors.Is(err, oidc.ErrRefreshReused) {
			t.Errorf("an old token with a wider scope: %v, want ErrRefreshReused", err)
		}
		r = rotation("g")
		r.Scope = "profile"
		if g, err := s.Refresh.RotateRefresh(t.Context(), r, Event("good", "grant/g")); err != nil || g.Scope != "openid profile" {
			t.Errorf("a narrower scope: %+v, %v", g, err)
		}
	})
	t.Run("a resource that the scope is not for changes nothing", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), true)
		r := rotation("g")
		r.Issuer, r.Resources = "https://id.example", []string{"https://id.example"}
		if _, err := s.Refresh.RotateRefresh(t.Context(), r, Event("api", "grant/g")); !errors.Is(err, oidc.ErrRefreshTarget) {
			t.Errorf("the API as resource: RotateRefresh = %v, want ErrRefreshTarget", err)
		}
		r.Resources = []string{"https://id.example/userinfo"}
		if _, err := s.Refresh.RotateRefresh(t.Context(), r, Event("userinfo", "grant/g")); err != nil {
			t.Errorf("UserInfo as resource: RotateRefresh = %v", err)
		}
	})
	t.Run("a grant lives no longer than it was given for", func(t *testing.T) {
		s := open(t)
		g := grant("g")
		g.Expires = Noon.Add(time.Hour)
		s.save(t, g, true)
		r := rotation("g")
		r.At = Noon.Add(time.Hour)
		if _, err := s.Refresh.RotateRefresh(t.Context(), r, Event("e", "grant/g")); !errors.Is(err, oidc.ErrRefreshUnknown) {
			t.Errorf("RotateRefresh = %v, want ErrRefreshUnknown", err)
		}
	})
	t.Run("an unredeemed or family-less grant has no refresh token", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), false)
		r := rotation("g")
		r.FamilyHash, r.Hash = "", ""
		if _, err := s.Refresh.RotateRefresh(t.Context(), r, Event("e", "grant/g")); !errors.Is(err, oidc.ErrRefreshUnknown) {
			t.Errorf("RotateRefresh = %v, want ErrRefreshUnknown", err)
		}
	})
	t.Run("a grant bound to a session ends with it, another does not", func(t *testing.T) {
		s := open(t)
		s.endedWith(t, true)
		if _, err := s.Refresh.RotateRefresh(t.Context(), rotation("bound"), Event("1", "grant")); !errors.Is(err, oidc.ErrRefreshUnknown) {
			t.Errorf("bound: RotateRefresh = %v, want ErrRefreshUnknown", err)
		}
		if _, err := s.Refresh.RotateRefresh(t.Context(), rotation("offline"), Event("2", "grant")); err != nil {
			t.Errorf("offline: RotateRefresh = %v", err)
		}
	})
}

func grantRevoker(t *testing.T, open func(t *testing.T) Store) {
	t.Run("nothing lives after a revocation, however it raced", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), true)
		race(func(i int) error {
			if i == racers/2 {
				return s.Revoker.RevokeGrant(t.Context(), "g", Noon, Event("revoke", "grant/g"))
			}
			r := rotation("g")
			r.NewHash = r.Hash
			_, err := s.Refresh.RotateRefresh(t.Context(), r, Event(fmt.Sprint(i), "grant/g"))
			return err
		})
		if _, err := s.LiveGrants.LiveGrant(t.Context(), "g"); !errors.Is(err, access.ErrGrantGone) {
			t.Errorf("LiveGrant = %v, want ErrGrantGone", err)
		}
		if _, err := s.Refresh.RotateRefresh(t.Context(), rotation("g"), Event("after", "grant/g")); !errors.Is(err, oidc.ErrRefreshUnknown) {
			t.Errorf("RotateRefresh = %v, want ErrRefreshUnknown", err)
		}
	})
	t.Run("an unredeemed code is revoked too", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), false)
		if err := s.Revoker.RevokeGrant(t.Context(), "g", Noon, Event("revoke", "grant/g")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Codes.RedeemCode(t.Context(), redemption("g"), Event("e", "grant/g")); !errors.Is(err, oidc.ErrCodeUnknown) {
			t.Errorf("RedeemCode = %v, want ErrCodeUnknown", err)
		}
	})
	t.Run("of many revocations one leaves its event", func(t *testing.T) {
		s := open(t)
		s.save(t, grant("g"), true)
		counts := race(func(i int) error {
			return s.Revoker.RevokeGrant(t.Context(), "g", Noon, Event(fmt.Sprint(i), "grant/g"))
		})
		if counts["<nil>"] != racers || s.events(t, "grant/g") != 3 {
			t.Errorf("outcomes = %v, %d events", counts, s.events(t, "grant/g"))
		}
		if err := s.Revoker.RevokeGrant(t.Context(), "never made", Noon, Event("none", "grant/none")); err != nil {
			t.Error(err)
		}
	})
}

// Sessions runs the contract of SessionSaver.
func Sessions(t *testing.T, open func(t *testing.T) Store) {
	t.Run("an identifier is saved once", func(t *testing.T) {
		s := open(t)
		counts := race(func(i int) error {
			n := oidc.Session{ID: "s", Person: fmt.Sprint(i), AuthTime: Noon, Expires: Noon.Add(time.Hour)}
			if err := s.Sessions.SaveSession(t.Context(), n, Event(fmt.Sprint(i), "session")); err != nil {
				return errors.New("refused")
			}
			return nil
		})
		if counts["<nil>"] != 1 || s.events(t, "session") != 1 {
			t.Errorf("outcomes = %v, %d events", counts, s.events(t, "session"))
		}
	})
	t.Run("of many ends one leaves its event", func(t *testing.T) {
		s := open(t)
		n := oidc.Session{ID: "s", Person: "zhang", AuthTime: Noon, Expires: Noon.Add(time.Hour)}
		if err := s.Sessions.SaveSession(t.Context(), n, Event("begin", "session")); err != nil {
			t.Fatal(err)
		}
		counts := race(func(i int) error {
			return s.Sessions.EndSession(t.Context(), "s", Noon, Event(fmt.Sprint(i), "session"))
		})
		if counts["<nil>"] != racers || s.events(t, "session") != 2 {
			t.Errorf("outcomes = %v, %d events", counts, s.events(t, "session"))
		}
		if _, err := s.LiveSessions.LiveSession(t.Context(), "s"); !errors.Is(err, access.ErrSessionGone) {
			t.Errorf("LiveSession = %v", err)
		}
	})
}

// Clients runs the contracts of Clients and ClientSaver.
func Clients(t *testing.T, open func(t *testing.T) Store) {
	t.Run("a client is read as it was last saved, and an equal one leaves no event", func(t *testing.T) {
		s := open(t)
		if _, err := s.Clients.Client(t.Context(), "app"); !errors.Is(err, oidc.ErrClientUnknown) {
			t.Errorf("Client = %v, want ErrClientUnknown", err)
		}
		c := oidc.Client{ID: "app", Name: "One", RedirectURIs: []string{"https://app.example/cb"}, Profile: oidc.Baseline}
		for i, name := range []string{"One", "One", "Two"} {
			c.Name = name
			if err := s.ClientSaver.SaveClient(t.Context(), c, Event(fmt.Sprint(i), "client/app")); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Clients.Client(t.Context(), "app"); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("Client = %+v, %v, want %+v", got, err, c)
		}
		if n := s.events(t, "client/app"); n != 2 {
			t.Errorf("%d events, want 2", n)
		}
	})
}

// Consents runs the contract of Consents.
func Consents(t *testing.T, open func(t *testing.T) Store) {
	t.Run("what is allowed adds up, whoever is at it", func(t *testing.T) {
		s := open(t)
		if got, err := s.Consents.Consented(t.Context(), "zhang", "app"); err != nil || got != "" {
			t.Errorf("Consented = %q, %v", got, err)
		}
		counts := race(func(i int) error {
			return s.Consents.AddConsent(t.Context(), "zhang", "app", []string{"openid", fmt.Sprint("s", i)}, Event(fmt.Sprint(i), "consent"))
		})
		got, err := s.Consents.Consented(t.Context(), "zhang", "app")
		if list := strings.Fields(got); err != nil || len(list) != racers+1 || counts["<nil>"] != racers || s.events(t, "consent") != racers {
			t.Errorf("Consented = %d scopes, %v after %v", len(list), err, counts)
		}
		for _, other := range [][2]string{{"zhang", "other"}, {"li", "app"}} {
			if got, err := s.Consents.Consented(t.Context(), other[0], other[1]); err != nil || got != "" {
				t.Errorf("Consented(%v) = %q, %v", other, got, err)
			}
		}
	})
}

// Replays runs the contract of ReplayGuard.
func Replays(t *testing.T, open func(t *testing.T) Store) {
	t.Run("of concurrent calls exactly one succeeds, until the key is forgotten", func(t *testing.T) {
		s := open(t)
		for round := range 2 {
			now := Noon.Add(time.Duration(round) * time.Minute)
			s.SetNow(now)
			counts := race(func(int) error { return s.Replays.UseOnce(t.Context(), "k", now.Add(time.Minute)) })
			if counts["<nil>"] != 1 || counts[oidc.ErrUsed.Error()] != racers-1 {
				t.Errorf("outcomes = %v", counts)
			}
			s.SetNow(now.Add(time.Minute - 1))
			if err := s.Replays.UseOnce(t.Context(), "k", now.Add(time.Hour)); !errors.Is(err, oidc.ErrUsed) {
				t.Errorf("a moment before: UseOnce = %v, want ErrUsed", err)
			}
		}
		if err := s.Replays.UseOnce(t.Context(), "another", Noon.Add(time.Hour)); err != nil {
			t.Errorf("another key: %v", err)
		}
	})
}

// utc puts all times of a grant into UTC, as stores may return another zone.
func utc(g oidc.Grant) oidc.Grant {
	for _, at := range []*time.Time{&g.AuthTime, &g.Created, &g.Expires, &g.CodeExpires, &g.Redeemed, &g.Rotated, &g.RefreshExpires, &g.Revoked} {
		*at = at.UTC()
	}
	return g
}
