// Package licencetest holds the contracts of the ports of shared/licence as tests. Every adapter runs them.
//
//	open ── fresh store ── each sentence of the contract, one subtest; atomic steps raced by 60 goroutines
//
// It does not test [licence.FaceStamper], which is another service.
package licencetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/audit/audittest"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
)

// Noon is when the stores that are opened stand.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func event(id, object string) audit.Event {
	return audit.Event{ID: id, Time: Noon, Action: "licence.test", Object: object, Outcome: audit.Done}
}

func draft(id, subject string) licence.Licence {
	return licence.Licence{ID: id, Revision: 1, Request: "r", TypeCode: "11990000YX0000067R001",
		Issuer: licence.Agency{USCC: "11990000YX0000067R", Name: "示例省人力资源和社会保障厅", Division: "990000"},
		Holder: licence.Holder{Subject: subject, Type: ident.CitizenIDType, Code: "990000199202140010", Name: "周八(示例)"},
		Number: "FW1", Fields: map[string]string{"employer": "示例家政服务有限公司"}, ValidFrom: "2026-03-01",
		History: []licence.Change{{Verb: licence.VerbDraft, State: licence.Draft, At: Noon, Person: "p1"}}}
}

// after returns l one revision later, in a state.
func after(l licence.Licence, s licence.State) licence.Licence {
	l.Revision++
	l.History = append(slices.Clip(l.History), licence.Change{Verb: licence.VerbIssue, State: s, At: Noon})
	return l
}

// Store is a store of licences, seen through the ports over one table.
type Store struct {
	Records     licence.Records
	Reader      licence.Reader
	Identifiers licence.Identifiers
	Aliases     licence.IdentifierReader
	Holders     licence.HolderReader
	Artefacts   licence.Artefacts
	Entries     licence.ListEntries
	Tickets     licence.Tickets
	Events      audit.Reader
}

// Licences is the contract of the ports in [Store].
func Licences(t *testing.T, open func(t *testing.T) Store) {
	t.Run("records", func(t *testing.T) { records(t, open) })
	t.Run("identifiers", func(t *testing.T) { identifiers(t, open) })
	t.Run("tickets", func(t *testing.T) { tickets(t, open) })
	t.Run("lists", func(t *testing.T) { lists(t, open) })
	t.Run("artefacts", func(t *testing.T) { artefacts(t, open) })
}

