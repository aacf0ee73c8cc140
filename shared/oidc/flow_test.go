package oidc_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

func TestTwoAppsInOneBrowserNeedOneLogin(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	first := h.tokens(t, b, "zhang", "portal")
	if b.logins != 1 {
		t.Fatalf("the first app showed %d login forms", b.logins)
	}
	h.wait(time.Hour)
	second := h.tokens(t, b, "nobody", "fund")
	third := h.tokens(t, b, "nobody", "app")
	if b.logins != 1 {
		t.Errorf("%d login forms were shown, want 1", b.logins)
	}
	one, two, three := h.claims(t, first["id_token"], "JWT"), h.claims(t, second["id_token"], "JWT"), h.claims(t, third["id_token"], "JWT")
	if one["auth_time"] != two["auth_time"] || one["auth_time"] != float64(h.store.Now().Add(-time.Hour).Unix()) {
		t.Errorf("auth_time = %v and %v", one["auth_time"], two["auth_time"])
	}
	if one["sub"] == two["sub"] || one["sid"] == two["sid"] || two["sub"] == three["sub"] {
		t.Error("two sectors share a subject or a session identifier")
	}
	// Allowed once, an app comes back without any form.
	if a := b.get(request("fund")); a.location == nil || a.location.Query().Get("code") == "" {
		t.Errorf("the second time: %d %s", a.status, a.html)
	}
	// Another browser knows nothing of it.
	if a := h.browser(t).get(request("fund", "prompt", "none")); a.location.Query().Get("error") != "login_required" {
		t.Errorf("another browser: %v", a.location)
	}
}

func TestTheIDTokenSaysWhatTheStandardAsks(t *testing.T) {
	h := newHouse(t)
	v := h.tokens(t, h.browser(t), "zhang", "portal")
	c := h.claims(t, v["id_token"], "JWT")
	now := h.store.Now().Unix()
	want := map[string]any{
		"iss": h.URL, "aud": "portal", "nonce": "n-1", "iat": float64(now), "exp": float64(now + 600), "auth_time": float64(now),
		"acr": oidc.ACRPassword, "at_hash": s256(fmt.Sprint(v["access_token"]))[:21],
	}
	for name, value := range want {
		got := c[name]
		if name == "at_hash" {
			got = fmt.Sprint(got)[:21] // the left half is 16 bytes: 21 characters and four bits
		}
		if got != value {
			t.Errorf("%s = %v, want %v", name, c[name], value)
		}
	}
	for _, name := range []string{"sub", "sid"} {
		if text, _ := c[name].(string); len(text) < 22 || strings.Contains(text, "zhang") {
			t.Errorf("%s = %v", name, c[name])
		}
	}
	if v["token_type"] != "Bearer" || v["expires_in"] != float64(600) || v["scope"] != "openid profile" {
		t.Errorf("answer = %v", v)
	}
}

func TestSubjectsAreThePlatformsOnlyForItsOwnAPIs(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	const api = "openid licence.show"
	plain := h.claims(t, h.tokens(t, b, "zhang", "portal")["access_token"], "at+jwt")
	portal, fund := h.tokens(t, b, "zhang", "portal", "scope", api), h.tokens(t, b, "zhang", "fund", "scope", api)
	one, two := h.claims(t, portal["access_token"], "at+jwt"), h.claims(t, fund["access_token"], "at+jwt")
	if one["sub"] != two["sub"] {
		t.Error("for our own APIs one person is two subjects")
	}
	if one["aud"] != h.URL || plain["aud"] != h.URL+"/userinfo" {
		t.Errorf("aud = %v and %v", one["aud"], plain["aud"])
	}
	if id := h.claims(t, portal["id_token"], "JWT"); id["sub"] != plain["sub"] || id["sub"] == one["sub"] {
		t.Error("a token without the platform's scopes must have the client's own subject")
	}
	// UserInfo gives the client's own subject with either.
	if status, info := h.userInfo(t, portal["access_token"]); status != 200 || info["sub"] != plain["sub"] {
		t.Errorf("userinfo = %d %v", status, info)
	}
	// The guard finds one person behind both.
	for _, token := range []any{portal["access_token"], fund["access_token"]} {
		if c, err := h.guard().Check(t.Context(), fmt.Sprint(token)); err != nil || c.Person != "zhang" || c.Channel != "web" || !c.Has(access.LicenceShow) {
			t.Errorf("Check = %+v, %v", c, err)
		}
	}
	// A token for UserInfo alone opens no API.
	if _, err := h.guard().Check(t.Context(), fmt.Sprint(h.tokens(t, b, "zhang", "portal")["access_token"])); !errors.Is(err, access.InvalidToken) {
		t.Errorf("Check = %v, want InvalidToken", err)
	}
}

