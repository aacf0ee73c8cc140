package oidc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/oidc/oidctest"
)

// What must be shown to the person and never sent to an address that nobody has checked.
func TestRequestsThatMustNotBeRedirected(t *testing.T) {
	h := newHouse(t)
	for name, path := range map[string]string{
		"no client_id":              request("portal", "client_id", ""),
		"unknown client_id":         request("portal", "client_id", "nobody"),
		"no redirect_uri":           request("portal", "redirect_uri", ""),
		"another redirect_uri":      request("portal", "redirect_uri", "https://evil.example/cb"),
		"a longer redirect_uri":     request("portal", "redirect_uri", "https://portal.example/cb/"),
		"one with another query":    request("portal", "redirect_uri", "https://portal.example/cb?tenant=2"),
		"one in other letters":      request("portal", "redirect_uri", "https://PORTAL.example/cb"),
		"another port":              request("portal", "redirect_uri", "https://portal.example:444/cb"),
		"http":                      request("portal", "redirect_uri", "http://portal.example/cb"),
		"a traversal":               request("portal", "redirect_uri", "https://portal.example/x/../cb"),
		"a fragment":                request("portal", "redirect_uri", "https://portal.example/cb#"),
		"another client's":          request("portal", "redirect_uri", "https://fund.example/cb"),
		"client_id twice":           request("portal") + "&client_id=fund",
		"redirect_uri twice":        request("portal") + "&redirect_uri=https://evil.example/",
		"a broken query":            request("portal") + "&state=%zz",
		"a semicolon":               request("portal") + ";x=1",
		"too long":                  request("portal", "state", strings.Repeat("x", 20000)),
		"loopback of another path":  request("app", "redirect_uri", "http://127.0.0.1:5000/other"),
		"loopback with a user":      request("app", "redirect_uri", "http://127.0.0.1:5000@evil.example/cb"),
		"loopback with a word port": request("app", "redirect_uri", "http://127.0.0.1:http/cb"),
		"loopback look-alike":       request("app", "redirect_uri", "http://127.0.0.1.evil.example/cb"),
		"loopback of a web client":  request("portal", "redirect_uri", "http://127.0.0.1:5000/cb"),
	} {
		a := h.browser(t).get(path)
		if a.status != 400 || a.location != nil || !strings.Contains(a.html, `id="error">invalid_request<`) {
			t.Errorf("%s: %d %v", name, a.status, a.location)
		}
	}
	for _, port := range []string{"", ":1", ":65535"} {
		if a := h.browser(t).get(request("app", "redirect_uri", "http://127.0.0.1"+port+"/cb")); a.status != 200 {
			t.Errorf("loopback with port %q: %d %s", port, a.status, a.html)
		}
	}
}

// RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6; RFC 7636, section 4.4.1; RFC 8707, section 2.
func TestErrorsOfTheAuthorizationEndpoint(t *testing.T) {
	h := newHouse(t)
	for name, tt := range map[string]struct{ path, code string }{
		"no response_type":                 {request("portal", "response_type", ""), "invalid_request"},
		"response_type token":              {request("portal", "response_type", "token"), "unsupported_response_type"},
		"response_type code id_token":      {request("portal", "response_type", "code id_token"), "unsupported_response_type"},
		"response_mode fragment":           {request("portal", "response_mode", "fragment"), "invalid_request"},
		"no scope":                         {request("portal", "scope", ""), "invalid_scope"},
		"no scope of the client's":         {request("portal", "scope", "seal.stamp nonsense"), "invalid_scope"},
		"no code_challenge":                {request("portal", "code_challenge", ""), "invalid_request"},
		"no code_challenge_method":         {request("portal", "code_challenge_method", ""), "invalid_request"},
		"code_challenge_method plain":      {request("portal", "code_challenge_method", "plain"), "invalid_request"},
		"a short code_challenge":           {request("portal", "code_challenge", "abc"), "invalid_request"},
		"a code_challenge in base64":       {request("portal", "code_challenge", strings.Repeat("+", 43)), "invalid_request"},
		"a parameter twice":                {request("portal") + "&nonce=n-2", "invalid_request"},
		"an unknown parameter twice":       {request("portal") + "&x=1&x=2", "invalid_request"},
		"an unknown prompt":                {request("portal", "prompt", "create"), "invalid_request"},
		"prompt none with login":           {request("portal", "prompt", "none login"), "invalid_request"},
		"max_age negative":                 {request("portal", "max_age", "-1"), "invalid_request"},
		"max_age a word":                   {request("portal", "max_age", "soon"), "invalid_request"},
		"a nonce of 513":                   {request("portal", "nonce", strings.Repeat("n", 513)), "invalid_request"},
		"a request object":                 {request("portal", "request", "e30.e30."), "request_not_supported"},
		"a request_uri":                    {request("portal", "request_uri", "https://x.example/"), "request_uri_not_supported"},
		"registration":                     {request("portal", "registration", "{}"), "registration_not_supported"},
		"prompt none, nobody":              {request("portal", "prompt", "none"), "login_required"},
		"an unknown resource":              {request("portal", "resource", "https://other.example"), "invalid_target"},
		"a resource this scope is not for": {request("portal", "resource", h.URL), "invalid_target"},
	} {
		a := h.browser(t).get(tt.path)
		if a.location == nil {
			t.Errorf("%s: %d, no redirect", name, a.status)
			continue
		}
		q := a.location.Query()
		if a.status != http.StatusSeeOther || q.Get("error") != tt.code || q.Get("iss") != h.URL || q.Get("code") != "" ||
			q.Get("state") != "st&te" || a.location.Host != "portal.example" {
			t.Errorf("%s: %d %v, want %s", name, a.status, a.location, tt.code)
		}
	}
	a := h.browser(t).get(request("portal", "redirect_uri", "https://portal.example/cb?tenant=1", "prompt", "none"))
	if a.location.Query().Get("tenant") != "1" || a.location.Query().Get("error") != "login_required" {
		t.Errorf("a query of the client's own was lost: %v", a.location)
	}
	if a := h.browser(t).get(request("portal", "state", "", "prompt", "none")); a.location.Query().Has("state") {
		t.Error("state was made up")
	}
	// What must work: RFC 9101 and FAPI 2.0 ask for long state and nonces of 64.
	long := request("portal", "state", strings.Repeat("s", 4000), "nonce", strings.Repeat("n", 384))
	if q := h.browser(t).signOn("zhang", long); q.Get("code") == "" || len(q.Get("state")) != 4000 {
		t.Errorf("long state: %v", q)
	}
	// Unknown parameters and scopes are ignored (OpenID Connect Core, section 3.1.2.1).
	if q := h.browser(t).signOn("zhang", request("portal", "scope", "openid nonsense", "ui_locales", "en", "x", "y")); q.Get("code") == "" {
		t.Errorf("unknown parameters: %v", q)
	}
}

