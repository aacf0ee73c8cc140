package licence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// The refusals of rights and of what every purposeful call must state.
var (
	ErrNoPerson    = problem.New(http.StatusForbidden, "person_needed", "A person must do this, not a client alone.")
	ErrNotMandated = problem.New(http.StatusForbidden, "not_mandated", "The person has no mandate for this.")
	ErrNotIssuer   = problem.New(http.StatusForbidden, "not_issuer", "The organisation may not issue licences of this type, or this licence is not its own.")
	ErrItemCode    = problem.New(http.StatusBadRequest, "item_code_missing", "The item code (事项编码) must be stated.")
	ErrCaseNumber  = problem.New(http.StatusBadRequest, "case_number_missing", "The case number (办件编号) must be stated.")
	ErrLicence     = problem.New(http.StatusNotFound, "licence_unknown", "There is no such licence.")
	ErrTypeUnknown = problem.New(http.StatusBadRequest, "licence_type_unknown", "There is no such licence type.")
)

// mandated demands a person with a role for an organisation.
func mandated(ctx context.Context, m Mandates, c access.Caller, organisation, role string) error {
	if c.Person == "" {
		return ErrNoPerson
	}
	ok, err := m.Mandated(ctx, c.Person, organisation, role)
	if err != nil {
		return fmt.Errorf("reading the mandates: %w", err)
	}
	if !ok {
		return ErrNotMandated.With("needed: " + role)
	}
	return nil
}

// find returns the licence that a path names by our identifier or by that of GB/T 36904. An identifier that was bound to
// it in an attempt that did not come to its end names nothing.
func find(ctx context.Context, records Reader, aliases IdentifierReader, name string) (Licence, error) {
	id := name
	if strings.Contains(name, ".") {
		var err error
		if id, err = aliases.LicenceByIdentifier(ctx, name); errors.Is(err, ErrUnknown) {
			return Licence{}, ErrLicence
		} else if err != nil {
			return Licence{}, fmt.Errorf("looking up a licence identifier: %w", err)
		}
	}
	l, err := records.Licence(ctx, id)
	if errors.Is(err, ErrUnknown) || err == nil && id != name && l.Identifier != name {
		return Licence{}, ErrLicence
	}
	if err != nil {
		return Licence{}, fmt.Errorf("reading a licence: %w", err)
	}
	return l, nil
}

// trace makes the event of an act on l.
func trace(c access.Caller, l Licence, action, organisation string, why audit.Purpose, at time.Time, id string) audit.Event {
	return audit.Event{
		ID: id, Time: at, Action: action, Person: c.Person, Organisation: organisation, Division: l.Issuer.Division,
		Client: c.Client, Channel: c.Channel, ItemCode: why.ItemCode, CaseNumber: why.CaseNumber, Purpose: why.Text,
		LegalBasis: why.LegalBasis, Object: "licence/" + l.ID, Holder: l.Holder.Subject, Outcome: audit.Done,
	}
}

// digest is [access.Digest].
func digest(texts ...string) string { return access.Digest(texts...) }

// routes serves handlers under patterns, one for one.
func routes(patterns []string, handlers ...http.Handler) http.Handler {
	mux := http.NewServeMux()
	for i, pattern := range patterns {
		mux.Handle(pattern, handlers[i])
	}
	return mux
}
