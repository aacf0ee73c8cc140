// Package sdjwt issues, reads and verifies SD-JWT (RFC 9901) as verifiable credentials (SD-JWT VC, draft-ietf-oauth-
// sd-jwt-vc-19): a signed statement of which the holder shows only the parts that are asked for.
//
//	issue     Content ── Prepare ── *Unsigned (exact bytes, read back by our own verifier) ── Sign ── <JWT>~<D1>~…~<Dn>~
//	show      issued ── Select ── fewer disclosures ── Bind (the holder's key) ── …~<KB-JWT>
//	verify    text ── Parse ─┬─ CheckType ── CheckSignature(the issuer's key) ── Open ─┬─ CheckValidity
//	                         └─ CheckKeyBinding, exactly when the caller demands it ───┘
//
// [Verify] runs all of that and lists what it found by stable code; shared/proof calls the steps one by one. The key
// and the algorithm come from the caller, who found them by trust; nothing in a header is ever believed. Whether key
// binding is needed is decided by the caller and never by whether a KB-JWT is there (RFC 9901, section 7.3).
//
// It knows the digest algorithm sha-256 and the compact form only, fetches nothing (issuer metadata, type metadata,
// status lists), and does not decide whom to trust.
package sdjwt

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/yinxin/yinxin/shared/jose"
)

// The bounds of what is read.
const (
	MaxSize        = 1 << 20 // bytes of the whole text
	MaxDisclosures = 1024
	maxDepth       = 32       // nesting of JSON, disclosures put in place included
	maxKeyBinding  = 16 << 10 // bytes of a KB-JWT
)

// The media types in the header's typ.
const (
	Type       = "dc+sd-jwt"
	LegacyType = "vc+sd-jwt" // until November 2024; accepted only where the caller says so
	KBType     = "kb+jwt"
)

// Code says which rule was broken. Codes are stable and appear in verdicts.
type Code string

// The codes, in the order of the checks.
const (
	Malformed           Code = "SDJWT_MALFORMED"               // not the form of an SD-JWT, or beyond the bounds
	WrongType           Code = "SDJWT_TYPE"                    // typ is not dc+sd-jwt
	WrongAlgorithm      Code = "SDJWT_ALGORITHM"               // another signature algorithm than the caller demands
	WrongSignature      Code = "SDJWT_SIGNATURE"               // the issuer's signature does not verify
	HashAlgorithm       Code = "SDJWT_HASH_ALGORITHM"          // _sd_alg is not sha-256
	DisclosureMalformed Code = "SDJWT_DISCLOSURE_MALFORMED"    // not [salt, name, value] or [salt, value] where it is used
	DisclosureName      Code = "SDJWT_DISCLOSURE_NAME"         // a disclosed claim is called _sd or …
	ClaimRepeated       Code = "SDJWT_CLAIM_REPEATED"          // a disclosed claim is there already
	DigestRepeated      Code = "SDJWT_DIGEST_REPEATED"         // one digest occurs twice
	Unreferenced        Code = "SDJWT_DISCLOSURE_UNREFERENCED" // a disclosure that no digest refers to: changed, or foreign
	ReservedDisclosed   Code = "SDJWT_RESERVED_DISCLOSED"      // a claim that must not be selectively disclosable is
	ClaimMalformed      Code = "SDJWT_CLAIM_MALFORMED"         // vct missing, or a registered claim of the wrong type
	NotYetValid         Code = "SDJWT_NOT_YET_VALID"           // nbf lies in the future
	Expired             Code = "SDJWT_EXPIRED"                 // exp lies in the past
	KeyBindingMissing   Code = "SDJWT_KB_MISSING"              // key binding is demanded and there is no KB-JWT, or no cnf
	KeyBindingMalformed Code = "SDJWT_KB_MALFORMED"            // the KB-JWT's form, typ, or a claim's type
	KeyBindingSignature Code = "SDJWT_KB_SIGNATURE"            // not signed with the key in cnf
	KeyBindingAudience  Code = "SDJWT_KB_AUDIENCE"             // aud is another verifier
	KeyBindingNonce     Code = "SDJWT_KB_NONCE"                // nonce is not the one of this transaction
	KeyBindingTime      Code = "SDJWT_KB_TIME"                 // iat outside the window
	KeyBindingDigest    Code = "SDJWT_KB_DIGEST"               // sd_hash is that of another presentation
	maxKeyBindingHeader      = 16 << 10
)

