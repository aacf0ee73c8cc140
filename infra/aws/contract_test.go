package aws_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/aws/dynamotest"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/access/accesstest"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/account/accounttest"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/audit/audittest"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/licence/licencetest"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/oidc/oidctest"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/registry/registrytest"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/seal/sealtest"
	"github.com/yinxin/yinxin/shared/sm"
	"github.com/yinxin/yinxin/shared/verify"
	"github.com/yinxin/yinxin/shared/verify/verifytest"
)

// These are the contract suites that infra/embedded passes too, on a real engine: see dynamotest.

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// open makes empty tables whose clock stands at a time, with the means to set it.
func open(t *testing.T, at time.Time) (*aws.DB, dynamotest.Events, func(time.Time)) {
	t.Helper()
	var now atomic.Pointer[time.Time]
	set := func(at time.Time) { now.Store(&at) }
	set(at)
	s := dynamotest.Open(t, func() time.Time { return *now.Load() })
	return s.DB, dynamotest.Events{Store: s}, set
}

// told is an event for a record that a test stores.
func told(id string) audit.Event {
	return audit.Event{ID: id, Time: noon, Action: "test", Outcome: audit.Done}
}

func TestEvents(t *testing.T) {
	audittest.Trace(t, func(t *testing.T) (audit.Recorder, audit.Reader) {
		db, events, _ := open(t, noon)
		return aws.Events{DB: db}, events
	})
}

func openRegistry(t *testing.T) registrytest.Store {
	db, events, set := open(t, noon)
	return registrytest.Store{
		Persons: aws.Persons{DB: db}, PersonSaver: aws.Persons{DB: db},
		Organisations: aws.Organisations{DB: db}, OrganisationSaver: aws.Organisations{DB: db},
		Mandates: aws.Mandates{DB: db}, MandateLister: aws.Mandates{DB: db}, AgentLister: aws.Mandates{DB: db},
		MandateSaver: aws.Mandates{DB: db},
		Events:       events, SetNow: set,
	}
}

func TestPersons(t *testing.T)       { registrytest.Persons(t, openRegistry) }
func TestOrganisations(t *testing.T) { registrytest.Organisations(t, openRegistry) }
func TestMandates(t *testing.T)      { registrytest.Mandates(t, openRegistry) }

func TestSealsKeepTheContracts(t *testing.T) {
	sealtest.Records(t, func(t *testing.T) (seal.Records, seal.OwnerReader, audit.Reader) {
		db, events, _ := open(t, noon)
		return aws.Seals{DB: db}, aws.Seals{DB: db}, events
	})
}

func TestSealCodesKeepTheContracts(t *testing.T) {
	sealtest.Codes(t, func(t *testing.T) (seal.Codes, seal.CodeReader) {
		db, _, _ := open(t, noon)
		return aws.SealCodes{DB: db}, aws.SealCodes{DB: db}
	})
}

func TestOrdersKeepTheContract(t *testing.T) {
	sealtest.Orders(t, func(t *testing.T) (seal.Orders, audit.Reader) {
		db, events, _ := open(t, noon)
		return aws.Orders{DB: db}, events
	})
}

func TestSealDirectoryKeepsTheContract(t *testing.T) {
	sealtest.Directory(t, func(t *testing.T, duties map[seal.Organisation][]seal.Duty) seal.Directory {
		db, _, _ := open(t, noon)
		for o, list := range duties {
			r := registry.Organisation{USCC: o.USCC, Name: o.Name, Kind: registry.Agency, Division: o.Division}
			for _, d := range list {
				r.Duties = append(r.Duties, string(d))
			}
			if err := (aws.Organisations{DB: db}).SaveOrganisation(t.Context(), r, told(o.USCC)); err != nil {
				t.Fatal(err)
			}
		}
		return aws.SealDirectory{DB: db}
	})
}

func TestADutyThatWasTakenAwayIsNobodys(t *testing.T) {
	db, _, _ := open(t, noon)
	o := registry.Organisation{USCC: "11990000MB99000001", Kind: registry.Agency, Division: "990000", Duties: []string{"seal.make"}}
	if err := (aws.Organisations{DB: db}).SaveOrganisation(t.Context(), o, told("1")); err != nil {
		t.Fatal(err)
	}
	o.Duties = nil
	if err := (aws.Organisations{DB: db}).SaveOrganisation(t.Context(), o, told("2")); err != nil {
		t.Fatal(err)
	}
	got, err := aws.SealDirectory{DB: db}.Responsible(t.Context(), "990000", seal.DutyMake)
	if !errors.Is(err, seal.ErrOrganisationUnknown) {
		t.Errorf("Responsible = %+v, %v", got, err)
	}
}

