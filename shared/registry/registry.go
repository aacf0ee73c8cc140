// Package registry knows the people, the organisations and who may act for whom.
//
//	seed file ── Seed ──┬─ persons        sign on; every service names them by identifier
//	                    ├─ organisations  agencies and enterprises, by unified social credit code, with their duties
//	                    ├─ mandates       a person acts for an organisation (经办人) in roles, from … to
//	                    └─ clients, licence types: handed on as they are to the services that know them
//	GET /registry/organisations/{uscc}, /registry/mandates ── Manage ── who is this, for whom may I act
//
// A unified social credit code (统一社会信用代码) is that of GB 32100-2015, an identity number that of GB 11643-1999
// where its type is 111, a division a code of GB/T 2260. Codes are kept as they came: a wrong check character is a
// [Warning], since such codes were issued in reality.
//
// It does not keep passwords (the seed hands them to a port), it does not serve persons to anybody, and it has no
// address for changing records yet: they come from seed files.
package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// Person is a natural person.
type Person struct {
	ID       string `json:"id"`               // internal, stable; also the name to sign on with
	Name     string `json:"name"`             //
	IDType   string `json:"idType,omitempty"` // GB/T 36903: "111" is the citizen identity number (公民身份号码)
	IDNumber string `json:"idNumber,omitempty"`
	Phone    string `json:"phone,omitempty"`
}

// Kind is what an organisation is.
type Kind string

// The kinds of organisation.
const (
	Agency     Kind = "agency"
	Enterprise Kind = "enterprise"
)

// Organisation is an agency or an enterprise.
type Organisation struct {
	USCC     string `json:"uscc"`
	Name     string `json:"name"`
	Kind     Kind   `json:"kind"`
	Division string `json:"division"` // six digits, GB/T 2260
	// Duties are what an agency does for its division and those below, such as "seal.approve" (制发部门) and "seal.make"
	// (制作管理单位).
	Duties []string `json:"duties,omitempty"`
}

// Mandate lets a person act for an organisation. There is at most one for a person and an organisation.
type Mandate struct {
	Person       string    `json:"person"`
	Organisation string    `json:"organisation"` // unified social credit code
	Roles        []string  `json:"roles"`        // "seal.stamp", "licence.read" …
	From         time.Time `json:"from,omitzero"`
	To           time.Time `json:"to,omitzero"` // exclusive; zero is open
}

// Allows tells whether the mandate gives role at a time.
func (m Mandate) Allows(role string, at time.Time) bool {
	return !at.Before(m.From) && (m.To.IsZero() || at.Before(m.To)) && slices.Contains(m.Roles, role)
}

// The sentinels of the ports.
var (
	ErrPersonUnknown       = errors.New("registry: no such person")
	ErrOrganisationUnknown = errors.New("registry: no such organisation")
)

// Persons reads people.
type Persons interface {
	// Person returns the person with an identifier, as last saved, or [ErrPersonUnknown].
	Person(ctx context.Context, id string) (Person, error)
}

// PersonSaver keeps people.
type PersonSaver interface {
	// SavePerson stores p, replacing what its identifier had, together with the event. Where the stored record is equal
	// to p already it writes neither: of any number of concurrent calls with one new record exactly one stores its event.
	SavePerson(ctx context.Context, p Person, e audit.Event) error
}

// Organisations reads organisations.
type Organisations interface {
	// Organisation returns the organisation with a code, as last saved, or [ErrOrganisationUnknown].
	Organisation(ctx context.Context, uscc string) (Organisation, error)
}

// OrganisationSaver keeps organisations.
type OrganisationSaver interface {
	// SaveOrganisation stores o as [PersonSaver] stores a person.
	SaveOrganisation(ctx context.Context, o Organisation, e audit.Event) error
}

// Mandates says for whom a person may act.
type Mandates interface {
	// Mandated tells whether a person, now, has a role for an organisation. It reads consistently: a mandate withdrawn
	// before the call is not seen. Who is unknown has none.
	Mandated(ctx context.Context, person, organisation, role string) (bool, error)
}

// MandateLister lists mandates, also those not begun or ended.
type MandateLister interface {
	// MandatesOf returns the mandates of a person, ordered by organisation.
	MandatesOf(ctx context.Context, person string) ([]Mandate, error)
}

// AgentLister lists the mandates that organisations gave, also those not begun or ended.
type AgentLister interface {
	// MandatesFor returns the mandates for an organisation, ordered by person. It may lag behind writes.
	MandatesFor(ctx context.Context, organisation string) ([]Mandate, error)
}

// MandateSaver keeps mandates.
type MandateSaver interface {
	// SaveMandate stores m as [PersonSaver] stores a person; its key is person and organisation.
	SaveMandate(ctx context.Context, m Mandate, e audit.Event) error
}
