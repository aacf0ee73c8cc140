package access_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/access/accesstest"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/problem"
)

var zhang = access.Caller{
	Person: "zhang", Client: "portal", Scopes: []string{"openid", access.SealStamp}, ACR: "urn:yinxin:loa:2",
	AuthTime: accesstest.Noon.Add(-time.Minute), Channel: "web",
}

func TestAGoodTokenNamesItsCaller(t *testing.T) {
	i := accesstest.New(t)
	got, err := i.Guard().Check(t.Context(), i.Token(t, zhang))
	got.Grant = ""
	if err != nil || !reflect.DeepEqual(got, zhang) {
		t.Errorf("Check = %+v, %v, want %+v", got, err, zhang)
	}
}

// behind knows the keys of a while ago until it reads again.
type behind struct {
	before, now *accesstest.Issuer
	again       int
}

func (k *behind) TokenKeys(ctx context.Context) (jose.Set, error) { return k.before.TokenKeys(ctx) }

func (k *behind) TokenKeysAgain(ctx context.Context) (jose.Set, error) {
	k.again++
	return k.now.TokenKeys(ctx)
}

func TestATokenOfAKeyThatIsNotKnownYetIsReadFor(t *testing.T) {
	i := accesstest.New(t)
	k := &behind{before: accesstest.New(t), now: i}
	g := i.Guard()
	g.Keys = k
	if _, err := g.Check(t.Context(), i.Token(t, zhang)); err != nil || k.again != 1 {
		t.Errorf("after %d readings: %v", k.again, err)
	}
	if _, err := g.Check(t.Context(), accesstest.New(t).Token(t, zhang)); !errors.Is(err, access.InvalidToken) {
		t.Errorf("a token of nobody's key: %v, want InvalidToken", err)
	}
}

func TestTokensThatMustNotOpenAnything(t *testing.T) {
	i, stranger := accesstest.New(t), accesstest.New(t)
	now := accesstest.Noon.Unix()
	sign := func(change func(*access.Claims)) string {
		c := i.Claims(zhang)
		change(&c)
		return i.Sign(t, access.TokenType, c)
	}
	plain := func(typ, kid string, s key.Signer) string {
		payload, _ := json.Marshal(i.Claims(zhang))
		compact, err := jose.Sign(t.Context(), s, jose.Header{KeyID: kid, Type: typ}, payload)
		if err != nil {
			t.Fatal(err)
		}
		return compact
	}
	revoked := i.Claims(zhang)
	i.Revoke(revoked.GrantID)
	for name, token := range map[string]string{
		"nothing":                "",
		"no JWS":                 "abc",
		"an ID Token":            plain("JWT", i.Signer.KeyID(), i.Signer),
		"no typ":                 plain("", i.Signer.KeyID(), i.Signer),
		"a logout token":         plain("logout+jwt", i.Signer.KeyID(), i.Signer),
		"another key":            plain(access.TokenType, i.Signer.KeyID(), stranger.Signer),
		"an unknown key":         plain(access.TokenType, "other", stranger.Signer),
		"no kid":                 plain(access.TokenType, "", i.Signer),
		"another algorithm":      plain(access.TokenType, i.Signer.KeyID(), keytest.New(t, key.EdDSA)),
		"another issuer":         sign(func(c *access.Claims) { c.Issuer = "https://other.example" }),
		"another audience":       sign(func(c *access.Claims) { c.Audience = access.Audience{i.URL + "/userinfo"} }),
		"no audience":            sign(func(c *access.Claims) { c.Audience = nil }),
		"expires now":            sign(func(c *access.Claims) { c.Expires = now }),
		"no expiry":              sign(func(c *access.Claims) { c.Expires = 0 }),
		"issued in 11 seconds":   sign(func(c *access.Claims) { c.IssuedAt = now + 11 }),
		"no iat":                 sign(func(c *access.Claims) { c.IssuedAt = 0 }),
		"valid in 11 seconds":    sign(func(c *access.Claims) { c.NotBefore = now + 11 }),
		"no sub":                 sign(func(c *access.Claims) { c.Subject = "" }),
		"no client_id":           sign(func(c *access.Claims) { c.ClientID = "" }),
		"another client's grant": sign(func(c *access.Claims) { c.ClientID = "other" }),
		"no jti":                 sign(func(c *access.Claims) { c.ID = "" }),
		"no gid":                 sign(func(c *access.Claims) { c.GrantID = "" }),
		"an unknown grant":       sign(func(c *access.Claims) { c.GrantID = "unknown" }),
		"a revoked grant":        i.Sign(t, access.TokenType, revoked),
	} {
		if c, err := i.Guard().Check(t.Context(), token); !errors.Is(err, access.InvalidToken) || !reflect.DeepEqual(c, access.Caller{}) {
			t.Errorf("%s: Check = %+v, %v, want InvalidToken", name, c, err)
		}
	}
	for name, token := range map[string]string{
		"expires in a second":  sign(func(c *access.Claims) { c.Expires = now + 1 }),
		"issued in 10 seconds": sign(func(c *access.Claims) { c.IssuedAt = now + 10 }),
		"several audiences":    sign(func(c *access.Claims) { c.Audience = access.Audience{"x", i.URL} }),
		"the long typ":         plain("application/AT+JWT", i.Signer.KeyID(), i.Signer),
	} {
		if _, err := i.Guard().Check(t.Context(), token); err != nil {
			t.Errorf("%s: Check = %v", name, err)
		}
	}
}

