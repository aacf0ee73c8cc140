package embedded

import (
	"fmt"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/account/accounttest"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/oidc/oidctest"
	"github.com/yinxin/yinxin/shared/registry"
)

// saver saves records of the registry, each with an event of its own.
type saver struct {
	t      *testing.T
	db     *DB
	events int
}

func (s *saver) save(store func(e audit.Event) error) {
	s.t.Helper()
	s.events++
	e := audit.Event{ID: fmt.Sprint(s.events), Time: s.db.Now(), Action: "registry.test", Outcome: audit.Done}
	if err := store(e); err != nil {
		s.t.Fatal(err)
	}
}

func (s *saver) person(p registry.Person) {
	s.save(func(e audit.Event) error { return Persons{s.db}.SavePerson(s.t.Context(), p, e) })
}

func TestPersonClaims(t *testing.T) {
	oidctest.Persons(t, func(t *testing.T, known map[string]oidc.Person) oidc.Persons {
		db, _ := openAt(t, oidctest.Noon)
		s := saver{t: t, db: db}
		for id, p := range known {
			s.person(registry.Person{ID: id, Name: p.Name, Phone: p.Phone})
		}
		return Claims{db}
	})
}

func TestPeople(t *testing.T) {
	accounttest.People(t, func(t *testing.T, k accounttest.Known) (account.People, account.Names) {
		db, _ := openAt(t, accounttest.Noon)
		s := saver{t: t, db: db}
		for id, name := range k.Persons {
			s.person(registry.Person{ID: id, Name: name})
		}
		for uscc, name := range k.Organisations {
			s.save(func(e audit.Event) error {
				return Organisations{db}.SaveOrganisation(t.Context(), registry.Organisation{USCC: uscc, Name: name}, e)
			})
		}
		for id, name := range k.Clients {
			s.save(func(e audit.Event) error {
				return Clients{db}.SaveClient(t.Context(), oidc.Client{ID: id, Name: name}, e)
			})
		}
		mandates := func(list map[string]map[string][]string, from, to time.Time) {
			for person, organisations := range list {
				for uscc, roles := range organisations {
					m := registry.Mandate{Person: person, Organisation: uscc, Roles: roles, From: from, To: to}
					s.save(func(e audit.Event) error { return Mandates{db}.SaveMandate(t.Context(), m, e) })
				}
			}
		}
		noon := accounttest.Noon
		mandates(k.Acting, noon.Add(-time.Hour), time.Time{})
		mandates(k.Ended, noon.Add(-time.Hour), noon)
		return Claims{db}, Claims{db}
	})
}
