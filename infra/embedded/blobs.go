package embedded

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Blobs keeps byte strings in a directory under names that are written once, and gives addresses under which a client
// may write or read one itself: what S3 is in AWS.
//
// An address says the method, until when it is good, and, for writing, the media type, size and SHA-256 digest of the
// only bytes that are taken; an HMAC over all of it keeps it so.
type Blobs struct {
	Dir  string
	Base string // URL at which ServeHTTP is reached, "http://localhost:8080/blobs/"
	Key  []byte // of the addresses
	Now  func() time.Time
}

// The sentinels of [Blobs].
var (
	ErrBlobUnknown = errors.New("embedded: no such blob")
	ErrBlobTaken   = errors.New("embedded: the name of the blob is taken")
)

// file is the file of a name: a relative path of letters that need no escape anywhere.
func (b Blobs) file(name string) (string, error) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-_.="
	if name == "" || len(name) > 900 || path.Clean("/"+name) != "/"+name || strings.Trim(name, letters) != "" {
		return "", fmt.Errorf("%q is no name of a blob", name)
	}
	return filepath.Join(b.Dir, filepath.FromSlash(name)), nil
}

// PutBlob writes data under a name, durably before it returns. Where the same bytes stand already it does nothing;
// where others do it returns [ErrBlobTaken].
func (b Blobs) PutBlob(name string, data []byte) (err error) {
	file, err := b.file(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("writing the blob %s: %w", name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return fmt.Errorf("writing the blob %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), file) // fails where the name is taken
	}
	if errors.Is(err, fs.ErrExist) {
		stands, err := os.ReadFile(file)
		if err == nil && !bytes.Equal(stands, data) {
			err = fmt.Errorf("writing the blob %s: %w", name, ErrBlobTaken)
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("writing the blob %s: %w", name, err)
	}
	return syncDir(filepath.Dir(file))
}

// Blob returns what was written under a name, or [ErrBlobUnknown].
func (b Blobs) Blob(name string) ([]byte, error) {
	file, err := b.file(name)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the blob %s: %w", name, ErrBlobUnknown)
	}
	return data, err
}

// Stands tells whether something was written under a name.
func (b Blobs) Stands(name string) (bool, error) {
	file, err := b.file(name)
	if err != nil {
		return false, err
	}
	_, err = os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// UploadAddress returns where a client may write a blob of exactly this media type, size and digest, once, until a
// time. It is to be sent by PUT with the headers.
func (b Blobs) UploadAddress(name, mediaType string, size int64, sha256 string, until time.Time) (string, http.Header, error) {
	if _, err := b.file(name); err != nil {
		return "", nil, err
	}
	q := url.Values{"type": {mediaType}, "size": {strconv.FormatInt(size, 10)}, "sha256": {sha256}}
	return b.address(http.MethodPut, name, q, until), http.Header{"Content-Type": {mediaType}, "If-None-Match": {"*"}}, nil
}

// DownloadAddress returns where a client may fetch a blob until a time, by GET. It does not look whether it is there.
func (b Blobs) DownloadAddress(name, mediaType string, until time.Time) (string, error) {
	if _, err := b.file(name); err != nil {
		return "", err
	}
	return b.address(http.MethodGet, name, url.Values{"type": {mediaType}}, until), nil
}

func (b Blobs) address(method, name string, q url.Values, until time.Time) string {
	q.Set("expires", strconv.FormatInt(until.Unix(), 10))
	q.Set("signature", b.signature(method, name, q))
	return b.Base + name + "?" + q.Encode()
}

// signature is over everything that an address says. The query is encoded in the order of its names.
func (b Blobs) signature(method, name string, q url.Values) string {
	said := url.Values{}
	for key, values := range q {
		if key != "signature" {
			said[key] = values
		}
	}
	mac := hmac.New(sha256.New, b.Key)
	mac.Write([]byte(method + "\n" + name + "\n" + said.Encode())) // a hash takes everything
	return hex.EncodeToString(mac.Sum(nil))
}

// ServeHTTP takes and gives blobs at their addresses; the path of the request is the name alone. It refuses as S3 does,
// with the codes of its API Reference, "Error responses".
func (b Blobs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, q := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
	if !hmac.Equal([]byte(q.Get("signature")), []byte(b.signature(r.Method, name, q))) {
		refuseBlob(w, http.StatusForbidden, "SignatureDoesNotMatch")
		return
	}
	until, err := strconv.ParseInt(q.Get("expires"), 10, 64)
	if err != nil || b.Now().Unix() >= until {
		refuseBlob(w, http.StatusForbidden, "AccessDenied")
		return
	}
	if r.Method == http.MethodPut {
		b.take(w, r, name, q)
		return
	}
	data, err := b.Blob(name)
	switch {
	case errors.Is(err, ErrBlobUnknown):
		refuseBlob(w, http.StatusNotFound, "NoSuchKey")
	case err != nil:
		refuseBlob(w, http.StatusInternalServerError, "InternalError")
	default:
		w.Header().Set("Content-Type", q.Get("type"))
		w.Header().Set("Content-Disposition", `attachment; filename="`+path.Base(name)+`"`)
		w.Header().Set("Cache-Control", "private, no-store")
		_, _ = w.Write(data) // the client is gone if this fails
	}
}

// take takes the bytes of one blob.
func (b Blobs) take(w http.ResponseWriter, r *http.Request, name string, q url.Values) {
	size, err := strconv.ParseInt(q.Get("size"), 10, 64)
	if err != nil || r.ContentLength != size || r.Header.Get("Content-Type") != q.Get("type") ||
		r.Header.Get("If-None-Match") != "*" {
		refuseBlob(w, http.StatusForbidden, "SignatureDoesNotMatch") // these headers are signed in S3
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, size))
	if err != nil || int64(len(data)) != size {
		refuseBlob(w, http.StatusBadRequest, "IncompleteBody")
		return
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != q.Get("sha256") {
		refuseBlob(w, http.StatusBadRequest, "BadDigest")
		return
	}
	if stands, err := b.Stands(name); err == nil && stands { // S3 refuses the same bytes too
		refuseBlob(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	switch err := b.PutBlob(name, data); {
	case errors.Is(err, ErrBlobTaken):
		refuseBlob(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case err != nil:
		refuseBlob(w, http.StatusInternalServerError, "InternalError")
	}
}

func refuseBlob(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>`+code+`</Code></Error>`)
}
