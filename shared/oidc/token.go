package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

// TokenRoutes are the routes of [Token].
var TokenRoutes = []string{"POST /token"}

// TokenPorts are the rights of oidc-token. It alone opens the token key.
type TokenPorts struct {
	Issuer      string
	Clients     Clients
	Grants      GrantSaver // for client_credentials
	Codes       CodeRedeemer
	Refresh     Refresher
	Revoker     GrantRevoker
	Replays     ReplayGuard
	Keys        key.Opener // key.Token, owner ""
	PairwiseKey []byte     // as in AuthorizePorts
	Epoch       time.Time  // zero for none: client assertions that may have been used before it are refused
	Now         func() time.Time
	Rand        io.Reader
}

// Token serves the token endpoint (RFC 6749, section 3.2; OpenID Connect Core, section 3.1.3).
//
// A request is first known to be its client's; only then is a code or token looked at. What is redeemed is redeemed
// before anything is signed: if we stop between the two, the client has nothing and asks again from the beginning.
func Token(p TokenPorts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(TokenRoutes[0], func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4*maxRequest)
		answer, err := p.token(r)
		if err != nil {
			writeError(w, r, p.Issuer, err)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	})
	return mux
}

// tokens is a successful answer (RFC 6749, section 5.1).
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope"`
}

func (p TokenPorts) token(r *http.Request) (tokens, error) {
	if err := parseTokenForm(r); err != nil {
		return tokens{}, err
	}
	client, err := p.authenticate(r)
	if err != nil {
		return tokens{}, err
	}
	grantType := r.PostForm.Get("grant_type")
	grants := map[string]func(*http.Request, Client) (tokens, error){
		GrantCode: p.redeem, GrantRefresh: p.refresh, GrantClient: p.clientCredentials,
	}
	serve, known := grants[grantType]
	switch {
	case slices.ContainsFunc(r.PostForm["resource"], func(s string) bool { return s != p.Issuer && s != p.Issuer+"/userinfo" }):
		return tokens{}, refuse(invalidTarget, "unknown resource") // before anything is redeemed
	case grantType == "":
		return tokens{}, refuse(invalidRequest, "grant_type is missing")
	case !known:
		return tokens{}, refuse(unsupportedGrantType, "unknown grant_type")
	case !client.Allows(grantType):
		return tokens{}, refuse(unauthorizedClient, "the client may not use this grant_type")
	}
	return serve(r, client)
}

// parseTokenForm reads the body alone: nothing secret belongs into a query.
func parseTokenForm(r *http.Request) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil ||
		media != "application/x-www-form-urlencoded" {
		return refuse(invalidRequest, "the body must be application/x-www-form-urlencoded")
	}
	if err := parseForm(r); err != nil {
		return err
	}
	for name, list := range r.PostForm {
		if len(list) > 1 && name != "resource" {
			return refuse(invalidRequest, "a parameter was sent twice")
		}
	}
	return nil
}

// redeem is the grant type authorization_code (OpenID Connect Core, section 3.1.3.2).
func (p TokenPorts) redeem(r *http.Request, client Client) (tokens, error) {
	ctx, form, now := r.Context(), r.PostForm, p.Now()
	code, verifier := form.Get("code"), form.Get("code_verifier")
	switch {
	case code == "":
		return tokens{}, refuse(invalidRequest, "code is missing")
	case len(verifier) < 43 || len(verifier) > 128 || strings.Trim(verifier, unreserved) != "": // RFC 7636, section 4.1
		return tokens{}, refuse(invalidGrant, "code_verifier is missing or malformed")
	}
	parts, ok := tokenParts(code, 2)
	if !ok {
		return tokens{}, badCode()
	}
	redemption := Redemption{
		GrantID: parts[0], CodeHash: hashToken(code), Client: client.ID, RedirectURI: form.Get("redirect_uri"),
		Challenge: challenge(verifier), At: now,
	}
	var refresh string
	if client.Allows(GrantRefresh) {
		family, err := access.Token(p.Rand, 16)
		if err != nil {
			return tokens{}, err
		}
		if refresh, err = p.refreshToken(parts[0], family); err != nil {
			return tokens{}, err
		}
		redemption.FamilyHash, redemption.RefreshHash = hashToken(family), hashToken(refresh)
		redemption.RefreshExpires = now.Add(RefreshIdle)
	}
	e, err := p.event(client, "grant.redeem", parts[0])
	if err != nil {
		return tokens{}, err
	}
	g, err := p.Codes.RedeemCode(ctx, redemption, e)
	switch {
	case errors.Is(err, ErrCodeRedeemed):
		return tokens{}, p.revoke(ctx, client, g.ID, "code_replayed", badCode())
	case errors.Is(err, ErrCodeUnknown):
		return tokens{}, badCode()
	case err != nil:
		return tokens{}, fmt.Errorf("redeeming the code: %w", err)
	}
	return p.issue(ctx, client, g, g.Scope, form["resource"], g.Nonce, refresh)
}