func TestOfAHundredRedemptionsOneGivesTokensAndTheReplaysRevokeThem(t *testing.T) {
	h := newHouse(t)
	code := h.browser(t).signOn("zhang", request("portal")).Get("code")
	var wg sync.WaitGroup
	var mu sync.Mutex
	outcomes, winner := map[string]int{}, ""
	for range 100 {
		wg.Go(func() {
			status, v := h.redeem(t, "portal", code)
			mu.Lock()
			defer mu.Unlock()
			outcomes[fmt.Sprint(status, " ", v["error"])]++
			if status == 200 {
				winner = fmt.Sprint(v["access_token"])
			}
		})
	}
	wg.Wait()
	if outcomes["200 <nil>"] != 1 || outcomes["400 invalid_grant"] != 99 {
		t.Fatalf("outcomes = %v", outcomes)
	}
	if status, _ := h.userInfo(t, winner); status != 401 {
		t.Errorf("after a replay the access token still works: %d", status)
	}
}

func TestTheWrongClientNeitherBurnsNorRevokes(t *testing.T) {
	h := newHouse(t)
	code := h.browser(t).signOn("zhang", request("portal")).Get("code")
	form := func() url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}}
	}
	if status, v, _ := h.token(t, "fund", form()); status != 400 || v["error"] != "invalid_grant" {
		t.Errorf("another client: %d %v", status, v)
	}
	r := h.tokenRequest(t, form())
	r.SetBasicAuth("portal", "wrong")
	if status, v, _ := h.send(t, r); status != 401 || v["error"] != "invalid_client" {
		t.Errorf("a wrong secret: %d %v", status, v)
	}
	f := form()
	f.Set("code_verifier", strings.Repeat("x", 43))
	if status, v, _ := h.token(t, "portal", f); status != 400 || v["error"] != "invalid_grant" {
		t.Errorf("a wrong verifier: %d %v", status, v)
	}
	status, v := h.redeem(t, "portal", code)
	if status != 200 {
		t.Fatalf("the right client afterwards: %d %v", status, v)
	}
	// Another client's replay does not revoke.
	if status, v, _ := h.token(t, "fund", form()); status != 400 || v["error"] != "invalid_grant" {
		t.Errorf("another client's replay: %d %v", status, v)
	}
	if status, _ := h.userInfo(t, v["access_token"]); status != 200 {
		t.Errorf("another client's replay revoked the grant: %d", status)
	}
	if status, v := h.redeem(t, "portal", code); status != 400 || v["error"] != "invalid_grant" {
		t.Errorf("replay: %d %v", status, v)
	}
	if status, _ := h.userInfo(t, v["access_token"]); status != 401 {
		t.Errorf("the replay did not revoke the grant: %d", status)
	}
}

func TestACodeLivesForAMinute(t *testing.T) {
	for after, want := range map[time.Duration]int{59 * time.Second: 200, 60 * time.Second: 400} {
		h := newHouse(t)
		code := h.browser(t).signOn("zhang", request("portal")).Get("code")
		h.wait(after)
		if status, v := h.redeem(t, "portal", code); status != want {
			t.Errorf("after %v: %d %v", after, status, v)
		}
	}
}

func refreshForm(token any) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {fmt.Sprint(token)}}
}

