package embedded

import (
	"path/filepath"

	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
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
