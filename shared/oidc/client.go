package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/redact"
)

// Profile is the set of rules a client lives under.
type Profile string

// The profiles. The rules of FAPI2 beyond client authentication (PAR, DPoP) are not enforced yet.
const (
	FAPI2    Profile = "fapi2"    // departments, provinces: confidential, private_key_jwt
	Native   Profile = "native"   // apps: public, refresh tokens rotate
	Baseline Profile = "baseline" // portals: confidential, a client secret will do
)

// The methods of client authentication (OpenID Connect Core, section 9), and none for public clients.
const (
	SecretBasic   = "client_secret_basic"
	SecretPost    = "client_secret_post"
	PrivateKeyJWT = "private_key_jwt"
	NoSecret      = "none"
)

// The grant types.
const (
	GrantCode    = "authorization_code"
	GrantRefresh = "refresh_token"
	GrantClient  = "client_credentials"
)

// Client is an application, with the member names of RFC 7591 and OpenID Connect Dynamic Client Registration 1.0.
type Client struct {
	ID             string          `json:"client_id"`
	SecretHash     string          `json:"client_secret_hash,omitempty"` // SHA-256, base64url; see [ParseClient]
	Name           string          `json:"client_name"`
	Type           string          `json:"application_type,omitempty"` // "web" or "native"
	RedirectURIs   []string        `json:"redirect_uris,omitempty"`
	LogoutURIs     []string        `json:"post_logout_redirect_uris,omitempty"`
	GrantTypes     []string        `json:"grant_types,omitempty"`
	ResponseTypes  []string        `json:"response_types,omitempty"`
	AuthMethod     string          `json:"token_endpoint_auth_method,omitempty"`
	Scope          string          `json:"scope,omitempty"` // what it may ask for, separated by spaces
	JWKS           json.RawMessage `json:"jwks,omitempty"`
	SectorURI      string          `json:"sector_identifier_uri,omitempty"` // its host is the sector; it is not fetched
	SubjectType    string          `json:"subject_type,omitempty"`          // "pairwise"
	IDTokenAlg     string          `json:"id_token_signed_response_alg,omitempty"`
	DefaultMaxAge  int             `json:"default_max_age,omitempty"` // seconds
	URI            string          `json:"client_uri,omitempty"`
	LogoURI        string          `json:"logo_uri,omitempty"`
	PolicyURI      string          `json:"policy_uri,omitempty"`
	TermsURI       string          `json:"tos_uri,omitempty"`
	Contacts       []string        `json:"contacts,omitempty"`
	BackchannelURI string          `json:"backchannel_logout_uri,omitempty"`

	Profile      Profile  `json:"profile"`
	SSOGroup     string   `json:"sso_group,omitempty"`    // apps of one vendor that share a sign-on on a device
	Purposes     []string `json:"purposes,omitempty"`     // what it may look up licences for
	Organisation string   `json:"organisation,omitempty"` // unified social credit code of who runs it
	Suspended    bool     `json:"suspended,omitempty"`    // it is known and may do nothing
}

// ErrClientUnknown reports a client that does not exist.
var ErrClientUnknown = errors.New("oidc: no such client")

// Clients reads clients.
type Clients interface {
	// Client returns the client with an identifier, or [ErrClientUnknown]. It may be up to a minute old.
	Client(ctx context.Context, id string) (Client, error)
}

// findClient returns the client that a request names. What no client can be called is not looked up: it may be no key
// of the store.
func findClient(ctx context.Context, clients Clients, id string) (Client, error) {
	if !validClientID(id) {
		return Client{}, ErrClientUnknown
	}
	c, err := clients.Client(ctx, id)
	if err == nil && c.Suspended {
		return Client{}, ErrClientUnknown
	}
	return c, err
}

func validClientID(id string) bool {
	return id != "" && len(id) <= 128 && strings.Trim(id, unreserved) == ""
}

// ClientSaver keeps clients.
type ClientSaver interface {
	// SaveClient stores c, replacing what its identifier had, together with the event. Where the stored record is equal
	// to c already it writes neither.
	SaveClient(ctx context.Context, c Client, e audit.Event) error
}

// HashSecret returns the form in which a client secret is kept. Secrets are drawn by machines, so that a plain digest
// will do (RFC 6749, section 10.10, asks for 128 bits).
func HashSecret(secret string) string { return hashToken(secret) }

// HasSecret compares in constant time.
func (c Client) HasSecret(secret string) bool {
	return c.SecretHash != "" && subtle.ConstantTimeCompare([]byte(c.SecretHash), []byte(HashSecret(secret))) == 1
}

// Public tells whether the client cannot keep a secret (RFC 6749, section 2.1).
func (c Client) Public() bool { return c.AuthMethod == NoSecret }

