package drill

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
)

// The acts of a play: each stores what a service stores, with the event that the service stores with it.

func (p *play) requestSeal() {
	s := seal.Seal{ID: p.id("seal"), Kind: seal.Statutory, Name: "示例机关", Years: 1,
		Owner: seal.Organisation{USCC: agency, Name: "示例机关", Division: "990000"}}
	s = changed(s, seal.VerbRequest, seal.Requested, p.now)
	p.must(p.s.Seals.CreateSeal(p.Context(), s, p.event("seal.request", "seal/"+s.ID)))
	p.truth.seals[s.ID] = seal.Requested
	p.made[s.ID] = p.after
}

func changed(s seal.Seal, v seal.Verb, to seal.State, at time.Time) seal.Seal {
	s.Revision++
	s.History = append(slices.Clip(s.History), seal.Change{Verb: v, State: to, At: at, Person: "zhang", Organisation: agency})
	return s
}

// moveSeal does to a seal what its state allows.
func (p *play) moveSeal() {
	id, ok := one(p.rand, p.truth.seals)
	if !ok {
		return
	}
	s, err := p.s.Seals.Seal(p.Context(), id)
	p.must(err)
	var rows []seal.Transition
	for _, row := range seal.Transitions {
		if slices.Contains(row.From, s.State()) {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return
	}
	row := rows[p.rand.IntN(len(rows))]
	e := p.event("seal."+string(row.Verb), "seal/"+id)
	if row.Verb == seal.VerbApprove {
		code, err := ident.NewSealCode("990000", 1+p.rand.IntN(99_999_999))
		p.must(err)
		p.must(p.s.Codes.ClaimSealCode(p.Context(), code.String(), id))
		s.Code, e.Binds = code.String(), "seal-code/"+code.String()
		p.truth.codes[s.Code] = id
	}
	if row.Verb == seal.VerbMake {
		s.Body = &seal.Body{ESL: []byte(p.id("esl"))}
	}
	p.must(p.s.Seals.ReplaceSeal(p.Context(), changed(s, row.Verb, row.To, p.now), e))
	p.truth.seals[id] = row.To
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// stamp uses a seal; some uses fail, some stay begun.
func (p *play) stamp() {
	active := map[string]bool{}
	for id, state := range p.truth.seals {
		if state == seal.Active {
			active[id] = true
		}
	}
	id, ok := one(p.rand, active)
	if !ok {
		return
	}
	o := seal.Order{ID: p.id("order"), Seal: id, Document: digestOf(p.id("document")), Person: "zhang", For: agency, At: p.now}
	e := p.event("seal.stamp", "seal/"+id)
	e.Outcome, e.Digest, e.Binds = audit.Begun, o.Document, "order/"+o.ID
	p.must(p.s.Orders.BeginOrder(p.Context(), o, e))
	p.truth.orders[o.ID] = seal.OrderBegun
	state, end := seal.OrderDone, digestOf(p.id("stamped"))
	switch p.rand.IntN(6) {
	case 0:
		return
	case 1:
		state, end = seal.OrderFailed, "internal"
		e.Outcome, e.Reason = audit.Failed, end
	default:
		e.Outcome, e.Digest = audit.Done, end
	}
	e.ID += "-end"
	p.must(p.s.Orders.FinishOrder(p.Context(), o.ID, state, end, e))
	p.truth.orders[o.ID] = state
}

// issue drafts a licence and mostly issues it; some issuing stops half way.
func (p *play) issue() {
	types, err := p.s.Types.LicenceTypes(p.Context())
	p.must(err)
	d := types[p.rand.IntN(len(types))]
	uscc := d.Issuers[0]
	l := licence.Licence{ID: p.id("licence"), TypeCode: d.Code, Issuer: licence.Agency{USCC: uscc, Division: "990000"}, Version: 1,
		Holder: licence.Holder{Subject: "worker", Type: d.Holder, Name: "周八(示例)"}, ValidFrom: "2026-01-01"}
	event := func(action string) audit.Event {
		e := p.event(action, "licence/"+l.ID)
		e.Organisation, e.Holder = uscc, l.Holder.Subject
		return e
	}
	l = advanced(l, licence.VerbDraft, licence.Draft, p.now)
	p.must(p.s.Licences.CreateLicence(p.Context(), l, event("licence.draft")))
	p.truth.licences[l.ID], p.made[l.ID] = l, p.after
	if p.rand.IntN(6) == 0 {
		return
	}
	p.tick()
	list := uscc + "-1"
	if p.after && p.rand.IntN(4) == 0 {
		list = uscc + "-2" // a list whose key the copy does not have
	}
	ticket, err := p.s.Tickets.TakeTicket(p.Context(), list, licence.ListSize, [32]byte{byte(p.n), byte(p.n >> 8)})
	p.must(err)
	serial := strings.ToUpper(fmt.Sprintf("%020x", p.rand.Uint64()))
	identifier, err := ident.NewLicenceID(d.Code, uscc, serial, 1)
	p.must(err)
	l.List, l.Index, l.Identifier = list, ticket.Index(), identifier.String()
	p.must(p.s.Identifiers.ClaimIdentifier(p.Context(), l.Identifier, l.ID))
	p.truth.identifiers[l.Identifier] = l.ID
	p.truth.places[fmt.Sprint(l.List, "/", l.Index)] = true
	begun := event("licence.issue")
	begun.Outcome, begun.Binds = audit.Begun, l.Binds()
	l = advanced(l, licence.VerbIssue, licence.Issuing, p.now)
	p.must(p.s.Licences.ReplaceLicence(p.Context(), l, begun))
	p.truth.licences[l.ID] = l
	if p.rand.IntN(6) == 0 {
		return
	}
	p.tick()
	done := begun
	done.ID, done.Outcome, done.Time = p.id("e"), audit.Done, p.now
	l.Issue = &licence.Issuance{At: p.now, Credential: "x"}
	l = advanced(l, licence.VerbIssue, licence.Active, p.now)
	p.must(p.s.Licences.ReplaceLicence(p.Context(), l, done))
	p.truth.licences[l.ID] = l
	p.made["issue of "+l.ID] = p.after
}

func advanced(l licence.Licence, v licence.Verb, to licence.State, at time.Time) licence.Licence {
	l.Revision++
	l.History = append(slices.Clip(l.History), licence.Change{Verb: v, State: to, At: at, Person: "zhang"})
	return l
}

// moveLicence does to a licence what its state allows, but for issuing.
func (p *play) moveLicence() {
	id, ok := one(p.rand, p.truth.licences)
	if !ok {
		return
	}
	l := p.truth.licences[id]
	var rows []licence.Transition
	for _, row := range licence.Transitions {
		if slices.Contains(row.From, l.State()) && row.Verb != licence.VerbIssue {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return
	}
	row := rows[p.rand.IntN(len(rows))]
	l = advanced(l, row.Verb, row.To, p.now)
	e := p.event("licence."+string(row.Verb), "licence/"+id)
	e.Holder = l.Holder.Subject
	p.must(p.s.Licences.ReplaceLicence(p.Context(), l, e))
	p.truth.licences[id] = l
}

// mandate gives one, or ends or changes it.
func (p *play) mandate() {
	m := registry.Mandate{Person: fmt.Sprint("p", p.rand.IntN(4)), Organisation: agency, Roles: []string{"seal.stamp"}}
	if p.rand.IntN(2) == 0 {
		m.To = p.now
	}
	name := m.Person + "/" + m.Organisation
	e := p.event("registry.mandate", "mandate/"+name)
	var err error
	e.Digest, err = audit.RecordDigest(m)
	p.must(err)
	p.must(p.s.MandateSaver.SaveMandate(p.Context(), m, e))
	p.truth.mandates[name] = m.To.IsZero()
}

func (p *play) client() {
	c := oidc.Client{ID: fmt.Sprint("c", p.rand.IntN(4)), Name: p.id("name")}
	e := p.event("client.save", "client/"+c.ID)
	var err error
	e.Digest, err = audit.RecordDigest(c)
	p.must(err)
	p.must(p.s.ClientSaver.SaveClient(p.Context(), c, e))
	p.truth.clients[c.ID] = c.Name
	p.tick() // a consent is told of the same object
	p.must(p.s.Recorder.Record(p.Context(), p.event("consent.add", "client/"+c.ID)))
}

// grant signs somebody on; some are signed out again.
func (p *play) grant() {
	g := oidc.Grant{ID: p.id("grant"), Client: "c", Person: "zhang", Created: p.now, Expires: p.now.Add(time.Hour),
		Redeemed: p.now}
	p.must(p.s.Grants.SaveGrant(p.Context(), g, p.event("grant.save", "grant/"+g.ID)))
	n := oidc.Session{ID: p.id("session"), Person: "zhang", AuthTime: p.now, Expires: p.now.Add(time.Hour)}
	p.must(p.s.Sessions.SaveSession(p.Context(), n, p.event("session.begin", "person/zhang")))
	p.must(p.s.Devices.RememberDevice(p.Context(), "zhang", "browser", p.now.Add(account.DeviceLife)))
	p.truth.grants, p.truth.sessions = append(p.truth.grants, g.ID), append(p.truth.sessions, n.ID)
	if p.rand.IntN(2) == 0 {
		p.must(p.s.Revoker.RevokeGrant(p.Context(), g.ID, p.now, p.event("grant.revoke", "grant/"+g.ID)))
		p.must(p.s.Sessions.EndSession(p.Context(), n.ID, p.now, p.event("session.end", "person/zhang")))
	}
}

// show mints a code; some are looked at.
func (p *play) show() {
	code := p.id("code")
	c := licence.ShowCode{Hash: licence.ShowCodeHash(code), Licence: "l", Holder: "worker", Division: "990000", Minted: p.now,
		Expires: p.now.Add(time.Hour)}
	p.must(p.s.ShowCodes.SaveShowCode(p.Context(), c, p.event("licence.show", "licence/l")))
	p.truth.shown = append(p.truth.shown, code)
	if p.rand.IntN(2) == 0 {
		_, err := p.s.Shown.RedeemShowCode(p.Context(), code, p.event("licence.verify", ""))
		p.must(err)
	}
}

func (p *play) kill() {
	if len(p.keys.ids) < 2 {
		return
	}
	id := p.keys.ids[p.rand.IntN(len(p.keys.ids))]
	_, err := audit.Kill(audit.KillPorts{Keys: p.keys, Audit: p.s.Recorder, Now: func() time.Time { return p.now },
		Rand: source{p.rand}})(p.Context(), key.KillOrder{KeyID: id})
	p.must(err)
	p.truth.killed[id] = true
}
