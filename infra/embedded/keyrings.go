package embedded

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// ringFile is what a file holds: the keys of one purpose and owner.
type ringFile struct {
	Purpose  key.Purpose `json:"purpose"`
	Owner    string      `json:"owner"`
	Revision int64       `json:"revision"` // counts the writes, from 1
	Keys     []ringEntry `json:"keys"`     // oldest first
	Nonce    []byte      `json:"nonce"`
	Sealed   []byte      `json:"sealed"` // the private keys (JSON: key identifier → PKCS #8) under the master key
}

// ringEntry is one key of a ring.
type ringEntry struct {
	key.Term
	PublicKey []byte `json:"publicKey"`         // SubjectPublicKeyInfo, DER
	Request   []byte `json:"request,omitempty"` // the certificate request (CSR, DER) that it signed when it was made

	private crypto.Signer
}

func (e ringEntry) signer(random io.Reader) *fileKey {
	return &fileKey{private: e.private, algorithm: e.Algorithm, id: e.ID, random: random}
}

// bound is what the sealed bytes are bound to.
func (f ringFile) bound() ([]byte, error) {
	f.Nonce, f.Sealed = nil, nil
	return json.Marshal(f)
}

func (f ringFile) terms() (list key.Ring) {
	for _, e := range f.Keys {
		list = append(list, e.Term)
	}
	return list
}

// find returns an entry, the zero one where there is none.
func (f ringFile) find(id string) ringEntry {
	for _, e := range f.Keys {
		if e.ID == id {
			return e
		}
	}
	return ringEntry{}
}

// heldRing is a ring in memory, opened.
type heldRing struct {
	ringFile
	loaded  time.Time
	asked   time.Time             // when it was last read for [Keys.publishedAgain]
	signers map[string]key.Signer // by key identifier
}

// newEntry makes a key.
func (k *Keys) newEntry(alg key.Algorithm) (ringEntry, error) {
	private, err := generate(alg, k.random)
	if err != nil {
		return ringEntry{}, err
	}
	id, spki, err := keyID(private.Public())
	return ringEntry{Term: key.Term{ID: id, Algorithm: alg, Made: k.Now().UTC()}, PublicKey: spki, private: private}, err
}

// keyID is the beginning of the SHA-256 digest of a public key, in hexadecimal.
func keyID(public crypto.PublicKey) (id string, spki []byte, err error) {
	if spki, err = sm.MarshalPKIXPublicKey(public); err != nil {
		return "", nil, fmt.Errorf("encoding a public key: %w", err)
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:16]), spki, nil
}

// keyStem begins the names of a ring's files. The owner is written in hexadecimal, so that every owner is a file name
// of its own on every file system.
func keyStem(purpose key.Purpose, owner string) (string, error) {
	if purpose == "" || strings.Trim(string(purpose), "abcdefghijklmnopqrstuvwxyz-") != "" || len(purpose) > 32 {
		return "", fmt.Errorf("%q is no purpose of a key", purpose)
	}
	if len(owner) > maxOwner {
		return "", fmt.Errorf("the owner of a key has at most %d bytes", maxOwner)
	}
	return string(purpose) + "." + hex.EncodeToString([]byte(owner)), nil
}

// keyFile names the file of a revision: the first is that of the name alone.
func keyFile(stem string, revision int64) string {
	if revision == 1 {
		return stem + keySuffix
	}
	return stem + "." + strconv.FormatInt(revision, 10) + keySuffix
}

// parseKeyFile is the inverse of keyFile.
func parseKeyFile(name string) (stem string, revision int64, ok bool) {
	parts := strings.Split(name, ".")
	switch {
	case len(parts) == 3 && "."+parts[2] == keySuffix:
		return parts[0] + "." + parts[1], 1, true
	case len(parts) == 4 && "."+parts[3] == keySuffix:
		n, err := strconv.ParseInt(parts[2], 10, 64)
		return parts[0] + "." + parts[1], n, err == nil && n > 1
	default:
		return "", 0, false
	}
}

// latest finds the newest revision of a ring, 0 for none, and removes those before it if it is to tidy.
func (k *Keys) latest(stem string, tidy bool) (newest int64, err error) {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return 0, fmt.Errorf("reading the directory of keys: %w", err)
	}
	var all []int64
	for _, e := range entries {
		if s, n, ok := parseKeyFile(e.Name()); ok && s == stem {
			all = append(all, n)
			newest = max(newest, n)
		}
	}
	for _, n := range all {
		if !tidy || n == newest {
			continue
		}
		if err := os.Remove(filepath.Join(k.dir, keyFile(stem, n))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("removing keys that were replaced: %w", err)
		}
	}
	return newest, nil
}

