package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/yinxin/yinxin/shared/audit"
)

// ReplayPorts are the rights of ending what the trail says is not so any more of the registry.
type ReplayPorts struct {
	Organisations     Organisations
	OrganisationSaver OrganisationSaver
	Mandates          MandateLister
	MandateSaver      MandateSaver
	Trail             audit.ObjectReader
}

var _ audit.Redoer = ReplayPorts{}

// Redo implements [audit.Redoer]. Records of the registry come from files that an operator keeps, and the trail has
// their digests alone. A restored record that is not the one stored last is ended until the file comes again: a mandate
// by its time, an organisation by the loss of its duties. The record of a person is left as it is: the trail does not
// say what was changed in it.
func (p ReplayPorts) Redo(ctx context.Context, act, again audit.Event) (audit.Redone, error) {
	kind, name, _ := strings.Cut(act.Object, "/")
	switch kind {
	case "mandate":
		person, organisation, _ := strings.Cut(name, "/")
		return p.mandate(ctx, person, organisation, act, again)
	case "organisation":
		return p.organisation(ctx, name, act, again)
	}
	return audit.Lost, nil
}

func (p ReplayPorts) mandate(ctx context.Context, person, organisation string, act, again audit.Event) (audit.Redone, error) {
	list, err := p.Mandates.MandatesOf(ctx, person)
	if err != nil {
		return audit.Passed, fmt.Errorf("reading mandates: %w", err)
	}
	i := slices.IndexFunc(list, func(m Mandate) bool { return m.Organisation == organisation })
	if i < 0 {
		return audit.Lost, nil
	}
	m := list[i]
	if same, err := audit.IsLast(ctx, p.Trail, act, m); err != nil || same {
		return audit.InForce, err
	}
	if !m.To.IsZero() && !act.Time.Before(m.To) {
		return audit.Lost, nil // ended
	}
	m.To = act.Time
	if again.Digest, err = audit.RecordDigest(m); err != nil {
		return audit.Passed, err
	}
	if err := p.MandateSaver.SaveMandate(ctx, m, again); err != nil {
		return audit.Passed, fmt.Errorf("ending a mandate: %w", err)
	}
	return p.left(ctx, again.Digest, act)
}

func (p ReplayPorts) organisation(ctx context.Context, uscc string, act, again audit.Event) (audit.Redone, error) {
	o, err := p.Organisations.Organisation(ctx, uscc)
	if errors.Is(err, ErrOrganisationUnknown) {
		return audit.Lost, nil
	}
	if err != nil {
		return audit.Passed, fmt.Errorf("reading an organisation: %w", err)
	}
	if same, err := audit.IsLast(ctx, p.Trail, act, o); err != nil || same {
		return audit.InForce, err
	}
	if len(o.Duties) == 0 {
		return audit.Lost, nil
	}
	o.Duties = nil
	if again.Digest, err = audit.RecordDigest(o); err != nil {
		return audit.Passed, err
	}
	if err := p.OrganisationSaver.SaveOrganisation(ctx, o, again); err != nil {
		return audit.Passed, fmt.Errorf("ending the duties of an organisation: %w", err)
	}
	return p.left(ctx, again.Digest, act)
}

// left is what became of a record that was ended: lost, unless ending it has made it the one that was stored last.
func (p ReplayPorts) left(ctx context.Context, digest string, act audit.Event) (audit.Redone, error) {
	last, err := audit.LastDigest(ctx, p.Trail, act)
	if err == nil && digest == last {
		return audit.InForce, nil
	}
	return audit.Lost, err
}
