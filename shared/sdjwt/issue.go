package sdjwt

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

// Status points at an entry of a Token Status List.
type Status struct {
	Index int    // ≥ 0
	URI   string // of the Status List Token
}

// Claim is a claim, a member of one, or (without a name) an element of an array. Of Value, Object and Array one is set.
type Claim struct {
	Name   string
	Value  json.RawMessage // a whole JSON value, disclosed as one
	Object []Claim
	Array  []Claim
	SD     bool // selectively disclosable
}

// Text is a claim with a string as value.
func Text(name, s string, sd bool) Claim {
	return Claim{Name: name, Value: appendString(nil, s), SD: sd}
}

// Content is what a credential says. The registered claims stand in fields of their own and are never disclosable.
type Content struct {
	Issuer       string    // iss, always there
	Type         string    // vct
	Integrity    string    // vct#integrity; may be empty
	IssuedAt     time.Time // iat; whole seconds
	NotBefore    time.Time // nbf; zero: none
	Expires      time.Time // exp; zero: none
	Status       *Status
	Confirmation *jose.JWK // cnf: the holder's key; nil: not bound to a key
	Claims       []Claim   // in order
	Decoys       int       // digests of nothing among those of the top level, so that the number of claims stays hidden
	KeyID        string    // kid
	X5C          [][]byte  // the issuer's chain without the anchor
}

// Unsigned is a credential whose exact bytes are fixed and were read back by our own verifier. It can be signed once.
type Unsigned struct {
	header      jose.Header
	payload     []byte
	disclosures string
	spent       atomic.Bool
}

// ErrSpent reports a second signature over one Unsigned.
var ErrSpent = errors.New("sdjwt: this credential was signed already")

// Prepare fixes the bytes of a credential: a salt of 128 bits from random for each disclosable claim, digests sorted,
// so that their order tells nothing. It then opens what it made; a rule that a verifier would find broken is an error
// here.
func Prepare(c Content, random io.Reader) (*Unsigned, error) {
	b := builder{random: random}
	payload, err := b.payload(c)
	if err != nil {
		return nil, fmt.Errorf("preparing the credential: %w", err)
	}
	u := &Unsigned{
		header:      jose.Header{Type: Type, KeyID: c.KeyID, X5C: c.X5C},
		payload:     payload.appendJSON(nil),
		disclosures: "~",
	}
	back := &SDJWT{}
	if back.payload, err = parseJSON(u.payload); err != nil {
		return nil, fmt.Errorf("reading the credential back: %w", err)
	}
	for _, encoded := range b.disclosures {
		d, err := parseDisclosure(encoded)
		if err != nil {
			return nil, fmt.Errorf("reading a disclosure back: %w", err)
		}
		back.Disclosures = append(back.Disclosures, d)
		u.disclosures += encoded + "~"
	}
	if _, err := back.Open(); err != nil {
		return nil, fmt.Errorf("opening the credential before it is signed: %w", err)
	}
	return u, nil
}

