// Package browser is a person's browser for programs: it keeps cookies, follows redirects one by one, fills in the
// log-in and consent forms as they are sent, and brings an application to its tokens by the authorization code flow
// with PKCE (RFC 6749, section 4.1; RFC 7636). The story of infra/local and the scripts of infra/e2e sign people on
// with it.
//
//	app ── /authorize ── log-in ── consent ── redirect with the code ── /token ── tokens
//
// It is no judge of pages: it finds forms by regular expressions that fit those of shared/page.
package browser

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// Browser is one browser of one person.
type Browser struct {
	Typed   int // how often a password was typed
	Allowed int // how often a consent was given

	base   string // the issuer
	client *http.Client
}

// New is a browser without cookies that reaches the issuer at base.
func New(base string, transport http.RoundTripper) *Browser {
	jar, _ := cookiejar.New(nil) // fails for no options
	return &Browser{base: base, client: &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Client sends requests with the browser's cookies, and follows no redirect.
func (b *Browser) Client() *http.Client { return b.client }

// App is a client application as a person uses it. A public client has no secret.
type App struct {
	ID, Secret, Redirect, Scope string
}

// Tokens is the answer of the token endpoint.
type Tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Scope   string `json:"scope"`
	Error   string `json:"error"`
}

// SignOn runs the authorization code flow with PKCE as a person with a browser does, and redeems the code as the app.
func (b *Browser) SignOn(ctx context.Context, a App, person, password string) (Tokens, error) {
	verifier, state := randomText(), randomText()
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {a.ID}, "redirect_uri": {a.Redirect}, "scope": {a.Scope}, "state": {state},
		"nonce": {randomText()}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	back, err := b.walk(ctx, b.base+"/authorize?"+query.Encode(), a.Redirect, person, password)
	if err != nil {
		return Tokens{}, err
	}
	answer := back.Query()
	switch {
	case answer.Get("error") != "":
		return Tokens{}, fmt.Errorf("the app got %s: %s", answer.Get("error"), answer.Get("error_description"))
	case answer.Get("state") != state:
		return Tokens{}, errors.New("the answer has another state")
	case answer.Get("iss") != b.base:
		return Tokens{}, fmt.Errorf("the answer names the issuer %q", answer.Get("iss"))
	}
	return b.Redeem(ctx, a, url.Values{
		"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {a.Redirect}, "code_verifier": {verifier},
	})
}

// walk goes through redirects and pages until the browser is sent to the app.
func (b *Browser) walk(ctx context.Context, start, redirect, person, password string) (*url.URL, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	if err != nil {
		return nil, err
	}
	for range 12 {
		response, err := b.client.Do(r)
		if err != nil {
			return nil, err
		}
		page, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		_ = response.Body.Close() // read to the end or given up
		if err != nil {
			return nil, err
		}
		if location := response.Header.Get("Location"); location != "" {
			next, err := r.URL.Parse(location)
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(next.String(), redirect) {
				return next, nil
			}
			if r, err = http.NewRequestWithContext(ctx, http.MethodGet, next.String(), nil); err != nil {
				return nil, err
			}
			continue
		}
		if r, err = b.fill(ctx, r.URL, string(page), person, password); err != nil {
			return nil, fmt.Errorf("%s answered %d: %w", r.URL.Path, response.StatusCode, err)
		}
	}
	return nil, errors.New("the sign-on goes in circles")
}

var (
	formAction  = regexp.MustCompile(`(?i)<form[^>]*\saction="([^"]*)"`)
	hiddenInput = regexp.MustCompile(`(?i)<input[^>]*type="hidden"[^>]*>`)
	buttonAllow = regexp.MustCompile(`(?i)<button[^>]*id="allow"[^>]*>`)
	attribute   = regexp.MustCompile(`(?i)\s(name|value)="([^"]*)"`)
)

// fill answers a page: a log-in with the password, a consent with allow.
func (b *Browser) fill(ctx context.Context, at *url.URL, page, person, password string) (*http.Request, error) {
	form := url.Values{}
	for _, tag := range hiddenInput.FindAllString(page, -1) {
		form.Set(nameAndValue(tag))
	}
	switch allow := buttonAllow.FindString(page); {
	case strings.Contains(page, `id="password"`):
		if b.Typed > 0 {
			return nil, errors.New("the password is asked for again")
		}
		b.Typed++
		form.Set("username", person)
		form.Set("password", password)
	case allow != "":
		b.Allowed++
		if name, value := nameAndValue(allow); name != "" {
			form.Set(name, value)
		}
	default:
		return nil, errors.New("the page is neither a log-in nor a consent")
	}
	target := at
	if action := formAction.FindStringSubmatch(page); action != nil {
		var err error
		if target, err = at.Parse(html.UnescapeString(action[1])); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", target.Scheme+"://"+target.Host)
	return r, nil
}

func nameAndValue(tag string) (name, value string) {
	for _, a := range attribute.FindAllStringSubmatch(tag, -1) {
		if strings.EqualFold(a[1], "name") {
			name = html.UnescapeString(a[2])
		} else {
			value = html.UnescapeString(a[2])
		}
	}
	return name, value
}

// Redeem posts to the token endpoint as the app.
func (b *Browser) Redeem(ctx context.Context, a App, form url.Values) (Tokens, error) {
	if a.Secret == "" {
		form.Set("client_id", a.ID)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return Tokens{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a.Secret != "" {
		r.SetBasicAuth(url.QueryEscape(a.ID), url.QueryEscape(a.Secret))
	}
	response, err := b.client.Do(r)
	if err != nil {
		return Tokens{}, err
	}
	defer response.Body.Close()
	var t Tokens
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&t); err != nil {
		return Tokens{}, fmt.Errorf("reading the answer of /token: %w", err)
	}
	if t.Error != "" {
		return Tokens{}, fmt.Errorf("/token answered %s", t.Error)
	}
	return t, nil
}

func randomText() string { return rand.Text() + rand.Text() }