// RFC 6750, section 3.
func TestTheGuardAnswersInTheWordsOfRFC6750(t *testing.T) {
	i := accesstest.New(t)
	h := i.Guard().Require(access.SealStamp, func(w http.ResponseWriter, _ *http.Request, c access.Caller) error {
		if c.Person != "zhang" {
			return problem.Forbidden
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	weak := zhang
	weak.Scopes = []string{"openid"}
	good, poor := i.Token(t, zhang), i.Token(t, weak)
	const realm = `Bearer realm="https://issuer.example"`
	for _, tt := range []struct {
		name, header string
		second       string
		status       int
		challenge    string
	}{
		{"no token", "", "", 401, realm + `, scope="seal.stamp"`},
		{"another scheme", "Basic YTpi", "", 401, realm + `, scope="seal.stamp"`},
		{"a good token", "Bearer " + good, "", 204, ""},
		{"a scheme in other letters", "bEARER " + good, "", 204, ""},
		{"a bad token", "Bearer " + good + "x", "", 401, realm + `, error="invalid_token"`},
		{"an empty token", "Bearer ", "", 401, realm + `, error="invalid_token"`},
		{"a token without the scope", "Bearer " + poor, "", 403, realm + `, error="insufficient_scope"`},
		{"two tokens", "Bearer " + good, "Bearer " + good, 400, realm + `, error="invalid_request"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/?access_token="+good, nil)
			for _, v := range []string{tt.header, tt.second} {
				if v != "" {
					r.Header.Add("Authorization", v)
				}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), tt.challenge) {
				t.Errorf("answer = %d, %q", w.Code, w.Header().Get("WWW-Authenticate"))
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Error("the answer may be cached")
			}
			if w.Code == 204 {
				return
			}
			var p problem.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != tt.status || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("body = %s", w.Body)
			}
			if strings.Contains(w.Body.String()+w.Header().Get("WWW-Authenticate"), good) {
				t.Error("the answer repeats the token")
			}
		})
	}
}

func TestFormsOfOtherSitesAreTold(t *testing.T) {
	for _, issuer := range []string{"https://issuer.example", "http://localhost:8080"} {
		c := access.Cookies{Issuer: issuer}
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", issuer+"/login", nil)
		token, err := c.FormToken(w, r, strings.NewReader(strings.Repeat("r", 64)))
		if err != nil {
			t.Fatal(err)
		}
		cookie := w.Result().Cookies()[0]
		if secure := strings.HasPrefix(issuer, "https"); cookie.Secure != secure || strings.HasPrefix(cookie.Name, "__Host-") != secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" {
			t.Errorf("cookie = %v", cookie)
		}
		if strings.Contains(token, cookie.Value) {
			t.Error("the token shows the cookie")
		}
		for _, tt := range []struct {
			name, token, site, origin string
			cookies                   []*http.Cookie
			want                      bool
		}{
			{"our own", token, "same-origin", issuer, []*http.Cookie{cookie}, true},
			{"our own from an old browser", token, "", issuer, []*http.Cookie{cookie}, true},
			{"another site", token, "cross-site", "https://evil.example", []*http.Cookie{cookie}, false},
			{"a neighbour", token, "same-site", "https://evil.issuer.example", []*http.Cookie{cookie}, false},
			{"another origin in an old browser", token, "", "https://evil.example", []*http.Cookie{cookie}, false},
			{"no token", "", "same-origin", issuer, []*http.Cookie{cookie}, false},
			{"another token", token[1:] + "A", "same-origin", issuer, []*http.Cookie{cookie}, false},
			{"no cookie", token, "same-origin", issuer, nil, false},
			{"two cookies", token, "same-origin", issuer, []*http.Cookie{cookie, {Name: cookie.Name, Value: "x"}}, false},
		} {
			r := httptest.NewRequest("POST", issuer+"/login", strings.NewReader("form="+tt.token))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if tt.site != "" {
				r.Header.Set("Sec-Fetch-Site", tt.site)
			}
			r.Header.Set("Origin", tt.origin)
			for _, one := range tt.cookies {
				r.AddCookie(one)
			}
			if err := r.ParseForm(); err != nil {
				t.Fatal(err)
			}
			if got := c.CheckForm(r); got != tt.want {
				t.Errorf("%s: CheckForm = %v", tt.name, got)
			}
		}
	}
}
