package aws

import (
	"context"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/trust"
)

// Trusting takes what certificates are judged by: roots with the authorities under them, and revocation lists. Whoever
// invokes it decides whom the platform believes.
type Trusting struct {
	Trust TrustSaver
	Now   func() time.Time
	Rand  io.Reader
}

// TrustOrder is one import, all of it PEM.
type TrustOrder struct {
	Purpose trust.Purpose `json:"purpose,omitempty"` // of the anchor
	Anchor  string        `json:"anchor,omitempty"`  // the root, then the authorities under it that certify for the purpose
	CRLs    string        `json:"crls,omitempty"`
}

// TrustAnswer says how much was taken.
type TrustAnswer struct {
	Anchors int `json:"anchors"`
	CRLs    int `json:"crls"`
}

// Take imports an order.
func (s Trusting) Take(ctx context.Context, o TrustOrder) (answer TrustAnswer, err error) {
	if o.Anchor == "" && o.CRLs == "" {
		return answer, errors.New("an order needs an anchor or revocation lists")
	}
	if o.Anchor != "" {
		if err := s.anchor(ctx, o); err != nil {
			return answer, err
		}
		answer.Anchors = 1
	}
	for rest := []byte(o.CRLs); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return answer, nil
		}
		if block.Type != "X509 CRL" {
			return answer, fmt.Errorf("a revocation list is no %s", block.Type)
		}
		e, err := s.event("trust.crl", "trust/crl")
		if err != nil {
			return answer, err
		}
		if err := s.Trust.SaveCRL(ctx, block.Bytes, e); err != nil {
			return answer, err
		}
		answer.CRLs++
	}
}

func (s Trusting) anchor(ctx context.Context, o TrustOrder) error {
	if !slices.Contains(trust.Purposes(), o.Purpose) {
		return fmt.Errorf("nothing is trusted for %q", o.Purpose)
	}
	ders, err := chainOf(o.Anchor)
	if err != nil {
		return err
	}
	a := trust.Anchor{Purpose: o.Purpose}
	for i, der := range ders {
		c, err := cert.Parse(der)
		if err != nil {
			return fmt.Errorf("importing an anchor: %w", err)
		}
		switch {
		case i == 0 && (!c.SelfIssued() || !c.SignedBy(c)):
			return errors.New("importing an anchor: the first certificate is no root")
		case i == 0:
			a.Root = c
		case !c.SignedBy(a.Root):
			return errors.New("importing an anchor: the root did not certify an authority under it")
		default:
			a.Issuers = append(a.Issuers, c)
		}
	}
	e, err := s.event("trust.anchor", "trust/"+string(o.Purpose))
	if err != nil {
		return err
	}
	return s.Trust.SaveAnchor(ctx, a, e)
}

func (s Trusting) event(action, object string) (audit.Event, error) {
	var id [16]byte
	if _, err := io.ReadFull(s.Rand, id[:]); err != nil {
		return audit.Event{}, fmt.Errorf("drawing an identifier: %w", err)
	}
	return audit.Event{ID: hex.EncodeToString(id[:]), Time: s.Now().UTC(), Action: action, Object: object, Channel: "event",
		Outcome: audit.Done}, nil
}
