package embedded

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/verdict"
)

// TestARestoreThroughTheServices: what infra/drill says of events that it makes itself holds for those of the services.
func TestARestoreThroughTheServices(t *testing.T) {
	b := openBureau(t, t.TempDir())
	early := b.issued(t)
	earlyCredential := b.read(t, early.ID, "worker", "licence.show", "application/dc+sd-jwt").Body.String()
	b.add(time.Hour)
	putBack, from := snapshot(t, b.db), b.Now()
	b.add(time.Minute)

	issue := func(number string) (licenceView, string) {
		t.Helper()
		d := decode(t, b.send(t, "/licences", "sun", "licence.issue", number, serviceDraft()), 201)
		l := decode(t, b.verb(t, d.ID, "issue", "sun", labour, ""), 200)
		return l, b.read(t, l.ID, "worker", "licence.show", "application/dc+sd-jwt").Body.String()
	}
	revoked, revokedCredential := issue("one")
	kept, keptCredential := issue("two")
	face := b.read(t, kept.ID, "worker", "licence.show", "application/pdf").Body.Bytes()
	for _, id := range []string{early.ID, revoked.ID} {
		decode(t, b.verb(t, id, "revoke", "sun", labour, "申请材料不实(示例)"), 200)
	}
	stamps := 0
	trail, err := Events{b.db}.ByTime(t.Context(), time.Time{}, b.Now().Add(time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	var orders []string
	for _, e := range trail {
		if e.Action == "seal.stamp" && e.Outcome == audit.Done {
			stamps++
			orders = append(orders, e.Bound("order"))
		}
	}
	b.add(time.Minute)
	to := b.Now()
	putBack(t)
	b.add(time.Minute)
	b.db.Epoch = to

	licences, clients := Licences{b.db}, Clients{b.db}
	replay := audit.Replay(audit.ReplayPorts{Trail: Events{b.db}, Acts: Events{b.db}, Epoch: to, Now: b.Now,
		Seals: seal.ReplayPorts{Records: Seals{b.db}, Codes: SealCodes{b.db}, Orders: Orders{b.db}},
		Licences: licence.ReplayPorts{Records: licences, Identifiers: licences, Tickets: TicketKeeper{b.db}, Types: LicenceTypes{b.db},
			Rand: rand.Reader},
		Registry: registry.ReplayPorts{Organisations: Organisations{b.db}, OrganisationSaver: Organisations{b.db},
			Mandates: Mandates{b.db}, MandateSaver: Mandates{b.db}, Trail: Events{b.db}},
		Clients: oidc.ReplayPorts{Clients: clients, Saver: clients, Trail: Events{b.db}}})
	answer, err := replay(t.Context(), audit.ReplayOrder{From: from, To: to})
	if err != nil || answer.Cursor != "" {
		t.Fatalf("the replay answers %+v, %v", answer, err)
	}
	for _, l := range []licenceView{revoked, kept} {
		if !slices.ContainsFunc(answer.Lost, func(e audit.LostAct) bool {
			return e.Object == "licence/"+l.ID && e.Action == "licence.issue"
		}) {
			t.Errorf("licence %s is not told as lost", l.ID)
		}
	}
	if stamps != 6 || slices.Contains(orders, "") {
		t.Fatalf("%d stamps with the orders %v", stamps, orders)
	}
	for _, id := range orders {
		if o, err := (Orders{b.db}).Order(t.Context(), id); err != nil || o.State != seal.OrderDone {
			t.Errorf("order %s is %+v, %v", id, o, err)
		}
	}

	b.add(time.Hour)
	if err := b.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	judged := func(what string, v verdict.Verdict, want verdict.Overall, code string) {
		t.Helper()
		if v.Overall != want || code != "" && !slices.Contains(v.Failed(), code) && !slices.ContainsFunc(v.Checks, func(c verdict.Check) bool { return c.Code == code }) {
			t.Errorf("%s: %s, want %s %s%s", what, v.Overall, want, code, failures(v))
		}
	}
	judged("the credential of before, revoked since", b.judge(t, earlyCredential), verdict.Invalid, "LIC_REVOKED")
	judged("the credential of after, revoked", b.judge(t, revokedCredential), verdict.Invalid, "LIC_REVOKED")
	judged("the credential of after, not revoked", b.judge(t, keptCredential), verdict.Valid, "")
	judged("the identifier of after, revoked", b.judge(t, revoked.Identifier), verdict.Invalid, "LIC_REVOKED")
	judged("the identifier of after, not revoked", b.judge(t, kept.Identifier), verdict.Indeterminate, "LIC_LOST")
	judged("its face", b.verdict(t, "application/pdf", face), verdict.Indeterminate, "LIC_LOST")
	again, _ := issue("three")
	if again.Identifier == kept.Identifier || again.Identifier == revoked.Identifier {
		t.Error("an identifier is given twice")
	}
	next, err := licences.Licence(t.Context(), again.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []licenceView{early, revoked, kept} {
		old, err := licences.Licence(t.Context(), l.ID)
		if err != nil || old.List == next.List && old.Index == next.Index {
			t.Errorf("the place of %s is given twice, or %v", l.ID, err)
		}
	}
}
