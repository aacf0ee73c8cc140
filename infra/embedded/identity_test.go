package embedded

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/access/accesstest"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/account/accounttest"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/oidc/oidctest"
	"github.com/yinxin/yinxin/shared/registry"
)

// openAt opens an empty store whose clock stands at a time, with the means to set it.
func openAt(t *testing.T, at time.Time) (*DB, func(time.Time)) {
	t.Helper()
	var now atomic.Pointer[time.Time]
	set := func(at time.Time) { now.Store(&at) }
	set(at)
	db, err := Open(filepath.Join(t.TempDir(), "db"), Options{Now: func() time.Time { return *now.Load() }, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, set
}

func openIdentity(t *testing.T) oidctest.Store {
	db, set := openAt(t, oidctest.Noon)
	return oidctest.Store{
		Grants: Grants{db}, Codes: Grants{db}, Refresh: Grants{db}, Revoker: Grants{db}, LiveGrants: Grants{db},
		Sessions: Sessions{db}, LiveSessions: Sessions{db}, Clients: Clients{db}, ClientSaver: Clients{db},
		Consents: Consents{db}, Replays: Replays{db}, Events: Events{db}, SetNow: set,
	}
}

func TestGrants(t *testing.T)   { oidctest.Grants(t, openIdentity) }
func TestSessions(t *testing.T) { oidctest.Sessions(t, openIdentity) }
func TestClients(t *testing.T)  { oidctest.Clients(t, openIdentity) }
func TestConsents(t *testing.T) { oidctest.Consents(t, openIdentity) }
func TestReplays(t *testing.T)  { oidctest.Replays(t, openIdentity) }

func openAccount(t *testing.T) accounttest.Store {
	db, set := openAt(t, accounttest.Noon)
	return accounttest.Store{
		Credentials: Credentials{db}, Adder: Credentials{db}, Counters: Counters{db}, Devices: Devices{db}, Events: Events{db}, SetNow: set,
	}
}

func TestCredentials(t *testing.T) { accounttest.Credentials(t, openAccount) }
func TestCounters(t *testing.T)    { accounttest.Counters(t, openAccount) }
func TestDevices(t *testing.T)     { accounttest.Devices(t, openAccount) }

func openSessions(t *testing.T) accesstest.SessionStore {
	db, set := openAt(t, accesstest.Noon)
	return sessionStore(db, set)
}

func sessionStore(db *DB, set func(time.Time)) accesstest.SessionStore {
	n := 0
	return accesstest.SessionStore{
		Sessions: Sessions{db}, SetNow: set,
		Make: func(t *testing.T, id string, s access.Session, expires time.Time) {
			n++
			session := oidc.Session{ID: id, Person: s.Person, AuthTime: s.AuthTime, ACR: s.ACR, Previous: s.Previous, Expires: expires}
			if err := (Sessions{db}).SaveSession(t.Context(), session, oidctest.Event(fmt.Sprint("session", n), "session")); err != nil {
				t.Fatal(err)
			}
		},
		End: func(t *testing.T, id string) {
			n++
			if err := (Sessions{db}).EndSession(t.Context(), id, db.Now(), oidctest.Event(fmt.Sprint("session", n), "session")); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func openGrants(t *testing.T) accesstest.GrantStore {
	db, set := openAt(t, accesstest.Noon)
	save := func(t *testing.T, g oidc.Grant) {
		if err := (Grants{db}).SaveGrant(t.Context(), g, oidctest.Event(g.ID, "grant/"+g.ID)); err != nil {
			t.Fatal(err)
		}
	}
	return accesstest.GrantStore{
		Grants: Grants{db}, SetNow: set, Sessions: sessionStore(db, set),
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
			if err := (Grants{db}).RevokeGrant(t.Context(), id, db.Now(), oidctest.Event("revoke "+id, "grant/"+id)); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func TestLiveSessions(t *testing.T) { accesstest.Sessions(t, openSessions) }
func TestLiveGrants(t *testing.T)   { accesstest.Grants(t, openGrants) }

func TestTokenKeys(t *testing.T) {
	accesstest.Keys(t, func(t *testing.T) (access.Keys, key.Signer) {
		keys, err := OpenKeys(t.TempDir(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := keys.MakeKey(t.Context(), key.Token, "", key.ES256)
		if err != nil {
			t.Fatal(err)
		}
		return TokenKeys{keys}, signer
	})
}

func TestTokenKeysAreReadAgainForAnUnknownKeyAsTheContractSays(t *testing.T) {
	accesstest.KeysAgain(t, func(t *testing.T) accesstest.KeyStore {
		dir := filepath.Join(t.TempDir(), "keys")
		var now atomic.Pointer[time.Time]
		process := func() *Keys {
			k, err := OpenKeys(dir, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			k.Now = func() time.Time { return *now.Load() }
			return k
		}
		set := func(at time.Time) { now.Store(&at) }
		set(accesstest.Noon)
		elsewhere := process()
		if _, err := elsewhere.MakeKey(t.Context(), key.Token, "", key.ES256); err != nil {
			t.Fatal(err)
		}
		return accesstest.KeyStore{
			Keys: TokenKeys{process()}, SetNow: set,
			Kill: func(t *testing.T, id string) string {
				t.Helper()
				if err := elsewhere.KillKey(t.Context(), key.Token, "", id); err != nil {
					t.Fatal(err)
				}
				s, err := elsewhere.OpenKey(t.Context(), key.Token, "")
				if err != nil {
					t.Fatal(err)
				}
				return s.KeyID()
			},
			Break: func(broken bool) {
				from, to := dir, dir+" away"
				if !broken {
					from, to = to, from
				}
				if err := os.Rename(from, to); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestClaimsAreThoseOfTheRegistry(t *testing.T) {
	db, set := openAt(t, oidctest.Noon)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(Persons{db}.SavePerson(ctx, registry.Person{ID: "zhang", Name: "张三(示例)", Phone: "13800000000"}, oidctest.Event("1", "p")))
	must(Organisations{db}.SaveOrganisation(ctx, registry.Organisation{USCC: "one", Name: "示例公司"}, oidctest.Event("2", "o")))
	must(Organisations{db}.SaveOrganisation(ctx, registry.Organisation{USCC: "two", Name: "示例厅"}, oidctest.Event("3", "o")))
	must(Mandates{db}.SaveMandate(ctx, registry.Mandate{Person: "zhang", Organisation: "one", Roles: []string{"licence.read"}, From: oidctest.Noon, To: oidctest.Noon.Add(time.Hour)}, oidctest.Event("4", "m")))
	must(Mandates{db}.SaveMandate(ctx, registry.Mandate{Person: "zhang", Organisation: "two", Roles: []string{"seal.stamp"}, From: oidctest.Noon.Add(time.Minute)}, oidctest.Event("5", "m")))
	must(Clients{db}.SaveClient(ctx, oidc.Client{ID: "portal", Name: "示例门户"}, oidctest.Event("6", "c")))

	c := Claims{db}
	if p, err := c.PersonClaims(ctx, "zhang"); err != nil || p != (oidc.Person{Name: "张三(示例)", Phone: "13800000000"}) {
		t.Errorf("PersonClaims = %+v, %v", p, err)
	}
	if _, err := c.PersonClaims(ctx, "nobody"); err != oidc.ErrPersonUnknown {
		t.Errorf("PersonClaims = %v, want ErrPersonUnknown", err)
	}
	for after, want := range map[time.Duration]string{-1: "[]", 0: "[one]", time.Minute: "[one two]", time.Hour: "[two]"} {
		set(oidctest.Noon.Add(after))
		who, err := c.Who(ctx, "zhang")
		acts := []string{}
		for _, a := range who.Acts {
			acts = append(acts, a.Organisation)
		}
		if err != nil || who.Name != "张三(示例)" || fmt.Sprint(acts) != want {
			t.Errorf("after %v: Who = %+v, %v, want %s", after, who, err, want)
		}
	}
	if who, err := c.Who(ctx, "nobody"); err != nil || who.Name != "" || who.Acts != nil {
		t.Errorf("Who = %+v, %v", who, err)
	}
	for object, want := range map[string]string{"organisation/one": "示例公司", "client/portal": "示例门户", "client/none": "", "": "", "x/y": ""} {
		if got, err := c.Name(ctx, object); err != nil || got != want {
			t.Errorf("Name(%q) = %q, %v, want %q", object, got, err, want)
		}
	}
	var _ account.People = c
}

func TestASecretIsDrawnOnce(t *testing.T) {
	db, _ := openAt(t, oidctest.Noon)
	dir := t.TempDir()
	secrets := Secrets{db, openKeys(t, dir)}
	var wg sync.WaitGroup
	drawn := make([][]byte, 50)
	for i := range drawn {
		wg.Go(func() { drawn[i], _ = secrets.Secret(context.Background(), "pairwise", rand.Reader) })
	}
	wg.Wait()
	for _, d := range drawn {
		if len(d) != 32 || !bytes.Equal(d, drawn[0]) {
			t.Fatalf("Secret = %x and %x", d, drawn[0])
		}
	}
	if other, err := secrets.Secret(t.Context(), "other", rand.Reader); err != nil || bytes.Equal(other, drawn[0]) {
		t.Errorf("another name: %x, %v", other, err)
	}
	if again, err := (Secrets{db, openKeys(t, dir)}).Secret(t.Context(), "pairwise", rand.Reader); err != nil || !bytes.Equal(again, drawn[0]) {
		t.Errorf("after a restart: %x, %v", again, err)
	}
	if got, err := (Secrets{db, openKeys(t, t.TempDir())}).Secret(t.Context(), "pairwise", rand.Reader); err == nil {
		t.Errorf("another master key opened %x", got)
	}
}

// TestASecretLiesSealed looks for secrets in the file of the store, in either form, and moves one to another name.
func TestASecretLiesSealed(t *testing.T) {
	db, _ := openAt(t, oidctest.Noon)
	secrets := Secrets{db, openKeys(t, t.TempDir())}
	secret, err := secrets.Secret(t.Context(), "pairwise", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	err = db.view(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(&file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range [][]byte{secret, []byte(hex.EncodeToString(secret)), []byte(base64.StdEncoding.EncodeToString(secret))} {
		if bytes.Contains(file.Bytes(), form) {
			t.Errorf("%s is in the file", form)
		}
	}
	err = db.update(func(tx *bbolt.Tx) error {
		sealed, _, err := get[sealedSecret](tx, bucketSecrets, "pairwise")
		if err == nil {
			err = put(tx, bucketSecrets, "other", sealed)
		}
		if err == nil {
			err = put(tx, bucketSecrets, "old", strings.Repeat("ab", 32)) // as stores of before 0.3 have it
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := secrets.Secret(t.Context(), "other", rand.Reader); err == nil {
		t.Errorf("under another name it is %x", got)
	}
	for range 2 {
		if got, err := secrets.Secret(t.Context(), "old", rand.Reader); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{0xab}, 32)) {
			t.Errorf("%x, %v", got, err)
		}
	}
	if err := db.view(func(tx *bbolt.Tx) error { _, _, err := get[sealedSecret](tx, bucketSecrets, "old"); return err }); err != nil {
		t.Errorf("it still lies unsealed: %v", err)
	}
}
