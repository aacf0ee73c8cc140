// Package access guards the APIs of the house: it turns the access token of a request into the caller it speaks for.
//
//	Authorization: Bearer ── token (RFC 9068) ── scope ── live grant by gid ── Caller{Person, Organisation, Client …}
//
// The token is a JWT of our own OpenID Provider. It names no person: sub is pairwise, for our own APIs in the
// platform's sector. Who is calling is read from the live grant that the token names (claim gid), so that a grant
// revoked a moment ago no longer opens anything, and so that one person with two clients is one person.
//
// Refusals are those of RFC 6750, section 3.1, in WWW-Authenticate, with a problem document as body. Scopes say what a
// client may ask for; what the person may do for an organisation (mandates) is the service's own check.
//
// It does not check DPoP proofs and does not ask for step-up.
package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/problem"
)

// The scopes of the platform's own APIs. A token that carries one has the issuer as audience.
const (
	SealRequest    = "seal.request"
	SealApprove    = "seal.approve"
	SealMake       = "seal.make"
	SealStamp      = "seal.stamp"
	DocumentUpload = "document.upload"
	LicenceIssue   = "licence.issue"
	LicenceShow    = "licence.show"
	LicenceShare   = "licence.share"
	AccountUsage   = "account.usage"
	RegistryRead   = "registry.read"
	AuditRead      = "audit.read"
)

// Scopes are the platform's scopes, in a fixed order.
func Scopes() []string {
	return []string{SealRequest, SealApprove, SealMake, SealStamp, DocumentUpload, LicenceIssue, LicenceShow, LicenceShare,
		AccountUsage, RegistryRead, AuditRead}
}

// Skew is how far in the future a token's iat and nbf may lie. Its expiry is exact: issuer and API share a clock.
const Skew = 10 * time.Second

// TokenType is the header typ of an access token (RFC 9068, section 2.1).
const TokenType = "at+jwt"

