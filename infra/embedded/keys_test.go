package embedded

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/cert/certtest"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
)

func openKeys(t testing.TB, dir string) *Keys {
	t.Helper()
	k, err := OpenKeys(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysKeepTheContract(t *testing.T) {
	keytest.Keys(t, func(t *testing.T) keytest.Store { return openKeys(t, t.TempDir()) })
}

func TestKeysRequestCertificatesAsTheContractSays(t *testing.T) {
	certtest.Requester(t, func(t *testing.T) func(t *testing.T) cert.Requester {
		dir := t.TempDir()
		return func(t *testing.T) cert.Requester { return openKeys(t, dir) }
	})
}

func TestKeysRotateAsTheContractSays(t *testing.T) {
	keytest.Rotation(t, func(t *testing.T) keytest.House {
		dir := t.TempDir()
		return keytest.House{Reload: key.Reload, Open: func(t *testing.T, now func() time.Time) keytest.Keeper {
			k := openKeys(t, dir)
			k.Now = now
			return keeper{k}
		}}
	})
}

// keeper is a process that keeps keys.
type keeper struct{ *Keys }

func (k keeper) PublishedKeys(ctx context.Context) ([]string, error) {
	set, err := TokenKeys{k.Keys}.TokenKeys(ctx)
	var ids []string
	for _, one := range set.Keys {
		ids = append(ids, one.KeyID)
	}
	return ids, err
}

func TestKeysAreTheSameAfterARestart(t *testing.T) {
	dir := t.TempDir()
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256, key.EdDSA} {
		made, err := openKeys(t, dir).MakeKey(t.Context(), key.Seal, string(alg), alg)
		if err != nil {
			t.Fatal(err)
		}
		again := openKeys(t, dir)
		found, err := again.OpenKey(t.Context(), key.Seal, string(alg))
		if err != nil || found.KeyID() != made.KeyID() {
			t.Fatalf("%s: %v", alg, err)
		}
		signature, err := key.Sign(t.Context(), found, []byte("印"))
		if err != nil || !key.Verify(alg, made.Public(), []byte("印"), signature) {
			t.Errorf("%s: the key signs no more: %v", alg, err)
		}
	}
}

func TestKeyFilesAreSealedAndReadableByTheirOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a file system with modes")
	}
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	made, err := k.MakeKey(t.Context(), key.Seal, "示例", key.ES256)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d files, want the master key and one key: %v", len(entries), err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", e.Name(), info.Mode().Perm())
		}
	}
	stem, err := keyStem(key.Seal, "示例")
	if err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile(filepath.Join(dir, keyFile(stem, 1)))
	if err != nil {
		t.Fatal(err)
	}

	// No file with a changed byte opens as another key.
	for i := range original {
		changed := append([]byte{}, original...)
		changed[i] ^= 1
		opened, err := k.unseal(key.Seal, "示例", 1, changed)
		if err == nil && (len(opened.Keys) != 1 || opened.Keys[0].ID != made.KeyID() || !opened.Keys[0].Until.IsZero()) {
			t.Fatalf("byte %d changed: another key opens", i)
		}
	}
	// Nor does one that was renamed, or that another master key sealed.
	if _, err := k.unseal(key.SealMaker, "示例", 1, original); err == nil {
		t.Error("the file opens for another purpose")
	}
	if _, err := k.unseal(key.Seal, "别人", 1, original); err == nil {
		t.Error("the file opens for another owner")
	}
	if _, err := openKeys(t, t.TempDir()).unseal(key.Seal, "示例", 1, original); err == nil {
		t.Error("the file opens under another master key")
	}
	if _, err := k.unseal(key.Seal, "示例", 2, original); err == nil {
		t.Error("the file opens as another revision")
	}
	edited := strings.Replace(string(original), `"owner": "示例"`, `"owner": "别人"`, 1)
	if _, err := k.unseal(key.Seal, "别人", 1, []byte(edited)); err == nil || edited == string(original) {
		t.Error("an edited file opens for another owner")
	}
}

func TestOpenKeysRefusesALostOrOpenMasterKey(t *testing.T) {
	dir := t.TempDir()
	if _, err := openKeys(t, dir).MakeKey(t.Context(), key.Seal, "s", key.ES256); err != nil {
		t.Fatal(err)
	}
	master := filepath.Join(dir, masterFile)
	if runtime.GOOS != "windows" {
		if err := os.Chmod(master, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKeys(dir, rand.Reader); err == nil {
			t.Error("a master key that others may read was taken")
		}
	}
	if err := os.Remove(master); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(dir, rand.Reader); err == nil {
		t.Error("a new master key was made beside keys that it does not open")
	}
}

func TestMakeKeyReportsABrokenRandomSource(t *testing.T) {
	k := openKeys(t, t.TempDir())
	k.random = io.LimitReader(rand.Reader, 0)
	if _, err := k.MakeKey(t.Context(), key.Seal, "s", key.SM2SM3); err == nil {
		t.Error("a key was made without randomness")
	}
	if _, err := k.OpenKey(t.Context(), key.Seal, "s"); !errors.Is(err, key.ErrUnknown) {
		t.Errorf("afterwards OpenKey = %v, want ErrUnknown", err)
	}
}

const makeKeysIn = "YINXIN_TEST_MAKE_KEYS_IN"

// TestKeysSurviveAKill kills processes that make keys, each a little later than the one before: every key that was told
// of opens, and no file is half written.
func TestKeysSurviveAKill(t *testing.T) {
	if dir := os.Getenv(makeKeysIn); dir != "" {
		makeKeysUntilKilled(dir)
	}
	dir := t.TempDir()
	told := map[string]string{}
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKeysSurviveAKill$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s", makeKeysIn, dir))
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		for i := 0; i <= 3*round && lines.Scan(); i++ {
			owner, id, _ := strings.Cut(lines.Text(), " ")
			told[owner] = id
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it told of before it died
			if owner, id, ok := strings.Cut(lines.Text(), " "); ok && len(id) == 32 {
				told[owner] = id
			}
		}
		_ = cmd.Wait() // it was killed

		k := openKeys(t, dir)
		for owner, id := range told {
			if s, err := k.OpenKey(t.Context(), key.Seal, owner); err != nil || s.KeyID() != id {
				t.Fatalf("round %d: the key of %s is gone: %v", round, owner, err)
			}
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f.Name(), partialSuffix) {
				t.Errorf("round %d: %s was left", round, f.Name())
			}
		}
	}
	if len(told) < 8 {
		t.Errorf("only %d keys were made", len(told))
	}
}

func makeKeysUntilKilled(dir string) {
	k, err := OpenKeys(dir, rand.Reader)
	for i := 0; err == nil; i++ {
		owner := fmt.Sprintf("%d-%d", os.Getpid(), i)
		var s key.Signer
		if s, err = k.MakeKey(context.Background(), key.Seal, owner, key.ES256); err == nil {
			fmt.Println(owner, s.KeyID())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}

func BenchmarkOpenKey(b *testing.B) {
	k := openKeys(b, b.TempDir())
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256} {
		s, err := k.MakeKey(b.Context(), key.Seal, string(alg), alg)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(alg)+"/open", func(b *testing.B) {
			for b.Loop() {
				if _, err := k.OpenKey(b.Context(), key.Seal, string(alg)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(alg)+"/sign and check", func(b *testing.B) {
			for b.Loop() {
				if _, err := key.Sign(b.Context(), s, []byte("印信")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
