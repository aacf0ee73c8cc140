package aws

import (
	"context"
	"errors"

	"github.com/yinxin/yinxin/infra/view"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/verify"
)

// LicenceDirectory shows shared/licence the people and organisations of the registry.
type LicenceDirectory struct{ *DB }

var (
	_ licence.Agencies = LicenceDirectory{}
	_ licence.Holders  = LicenceDirectory{}
	_ licence.Mandates = Mandates{}
)

// Agency implements [licence.Agencies].
func (s LicenceDirectory) Agency(ctx context.Context, uscc string) (licence.Agency, error) {
	return view.Agency(ctx, Organisations(s), uscc)
}

// Holder implements [licence.Holders]. A person is found through an index, which may lag behind the registration; what
// it finds is the person as last saved.
func (s LicenceDirectory) Holder(ctx context.Context, kind ident.HolderType, code string) (licence.Holder, error) {
	if kind == ident.USCCType {
		a, err := s.Agency(ctx, code)
		if err != nil {
			return licence.Holder{}, err
		}
		return licence.Holder{Subject: a.USCC, Type: kind, Code: a.USCC, Name: a.Name}, nil
	}
	p, err := Persons(s).byIdentity(ctx, string(kind), code)
	if errors.Is(err, registry.ErrPersonUnknown) {
		return licence.Holder{}, licence.ErrUnknown
	}
	if err != nil {
		return licence.Holder{}, err
	}
	return licence.Holder{Subject: p.ID, Type: kind, Code: code, Name: p.Name}, nil
}

// LicenceRegister shows verifiers the register of licences, masked.
type LicenceRegister struct{ *DB }

var _ verify.LicenceLookup = LicenceRegister{}

// LookUpLicence implements [verify.LicenceLookup].
func (s LicenceRegister) LookUpLicence(ctx context.Context, identifier string) (verify.Found, error) {
	return view.Licence(ctx, Licences(s), Licences(s), LicenceTypes(s), identifier)
}
