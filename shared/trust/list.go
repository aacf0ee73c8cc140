package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/verdict"
)

// List is the operator's trust list: whom it lets make seals, and which agency may issue which licences. It says
// nothing about keys: those are certified under the [Anchors].
type List struct {
	Number     int64     `json:"number"` // grows from list to list
	IssuedAt   time.Time `json:"issuedAt"`
	NextUpdate time.Time `json:"nextUpdate,omitzero"`
	Makers     []Maker   `json:"makers"`
	Issuers    []Issuer  `json:"issuers"`
}

// Maker is an organisation that may make seals (电子印章制作单位).
type Maker struct {
	USCC string    `json:"uscc"` // unified social credit code
	Name string    `json:"name"`
	From time.Time `json:"from,omitzero"` // inclusive; zero: always
	To   time.Time `json:"to,omitzero"`   // exclusive; zero: for ever
}

// Issuer is an agency that may issue licences.
type Issuer struct {
	USCC  string    `json:"uscc"`
	Name  string    `json:"name"`
	Types []string  `json:"types"` // licence type codes; none of them means none
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
}

const maxListSize = 4 << 20

// ParseList reads the JSON of a list. Unknown members are refused: a restriction that is not understood is not kept.
func ParseList(data []byte) (List, error) {
	if len(data) > maxListSize {
		return List{}, fmt.Errorf("trust: a list of %d bytes is too large", len(data))
	}
	var l List
	if err := decodeStrict(data, &l); err != nil {
		return List{}, fmt.Errorf("reading the trust list: %w", err)
	}
	for _, m := range l.Makers {
		if m.USCC == "" {
			return List{}, fmt.Errorf("trust: a maker without a unified social credit code")
		}
	}
	for _, i := range l.Issuers {
		if i.USCC == "" || slices.Contains(i.Types, "") {
			return List{}, fmt.Errorf("trust: an issuer without a unified social credit code, or a type without one")
		}
	}
	return l, nil
}

// CheckMaker tells whether the certificate's organisation may make seals at the time. The check has no identifier:
// the caller gives it one.
func (l List) CheckMaker(c *cert.Certificate, at time.Time) verdict.Check {
	uscc, _, ok := cert.SplitOwner(c.Subject.Organization)
	if ok && slices.ContainsFunc(l.Makers, func(m Maker) bool { return m.USCC == uscc && within(at, m.From, m.To) }) {
		return check("", verdict.Pass, "", c, "制章单位在信任列表中。", "The maker is on the trust list.")
	}
	return check("", verdict.Fail, MakerNotTrusted, c, "制章单位不在信任列表中。", "The maker is not on the trust list.")
}

// CheckIssuer tells whether the certificate's organisation may issue licences of the type at the time. The check has
// no identifier: the caller gives it one.
func (l List) CheckIssuer(c *cert.Certificate, typeCode string, at time.Time) verdict.Check {
	uscc, _, ok := cert.SplitOwner(c.Subject.Organization)
	if ok && l.MayIssue(uscc, typeCode, at) {
		return check("", verdict.Pass, "", c, "颁证机构有权颁发此类证照。", "The agency may issue licences of this type.")
	}
	v := check("", verdict.Fail, IssuerNotTrusted, c,
		"颁证机构无权颁发此类证照。", "The agency is not entitled to issue licences of this type.")
	v.Detail["type"] = typeCode
	return v
}

// MayIssue tells whether an organisation may issue licences of a type at a time.
func (l List) MayIssue(uscc, typeCode string, at time.Time) bool {
	return slices.ContainsFunc(l.Issuers, func(i Issuer) bool {
		return i.USCC == uscc && slices.Contains(i.Types, typeCode) && within(at, i.From, i.To)
	})
}

func within(t, from, to time.Time) bool {
	return !t.Before(from) && (to.IsZero() || t.Before(to))
}

func decodeStrict(data []byte, v *List) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}
