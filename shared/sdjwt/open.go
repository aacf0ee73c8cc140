package sdjwt

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
)

// Credential is what an SD-JWT says once its disclosures are put in place. It is true only as far as the signature is
// verified as well.
type Credential struct {
	Issuer       string    // iss; may be empty in credentials of others
	Type         string    // vct
	Integrity    string    // vct#integrity
	IssuedAt     time.Time // iat; zero: none
	NotBefore    time.Time // nbf; zero: none
	Expires      time.Time // exp; zero: none
	Status       *Status
	Confirmation *jose.JWK

	Claims    map[string]json.RawMessage // every claim, the registered ones too; _sd and _sd_alg are gone
	Disclosed int                        // disclosures put in place
	Withheld  int                        // digests without a disclosure: withheld claims and decoys look the same
}

// Text returns a claim that is a string, or "".
func (c *Credential) Text(name string) string {
	var s string
	if json.Unmarshal(c.Claims[name], &s) != nil {
		return ""
	}
	return s
}

// reserved are the claims that are never selectively disclosable, nor anything inside them (SD-JWT VC, section 3.2.2.2).
func reserved(name string) bool {
	switch name {
	case "iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "aka_vcts", "status":
		return true
	}
	return false
}

// Open puts the disclosures in place by the rules of RFC 9901, section 7.1, step 3, and of SD-JWT VC. It answers an
// [*Error]; the code tells the rule. It does not look at the signature.
func (t *SDJWT) Open() (*Credential, error) {
	claims, withheld, err := t.open()
	if err != nil {
		return nil, err
	}
	c := &Credential{Claims: map[string]json.RawMessage{}, Disclosed: len(t.Disclosures), Withheld: withheld}
	for _, name := range claims.names {
		c.Claims[name] = claims.members[name].appendJSON(nil)
	}
	if err := c.registered(claims); err != nil {
		return nil, err
	}
	return c, nil
}

// open is RFC 9901, section 7.1, step 3, with the reserved claims of SD-JWT VC. It counts the withheld digests.
func (t *SDJWT) open() (claims *value, withheld int, err error) {
	if alg := t.payload.members["_sd_alg"]; alg != nil && (alg.kind != text || alg.text != "sha-256") {
		return nil, 0, refuse(HashAlgorithm, "_sd_alg is not sha-256")
	}
	o := opener{byDigest: map[string]int{}, seen: map[string]bool{}, used: make([]bool, len(t.Disclosures)), all: t.Disclosures}
	for i, d := range t.Disclosures {
		if _, twice := o.byDigest[d.Digest]; twice {
			return nil, 0, refuse(DigestRepeated, "disclosure %d appears twice", i+1)
		}
		o.byDigest[d.Digest] = i
	}
	claims = newObject()
	if err := o.object(t.payload, claims, place{top: true}); err != nil {
		return nil, 0, err
	}
	for i, used := range o.used {
		if !used {
			return nil, 0, refuse(Unreferenced, "disclosure %d of %d: no digest refers to it", i+1, len(o.used))
		}
	}
	return claims, o.withheld, nil
}

type opener struct {
	all      []Disclosure
	byDigest map[string]int
	used     []bool
	seen     map[string]bool // digests met
	withheld int
}

// place is where in the payload the opener is.
type place struct {
	top      bool // among the claims themselves
	reserved bool // in a claim that must not be disclosable
	depth    int
}

func (p place) inside(name string) place {
	return place{reserved: p.reserved || p.top && reserved(name), depth: p.depth + 1}
}

// find returns the disclosure of a digest, or nil.
func (o *opener) find(d string, p place) (*Disclosure, error) {
	if p.reserved {
		return nil, refuse(ReservedDisclosed, "a digest inside a claim that must not be disclosable")
	}
	if o.seen[d] {
		return nil, refuse(DigestRepeated, "a digest occurs twice")
	}
	o.seen[d] = true
	i, ok := o.byDigest[d]
	if !ok {
		o.withheld++
		return nil, nil
	}
	o.used[i] = true
	return &o.all[i], nil
}

// value copies v to its opened form.
func (o *opener) value(v *value, p place) (*value, error) {
	if p.depth > maxDepth {
		return nil, refuse(Malformed, "nested too deep")
	}
	switch v.kind {
	case object:
		out := newObject()
		return out, o.object(v, out, p)
	case array:
		return o.array(v, p)
	default:
		return v, nil
	}
}