func TestRefreshTokensOfAppsRotateAndTheftEndsTheFamily(t *testing.T) {
	h := newHouse(t)
	v := h.tokens(t, h.browser(t), "zhang", "app")
	old := v["refresh_token"]
	status, fresh, _ := h.token(t, "app", refreshForm(old))
	if status != 200 || fresh["refresh_token"] == old || fresh["id_token"] == nil {
		t.Fatalf("refresh = %d %v", status, fresh)
	}
	before, after := h.claims(t, v["id_token"], "JWT"), h.claims(t, fresh["id_token"], "JWT")
	if after["nonce"] != nil || after["sub"] != before["sub"] || after["auth_time"] != before["auth_time"] || after["aud"] != before["aud"] {
		t.Errorf("the refreshed ID Token is %v, the first %v", after, before)
	}
	// Sent again at once, as by a second tab or after a lost answer: refused, and the family lives.
	if status, v, _ := h.token(t, "app", refreshForm(old)); status != 400 || v["error"] != "invalid_grant" {
		t.Errorf("again: %d %v", status, v)
	}
	if status, _ := h.userInfo(t, fresh["access_token"]); status != 200 {
		t.Error("a lost answer signed the person out")
	}
	// Made up from what an access token shows: refused, and the family lives.
	gid := fmt.Sprint(h.claims(t, fresh["access_token"], "at+jwt")["gid"])
	forged := gid + "." + strings.Repeat("A", 22) + "." + strings.Repeat("A", 43)
	if status, _, _ := h.token(t, "app", refreshForm(forged)); status != 400 {
		t.Errorf("forged: %d", status)
	}
	h.wait(time.Minute)
	if status, _ := h.userInfo(t, fresh["access_token"]); status != 200 {
		t.Error("a made-up token signed the person out")
	}
	// Sent again later: two hold the family.
	if status, v, _ := h.token(t, "app", refreshForm(old)); status != 400 || v["error"] != "invalid_grant" {
		t.Errorf("theft: %d %v", status, v)
	}
	if status, _, _ := h.token(t, "app", refreshForm(fresh["refresh_token"])); status != 400 {
		t.Error("the family outlived a theft")
	}
	if status, _ := h.userInfo(t, fresh["access_token"]); status != 401 {
		t.Error("an access token outlived a theft")
	}
	found := false
	for _, e := range h.store.AllEvents() {
		found = found || e.Action == "grant.revoke" && e.Reason == "refresh_token_reuse" && e.Holder == "zhang" && e.Client == "app"
	}
	if !found {
		t.Error("the theft left no event")
	}
}