// Claims are the claims of an access token (RFC 9068, section 2.2). Times are in seconds.
type Claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience Audience `json:"aud"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope,omitempty"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	ID       string   `json:"jti"`
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	GrantID  string   `json:"gid"` // the grant it was issued under
	// NotBefore is never set by our own provider; it is honoured.
	NotBefore int64 `json:"nbf,omitempty"`
}

// Audience is the claim aud: one string, or several.
type Audience []string

// MarshalJSON writes one audience as a string.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// UnmarshalJSON reads a string or a list of strings.
func (a *Audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = Audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// Caller is who calls.
type Caller struct {
	Person       string    // internal identifier; empty where a client acts for itself (client_credentials)
	Organisation string    // the client's own organisation, for client_credentials; else empty
	Client       string    // client_id
	Scopes       []string  // granted to this token
	ACR          string    // how the person was authenticated
	AuthTime     time.Time // when; zero for client_credentials
	Channel      string    // "web", "app" or "api", as audit.Event.Channel has it
	Grant        string    // identifier of the grant
}

// Has tells whether the token carries a scope.
func (c Caller) Has(scope string) bool { return slices.Contains(c.Scopes, scope) }

// Grant is what the guard needs to know of a live grant.
type Grant struct {
	Person       string
	Organisation string
	Client       string
	Channel      string
}

// ErrGrantGone reports a grant that was revoked, has expired or never was.
var ErrGrantGone = errors.New("access: no such live grant")

// Grants finds live grants.
type Grants interface {
	// LiveGrant returns the grant, read consistently: a revocation that returned before this call is seen.
	// It returns [ErrGrantGone] for a grant that was revoked, has expired or was never made.
	LiveGrant(ctx context.Context, id string) (Grant, error)
}

// Keys publishes the public keys of the tokens.
type Keys interface {
	// TokenKeys returns every key whose tokens are still accepted, the signing one first. It may be the set of a while
	// ago.
	TokenKeys(ctx context.Context) (jose.Set, error)
	// TokenKeysAgain is TokenKeys read anew, for a token whose key is not among those. Anybody can make such a token:
	// however often it is called, a process reads once in [Reread] at most, and returns what it knows for the rest. A
	// reading that fails counts, and leaves what is known.
	TokenKeysAgain(ctx context.Context) (jose.Set, error)
}

// Reread is how far apart at least the readings are that unknown keys ask for. After a key was killed, and no other was
// published, the tokens of the new one are refused no longer than that.
const Reread = 10 * time.Second

// FindKey returns the key of an identifier, with one reading more where the keys that are known have none of it.
func FindKey(ctx context.Context, keys Keys, id string) (jose.JWK, bool, error) {
	set, err := keys.TokenKeys(ctx)
	if err != nil {
		return jose.JWK{}, false, fmt.Errorf("reading the token keys: %w", err)
	}
	if k, found := set.Find(id); found || id == "" {
		return k, found, nil
	}
	if set, err = keys.TokenKeysAgain(ctx); err != nil {
		return jose.JWK{}, false, fmt.Errorf("reading the token keys again: %w", err)
	}
	k, found := set.Find(id)
	return k, found, nil
}

// Guard checks access tokens. Its zero value is not useful.
type Guard struct {
	Issuer    string   // iss of the tokens
	Audiences []string // accepted in aud; the issuer where empty
	Keys      Keys
	Grants    Grants
	Epoch     time.Time // tokens issued before it are refused; zero for none
	Now       func() time.Time
}

// The refusals. They answer 401 and 403 with WWW-Authenticate (RFC 6750, section 3).
var (
	InvalidToken = problem.New(http.StatusUnauthorized, "invalid_token",
		"The access token is malformed, expired, revoked or not meant for this API.")
	InsufficientScope = problem.New(http.StatusForbidden, "insufficient_scope",
		"The access token does not carry the scope that this API asks for.")
	InvalidRequest = problem.New(http.StatusBadRequest, "invalid_request",
		"The request carries more than one access token.")
)

// Require serves h to callers whose access token carries scope; an empty scope asks for a token only. What h returns
// is written by problem.Write.
func (g Guard) Require(scope string, h func(w http.ResponseWriter, r *http.Request, c Caller) error) http.Handler {
	return problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		token, err := BearerToken(r)
		if err != nil {
			Challenge(w, g.Issuer, scope, err)
			return err
		}
		c, err := g.Check(r.Context(), token)
		if err == nil && scope != "" && !c.Has(scope) {
			err = InsufficientScope.With("needed: " + scope)
		}
		if err != nil {
			Challenge(w, g.Issuer, scope, err)
			return err
		}
		w.Header().Set("Cache-Control", "no-store")
		err = h(w, r, c)
		Challenge(w, g.Issuer, scope, err)
		return err
	})
}

// Check turns a token into its caller. It returns [InvalidToken] with the reason, or a fault.
func (g Guard) Check(ctx context.Context, token string) (Caller, error) {
	claims, err := g.verify(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	grant, err := g.Grants.LiveGrant(ctx, claims.GrantID)
	if errors.Is(err, ErrGrantGone) {
		return Caller{}, InvalidToken.With("the grant is no longer live")
	}
	if err != nil {
		return Caller{}, fmt.Errorf("reading the grant of a token: %w", err)
	}
	if grant.Client != claims.ClientID {
		return Caller{}, InvalidToken.With("the grant is another client's")
	}
	c := Caller{
		Person: grant.Person, Organisation: grant.Organisation, Client: grant.Client, Scopes: strings.Fields(claims.Scope),
		ACR: claims.ACR, Channel: grant.Channel, Grant: claims.GrantID,
	}
	if claims.AuthTime != 0 {
		c.AuthTime = time.Unix(claims.AuthTime, 0).UTC()
	}
	return c, nil
}

// verify runs the checks of RFC 9068, section 4, in its order.
func (g Guard) verify(ctx context.Context, token string) (Claims, error) {
	h, _, err := jose.Parse(token)
	if err != nil {
		return Claims{}, InvalidToken.With("not a JWS")
	}
	// RFC 7515, section 4.1.9: the "application/" prefix may be left out or not, and case does not matter.
	if typ := strings.TrimPrefix(strings.ToLower(h.Type), "application/"); typ != TokenType {
		return Claims{}, InvalidToken.With("typ is not at+jwt")
	}
	k, found, err := FindKey(ctx, g.Keys, h.KeyID)
	if err != nil {
		return Claims{}, err
	}
	if !found {
		return Claims{}, InvalidToken.With("unknown key")
	}
	_, payload, err := jose.Verify(token, k.Public, key.ES256)
	if err != nil {
		return Claims{}, InvalidToken.With("the signature does not verify")
	}
	var c Claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return Claims{}, InvalidToken.With("the claims cannot be read")
	}
	audiences := g.Audiences
	if len(audiences) == 0 {
		audiences = []string{g.Issuer}
	}
	now := g.Now()
	latest := now.Add(Skew).Unix()
	switch {
	case c.Issuer != g.Issuer:
		return Claims{}, InvalidToken.With("another issuer")
	case !slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(c.Audience, a) }):
		return Claims{}, InvalidToken.With("another audience")
	case c.Expires <= now.Unix():
		return Claims{}, InvalidToken.With("expired")
	case time.Unix(c.IssuedAt, 0).Before(g.Epoch):
		return Claims{}, InvalidToken.With("issued before the epoch")
	case c.IssuedAt == 0 || c.IssuedAt > latest || c.NotBefore > latest:
		return Claims{}, InvalidToken.With("not valid yet")
	case c.Subject == "" || c.ClientID == "" || c.ID == "" || c.GrantID == "":
		return Claims{}, InvalidToken.With("a required claim is missing")
	}
	return c, nil
}

// BearerToken returns the access token in the Authorization header (RFC 6750, section 2.1), or
// problem.Unauthenticated where there is none. Tokens in a query are not looked at.
func BearerToken(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return "", InvalidRequest
	}
	if len(values) == 0 {
		return "", problem.Unauthenticated
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", problem.Unauthenticated
	}
	token = strings.TrimSpace(token)
	if token == "" {
		return "", InvalidToken.With("no token after the scheme")
	}
	return token, nil
}

// Challenge sets WWW-Authenticate for a refusal (RFC 6750, section 3): without an error code where the request carried
// no token at all. For other errors it does nothing.
func Challenge(w http.ResponseWriter, realm, scope string, err error) {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return
	}
	value := fmt.Sprintf("Bearer realm=%q", realm)
	switch p.Code {
	case problem.Unauthenticated.Code:
	case InvalidToken.Code, InsufficientScope.Code, InvalidRequest.Code:
		value += fmt.Sprintf(", error=%q, error_description=%q", p.Code, p.Title)
	default:
		return
	}
	if scope != "" && p.Code != InvalidToken.Code && p.Code != InvalidRequest.Code {
		value += fmt.Sprintf(", scope=%q", scope)
	}
	w.Header().Set("WWW-Authenticate", value)
}
