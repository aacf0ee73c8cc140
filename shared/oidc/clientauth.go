package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

// assertionType is the value of client_assertion_type (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// The clock of a client may differ from ours by Skew, in both directions (FAPI 2.0 Security Profile, section 5.3.2.1,
// item 13: accept up to 10 seconds in the future, refuse more than 60).
const (
	assertionSkew = 10 * time.Second
	assertionLife = time.Hour // the longest until exp: what is used once must be remembered as long
	maxAssertion  = 8 << 10
	maxJTI        = 256
)

// credentials are what a token request says of its client.
type credentials struct {
	method    string
	id        string
	secret    string
	assertion string
}

// readCredentials finds the one method of client authentication that a request uses (RFC 6749, section 2.3: not more
// than one). The form must have been parsed.
func readCredentials(r *http.Request) (credentials, error) {
	form := r.PostForm
	c := credentials{method: NoSecret, id: form.Get("client_id")}
	methods := 0
	if r.Header.Get("Authorization") != "" {
		id, secret, ok := basicAuth(r)
		if !ok {
			return c, refuse(invalidClient, "the Authorization header is not that of client_secret_basic")
		}
		if c.id != "" && c.id != id {
			return c, refuse(invalidRequest, "the header and client_id name two clients")
		}
		c.method, c.id, c.secret, methods = SecretBasic, id, secret, methods+1
	}
	if form.Has("client_secret") {
		c.method, c.secret, methods = SecretPost, form.Get("client_secret"), methods+1
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		if form.Get("client_assertion_type") != assertionType {
			return c, refuse(invalidClient, "unknown client_assertion_type")
		}
		c.method, c.assertion, methods = PrivateKeyJWT, form.Get("client_assertion"), methods+1
	}
	if methods > 1 {
		return c, refuse(invalidRequest, "more than one method of client authentication")
	}
	return c, nil
}

// basicAuth reads client_secret_basic: identifier and secret are form-encoded inside (RFC 6749, section 2.3.1).
func basicAuth(r *http.Request) (id, secret string, ok bool) {
	user, password, ok := r.BasicAuth()
	if !ok || len(r.Header.Values("Authorization")) > 1 {
		return "", "", false
	}
	id, err := url.QueryUnescape(user)
	if err != nil {
		return "", "", false
	}
	secret, err = url.QueryUnescape(password)
	return id, secret, err == nil
}

// authenticate returns the client that sent the request. It does not look at codes or tokens: a request of the wrong
// client ends here. An unknown client and a wrong secret are one answer.
func (p TokenPorts) authenticate(r *http.Request) (Client, error) {
	c, err := readCredentials(r)
	if err != nil {
		return Client{}, err
	}
	if c.method == PrivateKeyJWT && c.id == "" {
		c.id = claimedIssuer(c.assertion)
	}
	if c.id == "" {
		return Client{}, refuse(invalidClient, "no client authentication")
	}
	client, err := findClient(r.Context(), p.Clients, c.id)
	if errors.Is(err, ErrClientUnknown) {
		return Client{}, refuse(invalidClient, "client authentication failed")
	}
	if err != nil {
		return Client{}, fmt.Errorf("reading the client: %w", err)
	}
	switch {
	case client.AuthMethod != c.method:
		return Client{}, refuse(invalidClient, "client authentication failed")
	case c.method == PrivateKeyJWT:
		return client, p.checkAssertion(r.Context(), client, c.assertion)
	case c.method != NoSecret && !client.HasSecret(c.secret):
		return Client{}, refuse(invalidClient, "client authentication failed")
	}
	return client, nil
}

// assertionClaims are the claims of a client assertion (RFC 7523, section 3). Numbers may have fractions (RFC 7519,
// section 2).
type assertionClaims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	ID        string          `json:"jti"`
	Expires   float64         `json:"exp"`
	NotBefore float64         `json:"nbf"`
	IssuedAt  float64         `json:"iat"`
}