// load returns a ring from memory while that is fresh, or from its file. The caller holds the lock.
func (k *Keys) load(ctx context.Context, purpose key.Purpose, owner string) (*heldRing, error) {
	stem, err := keyStem(purpose, owner)
	if err != nil {
		return nil, err
	}
	now, known := k.Now(), k.open[stem]
	if known != nil && !now.Before(known.loaded) && now.Sub(known.loaded) < k.Reload {
		return known, nil
	}
	fail := func(err error) (*heldRing, error) {
		return nil, fmt.Errorf("opening the %s key of %q: %w", purpose, owner, err)
	}
	for {
		newest, err := k.latest(stem, false)
		switch {
		case err != nil:
			return fail(err)
		case newest == 0:
			return fail(key.ErrUnknown)
		case known != nil && known.Revision == newest:
			known.loaded = now
			return known, nil
		}
		data, err := os.ReadFile(filepath.Join(k.dir, keyFile(stem, newest)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was replaced just now
		}
		if err != nil {
			return fail(err)
		}
		ring, err := k.unseal(purpose, owner, newest, data)
		if err != nil {
			return fail(err)
		}
		h := &heldRing{ringFile: ring, loaded: now, signers: map[string]key.Signer{}}
		for _, e := range ring.Keys {
			var s key.Signer = e.signer(k.random)
			if purpose == key.Token {
				if s, err = key.Tested(ctx, s); err != nil {
					return fail(err)
				}
			}
			h.signers[e.ID] = s
		}
		k.open[stem] = h
		return h, nil
	}
}

// write seals a ring and writes its revision, or returns [key.ErrChanged] where that, or a later one, is there. The
// caller holds the lock.
func (k *Keys) write(f ringFile) error {
	stem, err := keyStem(f.Purpose, f.Owner)
	if err != nil {
		return err
	}
	data, err := k.seal(f)
	if err != nil {
		return err
	}
	delete(k.open, stem)
	name := keyFile(stem, f.Revision)
	if err := k.create(name, data); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return key.ErrChanged
		}
		return err
	}
	newest, err := k.latest(stem, true)
	if err == nil && newest != f.Revision { // ours began from a revision that was replaced and removed
		err = key.ErrChanged
	}
	return err
}

func (k *Keys) seal(f ringFile) ([]byte, error) {
	private := map[string][]byte{}
	for _, e := range f.Keys {
		pkcs8, err := sm.MarshalPKCS8PrivateKey(e.private)
		if err != nil {
			return nil, fmt.Errorf("encoding a private key: %w", err)
		}
		private[e.ID] = pkcs8
	}
	plain, err := json.Marshal(private)
	if err != nil {
		return nil, err
	}
	bound, err := f.bound()
	if err != nil {
		return nil, err
	}
	if f.Nonce, f.Sealed, err = k.lock(plain, bound); err != nil {
		return nil, err
	}
	return json.MarshalIndent(f, "", "  ")
}

// lock seals bytes under the master key, bound to others.
func (k *Keys) lock(plain, bound []byte) (nonce, sealed []byte, err error) {
	nonce = make([]byte, k.master.NonceSize())
	if _, err := io.ReadFull(k.random, nonce); err != nil {
		return nil, nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	return nonce, k.master.Seal(nil, nonce, plain, bound), nil
}

// unlock is the inverse of lock.
func (k *Keys) unlock(nonce, sealed, bound []byte) ([]byte, error) {
	if len(nonce) != k.master.NonceSize() {
		return nil, errors.New("the nonce has another length")
	}
	plain, err := k.master.Open(nil, nonce, sealed, bound)
	if err != nil {
		return nil, errors.New("the master key does not open it")
	}
	return plain, nil
}

func (k *Keys) unseal(purpose key.Purpose, owner string, revision int64, data []byte) (ringFile, error) {
	var f ringFile
	if err := json.Unmarshal(data, &f); err != nil {
		return ringFile{}, err
	}
	if f.Purpose != purpose || f.Owner != owner {
		return ringFile{}, errors.New("the file is that of another key")
	}
	if f.Revision == 0 {
		return k.unsealOne(data, f)
	}
	if f.Revision != revision {
		return ringFile{}, errors.New("the file is of another revision")
	}
	bound, err := f.bound()
	if err != nil {
		return ringFile{}, err
	}
	plain, err := k.unlock(f.Nonce, f.Sealed, bound)
	if err != nil {
		return ringFile{}, err
	}
	var private map[string][]byte
	if err := json.Unmarshal(plain, &private); err != nil {
		return ringFile{}, err
	}
	for i := range f.Keys {
		if err := f.Keys[i].open(private[f.Keys[i].ID]); err != nil {
			return ringFile{}, err
		}
	}
	return f, nil
}

// open takes the private half of an entry, if it is that.
func (e *ringEntry) open(pkcs8 []byte) error {
	parsed, err := sm.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return err
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return errors.New("the private key is of a kind that signs nothing")
	}
	id, spki, err := keyID(private.Public())
	if err != nil {
		return err
	}
	if id != e.ID || string(spki) != string(e.PublicKey) {
		return errors.New("private and public key do not belong together")
	}
	e.private = private
	return nil
}

