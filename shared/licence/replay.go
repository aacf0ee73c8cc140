package licence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/problem"
)

// TicketKeeper keeps the places of status lists that were given.
type TicketKeeper interface {
	// ListKey returns the key of a list, or [ErrUnknown] where no place in it was given.
	ListKey(ctx context.Context, list string) ([32]byte, error)
	// RaiseTickets has TakeTicket give no sequence below next from then on, in one atomic step; it never gives one again
	// that was given. A list that was not there is made with newKey.
	RaiseTickets(ctx context.Context, list string, next int, newKey [32]byte) error
}

// ReplayPorts are the rights of doing again what the trail holds of licences and a restored table has forgotten.
type ReplayPorts struct {
	Records     Records
	Identifiers Identifiers
	Tickets     TicketKeeper
	Types       TypeReader
	Rand        io.Reader
}

var _ audit.Redoer = ReplayPorts{}

// Redo implements [audit.Redoer].
//
// A licence that was issued since keeps its identifier, its place and its life, and nothing else: see [Licence.Lost]. A
// draft that was made since is gone.
func (p ReplayPorts) Redo(ctx context.Context, act, again audit.Event) (audit.Redone, error) {
	if code, ok := strings.CutPrefix(act.Object, "licence-type/"); ok && act.Action == "licence.type" {
		return p.sameType(ctx, code, act)
	}
	id, ok := strings.CutPrefix(act.Object, "licence/")
	row, known := transition(Verb(strings.TrimPrefix(act.Action, "licence.")))
	if !ok || !known {
		return audit.Passed, nil // a look, a shown code, a published list
	}
	if err := p.keep(ctx, id, act); err != nil {
		return audit.Passed, err
	}
	if act.Outcome != audit.Done {
		return audit.Passed, nil // what an attempt has claimed stays claimed
	}
	l, err := p.Records.Licence(ctx, id)
	missing := errors.Is(err, ErrUnknown)
	switch {
	case err != nil && !missing:
		return audit.Passed, fmt.Errorf("reading a licence: %w", err)
	case !missing && l.holds(row.Verb, act):
		if l.Lost && row.Verb == VerbIssue {
			return audit.Lost, nil
		}
		return audit.InForce, nil
	case row.Verb == VerbIssue:
		return audit.Lost, p.lost(ctx, l, id, row, act, again)
	case missing, row.Verb == VerbDraft, !slices.Contains(row.From, l.State()):
		return audit.Lost, nil
	case row.To == Active && l.History[len(l.History)-1].At.After(act.Time):
		return audit.Lost, nil // later things are known of it: this did not make it what it is, and gives nothing
	}
	l = row.apply(l, row.To, changeOf(act))
	if err := p.Records.ReplaceLicence(ctx, l, again); err != nil {
		return audit.Passed, fmt.Errorf("storing a change: %w", err)
	}
	return audit.InForce, nil
}

// changeOf is the history entry of an act. Its reason is the purpose that was stated: the trail holds no other.
func changeOf(act audit.Event) Change {
	return Change{At: act.Time, Person: act.Person, Organisation: act.Organisation, Client: act.Client, Reason: act.Purpose,
		LegalBasis: act.LegalBasis}
}

// holds tells whether the history of l has the change of an act. A licence is drafted and issued once.
func (l Licence) holds(v Verb, act audit.Event) bool {
	return slices.ContainsFunc(l.History, func(c Change) bool {
		switch v {
		case VerbDraft:
			return c.Verb == v
		case VerbIssue:
			return c.Verb == v && c.State == Active
		}
		return c.Verb == v && c.At.Equal(act.Time)
	})
}

// keep keeps what an act has bound from being given again: the identifier, and the place in its list.
func (p ReplayPorts) keep(ctx context.Context, id string, act audit.Event) error {
	if identifier := act.Bound("licence-identifier"); identifier != "" {
		if err := p.Identifiers.ClaimIdentifier(ctx, identifier, id); err != nil && !errors.Is(err, ErrExists) {
			return fmt.Errorf("claiming an identifier: %w", err)
		}
	}
	list, index, ok := boundPlace(act)
	if !ok {
		return nil
	}
	var newKey [32]byte
	if _, err := io.ReadFull(p.Rand, newKey[:]); err != nil {
		return fmt.Errorf("drawing the key of a status list: %w", err)
	}
	key, err := p.Tickets.ListKey(ctx, list)
	next := listSize // of a list that is not there any more nobody knows which places were given
	switch {
	case err == nil:
		next = statusSequence(index, key, listSize) + 1
	case !errors.Is(err, ErrUnknown):
		return fmt.Errorf("reading status list %s: %w", list, err)
	}
	if err := p.Tickets.RaiseTickets(ctx, list, next, newKey); err != nil {
		return fmt.Errorf("keeping a place in status list %s: %w", list, err)
	}
	return nil
}

// Binds names what the issuing of l binds for good, as its events do.
func (l Licence) Binds() string {
	return "licence-identifier/" + l.Identifier + " status/" + l.List + "/" + strconv.Itoa(l.Index)
}

// boundPlace reads the place in a status list that an act bound.
func boundPlace(act audit.Event) (list string, index int, ok bool) {
	list, text, ok := strings.Cut(act.Bound("status"), "/")
	if !ok {
		return "", 0, false
	}
	index, err := strconv.Atoi(text)
	return list, index, err == nil && index >= 0 && index < listSize
}

// lost makes the record of a licence whose issuance is in the trail alone; l is its draft, if that is still there.
func (p ReplayPorts) lost(ctx context.Context, l Licence, id string, row Transition, act, again audit.Event) error {
	list, index, ok := boundPlace(act)
	identifier := act.Bound("licence-identifier")
	parsed, _, err := ident.ParseLicenceID(identifier)
	if !ok || err != nil {
		return nil // an event from before events said so
	}
	made := l.ID == ""
	if made {
		kind := ident.HolderType("")
		if !errors.Is(ident.CheckUSCC(act.Holder), ident.ErrForm) {
			kind = ident.USCCType
		}
		l = Licence{ID: id, TypeCode: parsed.TypeCode, Issuer: Agency{USCC: parsed.Issuer, Division: act.Division},
			Holder: Holder{Subject: act.Holder, Type: kind}}
	}
	l.Identifier, l.Version, l.List, l.Index, l.Lost = identifier, 1, list, index, true
	l = row.apply(l, row.To, changeOf(act))
	if made {
		err = p.Records.CreateLicence(ctx, l, again)
	} else {
		err = p.Records.ReplaceLicence(ctx, l, again)
	}
	if err != nil {
		return fmt.Errorf("storing a licence that was lost: %w", err)
	}
	return nil
}

// sameType tells whether a type is the one that was last stored.
func (p ReplayPorts) sameType(ctx context.Context, code string, act audit.Event) (audit.Redone, error) {
	t, err := p.Types.LicenceType(ctx, code)
	if errors.Is(err, ErrUnknown) {
		return audit.Lost, nil
	}
	if err != nil {
		return audit.Passed, fmt.Errorf("reading a licence type: %w", err)
	}
	if digest, err := audit.RecordDigest(t); err != nil || digest != act.Digest {
		return audit.Lost, err
	}
	return audit.InForce, nil
}

// ErrLost refuses what needs the content of a licence that was lost.
var ErrLost = problem.New(http.StatusConflict, "licence_lost",
	"The content of the licence was lost; its agency issues it anew.")
