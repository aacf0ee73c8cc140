package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// ReplayPorts are the rights of doing again what the trail holds of seals and a restored table has forgotten.
type ReplayPorts struct {
	Records Replacer
	Codes   Codes
	Orders  Orders
}

var _ audit.Redoer = ReplayPorts{}

// plain are the verbs whose whole content stands in their event. The others left something that is gone: a request its
// record, an approval its code (which stays claimed), a making the seal and its keys.
var plain = []Verb{VerbReject, VerbActivate, VerbSuspend, VerbResume, VerbRevoke}

// Redo implements [audit.Redoer]. A use of a seal is in force again when its order is: as many orders as the trail
// holds uses. What such an order lacks (place, format, the digest that was signed) is lost: the trail does not have it.
func (p ReplayPorts) Redo(ctx context.Context, act, again audit.Event) (audit.Redone, error) {
	id, ok := strings.CutPrefix(act.Object, "seal/")
	v := Verb(strings.TrimPrefix(act.Action, "seal."))
	if !ok {
		return audit.Passed, nil
	}
	if order := act.Bound("order"); order != "" {
		return p.order(ctx, id, order, act, again)
	}
	if act.Outcome != audit.Done {
		return audit.Passed, nil // a making that was begun
	}
	if code := act.Bound("seal-code"); code != "" {
		if err := p.Codes.ClaimSealCode(ctx, code, id); err != nil && !errors.Is(err, ErrExists) {
			return audit.Passed, fmt.Errorf("claiming a code: %w", err)
		}
	}
	s, err := p.Records.Seal(ctx, id)
	switch {
	case errors.Is(err, ErrUnknown):
		return audit.Lost, nil
	case err != nil:
		return audit.Passed, fmt.Errorf("reading a seal: %w", err)
	case s.holds(v, act):
		return audit.InForce, nil
	case !slices.Contains(plain, v):
		return audit.Lost, nil
	}
	t, _ := transition(v)
	state := s.State()
	if v == VerbRevoke && state != Revoked { // also a seal whose making is lost: it will not be made again
		t.From = []State{state}
	}
	if !slices.Contains(t.From, state) || t.To == Active && s.changedAfter(act.Time) {
		return audit.Lost, nil
	}
	s = t.apply(s, Change{At: act.Time.Truncate(time.Second), Person: act.Person, Organisation: act.Organisation,
		Client: act.Client, Reason: act.Purpose, LegalBasis: act.LegalBasis})
	if err := p.Records.ReplaceSeal(ctx, s, again); err != nil {
		return audit.Passed, fmt.Errorf("storing a change: %w", err)
	}
	return audit.InForce, nil
}

// holds tells whether the history of s has the change of an act. A change is never older than the one before it, so its
// time may be later than that of its event. What happens once in a life needs no time.
func (s Seal) holds(v Verb, act audit.Event) bool {
	if !slices.Contains(plain, v) {
		_, ok := s.by(v)
		return ok
	}
	at := act.Time.Truncate(time.Second)
	return slices.ContainsFunc(s.History, func(c Change) bool {
		return c.Verb == v && c.Person == act.Person && !c.At.Before(at) && c.At.Sub(at) < maxSkew
	})
}

// changedAfter tells whether the history of s has a change later than a time. An activation or resumption
// of that time, which it lacks, is not done again: later changes have decided what s is.
func (s Seal) changedAfter(at time.Time) bool {
	return len(s.History) > 0 && s.History[len(s.History)-1].At.After(at)
}

// maxSkew bounds how far the clocks of two functions differ.
const maxSkew = time.Minute

// order brings an order back, and how it ended.
func (p ReplayPorts) order(ctx context.Context, sealID, id string, act, again audit.Event) (audit.Redone, error) {
	if act.Outcome == audit.Begun {
		s, err := p.Records.Seal(ctx, sealID)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return audit.Passed, fmt.Errorf("reading a seal: %w", err)
		}
		err = p.Orders.BeginOrder(ctx, Order{ID: id, Seal: sealID, Code: s.Code, Document: act.Digest,
			Purpose: audit.Purpose{Text: act.Purpose, ItemCode: act.ItemCode, CaseNumber: act.CaseNumber, LegalBasis: act.LegalBasis},
			Person:  act.Person, For: act.Organisation, Client: act.Client, At: act.Time, Restored: true}, again)
		if err != nil && !errors.Is(err, ErrExists) {
			return audit.Passed, fmt.Errorf("recording an order: %w", err)
		}
		return audit.InForce, nil
	}
	state, end := OrderDone, act.Digest
	if act.Outcome == audit.Failed {
		state, end = OrderFailed, act.Reason
	}
	err := p.Orders.FinishOrder(ctx, id, state, end, again)
	switch {
	case errors.Is(err, ErrUnknown):
		return audit.Lost, nil // begun before the time that was restored, and not there
	case err != nil && !errors.Is(err, ErrChanged):
		return audit.Passed, fmt.Errorf("completing an order: %w", err)
	}
	return audit.InForce, nil
}
