package statuslist

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

// Type is the header's typ, and with "application/" in front the media type (section 5.1).
const Type = "statuslist+jwt"

// Code says which rule was broken. Codes are stable and appear in verdicts.
type Code string

// The codes, in the order of the checks of section 8.3.
const (
	Malformed      Code = "STATUS_LIST_MALFORMED"
	WrongType      Code = "STATUS_LIST_TYPE"
	WrongSignature Code = "STATUS_LIST_SIGNATURE"
	WrongSubject   Code = "STATUS_LIST_SUBJECT" // sub is not the address in the credential
	Expired        Code = "STATUS_LIST_EXPIRED" // exp lies in the past
	NotYetIssued   Code = "STATUS_LIST_FUTURE"  // iat lies in the future
	Stale          Code = "STATUS_LIST_STALE"   // older than ttl
	IndexOutside   Code = "STATUS_LIST_INDEX"   // the credential's index lies outside of the list
)

// Error is a broken rule.
type Error struct {
	Code   Code
	Detail string
}

// Error returns code and detail.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Detail }

// Is makes errors.Is compare by code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

func refuse(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Detail: fmt.Sprintf(format, args...)}
}

// Token is a Status List Token: a list, whose it is and how long it may be used.
type Token struct {
	Subject  string        // sub: the address of the list, as it stands in the credentials
	IssuedAt time.Time     // iat
	Expires  time.Time     // exp; zero: none
	TTL      time.Duration // ttl, whole seconds: how long a copy may be used; 0: none
	List     *List

	KeyID string   // kid
	X5C   [][]byte // chain of the list's signer without the anchor
}

type wireList struct {
	Bits int    `json:"bits"`
	List string `json:"lst"`
}

type wire struct {
	Subject  string    `json:"sub"`
	IssuedAt int64     `json:"iat"`
	Expires  int64     `json:"exp,omitempty"`
	TTL      int64     `json:"ttl,omitempty"`
	List     *wireList `json:"status_list"`
}

// Unsigned is a token whose exact bytes are fixed and were read back. It can be signed once.
type Unsigned struct {
	header  jose.Header
	payload []byte
	spent   atomic.Bool
}

// ErrSpent reports a second signature over one Unsigned.
var ErrSpent = errors.New("statuslist: this token was signed already")

// Prepare fixes the bytes of a token and reads them back.
func Prepare(t Token) (*Unsigned, error) {
	if t.Subject == "" || t.IssuedAt.IsZero() || t.List == nil {
		return nil, errors.New("statuslist: sub, iat and a list are needed")
	}
	lst, err := t.List.Encode()
	if err != nil {
		return nil, err
	}
	w := wire{Subject: t.Subject, IssuedAt: t.IssuedAt.Unix(), TTL: int64(t.TTL / time.Second),
		List: &wireList{Bits: t.List.bits, List: lst}}
	if !t.Expires.IsZero() {
		w.Expires = t.Expires.Unix()
	}
	payload, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encoding a status list token: %w", err)
	}
	if _, err := readPayload(payload, len(t.List.data)); err != nil {
		return nil, fmt.Errorf("reading the status list back: %w", err)
	}
	return &Unsigned{header: jose.Header{Type: Type, KeyID: t.KeyID, X5C: t.X5C}, payload: payload}, nil
}

// Digest names the prepared payload in a record: "sha256:" and hex.
func (u *Unsigned) Digest() string {
	sum := sha256.Sum256(u.payload)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Sign signs the prepared bytes and verifies the signature. A second call gives [ErrSpent].
func (u *Unsigned) Sign(ctx context.Context, s key.Signer) (string, error) {
	if u.spent.Swap(true) {
		return "", ErrSpent
	}
	compact, err := jose.Sign(ctx, s, u.header, u.payload)
	if err != nil {
		return "", fmt.Errorf("signing a status list: %w", err)
	}
	return compact, nil
}

// Options are what the caller of [Verify] decides.
type Options struct {
	Key       crypto.PublicKey // the signer's, found by trust
	Algorithm key.Algorithm
	URI       string // the address in the credential
	Now       time.Time
	Skew      time.Duration
	MaxBytes  int // of the list, decompressed; 0: MaxEntries bytes
}

// Parse reads a token without verifying anything, to find its signer in X5C or KeyID. It answers an [*Error] of code
// [Malformed] or [WrongType].
func Parse(compact string, maxBytes int) (Token, error) {
	if maxBytes <= 0 {
		maxBytes = MaxEntries
	}
	header, payload, err := jose.Parse(compact)
	if err != nil {
		return Token{}, refuse(Malformed, "%v", err)
	}
	if header.Type != Type {
		return Token{}, refuse(WrongType, "typ is %q", header.Type)
	}
	t, err := readPayload(payload, maxBytes)
	if err != nil {
		return Token{}, refuse(Malformed, "%v", err)
	}
	t.KeyID, t.X5C = header.KeyID, header.X5C
	return t, nil
}

// Verify checks a token by section 8.3 in its order and returns it: type, signature, subject, times. The credential
// itself must have been found valid before. It answers an [*Error].
func Verify(compact string, o Options) (Token, error) {
	t, err := Parse(compact, o.MaxBytes)
	if err != nil {
		return Token{}, err
	}
	if _, _, err := jose.Verify(compact, o.Key, o.Algorithm); err != nil {
		return Token{}, refuse(WrongSignature, "%v", err)
	}
	switch {
	case t.Subject != o.URI:
		return Token{}, refuse(WrongSubject, "sub is %q", t.Subject)
	case t.IssuedAt.After(o.Now.Add(o.Skew)):
		return Token{}, refuse(NotYetIssued, "iat is %s", t.IssuedAt.Format(time.RFC3339))
	case !t.Expires.IsZero() && !o.Now.Add(-o.Skew).Before(t.Expires):
		return Token{}, refuse(Expired, "exp is %s", t.Expires.Format(time.RFC3339))
	case t.TTL > 0 && o.Now.Add(-o.Skew).After(t.IssuedAt.Add(t.TTL)):
		return Token{}, refuse(Stale, "iat is %s and ttl %s", t.IssuedAt.Format(time.RFC3339), t.TTL)
	}
	return t, nil
}

// Status looks up an entry of a verified token. It answers an [*Error] of code [IndexOutside].
func (t Token) Status(index int) (Status, error) {
	s, err := t.List.Get(index)
	if err != nil {
		return 0, refuse(IndexOutside, "index %d of %d", index, t.List.Len())
	}
	return s, nil
}

func readPayload(payload []byte, maxBytes int) (Token, error) {
	var w wire
	if err := json.Unmarshal(payload, &w); err != nil {
		return Token{}, fmt.Errorf("the payload: %w", err)
	}
	const year9999 = 253402300799
	switch {
	case w.Subject == "" || w.IssuedAt <= 0 || w.List == nil:
		return Token{}, errors.New("sub, iat or status_list is missing")
	case w.IssuedAt > year9999 || w.Expires < 0 || w.Expires > year9999 || w.TTL < 0 || w.TTL > int64(10*365*24*time.Hour/time.Second):
		return Token{}, errors.New("a time out of range")
	}
	list, err := Decode(w.List.Bits, w.List.List, maxBytes)
	if err != nil {
		return Token{}, err
	}
	t := Token{Subject: w.Subject, IssuedAt: time.Unix(w.IssuedAt, 0).UTC(), TTL: time.Duration(w.TTL) * time.Second, List: list}
	if w.Expires != 0 {
		t.Expires = time.Unix(w.Expires, 0).UTC()
	}
	return t, nil
}
