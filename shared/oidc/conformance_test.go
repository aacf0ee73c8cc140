package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
)

// The modules of the OpenID Foundation's conformance suite, under their names there, for the plans oidcc-basic,
// oidcc-config and oidcc-rp-initiated-logout. Each asks what its module asks; where the standard lets a provider refuse,
// the refusal is what is asked for. Every request carries PKCE, which this provider requires of every client: the suite
// sends it in one module only.

// module runs one module in a house of its own.
func module(t *testing.T, name string, run func(t *testing.T, h *house, b *browser)) {
	t.Run(name, func(t *testing.T) {
		h := newHouse(t)
		run(t, h, h.browser(t))
	})
}

// idToken runs the checks that the suite makes of every ID Token (OpenID Connect Core, sections 2 and 3.1.3.7) with the
// published keys, and returns its claims.
func (h *house) idToken(t *testing.T, v map[string]any, client, nonce string) map[string]any {
	t.Helper()
	header, _, err := jose.Parse(fmt.Sprint(v["id_token"]))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+"/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, published, _ := h.send(t, r)
	data, err := json.Marshal(published)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseSet(data)
	if err != nil {
		t.Fatal(err)
	}
	k, found := set.Find(header.KeyID)
	if header.KeyID == "" || !found {
		t.Fatalf("the header names the key %q, which is not published", header.KeyID)
	}
	_, payload, err := jose.Verify(fmt.Sprint(v["id_token"]), k.Public, key.ES256)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	now := float64(h.store.Now().Unix())
	number := func(name string) float64 { n, _ := c[name].(float64); return n }
	text, _ := c["sub"].(string)
	switch {
	case c["iss"] != h.URL, c["aud"] != client:
		t.Errorf("iss %v, aud %v", c["iss"], c["aud"])
	case number("exp") <= now, number("iat") > now, number("iat") < now-60, number("auth_time") > now, number("auth_time") == 0:
		t.Errorf("exp %v, iat %v, auth_time %v at %v", c["exp"], c["iat"], c["auth_time"], now)
	case text == "" || len(text) > 255 || !isASCII(text):
		t.Errorf("sub %q", text)
	case nonce == "" && c["nonce"] != nil, nonce != "" && c["nonce"] != nonce:
		t.Errorf("nonce %v, want %q", c["nonce"], nonce)
	}
	return c
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' })
}

// vschar are the characters of codes, tokens and secrets (RFC 6749, appendix A).
var vschar = regexp.MustCompile(`^[\x20-\x7e]+$`)

// callback checks an authorization response as the suite does (RFC 6749, section 4.1.2; RFC 9207).
func (h *house) callback(t *testing.T, q url.Values) {
	t.Helper()
	names := []string{}
	for name, list := range q {
		if names = append(names, name); len(list) != 1 {
			t.Errorf("%s comes %d times", name, len(list))
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"code", "iss", "state"}) || q.Get("state") != "st&te" || q.Get("iss") != h.URL || !vschar.MatchString(q.Get("code")) {
		t.Errorf("answer = %v", q)
	}
}