// claimedIssuer reads iss from an assertion nobody has verified yet, to find whose keys may.
func claimedIssuer(assertion string) string {
	var c assertionClaims
	if len(assertion) > maxAssertion {
		return ""
	}
	if _, payload, err := jose.Parse(assertion); err != nil || json.Unmarshal(payload, &c) != nil {
		return ""
	}
	return c.Issuer
}

// checkAssertion runs the checks of RFC 7523, section 3, with aud as FAPI 2.0 Security Profile, section 5.3.2.1, item
// 8, narrows it: our issuer, as a string. The jti is spent last, so that an assertion with another fault is not burnt.
func (p TokenPorts) checkAssertion(ctx context.Context, client Client, assertion string) error {
	if len(assertion) > maxAssertion {
		return refuse(invalidClient, "client_assertion is too long")
	}
	payload, err := verifyAssertion(client, assertion)
	if err != nil {
		return err
	}
	var c assertionClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return refuse(invalidClient, "the claims of client_assertion cannot be read")
	}
	var audience string
	_ = json.Unmarshal(c.Audience, &audience) // stays empty for a list
	now := p.Now()
	seconds := float64(now.UnixMilli()) / 1000
	latest := seconds + assertionSkew.Seconds()
	switch {
	case c.Issuer != client.ID || c.Subject != client.ID:
		return refuse(invalidClient, "iss and sub of client_assertion must be the client")
	case audience != p.Issuer:
		return refuse(invalidClient, "aud of client_assertion must be the issuer, as a string")
	case c.Expires <= seconds-assertionSkew.Seconds():
		return refuse(invalidClient, "client_assertion has expired, or has no exp")
	case c.Expires > seconds+assertionLife.Seconds():
		return refuse(invalidClient, "client_assertion lives for too long")
	case c.NotBefore > latest || c.IssuedAt > latest:
		return refuse(invalidClient, "client_assertion is not valid yet")
	case p.mayBeUsed(c):
		return refuse(invalidClient, "client_assertion may be from before a restore: make a new one, with iat")
	case c.ID == "" || len(c.ID) > maxJTI:
		return refuse(invalidClient, "client_assertion needs a jti")
	}
	until := time.Unix(int64(math.Ceil(c.Expires)), 0).Add(assertionSkew)
	err = p.Replays.UseOnce(ctx, "client-assertion/"+hashToken(client.ID+"\x00"+c.ID), until)
	if errors.Is(err, ErrUsed) {
		return refuse(invalidClient, "this client_assertion was used before")
	}
	if err != nil {
		return fmt.Errorf("remembering a client assertion: %w", err)
	}
	return nil
}

// mayBeUsed tells whether an assertion may have been used before the epoch: what was remembered then may be gone. One
// that outlives everything that was good then was not, and one that says it was made after it was not either.
func (p TokenPorts) mayBeUsed(c assertionClaims) bool {
	epoch := float64(p.Epoch.UnixMilli()) / 1000
	return !p.Epoch.IsZero() && c.Expires <= epoch+assertionLife.Seconds() && c.IssuedAt < epoch+assertionSkew.Seconds()
}

// verifyAssertion checks the signature with the client's registered keys. Which algorithms there are follows from the
// keys: ES256, PS256, EdDSA. What the header names (jwk, x5c) is not looked at, but for kid, which chooses.
func verifyAssertion(client Client, assertion string) ([]byte, error) {
	h, _, err := jose.Parse(assertion)
	if err != nil {
		return nil, refuse(invalidClient, "client_assertion is not a JWS")
	}
	set, err := client.Keys()
	if err != nil {
		return nil, err
	}
	for _, k := range set.Keys {
		if h.KeyID != "" && k.KeyID != h.KeyID || k.Alg != "" && string(k.Alg) != h.Alg {
			continue
		}
		if _, payload, err := jose.Verify(assertion, k.Public, key.Algorithm(h.Alg)); err == nil {
			return payload, nil
		}
	}
	return nil, refuse(invalidClient, "client_assertion was not signed with a key and algorithm of the client")
}
