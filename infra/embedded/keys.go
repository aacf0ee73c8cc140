package embedded

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// Keys keeps private keys in files of one directory, one key each, sealed by a master key (AES-256-GCM). The sealed
// bytes are bound to purpose, owner, algorithm and public key: a file that was renamed or edited does not open.
//
// The master key lies beside them in master.key, readable by its owner alone, and is made on the first run. Whoever can
// read the whole directory has the keys: this is custody for one machine, not for production.
//
// A file appears whole or not at all: it is written under another name, flushed to the disk and then linked to its own
// name, which fails where that exists. What a crash leaves under the other name is removed by the next [OpenKeys].
// Keys are made by one process at a time.
type Keys struct {
	dir    string
	master cipher.AEAD
	random io.Reader

	mu   sync.Mutex
	open map[string]key.Signer // by file name
}

var (
	_ key.Opener = (*Keys)(nil)
	_ key.Maker  = (*Keys)(nil)
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
	k := &Keys{dir: dir, random: random, open: map[string]key.Signer{}}
	hasMaster, hasKeys := false, false
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasSuffix(name, partialSuffix):
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("removing what a crash left: %w", err)
			}
		case name == masterFile:
			hasMaster = true
		case strings.HasSuffix(name, keySuffix):
			hasKeys = true
		}
	}
	switch {
	case hasKeys && !hasMaster:
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

// OpenKey implements [key.Opener].
func (k *Keys) OpenKey(ctx context.Context, purpose key.Purpose, owner string) (key.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.load(ctx, purpose, owner)
}

// MakeKey implements [key.Maker]. The lock is held while a key is made, so that of concurrent calls the first makes it
// and the others find it.
func (k *Keys) MakeKey(ctx context.Context, purpose key.Purpose, owner string, alg key.Algorithm) (key.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, err := k.load(ctx, purpose, owner)
	switch {
	case errors.Is(err, key.ErrUnknown):
	case err != nil:
		return nil, err
	case found.Algorithm() != alg:
		return nil, fmt.Errorf("the %s key of %q is there already, for %s, not %s", purpose, owner, found.Algorithm(), alg)
	default:
		return found, nil
	}
	name, err := keyFile(purpose, owner)
	if err != nil {
		return nil, err
	}
	private, err := generate(alg, k.random)
	if err != nil {
		return nil, err
	}
	data, err := k.seal(purpose, owner, alg, private)
	if err != nil {
		return nil, err
	}
	if err := k.create(name, data); err != nil {
		return nil, fmt.Errorf("keeping the %s key of %q: %w", purpose, owner, err)
	}
	return k.load(ctx, purpose, owner)
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

// keyFile names the file of a key. The owner is written in hexadecimal, so that every owner is a file name of its own
// on every file system.
func keyFile(purpose key.Purpose, owner string) (string, error) {
	if purpose == "" || strings.Trim(string(purpose), "abcdefghijklmnopqrstuvwxyz-") != "" || len(purpose) > 32 {
		return "", fmt.Errorf("%q is no purpose of a key", purpose)
	}
	if len(owner) > maxOwner {
		return "", fmt.Errorf("the owner of a key has at most %d bytes", maxOwner)
	}
	return string(purpose) + "." + hex.EncodeToString([]byte(owner)) + keySuffix, nil
}

// sealedKey is what a file holds.
type sealedKey struct {
	Purpose   key.Purpose   `json:"purpose"`
	Owner     string        `json:"owner"`
	Algorithm key.Algorithm `json:"algorithm"`
	PublicKey []byte        `json:"publicKey"` // SubjectPublicKeyInfo, DER
	Nonce     []byte        `json:"nonce"`
	Sealed    []byte        `json:"sealed"` // PKCS #8 under the master key
}

// bound is what the sealed bytes are bound to.
func (s sealedKey) bound() ([]byte, error) {
	s.Nonce, s.Sealed = nil, nil
	return json.Marshal(s)
}

func (k *Keys) seal(purpose key.Purpose, owner string, alg key.Algorithm, private crypto.Signer) ([]byte, error) {
	public, err := sm.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, fmt.Errorf("encoding a public key: %w", err)
	}
	pkcs8, err := sm.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encoding a private key: %w", err)
	}
	s := sealedKey{Purpose: purpose, Owner: owner, Algorithm: alg, PublicKey: public}
	bound, err := s.bound()
	if err != nil {
		return nil, err
	}
	s.Nonce = make([]byte, k.master.NonceSize())
	if _, err := io.ReadFull(k.random, s.Nonce); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	s.Sealed = k.master.Seal(nil, s.Nonce, pkcs8, bound)
	return json.MarshalIndent(s, "", "  ")
}

// load returns the key from memory or from its file. The caller holds the lock.
func (k *Keys) load(ctx context.Context, purpose key.Purpose, owner string) (key.Signer, error) {
	name, err := keyFile(purpose, owner)
	if err != nil {
		return nil, err
	}
	if known, ok := k.open[name]; ok {
		return known, nil
	}
	data, err := os.ReadFile(filepath.Join(k.dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the %s key of %q: %w", purpose, owner, key.ErrUnknown)
	case err != nil:
		return nil, fmt.Errorf("reading the %s key of %q: %w", purpose, owner, err)
	}
	var opened key.Signer
	opened, err = k.unseal(purpose, owner, data)
	if err == nil && purpose == key.Token {
		opened, err = key.Tested(ctx, opened)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the %s key of %q: %w", purpose, owner, err)
	}
	k.open[name] = opened
	return opened, nil
}

func (k *Keys) unseal(purpose key.Purpose, owner string, data []byte) (*fileKey, error) {
	var s sealedKey
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	if s.Purpose != purpose || s.Owner != owner || len(s.Nonce) != k.master.NonceSize() {
		return nil, errors.New("the file is that of another key")
	}
	bound, err := s.bound()
	if err != nil {
		return nil, err
	}
	pkcs8, err := k.master.Open(nil, s.Nonce, s.Sealed, bound)
	if err != nil {
		return nil, errors.New("the master key does not open it")
	}
	parsed, err := sm.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("the private key is of a kind that signs nothing")
	}
	public, err := sm.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, err
	}
	if string(public) != string(s.PublicKey) {
		return nil, errors.New("private and public key do not belong together")
	}
	sum := sha256.Sum256(public)
	return &fileKey{private: private, algorithm: s.Algorithm, id: hex.EncodeToString(sum[:16]), random: k.random}, nil
}

// create makes a file whole or not at all, and fails where it exists.
func (k *Keys) create(name string, data []byte) (err error) {
	partial := filepath.Join(k.dir, name+partialSuffix)
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
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