// Error is a broken rule.
type Error struct {
	Code   Code
	Detail string // for a developer; no claim values
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

// SDJWT is a parsed SD-JWT. Nothing in it is verified.
type SDJWT struct {
	JWT         string       // the issuer-signed JWT, compact
	Header      jose.Header  // its header
	Disclosures []Disclosure // in the order of the text
	KeyBinding  string       // the KB-JWT, compact; empty where there is none

	payload *value
	bound   string // what a KB-JWT is over: the text up to and including the last ~
}

// Disclosure is one disclosure.
type Disclosure struct {
	Encoded string // as in the text: base64url of the JSON array
	Digest  string // base64url of SHA-256 over Encoded
	Name    string // the claim's name; empty for an array element
	element bool
	value   *value
}

// JSON returns the disclosed value.
func (d Disclosure) JSON() []byte { return d.value.appendJSON(nil) }

// Parse reads the text of an SD-JWT, issued or presented, strictly: within the bounds, base64url without padding, JSON
// without duplicate members. It answers an [*Error] of code [Malformed] or [DisclosureMalformed].
func Parse(text string) (*SDJWT, error) {
	if len(text) > MaxSize {
		return nil, refuse(Malformed, "more than %d bytes", MaxSize)
	}
	last := strings.LastIndexByte(text, '~')
	if last < 0 {
		return nil, refuse(Malformed, "no ~: a bare JWT is no SD-JWT")
	}
	t := &SDJWT{KeyBinding: text[last+1:], bound: text[:last+1]}
	parts := strings.Split(text[:last], "~")
	if len(parts)-1 > MaxDisclosures {
		return nil, refuse(Malformed, "more than %d disclosures", MaxDisclosures)
	}
	t.JWT = parts[0]
	header, payload, err := jose.Parse(t.JWT)
	if err != nil {
		return nil, refuse(Malformed, "the issuer-signed JWT: %v", err)
	}
	t.Header = header
	if t.KeyBinding != "" {
		if len(t.KeyBinding) > maxKeyBinding {
			return nil, refuse(Malformed, "the KB-JWT has more than %d bytes", maxKeyBinding)
		}
		if _, _, err := jose.Parse(t.KeyBinding); err != nil {
			return nil, refuse(Malformed, "what follows the last ~ is no JWT: %v", err)
		}
	}
	if t.payload, err = parseJSON(payload); err != nil {
		return nil, refuse(Malformed, "the payload: %v", err)
	}
	if t.payload.kind != object {
		return nil, refuse(Malformed, "the payload is no object")
	}
	for i, encoded := range parts[1:] {
		d, err := parseDisclosure(encoded)
		if err != nil {
			return nil, refuse(DisclosureMalformed, "disclosure %d: %v", i+1, err)
		}
		t.Disclosures = append(t.Disclosures, d)
	}
	return t, nil
}

func parseDisclosure(encoded string) (Disclosure, error) {
	if encoded == "" || strings.ContainsAny(encoded, "\r\n") {
		return Disclosure{}, fmt.Errorf("empty, or with a line break")
	}
	data, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return Disclosure{}, err
	}
	v, err := parseJSON(data)
	if err != nil {
		return Disclosure{}, err
	}
	if v.kind != array || len(v.elements) < 2 || len(v.elements) > 3 || v.elements[0].kind != text {
		return Disclosure{}, fmt.Errorf("not an array of a salt, perhaps a name, and a value")
	}
	d := Disclosure{Encoded: encoded, Digest: digest(encoded), value: v.elements[len(v.elements)-1]}
	if len(v.elements) == 2 {
		d.element = true
		return d, nil
	}
	if v.elements[1].kind != text {
		return Disclosure{}, fmt.Errorf("the name is not a string")
	}
	d.Name = v.elements[1].text
	return d, nil
}

// digest is over the encoded string, not over the JSON in it (RFC 9901, section 4.2.3).
func digest(encoded string) string {
	sum := sha256.Sum256([]byte(encoded))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Text returns the SD-JWT as it was read.
func (t *SDJWT) Text() string { return t.bound + t.KeyBinding }

// Select returns the SD-JWT with only those disclosures that keep wants and without a KB-JWT. A disclosure inside
// another is of use only together with it; keeping both is the caller's matter.
func (t *SDJWT) Select(keep func(Disclosure) bool) string {
	b := []byte(t.JWT + "~")
	for _, d := range t.Disclosures {
		if keep(d) {
			b = append(append(b, d.Encoded...), '~')
		}
	}
	return string(b)
}
