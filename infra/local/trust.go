package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
)

// trustSource is what this installation trusts: the demo authority with its current revocation lists, and as makers the
// organisations that the seed gives the duty to make seals. In production the operator feeds both.
type trustSource struct {
	authority *embedded.Authority
	list      trust.List
}

var _ seal.Trust = (*trustSource)(nil)

// Trust implements [seal.Trust].
func (t *trustSource) Trust(ctx context.Context) (trust.Anchors, trust.List, []*cert.CRL, error) {
	lists, err := t.authority.CRLs(ctx)
	if err != nil {
		return nil, trust.List{}, nil, fmt.Errorf("reading the revocation lists: %w", err)
	}
	return t.authority.Anchors(), t.list, lists, nil
}

// enrol has the demo authority certify the makers among the seeded organisations, and puts them on the trust list. It
// stands for what an operator does once with requests and certificates.
func (s *server) enrol(ctx context.Context, organisations []registry.Organisation) (*trustSource, error) {
	t := &trustSource{authority: s.authority, list: trust.List{Number: 1, IssuedAt: s.now().UTC().Truncate(time.Second)}}
	for _, o := range organisations {
		if !slices.Contains(o.Duties, string(seal.DutyMake)) {
			continue
		}
		name := cert.Name{Country: "CN", Organization: o.USCC + o.Name, CommonName: o.Name}
		if _, err := s.authority.Enrol(ctx, trust.SealMaker, key.SealMaker, o.USCC, name); err != nil {
			return nil, fmt.Errorf("certifying the maker %s: %w", o.USCC, err)
		}
		t.list.Makers = append(t.list.Makers, trust.Maker{USCC: o.USCC, Name: o.Name})
	}
	return t, nil
}
