package embedded

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// Keys keeps private keys in files of one directory, one ring of a purpose and owner each (see [key.Ring]), sealed by a
// master key (AES-256-GCM). The sealed bytes are bound to all that is in the file: one that was renamed or edited does
// not open.
//
// The master key lies beside them in master.key, readable by its owner alone, and is made on the first run. Whoever can
// read the whole directory has the keys: this is custody for one machine, not for production.
//
// A file appears whole or not at all: it is written under another name, flushed to the disk and then linked to its own
// name, which fails where that exists. A ring that changes is a new file, named by its revision, and then the old one
// is removed: of two who change a ring one links its file. What a crash leaves, under another name or of a revision
// before, is removed by the next [OpenKeys].
type Keys struct {
	Now    func() time.Time // by which keys follow each other; time.Now by [OpenKeys]
	Reload time.Duration    // how long what was read of a ring stays good; [key.Reload] by [OpenKeys]

	dir    string
	master cipher.AEAD
	random io.Reader

	mu   sync.Mutex
	open map[string]*heldRing // by stem
}

var (
	_ key.Opener  = (*Keys)(nil)
	_ key.Maker   = (*Keys)(nil)
	_ key.Rotator = (*Keys)(nil)
)

const (
	masterFile    = "master.key"
	keySuffix     = ".key"
	partialSuffix = ".partial"
	maxOwner      = 100 // bytes of an owner: with the purpose it must fit a file name
)

// OpenKeys opens the directory, and makes it and the master key where there are none. It refuses a directory that holds
// keys but no master key, and a master key that others may read.
func OpenKeys(dir string, random io.Reader) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of keys: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the directory of keys: %w", err)
	}
	k := &Keys{Now: time.Now, Reload: key.Reload, dir: dir, random: random, open: map[string]*heldRing{}}
	hasMaster, stems := false, map[string]bool{}
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasSuffix(name, partialSuffix):
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("removing what a crash left: %w", err)
			}
		case name == masterFile:
			hasMaster = true
		default:
			if stem, _, ok := parseKeyFile(name); ok {
				stems[stem] = true
			}
		}
	}
	for stem := range stems {
		if _, err := k.latest(stem, true); err != nil {
			return nil, err
		}
	}
	switch {
	case len(stems) > 0 && !hasMaster:
		return nil, fmt.Errorf("the directory %s holds keys, but the master key that opens them is gone", dir)
	case !hasMaster:
		secret := make([]byte, 32)
		if _, err := io.ReadFull(random, secret); err != nil {
			return nil, fmt.Errorf("drawing the master key: %w", err)
		}
		if err := k.create(masterFile, []byte(hex.EncodeToString(secret)+"\n")); err != nil {
			return nil, fmt.Errorf("keeping the master key: %w", err)
		}
	}
	if k.master, err = readMaster(filepath.Join(dir, masterFile)); err != nil {
		return nil, err
	}
	return k, nil
}

func readMaster(path string) (cipher.AEAD, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("finding the master key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("the master key %s may be read by others: its mode must be 0600", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("the master key %s is not 32 bytes in hexadecimal", path)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// OpenKey implements [key.Opener]: the key of the ring that signs now.
func (k *Keys) OpenKey(ctx context.Context, purpose key.Purpose, owner string) (key.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, err := k.load(ctx, purpose, owner)
	if err != nil {
		return nil, err
	}
	t, ok := h.terms().Signing(k.Now())
	if !ok {
		return nil, fmt.Errorf("the %s key of %q: %w", purpose, owner, key.ErrUnknown)
	}
	return h.signers[t.ID], nil
}

// MakeKey implements [key.Maker].
func (k *Keys) MakeKey(ctx context.Context, purpose key.Purpose, owner string, alg key.Algorithm) (key.Signer, error) {
	if _, err := k.make(ctx, purpose, owner, alg, nil); err != nil {
		return nil, err
	}
	return k.OpenKey(ctx, purpose, owner)
}

// make makes the first key of a ring, or finds the key that signs and returns its entry. The lock is held while a key
// is made, so that of concurrent calls the first makes it and the others find it; where another process was faster its
// key is found. request, unless nil, is what the key signs once, when it is made.
func (k *Keys) make(
	ctx context.Context, purpose key.Purpose, owner string, alg key.Algorithm, request func(key.Signer) ([]byte, error),
) (ringEntry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for range 2 {
		h, err := k.load(ctx, purpose, owner)
		switch {
		case err == nil:
			t, ok := h.terms().Signing(k.Now())
			if !ok {
				return ringEntry{}, fmt.Errorf("the %s key of %q: %w", purpose, owner, key.ErrUnknown)
			}
			if t.Algorithm != alg {
				return ringEntry{}, fmt.Errorf("the %s key of %q is there already, for %s, not %s", purpose, owner, t.Algorithm, alg)
			}
			return h.find(t.ID), nil
		case !errors.Is(err, key.ErrUnknown):
			return ringEntry{}, err
		}
		entry, err := k.newEntry(alg)
		if err == nil && request != nil {
			entry.Request, err = request(entry.signer(k.random))
		}
		if err != nil {
			return ringEntry{}, err
		}
		first := ringFile{Purpose: purpose, Owner: owner, Revision: 1, Keys: []ringEntry{entry}}
		if err = k.write(first); err != nil && !errors.Is(err, key.ErrChanged) {
			return ringEntry{}, fmt.Errorf("keeping the %s key of %q: %w", purpose, owner, err)
		}
	}
	return ringEntry{}, fmt.Errorf("making the %s key of %q: %w", purpose, owner, key.ErrChanged)
}

func generate(alg key.Algorithm, random io.Reader) (crypto.Signer, error) {
	switch alg {
	case key.SM2SM3:
		return sm.GenerateKey(random)
	case key.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), random)
	case key.EdDSA:
		_, private, err := ed25519.GenerateKey(random)
		return private, err
	default:
		return nil, fmt.Errorf("keys of %q are not kept here", alg)
	}
}

// create makes a file whole or not at all, and fails where it exists.
func (k *Keys) create(name string, data []byte) (err error) {
	f, err := os.CreateTemp(k.dir, name+".*"+partialSuffix)
	if err != nil {
		return err
	}
	partial := f.Name()
	defer func() { _ = os.Remove(partial) }() // the next OpenKeys removes it too
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Link(partial, filepath.Join(k.dir, name)); err != nil {
		return err
	}
	return syncDir(k.dir)
}

// syncDir makes the names in a directory durable; where directories cannot be flushed, the file system sees to it.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}

// fileKey is an open key.
type fileKey struct {
	private   crypto.Signer
	algorithm key.Algorithm
	id        string
	random    io.Reader
}

// KeyID is the beginning of the SHA-256 digest of the public key, in hexadecimal.
func (f *fileKey) KeyID() string            { return f.id }
func (f *fileKey) Algorithm() key.Algorithm { return f.algorithm }
func (f *fileKey) Public() crypto.PublicKey { return f.private.Public() }

// SignDigest implements [key.Signer].
func (f *fileKey) SignDigest(ctx context.Context, digest []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch private := f.private.(type) {
	case *sm.PrivateKey:
		return sm.SignDigest(f.random, private, digest)
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(f.random, private, digest)
	case ed25519.PrivateKey:
		return ed25519.Sign(private, digest), nil
	default:
		return nil, fmt.Errorf("keys of %q are not kept here", f.algorithm)
	}
}
