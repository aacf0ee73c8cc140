package oidc_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/oidc/oidctest"
	"github.com/yinxin/yinxin/shared/problem"
)

// house is a provider on loopback with a store in memory and four clients.
type house struct {
	*httptest.Server
	store  *oidctest.Memory
	signer key.Signer
	dept   key.Signer // of the client dept
	// attempts are what the password check was asked.
	attempts []attempt
}

type attempt struct{ username, password, address, device string }

func (h *house) OpenKey(_ context.Context, p key.Purpose, owner string) (key.Signer, error) {
	if p != key.Token || owner != "" {
		return nil, key.ErrUnknown
	}
	return h.signer, nil
}

func (h *house) TokenKeys(context.Context) (jose.Set, error) {
	return jose.Set{Keys: []jose.JWK{{Public: h.signer.Public(), KeyID: h.signer.KeyID(), Alg: key.ES256}}}, nil
}

func (h *house) TokenKeysAgain(ctx context.Context) (jose.Set, error) { return h.TokenKeys(ctx) }

// authenticate knows each person by the password "password of <person>".
func (h *house) authenticate(_ context.Context, username, password, address, device string) (string, string, error) {
	h.attempts = append(h.attempts, attempt{username, password, address, device})
	switch {
	case username == "flood":
		return "", "", problem.TooMany
	case password != "password of "+username:
		return "", "", problem.Forbidden
	}
	return username, oidc.ACRPassword, nil
}

var pairwiseKey = []byte("0123456789abcdef0123456789abcdef")

// The secrets of the clients.
const (
	portalSecret = "portal secret of thirty-two byte"
	fundSecret   = "fund secret + 100% of thirty-two"
)

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{store: oidctest.NewMemory(), signer: keytest.New(t, key.ES256), dept: keytest.New(t, key.ES256)}
	mux := http.NewServeMux()
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	h.mount(mux, h.URL)
	deptKey, err := json.Marshal(jose.JWK{Public: h.dept.Public(), KeyID: h.dept.KeyID(), Alg: key.ES256})
	if err != nil {
		t.Fatal(err)
	}
	taker := oidc.ClientTaker{Clients: h.store, Now: h.store.Now, Rand: rand.Reader}
	for _, record := range []string{
		`{"client_id":"portal","client_name":"门户(示例)","client_secret":"` + portalSecret + `","redirect_uris":["https://portal.example/cb","https://portal.example/cb?tenant=1"],
			"post_logout_redirect_uris":["https://portal.example/bye"],"grant_types":["authorization_code","refresh_token"],
			"scope":"openid profile phone offline_access licence.show account.usage"}`,
		`{"client_id":"fund","client_name":"基金(示例)","client_secret":"` + fundSecret + `","token_endpoint_auth_method":"client_secret_post","redirect_uris":["https://fund.example/cb"],
			"grant_types":["authorization_code","client_credentials"],"scope":"openid profile licence.show registry.read","organisation":"91350100M000100Y43"}`,
		`{"client_id":"app","client_name":"应用(示例)","profile":"native","redirect_uris":["cn.example.app:/cb","http://127.0.0.1/cb"],"sector_identifier_uri":"https://app.example/sector",
			"grant_types":["authorization_code","refresh_token"],"scope":"openid profile offline_access"}`,
		`{"client_id":"dept","client_name":"部门(示例)","profile":"fapi2","jwks":{"keys":[` + string(deptKey) + `]},
			"grant_types":["client_credentials"],"scope":"seal.stamp","organisation":"11320000MB151840XJ"}`,
	} {
		if err := taker.TakeRecord(t.Context(), json.RawMessage(record)); err != nil {
			t.Fatal(err)
		}
	}
	h.store.AddPerson("zhang", oidc.Person{Name: "张三(示例)", Phone: "13800000000"})
	h.store.AddPerson("li", oidc.Person{Name: "李四(示例)"})
	return h
}

// mount serves all functions of identity as issuer.
func (h *house) mount(mux *http.ServeMux, issuer string) {
	add := func(routes []string, f http.Handler) {
		for _, r := range routes {
			mux.Handle(r, f)
		}
	}
	m := h.store
	add(oidc.DiscoveryRoutes, oidc.Discovery(oidc.DiscoveryPorts{Issuer: issuer, Keys: h}))
	add(oidc.AuthorizeRoutes, oidc.Authorize(oidc.AuthorizePorts{
		Issuer: issuer, Clients: m, Sessions: m, SessionSaver: m, Consents: m, Grants: m, Persons: m, Keys: h,
		PairwiseKey: pairwiseKey, Authenticate: h.authenticate, Now: m.Now, Rand: rand.Reader,
	}))
	add(oidc.TokenRoutes, oidc.Token(oidc.TokenPorts{
		Issuer: issuer, Clients: m, Grants: m, Codes: m, Refresh: m, Revoker: m, Replays: m, Keys: h,
		PairwiseKey: pairwiseKey, Now: m.Now, Rand: rand.Reader,
	}))
	add(oidc.UserInfoRoutes, oidc.UserInfo(oidc.UserInfoPorts{
		Issuer: issuer, Keys: h, LiveGrants: m, Clients: m, Persons: m, PairwiseKey: pairwiseKey, Now: m.Now,
	}))
}

// browser keeps cookies and follows redirects as long as they stay in the house.
type browser struct {
	t      testing.TB
	house  *house
	client *http.Client
	logins int // login forms seen
}

func (h *house) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, house: h, client: &http.Client{
		Jar: jar,
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if !strings.HasPrefix(r.URL.String(), h.URL) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}}
}

// answer is where a browser ended: a page, or an address outside.
type answer struct {
	status   int
	location *url.URL // outside the house; nil for a page
	html     string
	header   http.Header
}