// proven tells whether an answer at a redirect address reaches this client and no other program: it authenticates to
// redeem the code, or the address is the claimed https address of an app. Others can be imitated by any program on the
// device (RFC 8252, section 8.6).
func (c Client) proven(redirectURI string) bool {
	return !c.Public() || strings.HasPrefix(redirectURI, "https://")
}

// Allows tells whether the client may use a grant type.
func (c Client) Allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// Keys returns the client's registered keys.
func (c Client) Keys() (jose.Set, error) {
	if len(c.JWKS) == 0 {
		return jose.Set{}, nil
	}
	set, err := jose.ParseSet(c.JWKS)
	if err != nil {
		return jose.Set{}, fmt.Errorf("reading the keys of client %s: %w", c.ID, err)
	}
	return set, nil
}

// HasRedirect compares a redirect address with the registered ones: exactly (RFC 9700, section 2.1), but for the port
// of a native app on the loopback interface (RFC 8252, section 7.3).
func (c Client) HasRedirect(uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if c.Type != "native" {
		return false
	}
	portless, ok := withoutLoopbackPort(uri)
	return ok && slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		r, ok := withoutLoopbackPort(registered)
		return ok && r == portless
	})
}

// withoutLoopbackPort cuts the port out of an http address on the loopback interface, leaving every other byte.
func withoutLoopbackPort(uri string) (string, bool) {
	rest, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", false
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		port, ok := strings.CutPrefix(authority, host)
		if !ok {
			continue
		}
		if port == "" || len(port) > 1 && len(port) <= 6 && port[0] == ':' && strings.Trim(port[1:], "0123456789") == "" {
			return host + tail, true
		}
	}
	return "", false
}

