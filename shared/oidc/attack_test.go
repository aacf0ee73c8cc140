package oidc_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/oidc/oidctest"
)

// foreignForm posts a form as a page of another site makes a browser post it: SameSite=Lax keeps our cookies at home.
func (b *browser) foreignForm(path string, form url.Values) *http.Response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "POST", b.house.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

// RP-Initiated Logout 1.0, section 2: the endpoint takes POST, and an application posts from its own site.
func TestAFormOfAnotherSiteSignsNobodyOutUnasked(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	v := h.tokens(t, b, "zhang", "portal")
	res := b.foreignForm("/end-session", url.Values{})
	if len(res.Cookies()) > 0 {
		t.Errorf("a form of another site changed the browser's cookies: %v", res.Cookies())
	}
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/end-session") {
		t.Fatalf("answer = %d %q: only the redirection carries the browser's cookies", res.StatusCode, to)
	}
	if a := b.get(res.Header.Get("Location")); !strings.Contains(a.html, `id="submit"`) {
		t.Errorf("the person is not asked: %d %s", a.status, a.html)
	}
	// With a hint of this session the log-out really happens: not the cookie alone, the session goes.
	res = b.foreignForm("/end-session", url.Values{"id_token_hint": {fmt.Sprint(v["id_token"])}})
	b.get(res.Header.Get("Location"))
	if status, _ := h.userInfo(t, v["access_token"]); status != 401 {
		t.Errorf("after a posted log-out the session's token still works: %d", status)
	}
}

// RFC 8252, section 8.6: anybody can pretend to be a public client whose answer goes to the loopback interface or to a
// private scheme, so what was allowed before does not count for one.
func TestAnAppThatCannotProveItselfIsAllowedEachTime(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	for _, uri := range []string{"cn.example.app:/cb", "http://127.0.0.1:5000/cb"} {
		h.tokens(t, b, "zhang", "app", "redirect_uri", uri)
		if a := b.get(request("app", "redirect_uri", uri)); a.location != nil || !strings.Contains(a.html, `id="allow"`) {
			t.Errorf("%s: a program that says it is the app got %v without a person", uri, a.location)
		}
		if a := b.get(request("app", "redirect_uri", uri, "prompt", "none")); a.location.Query().Get("error") != "consent_required" {
			t.Errorf("%s: prompt=none: %v", uri, a.location)
		}
	}
	if b.logins != 1 {
		t.Errorf("%d log-ins, want 1: consent is asked again, the password is not", b.logins)
	}
}

// OpenID Connect Core, section 3.1.2.1: "otherwise, it MUST return an error, such as login_required".
func TestTheAppIsToldWhenAnotherPersonThanHintedSignsOn(t *testing.T) {
	h := newHouse(t)
	hint := fmt.Sprint(h.tokens(t, h.browser(t), "zhang", "portal")["id_token"])
	b := h.browser(t)
	a := b.login(b.get(request("portal", "id_token_hint", hint)), "li")
	if a.location == nil || a.location.Query().Get("error") != "login_required" || a.location.Query().Get("state") != "st&te" {
		t.Errorf("another person: %d %v", a.status, a.location)
	}
	b = h.browser(t)
	if b.signOn("zhang", request("portal", "id_token_hint", hint)).Get("code") == "" {
		t.Error("the person of the hint got no code")
	}
}

// RFC 8707, section 2: a resource that the scope is not for is refused, and does not use the refresh token up.
func TestARefusedResourceCostsAnAppNothing(t *testing.T) {
	h := newHouse(t)
	v := h.tokens(t, h.browser(t), "zhang", "app")
	refresh := refreshForm(v["refresh_token"])
	refresh.Set("resource", h.URL)
	if status, got, _ := h.token(t, "app", refresh); status != 400 || got["error"] != "invalid_target" {
		t.Errorf("a refresh token with a resource its scope is not for: %d %v", status, got)
	}
	h.wait(time.Minute)
	if status, got, _ := h.token(t, "app", refreshForm(v["refresh_token"])); status != 200 {
		t.Errorf("the refresh token afterwards: %d %v", status, got)
	}
}

// A scope that was taken from a client is gone at the next refresh, not half a year later.
func TestAScopeTakenFromAClientIsNotRefreshed(t *testing.T) {
	h := newHouse(t)
	v := h.tokens(t, h.browser(t), "zhang", "portal", "scope", "openid profile licence.show offline_access")
	c, err := h.store.Client(t.Context(), "portal")
	if err != nil {
		t.Fatal(err)
	}
	c.Scope = "openid offline_access"
	if err := h.store.SaveClient(t.Context(), c, oidctest.Event("narrowed", "client/portal")); err != nil {
		t.Fatal(err)
	}
	status, again, _ := h.token(t, "portal", refreshForm(v["refresh_token"]))
	if status != 200 || again["scope"] != "openid offline_access" {
		t.Errorf("refresh = %d %v", status, again)
	}
	form := refreshForm(v["refresh_token"])
	form.Set("scope", "licence.show")
	if status, got, _ := h.token(t, "portal", form); status != 400 || got["error"] != "invalid_scope" {
		t.Errorf("asked for by name: %d %v", status, got)
	}
}