func TestOIDCCBasicPlan(t *testing.T) {
	// succeeds signs on with changes to the request and checks what comes, as most modules do.
	succeeds := func(changes ...string) func(t *testing.T, h *house, b *browser) {
		return func(t *testing.T, h *house, b *browser) {
			q := b.signOn("zhang", request("portal", changes...))
			h.callback(t, q)
			status, v := h.redeem(t, "portal", q.Get("code"))
			if status != 200 || v["token_type"] != "Bearer" || !vschar.MatchString(fmt.Sprint(v["access_token"])) || v["expires_in"].(float64) <= 0 {
				t.Fatalf("token = %d %v", status, v)
			}
			c := h.idToken(t, v, "portal", "n-1")
			if status, info := h.userInfo(t, v["access_token"]); status != 200 || info["sub"] != c["sub"] {
				t.Errorf("userinfo = %d %v", status, info)
			}
		}
	}
	module(t, "oidcc-server", succeeds())
	module(t, "oidcc-response-type-missing", func(t *testing.T, h *house, b *browser) {
		code := b.get(request("portal", "response_type", "")).location.Query().Get("error")
		if code != "invalid_request" && code != "unsupported_response_type" {
			t.Errorf("error = %q", code)
		}
	})
	module(t, "oidcc-idtoken-signature", succeeds())
	module(t, "oidcc-idtoken-unsigned", func(t *testing.T, h *house, b *browser) {
		// Needs a client registered for "none", which the provider neither offers nor takes (TestClientRecords has RS256).
		if algs := fmt.Sprint(h.discovery(t)["id_token_signing_alg_values_supported"]); strings.Contains(algs, "none") {
			t.Errorf("algorithms = %s", algs)
		}
	})
	module(t, "oidcc-userinfo-get", succeeds())
	for name, header := range map[string]bool{"oidcc-userinfo-post-header": true, "oidcc-userinfo-post-body": false} {
		module(t, name, func(t *testing.T, h *house, b *browser) {
			v := h.tokens(t, b, "zhang", "portal")
			body := url.Values{"access_token": {fmt.Sprint(v["access_token"])}}.Encode()
			if header {
				body = ""
			}
			r, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+"/userinfo", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if r.Header.Set("Content-Type", "application/x-www-form-urlencoded"); header {
				r.Header.Set("Authorization", fmt.Sprint("Bearer ", v["access_token"]))
			}
			status, info, answered := h.send(t, r)
			if status != 200 || info["sub"] != h.idToken(t, v, "portal", "n-1")["sub"] || answered.Get("Content-Type") != "application/json" {
				t.Errorf("userinfo = %d %v", status, info)
			}
		})
	}
	module(t, "oidcc-ensure-request-without-nonce-succeeds-for-code-flow", func(t *testing.T, h *house, b *browser) {
		h.idToken(t, h.tokens(t, b, "zhang", "portal", "nonce", ""), "portal", "")
	})
	for name, tt := range map[string]struct{ scope, claim string }{
		"oidcc-scope-profile": {"openid profile", "name"}, "oidcc-scope-email": {"openid email", ""},
		"oidcc-scope-address": {"openid address", ""}, "oidcc-scope-phone": {"openid phone", "phone_number"},
		"oidcc-scope-all":                         {"openid profile email address phone", "name"},
		"oidcc-ensure-other-scope-order-succeeds": {"email openid", ""},
	} {
		module(t, name, func(t *testing.T, h *house, b *browser) {
			v := h.tokens(t, b, "zhang", "portal", "scope", tt.scope)
			c := h.idToken(t, v, "portal", "n-1")
			status, info := h.userInfo(t, v["access_token"])
			if status != 200 || info["sub"] != c["sub"] || tt.claim != "" && info[tt.claim] == nil {
				t.Errorf("userinfo = %d %v", status, info)
			}
			// What is not in the scope is not told, and what is unknown is left out of the scope that is answered.
			if !strings.Contains(tt.scope, "phone") && info["phone_number"] != nil || strings.Contains(fmt.Sprint(v["scope"]), "email") {
				t.Errorf("scope %v, userinfo %v", v["scope"], info)
			}
		})
	}
	module(t, "oidcc-display-page", succeeds("display", "page"))
	module(t, "oidcc-display-popup", succeeds("display", "popup"))
	module(t, "oidcc-prompt-login", func(t *testing.T, h *house, b *browser) {
		one := h.idToken(t, h.tokens(t, b, "zhang", "portal"), "portal", "n-1")
		h.wait(2 * time.Second)
		two := h.idToken(t, h.tokens(t, b, "zhang", "portal", "prompt", "login"), "portal", "n-1")
		if b.logins != 2 || one["sub"] != two["sub"] || one["auth_time"].(float64) >= two["auth_time"].(float64) {
			t.Errorf("%d log-ins; %v, then %v", b.logins, one, two)
		}
	})
	module(t, "oidcc-prompt-none-not-logged-in", func(t *testing.T, h *house, b *browser) {
		a := b.get(request("portal", "prompt", "none"))
		if q := a.location.Query(); q.Get("error") != "login_required" || q.Get("state") != "st&te" || q.Has("code") {
			t.Errorf("answer = %v", q)
		}
	})
	// again signs on, waits, and asks again without a person: the same person at the same time.
	again := func(wait time.Duration, changes func(first map[string]any) []string) func(t *testing.T, h *house, b *browser) {
		return func(t *testing.T, h *house, b *browser) {
			first := h.tokens(t, b, "zhang", "portal")
			h.wait(wait)
			a := b.get(request("portal", changes(first)...))
			if a.location == nil || a.location.Query().Get("code") == "" {
				t.Fatalf("answer = %d %v", a.status, a.location)
			}
			_, v := h.redeem(t, "portal", a.location.Query().Get("code"))
			one, two := h.claims(t, first["id_token"], "JWT"), h.idToken(t, v, "portal", "n-1")
			if one["sub"] != two["sub"] || one["auth_time"] != two["auth_time"] {
				t.Errorf("%v, then %v", one, two)
			}
		}
	}
	module(t, "oidcc-prompt-none-logged-in", again(time.Second, func(map[string]any) []string { return []string{"prompt", "none"} }))
	module(t, "oidcc-max-age-1", func(t *testing.T, h *house, b *browser) {
		one := h.idToken(t, h.tokens(t, b, "zhang", "portal"), "portal", "n-1")
		h.wait(2 * time.Second)
		two := h.idToken(t, h.tokens(t, b, "zhang", "portal", "max_age", "1"), "portal", "n-1")
		if b.logins != 2 || one["sub"] != two["sub"] || two["auth_time"].(float64) < float64(h.store.Now().Unix()-1) {
			t.Errorf("%d log-ins; %v, then %v", b.logins, one, two)
		}
	})
	module(t, "oidcc-max-age-10000", again(time.Hour, func(map[string]any) []string { return []string{"max_age", "10000"} }))
	module(t, "oidcc-ensure-request-with-unknown-parameter-succeeds", succeeds("extra", "foobar"))
	module(t, "oidcc-id-token-hint", again(time.Hour, func(first map[string]any) []string {
		return []string{"prompt", "none", "id_token_hint", fmt.Sprint(first["id_token"])}
	}))
	module(t, "oidcc-login-hint", succeeds("login_hint", "buffy@portal.example"))
	module(t, "oidcc-ui-locales", succeeds("ui_locales", "se"))
	module(t, "oidcc-claims-locales", succeeds("claims_locales", "se"))
	module(t, "oidcc-ensure-request-with-acr-values-succeeds", func(t *testing.T, h *house, b *browser) {
		offered := h.discovery(t)["acr_values_supported"].([]any)
		v := h.tokens(t, b, "zhang", "portal", "acr_values", fmt.Sprint(offered[0], " 1"))
		if c := h.idToken(t, v, "portal", "n-1"); c["acr"] != offered[0] {
			t.Errorf("acr = %v", c["acr"])
		}
	})
	for name, wait := range map[string]time.Duration{"oidcc-codereuse": time.Second, "oidcc-codereuse-30seconds": 30 * time.Second} {
		module(t, name, func(t *testing.T, h *house, b *browser) {
			code := b.signOn("zhang", request("portal")).Get("code")
			_, v := h.redeem(t, "portal", code)
			h.wait(wait)
			if status, second := h.redeem(t, "portal", code); status != 400 || second["error"] != "invalid_grant" {
				t.Errorf("the second time: %d %v", status, second)
			}
			if status, _ := h.userInfo(t, v["access_token"]); status != 401 {
				t.Errorf("the access token was not revoked: %d", status)
			}
		})
	}
	module(t, "oidcc-ensure-registered-redirect-uri", func(t *testing.T, h *house, b *browser) {
		if a := b.get(request("portal", "redirect_uri", "https://portal.example/cb/unregistered")); a.status != 400 || a.location != nil {
			t.Errorf("answer = %d %v", a.status, a.location)
		}
	})
	module(t, "oidcc-ensure-post-request-succeeds", func(t *testing.T, h *house, b *browser) {
		_, query, _ := strings.Cut(request("portal"), "?")
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		// As a page of the application posts it: without our cookies, which come with the redirect.
		res := b.foreignForm("/authorize", form)
		q := b.signOn("zhang", res.Header.Get("Location"))
		h.callback(t, q)
		if status, v := h.redeem(t, "portal", q.Get("code")); status != 200 {
			t.Errorf("token = %d %v", status, v)
		}
	})
	module(t, "oidcc-server-client-secret-post", func(t *testing.T, h *house, b *browser) {
		h.idToken(t, h.tokens(t, b, "zhang", "fund"), "fund", "n-1")
	})
	object := func(claims string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
	}
	for name, tt := range map[string][3]string{
		"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported":         {"request_uri", "https://portal.example/request.jwt", "request_uri_not_supported"},
		"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported":      {"request", object(`{"state":"other"}`), "request_not_supported"},
		"oidcc-ensure-request-object-with-redirect-uri (rejected as unsupported, as above)": {"request", object(`{"redirect_uri":"https://evil.example/"}`), "request_not_supported"},
	} {
		module(t, name, func(t *testing.T, h *house, b *browser) {
			a := b.get(request("portal", tt[0], tt[1]))
			if a.location == nil || a.location.Host != "portal.example" || a.location.Query().Get("error") != tt[2] || a.location.Query().Get("state") != "st&te" {
				t.Errorf("answer = %d %v", a.status, a.location)
			}
		})
	}
	module(t, "oidcc-claims-essential", succeeds("claims", `{"userinfo":{"name":{"essential":true}}}`))
	module(t, "oidcc-refresh-token", func(t *testing.T, h *house, b *browser) {
		first := h.tokens(t, b, "zhang", "portal", "scope", "openid offline_access", "prompt", "consent")
		if !vschar.MatchString(fmt.Sprint(first["refresh_token"])) || !strings.Contains(fmt.Sprint(h.discovery(t)["grant_types_supported"]), "refresh_token") {
			t.Fatalf("answer = %v", first)
		}
		h.wait(time.Minute)
		status, second, _ := h.token(t, "portal", refreshForm(first["refresh_token"]))
		if status != 200 || second["access_token"] == first["access_token"] {
			t.Fatalf("refresh = %d %v", status, second)
		}
		one, two := h.claims(t, first["id_token"], "JWT"), h.idToken(t, second, "portal", "")
		if one["sub"] != two["sub"] || one["auth_time"] != two["auth_time"] || one["iat"] == two["iat"] {
			t.Errorf("%v, then %v", one, two)
		}
		if status, _ := h.userInfo(t, second["access_token"]); status != 200 {
			t.Errorf("userinfo = %d", status)
		}
		if status, v, _ := h.token(t, "app", refreshForm(first["refresh_token"])); status != 400 || v["error"] != "invalid_grant" {
			t.Errorf("another client: %d %v", status, v)
		}
	})
	module(t, "oidcc-ensure-request-with-valid-pkce-succeeds", succeeds())
}

