package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/key"
)

// rotating is a directory with a token key whose successor is due, and a process that keeps it.
func rotating(t *testing.T) (dir string, open func() *Keys) {
	t.Helper()
	dir, at := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := func() time.Time { return at }
	open = func() *Keys {
		k := openKeys(t, dir)
		k.Now = now
		return k
	}
	if _, err := open().MakeKey(t.Context(), key.Token, "", key.ES256); err != nil {
		t.Fatal(err)
	}
	at = at.Add(23 * time.Hour)
	return dir, open
}

// TestARotatorThatStoppedIsFollowedByAnother lays the files as a rotator leaves them that stops between any two effects:
// the new revision under another name, linked, the old one removed.
func TestARotatorThatStoppedIsFollowedByAnother(t *testing.T) {
	for name, undo := range map[string]func(t *testing.T, dir string, before []byte){
		"before it began": func(*testing.T, string, []byte) {},
		"while it wrote": func(t *testing.T, dir string, _ []byte) {
			write(t, dir, "token..2.key.123"+partialSuffix, []byte(`{"purpose":"tok`))
		},
		"before it removed the old file": func(t *testing.T, dir string, before []byte) {
			if err := openKeysAt(t, dir).RotateKey(t.Context(), key.Token, "", key.TokenRotation()); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "token..key", before)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, open := rotating(t)
			alive := open() // another process, which has read nothing yet
			before, err := os.ReadFile(filepath.Join(dir, "token..key"))
			if err != nil {
				t.Fatal(err)
			}
			undo(t, dir, before)
			first, err := alive.OpenKey(t.Context(), key.Token, "")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := open().RotateKey(t.Context(), key.Token, "", key.TokenRotation()); err != nil {
					t.Fatal(err)
				}
			}
			k := open()
			known, err := k.published(t.Context(), key.Token, "")
			if err != nil || len(known) != 2 || known[0].KeyID() != first.KeyID() {
				t.Errorf("%d keys: %v", len(known), err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 2 {
				t.Errorf("%d files, want the master key and the ring: %v", len(entries), err)
			}
		})
	}
}

// openKeysAt is a process whose clock is late enough for every rotation.
func openKeysAt(t *testing.T, dir string) *Keys {
	t.Helper()
	k := openKeys(t, dir)
	k.Now = func() time.Time { return time.Date(2026, 1, 3, 2, 4, 5, 0, time.UTC) }
	return k
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAKilledKeyIsInNoFile(t *testing.T) {
	dir, open := rotating(t)
	k := open()
	signer, err := k.OpenKey(t.Context(), key.Token, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.KillKey(t.Context(), key.Token, "", signer.KeyID()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), signer.KeyID()) {
			t.Errorf("%s names the key", e.Name())
		}
	}
	next, err := open().OpenKey(t.Context(), key.Token, "")
	if err != nil || next.KeyID() == signer.KeyID() {
		t.Errorf("afterwards: %v", err)
	}
}

// TestAKeyOfTheReleasesBeforeOpens reads a file that release 0.2.0 wrote, and rotates it.
func TestAKeyOfTheReleasesBeforeOpens(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, masterFile, []byte(strings.Repeat("0f", 32)+"\n"))
	data, err := os.ReadFile(filepath.Join("testdata", "key-0.2.json"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "token..key", data)
	k := openKeysAt(t, dir)
	first, err := k.OpenKey(t.Context(), key.Token, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign(t.Context(), first, []byte("印")); err != nil {
		t.Error(err)
	}
	if err := k.RotateKey(t.Context(), key.Token, "", key.TokenRotation()); err != nil {
		t.Fatal(err)
	}
	known, err := openKeysAt(t, dir).published(t.Context(), key.Token, "")
	if err != nil || len(known) != 2 || known[0].KeyID() != first.KeyID() {
		t.Errorf("%d keys: %v", len(known), err)
	}
}
