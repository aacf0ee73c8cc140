package sdjwt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

// KeyBinding is what a verifier demands of the holder: proof of the key in cnf, made for this verifier and this
// transaction (RFC 9901, section 4.3).
type KeyBinding struct {
	Audience string        // the verifier's identifier, compared exactly
	Nonce    string        // of this transaction, compared exactly
	MaxAge   time.Duration // how old the proof may be
}

// Options are what the caller decides about a verification.
type Options struct {
	Key        crypto.PublicKey // the issuer's, found by trust
	Algorithm  key.Algorithm    // the one that this key is used with
	Now        time.Time
	Skew       time.Duration // how far clocks may differ
	LegacyType bool          // accept typ vc+sd-jwt too
	KeyBinding *KeyBinding   // nil: key binding is not demanded, and a KB-JWT that is there proves nothing
}

// Result is the outcome of [Verify].
type Result struct {
	SDJWT      *SDJWT      // nil where the text could not be read
	Credential *Credential // nil where the disclosures break a rule
	Findings   []*Error    // in the order of the checks; none: the credential is what its issuer signed, and valid now
}

// OK tells that every check passed.
func (r Result) OK() bool { return len(r.Findings) == 0 && r.Credential != nil }

// Codes returns the codes of the findings.
func (r Result) Codes() []Code {
	codes := make([]Code, len(r.Findings))
	for i, f := range r.Findings {
		codes[i] = f.Code
	}
	return codes
}

// Verify runs every check that needs nothing but the text and the options. A check that fails hides no later one that
// can still be made. Status is another matter, to be looked at only if Verify found nothing (shared/statuslist).
func Verify(text string, o Options) Result {
	var r Result
	note := func(err error) bool {
		var e *Error
		if errors.As(err, &e) {
			r.Findings = append(r.Findings, e)
		}
		return err == nil
	}
	t, err := Parse(text)
	if !note(err) {
		return r
	}
	r.SDJWT = t
	note(t.CheckType(o.LegacyType))
	note(t.CheckSignature(o.Key, o.Algorithm))
	c, err := t.Open()
	if !note(err) {
		return r
	}
	r.Credential = c
	note(c.CheckValidity(o.Now, o.Skew))
	if o.KeyBinding != nil {
		note(t.CheckKeyBinding(c, *o.KeyBinding, o.Now, o.Skew))
	}
	return r
}

// CheckType demands the media type of the format in the header.
func (t *SDJWT) CheckType(legacy bool) error {
	if t.Header.Type == Type || legacy && t.Header.Type == LegacyType {
		return nil
	}
	return refuse(WrongType, "typ is %q", t.Header.Type)
}

// CheckSignature verifies the issuer's signature with pub under alg.
func (t *SDJWT) CheckSignature(pub crypto.PublicKey, alg key.Algorithm) error {
	switch _, _, err := jose.Verify(t.JWT, pub, alg); {
	case errors.Is(err, jose.ErrAlgorithm):
		return refuse(WrongAlgorithm, "%v", err)
	case err != nil:
		return refuse(WrongSignature, "%v", err)
	}
	return nil
}

// CheckValidity compares nbf and exp with now. At exp the credential is no longer valid (RFC 7519, section 4.1.4).
func (c *Credential) CheckValidity(now time.Time, skew time.Duration) error {
	switch {
	case !c.NotBefore.IsZero() && now.Add(skew).Before(c.NotBefore):
		return refuse(NotYetValid, "nbf is %s", c.NotBefore.Format(time.RFC3339))
	case !c.Expires.IsZero() && !now.Add(-skew).Before(c.Expires):
		return refuse(Expired, "exp is %s", c.Expires.Format(time.RFC3339))
	}
	return nil
}

// CheckKeyBinding verifies the KB-JWT by RFC 9901, section 7.3, step 5, with the key in cnf. The issuer's signature
// over that key is the caller's to check.
func (t *SDJWT) CheckKeyBinding(c *Credential, want KeyBinding, now time.Time, skew time.Duration) error {
	if t.KeyBinding == "" || c.Confirmation == nil {
		return refuse(KeyBindingMissing, "no KB-JWT, or no key in cnf")
	}
	alg, ok := algorithmOf(c.Confirmation.Public)
	if !ok {
		return refuse(KeyBindingSignature, "a key in cnf that signs nothing here")
	}
	header, payload, err := jose.Verify(t.KeyBinding, c.Confirmation.Public, alg)
	switch {
	case err != nil:
		return refuse(KeyBindingSignature, "%v", err)
	case header.Type != KBType:
		return refuse(KeyBindingMalformed, "typ is %q", header.Type)
	}
	p, err := parseJSON(payload)
	if err != nil || p.kind != object {
		return refuse(KeyBindingMalformed, "the payload is no JSON object")
	}
	for _, name := range []string{"aud", "nonce", "sd_hash"} {
		if v := p.members[name]; v == nil || v.kind != text {
			return refuse(KeyBindingMalformed, "%s is no string", name)
		}
	}
	iat := p.members["iat"]
	if iat == nil {
		return refuse(KeyBindingMalformed, "iat is missing")
	}
	at, ok := numericDate(iat)
	switch {
	case !ok:
		return refuse(KeyBindingMalformed, "iat is no NumericDate")
	case p.members["aud"].text != want.Audience:
		return refuse(KeyBindingAudience, "aud is another verifier")
	case p.members["nonce"].text != want.Nonce || want.Nonce == "":
		return refuse(KeyBindingNonce, "nonce is another transaction's")
	case at.After(now.Add(skew)) || at.Before(now.Add(-skew-want.MaxAge)):
		return refuse(KeyBindingTime, "iat is %s", at.Format(time.RFC3339))
	case p.members["sd_hash"].text != digest(t.bound):
		return refuse(KeyBindingDigest, "sd_hash is that of another presentation")
	}
	return nil
}

// algorithmOf is the one algorithm that a holder's key is used with.
func algorithmOf(pub crypto.PublicKey) (key.Algorithm, bool) {
	switch pub.(type) {
	case *ecdsa.PublicKey:
		return key.ES256, true
	case ed25519.PublicKey:
		return key.EdDSA, true
	case *rsa.PublicKey:
		return key.PS256, true
	default:
		return "", false
	}
}

// Bind appends a KB-JWT to a presentation that ends in ~, as a holder does.
func Bind(ctx context.Context, presentation string, holder key.Signer, audience, nonce string, at time.Time) (string, error) {
	p := newObject()
	p.set("iat", seconds(at))
	p.set("aud", newText(audience))
	p.set("nonce", newText(nonce))
	p.set("sd_hash", newText(digest(presentation)))
	jwt, err := jose.Sign(ctx, holder, jose.Header{Type: KBType}, p.appendJSON(nil))
	if err != nil {
		return "", err
	}
	return presentation + jwt, nil
}