func TestSealMandatesKeepTheContract(t *testing.T) {
	sealtest.Mandates(t, func(t *testing.T) seal.Mandates {
		db, _, _ := open(t, noon)
		m := registry.Mandate{Person: "p", Organisation: "o", Roles: []string{"seal.stamp"}}
		if err := (aws.Mandates{DB: db}).SaveMandate(t.Context(), m, told("1")); err != nil {
			t.Fatal(err)
		}
		return aws.Mandates{DB: db}
	})
}

func openIdentity(t *testing.T) oidctest.Store {
	db, events, set := open(t, oidctest.Noon)
	grants, sessions, clients := aws.Grants{DB: db}, aws.Sessions{DB: db}, aws.KnowClients(aws.Clients{DB: db})
	return oidctest.Store{
		Grants: grants, Codes: grants, Refresh: grants, Revoker: grants, LiveGrants: grants,
		Sessions: sessions, LiveSessions: sessions, Clients: clients, ClientSaver: clients,
		Consents: aws.Consents{DB: db}, Replays: aws.Replays{DB: db}, Events: events, SetNow: set,
	}
}

func TestGrants(t *testing.T)   { oidctest.Grants(t, openIdentity) }
func TestSessions(t *testing.T) { oidctest.Sessions(t, openIdentity) }
func TestClients(t *testing.T)  { oidctest.Clients(t, openIdentity) }
func TestConsents(t *testing.T) { oidctest.Consents(t, openIdentity) }
func TestReplays(t *testing.T)  { oidctest.Replays(t, openIdentity) }

func openAccount(t *testing.T) accounttest.Store {
	db, events, set := open(t, accounttest.Noon)
	return accounttest.Store{
		Credentials: aws.Credentials{DB: db}, Adder: aws.Credentials{DB: db}, Counters: aws.Counters{DB: db},
		Devices: aws.Devices{DB: db}, Events: events, SetNow: set,
	}
}

func TestCredentials(t *testing.T) { accounttest.Credentials(t, openAccount) }
func TestCounters(t *testing.T)    { accounttest.Counters(t, openAccount) }
func TestDevices(t *testing.T)     { accounttest.Devices(t, openAccount) }