func TestAPostedRequestIsServedLikeOneByGET(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	_, query, _ := strings.Cut(request("portal"), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	a := b.post("/authorize", values)
	if a = b.login(a, "zhang"); !strings.Contains(a.html, `id="allow"`) {
		t.Errorf("answer = %d %s", a.status, a.html)
	}
}

func TestPromptAndMaxAge(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	first := h.tokens(t, b, "zhang", "portal")
	h.wait(10 * time.Minute)
	for _, tt := range []struct {
		name          string
		changes       []string
		login, allow  bool
		newAuthTime   bool
		errorIfSilent string
	}{
		{"nothing", nil, false, false, false, ""},
		{"max_age longer", []string{"max_age", "601"}, false, false, false, ""},
		{"prompt consent", []string{"prompt", "consent"}, false, true, false, ""},
		{"max_age shorter", []string{"max_age", "599"}, true, false, true, "login_required"},
	} {
		before := b.logins
		a := b.get(request("portal", tt.changes...))
		if tt.login {
			a = b.login(a, "zhang")
		}
		if got := b.logins > before; got != tt.login {
			t.Errorf("%s: log-in shown: %v", tt.name, got)
		}
		if got := strings.Contains(a.html, `id="allow"`); got != tt.allow {
			t.Errorf("%s: consent shown: %v", tt.name, got)
		}
		if tt.allow {
			a = b.submit(a, map[string]string{"decision": "allow"})
		}
		if a.location == nil {
			t.Errorf("%s: %d %s", tt.name, a.status, a.html)
			continue
		}
		_, v := h.redeem(t, "portal", a.location.Query().Get("code"))
		changed := h.claims(t, v["id_token"], "JWT")["auth_time"] != h.claims(t, first["id_token"], "JWT")["auth_time"]
		if changed != tt.newAuthTime {
			t.Errorf("%s: auth_time changed: %v", tt.name, changed)
		}
	}
	for _, prompt := range []string{"login", "select_account", "login consent"} {
		before := b.logins
		a := b.get(request("portal", "prompt", prompt))
		if a = b.login(a, "zhang"); strings.Contains(prompt, "consent") {
			a = b.submit(a, map[string]string{"decision": "allow"})
		}
		if b.logins != before+1 || a.location == nil || a.location.Query().Get("code") == "" {
			t.Errorf("prompt %s: %d log-ins, %d %v", prompt, b.logins-before, a.status, a.location)
		}
	}
	if a := b.get(request("portal", "max_age", "0")); b.login(a, "zhang").location == nil {
		t.Error("max_age 0 asks for ever")
	}
	h.wait(2 * time.Second)
	for changes, want := range map[[2]string]string{{"max_age", "1"}: "login_required", {"scope", "openid phone"}: "consent_required"} {
		a := b.get(request("portal", "prompt", "none", changes[0], changes[1]))
		if a.location.Query().Get("error") != want {
			t.Errorf("prompt none with %v: %v, want %s", changes, a.location, want)
		}
	}
}

func TestIDTokenHintsNameWhoMustBeSignedOn(t *testing.T) {
	h := newHouse(t)
	b, other := h.browser(t), h.browser(t)
	zhang, li := h.tokens(t, b, "zhang", "portal"), h.tokens(t, other, "li", "portal")
	h.wait(time.Hour) // hints may have expired
	for name, tt := range map[string]struct{ hint, want any }{
		"this person's":     {zhang["id_token"], ""},
		"another's":         {li["id_token"], "login_required"},
		"an access token":   {zhang["access_token"], "invalid_request"},
		"no token":          {"x", "invalid_request"},
		"another key's":     {h.sign(t, keytest.New(t, key.ES256), "JWT", map[string]any{"iss": h.URL, "sub": "x"}), "invalid_request"},
		"of another issuer": {h.sign(t, h.signer, "JWT", map[string]any{"iss": "https://other.example", "sub": "x"}), "invalid_request"},
	} {
		a := b.get(request("portal", "prompt", "none", "id_token_hint", fmt.Sprint(tt.hint)))
		if a.location == nil || a.location.Query().Get("error") != tt.want {
			t.Errorf("%s: %v, want %q", name, a.location, tt.want)
		}
	}
}

func TestTheLoginForm(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	a := b.get(request("portal", "login_hint", `zh"ang<`))
	for _, want := range []string{`id="username"`, `id="password"`, `id="submit"`, "门户(示例)", `value="zh&#34;ang&lt;"`, `lang="zh-CN"`} {
		if !strings.Contains(a.html, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	policy := a.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self' https:", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(a.html, "<script") || strings.Contains(policy, "unsafe") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers = %v", a.header)
	}
	if wrong := b.submit(a, map[string]string{"username": "zhang", "password": "x"}); wrong.status != 403 || !strings.Contains(wrong.html, `role="alert"`) || !strings.Contains(wrong.html, `value="zhang"`) {
		t.Errorf("a wrong password: %d %s", wrong.status, wrong.html)
	}
	if unknown := b.submit(a, map[string]string{"username": "nobody", "password": "x"}); unknown.status != 403 {
		t.Errorf("an unknown user name: %d", unknown.status)
	}
	if flood := b.submit(a, map[string]string{"username": "flood", "password": "x"}); flood.status != 429 {
		t.Errorf("throttled: %d", flood.status)
	}
	n := len(h.attempts)
	action, values := a.form(t)
	values.Set("username", "zhang")
	values.Set("password", "password of zhang")
	for name, change := range map[string]func(v url.Values){
		"no form token":     func(v url.Values) { v.Del("form") },
		"another's token":   func(v url.Values) { v.Set("form", strings.Repeat("A", 43)) },
		"another browser":   nil,
		"from another page": nil,
	} {
		sent := url.Values{}
		for k := range values {
			sent.Set(k, values.Get(k))
		}
		var got answer
		switch {
		case change != nil:
			change(sent)
			got = b.post(action, sent)
		case name == "another browser":
			got = h.browser(t).post(action, sent)
		default:
			r, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+action, strings.NewReader(sent.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			got = b.do(r)
		}
		if got.status != 403 || len(h.attempts) != n {
			t.Errorf("%s: %d after %d attempts", name, got.status, len(h.attempts)-n)
		}
	}
	if a := b.submit(a, map[string]string{"username": "zhang", "password": "password of zhang"}); !strings.Contains(a.html, `id="allow"`) {
		t.Errorf("the right password: %d %s", a.status, a.html)
	}
	last := h.attempts[len(h.attempts)-1]
	if last.address != "127.0.0.1" || len(last.device) != 43 {
		t.Errorf("attempt = %+v", last)
	}
	// The browser is the same device the next time.
	b.submit(b.get(request("portal", "prompt", "login")), map[string]string{"username": "zhang", "password": "x"})
	if again := h.attempts[len(h.attempts)-1]; again.device != last.device {
		t.Error("the browser is another device after a log-in")
	}
}

func TestEachLoginIsANewSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	one := h.claims(t, h.tokens(t, b, "zhang", "portal")["id_token"], "JWT")["sid"]
	a := b.login(b.get(request("portal", "prompt", "login")), "zhang")
	_, v := h.redeem(t, "portal", a.location.Query().Get("code"))
	if two := h.claims(t, v["id_token"], "JWT")["sid"]; one == two {
		t.Error("the session survived a log-in: one that was planted would too")
	}
}

func TestOwnPagesAreTheOnlyOnesALoginLeadsTo(t *testing.T) {
	h := newHouse(t)
	for to, want := range map[string]string{
		"/account": "/account", "/account/usage": "/account/usage", "": "/account", "https://evil.example/": "/account",
		"//evil.example": "/account", "/account/../x": "/account", "/authorize": "/account",
	} {
		b := h.browser(t)
		b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		a := b.login(b.get("/login?"+url.Values{"return": {to}}.Encode()), "zhang")
		if a.location == nil || a.location.String() != want {
			t.Errorf("return %q leads to %v", to, a.location)
		}
		if a := b.get("/login?" + url.Values{"return": {to}}.Encode()); a.location == nil || a.location.String() != want {
			t.Errorf("signed on already, return %q leads to %v", to, a.location)
		}
	}
}

func TestTheConsentForm(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	a := b.login(b.get(request("portal", "scope", "openid licence.show nonsense seal.stamp")), "zhang")
	for _, want := range []string{`id="allow"`, `id="deny"`, "门户(示例)", "张三(示例)", "portal.example", "出示和查询电子证照"} {
		if !strings.Contains(a.html, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	if strings.Contains(a.html, "签章") {
		t.Error("the form asks for what the client cannot have")
	}
	action, values := a.form(t)
	values.Set("decision", "allow")
	post := func(from *browser, change func(url.Values)) answer {
		sent := url.Values{}
		for k := range values {
			sent.Set(k, values.Get(k))
		}
		change(sent)
		return from.post(action, sent)
	}
	for name, got := range map[string]answer{
		"no form token":         post(b, func(v url.Values) { v.Del("form") }),
		"no session":            post(b, func(v url.Values) { v.Del("session") }),
		"another session":       post(b, func(v url.Values) { v.Set("session", strings.Repeat("A", 22)) }),
		"nobody signed on":      post(h.browser(t), func(url.Values) {}),
		"another, signed on":    func() answer { o := h.browser(t); o.signOn("li", request("fund")); return post(o, func(url.Values) {}) }(),
		"a login asked for too": post(b, func(v url.Values) { v.Set("request", v.Get("request")+"&prompt=login") }),
	} {
		if got.location != nil || !strings.Contains(got.html, "<form") {
			t.Errorf("%s: %d %v", name, got.status, got.location)
		}
	}
	if got := post(b, func(v url.Values) {
		v.Set("request", strings.ReplaceAll(v.Get("request"), "portal.example", "evil.example"))
	}); got.status != 400 || got.location != nil {
		t.Errorf("another address in the form: %d %v", got.status, got.location)
	}
	for _, decision := range []string{"deny", "", "x"} {
		got := post(b, func(v url.Values) { v.Set("decision", decision) })
		if q := got.location.Query(); q.Get("error") != "access_denied" || q.Get("state") != "st&te" || q.Get("iss") != h.URL {
			t.Errorf("decision %q: %v", decision, got.location)
		}
	}
	if got := post(b, func(url.Values) {}); got.location.Query().Get("code") == "" {
		t.Errorf("allow: %v", got.location)
	}
	// What was allowed is not asked again, what is more is.
	if got := b.get(request("portal", "scope", "licence.show openid")); got.location == nil {
		t.Error("asked again")
	}
	if got := b.get(request("portal", "scope", "openid phone")); got.location != nil {
		t.Error("more was given without asking")
	}
}

// RP-Initiated Logout 1.0, sections 2 to 4.
func TestErrorsAndQuestionsOfLogout(t *testing.T) {
	const bye = "https://portal.example/bye"
	type params = map[string]string
	for _, tt := range []struct {
		name   string
		params params
		want   string // "ask", "out", "error" or where it leads
	}{
		{"nothing", nil, "ask"},
		{"a hint", params{"id_token_hint": "own"}, "out"},
		{"a hint and an address", params{"id_token_hint": "own", "post_logout_redirect_uri": bye}, bye},
		{"with state", params{"id_token_hint": "own", "post_logout_redirect_uri": bye, "state": "a b"}, bye + "?state=a+b"},
		{"with the fitting client_id", params{"id_token_hint": "own", "client_id": "portal", "post_logout_redirect_uri": bye}, bye},
		{"an expired hint", params{"id_token_hint": "old", "post_logout_redirect_uri": bye}, bye},
		{"client_id alone", params{"client_id": "portal", "post_logout_redirect_uri": bye}, "ask"},
		{"another session's hint", params{"id_token_hint": "other", "post_logout_redirect_uri": bye}, "ask"},
		{"another client_id", params{"id_token_hint": "own", "client_id": "fund"}, "error"},
		{"an unknown client_id", params{"client_id": "nobody"}, "error"},
		{"an address alone", params{"post_logout_redirect_uri": bye}, "error"},
		{"another address", params{"id_token_hint": "own", "post_logout_redirect_uri": bye + "/"}, "error"},
		{"an address with a query", params{"id_token_hint": "own", "post_logout_redirect_uri": bye + "?x"}, "error"},
		{"a login address", params{"id_token_hint": "own", "post_logout_redirect_uri": "https://portal.example/cb"}, "error"},
		{"no token", params{"id_token_hint": "x", "post_logout_redirect_uri": bye}, "error"},
		{"an access token", params{"id_token_hint": "access", "post_logout_redirect_uri": bye}, "error"},
		{"another key's", params{"id_token_hint": "forged", "post_logout_redirect_uri": bye}, "error"},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(method+" "+tt.name, func(t *testing.T) {
				h := newHouse(t)
				b := h.browser(t)
				v, other := h.tokens(t, b, "zhang", "portal"), h.tokens(t, h.browser(t), "li", "portal")
				hints := params{
					"own": fmt.Sprint(v["id_token"]), "old": fmt.Sprint(v["id_token"]), "other": fmt.Sprint(other["id_token"]), "x": "x",
					"access": fmt.Sprint(v["access_token"]),
					"forged": h.sign(t, keytest.New(t, key.ES256), "JWT", map[string]any{"iss": h.URL, "sub": "x", "aud": "portal"}),
				}
				if tt.params["id_token_hint"] == "old" {
					h.wait(time.Hour)
				}
				q := url.Values{}
				for k, value := range tt.params {
					q.Set(k, value)
					if k == "id_token_hint" {
						q.Set(k, hints[value])
					}
				}
				send := func() answer {
					if method == "POST" {
						return b.post("/end-session", q)
					}
					return b.get("/end-session?" + q.Encode())
				}
				in := func() bool { return b.get(request("portal", "prompt", "none")).location.Query().Get("code") != "" }
				a := send()
				switch tt.want {
				case "error":
					if a.status != 400 || a.location != nil || !in() {
						t.Errorf("answer = %d %v", a.status, a.location)
					}
				case "ask":
					if a.status != 200 || !strings.Contains(a.html, `id="submit"`) || !in() {
						t.Fatalf("answer = %d %v %s", a.status, a.location, a.html)
					}
					if no := b.submit(a, map[string]string{"decision": "deny", "form": "x"}); !strings.Contains(no.html, "<form") && no.status != 404 || !in() {
						t.Error("a form without its token ended the session")
					}
					a = b.submit(a, map[string]string{"decision": "allow"})
					if in() || tt.params["post_logout_redirect_uri"] != "" && (a.location == nil || a.location.String() != bye) {
						t.Errorf("after the question: %d %v", a.status, a.location)
					}
				case "out":
					if a.status != 200 || a.location != nil || in() {
						t.Errorf("answer = %d %v", a.status, a.location)
					}
				default:
					if a.status != 303 || a.location.String() != tt.want || in() {
						t.Errorf("answer = %d %v", a.status, a.location)
					}
					if again := send(); again.status != 303 || again.location.String() != tt.want {
						t.Errorf("again: %d %v", again.status, again.location)
					}
				}
			})
		}
	}
}

// RFC 6749, section 5.2.
func TestErrorsOfTheTokenEndpoint(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	code := func() string { return b.signOn("zhang", request("portal")).Get("code") }
	type form = map[string]string
	for name, tt := range map[string]struct {
		client string
		form   form
		status int
		code   string
	}{
		"no grant_type":             {"portal", form{"code": "x"}, 400, "invalid_request"},
		"an unknown grant_type":     {"portal", form{"grant_type": "password", "username": "zhang", "password": "x"}, 400, "unsupported_grant_type"},
		"one not the client's":      {"portal", form{"grant_type": "client_credentials"}, 400, "unauthorized_client"},
		"refresh not the client's":  {"fund", form{"grant_type": "refresh_token", "refresh_token": "x"}, 400, "unauthorized_client"},
		"code not the client's":     {"dept", form{"grant_type": "authorization_code", "code": "x"}, 400, "unauthorized_client"},
		"no code":                   {"portal", form{"grant_type": "authorization_code", "code_verifier": verifier}, 400, "invalid_request"},
		"no verifier":               {"portal", form{"grant_type": "authorization_code", "code": code()}, 400, "invalid_grant"},
		"a short verifier":          {"portal", form{"grant_type": "authorization_code", "code": code(), "code_verifier": verifier[:42]}, 400, "invalid_grant"},
		"a verifier with a space":   {"portal", form{"grant_type": "authorization_code", "code": code(), "code_verifier": verifier + " "}, 400, "invalid_grant"},
		"the challenge as verifier": {"portal", form{"grant_type": "authorization_code", "code": code(), "code_verifier": s256(verifier)}, 400, "invalid_grant"},
		"an unknown code":           {"portal", form{"grant_type": "authorization_code", "code": strings.Repeat("A", 22) + ".x", "code_verifier": verifier}, 400, "invalid_grant"},
		"no code's form":            {"portal", form{"grant_type": "authorization_code", "code": "x", "code_verifier": verifier}, 400, "invalid_grant"},
		"a huge code":               {"portal", form{"grant_type": "authorization_code", "code": strings.Repeat("A", 9000), "code_verifier": verifier}, 400, "invalid_grant"},
		"another redirect_uri":      {"portal", form{"grant_type": "authorization_code", "code": code(), "code_verifier": verifier, "redirect_uri": "https://portal.example/cb?tenant=1"}, 400, "invalid_grant"},
		"the right redirect_uri":    {"portal", form{"grant_type": "authorization_code", "code": code(), "code_verifier": verifier, "redirect_uri": "https://portal.example/cb"}, 200, ""},
		"an unknown resource":       {"fund", form{"grant_type": "client_credentials", "resource": "https://other.example"}, 400, "invalid_target"},
		"our API as resource":       {"fund", form{"grant_type": "client_credentials", "resource": h.URL}, 200, ""},
		"no refresh_token":          {"portal", form{"grant_type": "refresh_token"}, 400, "invalid_request"},
		"no refresh token's form":   {"portal", form{"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"},
		"a code as refresh token":   {"portal", form{"grant_type": "refresh_token", "refresh_token": code()}, 400, "invalid_grant"},
	} {
		q := url.Values{}
		for k, v := range tt.form {
			q.Set(k, v)
		}
		status, v, header := h.token(t, tt.client, q)
		got, _ := v["error"].(string)
		if status != tt.status || got != tt.code {
			t.Errorf("%s: %d %v, want %d %s", name, status, v, tt.status, tt.code)
		}
		if header.Get("Cache-Control") != "no-store" || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: header = %v", name, header)
		}
	}
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {"fund"}, "client_secret": {fundSecret}}
	for name, change := range map[string]func(r *http.Request, body *string){
		"JSON":                          func(r *http.Request, body *string) { r.Header.Set("Content-Type", "application/json") },
		"no content type":               func(r *http.Request, body *string) { r.Header.Del("Content-Type") },
		"a parameter twice":             func(r *http.Request, body *string) { *body += "&scope=a&scope=b" },
		"grant_type twice":              func(r *http.Request, body *string) { *body += "&grant_type=client_credentials" },
		"a broken form":                 func(r *http.Request, body *string) { *body += "&x=%zz" },
		"parameters in the query alone": func(r *http.Request, body *string) { r.URL.RawQuery, *body = *body, "" },
	} {
		body := good.Encode()
		r := httptest.NewRequest("POST", h.URL+"/token", nil)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		change(r, &body)
		n, err := http.NewRequestWithContext(t.Context(), "POST", r.URL.String(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		n.Header = r.Header
		want := "invalid_request"
		if body == "" {
			want = "invalid_client"
		}
		if status, v, _ := h.send(t, n); status < 400 || status > 401 || v["error"] != want {
			t.Errorf("%s: %d %v, want %s", name, status, v, want)
		}
	}
	r := h.tokenRequest(t, url.Values{"x": {strings.Repeat("x", 100<<10)}})
	if status, v, _ := h.send(t, r); status != 413 || v["error"] != "invalid_request" {
		t.Errorf("a huge body: %d %v", status, v)
	}
}

// RFC 6749, section 2.3; OpenID Connect Core, section 9. RFC 9110, section 15.5.2: no 401 without a challenge.
func TestClientAuthentication(t *testing.T) {
	h := newHouse(t)
	grant := url.Values{"grant_type": {"client_credentials"}}
	with := func(pairs ...string) url.Values {
		v := url.Values{"grant_type": {"client_credentials"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for name, tt := range map[string]struct {
		id, secret string // basic; none where both are empty
		form       url.Values
		status     int
		code       string
	}{
		"nothing":                     {"", "", grant, 401, "invalid_client"},
		"an unknown client":           {"nobody", "x", grant, 401, "invalid_client"},
		"a wrong secret":              {"portal", "x", grant, 401, "invalid_client"},
		"no secret":                   {"portal", "", grant, 401, "invalid_client"},
		"the right one":               {"portal", url.QueryEscape(portalSecret), with("client_id", "portal"), 400, "unauthorized_client"},
		"another client_id":           {"portal", url.QueryEscape(portalSecret), with("client_id", "fund"), 400, "invalid_request"},
		"two methods":                 {"portal", url.QueryEscape(portalSecret), with("client_secret", portalSecret), 400, "invalid_request"},
		"basic instead of post":       {"fund", url.QueryEscape(fundSecret), grant, 401, "invalid_client"},
		"post instead of basic":       {"", "", with("client_id", "portal", "client_secret", portalSecret), 401, "invalid_client"},
		"post":                        {"", "", with("client_id", "fund", "client_secret", fundSecret), 200, ""},
		"post with an empty secret":   {"", "", with("client_id", "fund", "client_secret", ""), 401, "invalid_client"},
		"client_id of a confidential": {"", "", with("client_id", "fund"), 401, "invalid_client"},
		"client_id of one with keys":  {"", "", with("client_id", "dept"), 401, "invalid_client"},
		"a public client's own":       {"", "", with("client_id", "app"), 400, "unauthorized_client"},
		"a secret of a public client": {"", "", with("client_id", "app", "client_secret", "x"), 401, "invalid_client"},
		"an unknown assertion type":   {"", "", with("client_assertion_type", "saml", "client_assertion", "x"), 401, "invalid_client"},
		"an assertion without type":   {"", "", with("client_assertion", h.assertion(t, nil)), 401, "invalid_client"},
	} {
		r := h.tokenRequest(t, tt.form)
		if tt.id != "" {
			r.SetBasicAuth(tt.id, tt.secret)
		}
		status, v, header := h.send(t, r)
		got, _ := v["error"].(string)
		if status != tt.status || got != tt.code || (header.Get("WWW-Authenticate") != "") != (status == 401) {
			t.Errorf("%s: %d %v %q", name, status, v, header.Get("WWW-Authenticate"))
		}
	}
	r := h.tokenRequest(t, grant)
	r.Header.Set("Authorization", "Bearer x")
	if status, v, _ := h.send(t, r); status != 401 || v["error"] != "invalid_client" {
		t.Errorf("another scheme: %d %v", status, v)
	}
}

// RFC 7523, section 3; FAPI 2.0 Security Profile, section 5.3.2.1, items 8 and 13.
func TestClientAssertions(t *testing.T) {
	h := newHouse(t)
	now := h.store.Now().Unix()
	claims := func(change func(map[string]any)) string { return h.assertion(t, change) }
	set := func(name string, value any) string {
		return claims(func(c map[string]any) { c[name] = value })
	}
	payload, err := json.Marshal(map[string]any{"iss": "dept", "sub": "dept", "aud": h.URL, "exp": now + 60, "jti": "by hand"})
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JWK{Public: keytest.New(t, key.ES256).Public()})
	if err != nil {
		t.Fatal(err)
	}
	stranger := keytest.New(t, key.ES256)
	withJWK, err := jose.Sign(t.Context(), stranger, jose.Header{JWK: jwk}, payload)
	if err != nil {
		t.Fatal(err)
	}
	noKeyID, err := jose.Sign(t.Context(), h.dept, jose.Header{}, payload)
	if err != nil {
		t.Fatal(err)
	}
	once := claims(nil)
	for _, tt := range []struct {
		name, assertion string
		good            bool
	}{
		{"a good one", once, true},
		{"the same again", once, false},
		{"without kid", noKeyID, true},
		{"another client's key", h.sign(t, stranger, "JWT", map[string]any{"iss": "dept", "sub": "dept", "aud": h.URL, "exp": now + 60, "jti": "1"}), false},
		{"a key in the header", withJWK, false},
		{"alg none", "eyJhbGciOiJub25lIn0." + strings.Split(once, ".")[1] + ".", false},
		{"another iss", set("iss", "fund"), false},
		{"another sub", set("sub", "fund"), false},
		{"no sub", claims(func(c map[string]any) { delete(c, "sub") }), false},
		{"aud is another", set("aud", "https://other.example"), false},
		{"aud is a list", set("aud", []string{h.URL}), false},
		{"aud is the token endpoint", set("aud", h.URL+"/token"), false},
		{"aud with a slash", set("aud", h.URL+"/"), false},
		{"no aud", claims(func(c map[string]any) { delete(c, "aud") }), false},
		{"no exp", claims(func(c map[string]any) { delete(c, "exp") }), false},
		{"expired five minutes ago", set("exp", now-300), false},
		{"expired ten seconds ago", set("exp", now-10), false},
		{"expired nine seconds ago", set("exp", now-9), true},
		{"lives for two hours", set("exp", now+7200), false},
		{"exp with a fraction", set("exp", float64(now)+59.5), true},
		{"exp is a word", set("exp", "soon"), false},
		{"issued in 8 seconds", set("iat", now+8), true},
		{"issued in 61 seconds", set("iat", now+61), false},
		{"valid in 8 seconds", set("nbf", now+8), true},
		{"valid in 61 seconds", set("nbf", now+61), false},
		{"no jti", claims(func(c map[string]any) { delete(c, "jti") }), false},
		{"a huge jti", set("jti", strings.Repeat("x", 300)), false},
		{"a huge claim", set("x", strings.Repeat("x", 9000)), false},
		{"no JWS", "x", false},
		{"nothing", "", false},
	} {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {tt.assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		status, v, _ := h.send(t, h.tokenRequest(t, form))
		if tt.good && status != 200 || !tt.good && (status != 401 || v["error"] != "invalid_client") {
			t.Errorf("%s: %d %v", tt.name, status, v)
		}
	}
	// The jti is remembered until the assertion could not be used any more, skew included.
	h.wait(69 * time.Second)
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {once},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	if status, _, _ := h.send(t, h.tokenRequest(t, form)); status != 401 {
		t.Errorf("nine seconds after its expiry the assertion was accepted twice: %d", status)
	}
}

// OpenID Connect Core, section 5.3; RFC 6750, section 3.
func TestUserInfo(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	v := h.tokens(t, b, "zhang", "portal")
	sub := h.claims(t, v["id_token"], "JWT")["sub"]
	if status, info := h.userInfo(t, v["access_token"]); status != 200 || len(info) != 2 || info["sub"] != sub || info["name"] != "张三(示例)" {
		t.Errorf("userinfo = %d %v", status, info)
	}
	more := h.tokens(t, b, "zhang", "portal", "scope", "openid phone")
	if status, info := h.userInfo(t, more["access_token"]); status != 200 || len(info) != 2 || info["phone_number"] != "13800000000" {
		t.Errorf("userinfo = %d %v", status, info)
	}
	noOpenID := h.tokens(t, b, "zhang", "portal", "scope", "profile")
	if noOpenID["id_token"] != nil {
		t.Error("an ID Token without openid")
	}
	for name, tt := range map[string]struct {
		header, body string
		status       int
		challenge    string
	}{
		"none":               {"", "", 401, `Bearer realm=`},
		"in the body":        {"", "access_token=" + fmt.Sprint(v["access_token"]), 200, ""},
		"in both":            {fmt.Sprint("Bearer ", v["access_token"]), "access_token=" + fmt.Sprint(v["access_token"]), 400, `error="invalid_request"`},
		"an ID Token":        {fmt.Sprint("Bearer ", v["id_token"]), "", 401, `error="invalid_token"`},
		"without openid":     {fmt.Sprint("Bearer ", noOpenID["access_token"]), "", 403, `error="insufficient_scope"`},
		"in the header":      {fmt.Sprint("bearer ", v["access_token"]), "", 200, ""},
		"an unreadable form": {"", "access_token=%zz", 400, `error="invalid_request"`},
		"a huge form":        {"", "access_token=" + strings.Repeat("x", 70000), 413, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+"/userinfo", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if tt.header != "" {
			r.Header.Set("Authorization", tt.header)
		}
		status, _, header := h.send(t, r)
		if status != tt.status || !strings.Contains(header.Get("WWW-Authenticate"), tt.challenge) || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", name, status, header)
		}
	}
	h.wait(oidc.AccessTokenLife)
	if status, _ := h.userInfo(t, v["access_token"]); status != 401 {
		t.Errorf("an expired token: %d", status)
	}
}

// OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2; RFC 9207, section 3; the conformance suite's plan for FAPI 2.0.
func TestDiscovery(t *testing.T) {
	h := newHouse(t)
	get := func(path string) (map[string]any, http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		status, v, header := h.send(t, r)
		if status != 200 || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s = %d %v", path, status, header)
		}
		return v, header
	}
	d, _ := get("/.well-known/openid-configuration")
	other, _ := get("/.well-known/oauth-authorization-server")
	if fmt.Sprint(d) != fmt.Sprint(other) {
		t.Error("the two documents differ")
	}
	for name, want := range map[string]string{
		"issuer": h.URL, "authorization_endpoint": h.URL + "/authorize", "token_endpoint": h.URL + "/token",
		"userinfo_endpoint": h.URL + "/userinfo", "jwks_uri": h.URL + "/jwks", "end_session_endpoint": h.URL + "/end-session",
		"response_types_supported": "[code]", "subject_types_supported": "[pairwise]", "id_token_signing_alg_values_supported": "[ES256]",
		"code_challenge_methods_supported": "[S256]", "authorization_response_iss_parameter_supported": "true",
		"grant_types_supported":                            "[authorization_code refresh_token client_credentials]",
		"token_endpoint_auth_methods_supported":            "[client_secret_basic client_secret_post private_key_jwt none]",
		"token_endpoint_auth_signing_alg_values_supported": "[ES256 PS256 EdDSA]",
		"request_parameter_supported":                      "false", "request_uri_parameter_supported": "false", "claims_parameter_supported": "false",
	} {
		if got := fmt.Sprint(d[name]); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	if set, header := get("/jwks"); len(set["keys"].([]any)) != 1 || strings.Contains(fmt.Sprint(set), " d:") || header.Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("jwks = %v", set)
	}
}

func TestClientRecords(t *testing.T) {
	const secret = `"client_secret":"0123456789abcdef"`
	for name, record := range map[string]string{
		"no client_id":                `{"client_name":"x",` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"a client_id with a space":    `{"client_id":"a b","client_name":"x",` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"no client_name":              `{"client_id":"x",` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"an unknown member":           `{"client_id":"x","client_name":"x","colour":"red"}`,
		"two objects":                 `{"client_id":"x","client_name":"x"}{}`,
		"no redirect_uris":            `{"client_id":"x","client_name":"x",` + secret + `}`,
		"http":                        `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["http://x.example/"]}`,
		"a fragment":                  `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["https://x.example/#a"]}`,
		"a relative address":          `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["/cb"]}`,
		"a user in an address":        `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["https://u@x.example/"]}`,
		"a line break":                `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["https://x.example/a b"]}`,
		"javascript":                  `{"client_id":"x","client_name":"x","profile":"native","redirect_uris":["javascript:alert(1)"]}`,
		"a private scheme on the web": `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["cn.example.app:/cb"]}`,
		"two hosts without sector":    `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["https://x.example/","https://y.example/"]}`,
		"a sector without a scheme":   `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["https://x.example/"],"sector_identifier_uri":"x.example"}`,
		"a sector over http":          `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["https://x.example/"],"sector_identifier_uri":"http://x.example/s"}`,
		"a sector without a host":     `{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["https://x.example/"],"sector_identifier_uri":"https:///s"}`,
		"a short secret":              `{"client_id":"x","client_name":"x","client_secret":"short","redirect_uris":["https://x.example/"]}`,
		"no secret":                   `{"client_id":"x","client_name":"x","redirect_uris":["https://x.example/"]}`,
		"a public client's secret":    `{"client_id":"x","client_name":"x","profile":"native",` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"public on the web":           `{"client_id":"x","client_name":"x","token_endpoint_auth_method":"none","redirect_uris":["https://x.example/"]}`,
		"fapi2 with a secret":         `{"client_id":"x","client_name":"x","profile":"fapi2","token_endpoint_auth_method":"client_secret_basic",` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"fapi2 without keys":          `{"client_id":"x","client_name":"x","profile":"fapi2","redirect_uris":["https://x.example/"]}`,
		"a symmetric key":             `{"client_id":"x","client_name":"x","profile":"fapi2","jwks":{"keys":[{"kty":"oct","k":"AAAA"}]},"redirect_uris":["https://x.example/"]}`,
		"an unknown profile":          `{"client_id":"x","client_name":"x","profile":"x",` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"an unknown grant type":       `{"client_id":"x","client_name":"x","grant_types":["implicit"],` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"refresh alone":               `{"client_id":"x","client_name":"x","grant_types":["refresh_token"],` + secret + `}`,
		"a public client for itself":  `{"client_id":"x","client_name":"x","profile":"native","grant_types":["client_credentials"]}`,
		"response type token":         `{"client_id":"x","client_name":"x","response_types":["token"],` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"an unknown scope":            `{"client_id":"x","client_name":"x","scope":"openid all",` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"public subjects":             `{"client_id":"x","client_name":"x","subject_type":"public",` + secret + `,"redirect_uris":["https://x.example/"]}`,
		"RS256":                       `{"client_id":"x","client_name":"x","id_token_signed_response_alg":"RS256",` + secret + `,"redirect_uris":["https://x.example/"]}`,
	} {
		if c, err := oidc.ParseClient([]byte(record)); err == nil || c.ID != "" {
			t.Errorf("%s: ParseClient = %+v, %v", name, c, err)
		}
	}
	c, err := oidc.ParseClient([]byte(`{"client_id":"x","client_name":"x",` + secret + `,"redirect_uris":["https://x.example/"]}`))
	if err != nil || c.AuthMethod != oidc.SecretBasic || c.Profile != oidc.Baseline || c.Scope != "openid" || !c.HasSecret("0123456789abcdef") || c.HasSecret("") {
		t.Errorf("ParseClient = %+v, %v", c, err)
	}
	kept, err := json.Marshal(c)
	if err != nil || strings.Contains(string(kept), "0123456789abcdef") {
		t.Errorf("the record keeps the secret: %s, %v", kept, err)
	}
	for record, want := range map[string]string{
		`"redirect_uris":["https://X.example:8443/cb"]`:                                                             "host:x.example",
		`"redirect_uris":["http://localhost:8080/cb"]`:                                                              "client:x",
		`"redirect_uris":["https://x.example/","https://y.example/"],"sector_identifier_uri":"https://z.example/s"`: "host:z.example",
	} {
		c, err := oidc.ParseClient([]byte(`{"client_id":"x","client_name":"x",` + secret + `,` + record + `}`))
		if err != nil || c.Sector() != want {
			t.Errorf("Sector of %s = %s, %v, want %s", record, c.Sector(), err, want)
		}
	}
}

func FuzzParseAuthorizationRequest(f *testing.F) {
	for _, path := range []string{request("portal"), request("app", "max_age", "1", "prompt", "login consent"), "/authorize?a=b"} {
		_, query, _ := strings.Cut(path, "?")
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := oidc.ParseAuthorizationRequest(query)
		if err != nil {
			if q.ClientID != "" || q.RedirectURI != "" {
				t.Fatal("an error and a value")
			}
			return
		}
		again, err := oidc.ParseAuthorizationRequest(q.String())
		if len(q.String()) > 16<<10 {
			return // escaping made it longer than what is read
		}
		if err != nil || again.String() != q.String() || (again.Problem() == nil) != (q.Problem() == nil) || again.ClientID != q.ClientID {
			t.Fatalf("%q reads back as %q, %v", query, again.String(), err)
		}
		if q.Problem() == nil && (q.ResponseType != "code" || len(q.Challenge) != 43 || q.Method != "S256") {
			t.Fatalf("accepted %q", query)
		}
	})
}

func FuzzParseClient(f *testing.F) {
	f.Add([]byte(`{"client_id":"x","client_name":"x","client_secret":"0123456789abcdef","redirect_uris":["https://x.example/"]}`))
	f.Add([]byte(`{"client_id":"x","client_name":"x","profile":"native","redirect_uris":["cn.example.app:/cb","http://127.0.0.1/cb"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := oidc.ParseClient(data)
		if err != nil {
			if c.ID != "" {
				t.Fatal("an error and a value")
			}
			return
		}
		for _, uri := range c.RedirectURIs {
			if u, err := url.Parse(uri); err != nil || u.Fragment != "" || u.Scheme == "javascript" || u.Scheme == "data" || !c.HasRedirect(uri) {
				t.Fatalf("accepted %q", uri)
			}
		}
		if c.HasRedirect("") || c.HasRedirect("https://evil.example/") && !strings.Contains(string(data), "evil") {
			t.Fatal("an address that was not registered")
		}
	})
}

// An exchange contains two signatures, those of the access token and the ID token, by a key that was tested when it was
// loaded.
func BenchmarkTokenExchange(b *testing.B) {
	h := newHouse(b)
	var err error
	if h.signer, err = key.Tested(b.Context(), h.signer); err != nil {
		b.Fatal(err)
	}
	m := h.store
	handler := oidc.Token(oidc.TokenPorts{
		Issuer: h.URL, Clients: m, Grants: m, Codes: m, Refresh: m, Revoker: m, Replays: m, Keys: h, PairwiseKey: pairwiseKey,
		Now: m.Now, Rand: zero{},
	})
	g := oidc.Grant{
		Client: "portal", Person: "zhang", Channel: "web", Browser: "s", Scope: "openid profile", RedirectURI: "https://portal.example/cb",
		Challenge: s256(verifier), ACR: oidc.ACRPassword, AuthTime: oidctest.Noon, Created: oidctest.Noon,
		Expires: oidctest.Noon.Add(time.Hour), CodeExpires: oidctest.Noon.Add(time.Minute),
	}
	b.Run("authorization_code", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			g.ID = fmt.Sprintf("%022d", time.Now().UnixNano()+int64(n))
			code := g.ID + ".secret"
			g.CodeHash = oidc.HashSecret(code)
			if err := m.SaveGrant(b.Context(), g, oidctest.Event("", "grant")); err != nil {
				b.Fatal(err)
			}
			form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}}
			r := httptest.NewRequest("POST", "/token", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth("portal", url.QueryEscape(portalSecret))
			w := httptest.NewRecorder()
			if handler.ServeHTTP(w, r); w.Code != 200 {
				b.Fatal(w.Body)
			}
		}
	})
	message := make([]byte, 32)
	b.Run("two bare ES256 signatures", func(b *testing.B) {
		for b.Loop() {
			for range 2 {
				if _, err := h.signer.SignDigest(b.Context(), message); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// zero is randomness for what the benchmark throws away.
type zero struct{}

func (zero) Read(p []byte) (int, error) { return len(p), nil }
