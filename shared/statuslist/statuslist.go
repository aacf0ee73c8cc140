// Package statuslist holds the state of many credentials in a few bits each: the Token Status List
// (draft-ietf-oauth-status-list-20).
//
//	List{bits, bytes} ── Encode (zlib, base64url) ── Token ── Prepare ── Sign ── statuslist+jwt
//	statuslist+jwt ── Verify(key, uri, now) ── Token ── List.Get(index) ── Valid | Invalid | Suspended | …
//
// An index says nothing about its credential as long as indices are drawn at random and the list starts full of zeros;
// drawing them is the caller's matter (shared/licence). Reading is bounded: a list is decompressed into at most the
// size that the caller allows.
//
// It does not fetch lists, and it reads and writes the JWT form only.
package statuslist

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// Status is the state of one credential.
type Status uint8

// The statuses (section 7.1). Superseded is application specific: another version of the licence has taken its place.
const (
	Valid      Status = 0
	Invalid    Status = 1 // revoked; not reversible
	Suspended  Status = 2 // reversible
	Superseded Status = 3
)

// MaxEntries bounds the lists made and read by default: 2^20 entries of 8 bits.
const MaxEntries = 1 << 20

var (
	// ErrIndex reports an index outside of the list.
	ErrIndex = errors.New("statuslist: the index lies outside of the list")
	// ErrBits reports another width than 1, 2, 4 or 8 bits, or a status that does not fit.
	ErrBits = errors.New("statuslist: statuses have 1, 2, 4 or 8 bits")
	// ErrSize reports a list beyond the size that the caller allows.
	ErrSize = errors.New("statuslist: the list is too large")
	// ErrEncoding reports what is no zlib stream in base64url.
	ErrEncoding = errors.New("statuslist: not a compressed list")
)

// List is a list of statuses.
type List struct {
	bits int
	data []byte // entry i in byte i*bits/8, from the least significant bit (section 4.1)
}

// New makes a list of at least entries entries, all Valid. It answers [ErrBits] or [ErrSize].
func New(bits, entries int) (*List, error) {
	if !width(bits) {
		return nil, ErrBits
	}
	if entries < 1 || entries > MaxEntries {
		return nil, ErrSize
	}
	return &List{bits: bits, data: make([]byte, (entries*bits+7)/8)}, nil
}

func width(bits int) bool { return bits == 1 || bits == 2 || bits == 4 || bits == 8 }

// Bits is the width of an entry.
func (l *List) Bits() int { return l.bits }

// Len is the number of entries, those that fill up the last byte included.
func (l *List) Len() int { return len(l.data) * 8 / l.bits }

// Get returns the status at index i, or [ErrIndex].
func (l *List) Get(i int) (Status, error) {
	if i < 0 || i >= l.Len() {
		return 0, ErrIndex
	}
	return Status(l.data[i*l.bits/8]>>(i*l.bits%8)) & l.mask(), nil
}

// Set writes the status at index i. It answers [ErrIndex], or [ErrBits] for a status that does not fit.
func (l *List) Set(i int, s Status) error {
	if i < 0 || i >= l.Len() {
		return ErrIndex
	}
	if s > l.mask() {
		return ErrBits
	}
	shift := i * l.bits % 8
	b := &l.data[i*l.bits/8]
	*b = *b&^byte(l.mask()<<shift) | byte(s<<shift)
	return nil
}

func (l *List) mask() Status { return Status(1<<l.bits - 1) }

// Encode returns the value of lst: the bytes as a zlib stream (RFC 1950) of the best level, in base64url.
func (l *List) Encode() (string, error) {
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, zlib.BestCompression)
	if err != nil {
		return "", fmt.Errorf("compressing a status list: %w", err)
	}
	if _, err := w.Write(l.data); err != nil {
		return "", fmt.Errorf("compressing a status list: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("compressing a status list: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(out.Bytes()), nil
}

// Decode reads lst into a list of at most maxBytes bytes. It answers [ErrBits], [ErrSize] or [ErrEncoding]; a stream
// that would grow beyond the limit is left after maxBytes+1 bytes.
func Decode(bits int, lst string, maxBytes int) (*List, error) {
	if !width(bits) {
		return nil, ErrBits
	}
	compressed, err := base64.RawURLEncoding.DecodeString(lst)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrEncoding, err)
	}
	source := bytes.NewReader(compressed)
	r, err := zlib.NewReader(source)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrEncoding, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(maxBytes)+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrEncoding, err)
	}
	switch {
	case len(data) > maxBytes:
		return nil, ErrSize
	case len(data) == 0 || source.Len() != 0:
		return nil, fmt.Errorf("%w: empty, or something follows the stream", ErrEncoding)
	}
	return &List{bits: bits, data: data}, nil
}