func sessionStore(db *aws.DB, set func(time.Time)) accesstest.SessionStore {
	n, sessions := 0, aws.Sessions{DB: db}
	return accesstest.SessionStore{
		Sessions: sessions, SetNow: set,
		Make: func(t *testing.T, id string, s access.Session, expires time.Time) {
			n++
			session := oidc.Session{ID: id, Person: s.Person, AuthTime: s.AuthTime, ACR: s.ACR, Previous: s.Previous,
				Expires: expires}
			if err := sessions.SaveSession(t.Context(), session, told(fmt.Sprint("session", n))); err != nil {
				t.Fatal(err)
			}
		},
		End: func(t *testing.T, id string) {
			n++
			if err := sessions.EndSession(t.Context(), id, db.Now(), told(fmt.Sprint("session", n))); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func TestLiveSessions(t *testing.T) {
	accesstest.Sessions(t, func(t *testing.T) accesstest.SessionStore {
		db, _, set := open(t, accesstest.Noon)
		return sessionStore(db, set)
	})
}

func TestLiveGrants(t *testing.T) {
	accesstest.Grants(t, func(t *testing.T) accesstest.GrantStore {
		db, _, set := open(t, accesstest.Noon)
		grants := aws.Grants{DB: db}
		save := func(t *testing.T, g oidc.Grant) {
			if err := grants.SaveGrant(t.Context(), g, told(g.ID)); err != nil {
				t.Fatal(err)
			}
		}
		return accesstest.GrantStore{
			Grants: grants, SetNow: set, Sessions: sessionStore(db, set),
			Make: func(t *testing.T, id string, g access.Grant, expires time.Time, session string) {
				save(t, oidc.Grant{
					ID: id, Person: g.Person, Organisation: g.Organisation, Client: g.Client, Channel: g.Channel,
					Session: session, Redeemed: accesstest.Noon, Expires: expires,
				})
			},
			SaveUnused: func(t *testing.T, id string) {
				save(t, oidc.Grant{ID: id, Client: "app", CodeHash: "x", Expires: accesstest.Noon.Add(24 * time.Hour)})
			},
			Revoke: func(t *testing.T, id string) {
				if err := grants.RevokeGrant(t.Context(), id, db.Now(), told("revoke "+id)); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestPersonClaims(t *testing.T) {
	oidctest.Persons(t, func(t *testing.T, known map[string]oidc.Person) oidc.Persons {
		db, _, _ := open(t, oidctest.Noon)
		for id, p := range known {
			person := registry.Person{ID: id, Name: p.Name, Phone: p.Phone}
			if err := (aws.Persons{DB: db}).SavePerson(t.Context(), person, told(id)); err != nil {
				t.Fatal(err)
			}
		}
		return aws.Claims{DB: db}
	})
}

func TestPeople(t *testing.T) {
	accounttest.People(t, func(t *testing.T, k accounttest.Known) (account.People, account.Names) {
		db, _, _ := open(t, accounttest.Noon)
		events := 0
		save := func(store func(e audit.Event) error) {
			events++
			if err := store(told(fmt.Sprint(events))); err != nil {
				t.Fatal(err)
			}
		}
		for id, name := range k.Persons {
			save(func(e audit.Event) error {
				return aws.Persons{DB: db}.SavePerson(t.Context(), registry.Person{ID: id, Name: name}, e)
			})
		}
		for uscc, name := range k.Organisations {
			save(func(e audit.Event) error {
				return aws.Organisations{DB: db}.SaveOrganisation(t.Context(), registry.Organisation{USCC: uscc, Name: name}, e)
			})
		}
		for id, name := range k.Clients {
			save(func(e audit.Event) error {
				return aws.Clients{DB: db}.SaveClient(t.Context(), oidc.Client{ID: id, Name: name}, e)
			})
		}
		mandates := func(list map[string]map[string][]string, from, to time.Time) {
			for person, organisations := range list {
				for uscc, roles := range organisations {
					m := registry.Mandate{Person: person, Organisation: uscc, Roles: roles, From: from, To: to}
					save(func(e audit.Event) error { return aws.Mandates{DB: db}.SaveMandate(t.Context(), m, e) })
				}
			}
		}
		mandates(k.Acting, accounttest.Noon.Add(-time.Hour), time.Time{})
		mandates(k.Ended, accounttest.Noon.Add(-time.Hour), accounttest.Noon)
		return aws.Claims{DB: db}, aws.Claims{DB: db}
	})
}

func TestLicencesKeepTheContracts(t *testing.T) {
	licencetest.Licences(t, func(t *testing.T) licencetest.Store {
		db, events, _ := open(t, noon)
		s := aws.Licences{DB: db}
		return licencetest.Store{Records: s, Reader: s, Identifiers: s, Aliases: s, Holders: s, Artefacts: openArtefacts(t),
			Entries: s, Tickets: aws.Tickets{DB: db}, Events: events}
	})
}

func TestLicenceTypesKeepTheContract(t *testing.T) {
	licencetest.Types(t, func(t *testing.T) licencetest.TypeStore {
		db, events, _ := open(t, noon)
		return licencetest.TypeStore{Types: aws.LicenceTypes{DB: db}, Saver: aws.LicenceTypes{DB: db}, Events: events}
	})
}

func TestStatusListsKeepTheContract(t *testing.T) {
	licencetest.StatusLists(t, func(t *testing.T) licencetest.ListStore {
		db, events, _ := open(t, noon)
		return licencetest.ListStore{Reader: aws.StatusLists{DB: db}, Publisher: aws.StatusLists{DB: db}, Events: events}
	})
}

func TestShowCodesKeepTheContract(t *testing.T) {
	licencetest.ShowCodes(t, func(t *testing.T) licencetest.CodeStore {
		db, events, set := open(t, licencetest.Noon)
		codes := aws.ShowCodes{DB: db}
		return licencetest.CodeStore{Codes: codes, SetNow: set, Events: events,
			Redeem: func(code string, e audit.Event) (string, error) {
				shown, err := codes.RedeemShowCode(t.Context(), code, e)
				return shown.Presentation, err
			},
			ErrSpent: verify.ErrCodeSpent, ErrUnknown: verify.ErrUnknown}
	})
}

func TestShowCodesAreRedeemedAsVerifiersExpect(t *testing.T) {
	verifytest.ShowCodes(t, func(t *testing.T) verifytest.ShowCodesHarness {
		db, events, _ := open(t, noon)
		return verifytest.ShowCodesHarness{Codes: aws.ShowCodes{DB: db}, Events: events, Now: db.Now,
			Save: func(t *testing.T, code, id, holder, presentation string, expires time.Time) {
				c := licence.ShowCode{Hash: licence.ShowCodeHash(code), Licence: id, Holder: holder, Expires: expires,
					Presentation: presentation}
				if err := (aws.ShowCodes{DB: db}).SaveShowCode(t.Context(), c, told("save")); err != nil {
					t.Fatal(err)
				}
			}}
	})
}

func TestPublishedStatusListsAreFoundByAddress(t *testing.T) {
	verifytest.StatusLists(t, func(t *testing.T, token string) (verify.StatusLists, string) {
		db, _, _ := open(t, noon)
		p := licence.Published{Token: token, IssuedAt: noon, Revision: 1}
		if err := (aws.StatusLists{DB: db}).PublishStatusList(t.Context(), "agency-1", p, told("publish")); err != nil {
			t.Fatal(err)
		}
		const issuer = "https://issuer.example"
		return aws.PublishedStatusLists{DB: db, Issuer: issuer}, issuer + "/status-lists/agency-1"
	})
}

func TestTheRegisterOfLicencesAnswersMasked(t *testing.T) {
	verifytest.LicenceLookup(t, func(t *testing.T, l verifytest.RegisteredLicence, draft string) verify.LicenceLookup {
		db, _, _ := open(t, noon)
		save := func(id, identifier string, state licence.State) {
			t.Helper()
			record := licence.Licence{ID: id, Revision: 1, TypeCode: l.TypeCode, Identifier: identifier, ValidFrom: "2026-01-01",
				Holder:  licence.Holder{Subject: l.Subject, Type: ident.CitizenIDType, Name: l.HolderName},
				History: []licence.Change{{State: state, At: noon}}}
			if err := (aws.Licences{DB: db}).CreateLicence(t.Context(), record, told(id)); err != nil {
				t.Fatal(err)
			}
			if err := (aws.Licences{DB: db}).ClaimIdentifier(t.Context(), identifier, id); err != nil {
				t.Fatal(err)
			}
		}
		save(l.ID, l.Identifier, licence.Active)
		save("l2", draft, licence.Issuing)
		kind := licence.Definition{Code: l.TypeCode, Version: 1, Masks: map[string]ident.MaskRule{licence.ClaimHolder: ident.MaskName}}
		if err := (aws.LicenceTypes{DB: db}).SaveLicenceType(t.Context(), kind, told("type")); err != nil {
			t.Fatal(err)
		}
		return aws.LicenceRegister{DB: db}
	})
}

func TestTheRegisterOfSealsAnswersForEveryTime(t *testing.T) {
	verifytest.SealStatus(t, func(t *testing.T, code string, from, to time.Time) (verify.SealStatus, [32]byte) {
		db, _, _ := open(t, noon)
		s := seal.Seal{ID: "s1", Code: code, Revision: 1, Body: &seal.Body{ESL: []byte{0x30, 0}}, History: []seal.Change{
			{Verb: seal.VerbRequest, State: seal.Requested, At: from.Add(-2 * time.Hour)},
			{Verb: seal.VerbActivate, State: seal.Active, At: from}, {Verb: seal.VerbSuspend, State: seal.Suspended, At: to}}}
		if err := (aws.Seals{DB: db}).CreateSeal(t.Context(), s, told("s1")); err != nil {
			t.Fatal(err)
		}
		if err := (aws.SealCodes{DB: db}).ClaimSealCode(t.Context(), code, "s1"); err != nil {
			t.Fatal(err)
		}
		return aws.SealStatus{DB: db}, sm.Sum3(s.Body.ESL)
	})
}
