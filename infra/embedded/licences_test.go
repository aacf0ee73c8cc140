package embedded

import (
	"errors"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence/licencetest"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verify"
)

func TestLicencesKeepTheContracts(t *testing.T) {
	licencetest.Licences(t, func(t *testing.T) licencetest.Store {
		db := openSealDB(t)
		s := Licences{db}
		return licencetest.Store{Records: s, Reader: s, Identifiers: s, Aliases: s, Holders: s, Artefacts: s, Entries: s,
			Tickets: Tickets{db}, Events: Events{db}}
	})
}

func TestLicenceTypesKeepTheContract(t *testing.T) {
	licencetest.Types(t, func(t *testing.T) licencetest.TypeStore {
		db := openSealDB(t)
		return licencetest.TypeStore{Types: LicenceTypes{db}, Saver: LicenceTypes{db}, Events: Events{db}}
	})
}

func TestStatusListsKeepTheContract(t *testing.T) {
	licencetest.StatusLists(t, func(t *testing.T) licencetest.ListStore {
		db := openSealDB(t)
		return licencetest.ListStore{Reader: StatusLists{db}, Publisher: StatusLists{db}, Events: Events{db}}
	})
}

func TestShowCodesKeepTheContract(t *testing.T) {
	licencetest.ShowCodes(t, func(t *testing.T) licencetest.CodeStore {
		db := openSealDB(t)
		now := licencetest.Noon
		db.Now = func() time.Time { return now }
		return licencetest.CodeStore{Codes: ShowCodes{db}, SetNow: func(at time.Time) { now = at }, Events: Events{db},
			Redeem: func(code string, e audit.Event) (string, error) {
				shown, err := (ShowCodes{db}).RedeemShowCode(t.Context(), code, e)
				return shown.Presentation, err
			},
			ErrSpent: verify.ErrCodeSpent, ErrUnknown: verify.ErrUnknown}
	})
}

func TestLicenceDirectoryKeepsTheContract(t *testing.T) {
	licencetest.Directory(t, func(t *testing.T, p licencetest.People) licencetest.DirectoryPorts {
		a := openAuthority(t, t.TempDir(), newClock())
		e := func(id string) audit.Event {
			return audit.Event{ID: id, Time: a.Now(), Action: "registry.save", Outcome: audit.Done}
		}
		o := registry.Organisation{USCC: p.Agency.USCC, Name: p.Agency.Name, Kind: registry.Agency, Division: p.Agency.Division}
		person := registry.Person{ID: p.Person.Subject, Name: p.Person.Name, IDType: string(p.Person.Type), IDNumber: p.Person.Code}
		m := registry.Mandate{Person: p.Mandate[0], Organisation: p.Mandate[1], Roles: []string{p.Mandate[2]}}
		_, err := a.Enrol(t.Context(), trust.LicenceIssuer, key.LicenceIssuer, p.Enrolled,
			cert.Name{Country: "CN", Organization: p.Enrolled + p.Agency.Name, CommonName: p.Agency.Name})
		if err := errors.Join(err, Organisations{a.DB}.SaveOrganisation(t.Context(), o, e("1")),
			Persons{a.DB}.SavePerson(t.Context(), person, e("2")), Mandates{a.DB}.SaveMandate(t.Context(), m, e("3"))); err != nil {
			t.Fatal(err)
		}
		d := LicenceDirectory{a.DB}
		return licencetest.DirectoryPorts{Agencies: d, Holders: d, Mandates: Mandates{a.DB}, Certificates: a}
	})
}