func records(t *testing.T, open func(t *testing.T) Store) {
	ctx := context.Background()
	t.Run("a licence is read back as it was written, with its event", func(t *testing.T) {
		s := open(t)
		l := draft("l1", "worker")
		l.Identifier, l.List, l.Index, l.Version = "1.2.156.3005.2.x", "a-1", 711, 1
		l.Issue = &licence.Issuance{At: Noon, Credential: "a~b~", Faces: map[licence.Format]string{licence.PDF: "l1/2/face.pdf"}}
		if err := s.Records.CreateLicence(ctx, l, event("e1", "licence/l1")); err != nil {
			t.Fatal(err)
		}
		for _, r := range []licence.Reader{s.Records, s.Reader} {
			if got, err := r.Licence(ctx, "l1"); err != nil || !reflect.DeepEqual(got, l) {
				t.Fatalf("Licence = %+v, %v, want %+v", got, err, l)
			}
		}
		if es, err := s.Events.ByObject(ctx, "licence/l1"); err != nil || len(es) != 1 || es[0].ID != "e1" {
			t.Fatalf("events = %v, %v, want e1", es, err)
		}
	})
	t.Run("an unknown licence is ErrUnknown", func(t *testing.T) {
		s := open(t)
		if _, err := s.Records.Licence(ctx, "l1"); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("Licence = %v, want ErrUnknown", err)
		}
		if err := s.Records.ReplaceLicence(ctx, after(draft("l1", "w"), licence.Active), event("e", "licence/l1")); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("ReplaceLicence = %v, want ErrUnknown", err)
		}
		if es, err := s.Events.ByObject(ctx, "licence/l1"); err != nil || len(es) != 0 {
			t.Errorf("events = %v, %v, want none", es, err)
		}
	})
	t.Run("of concurrent creations under one identifier one succeeds", func(t *testing.T) {
		s := open(t)
		winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
			return s.Records.CreateLicence(ctx, draft("l1", fmt.Sprint("w", n)), event(fmt.Sprint("e", n), "licence/l1"))
		}), licence.ErrExists)
		if got, err := s.Records.Licence(ctx, "l1"); err != nil || got.Holder.Subject != fmt.Sprint("w", winner) {
			t.Errorf("the stored licence is of %s, %v; want the winner's, %d", got.Holder.Subject, err, winner)
		}
		if es, err := s.Events.ByObject(ctx, "licence/l1"); err != nil || len(es) != 1 || es[0].ID != fmt.Sprint("e", winner) {
			t.Errorf("events = %v, %v, want the winner's", es, err)
		}
		for n := range 60 {
			ids, err := s.Holders.LicencesOf(ctx, fmt.Sprint("w", n))
			if err != nil || len(ids) > 0 && n != winner {
				t.Errorf("holder %d has %v, %v", n, ids, err)
			}
		}
	})
	t.Run("of concurrent changes of one revision one succeeds", func(t *testing.T) {
		s := open(t)
		l := draft("l1", "worker")
		if err := s.Records.CreateLicence(ctx, l, event("e", "licence/l1")); err != nil {
			t.Fatal(err)
		}
		winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
			next := after(l, licence.Issuing)
			next.Index = n
			return s.Records.ReplaceLicence(ctx, next, event(fmt.Sprint("e", n), "licence/l1"))
		}), licence.ErrChanged)
		if got, err := s.Records.Licence(ctx, "l1"); err != nil || got.Index != winner || got.Revision != 2 {
			t.Errorf("the stored licence is that of %d, %v; want %d", got.Index, err, winner)
		}
		if es, err := s.Events.ByObject(ctx, "licence/l1"); err != nil || len(es) != 2 {
			t.Errorf("%d events, %v, want two", len(es), err)
		}
		if err := s.Records.ReplaceLicence(ctx, after(after(after(l, licence.Active), licence.Active), licence.Active), event("x", "licence/l1")); !errors.Is(err, licence.ErrChanged) {
			t.Errorf("a revision left out: %v, want ErrChanged", err)
		}
	})
	t.Run("a holder's licences come oldest first and nobody else's", func(t *testing.T) {
		s := open(t)
		for i, id := range []string{"l3", "l1", "l2"} {
			e := event("e"+id, "licence/"+id)
			e.Time = Noon.Add(time.Duration(i) * time.Hour)
			if err := s.Records.CreateLicence(ctx, draft(id, "w1"), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Records.CreateLicence(ctx, draft("l4", "w11"), event("e4", "licence/l4")); err != nil {
			t.Fatal(err)
		}
		if ids, err := s.Holders.LicencesOf(ctx, "w1"); err != nil || !slices.Equal(ids, []string{"l3", "l1", "l2"}) {
			t.Errorf("LicencesOf = %v, %v", ids, err)
		}
	})
}

func identifiers(t *testing.T, open func(t *testing.T) Store) {
	ctx := context.Background()
	t.Run("of concurrent claims of one identifier one succeeds, and again for the same licence", func(t *testing.T) {
		s := open(t)
		winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
			return s.Identifiers.ClaimIdentifier(ctx, "1.2.156.3005.2.x", fmt.Sprint("l", n))
		}), licence.ErrExists)
		id := fmt.Sprint("l", winner)
		if got, err := s.Aliases.LicenceByIdentifier(ctx, "1.2.156.3005.2.x"); err != nil || got != id {
			t.Errorf("LicenceByIdentifier = %s, %v, want %s", got, err, id)
		}
		if err := s.Identifiers.ClaimIdentifier(ctx, "1.2.156.3005.2.x", id); err != nil {
			t.Errorf("claiming it again = %v", err)
		}
	})
	t.Run("an identifier that nobody claimed is ErrUnknown", func(t *testing.T) {
		if _, err := open(t).Aliases.LicenceByIdentifier(ctx, "x"); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("LicenceByIdentifier = %v, want ErrUnknown", err)
		}
	})
}

