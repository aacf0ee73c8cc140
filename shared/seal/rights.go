package seal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// The refusals of rights.
var (
	ErrNoPerson       = problem.New(http.StatusForbidden, "person_needed", "A person must do this, not a client alone.")
	ErrNotMandated    = problem.New(http.StatusForbidden, "not_mandated", "The person has no mandate for this.")
	ErrNotResponsible = problem.New(http.StatusForbidden, "not_responsible", "Another organisation does this.")
)

// rights decides who may do a row of the table to a seal. Manage, Make and Stamp share it.
type rights struct {
	directory Directory
	mandates  Mandates
}

// check runs the rules of a row: a person, the right organisation, the person's mandate, the state, two persons. The
// scope was checked by the guard.
func (r rights) check(ctx context.Context, t Transition, s Seal, c access.Caller, organisation string) error {
	if c.Person == "" {
		return ErrNoPerson
	}
	responsible, err := r.party(ctx, t.Party, s)
	if err != nil {
		return err
	}
	if organisation != responsible {
		return ErrNotResponsible.With("this is for the " + string(t.Party) + " of the seal to do")
	}
	mandated, err := r.mandates.Mandated(ctx, c.Person, organisation, t.Role)
	if err != nil {
		return fmt.Errorf("reading the mandates: %w", err)
	}
	if !mandated {
		return ErrNotMandated.With("needed: " + t.Role)
	}
	return t.allow(s, c.Person)
}

// party returns the code of the organisation that is a party of s.
func (r rights) party(ctx context.Context, p Party, s Seal) (string, error) {
	duty := DutyApprove
	switch p {
	case ByOwner:
		return s.Owner.USCC, nil
	case ByMaker:
		duty = DutyMake
	}
	o, err := r.directory.Responsible(ctx, s.Owner.Division, duty)
	if errors.Is(err, ErrOrganisationUnknown) {
		return "", ErrNotResponsible.With("no organisation has the duty " + string(duty) + " for this division")
	}
	if err != nil {
		return "", fmt.Errorf("finding the organisation responsible for %s: %w", duty, err)
	}
	return o.USCC, nil
}

// trace makes the event of an act on s.
func trace(c access.Caller, s Seal, v Verb, organisation string, why audit.Purpose, at time.Time, id string) audit.Event {
	return audit.Event{
		ID: id, Time: at, Action: "seal." + string(v), Person: c.Person, Organisation: organisation,
		Division: s.Owner.Division, Client: c.Client, Channel: c.Channel, ItemCode: why.ItemCode, CaseNumber: why.CaseNumber,
		Purpose: why.Text, LegalBasis: why.LegalBasis, Object: "seal/" + s.ID, Holder: s.Owner.USCC, Outcome: audit.Done,
	}
}

// newIDs draws several identifiers.
func newIDs(random io.Reader, n int) ([]string, error) {
	ids := make([]string, n)
	for i := range ids {
		var err error
		if ids[i], err = audit.NewID(random); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// endOf is the identifier of the event that ends what another began: it stands behind it also where both have one time.
func endOf(begun string) string { return begun + "-end" }

// drawSerial draws the serial of a seal code, 1 to 99999999.
func drawSerial(random io.Reader) (int, error) {
	n, err := rand.Int(random, serials)
	if err != nil {
		return 0, fmt.Errorf("drawing a serial: %w", err)
	}
	return int(n.Int64()) + 1, nil
}
