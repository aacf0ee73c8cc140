package oidc

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// The lives of what is issued.
const (
	CodeLife        = 60 * time.Second // FAPI 2.0 Security Profile, section 5.3.2.1, item 11
	AccessTokenLife = 10 * time.Minute
	IDTokenLife     = 10 * time.Minute
	RefreshIdle     = 30 * 24 * time.Hour  // after the last refresh
	GrantLife       = 180 * 24 * time.Hour // after the consent, whatever happens
	SessionLife     = 8 * time.Hour        // after the log-in
	// raceWindow is how long a token that has just been rotated is refused without harm: the loser of two refreshes at
	// once, or of a lost answer, is no thief.
	raceWindow = 30 * time.Second
)

// Grant is what a person lets a client do (or a client may do for itself), with its code and its refresh family.
//
// Code and refresh tokens begin with the grant's identifier. A refresh token is identifier.family.secret: the family part
// is the same in all tokens of the grant, so that an old token is told from a made-up one however long ago it was
// rotated.
type Grant struct {
	ID           string `json:"id"` // 128 random bits, base64url
	Client       string `json:"client"`
	Person       string `json:"person,omitempty"`       // internal identifier; empty for client_credentials
	Organisation string `json:"organisation,omitempty"` // the client's own, for client_credentials
	Channel      string `json:"channel"`
	Session      string `json:"session,omitempty"` // the session it lives and dies with; empty with offline_access
	// Browser is the session it was made in, also with offline_access: it gives the claim sid.
	Browser string `json:"browser,omitempty"`
	Scope   string `json:"scope"`

	RedirectURI string    `json:"redirectURI,omitempty"` // as in the authorization request
	Challenge   string    `json:"challenge,omitempty"`   // PKCE, S256
	Nonce       string    `json:"nonce,omitempty"`
	ACR         string    `json:"acr,omitempty"`
	AuthTime    time.Time `json:"authTime,omitzero"`

	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires"`
	CodeHash    string    `json:"codeHash,omitempty"`
	CodeExpires time.Time `json:"codeExpires,omitzero"`
	Redeemed    time.Time `json:"redeemed,omitzero"`

	FamilyHash     string    `json:"familyHash,omitempty"`
	RefreshHash    string    `json:"refreshHash,omitempty"`
	PreviousHash   string    `json:"previousHash,omitempty"`
	Rotated        time.Time `json:"rotated,omitzero"`
	RefreshExpires time.Time `json:"refreshExpires,omitzero"`

	Revoked time.Time `json:"revoked,omitzero"`
}

// Live tells whether what was issued under the grant is good at a time, as far as the grant itself says.
func (g Grant) Live(at time.Time) bool {
	return g.Revoked.IsZero() && at.Before(g.Expires) && !g.Redeemed.IsZero()
}

// The refusals of the ports below.
var (
	// ErrCodeUnknown reports a code that was never saved, has expired, belongs to another client, does not fit its
	// redirect address or code challenge, or outlived the session it is bound to. Nothing has changed.
	ErrCodeUnknown = errors.New("oidc: no such code")
	// ErrCodeRedeemed reports a code that was redeemed already. Its grant is to be revoked (RFC 6749, section 4.1.2).
	ErrCodeRedeemed = errors.New("oidc: the code was redeemed before")
	// ErrRefreshUnknown reports a refresh token that was never issued, has expired, was revoked, or is another client's.
	// Nothing has changed.
	ErrRefreshUnknown = errors.New("oidc: no such refresh token")
	// ErrRefreshScope reports a good refresh token with a scope that was not granted. Nothing has changed.
	ErrRefreshScope = errors.New("oidc: the scope goes beyond what was granted")
	// ErrRefreshTarget reports a good refresh token with a resource that the scope is not for. Nothing has changed.
	ErrRefreshTarget = errors.New("oidc: the scope is not for this resource")
	// ErrRefreshRaced reports the refresh token that was rotated a moment ago. Nothing has changed.
	ErrRefreshRaced = errors.New("oidc: the refresh token was rotated a moment ago")
	// ErrRefreshReused reports a refresh token that was rotated earlier: two parties hold the family, and the grant is to
	// be revoked (RFC 9700, section 4.14.2).
	ErrRefreshReused = errors.New("oidc: a rotated refresh token was used again")
)

// GrantSaver saves new grants.
type GrantSaver interface {
	// SaveGrant stores a new grant together with the event. It refuses an identifier that exists.
	SaveGrant(ctx context.Context, g Grant, e audit.Event) error
}

// Redemption redeems a code.
type Redemption struct {
	GrantID     string
	CodeHash    string
	Client      string // who was authenticated
	RedirectURI string // as sent to the token endpoint; empty where it was left out (OAuth 2.1, section 10.2)
	Challenge   string // of the code verifier, S256
	At          time.Time

	// The refresh family that begins; empty hashes for none.
	FamilyHash     string
	RefreshHash    string
	RefreshExpires time.Time
}