func tickets(t *testing.T, open func(t *testing.T) Store) {
	ctx := context.Background()
	t.Run("of concurrent takers each gets a place of its own, all the key of the first", func(t *testing.T) {
		s := open(t)
		got := make([]licence.Ticket, 60)
		for n, err := range audittest.Race(func(n int) (err error) {
			got[n], err = s.Tickets.TakeTicket(ctx, "a-1", 1000, [32]byte{byte(n + 1)})
			return err
		}) {
			if err != nil {
				t.Fatalf("call %d: %v", n, err)
			}
		}
		seen := map[int]bool{}
		for _, ticket := range got {
			if seen[ticket.Sequence] || ticket.Sequence < 0 || ticket.Sequence >= 60 {
				t.Errorf("sequence %d was given twice or lies outside", ticket.Sequence)
			}
			seen[ticket.Sequence] = true
			if ticket.Key != got[0].Key || ticket.Key == ([32]byte{}) {
				t.Errorf("the list has two keys, or none")
			}
		}
	})
	t.Run("a full list gives none", func(t *testing.T) {
		s := open(t)
		winners := 0
		for _, err := range audittest.Race(func(int) error {
			_, err := s.Tickets.TakeTicket(ctx, "a-1", 8, [32]byte{1})
			return err
		}) {
			switch {
			case err == nil:
				winners++
			case !errors.Is(err, licence.ErrListFull):
				t.Errorf("TakeTicket = %v, want ErrListFull", err)
			}
		}
		if winners != 8 {
			t.Errorf("%d places were given in a list of 8", winners)
		}
		if ticket, err := s.Tickets.TakeTicket(ctx, "a-2", 8, [32]byte{2}); err != nil || ticket.Sequence != 0 {
			t.Errorf("another list = %+v, %v", ticket, err)
		}
	})
}

// TicketKeeper is the contract of [licence.TicketKeeper] beside [licence.Tickets].
func TicketKeeper(t *testing.T, open func(t *testing.T) (licence.Tickets, licence.TicketKeeper)) {
	ctx := context.Background()
	t.Run("a list in which no place was given has no key", func(t *testing.T) {
		_, keeper := open(t)
		if _, err := keeper.ListKey(ctx, "a-1"); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("ListKey = %v, want ErrUnknown", err)
		}
	})
	t.Run("a place below the mark is not given again, whoever raises and takes at one time", func(t *testing.T) {
		tickets, keeper := open(t)
		if first, err := tickets.TakeTicket(ctx, "a-1", 1000, [32]byte{1}); err != nil || first.Sequence != 0 {
			t.Fatalf("TakeTicket = %+v, %v", first, err)
		}
		for n, err := range audittest.Race(func(n int) error { return keeper.RaiseTickets(ctx, "a-1", n*3, [32]byte{2}) }) {
			if err != nil {
				t.Fatalf("raising to %d: %v", n*3, err)
			}
		}
		highest := 3 * 59
		if err := keeper.RaiseTickets(ctx, "a-1", 2, [32]byte{3}); err != nil {
			t.Errorf("raising to less = %v, want nothing done", err)
		}
		next, err := tickets.TakeTicket(ctx, "a-1", 1000, [32]byte{4})
		if err != nil || next.Sequence != highest || next.Key != ([32]byte{1}) {
			t.Errorf("the next ticket = %+v, %v, want %d under the first key", next, err, highest)
		}
		if key, err := keeper.ListKey(ctx, "a-1"); err != nil || key != ([32]byte{1}) {
			t.Errorf("ListKey = %v, %v", key, err)
		}
	})
	t.Run("a list that is raised to its end before it is there gives no place", func(t *testing.T) {
		tickets, keeper := open(t)
		if err := keeper.RaiseTickets(ctx, "a-1", 8, [32]byte{5}); err != nil {
			t.Fatal(err)
		}
		if _, err := tickets.TakeTicket(ctx, "a-1", 8, [32]byte{6}); !errors.Is(err, licence.ErrListFull) {
			t.Errorf("TakeTicket = %v, want ErrListFull", err)
		}
	})
}