// discovery fetches the metadata.
func (h *house) discovery(t *testing.T) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, v, header := h.send(t, r)
	if status != 200 || header.Get("Content-Type") != "application/json" {
		t.Fatalf("metadata = %d %v", status, header)
	}
	return v
}

// One check of the suite is left out: it fails every provider that does not offer RS256 for ID Tokens (Discovery 1.0,
// section 3), which the profile of FAPI 2.0 forbids: RS256 is for a profile that is not here yet.
func TestOIDCCConfigPlan(t *testing.T) {
	module(t, "oidcc-discovery-endpoint-verification", func(t *testing.T, h *house, b *browser) {
		d := h.discovery(t)
		has := func(name, value string) {
			t.Helper()
			list, ok := d[name].([]any)
			if !ok || !slices.Contains(list, any(value)) {
				t.Errorf("%s = %v lacks %s", name, d[name], value)
			}
		}
		has("response_types_supported", "code")
		has("grant_types_supported", "authorization_code")
		has("scopes_supported", "openid")
		has("subject_types_supported", "pairwise")
		has("id_token_signing_alg_values_supported", "ES256")
		has("code_challenge_methods_supported", "S256")
		has("claims_supported", "sub")
		if d["issuer"] != h.URL {
			t.Errorf("issuer = %v", d["issuer"])
		}
		for name, v := range d {
			text, _ := v.(string)
			if (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") && !strings.HasPrefix(text, h.URL+"/") {
				t.Errorf("%s = %v", name, v)
			}
		}
		for _, scope := range d["scopes_supported"].([]any) {
			if strings.ContainsAny(scope.(string), " \"\\") || !isASCII(scope.(string)) {
				t.Errorf("scope %q", scope) // RFC 6749, section 3.3
			}
		}
		for _, locale := range d["ui_locales_supported"].([]any) {
			if !regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$`).MatchString(locale.(string)) {
				t.Errorf("locale %q", locale) // RFC 5646, section 2.1.1
			}
		}
		r, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprint(d["jwks_uri"]), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, set, _ := h.send(t, r)
		seen := map[any]bool{}
		for _, one := range set["keys"].([]any) {
			k := one.(map[string]any)
			for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
				if k[secret] != nil {
					t.Errorf("a published key has %q", secret)
				}
			}
			if k["kid"] == nil || seen[k["kid"]] || k["kty"] == nil || k["use"] != "sig" {
				t.Errorf("key = %v", k)
			}
			seen[k["kid"]] = true
		}
	})
}

// RP-Initiated Logout 1.0. What must not redirect may be an error page or the question.
func TestOIDCCRPInitiatedLogoutPlan(t *testing.T) {
	const bye = "https://portal.example/bye"
	module(t, "oidcc-rp-initiated-logout-discovery-endpoint-verification", func(t *testing.T, h *house, b *browser) {
		if to := h.discovery(t)["end_session_endpoint"]; to != h.URL+"/end-session" {
			t.Errorf("end_session_endpoint = %v", to)
		}
	})
	for name, tt := range map[string]struct {
		change func(q url.Values, h *house)
		to     string // where it leads: "" for a page of ours
		out    bool   // whether the person is signed out, at the latest after saying yes
	}{
		"oidcc-rp-initiated-logout":                                         {nil, bye + "?state=abc", true},
		"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri":            {func(q url.Values, _ *house) { q.Set("post_logout_redirect_uri", bye+"/bad") }, "", false},
		"oidcc-rp-initiated-logout-modified-id-token-hint":                  {func(q url.Values, h *house) { q.Set("id_token_hint", unsigned(q.Get("id_token_hint"))) }, "", false},
		"oidcc-rp-initiated-logout-no-id-token-hint":                        {func(q url.Values, _ *house) { q.Del("id_token_hint") }, "", false},
		"oidcc-rp-initiated-logout-no-params":                               {func(q url.Values, _ *house) { clear(q) }, "", true},
		"oidcc-rp-initiated-logout-no-post-logout-redirect-uri":             {func(q url.Values, _ *house) { q.Del("post_logout_redirect_uri") }, "", true},
		"oidcc-rp-initiated-logout-no-state":                                {func(q url.Values, _ *house) { q.Del("state") }, bye, true},
		"oidcc-rp-initiated-logout-only-state":                              {func(q url.Values, _ *house) { q.Del("id_token_hint"); q.Del("post_logout_redirect_uri") }, "", true},
		"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri": {func(q url.Values, _ *house) { q.Set("post_logout_redirect_uri", bye+"?foo=bar") }, "", false},
		"oidcc-rp-initiated-logout-bad-id-token-hint": {func(q url.Values, h *house) {
			q.Set("id_token_hint", h.sign(t, keytest.New(t, key.ES256), "JWT", map[string]any{"iss": h.URL, "sub": "x", "aud": "portal"}))
		}, "", false},
	} {
		module(t, name, func(t *testing.T, h *house, b *browser) {
			v := h.tokens(t, b, "zhang", "portal")
			q := url.Values{"id_token_hint": {fmt.Sprint(v["id_token"])}, "post_logout_redirect_uri": {bye}, "state": {"abc"}}
			if tt.change != nil {
				tt.change(q, h)
			}
			a := b.get("/end-session?" + q.Encode())
			if strings.Contains(a.html, `id="submit"`) {
				a = b.submit(a, map[string]string{"decision": "allow"})
			}
			if got := fmt.Sprint(a.location); tt.to == "" && a.location != nil || tt.to != "" && got != tt.to {
				t.Errorf("answer = %d %v, want %q", a.status, a.location, tt.to)
			}
			in := b.get(request("portal", "prompt", "none")).location.Query()
			if out := in.Get("error") == "login_required"; out != tt.out {
				t.Errorf("afterwards: %v", in)
			}
		})
	}
}

// unsigned turns a token into one of the algorithm none.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
}
