// Package registrytest is the contract of the ports of registry: what every adapter passes.
//
// Each suite takes a function that opens an empty store; reader and saver look at the same one.
package registrytest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/registry"
)

// Store is what the suites look at.
type Store struct {
	Persons           registry.Persons
	PersonSaver       registry.PersonSaver
	Organisations     registry.Organisations
	OrganisationSaver registry.OrganisationSaver
	Mandates          registry.Mandates
	MandateLister     registry.MandateLister
	AgentLister       registry.AgentLister
	MandateSaver      registry.MandateSaver
	Events            audit.Reader
	SetNow            func(time.Time) // the clock of the store
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func event(id, object string) audit.Event {
	return audit.Event{ID: id, Time: noon, Action: "registry.test", Object: object, Outcome: audit.Done}
}

// events counts the events of an object.
func events(t *testing.T, s Store, object string) int {
	t.Helper()
	list, err := s.Events.ByObject(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// race runs f in 50 goroutines at once.
func race(f func(i int)) {
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range 50 {
		done.Go(func() {
			start.Wait()
			f(i)
		})
	}
	start.Done()
	done.Wait()
}

// Persons checks [registry.Persons] and [registry.PersonSaver].
func Persons(t *testing.T, open func(t *testing.T) Store) {
	zhang := registry.Person{ID: "zhang", Name: "张三(示例)", IDType: "111", IDNumber: "99000019900101001X", Phone: "100"}
	t.Run("an unknown person is told by the sentinel", func(t *testing.T) {
		if p, err := open(t).Persons.Person(t.Context(), "zhang"); !errors.Is(err, registry.ErrPersonUnknown) || p != (registry.Person{}) {
			t.Errorf("Person = %v, %v", p, err)
		}
	})
	t.Run("what was saved last is read", func(t *testing.T) {
		s := open(t)
		renamed := zhang
		renamed.Phone = "200"
		for i, p := range []registry.Person{zhang, renamed} {
			if err := s.PersonSaver.SavePerson(t.Context(), p, event(fmt.Sprint(i), "person/zhang")); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Persons.Person(t.Context(), "zhang"); err != nil || got != p {
				t.Errorf("Person = %v, %v, want %v", got, err, p)
			}
		}
		if n := events(t, s, "person/zhang"); n != 2 {
			t.Errorf("%d events of two changes", n)
		}
	})
	t.Run("of fifty equal saves one is an event", func(t *testing.T) {
		s := open(t)
		race(func(i int) {
			if err := s.PersonSaver.SavePerson(t.Context(), zhang, event(fmt.Sprint(i), "person/zhang")); err != nil {
				t.Error(err)
			}
		})
		if n := events(t, s, "person/zhang"); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

// Organisations checks [registry.Organisations] and [registry.OrganisationSaver].
func Organisations(t *testing.T, open func(t *testing.T) Store) {
	finance := registry.Organisation{USCC: "119900000000000001", Name: "示例省财政厅", Kind: registry.Agency, Division: "990000",
		Duties: []string{"seal.approve"}}
	t.Run("an unknown organisation is told by the sentinel", func(t *testing.T) {
		o, err := open(t).Organisations.Organisation(t.Context(), finance.USCC)
		if !errors.Is(err, registry.ErrOrganisationUnknown) || o.USCC != "" {
			t.Errorf("Organisation = %v, %v", o, err)
		}
	})
	t.Run("what was saved last is read", func(t *testing.T) {
		s := open(t)
		changed := finance
		changed.Duties = []string{"seal.make"}
		for i, o := range []registry.Organisation{finance, changed} {
			if err := s.OrganisationSaver.SaveOrganisation(t.Context(), o, event(fmt.Sprint(i), "organisation/1")); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Organisations.Organisation(t.Context(), o.USCC); err != nil || !reflect.DeepEqual(got, o) {
				t.Errorf("Organisation = %v, %v, want %v", got, err, o)
			}
		}
	})
	t.Run("of fifty equal saves one is an event", func(t *testing.T) {
		s := open(t)
		race(func(i int) {
			if err := s.OrganisationSaver.SaveOrganisation(t.Context(), finance, event(fmt.Sprint(i), "organisation/1")); err != nil {
				t.Error(err)
			}
		})
		if n := events(t, s, "organisation/1"); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

// Mandates checks [registry.Mandates], [registry.MandateLister], [registry.AgentLister] and
// [registry.MandateSaver].
func Mandates(t *testing.T, open func(t *testing.T) Store) {
	m := registry.Mandate{Person: "li", Organisation: "119900000000000001", Roles: []string{"seal.stamp", "seal.request"},
		From: noon, To: noon.Add(time.Hour)}
	save := func(t *testing.T, s Store, id string, m registry.Mandate) {
		t.Helper()
		if err := s.MandateSaver.SaveMandate(t.Context(), m, event(id, "mandate/1")); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a mandate holds for its person, organisation, role and time", func(t *testing.T) {
		s := open(t)
		save(t, s, "1", m)
		for _, c := range []struct {
			person, organisation, role string
			now                        time.Time
			want                       bool
		}{
			{m.Person, m.Organisation, "seal.stamp", noon, true},
			{m.Person, m.Organisation, "seal.request", noon.Add(time.Hour - 1), true},
			{m.Person, m.Organisation, "seal.stamp", noon.Add(-1), false},
			{m.Person, m.Organisation, "seal.stamp", noon.Add(time.Hour), false},
			{m.Person, m.Organisation, "seal", noon, false},
			{m.Person, m.Organisation, "", noon, false},
			{m.Person, "119900000000000002", "seal.stamp", noon, false},
			{"l", m.Organisation, "seal.stamp", noon, false},
			{"", "", "", noon, false},
		} {
			s.SetNow(c.now)
			got, err := s.Mandates.Mandated(t.Context(), c.person, c.organisation, c.role)
			if err != nil || got != c.want {
				t.Errorf("Mandated(%s, %s, %s) at %s = %v, %v", c.person, c.organisation, c.role, c.now, got, err)
			}
		}
	})
	t.Run("a mandate without end stays, one withdrawn is gone at once", func(t *testing.T) {
		s := open(t)
		endless := m
		endless.To = time.Time{}
		save(t, s, "1", endless)
		s.SetNow(noon.AddDate(50, 0, 0))
		if ok, err := s.Mandates.Mandated(t.Context(), m.Person, m.Organisation, "seal.stamp"); err != nil || !ok {
			t.Errorf("Mandated = %v, %v", ok, err)
		}
		endless.Roles = []string{"licence.read"}
		save(t, s, "2", endless)
		if ok, err := s.Mandates.Mandated(t.Context(), m.Person, m.Organisation, "seal.stamp"); err != nil || ok {
			t.Errorf("Mandated = %v, %v", ok, err)
		}
	})
	t.Run("mandates are listed by person and by organisation", func(t *testing.T) {
		s := open(t)
		other, another := m, m
		other.Organisation = "119900000000000000"
		another.Person = "zhang"
		lino := m
		lino.Person = "lino"
		for i, m := range []registry.Mandate{m, other, another, lino} {
			save(t, s, fmt.Sprint(i), m)
		}
		if got, err := s.MandateLister.MandatesOf(t.Context(), "li"); err != nil ||
			!reflect.DeepEqual(got, []registry.Mandate{other, m}) {
			t.Errorf("MandatesOf = %v, %v", got, err)
		}
		got, err := s.AgentLister.MandatesFor(t.Context(), m.Organisation)
		if err != nil || !reflect.DeepEqual(got, []registry.Mandate{m, lino, another}) {
			t.Errorf("MandatesFor = %v, %v", got, err)
		}
		if got, err := s.MandateLister.MandatesOf(t.Context(), "sun"); err != nil || len(got) != 0 {
			t.Errorf("MandatesOf = %v, %v", got, err)
		}
	})
	t.Run("of fifty equal saves one is an event", func(t *testing.T) {
		s := open(t)
		race(func(i int) {
			if err := s.MandateSaver.SaveMandate(t.Context(), m, event(fmt.Sprint(i), "mandate/1")); err != nil {
				t.Error(err)
			}
		})
		if n := events(t, s, "mandate/1"); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}
