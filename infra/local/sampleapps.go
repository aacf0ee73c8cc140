package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/page"
)

// sampleApp is a demonstration application: a relying party (OpenID Connect Core, section 1.2) that speaks HTTP to the
// issuer like any other and shows what it learned. Two of them in one browser show that the second asks for no
// password.
//
//	/demo/app-a ─ /start: state, nonce, PKCE ─► /authorize … ─► /callback: code for tokens, ID Token checked ─► /demo/…
//
// What it remembers is in memory and bounded; a restart signs everybody off.
type sampleApp struct {
	path, id, secret, name string
	other                  page.Link

	issuer string // as tokens name it
	base   string // where this server reaches the issuer
	http   *http.Client
	now    func() time.Time
	random io.Reader

	mu      sync.Mutex
	pending map[string]started  // by the value of the cookie
	signed  map[string]signedOn // by the value of the cookie
}

type started struct{ state, nonce, verifier string }

type signedOn struct {
	name    string
	claims  []page.Field
	idToken string
}

// maxRemembered bounds each of the two maps.
const maxRemembered = 1000

// sampleApps makes the demonstration applications.
func (s *server) sampleApps() ([]*sampleApp, error) {
	transport, err := s.transport()
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     transport,
	}
	a := &sampleApp{path: "/demo/app-a", id: "demo-app-a", secret: "demo-app-a-sample-secret", name: "掌上政务(示例)"}
	b := &sampleApp{path: "/demo/app-b", id: "demo-app-b", secret: "demo-app-b-sample-secret", name: "服务业发展资金申报门户(示例)"}
	a.other = page.Link{Address: b.path, ZH: "打开第二个应用", EN: "Open the second application"}
	b.other = page.Link{Address: a.path, ZH: "打开第一个应用", EN: "Open the first application"}
	for _, x := range []*sampleApp{a, b} {
		x.issuer, x.base, x.http, x.now, x.random = s.issuer, s.base, client, s.now, s.random
		x.pending, x.signed = map[string]started{}, map[string]signedOn{}
	}
	return []*sampleApp{a, b}, nil
}

func (a *sampleApp) register(mux *http.ServeMux) {
	mux.HandleFunc("GET "+a.path, a.show)
	mux.HandleFunc("GET "+a.path+"/start", a.start)
	mux.HandleFunc("GET "+a.path+"/callback", a.callback)
	mux.HandleFunc("POST "+a.path+"/sign-out", a.signOut)
}

func (a *sampleApp) page() page.App { return page.App{Name: a.name, Path: a.path, Other: a.other} }

func (a *sampleApp) show(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	s, ok := a.signed[a.cookie(r)]
	a.mu.Unlock()
	p := a.page()
	p.SignedOn, p.Greeting, p.Claims = ok, s.name, s.claims
	page.Write(w, http.StatusOK, p.Page())
}