func lists(t *testing.T, open func(t *testing.T) Store) {
	ctx := context.Background()
	t.Run("the entries of a list are its suspended and revoked licences", func(t *testing.T) {
		s := open(t)
		for i, state := range []licence.State{licence.Draft, licence.Issuing, licence.Active, licence.Suspended, licence.Revoked} {
			l := draft(fmt.Sprint("l", i), "w")
			l.History[0].State, l.List, l.Index = state, "a-1", i+100
			if err := s.Records.CreateLicence(ctx, l, event(fmt.Sprint("e", i), "licence/"+l.ID)); err != nil {
				t.Fatal(err)
			}
		}
		other := draft("l9", "w")
		other.History[0].State, other.List, other.Index = licence.Revoked, "a-11", 9
		if err := s.Records.CreateLicence(ctx, other, event("e9", "licence/l9")); err != nil {
			t.Fatal(err)
		}
		want := map[int]licence.State{103: licence.Suspended, 104: licence.Revoked}
		check := func() {
			t.Helper()
			entries, err := s.Entries.ListEntries(ctx, "a-1")
			if err != nil || len(entries) != len(want) {
				t.Fatalf("entries = %v, %v, want %v", entries, err, want)
			}
			for _, e := range entries {
				if want[e.Index] != e.State {
					t.Errorf("entry %+v, want %s", e, want[e.Index])
				}
			}
		}
		check()
		l, err := s.Records.Licence(ctx, "l2")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Records.ReplaceLicence(ctx, after(l, licence.Revoked), event("r", "licence/l2")); err != nil {
			t.Fatal(err)
		}
		want[102] = licence.Revoked
		check()
		if l, err = s.Records.Licence(ctx, "l3"); err != nil {
			t.Fatal(err)
		}
		if err := s.Records.ReplaceLicence(ctx, after(l, licence.Active), event("u", "licence/l3")); err != nil {
			t.Fatal(err)
		}
		delete(want, 103)
		check()
	})
	t.Run("the lists are those in which places were given", func(t *testing.T) {
		s := open(t)
		if got, err := s.Entries.OpenLists(ctx); err != nil || len(got) != 0 {
			t.Errorf("OpenLists = %v, %v, want none", got, err)
		}
		for _, name := range []string{"b-1", "a-1", "b-1"} {
			if _, err := s.Tickets.TakeTicket(ctx, name, 10, [32]byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Entries.OpenLists(ctx)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, []string{"a-1", "b-1"}) {
			t.Errorf("OpenLists = %v, %v", got, err)
		}
	})
}

func artefacts(t *testing.T, open func(t *testing.T) Store) {
	ctx := context.Background()
	t.Run("an artefact is read back byte for byte", func(t *testing.T) {
		s := open(t)
		data := bytes.Repeat([]byte{0, 1, 0xff}, 100_000)
		if err := s.Artefacts.PutArtefact(ctx, "l1/2/face.pdf", data); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Artefacts.Artefact(ctx, "l1/2/face.pdf"); err != nil || !bytes.Equal(got, data) {
			t.Errorf("Artefact = %d bytes, %v", len(got), err)
		}
		if _, err := s.Artefacts.Artefact(ctx, "l1/2/face.ofd"); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("another name = %v, want ErrUnknown", err)
		}
	})
}

// TypeStore is a store of licence types.
type TypeStore struct {
	Types  licence.Types
	Saver  licence.TypeSaver
	Events audit.Reader
}

