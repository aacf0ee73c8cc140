// Package drill plays a restore on a store, for its tests: acts, a copy, more acts, the copy put back, the replay of
// the trail, and then the question whether anything that was taken away is there again.
//
//	acts ── Snapshot ── acts ── truth noted ── put back ── epoch raised ── audit.Replay ── truth compared
//
// The acts are drawn from a seed. They are what the services store, with the events that the services store with it.
package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/verify"
)

// Store is a store seen through the ports that a restore is about.
type Store struct {
	Seals         seal.Records
	Codes         seal.Codes
	Orders        seal.Orders
	Licences      licence.Records
	Identifiers   licence.Identifiers
	Register      verify.LicenceLookup
	Tickets       licence.Tickets
	Keeper        licence.TicketKeeper
	Entries       licence.ListEntries
	Types         licence.Types
	TypeSaver     licence.TypeSaver
	ShowCodes     licence.ShowCodes
	Shown         verify.ShowCodes
	Organisations registry.Organisations
	Agencies      registry.OrganisationSaver
	Mandated      registry.Mandates
	Mandates      registry.MandateLister
	MandateSaver  registry.MandateSaver
	Clients       oidc.Clients
	ClientSaver   oidc.ClientSaver
	Grants        oidc.GrantSaver
	Revoker       oidc.GrantRevoker
	LiveGrants    access.Grants
	Sessions      oidc.SessionSaver
	LiveSessions  access.Sessions
	Devices       account.Devices
	Trail         audit.Reader
	Recorder      audit.Recorder

	SetNow   func(time.Time)
	SetEpoch func(time.Time)
	// Snapshot copies every table but that of the trail, and returns what puts the copy back.
	Snapshot func(t *testing.T) (putBack func(t *testing.T))
}

// Begin is when a drill begins.
var Begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	agency  = "11990000YX0000067R" // issues home-service
	issuing = "11990000YX0000059Y"
)

// truth is what was so before the disaster.
type truth struct {
	seals       map[string]seal.State
	codes       map[string]string // code → seal
	orders      map[string]seal.OrderState
	licences    map[string]licence.Licence
	identifiers map[string]string // identifier → licence
	places      map[string]bool   // list/index
	mandates    map[string]bool   // person/organisation → may stamp
	clients     map[string]string // → name
	grants      []string
	sessions    []string
	shown       []string
	killed      map[string]bool
}

// play is one run.
type play struct {
	*testing.T
	s     Store
	rand  *rand.Rand
	now   time.Time
	n     int
	truth truth
	keys  *ring
	// after tells whether the copy was taken; made holds what was made since.
	after bool
	made  map[string]bool
}

// Restore plays a restore with several seeds.
func Restore(t *testing.T, acts int, open func(t *testing.T) Store) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { run(t, seed, acts, open(t)) })
	}
}

func run(t *testing.T, seed uint64, acts int, s Store) {
	p := &play{T: t, s: s, rand: rand.New(rand.NewPCG(seed, 1)), now: Begin, keys: &ring{}, made: map[string]bool{}, truth: truth{
		seals: map[string]seal.State{}, codes: map[string]string{}, orders: map[string]seal.OrderState{},
		licences: map[string]licence.Licence{}, identifiers: map[string]string{}, places: map[string]bool{},
		mandates: map[string]bool{}, clients: map[string]string{}, killed: map[string]bool{},
	}}
	p.types()
	for range acts {
		p.act()
	}
	putBack := s.Snapshot(t)
	keys := slices.Clone(p.keys.ids)
	from := p.now
	p.after = true
	for range acts {
		p.act()
	}
	to := p.tick()
	putBack(t)
	p.keys.ids = keys
	p.tick()
	putBackAgain := s.Snapshot(t)

	order := audit.ReplayOrder{From: from, To: to}
	if _, err := p.replay(time.Time{}, order); !errors.Is(err, audit.ErrEpoch) {
		t.Fatalf("a replay before the epoch is raised = %v, want ErrEpoch", err)
	}
	s.SetEpoch(to)
	first := p.drill(to, order)
	before := p.events()
	p.tick()
	again := p.drill(to, order)
	if !reflect.DeepEqual(first, again) {
		t.Errorf("a second replay answers otherwise:\n%+v\n%+v", first, again)
	}
	if after := p.events(); after != before {
		t.Errorf("a second replay left %d more events", after-before)
	}
	p.compare(first)

	// What the replay did is lost again: another begins where the first did, or is refused.
	second := audit.ReplayOrder{From: to, To: p.tick()}
	putBackAgain(t)
	p.keys.ids = keys
	p.tick()
	s.SetEpoch(second.To)
	if _, err := p.replay(second.To, second); !errors.Is(err, audit.ErrReplayPeriod) {
		t.Errorf("a replay of a replay alone = %v, want ErrReplayPeriod", err)
	}
	second.From = from
	p.compare(p.drill(second.To, second))
}