// Sector returns the sector of the client's subjects (OpenID Connect Core, section 8.1): the host of its addresses,
// without the port. A client whose answers stay on the device (loopback, private schemes) is a sector of its own.
func (c Client) Sector() string {
	uri := c.SectorURI
	if uri == "" && len(c.RedirectURIs) > 0 {
		uri = c.RedirectURIs[0]
	}
	u, err := url.Parse(uri)
	if err != nil || u.Hostname() == "" || isLoopback(u.Hostname()) || u.Scheme != "https" && u.Scheme != "http" {
		return "client:" + c.ID
	}
	return "host:" + strings.ToLower(u.Hostname())
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// ErrClientMetadata reports a client record that cannot be taken; what is wrong stands behind it. RFC 7591, section
// 3.2.2, calls it invalid_client_metadata or invalid_redirect_uri.
var ErrClientMetadata = errors.New("oidc: client metadata not accepted")

// ParseClient reads a client record as a seed file or an operator writes it: with client_secret in clear, which it
// replaces by its digest. Unknown members are refused. Defaults are those of RFC 7591, section 2.
func ParseClient(data []byte) (Client, error) {
	var record struct {
		Client
		Secret string `json:"client_secret"`
	}
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&record); err != nil {
		return Client{}, fmt.Errorf("%w: %w", ErrClientMetadata, redact.JSON(err, d.InputOffset()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Client{}, fmt.Errorf("%w: something follows the object", ErrClientMetadata)
	}
	c := record.Client
	c.defaults()
	if record.Secret != "" {
		if len(record.Secret) < 16 {
			return Client{}, fmt.Errorf("%w: client_secret of less than 16 characters", ErrClientMetadata)
		}
		c.SecretHash = HashSecret(record.Secret)
	}
	if reason := c.problem(); reason != "" {
		name := c.ID
		if !validClientID(name) {
			name = redact.Of(name).String() // it may be anything
		}
		return Client{}, fmt.Errorf("%w: %s: %s", ErrClientMetadata, name, reason)
	}
	return c, nil
}

func (c *Client) defaults() {
	if c.Profile == "" {
		c.Profile = Baseline
	}
	if c.Type == "" {
		c.Type = "web"
		if c.Profile == Native {
			c.Type = "native"
		}
	}
	if c.AuthMethod == "" {
		c.AuthMethod = map[Profile]string{FAPI2: PrivateKeyJWT, Native: NoSecret, Baseline: SecretBasic}[c.Profile]
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{GrantCode}
	}
	if len(c.ResponseTypes) == 0 && c.Allows(GrantCode) {
		c.ResponseTypes = []string{"code"}
	}
	if c.Scope == "" {
		c.Scope = ScopeOpenID
	}
}

// problem returns what is wrong with a client record, or "".
func (c Client) problem() string {
	switch {
	case !validClientID(c.ID):
		return "client_id must be 1 to 128 unreserved characters"
	case c.Name == "":
		return "client_name is missing"
	case c.Profile != FAPI2 && c.Profile != Native && c.Profile != Baseline:
		return "unknown profile"
	case c.SubjectType != "" && c.SubjectType != "pairwise":
		return "subjects are pairwise here"
	case c.IDTokenAlg != "" && c.IDTokenAlg != "ES256":
		return "ID Tokens are signed with ES256 here"
	case c.Type != "web" && c.Type != "native":
		return "application_type must be web or native"
	case c.DefaultMaxAge < 0:
		return "default_max_age is negative"
	}
	for _, problem := range []string{c.authProblem(), c.grantProblem(), c.redirectProblem()} {
		if problem != "" {
			return problem
		}
	}
	for _, scope := range strings.Fields(c.Scope) {
		if !slices.Contains(KnownScopes(), scope) {
			return "unknown scope " + scope
		}
	}
	return ""
}

func (c Client) authProblem() string {
	set, err := c.Keys()
	switch {
	case !slices.Contains([]string{SecretBasic, SecretPost, PrivateKeyJWT, NoSecret}, c.AuthMethod):
		return "unknown token_endpoint_auth_method"
	case c.Profile == FAPI2 && c.AuthMethod != PrivateKeyJWT:
		return "profile fapi2 needs private_key_jwt" // FAPI 2.0 Security Profile, section 5.3.2.1, item 6
	case c.Profile == Native && !c.Public():
		return "profile native is for public clients"
	case c.Public() && c.Profile != Native:
		return "a public client has the profile native"
	case (c.AuthMethod == SecretBasic || c.AuthMethod == SecretPost) == (c.SecretHash == ""):
		return "client_secret is missing, or of no use with this token_endpoint_auth_method"
	case err != nil || c.AuthMethod == PrivateKeyJWT && len(set.Keys) == 0:
		return "private_key_jwt needs jwks with a usable key"
	}
	return ""
}

func (c Client) grantProblem() string {
	for _, g := range c.GrantTypes {
		if g != GrantCode && g != GrantRefresh && g != GrantClient {
			return "unknown grant type " + g
		}
	}
	switch {
	case c.Allows(GrantClient) && c.Public():
		return "client_credentials is for confidential clients" // RFC 6749, section 4.4
	case c.Allows(GrantRefresh) && !c.Allows(GrantCode):
		return "refresh_token goes with authorization_code"
	case c.Allows(GrantCode) != (len(c.RedirectURIs) > 0):
		return "redirect_uris go with authorization_code"
	case slices.ContainsFunc(c.ResponseTypes, func(t string) bool { return t != "code" }):
		return "the response type is code"
	}
	return ""
}

func (c Client) redirectProblem() string {
	hosts := map[string]bool{}
	for _, uri := range slices.Concat(c.RedirectURIs, c.LogoutURIs) {
		u, err := url.Parse(uri)
		switch {
		case err != nil || u.Scheme == "" || strings.Contains(uri, "#") || u.User != nil || !printable(uri):
			return "an address is not absolute, or has a fragment or user: " + uri
		case u.Scheme == "https" && u.Host != "", u.Scheme == "http" && isLoopback(u.Hostname()):
		// RFC 8252, section 7.1: a private scheme is a domain name in reverse order, which also keeps out "javascript".
		case c.Type == "native" && strings.Contains(u.Scheme, "."):
		default:
			return "an address is neither https, nor http on the loopback interface, nor a native app's own: " + uri
		}
		if slices.Contains(c.RedirectURIs, uri) {
			hosts[strings.ToLower(u.Hostname())] = true
		}
	}
	// OpenID Connect Dynamic Client Registration 1.0, section 2. One that names no host would make each client a sector of
	// its own, and correcting it later would change every subject.
	if u, err := url.Parse(c.SectorURI); c.SectorURI != "" &&
		(err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil) {
		return "sector_identifier_uri is not an https address"
	}
	if len(hosts) > 1 && c.SectorURI == "" {
		return "redirect_uris on several hosts need sector_identifier_uri"
	}
	return ""
}

// printable tells whether s is printable ASCII without spaces: what may stand in a Location header as it is.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// ClientTaker stores client records of a seed file.
type ClientTaker struct {
	Clients ClientSaver
	Now     func() time.Time
	Rand    io.Reader
}

// TakeRecord reads one record with [ParseClient] and stores it. The same record twice is stored once.
func (t ClientTaker) TakeRecord(ctx context.Context, record json.RawMessage) error {
	c, err := ParseClient(record)
	if err != nil {
		return err
	}
	e, err := newEvent(t.Now(), t.Rand, "client.save", audit.Done)
	if err != nil {
		return err
	}
	e.Client, e.Organisation, e.Object, e.Channel = c.ID, c.Organisation, "client/"+c.ID, "event"
	if e.Digest, err = audit.RecordDigest(c); err != nil {
		return err
	}
	if err := t.Clients.SaveClient(ctx, c, e); err != nil {
		return fmt.Errorf("saving the client %s: %w", c.ID, err)
	}
	return nil
}

// hashToken is the form in which codes, tokens and secrets are kept.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