// Digest names the prepared payload in a record: "sha256:" and hex.
func (u *Unsigned) Digest() string {
	sum := sha256.Sum256(u.payload)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Sign signs the prepared bytes, verifies the signature and returns the issued text <JWT>~<D1>~…~<Dn>~. A second call
// gives [ErrSpent], whatever became of the first.
func (u *Unsigned) Sign(ctx context.Context, s key.Signer) (string, error) {
	if u.spent.Swap(true) {
		return "", ErrSpent
	}
	jwt, err := jose.Sign(ctx, s, u.header, u.payload)
	if err != nil {
		return "", fmt.Errorf("signing the credential: %w", err)
	}
	return jwt + u.disclosures, nil
}

type builder struct {
	random      io.Reader
	disclosures []string
}

func (b *builder) payload(c Content) (*value, error) {
	if c.Issuer == "" || c.Type == "" || c.IssuedAt.IsZero() {
		return nil, errors.New("iss, vct and iat are needed")
	}
	p := newObject()
	p.set("iss", newText(c.Issuer))
	p.set("iat", seconds(c.IssuedAt))
	if !c.NotBefore.IsZero() {
		p.set("nbf", seconds(c.NotBefore))
	}
	if !c.Expires.IsZero() {
		p.set("exp", seconds(c.Expires))
	}
	p.set("vct", newText(c.Type))
	if c.Integrity != "" {
		p.set("vct#integrity", newText(c.Integrity))
	}
	if c.Status != nil {
		list := newObject()
		list.set("idx", &value{raw: json.RawMessage(strconv.Itoa(c.Status.Index))})
		list.set("uri", newText(c.Status.URI))
		status := newObject()
		status.set("status_list", list)
		p.set("status", status)
	}
	if c.Confirmation != nil {
		data, err := json.Marshal(c.Confirmation)
		if err != nil {
			return nil, err
		}
		jwk, err := parseJSON(data)
		if err != nil {
			return nil, err
		}
		cnf := newObject()
		cnf.set("jwk", jwk)
		p.set("cnf", cnf)
	}
	disclosable, err := b.members(p, c.Claims, c.Decoys)
	if err != nil {
		return nil, err
	}
	if disclosable || len(b.disclosures) > 0 {
		p.set("_sd_alg", newText("sha-256"))
	}
	return p, nil
}

func seconds(t time.Time) *value {
	return &value{raw: json.RawMessage(strconv.FormatInt(t.Unix(), 10))}
}

// members adds claims to o and tells whether o got an _sd.
func (b *builder) members(o *value, claims []Claim, decoys int) (bool, error) {
	var digests []string
	for _, c := range claims {
		v, err := b.value(c)
		if err != nil {
			return false, fmt.Errorf("claim %s: %w", c.Name, err)
		}
		if !c.SD {
			if o.members[c.Name] != nil || c.Name == "_sd" || c.Name == "_sd_alg" || c.Name == "..." {
				return false, fmt.Errorf("claim %s is there already, or has a reserved name", c.Name)
			}
			o.set(c.Name, v)
			continue
		}
		d, err := b.disclose(newText(c.Name), v)
		if err != nil {
			return false, err
		}
		digests = append(digests, d)
	}
	for range decoys {
		salt, err := b.salt()
		if err != nil {
			return false, err
		}
		digests = append(digests, digest(salt.text))
	}
	if len(digests) == 0 {
		return false, nil
	}
	slices.Sort(digests)
	sd := &value{kind: array}
	for _, d := range digests {
		sd.elements = append(sd.elements, newText(d))
	}
	o.set("_sd", sd)
	return true, nil
}

func (b *builder) value(c Claim) (*value, error) {
	switch {
	case c.Object != nil:
		o := newObject()
		_, err := b.members(o, c.Object, 0)
		return o, err
	case c.Array != nil:
		a := &value{kind: array}
		for _, e := range c.Array {
			v, err := b.value(e)
			if err != nil {
				return nil, err
			}
			if e.SD {
				d, err := b.disclose(nil, v)
				if err != nil {
					return nil, err
				}
				v = newObject()
				v.set("...", newText(d))
			}
			a.elements = append(a.elements, v)
		}
		return a, nil
	default:
		return parseJSON(c.Value)
	}
}

// disclose makes a disclosure and returns its digest. Without a name it is one of an array element.
func (b *builder) disclose(name, v *value) (string, error) {
	salt, err := b.salt()
	if err != nil {
		return "", err
	}
	a := &value{kind: array, elements: []*value{salt}}
	if name != nil {
		a.elements = append(a.elements, name)
	}
	a.elements = append(a.elements, v)
	encoded := base64.RawURLEncoding.EncodeToString(a.appendJSON(nil))
	b.disclosures = append(b.disclosures, encoded)
	return digest(encoded), nil
}

func (b *builder) salt() (*value, error) {
	var salt [16]byte
	if _, err := io.ReadFull(b.random, salt[:]); err != nil {
		return nil, fmt.Errorf("drawing a salt: %w", err)
	}
	return newText(base64.RawURLEncoding.EncodeToString(salt[:])), nil
}