func TestRefreshTokensOfConfidentialClientsStay(t *testing.T) {
	h := newHouse(t)
	v := h.tokens(t, h.browser(t), "zhang", "portal", "scope", "openid profile licence.show offline_access")
	for range 3 {
		h.wait(29 * 24 * time.Hour)
		status, again, _ := h.token(t, "portal", refreshForm(v["refresh_token"]))
		if status != 200 || again["refresh_token"] != v["refresh_token"] {
			t.Fatalf("refresh = %d %v", status, again)
		}
	}
	for name, tt := range map[string]struct {
		client, scope string
		status        int
		code, granted any
	}{
		"narrower":          {"portal", "openid", 200, nil, "openid"},
		"as granted again":  {"portal", "openid profile licence.show offline_access", 200, nil, "openid profile licence.show offline_access"},
		"wider":             {"portal", "openid phone", 400, "invalid_scope", nil},
		"empty":             {"portal", " ", 400, "invalid_scope", nil},
		"of another client": {"app", "openid", 400, "invalid_grant", nil},
	} {
		form := refreshForm(v["refresh_token"])
		form.Set("scope", tt.scope)
		status, got, _ := h.token(t, tt.client, form)
		if status != tt.status || got["error"] != tt.code || got["scope"] != tt.granted {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	r := h.tokenRequest(t, refreshForm(v["refresh_token"]))
	if status, got, _ := h.send(t, r); status != 401 || got["error"] != "invalid_client" {
		t.Errorf("without authentication: %d %v", status, got)
	}
	h.wait(30 * 24 * time.Hour)
	if status, _, _ := h.token(t, "portal", refreshForm(v["refresh_token"])); status != 400 {
		t.Error("the token outlived a month without use")
	}
}

func TestLogoutEndsWhatIsNotOfflineAccess(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	bound, offline := h.tokens(t, b, "zhang", "portal"), h.tokens(t, b, "zhang", "app", "scope", "openid offline_access")
	a := b.get("/end-session?" + url.Values{"id_token_hint": {fmt.Sprint(bound["id_token"])}}.Encode())
	if a.status != 200 || strings.Contains(a.html, "<form") {
		t.Fatalf("log-out with a fitting hint asked: %s", a.html)
	}
	if status, _ := h.userInfo(t, bound["access_token"]); status != 401 {
		t.Errorf("an access token outlived the session: %d", status)
	}
	if status, _, _ := h.token(t, "portal", refreshForm(bound["refresh_token"])); status != 400 {
		t.Errorf("a refresh token outlived the session: %d", status)
	}
	if status, _, _ := h.token(t, "app", refreshForm(offline["refresh_token"])); status != 200 {
		t.Errorf("offline_access ended with the session: %d", status)
	}
	if a := b.get(request("portal", "prompt", "none")); a.location.Query().Get("error") != "login_required" {
		t.Errorf("after log-out: %v", a.location)
	}
}

func TestANewLoginTakesOverAndALogoutEndsAllOfIt(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	first := h.tokens(t, b, "zhang", "portal")
	again := func(person string) map[string]any {
		t.Helper()
		a := b.login(b.get(request("portal", "prompt", "login")), person)
		if a.location == nil {
			a = b.submit(a, map[string]string{"decision": "allow"})
		}
		_, v := h.redeem(t, "portal", a.location.Query().Get("code"))
		return v
	}
	second, third := again("zhang"), again("zhang")
	if status, _ := h.userInfo(t, first["access_token"]); status != 200 {
		t.Errorf("a new log-in of the same person closed an application: %d", status)
	}
	// The hint of the first session is one of this sign-on, and the log-out ends all three.
	if a := b.get("/end-session?" + url.Values{"id_token_hint": {fmt.Sprint(first["id_token"])}}.Encode()); strings.Contains(a.html, "<form") {
		t.Error("asked, although the hint is of this sign-on")
	}
	for i, v := range []map[string]any{first, second, third} {
		if status, _ := h.userInfo(t, v["access_token"]); status != 401 {
			t.Errorf("session %d outlived the log-out: %d", i+1, status)
		}
	}
	// Another person's log-in ends what the last one left open.
	mine := h.tokens(t, b, "zhang", "portal")
	theirs := again("li")
	if status, _ := h.userInfo(t, mine["access_token"]); status != 401 {
		t.Errorf("another person signed on, and the last one's application stayed open: %d", status)
	}
	if status, info := h.userInfo(t, theirs["access_token"]); status != 200 || info["name"] != "李四(示例)" {
		t.Errorf("the other person: %d %v", status, info)
	}
}

func TestARefusedScopeCostsAnAppNothing(t *testing.T) {
	h := newHouse(t)
	v := h.tokens(t, h.browser(t), "zhang", "app")
	form := refreshForm(v["refresh_token"])
	for parameter, code := range map[string]string{"scope": "invalid_scope", "resource": "invalid_target"} {
		form := refreshForm(v["refresh_token"])
		form.Set(parameter, "seal.stamp")
		if status, got, _ := h.token(t, "app", form); status != 400 || got["error"] != code {
			t.Errorf("%s: %d %v", parameter, status, got)
		}
	}
	if status, got, _ := h.token(t, "app", form); status != 200 {
		t.Errorf("afterwards: %d %v", status, got)
	}
}

func TestASessionEndsAfterEightHours(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	v := h.tokens(t, b, "zhang", "portal")
	h.wait(oidc.SessionLife)
	if a := b.get(request("portal", "prompt", "none")); a.location.Query().Get("error") != "login_required" {
		t.Errorf("answer = %v", a.location)
	}
	if status, _, _ := h.token(t, "portal", refreshForm(v["refresh_token"])); status != 400 {
		t.Errorf("a bound refresh token outlived the session: %d", status)
	}
}

func TestClientsActForThemselves(t *testing.T) {
	h := newHouse(t)
	for client, want := range map[string]struct{ scope, organisation string }{
		"fund": {"licence.show registry.read", "91350100M000100Y43"}, "dept": {"seal.stamp", "11320000MB151840XJ"},
	} {
		status, v, _ := h.token(t, client, url.Values{"grant_type": {"client_credentials"}})
		if status != 200 || v["scope"] != want.scope || v["id_token"] != nil || v["refresh_token"] != nil {
			t.Fatalf("%s: %d %v", client, status, v)
		}
		claims := h.claims(t, v["access_token"], "at+jwt")
		if claims["sub"] != client || claims["client_id"] != client || claims["aud"] != h.URL || claims["auth_time"] != nil {
			t.Errorf("claims = %v", claims)
		}
		c, err := h.guard().Check(t.Context(), fmt.Sprint(v["access_token"]))
		if err != nil || c.Person != "" || c.Organisation != want.organisation || c.Client != client || c.Channel != "api" {
			t.Errorf("Check = %+v, %v", c, err)
		}
		if status, _ := h.userInfo(t, v["access_token"]); status != 403 {
			t.Errorf("userinfo = %d", status)
		}
	}
	for scope, want := range map[string]any{"licence.show": "licence.show", "openid licence.show seal.stamp nonsense": "licence.show"} {
		if _, v, _ := h.token(t, "fund", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}); v["scope"] != want {
			t.Errorf("scope %q: %v", scope, v)
		}
	}
	if status, v, _ := h.token(t, "fund", url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}); status != 400 || v["error"] != "invalid_scope" {
		t.Errorf("openid for nobody: %d %v", status, v)
	}
}