// unsealOne reads a file as the releases before 0.3 wrote it: one key that never ends.
func (k *Keys) unsealOne(data []byte, f ringFile) (ringFile, error) {
	var one struct {
		Purpose   key.Purpose   `json:"purpose"`
		Owner     string        `json:"owner"`
		Algorithm key.Algorithm `json:"algorithm"`
		PublicKey []byte        `json:"publicKey"`
		Nonce     []byte        `json:"nonce"`
		Sealed    []byte        `json:"sealed"`
	}
	if err := json.Unmarshal(data, &one); err != nil {
		return ringFile{}, err
	}
	nonce, sealed := one.Nonce, one.Sealed
	one.Nonce, one.Sealed = nil, nil
	bound, err := json.Marshal(one)
	if err != nil {
		return ringFile{}, err
	}
	pkcs8, err := k.unlock(nonce, sealed, bound)
	if err != nil {
		return ringFile{}, err
	}
	sum := sha256.Sum256(one.PublicKey)
	e := ringEntry{Term: key.Term{ID: hex.EncodeToString(sum[:16]), Algorithm: one.Algorithm}, PublicKey: one.PublicKey}
	if err := e.open(pkcs8); err != nil {
		return ringFile{}, err
	}
	return ringFile{Purpose: f.Purpose, Owner: f.Owner, Revision: 1, Keys: []ringEntry{e}}, nil
}

// RotateKey implements [key.Rotator].
func (k *Keys) RotateKey(ctx context.Context, purpose key.Purpose, owner string, r key.Rotation) error {
	if err := r.Check(k.Reload + key.MaxAge); err != nil {
		return fmt.Errorf("rotating the %s key of %q: %w", purpose, owner, err)
	}
	return k.change(ctx, "rotating", purpose, owner, func(ring key.Ring, now time.Time, create creator) (key.Ring, error) {
		return ring.Rotated(now, r, create)
	})
}

// KillKey implements [key.Rotator].
func (k *Keys) KillKey(ctx context.Context, purpose key.Purpose, owner, keyID string) error {
	return k.change(ctx, "killing", purpose, owner, func(ring key.Ring, now time.Time, create creator) (key.Ring, error) {
		return ring.Killed(now, keyID, create)
	})
}

// creator makes a key for a ring.
type creator = func(key.Algorithm) (key.Term, error)

// change reads a ring, changes it and writes the next revision if that changed anything.
func (k *Keys) change(
	ctx context.Context, doing string, purpose key.Purpose, owner string,
	to func(ring key.Ring, now time.Time, create creator) (key.Ring, error),
) error {
	fail := func(err error) error { return fmt.Errorf("%s the %s key of %q: %w", doing, purpose, owner, err) }
	stem, err := keyStem(purpose, owner)
	if err != nil {
		return fail(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.open[stem]; h != nil {
		h.loaded = time.Time{} // as it stands now, not as it stood
	}
	before, err := k.load(ctx, purpose, owner)
	if err != nil {
		return fail(err)
	}
	all := before.ringFile
	terms, err := to(before.terms(), k.Now().UTC(), func(alg key.Algorithm) (key.Term, error) {
		made, err := k.newEntry(alg)
		all.Keys = append(all.Keys[:len(all.Keys):len(all.Keys)], made)
		return made.Term, err
	})
	if err != nil {
		return fail(err)
	}
	if terms.Equal(before.terms()) {
		return nil
	}
	after := ringFile{Purpose: purpose, Owner: owner, Revision: before.Revision + 1}
	for _, t := range terms {
		e := all.find(t.ID)
		e.Term = t
		after.Keys = append(after.Keys, e)
	}
	if err := k.write(after); err != nil {
		return fail(err)
	}
	return nil
}

// published returns the keys of a ring whose signatures are accepted now, or will be.
func (k *Keys) published(ctx context.Context, purpose key.Purpose, owner string) ([]key.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, err := k.load(ctx, purpose, owner)
	if err != nil {
		return nil, err
	}
	return k.publishedOf(h), nil
}

// publishedAgain is published of a ring that is read anew, but not twice within a time; see [access.Keys].
func (k *Keys) publishedAgain(ctx context.Context, purpose key.Purpose, owner string, apart time.Duration) ([]key.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, err := k.load(ctx, purpose, owner)
	if err != nil {
		return nil, err
	}
	now := k.Now()
	within := func(of time.Time) bool { return !now.Before(of) && now.Sub(of) < apart }
	if !within(h.loaded) && !within(h.asked) {
		loaded := h.loaded
		h.asked, h.loaded = now, time.Time{}
		again, err := k.load(ctx, purpose, owner)
		if err != nil {
			h.loaded = loaded
			return nil, err
		}
		h = again
	}
	return k.publishedOf(h), nil
}

func (k *Keys) publishedOf(h *heldRing) (list []key.Signer) {
	for _, t := range h.terms().Published(k.Now()) {
		list = append(list, h.signers[t.ID])
	}
	return list
}
