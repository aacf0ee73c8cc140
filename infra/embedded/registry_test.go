package embedded

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/registry/registrytest"
)

func openRegistry(t *testing.T) registrytest.Store {
	var now atomic.Pointer[time.Time]
	set := func(at time.Time) { now.Store(&at) }
	set(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	db, err := Open(filepath.Join(t.TempDir(), "db"), Options{Now: func() time.Time { return *now.Load() }, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return registrytest.Store{
		Persons: Persons{db}, PersonSaver: Persons{db},
		Organisations: Organisations{db}, OrganisationSaver: Organisations{db},
		Mandates: Mandates{db}, MandateLister: Mandates{db}, AgentLister: Mandates{db}, MandateSaver: Mandates{db},
		Events: Events{db}, SetNow: set,
	}
}

func TestPersons(t *testing.T)       { registrytest.Persons(t, openRegistry) }
func TestOrganisations(t *testing.T) { registrytest.Organisations(t, openRegistry) }
func TestMandates(t *testing.T)      { registrytest.Mandates(t, openRegistry) }
