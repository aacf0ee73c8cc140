package embedded

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/infra/drill"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/licence/licencetest"
	"github.com/yinxin/yinxin/shared/oidc/oidctest"
)

func TestTicketsThatWereGivenAreKeptFromBeingGivenAgain(t *testing.T) {
	licencetest.TicketKeeper(t, func(t *testing.T) (licence.Tickets, licence.TicketKeeper) {
		db := openSealDB(t)
		return Tickets{db}, TicketKeeper{db}
	})
}

func TestTheTokenEpochEndsWhatCameBefore(t *testing.T) {
	oidctest.Epoch(t, func(t *testing.T) (oidctest.Store, func(time.Time)) {
		s := openIdentity(t)
		return s, func(at time.Time) { s.Grants.(Grants).Epoch = at }
	})
}

// snapshot copies every bucket but those of the trail.
func snapshot(t *testing.T, db *DB) func(t *testing.T) {
	t.Helper()
	kept := func(name []byte) bool {
		return strings.HasPrefix(string(name), "audit") || strings.HasPrefix(string(name), "feed")
	}
	copied := map[string]map[string][]byte{}
	if err := db.view(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if kept(name) {
				return nil
			}
			records := map[string][]byte{}
			copied[string(name)] = records
			return b.ForEach(func(k, v []byte) error {
				records[string(k)] = bytes.Clone(v)
				return nil
			})
		})
	}); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) {
		t.Helper()
		if err := db.update(func(tx *bbolt.Tx) error {
			var gone [][]byte
			if err := tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
				if !kept(name) {
					gone = append(gone, bytes.Clone(name))
				}
				return nil
			}); err != nil {
				return err
			}
			for _, name := range gone {
				if err := tx.DeleteBucket(name); err != nil {
					return err
				}
			}
			for name, records := range copied {
				b, err := tx.CreateBucket([]byte(name))
				if err != nil {
					return err
				}
				for k, v := range records {
					if err := b.Put([]byte(k), v); err != nil {
						return err
					}
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARestoreBringsNothingBackThatWasTakenAway(t *testing.T) {
	drill.Restore(t, 150, func(t *testing.T) drill.Store {
		db, set := openAt(t, drill.Begin)
		licences, mandates, clients := Licences{db}, Mandates{db}, Clients{db}
		return drill.Store{
			Seals: Seals{db}, Codes: SealCodes{db}, Orders: Orders{db},
			Licences: licences, Identifiers: licences, Register: LicenceRegister{db}, Tickets: Tickets{db}, Keeper: TicketKeeper{db},
			Entries: licences, Types: LicenceTypes{db}, TypeSaver: LicenceTypes{db}, ShowCodes: ShowCodes{db}, Shown: ShowCodes{db},
			Organisations: Organisations{db}, Agencies: Organisations{db}, Mandated: mandates, Mandates: mandates,
			MandateSaver: mandates, Clients: clients, ClientSaver: clients, Grants: Grants{db}, Revoker: Grants{db},
			LiveGrants: Grants{db}, Sessions: Sessions{db}, LiveSessions: Sessions{db}, Devices: Devices{db},
			Trail: Events{db}, Recorder: Events{db}, SetNow: set, SetEpoch: func(at time.Time) { db.Epoch = at },
			Snapshot: func(t *testing.T) func(t *testing.T) { return snapshot(t, db) },
		}
	})
}