func (b *browser) do(r *http.Request) answer {
	b.t.Helper()
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	a := answer{status: res.StatusCode, html: string(body), header: res.Header}
	if l := res.Header.Get("Location"); l != "" {
		if a.location, err = url.Parse(l); err != nil {
			b.t.Fatal(err)
		}
	}
	if strings.Contains(a.html, `id="password"`) {
		b.logins++
	}
	return a
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "GET", b.house.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

func (b *browser) post(path string, form url.Values) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "POST", b.house.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.house.URL)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

var (
	formAction  = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// form returns the form of a page: where it goes and what it carries.
func (a answer) form(t testing.TB) (string, url.Values) {
	t.Helper()
	action := formAction.FindStringSubmatch(a.html)
	if action == nil {
		t.Fatalf("no form on %d %s", a.status, a.html)
	}
	values := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(a.html, -1) {
		values.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return action[1], values
}

// submit fills the page's form in and sends it.
func (b *browser) submit(a answer, typed map[string]string) answer {
	b.t.Helper()
	action, values := a.form(b.t)
	for k, v := range typed {
		values.Set(k, v)
	}
	return b.post(action, values)
}

func (b *browser) login(a answer, person string) answer {
	b.t.Helper()
	return b.submit(a, map[string]string{"username": person, "password": "password of " + person})
}

const verifier = "a-verifier-of-at-least-forty-three-characters"

func s256(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a good authorization request of a client, as a path; changes replace parameters, an empty value removes one.
func request(client string, changes ...string) string {
	q := url.Values{
		"client_id": {client}, "response_type": {"code"}, "scope": {"openid profile"}, "state": {"st&te"}, "nonce": {"n-1"},
		"redirect_uri": {"https://" + client + ".example/cb"}, "code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"},
	}
	if client == "app" {
		q.Set("redirect_uri", "cn.example.app:/cb")
	}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return "/authorize?" + q.Encode()
}

// signOn walks through what is asked and returns the authorization response.
func (b *browser) signOn(person, path string) url.Values {
	b.t.Helper()
	a := b.get(path)
	for range 3 {
		switch {
		case a.location != nil:
			return a.location.Query()
		case strings.Contains(a.html, `id="password"`):
			a = b.login(a, person)
		case strings.Contains(a.html, `id="allow"`):
			a = b.submit(a, map[string]string{"decision": "allow"})
		default:
			b.t.Fatalf("answer = %d %s", a.status, a.html)
		}
	}
	if a.location == nil {
		b.t.Fatalf("answer = %d %s", a.status, a.html)
	}
	return a.location.Query()
}

// token sends a token request; the client's own authentication is added unless the form or header has one.
func (h *house) token(t testing.TB, client string, form url.Values) (int, map[string]any, http.Header) {
	t.Helper()
	r := h.tokenRequest(t, form)
	switch client {
	case "portal":
		r.SetBasicAuth("portal", url.QueryEscape(portalSecret))
	case "fund":
		form.Set("client_id", "fund")
		form.Set("client_secret", fundSecret)
		r = h.tokenRequest(t, form)
	case "app":
		form.Set("client_id", "app")
		r = h.tokenRequest(t, form)
	case "dept":
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", h.assertion(t, nil))
		r = h.tokenRequest(t, form)
	}
	return h.send(t, r)
}

func (h *house) tokenRequest(t testing.TB, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (h *house) send(t testing.TB, r *http.Request) (int, map[string]any, http.Header) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s %s answers %d %q", r.Method, r.URL, res.StatusCode, body)
	}
	return res.StatusCode, v, res.Header
}

var assertions int

// assertion makes a client assertion of dept; change edits its claims.
func (h *house) assertion(t testing.TB, change func(map[string]any)) string {
	t.Helper()
	assertions++
	now := h.store.Now().Unix()
	claims := map[string]any{
		"iss": "dept", "sub": "dept", "aud": h.URL, "iat": now, "exp": now + 60, "jti": fmt.Sprint("jti-", assertions),
	}
	if change != nil {
		change(claims)
	}
	return h.sign(t, h.dept, "JWT", claims)
}

func (h *house) sign(t testing.TB, s key.Signer, typ string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jose.Sign(t.Context(), s, jose.Header{KeyID: s.KeyID(), Type: typ}, payload)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// redeem exchanges a code of a client.
func (h *house) redeem(t testing.TB, client, code string) (int, map[string]any) {
	t.Helper()
	status, v, _ := h.token(t, client, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
	return status, v
}

// tokens signs a person on and exchanges the code.
func (h *house) tokens(t testing.TB, b *browser, person, client string, changes ...string) map[string]any {
	t.Helper()
	status, v := h.redeem(t, client, b.signOn(person, request(client, changes...)).Get("code"))
	if status != 200 {
		t.Fatalf("token = %d %v", status, v)
	}
	return v
}

// claims verifies a token of the house and returns its claims.
func (h *house) claims(t testing.TB, token any, typ string) map[string]any {
	t.Helper()
	head, payload, err := jose.Verify(fmt.Sprint(token), h.signer.Public(), key.ES256)
	if err != nil || head.Type != typ || head.KeyID != h.signer.KeyID() {
		t.Fatalf("token %v: %+v, %v", token, head, err)
	}
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// userInfo asks /userinfo.
func (h *house) userInfo(t testing.TB, token any) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+"/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", fmt.Sprint("Bearer ", token))
	status, v, _ := h.send(t, r)
	return status, v
}

// guard is that of the platform's own APIs.
func (h *house) guard() access.Guard {
	return access.Guard{Issuer: h.URL, Keys: h, Grants: h.store, Now: h.store.Now}
}

func (h *house) wait(d time.Duration) { h.store.SetNow(h.store.Now().Add(d)) }