func TestEveryActLeavesItsEvent(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	v := h.tokens(t, b, "zhang", "app")
	h.token(t, "app", refreshForm(v["refresh_token"]))
	b.get("/end-session?" + url.Values{"id_token_hint": {fmt.Sprint(v["id_token"])}}.Encode())
	var acts []string
	ids := map[string]bool{}
	for _, e := range h.store.AllEvents() {
		if ids[e.ID] || e.Time.IsZero() || e.Outcome != audit.Done {
			t.Errorf("event = %+v", e)
		}
		ids[e.ID] = true
		if e.Action == "client.save" {
			continue
		}
		if e.Person != "zhang" || e.Client != "app" || e.Channel != "app" || e.Object == "" {
			t.Errorf("event = %+v", e)
		}
		acts = append(acts, e.Action)
	}
	if got := strings.Join(acts, " "); got != "session.begin consent.add grant.save grant.redeem grant.refresh session.end" {
		t.Errorf("acts = %s", got)
	}
}

// Over https the cookies are bound to the host; the gateway tells a handler nothing of TLS, so that the issuer decides.
func TestCookiesOverHTTPS(t *testing.T) {
	h := newHouse(t)
	mux := http.NewServeMux()
	h.mount(mux, "https://id.example")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", request("portal"), nil))
	a := answer{html: w.Body.String()}
	_, values := a.form(t)
	values.Set("username", "zhang")
	values.Set("password", "password of zhang")
	r := httptest.NewRequest("POST", "/login", strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther {
		t.Fatalf("login = %d", w.Code)
	}
	names := map[string]bool{}
	for _, c := range w.Result().Cookies() {
		names[c.Name] = true
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie = %v", c)
		}
	}
	if !names["__Host-yinxin"] || !names["__Host-yinxin-device"] {
		t.Errorf("cookies = %v", names)
	}
}