func (o *opener) object(v, out *value, p place) error {
	for _, name := range v.names {
		switch {
		case name == "_sd", p.top && name == "_sd_alg":
			continue
		case name == "...":
			return refuse(Malformed, "a member called ... outside of an array")
		}
		member, err := o.value(v.members[name], p.inside(name))
		if err != nil {
			return err
		}
		out.set(name, member)
	}
	sd := v.members["_sd"]
	if sd == nil {
		return nil
	}
	if sd.kind != array {
		return refuse(Malformed, "_sd is no array")
	}
	for _, e := range sd.elements {
		if e.kind != text {
			return refuse(Malformed, "a digest in _sd is no string")
		}
		d, err := o.find(e.text, p)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		switch {
		case d.element:
			return refuse(DisclosureMalformed, "the disclosure of an array element stands for a claim")
		case d.Name == "_sd", d.Name == "...":
			return refuse(DisclosureName, "a disclosed claim is called %s", d.Name)
		case p.top && (reserved(d.Name) || d.Name == "_sd_alg"):
			return refuse(ReservedDisclosed, "%s is disclosed", d.Name)
		case out.members[d.Name] != nil:
			return refuse(ClaimRepeated, "a disclosed claim is there already")
		}
		member, err := o.value(d.value, p.inside(d.Name))
		if err != nil {
			return err
		}
		out.set(d.Name, member)
	}
	return nil
}

func (o *opener) array(v *value, p place) (*value, error) {
	out := &value{kind: array}
	for _, e := range v.elements {
		if e.kind == object && e.members["..."] != nil {
			concealed := e.members["..."]
			if len(e.names) != 1 || concealed.kind != text {
				return nil, refuse(Malformed, "an array element has ... and more, or no string in it")
			}
			d, err := o.find(concealed.text, p)
			if err != nil {
				return nil, err
			}
			if d == nil {
				continue
			}
			if !d.element {
				return nil, refuse(DisclosureMalformed, "the disclosure of a claim stands for an array element")
			}
			e = d.value
		}
		opened, err := o.value(e, place{reserved: p.reserved, depth: p.depth + 1})
		if err != nil {
			return nil, err
		}
		out.elements = append(out.elements, opened)
	}
	return out, nil
}

// registered reads the registered claims.
func (c *Credential) registered(o *value) error {
	for name, field := range map[string]*string{"iss": &c.Issuer, "vct": &c.Type, "vct#integrity": &c.Integrity} {
		v := o.members[name]
		if v == nil {
			continue
		}
		if v.kind != text {
			return refuse(ClaimMalformed, "%s is no string", name)
		}
		*field = v.text
	}
	if c.Type == "" {
		return refuse(ClaimMalformed, "vct is missing")
	}
	for name, field := range map[string]*time.Time{"iat": &c.IssuedAt, "nbf": &c.NotBefore, "exp": &c.Expires} {
		v := o.members[name]
		if v == nil {
			continue
		}
		t, ok := numericDate(v)
		if !ok {
			return refuse(ClaimMalformed, "%s is no NumericDate", name)
		}
		*field = t
	}
	if err := c.readStatus(o.members["status"]); err != nil {
		return err
	}
	return c.readConfirmation(o.members["cnf"])
}

// numericDate reads seconds since 1970, a fraction allowed (RFC 7519, section 2), between the years 1970 and 9999.
func numericDate(v *value) (time.Time, bool) {
	f, err := strconv.ParseFloat(string(v.raw), 64)
	if err != nil || math.IsNaN(f) || f <= 0 || f >= 253402300800 {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true
}

func (c *Credential) readStatus(v *value) error {
	if v == nil {
		return nil
	}
	if v.kind != object {
		return refuse(ClaimMalformed, "status is no object")
	}
	list := v.members["status_list"]
	if list == nil {
		return nil // another mechanism; the caller sees that Status is nil and the claim is there
	}
	if list.kind != object || list.members["idx"] == nil || list.members["uri"] == nil || list.members["uri"].kind != text {
		return refuse(ClaimMalformed, "status_list without idx and uri")
	}
	index, err := strconv.ParseUint(string(list.members["idx"].raw), 10, 31)
	if err != nil {
		return refuse(ClaimMalformed, "idx is no index")
	}
	c.Status = &Status{Index: int(index), URI: list.members["uri"].text}
	return nil
}

func (c *Credential) readConfirmation(v *value) error {
	if v == nil {
		return nil
	}
	if v.kind != object || v.members["jwk"] == nil {
		return refuse(ClaimMalformed, "cnf without jwk")
	}
	jwk, err := jose.ParseJWK(v.members["jwk"].appendJSON(nil))
	if err != nil {
		return refuse(ClaimMalformed, "cnf: %v", err)
	}
	c.Confirmation = &jwk
	return nil
}