// Types is the contract of [licence.Types] and [licence.TypeSaver].
func Types(t *testing.T, open func(t *testing.T) TypeStore) {
	ctx := context.Background()
	samples, err := licence.SampleTypes()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a type is read back as it was saved, and all of them by code", func(t *testing.T) {
		s := open(t)
		if _, err := s.Types.LicenceType(ctx, samples[0].Code); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("LicenceType = %v, want ErrUnknown", err)
		}
		for i, d := range slices.Backward(samples) {
			if err := s.Saver.SaveLicenceType(ctx, d, event(fmt.Sprint("e", i), "licence-type/"+d.Code)); err != nil {
				t.Fatal(err)
			}
		}
		all, err := s.Types.LicenceTypes(ctx)
		if err != nil || len(all) != len(samples) {
			t.Fatalf("LicenceTypes = %d types, %v", len(all), err)
		}
		for i, d := range samples {
			got, err := s.Types.LicenceType(ctx, d.Code)
			if err != nil || !reflect.DeepEqual(got, d) || !reflect.DeepEqual(all[i], d) {
				t.Errorf("LicenceType = %+v, %v, want %+v", got, err, d)
			}
		}
	})
	t.Run("saving what is there already leaves no event", func(t *testing.T) {
		s := open(t)
		d := samples[0]
		for i := range 3 {
			if i == 2 {
				d.Version++
			}
			if err := s.Saver.SaveLicenceType(ctx, d, event(fmt.Sprint("e", i), "licence-type/"+d.Code)); err != nil {
				t.Fatal(err)
			}
		}
		if es, err := s.Events.ByObject(ctx, "licence-type/"+d.Code); err != nil || len(es) != 2 {
			t.Errorf("%d events, %v, want those of the first and the changed", len(es), err)
		}
	})
}

// People is what the stores of [Directory] hold.
type People struct {
	Agency   licence.Agency
	Person   licence.Holder
	Mandate  [3]string // person, organisation, role
	Enrolled string    // the agency whose key of the purpose LicenceIssuer has a certificate
}

// DirectoryPorts are the ports that show licences the people and organisations of others.
type DirectoryPorts struct {
	Agencies     licence.Agencies
	Holders      licence.Holders
	Mandates     licence.Mandates
	Certificates licence.IssuerCertificates
}

// Directory is the contract of the ports in [DirectoryPorts].
func Directory(t *testing.T, open func(t *testing.T, p People) DirectoryPorts) {
	ctx := context.Background()
	p := People{
		Agency:   licence.Agency{USCC: "11990000YX0000067R", Name: "示例省人力资源和社会保障厅", Division: "990000"},
		Person:   licence.Holder{Subject: "worker", Type: ident.CitizenIDType, Code: "990000199202140010", Name: "周八(示例)"},
		Mandate:  [3]string{"sun", "11990000YX0000067R", licence.Role},
		Enrolled: "11990000YX0000067R",
	}
	t.Run("who is registered is found, nobody else", func(t *testing.T) {
		d := open(t, p)
		if got, err := d.Agencies.Agency(ctx, p.Agency.USCC); err != nil || got != p.Agency {
			t.Errorf("Agency = %+v, %v", got, err)
		}
		if _, err := d.Agencies.Agency(ctx, "11990000YX0000059Y"); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("another agency = %v, want ErrUnknown", err)
		}
		if got, err := d.Holders.Holder(ctx, ident.CitizenIDType, p.Person.Code); err != nil || got != p.Person {
			t.Errorf("Holder = %+v, %v", got, err)
		}
		want := licence.Holder{Subject: p.Agency.USCC, Type: ident.USCCType, Code: p.Agency.USCC, Name: p.Agency.Name}
		if got, err := d.Holders.Holder(ctx, ident.USCCType, p.Agency.USCC); err != nil || got != want {
			t.Errorf("Holder = %+v, %v, want %+v", got, err, want)
		}
		for _, c := range []struct {
			kind ident.HolderType
			code string
		}{{ident.CitizenIDType, "990000197508200048"}, {ident.USCCType, p.Person.Code}, {ident.CitizenIDType, p.Agency.USCC},
			{ident.CitizenIDType, ""}, {"", p.Person.Code}} {
			if got, err := d.Holders.Holder(ctx, c.kind, c.code); !errors.Is(err, licence.ErrUnknown) {
				t.Errorf("Holder(%s, %s) = %+v, %v, want ErrUnknown", c.kind, c.code, got, err)
			}
		}
	})
	t.Run("a mandate is one person's, for one organisation and role", func(t *testing.T) {
		d := open(t, p)
		for _, c := range [][3]string{p.Mandate, {"li", p.Mandate[1], p.Mandate[2]}, {p.Mandate[0], "x", p.Mandate[2]},
			{p.Mandate[0], p.Mandate[1], licence.RoleRead}} {
			if got, err := d.Mandates.Mandated(ctx, c[0], c[1], c[2]); err != nil || got != (c == p.Mandate) {
				t.Errorf("Mandated(%v) = %t, %v", c, got, err)
			}
		}
	})
	t.Run("an agency has the certificate of each of its keys, the root left out", func(t *testing.T) {
		d := open(t, p)
		chain, err := d.Certificates.IssuerChain(ctx, key.LicenceIssuer, p.Enrolled)
		if err != nil || len(chain) < 1 || len(chain[0]) == 0 {
			t.Errorf("IssuerChain = %d certificates, %v", len(chain), err)
		}
		if _, err := d.Certificates.IssuerChain(ctx, key.StatusList, p.Enrolled); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("the chain of another key = %v, want ErrUnknown", err)
		}
		if _, err := d.Certificates.IssuerChain(ctx, key.LicenceIssuer, "11990000YX0000059Y"); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("the chain of another agency = %v, want ErrUnknown", err)
		}
	})
}