// tick lets a second pass.
func (p *play) tick() time.Time {
	p.now = p.now.Add(time.Second)
	p.s.SetNow(p.now)
	return p.now
}

func (p *play) id(kind string) string {
	p.n++
	return fmt.Sprintf("%s%d", kind, p.n)
}

// event is one of an act that is done now.
func (p *play) event(action, object string) audit.Event {
	return audit.Event{ID: p.id("e"), Time: p.now, Action: action, Person: "zhang", Organisation: agency, Object: object,
		Holder: agency, Division: "990000", Purpose: "演练(示例)", LegalBasis: "第一条", Outcome: audit.Done}
}

func (p *play) must(err error) {
	if err != nil {
		p.Helper()
		p.Fatal(err)
	}
}

func (p *play) replay(epoch time.Time, o audit.ReplayOrder) (audit.ReplayAnswer, error) {
	return audit.Replay(audit.ReplayPorts{
		Trail: p.s.Trail, Acts: p.s.Trail, Seals: seal.ReplayPorts{Records: p.s.Seals, Codes: p.s.Codes, Orders: p.s.Orders},
		Licences: licence.ReplayPorts{Records: p.s.Licences, Identifiers: p.s.Identifiers, Tickets: p.s.Keeper, Types: p.s.Types,
			Rand: source{p.rand}},
		Registry: registry.ReplayPorts{Organisations: p.s.Organisations, OrganisationSaver: p.s.Agencies, Mandates: p.s.Mandates,
			MandateSaver: p.s.MandateSaver, Trail: p.s.Trail},
		Clients:   oidc.ReplayPorts{Clients: p.s.Clients, Saver: p.s.ClientSaver, Trail: p.s.Trail},
		TokenKeys: audit.KillAgain{Keys: p.keys, Audit: p.s.Recorder},
		Epoch:     epoch, Now: func() time.Time { return p.now },
	})(p.Context(), o)
}

// drill calls the replay until it has no cursor, each page twice, as an operator may whose answer was lost.
func (p *play) drill(epoch time.Time, o audit.ReplayOrder) (whole audit.ReplayAnswer) {
	for range 100 {
		one, err := p.replay(epoch, o)
		p.must(err)
		two, err := p.replay(epoch, o)
		p.must(err)
		if !reflect.DeepEqual(one, two) {
			p.Fatalf("a page answers %d events, %d in force, %d lost; and then %d, %d, %d", one.Read, one.InForce,
				len(one.Lost), two.Read, two.InForce, len(two.Lost))
		}
		whole.Read += one.Read
		whole.InForce += one.InForce
		whole.Lost = append(whole.Lost, one.Lost...)
		if o.Cursor = one.Cursor; o.Cursor == "" {
			return whole
		}
	}
	p.Fatal("the replay does not end")
	return whole
}

func (p *play) trail() []audit.Event {
	list, err := p.s.Trail.ByTime(p.Context(), Begin, p.now.Add(time.Hour), 0)
	p.must(err)
	return list
}

func (p *play) events() int { return len(p.trail()) }

// types stores the licence types and the agencies.
func (p *play) types() {
	list, err := licence.SampleTypes()
	p.must(err)
	for _, d := range list {
		e := p.event("licence.type", "licence-type/"+d.Code)
		e.Digest, err = audit.RecordDigest(d)
		p.must(err)
		p.must(p.s.TypeSaver.SaveLicenceType(p.Context(), d, e))
	}
	for i := range 3 {
		p.keys.ids = append(p.keys.ids, fmt.Sprint("k", i))
	}
}

// act draws one act and does it.
func (p *play) act() {
	p.tick()
	acts := []func(){p.requestSeal, p.moveSeal, p.moveSeal, p.moveSeal, p.stamp, p.stamp, p.stamp, p.issue, p.issue,
		p.moveLicence, p.moveLicence, p.mandate, p.client, p.grant, p.show, p.kill}
	acts[p.rand.IntN(len(acts))]()
}

// one draws one of the names of a map, in a fixed order.
func one[V any](r *rand.Rand, m map[string]V) (string, bool) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	if len(names) == 0 {
		return "", false
	}
	slices.Sort(names)
	return names[r.IntN(len(names))], true
}

// ring is the token keys.
type ring struct{ ids []string }

// RotateKey implements [key.Rotator].
func (r *ring) RotateKey(context.Context, key.Purpose, string, key.Rotation) error { return nil }

// KillKey implements [key.Rotator].
func (r *ring) KillKey(_ context.Context, _ key.Purpose, _, id string) error {
	i := slices.Index(r.ids, id)
	if i < 0 {
		return key.ErrUnknown
	}
	r.ids = slices.Delete(slices.Clone(r.ids), i, i+1)
	return nil
}

// source is randomness from a seed.
type source struct{ *rand.Rand }

// Read implements io.Reader.
func (s source) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return len(b), nil
}