// CodeRedeemer redeems authorization codes.
type CodeRedeemer interface {
	// RedeemCode applies [Grant.Redeem] to the stored grant, in one atomic step: of any number of concurrent calls with
	// one code exactly one returns a nil error. It returns the grant as it then is, and stores the event with it,
	// completed by the grant's person. A grant that is bound to a session that has ended before the call is
	// [ErrCodeUnknown].
	//
	// It returns [ErrCodeUnknown] or, with the grant, [ErrCodeRedeemed], and then has changed nothing.
	RedeemCode(ctx context.Context, r Redemption, e audit.Event) (Grant, error)
}

// Redeem is the rule of [CodeRedeemer]. An adapter expresses it as the condition of its write, and asks it for the
// reason when the condition did not hold.
func (g Grant) Redeem(r Redemption) (Grant, error) {
	fits := g.ID == r.GrantID && g.CodeHash != "" && g.CodeHash == r.CodeHash && g.Client == r.Client
	switch {
	case !fits, !g.Revoked.IsZero():
		return Grant{}, ErrCodeUnknown
	case !g.Redeemed.IsZero():
		return g, ErrCodeRedeemed
	case !r.At.Before(g.CodeExpires), g.Challenge != r.Challenge, r.RedirectURI != "" && g.RedirectURI != r.RedirectURI:
		return Grant{}, ErrCodeUnknown
	}
	g.Redeemed = r.At
	g.FamilyHash, g.RefreshHash, g.RefreshExpires = r.FamilyHash, r.RefreshHash, r.RefreshExpires
	return g, nil
}

// Rotation uses a refresh token.
type Rotation struct {
	GrantID    string
	FamilyHash string
	Hash       string // of the token that was sent
	NewHash    string // of the token that replaces it; Hash itself where tokens do not rotate
	Client     string // who was authenticated
	Scope      string // what is asked for; empty for what was granted
	Issuer     string
	Resources  []string // what is asked for (RFC 8707); empty for what the scope is for
	At         time.Time
	Expires    time.Time // of the new token, if it is not used
}

// Refresher uses refresh tokens.
type Refresher interface {
	// RotateRefresh applies [Grant.Rotate] to the stored grant, in one atomic step: of any number of concurrent calls
	// with one token and different new ones exactly one returns a nil error. It returns the grant as it then is, and
	// stores the event with it, completed by the grant's person. A grant that was revoked, or is bound to a session that
	// has ended, before the call is [ErrRefreshUnknown].
	//
	// It returns [ErrRefreshUnknown], [ErrRefreshScope], [ErrRefreshTarget], [ErrRefreshRaced] or, with the grant,
	// [ErrRefreshReused], and then has changed nothing.
	RotateRefresh(ctx context.Context, r Rotation, e audit.Event) (Grant, error)
}

// Rotate is the rule of [Refresher], as [Grant.Redeem] is that of [CodeRedeemer].
func (g Grant) Rotate(r Rotation) (Grant, error) {
	family := g.ID == r.GrantID && g.FamilyHash != "" && g.FamilyHash == r.FamilyHash && g.Client == r.Client
	switch {
	case !family, !g.Live(r.At), !r.At.Before(g.RefreshExpires):
		return Grant{}, ErrRefreshUnknown
	case g.RefreshHash == r.Hash && !covers(g.Scope, r.Scope):
		return Grant{}, ErrRefreshScope
	case g.RefreshHash == r.Hash && !within(r.Resources, audiences(r.Issuer, cmp.Or(r.Scope, g.Scope))):
		return Grant{}, ErrRefreshTarget
	case g.RefreshHash == r.Hash:
	case g.PreviousHash == r.Hash && r.At.Sub(g.Rotated) < raceWindow:
		return Grant{}, ErrRefreshRaced
	default:
		return g, ErrRefreshReused
	}
	if r.NewHash != r.Hash {
		g.PreviousHash, g.Rotated = r.Hash, r.At
	}
	g.RefreshHash, g.RefreshExpires = r.NewHash, r.Expires
	return g, nil
}

// GrantRevoker revokes grants.
type GrantRevoker interface {
	// RevokeGrant ends a grant and everything issued under it, together with the event, completed by the grant's
	// person as actor and holder. A second call, or one for a
	// grant that does not exist, changes nothing and returns nil.
	RevokeGrant(ctx context.Context, id string, at time.Time, e audit.Event) error
}

// ReplayGuard remembers what may be used once.
type ReplayGuard interface {
	// UseOnce remembers key until a time: of any number of concurrent calls with one key exactly one returns a nil error,
	// the others [ErrUsed], until then. The caller keeps kinds of keys apart.
	UseOnce(ctx context.Context, key string, until time.Time) error
}

// ErrUsed reports something that was used before.
var ErrUsed = errors.New("oidc: used before")

// tokenParts cuts "identifier.secret" or "identifier.family.secret".
func tokenParts(token string, n int) ([]string, bool) {
	if len(token) > 256 {
		return nil, false
	}
	parts := strings.Split(token, ".")
	if len(parts) != n || len(parts[0]) != 22 {
		return nil, false
	}
	return parts, true
}