// ListStore is a store of published status lists.
type ListStore struct {
	Reader    licence.StatusListReader
	Publisher licence.StatusListPublisher
	Events    audit.Reader
}

// StatusLists is the contract of [licence.StatusListReader] and [licence.StatusListPublisher].
func StatusLists(t *testing.T, open func(t *testing.T) ListStore) {
	ctx := context.Background()
	published := func(revision int, token string) licence.Published {
		return licence.Published{Token: token, IssuedAt: Noon, Content: "c" + token, Revision: revision}
	}
	t.Run("a list is read back as it was published, and all in order", func(t *testing.T) {
		s := open(t)
		if _, err := s.Reader.StatusList(ctx, "a-1"); !errors.Is(err, licence.ErrUnknown) {
			t.Errorf("StatusList = %v, want ErrUnknown", err)
		}
		for _, name := range []string{"b-1", "a-1"} {
			if err := s.Publisher.PublishStatusList(ctx, name, published(1, name), event("e"+name, "status-list/"+name)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Reader.StatusList(ctx, "a-1"); err != nil || got != published(1, "a-1") {
			t.Errorf("StatusList = %+v, %v", got, err)
		}
		if names, err := s.Reader.StatusLists(ctx); err != nil || !slices.Equal(names, []string{"a-1", "b-1"}) {
			t.Errorf("StatusLists = %v, %v", names, err)
		}
		if es, err := s.Events.ByObject(ctx, "status-list/a-1"); err != nil || len(es) != 1 {
			t.Errorf("events = %v, %v", es, err)
		}
	})
	t.Run("of concurrent publishers of one revision one succeeds, and nothing older follows", func(t *testing.T) {
		s := open(t)
		for _, revision := range []int{1, 2} {
			winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
				return s.Publisher.PublishStatusList(ctx, "a-1", published(revision, fmt.Sprint("t", n)),
					event(fmt.Sprint("e", revision, "-", n), "status-list/a-1"))
			}), licence.ErrChanged)
			if got, err := s.Reader.StatusList(ctx, "a-1"); err != nil || got.Token != fmt.Sprint("t", winner) {
				t.Errorf("StatusList = %s, %v, want that of the winner %d", got.Token, err, winner)
			}
		}
		for _, revision := range []int{1, 2, 4} {
			if err := s.Publisher.PublishStatusList(ctx, "a-1", published(revision, "late"), event("late", "status-list/a-1")); !errors.Is(err, licence.ErrChanged) {
				t.Errorf("revision %d after 2 = %v, want ErrChanged", revision, err)
			}
		}
		if es, err := s.Events.ByObject(ctx, "status-list/a-1"); err != nil || len(es) != 2 {
			t.Errorf("%d events, %v, want the winners'", len(es), err)
		}
	})
}

