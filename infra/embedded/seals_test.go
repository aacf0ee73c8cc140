package embedded

import (
	"path/filepath"

	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/seal/sealtest"
)

func TestSealsKeepTheContracts(t *testing.T) {
	sealtest.Records(t, func(t *testing.T) (seal.Records, seal.OwnerReader, audit.Reader) {
		db := openSealDB(t)
		return Seals{db}, Seals{db}, Events{db}
	})
}

func TestSealCodesKeepTheContracts(t *testing.T) {
	sealtest.Codes(t, func(t *testing.T) (seal.Codes, seal.CodeReader) {
		db := openSealDB(t)
		return SealCodes{db}, SealCodes{db}
	})
}

func TestOrdersKeepTheContract(t *testing.T) {
	sealtest.Orders(t, func(t *testing.T) (seal.Orders, audit.Reader) {
		db := openSealDB(t)
		return Orders{db}, Events{db}
	})
}

func openSealDB(t *testing.T) *DB {
	t.Helper()
	db, err := Open(filepath.Join(t.TempDir(), "store"), Options{Now: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the directory goes anyway
	return db
}

func TestSealDirectoryKeepsTheContract(t *testing.T) {
	sealtest.Directory(t, func(t *testing.T, duties map[seal.Organisation][]seal.Duty) seal.Directory {
		db := openSealDB(t)
		for o, list := range duties {
			r := registry.Organisation{USCC: o.USCC, Name: o.Name, Kind: registry.Agency, Division: o.Division}
			for _, d := range list {
				r.Duties = append(r.Duties, string(d))
			}
			e := audit.Event{ID: o.USCC, Time: time.Now(), Action: "registry.save", Outcome: audit.Done}
			if err := (Organisations{db}).SaveOrganisation(t.Context(), r, e); err != nil {
				t.Fatal(err)
			}
		}
		return SealDirectory{db}
	})
}

func TestSealMandatesKeepTheContract(t *testing.T) {
	sealtest.Mandates(t, func(t *testing.T) seal.Mandates {
		db := openSealDB(t)
		e := audit.Event{ID: "e", Time: time.Now(), Action: "registry.save", Outcome: audit.Done}
		m := registry.Mandate{Person: "p", Organisation: "o", Roles: []string{"seal.stamp"}}
		if err := (Mandates{db}).SaveMandate(t.Context(), m, e); err != nil {
			t.Fatal(err)
		}
		return Mandates{db}
	})
}
