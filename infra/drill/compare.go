package drill

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/verify"
)

// compare asks whether all that was taken away before the disaster is away after it, and is told where it cannot be.
func (p *play) compare(answer audit.ReplayAnswer) {
	lost := map[string]bool{}
	for _, l := range answer.Lost {
		lost[l.Object] = true
	}
	p.compareSeals(lost)
	p.compareLicences(lost)
	p.compareRights(lost)
	p.compareSignOn()
	for id := range p.truth.killed {
		if slices.Contains(p.keys.ids, id) {
			p.Errorf("the token key %s was killed and is back", id)
		}
	}
}

func (p *play) compareSeals(lost map[string]bool) {
	ctx := p.Context()
	for id, was := range p.truth.seals {
		s, err := p.s.Seals.Seal(ctx, id)
		switch {
		case errors.Is(err, seal.ErrUnknown):
			if !p.made[id] || !lost["seal/"+id] {
				p.Errorf("seal %s is gone, and nobody is told", id)
			}
			continue
		case err != nil:
			p.Fatal(err)
		}
		now := s.State()
		switch {
		case now == was:
		case was == seal.Revoked || was == seal.Rejected:
			p.Errorf("seal %s was %s and is %s", id, was, now)
		case now == seal.Active || now == seal.Made:
			p.Errorf("seal %s was %s and may be used or activated: it is %s", id, was, now)
		case !lost["seal/"+id]:
			p.Errorf("seal %s was %s and is %s, and nobody is told", id, was, now)
		}
	}
	for code, id := range p.truth.codes {
		if err := p.s.Codes.ClaimSealCode(ctx, code, "another"); !errors.Is(err, seal.ErrExists) {
			p.Errorf("the code %s of seal %s can be given again: %v", code, id, err)
		}
	}
	done := 0
	for id, was := range p.truth.orders {
		o, err := p.s.Orders.Order(ctx, id)
		if err != nil || o.State != was {
			p.Errorf("order %s was %s and is %s: %v", id, was, o.State, err)
		}
		if o.State == seal.OrderDone {
			done++
		}
		if err := p.s.Orders.BeginOrder(ctx, seal.Order{ID: id}, p.event("seal.stamp", "seal/x")); !errors.Is(err, seal.ErrExists) {
			p.Errorf("order %s can be begun again: %v", id, err)
		}
	}
	inTrail := 0
	for _, e := range p.trail() {
		if e.Action == "seal.stamp" && e.Outcome == audit.Done && e.Reason != audit.Restored {
			inTrail++
		}
	}
	if done != inTrail {
		p.Errorf("%d uses of seals are on record, and the trail has %d", done, inTrail)
	}
}

func (p *play) compareLicences(lost map[string]bool) {
	ctx := p.Context()
	entries := map[string]licence.State{}
	lists, err := p.s.Entries.OpenLists(ctx)
	p.must(err)
	for _, list := range lists {
		found, err := p.s.Entries.ListEntries(ctx, list)
		p.must(err)
		for _, e := range found {
			entries[fmt.Sprint(list, "/", e.Index)] = e.State
		}
	}
	for id, was := range p.truth.licences {
		now, err := p.s.Licences.Licence(ctx, id)
		if errors.Is(err, licence.ErrUnknown) {
			if was.State().Issued() || !lost["licence/"+id] {
				p.Errorf("licence %s, which was %s, is gone, told %v", id, was.State(), lost["licence/"+id])
			}
			continue
		}
		p.must(err)
		place := fmt.Sprint(was.List, "/", was.Index)
		if was.State().Issued() && now.State() != was.State() {
			p.Errorf("licence %s was %s and is %s", id, was.State(), now.State())
		}
		var want licence.State // in the list: what is neither suspended nor revoked has no entry
		if state := was.State(); state == licence.Suspended || state == licence.Revoked {
			want = state
		}
		if was.State().Issued() && entries[place] != want {
			p.Errorf("place %s of licence %s, which is %s, says %q", place, id, was.State(), entries[place])
		}
		if was.State() == licence.Discarded && now.State() != licence.Discarded {
			p.Errorf("the draft %s was discarded and is %s", id, now.State())
		}
		if !was.State().Issued() {
			continue
		}
		if now.Lost != p.made["issue of "+id] || now.Lost && !lost["licence/"+id] {
			p.Errorf("licence %s: lost is %v, issued since the copy %v, told %v", id, now.Lost, p.made["issue of "+id],
				lost["licence/"+id])
		}
		found, err := p.s.Register.LookUpLicence(ctx, was.Identifier)
		if err != nil || found.Lost != now.Lost || found.Facts.State != was.State().Code() {
			p.Errorf("the register says of licence %s: %+v, %v", id, found, err)
		}
	}
	for identifier, id := range p.truth.identifiers {
		if err := p.s.Identifiers.ClaimIdentifier(ctx, identifier, "another"); !errors.Is(err, licence.ErrExists) {
			p.Errorf("the identifier %s of licence %s can be given again: %v", identifier, id, err)
		}
	}
	for n := range 60 {
		list := strings.Split(fmt.Sprint(agency, "-1 ", issuing, "-1 ", agency, "-2 ", issuing, "-2"), " ")[n%4]
		ticket, err := p.s.Tickets.TakeTicket(ctx, list, licence.ListSize, [32]byte{byte(n), 7})
		if errors.Is(err, licence.ErrListFull) {
			continue
		}
		p.must(err)
		if place := fmt.Sprint(list, "/", ticket.Index()); p.truth.places[place] {
			p.Errorf("the place %s is given a second time", place)
		}
	}
}

func (p *play) compareRights(lost map[string]bool) {
	ctx := p.Context()
	for name, may := range p.truth.mandates {
		person, organisation, _ := strings.Cut(name, "/")
		now, err := p.s.Mandated.Mandated(ctx, person, organisation, "seal.stamp")
		p.must(err)
		if now && !may || may && !now && !lost["mandate/"+name] {
			p.Errorf("the mandate %s: was %v, is %v, told %v", name, may, now, lost["mandate/"+name])
		}
	}
	for id, name := range p.truth.clients {
		c, err := p.s.Clients.Client(ctx, id)
		stale := err != nil || c.Name != name
		if stale && !lost["client/"+id] || err == nil && stale != c.Suspended {
			p.Errorf("client %s: stale %v, suspended %v, told %v", id, stale, c.Suspended, lost["client/"+id])
		}
	}
}

func (p *play) compareSignOn() {
	ctx := p.Context()
	for _, id := range p.truth.grants {
		if _, err := p.s.LiveGrants.LiveGrant(ctx, id); !errors.Is(err, access.ErrGrantGone) {
			p.Errorf("grant %s lives: %v", id, err)
		}
	}
	for _, id := range p.truth.sessions {
		if _, err := p.s.LiveSessions.LiveSession(ctx, id); !errors.Is(err, access.ErrSessionGone) {
			p.Errorf("session %s lives: %v", id, err)
		}
	}
	for _, code := range p.truth.shown {
		_, err := p.s.Shown.RedeemShowCode(ctx, code, p.event("licence.verify", ""))
		if !errors.Is(err, verify.ErrUnknown) && !errors.Is(err, verify.ErrCodeSpent) {
			p.Errorf("the shown code %s can be spent: %v", code, err)
		}
	}
	if known, err := p.s.Devices.KnownDevice(ctx, "zhang", "browser"); known || err != nil {
		p.Errorf("a device of before the epoch is known: %v, %v", known, err)
	}
}
