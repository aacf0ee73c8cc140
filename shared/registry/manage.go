package registry

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/problem"
)

// ManageRoutes are the routes of [Manage].
var ManageRoutes = []string{
	"GET /registry/organisations/{uscc}",
	"GET /registry/mandates",
}

// ManagePorts are the rights of registry-manage.
type ManagePorts struct {
	Access        access.Guard
	Organisations Organisations
	Mandates      MandateLister
	Agents        AgentLister
	Now           func() time.Time
}

// Manage serves the registry to callers with the scope registry.read: what is public of an organisation, and the
// mandates of the caller. A person reads those the person has, a client that acts for itself those that its own
// organisation gave; nobody reads another's.
func Manage(p ManagePorts) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(ManageRoutes[0], p.Access.Require(access.RegistryRead, p.organisation))
	mux.Handle(ManageRoutes[1], p.Access.Require(access.RegistryRead, p.mandates))
	return mux
}

func (p ManagePorts) organisation(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	uscc := r.PathValue("uscc")
	if errors.Is(ident.CheckUSCC(uscc), ident.ErrForm) {
		return problem.BadRequest.With("not a unified social credit code")
	}
	o, err := p.Organisations.Organisation(r.Context(), uscc)
	if errors.Is(err, ErrOrganisationUnknown) {
		return problem.NotFound
	}
	if err != nil {
		return err
	}
	return answer(w, o)
}

// HeldMandate is a mandate as [Manage] answers it. A person's own come without the person: the identifier is the same for
// every client, and would link what pairwise subjects keep apart.
type HeldMandate struct {
	Mandate
	Person string `json:"person,omitempty"`
	Name   string `json:"name"`   // of the organisation
	Active bool   `json:"active"` // now
}

func (p ManagePorts) mandates(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	var mandates []Mandate
	var err error
	switch {
	case c.Person != "":
		mandates, err = p.Mandates.MandatesOf(r.Context(), c.Person)
	case c.Organisation != "":
		mandates, err = p.Agents.MandatesFor(r.Context(), c.Organisation)
	default:
		return problem.Forbidden.With("the client belongs to no organisation")
	}
	if err != nil {
		return err
	}
	now, held := p.Now(), make([]HeldMandate, 0, len(mandates))
	for _, m := range mandates {
		o, err := p.Organisations.Organisation(r.Context(), m.Organisation)
		if err != nil && !errors.Is(err, ErrOrganisationUnknown) {
			return err
		}
		active := !now.Before(m.From) && (m.To.IsZero() || now.Before(m.To))
		h := HeldMandate{Mandate: m, Name: o.Name, Active: active}
		if c.Person == "" {
			h.Person = m.Person
		}
		held = append(held, h)
	}
	return answer(w, struct {
		Mandates []HeldMandate `json:"mandates"`
	}{held})
}

func answer(w http.ResponseWriter, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n')) // the client is gone if this fails
	return nil
}