// keyed finds clients as a store does whose keys are short.
type keyed struct{ *oidctest.Memory }

func (k keyed) Client(ctx context.Context, id string) (oidc.Client, error) {
	if len(id) > 1024 {
		return oidc.Client{}, errors.New("the key is too long")
	}
	return k.Memory.Client(ctx, id)
}

// What no client can be called is not looked up: a store may refuse a key of that length, as if the fault were ours.
func TestAHugeClientIDIsAnUnknownClient(t *testing.T) {
	h := newHouse(t)
	m := keyed{h.store}
	pages := oidc.Authorize(oidc.AuthorizePorts{Issuer: h.URL, Clients: m, Sessions: m, Now: m.Now, Rand: rand.Reader})
	token := oidc.Token(oidc.TokenPorts{Issuer: h.URL, Clients: m, Now: m.Now, Rand: rand.Reader})
	huge := strings.Repeat("x", 4000)
	post := httptest.NewRequest("POST", "/token", strings.NewReader("grant_type=client_credentials&client_secret=x&client_id="+huge))
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, tt := range []struct {
		handler http.Handler
		request *http.Request
		status  int
	}{
		{pages, httptest.NewRequest("GET", request("portal", "client_id", huge), nil), 400},
		{pages, httptest.NewRequest("GET", "/end-session?client_id="+huge, nil), 400},
		{token, post, 401},
	} {
		w := httptest.NewRecorder()
		if tt.handler.ServeHTTP(w, tt.request); w.Code != tt.status {
			t.Errorf("%s: %d %s", tt.request.URL.Path, w.Code, w.Body)
		}
	}
}

// RFC 7523, section 3, item 7: times may have fractions, and what is accepted last is remembered longest.
func TestAnAssertionIsRememberedAsLongAsItIsAccepted(t *testing.T) {
	h := newHouse(t)
	exp := float64(h.store.Now().Unix()) + 60.0004
	assertion := h.assertion(t, func(c map[string]any) { c["exp"] = exp })
	h.wait(70 * time.Second)
	for i, want := range []int{200, 401} {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		if status, v, _ := h.send(t, h.tokenRequest(t, form)); status != want {
			t.Errorf("use %d in the last millisecond: %d %v, want %d", i+1, status, v, want)
		}
	}
}

// A code that is on its way when the person signs out opens nothing: no ID Token says that the person is signed on.
func TestACodeDiesWithItsSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	hint := fmt.Sprint(h.tokens(t, b, "zhang", "portal")["id_token"])
	code := b.signOn("zhang", request("portal")).Get("code")
	offline := b.signOn("zhang", request("portal", "scope", "openid offline_access")).Get("code")
	b.get("/end-session?" + url.Values{"id_token_hint": {hint}}.Encode())
	if status, v := h.redeem(t, "portal", code); status != 400 || v["error"] != "invalid_grant" {
		t.Errorf("after the log-out: %d %v", status, v)
	}
	if status, v := h.redeem(t, "portal", offline); status != 200 {
		t.Errorf("offline_access after the log-out: %d %v", status, v)
	}
}

func TestWhatIsWrongWithAClientRecordDoesNotRepeatItsSecret(t *testing.T) {
	for _, record := range []string{
		`{"client_id":"x","client_name":"x","client_secret":1234567890123456,"redirect_uris":["https://x.example/"]}`,
		`{"client_id":"x","client_name":"x","client_secret":"1234567890123456"}`,
	} {
		if _, err := oidc.ParseClient([]byte(record)); err == nil || strings.Contains(err.Error(), "1234567890123456") {
			t.Errorf("ParseClient = %v", err)
		}
	}
}

// RFC 6797: a browser that signed on once is not led to http afterwards. A developer's localhost is shared with others.
func TestBrowsersStayOnHTTPS(t *testing.T) {
	h := newHouse(t)
	for issuer, want := range map[string]string{
		"https://id.example": "max-age=63072000", "https://localhost:8080": "", "https://[::1]": "", "http://id.example": "",
	} {
		mux := http.NewServeMux()
		h.mount(mux, issuer)
		for _, path := range []string{request("portal"), "/login", "/end-session", "/authorize"} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if got := w.Header().Get("Strict-Transport-Security"); got != want {
				t.Errorf("%s%.20s: %q, want %q", issuer, path, got, want)
			}
		}
	}
}