func (a *sampleApp) start(w http.ResponseWriter, r *http.Request) {
	var values [4]string
	for i := range values {
		drawn := make([]byte, 32)
		if _, err := io.ReadFull(a.random, drawn); err != nil {
			a.fail(w, err)
			return
		}
		values[i] = base64.RawURLEncoding.EncodeToString(drawn)
	}
	s := started{state: values[1], nonce: values[2], verifier: values[3]}
	a.mu.Lock()
	remember(a.pending, values[0], s)
	a.mu.Unlock()
	a.setCookie(w, values[0], 0)
	challenge := sha256.Sum256([]byte(s.verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {a.id}, "redirect_uri": {a.redirect()}, "scope": {"openid profile"},
		"state": {s.state}, "nonce": {s.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	http.Redirect(w, r, a.issuer+"/authorize?"+q.Encode(), http.StatusSeeOther)
}

func remember[T any](m map[string]T, k string, v T) {
	if len(m) >= maxRemembered {
		clear(m)
	}
	m[k] = v
}

func (a *sampleApp) redirect() string { return a.issuer + a.path + "/callback" }

func (a *sampleApp) callback(w http.ResponseWriter, r *http.Request) {
	browser := a.cookie(r)
	a.mu.Lock()
	s, ok := a.pending[browser]
	delete(a.pending, browser)
	a.mu.Unlock()
	q := r.URL.Query()
	var err error
	switch {
	case !ok || q.Get("state") != s.state:
		err = errors.New("state: this answer belongs to no request of this browser")
	case q.Get("iss") != a.issuer:
		err = errors.New("iss: another issuer answered") // RFC 9207, section 2.4
	case q.Get("error") != "":
		err = errors.New(q.Get("error"))
	}
	if err != nil {
		a.fail(w, err)
		return
	}
	result, err := a.exchange(r.Context(), q.Get("code"), s)
	if err != nil {
		a.fail(w, err)
		return
	}
	// A new cookie: one that somebody planted before the sign-on must not be signed on by it.
	fresh := make([]byte, 32)
	if _, err := io.ReadFull(a.random, fresh); err != nil {
		a.fail(w, err)
		return
	}
	browser = base64.RawURLEncoding.EncodeToString(fresh)
	a.mu.Lock()
	remember(a.signed, browser, result)
	a.mu.Unlock()
	a.setCookie(w, browser, 0)
	http.Redirect(w, r, a.path, http.StatusSeeOther)
}

func (a *sampleApp) fail(w http.ResponseWriter, err error) {
	p := a.page()
	p.Wrong = err.Error()
	page.Write(w, http.StatusBadRequest, p.Page())
}

// exchange gives the code for tokens and checks the ID Token by OpenID Connect Core, section 3.1.3.7.
func (a *sampleApp) exchange(ctx context.Context, code string, s started) (signedOn, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.redirect()}, "code_verifier": {s.verifier},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return signedOn{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(a.id), url.QueryEscape(a.secret))
	var answer struct {
		IDToken     string `json:"id_token"`
		AccessToken string `json:"access_token"`
		Scope       string `json:"scope"`
	}
	if err := a.fetch(r, &answer); err != nil {
		return signedOn{}, fmt.Errorf("token: %w", err)
	}
	claims, err := a.checkIDToken(ctx, answer.IDToken, s.nonce)
	if err != nil {
		return signedOn{}, fmt.Errorf("ID Token: %w", err)
	}
	if r, err = http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/userinfo", nil); err != nil {
		return signedOn{}, err
	}
	r.Header.Set("Authorization", "Bearer "+answer.AccessToken)
	var info struct {
		Subject string `json:"sub"`
		Name    string `json:"name"`
	}
	if err := a.fetch(r, &info); err != nil {
		return signedOn{}, fmt.Errorf("userinfo: %w", err)
	}
	if info.Subject != claims.Subject {
		return signedOn{}, errors.New("userinfo: it is about somebody else") // OpenID Connect Core, section 5.3.2
	}
	return signedOn{name: info.Name, idToken: answer.IDToken, claims: []page.Field{
		{Name: "sub", Value: claims.Subject}, {Name: "name", Value: info.Name}, {Name: "iss", Value: claims.Issuer},
		{Name: "auth_time", Value: time.Unix(claims.AuthTime, 0).Format(time.RFC3339)}, {Name: "acr", Value: claims.ACR},
		{Name: "scope", Value: answer.Scope},
	}}, nil
}

type idClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
	Nonce    string   `json:"nonce"`
	AuthTime int64    `json:"auth_time"`
	ACR      string   `json:"acr"`
}

// audience is one string or several.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

func (a *sampleApp) checkIDToken(ctx context.Context, token, nonce string) (idClaims, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/jwks", nil)
	if err != nil {
		return idClaims{}, err
	}
	var raw json.RawMessage
	if err := a.fetch(r, &raw); err != nil {
		return idClaims{}, err
	}
	set, err := jose.ParseSet(raw)
	if err != nil {
		return idClaims{}, err
	}
	header, _, err := jose.Parse(token)
	if err != nil {
		return idClaims{}, err
	}
	k, found := set.Find(header.KeyID)
	if !found {
		return idClaims{}, errors.New("the issuer has no such key")
	}
	_, payload, err := jose.Verify(token, k.Public, key.ES256)
	if err != nil {
		return idClaims{}, err
	}
	var c idClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return idClaims{}, err
	}
	switch {
	case c.Issuer != a.issuer:
		return idClaims{}, errors.New("another issuer")
	case !slices.Contains(c.Audience, a.id):
		return idClaims{}, errors.New("another audience")
	case c.Expires <= a.now().Unix():
		return idClaims{}, errors.New("expired")
	case c.Nonce != nonce:
		return idClaims{}, errors.New("another nonce")
	}
	return c, nil
}

// fetch asks and reads JSON, at most a megabyte of it.
func (a *sampleApp) fetch(r *http.Request, v any) error {
	answer, err := a.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was read as far as it is wanted
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%d %.300s", answer.StatusCode, body)
	}
	return json.Unmarshal(body, v)
}

// signOut forgets the person here and asks the issuer to end the session (OpenID Connect RP-Initiated Logout 1.0).
func (a *sampleApp) signOut(w http.ResponseWriter, r *http.Request) {
	browser := a.cookie(r)
	a.mu.Lock()
	s := a.signed[browser]
	delete(a.signed, browser)
	a.mu.Unlock()
	a.setCookie(w, "", -1)
	q := url.Values{"client_id": {a.id}, "post_logout_redirect_uri": {a.issuer + a.path}}
	if s.idToken != "" {
		q.Set("id_token_hint", s.idToken)
	}
	http.Redirect(w, r, a.issuer+"/end-session?"+q.Encode(), http.StatusSeeOther)
}

// cookie is the value of the application's cookie, or "".
func (a *sampleApp) cookie(r *http.Request) string {
	c, err := r.Cookie(a.id)
	if err != nil {
		return ""
	}
	return c.Value
}

func (a *sampleApp) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: a.id, Value: value, Path: a.path, MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(a.issuer, "https:"),
	})
}
