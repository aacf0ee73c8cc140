package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
)

// enrol has the demo authority certify the keys of the makers among the seeded organisations, and the licence and
// status-list keys of the agencies that issue a known type. It stands for what an operator does once with requests and
// certificates; keys of seals are certified when a seal is made.
func (s *server) enrol(ctx context.Context, organisations []registry.Organisation) error {
	for _, o := range organisations {
		if slices.Contains(o.Duties, string(seal.DutyMake)) {
			if err := s.certify(ctx, o, trust.SealMaker, key.SealMaker); err != nil {
				return err
			}
		}
	}
	types, err := embedded.LicenceTypes{DB: s.db}.LicenceTypes(ctx)
	if err != nil {
		return fmt.Errorf("reading the licence types: %w", err)
	}
	for _, t := range types {
		for _, uscc := range t.Issuers {
			o, err := embedded.Organisations{DB: s.db}.Organisation(ctx, uscc)
			if errors.Is(err, registry.ErrOrganisationUnknown) {
				continue // a type may name agencies that are not registered here
			}
			if err != nil {
				return fmt.Errorf("reading an issuer of %s: %w", t.Code, err)
			}
			if err := s.certify(ctx, o, trust.LicenceIssuer, key.LicenceIssuer); err != nil {
				return err
			}
			if err := s.certify(ctx, o, trust.StatusList, key.StatusList); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *server) certify(ctx context.Context, o registry.Organisation, purpose trust.Purpose, use key.Purpose) error {
	name := cert.Name{Country: "CN", Organization: o.USCC + o.Name, CommonName: o.Name}
	if _, err := s.authority.Enrol(ctx, purpose, use, o.USCC, name); err != nil {
		return fmt.Errorf("certifying the key %s of %s: %w", use, o.USCC, err)
	}
	return nil
}
