package main

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

// browser is a person's browser: cookies, redirects followed one by one, forms filled in and sent.
type browser struct {
	base    string // the issuer
	client  *http.Client
	typed   int // how often a password was typed
	allowed int // how often a consent was given
}

func newBrowser(base string, transport http.RoundTripper) *browser {
	jar, _ := cookiejar.New(nil) // fails for no options
	return &browser{base: base, client: &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// app is a client application as a person uses it.
type app struct {
	id, secret, redirect, scope string
}

// tokens is the answer of the token endpoint.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Scope   string `json:"scope"`
	Error   string `json:"error"`
}

// signOn runs the authorization code flow with PKCE as a person with a browser does, and redeems the code as the app.
func (b *browser) signOn(ctx context.Context, a app, person, password string) (tokens, error) {
	verifier, state := randomText(), randomText()
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {a.id}, "redirect_uri": {a.redirect}, "scope": {a.scope}, "state": {state},
		"nonce": {randomText()}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	back, err := b.walk(ctx, b.base+"/authorize?"+query.Encode(), a.redirect, person, password)
	if err != nil {
		return tokens{}, err
	}
	answer := back.Query()
	switch {
	case answer.Get("error") != "":
		return tokens{}, fmt.Errorf("the app got %s: %s", answer.Get("error"), answer.Get("error_description"))
	case answer.Get("state") != state:
		return tokens{}, errors.New("the answer has another state")
	case answer.Get("iss") != b.base:
		return tokens{}, fmt.Errorf("the answer names the issuer %q", answer.Get("iss"))
	}
	return b.redeem(ctx, a, url.Values{
		"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {a.redirect}, "code_verifier": {verifier},
	})
}

// walk goes through redirects and pages until the browser is sent to the app.
func (b *browser) walk(ctx context.Context, start, redirect, person, password string) (*url.URL, error) {
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
func (b *browser) fill(ctx context.Context, at *url.URL, page, person, password string) (*http.Request, error) {
	form := url.Values{}
	for _, tag := range hiddenInput.FindAllString(page, -1) {
		form.Set(nameAndValue(tag))
	}
	switch allow := buttonAllow.FindString(page); {
	case strings.Contains(page, `id="password"`):
		if b.typed > 0 {
			return nil, errors.New("the password is asked for again")
		}
		b.typed++
		form.Set("username", person)
		form.Set("password", password)
	case allow != "":
		b.allowed++
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

// redeem posts to the token endpoint as the app.
func (b *browser) redeem(ctx context.Context, a app, form url.Values) (tokens, error) {
	if a.secret == "" {
		form.Set("client_id", a.id)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return tokens{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a.secret != "" {
		r.SetBasicAuth(url.QueryEscape(a.id), url.QueryEscape(a.secret))
	}
	response, err := b.client.Do(r)
	if err != nil {
		return tokens{}, err
	}
	defer response.Body.Close()
	var t tokens
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&t); err != nil {
		return tokens{}, fmt.Errorf("reading the answer of /token: %w", err)
	}
	if t.Error != "" {
		return tokens{}, fmt.Errorf("/token answered %s", t.Error)
	}
	return t, nil
}

func randomText() string { return rand.Text() + rand.Text() }
