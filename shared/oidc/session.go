package oidc

import (
	"context"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// Session is a browser in which a person is signed on. Its cookie is not kept.
type Session struct {
	ID       string    `json:"id"` // access.SessionID of the cookie
	Person   string    `json:"person"`
	AuthTime time.Time `json:"authTime"`
	ACR      string    `json:"acr"`
	Expires  time.Time `json:"expires"`
	// Previous is the session of the same person in the same browser that a new log-in took over from. Grants that are
	// bound to it live on; a log-out ends both.
	Previous string    `json:"previous,omitempty"`
	Ended    time.Time `json:"ended,omitzero"`
}

// Live tells whether the session is good at a time.
func (s Session) Live(at time.Time) bool { return s.Ended.IsZero() && at.Before(s.Expires) }

// SessionSaver begins and ends sessions. access.Sessions reads them.
type SessionSaver interface {
	// SaveSession stores a new session together with the event. It refuses an identifier that exists.
	SaveSession(ctx context.Context, s Session, e audit.Event) error
	// EndSession ends a session together with the event, and with it every grant bound to it: after it returns,
	// access.Grants and [Refresher] know none of them. A second call, or one for a session that does not exist, changes
	// nothing and returns nil.
	EndSession(ctx context.Context, id string, at time.Time, e audit.Event) error
}

// Consents remembers what a person lets a client have.
type Consents interface {
	// Consented returns the scopes that person allowed client before, separated by spaces; empty for none.
	Consented(ctx context.Context, person, client string) (string, error)
	// AddConsent adds scopes to those that person allows client, in one atomic step, together with the event: concurrent
	// calls lose nothing.
	AddConsent(ctx context.Context, person, client string, scopes []string, e audit.Event) error
}

// Person is what the provider tells of a person (OpenID Connect Core, section 5.1).
type Person struct {
	Name  string
	Phone string
}

// Persons reads people.
type Persons interface {
	// PersonClaims returns the person with an internal identifier, or [ErrPersonUnknown].
	PersonClaims(ctx context.Context, id string) (Person, error)
}