// badCode does not say what was wrong: it would tell a thief what to try next.
func badCode() *Error {
	return refuse(invalidGrant, "the code is unknown, expired, spent, or does not fit the client, redirect_uri or code_verifier")
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// refreshToken draws a refresh token of a grant and family.
func (p TokenPorts) refreshToken(grant, family string) (string, error) {
	secret, err := access.Token(p.Rand, 32)
	return grant + "." + family + "." + secret, err
}

// refresh is the grant type refresh_token (RFC 6749, section 6). Tokens of public clients rotate (RFC 9700,
// section 4.14.2); those of confidential clients stay, bound to the client's authentication (FAPI 2.0, section 5.3.2.1,
// item 9).
func (p TokenPorts) refresh(r *http.Request, client Client) (tokens, error) {
	ctx, form, now := r.Context(), r.PostForm, p.Now()
	token := form.Get("refresh_token")
	if token == "" {
		return tokens{}, refuse(invalidRequest, "refresh_token is missing")
	}
	parts, ok := tokenParts(token, 3)
	if !ok {
		return tokens{}, badRefresh()
	}
	// RFC 6749, section 6: nothing that was not granted. What was narrowed here may be asked for again later.
	scope := strings.Join(strings.Fields(form.Get("scope")), " ")
	if form.Has("scope") && scope == "" {
		return tokens{}, refuse(invalidScope, "the scope is empty")
	}
	if !covers(client.Scope, scope) {
		return tokens{}, refuse(invalidScope, "the scope goes beyond the client's")
	}
	replacement := token
	if client.Public() {
		var err error
		if replacement, err = p.refreshToken(parts[0], parts[1]); err != nil {
			return tokens{}, err
		}
	}
	e, err := p.event(client, "grant.refresh", parts[0])
	if err != nil {
		return tokens{}, err
	}
	g, err := p.Refresh.RotateRefresh(ctx, Rotation{
		GrantID: parts[0], FamilyHash: hashToken(parts[1]), Hash: hashToken(token), NewHash: hashToken(replacement),
		Client: client.ID, Scope: scope, Issuer: p.Issuer, Resources: form["resource"],
		At: now, Expires: now.Add(RefreshIdle),
	}, e)
	switch {
	case errors.Is(err, ErrRefreshReused):
		return tokens{}, p.revoke(ctx, client, g.ID, "refresh_token_reuse", badRefresh())
	case errors.Is(err, ErrRefreshScope):
		return tokens{}, refuse(invalidScope, "the scope goes beyond what was granted")
	case errors.Is(err, ErrRefreshTarget):
		return tokens{}, badTarget()
	case errors.Is(err, ErrRefreshUnknown), errors.Is(err, ErrRefreshRaced):
		return tokens{}, badRefresh()
	case err != nil:
		return tokens{}, fmt.Errorf("rotating the refresh token: %w", err)
	}
	if scope == "" {
		scope = client.grantable(g.Scope) // without what was taken from the client meanwhile
	}
	if scope == "" {
		return tokens{}, refuse(invalidScope, "nothing of what was granted is the client's any more")
	}
	// OpenID Connect Core, section 12.2: the ID Token of a refresh should carry no nonce.
	return p.issue(ctx, client, g, scope, form["resource"], "", replacement)
}

func badRefresh() *Error {
	return refuse(invalidGrant, "the refresh token is unknown, expired, revoked, spent or another client's")
}

// clientCredentials is the grant type client_credentials (RFC 6749, section 4.4): the client acts for its organisation.
func (p TokenPorts) clientCredentials(r *http.Request, client Client) (tokens, error) {
	requested := r.PostForm.Get("scope")
	if requested == "" {
		requested = client.Scope
	}
	var scopes []string
	for _, s := range strings.Fields(client.grantable(requested)) {
		if slices.Contains(access.Scopes(), s) { // there is nobody to be told of
			scopes = append(scopes, s)
		}
	}
	if len(scopes) == 0 {
		return tokens{}, refuse(invalidScope, "nothing of the scope is the client's")
	}
	now, scope := p.Now(), strings.Join(scopes, " ")
	if !within(r.PostForm["resource"], audiences(p.Issuer, scope)) {
		return tokens{}, badTarget() // before a grant is recorded
	}
	id, err := access.Token(p.Rand, 16)
	if err != nil {
		return tokens{}, err
	}
	g := Grant{
		ID: id, Client: client.ID, Organisation: client.Organisation, Channel: "api", Scope: scope,
		Created: now, Redeemed: now, Expires: now.Add(AccessTokenLife),
	}
	e, err := p.event(client, "grant.save", id)
	if err != nil {
		return tokens{}, err
	}
	e.Channel = g.Channel
	if err := p.Grants.SaveGrant(r.Context(), g, e); err != nil {
		return tokens{}, fmt.Errorf("saving the grant: %w", err)
	}
	return p.issue(r.Context(), client, g, scope, r.PostForm["resource"], "", "")
}

// revoke ends a grant that somebody used twice, and returns the refusal.
func (p TokenPorts) revoke(ctx context.Context, client Client, grant, reason string, refusal *Error) error {
	e, err := p.event(client, "grant.revoke", grant)
	if err != nil {
		return err
	}
	e.Reason = reason
	if err := p.Revoker.RevokeGrant(ctx, grant, p.Now(), e); err != nil {
		return fmt.Errorf("revoking the grant of a token that was used twice: %w", err)
	}
	return refusal
}

// issue signs the tokens of a grant.
func (p TokenPorts) issue(ctx context.Context, client Client, g Grant, scope string, resources []string, nonce, refresh string,
) (tokens, error) {
	aud := audiences(p.Issuer, scope)
	if !within(resources, aud) {
		return tokens{}, badTarget()
	}
	signer, err := p.Keys.OpenKey(ctx, key.Token, "")
	if err != nil {
		return tokens{}, fmt.Errorf("opening the token key: %w", err)
	}
	now := p.Now()
	id, err := access.Token(p.Rand, 16)
	if err != nil {
		return tokens{}, err
	}
	claims := access.Claims{
		Issuer: p.Issuer, Subject: p.subject(client, g, scope), Audience: aud, ClientID: client.ID, Scope: scope,
		IssuedAt: now.Unix(), Expires: now.Add(AccessTokenLife).Unix(), ID: id, ACR: g.ACR, GrantID: g.ID,
	}
	if !g.AuthTime.IsZero() {
		claims.AuthTime = g.AuthTime.Unix()
	}
	t := tokens{TokenType: "Bearer", ExpiresIn: int64(AccessTokenLife / time.Second), RefreshToken: refresh, Scope: scope}
	if t.AccessToken, err = sign(ctx, signer, access.TokenType, claims); err != nil {
		return tokens{}, err
	}
	if g.Person == "" || !hasScope(scope, ScopeOpenID) {
		return t, nil
	}
	t.IDToken, err = sign(ctx, signer, idTokenType, idToken{
		Issuer: p.Issuer, Subject: subject(p.PairwiseKey, client.Sector(), g.Person), Audience: client.ID,
		Expires: now.Add(IDTokenLife).Unix(), IssuedAt: now.Unix(), AuthTime: claims.AuthTime, Nonce: nonce, ACR: g.ACR,
		TokenHash: tokenHash(t.AccessToken), SessionID: sessionClaim(p.PairwiseKey, g.Browser, client.ID),
	})
	return t, err
}

// subject is the sub of an access token: the client for itself (RFC 9068, section 2.2), the platform's sector for our
// own APIs, the client's sector where it only opens UserInfo, so that two clients find nothing in common in their
// tokens.
func (p TokenPorts) subject(client Client, g Grant, scope string) string {
	switch {
	case g.Person == "":
		return client.ID
	case platform(scope):
		return subject(p.PairwiseKey, platformSector, g.Person)
	default:
		return subject(p.PairwiseKey, client.Sector(), g.Person)
	}
}

// audiences decides whom an access token is for: our own APIs where it carries one of their scopes, else UserInfo
// alone.
func audiences(issuer, scope string) access.Audience {
	if platform(scope) {
		return access.Audience{issuer}
	}
	return access.Audience{issuer + "/userinfo"}
}

// within tells whether all resources are among the audiences.
func within(resources []string, aud access.Audience) bool {
	return !slices.ContainsFunc(resources, func(r string) bool { return !slices.Contains(aud, r) })
}

func badTarget() *Error {
	return refuse(invalidTarget, "unknown resource, or none that this scope is for")
}

func (p TokenPorts) event(client Client, action, grant string) (audit.Event, error) {
	e, err := newEvent(p.Now(), p.Rand, action, audit.Done)
	e.Client, e.Organisation, e.Channel, e.Object = client.ID, client.Organisation, client.channel(), "grant/"+grant
	return e, err
}

func sign[T any](ctx context.Context, s key.Signer, typ string, claims T) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding the claims of a token: %w", err)
	}
	token, err := jose.Sign(ctx, s, jose.Header{Type: typ, KeyID: s.KeyID()}, payload)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return token, nil
}
