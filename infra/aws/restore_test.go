package aws_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/aws/dynamotest"
	"github.com/yinxin/yinxin/infra/drill"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/licence/licencetest"
	"github.com/yinxin/yinxin/shared/oidc/oidctest"
)

func TestTicketsThatWereGivenAreKeptFromBeingGivenAgain(t *testing.T) {
	licencetest.TicketKeeper(t, func(t *testing.T) (licence.Tickets, licence.TicketKeeper) {
		db, _, _ := open(t, licencetest.Noon)
		return aws.Tickets{DB: db}, aws.TicketKeeper{DB: db}
	})
}

func TestTheTokenEpochEndsWhatCameBefore(t *testing.T) {
	oidctest.Epoch(t, func(t *testing.T) (oidctest.Store, func(time.Time)) {
		s := openIdentity(t)
		return s, func(at time.Time) { s.Grants.(aws.Grants).Epoch = at }
	})
}

func TestARestoreBringsNothingBackThatWasTakenAway(t *testing.T) {
	drill.Restore(t, 60, func(t *testing.T) drill.Store {
		var now atomic.Pointer[time.Time]
		set := func(at time.Time) { now.Store(&at) }
		set(drill.Begin)
		store := dynamotest.Open(t, func() time.Time { return *now.Load() })
		db, events := store.DB, dynamotest.Events{Store: store}
		licences, mandates, clients := aws.Licences{DB: db}, aws.Mandates{DB: db}, aws.Clients{DB: db}
		grants, sessions, codes := aws.Grants{DB: db}, aws.Sessions{DB: db}, aws.ShowCodes{DB: db}
		return drill.Store{
			Seals: aws.Seals{DB: db}, Codes: aws.SealCodes{DB: db}, Orders: aws.Orders{DB: db},
			Licences: licences, Identifiers: licences, Register: aws.LicenceRegister{DB: db}, Tickets: aws.Tickets{DB: db},
			Keeper: aws.TicketKeeper{DB: db}, Entries: licences, Types: aws.LicenceTypes{DB: db}, TypeSaver: aws.LicenceTypes{DB: db},
			ShowCodes: codes, Shown: codes, Organisations: aws.Organisations{DB: db}, Agencies: aws.Organisations{DB: db},
			Mandated: mandates, Mandates: mandates, MandateSaver: mandates, Clients: clients, ClientSaver: clients,
			Grants: grants, Revoker: grants, LiveGrants: grants, Sessions: sessions, LiveSessions: sessions,
			Devices: aws.Devices{DB: db}, Trail: events, Recorder: aws.Events{DB: db},
			SetNow: set, SetEpoch: func(at time.Time) { db.Epoch = at },
			Snapshot: func(t *testing.T) func(t *testing.T) {
				putBack, err := store.Snapshot(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return func(t *testing.T) {
					if err := putBack(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			},
		}
	})
}
