// Package account is what a person has with the platform: a password, and the right to see who looked.
//
//	login form ── Passwords.Authenticate ── counters ── Argon2id ── person, acr ── oidc begins the session
//	GET /account/usage ── Account ── audit events of the person's ledgers: who, when, why, which case
//
// Passwords are kept as Argon2id (RFC 9106) in PHC string format. Guessing is slowed by counters, each an atomic step,
// chosen so that a stranger's guesses never use up what belongs to the owner: a browser in which the owner has signed
// on before has an allowance of its own.
//
// It has no enrolment, no change of password, and no second factor; it does not begin sessions (shared/oidc does).
package account

import (
	"context"
	"errors"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// Credential is what a person signs on with.
type Credential struct {
	Username string    `json:"username"` // folded by [Fold]
	Person   string    `json:"person"`   // internal identifier
	Password string    `json:"password"` // PHC string, see [Hash]
	Changed  time.Time `json:"changed"`
}

// The sentinels of the ports.
var (
	ErrCredentialUnknown = errors.New("account: no such credential")
	ErrCredentialExists  = errors.New("account: there is a credential already")
	ErrExhausted         = errors.New("account: nothing left of the allowance")
)

// Credentials reads credentials.
type Credentials interface {
	// Credential returns the credential of a folded user name, as last saved, or [ErrCredentialUnknown].
	Credential(ctx context.Context, username string) (Credential, error)
}

// CredentialAdder adds credentials.
type CredentialAdder interface {
	// AddCredential stores a new credential together with the event: of any number of concurrent calls with one user
	// name exactly one returns a nil error, the others [ErrCredentialExists].
	AddCredential(ctx context.Context, c Credential, e audit.Event) error
}

// Counters count attempts.
type Counters interface {
	// Take adds one to the counter of key, unless it stands at limit: then it returns [ErrExhausted]. A counter begins
	// at nought with the first Take, and again when window has passed since then. It is one atomic step: of any number
	// of concurrent calls within a window exactly limit return a nil error.
	Take(ctx context.Context, key string, limit int, window time.Duration) error
	// Give takes one off the counter of key, but not below nought; a counter that is over stays so.
	Give(ctx context.Context, key string) error
}

// Devices remembers in which browsers a person has signed on.
type Devices interface {
	// KnownDevice tells whether a device was remembered for a user name and is not forgotten yet.
	KnownDevice(ctx context.Context, username, device string) (bool, error)
	// RememberDevice remembers a device until a time.
	RememberDevice(ctx context.Context, username, device string, until time.Time) error
}