// CodeStore is a store of show codes with what redeems them, which another service owns.
type CodeStore struct {
	Codes  licence.ShowCodes
	Redeem func(code string, e audit.Event) (presentation string, err error)
	SetNow func(time.Time)
	Events audit.Reader
	// ErrSpent and ErrUnknown are what Redeem answers for a code that was used and for one that never was or has expired.
	ErrSpent, ErrUnknown error
}

// ShowCodes is the contract of [licence.ShowCodes] together with its redeemer.
func ShowCodes(t *testing.T, open func(t *testing.T) CodeStore) {
	ctx := context.Background()
	mint := func(t *testing.T, s CodeStore, code string) licence.ShowCode {
		t.Helper()
		c := licence.ShowCode{Hash: licence.ShowCodeHash(code), Licence: "l1", Holder: "worker", Division: "990000",
			Presentation: "a~b~", Minted: Noon, Expires: Noon.Add(time.Minute)}
		if err := s.Codes.SaveShowCode(ctx, c, event("mint-"+code, "licence/l1")); err != nil {
			t.Fatal(err)
		}
		return c
	}
	look := func(id string) audit.Event {
		return audit.Event{ID: id, Time: Noon, Action: "licence.verify", Purpose: "核验(示例)", Outcome: audit.Done}
	}
	t.Run("of concurrent looks with one code one succeeds, and is in the holder's ledger", func(t *testing.T) {
		s := open(t)
		c := mint(t, s, "code-1")
		got := make([]string, 60)
		winner := audittest.OneWinner(t, audittest.Race(func(n int) (err error) {
			got[n], err = s.Redeem("code-1", look(fmt.Sprint("look", n)))
			return err
		}), s.ErrSpent)
		for n, presentation := range got {
			if want := map[bool]string{true: c.Presentation}[n == winner]; presentation != want {
				t.Errorf("call %d got %q", n, presentation)
			}
		}
		es, err := s.Events.ByHolder(ctx, "worker", 10)
		if err != nil || len(es) != 1 || es[0].ID != fmt.Sprint("look", winner) || es[0].Object != "licence/l1" ||
			es[0].Division != "990000" {
			t.Errorf("ledger = %+v, %v, want the winner's look", es, err)
		}
		s.SetNow(Noon.Add(time.Hour))
		if _, err := s.Redeem("code-1", look("later")); !errors.Is(err, s.ErrSpent) {
			t.Errorf("after its time a spent code = %v, want that it is spent", err)
		}
	})
	t.Run("a code is good until the moment at which it expires", func(t *testing.T) {
		s := open(t)
		mint(t, s, "code-1")
		mint(t, s, "code-2")
		s.SetNow(Noon.Add(time.Minute - time.Nanosecond))
		if _, err := s.Redeem("code-1", look("look1")); err != nil {
			t.Errorf("just before = %v", err)
		}
		s.SetNow(Noon.Add(time.Minute))
		if _, err := s.Redeem("code-2", look("look2")); !errors.Is(err, s.ErrUnknown) {
			t.Errorf("at its end = %v, want unknown", err)
		}
		if _, err := s.Redeem("never", look("look3")); !errors.Is(err, s.ErrUnknown) {
			t.Errorf("a code that never was = %v, want unknown", err)
		}
		if es, err := s.Events.ByHolder(ctx, "worker", 10); err != nil || len(es) != 1 {
			t.Errorf("%d looks in the ledger, %v, want one", len(es), err)
		}
	})
}
