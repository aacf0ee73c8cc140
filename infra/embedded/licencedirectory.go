package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/verdict"
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
	o, err := Organisations(s).Organisation(ctx, uscc)
	if errors.Is(err, registry.ErrOrganisationUnknown) {
		return licence.Agency{}, licence.ErrUnknown
	}
	return licence.Agency{USCC: o.USCC, Name: o.Name, Division: o.Division}, err
}

// Holder implements [licence.Holders]. It reads through all people, of whom one process has few.
func (s LicenceDirectory) Holder(ctx context.Context, kind ident.HolderType, code string) (licence.Holder, error) {
	if kind == ident.USCCType {
		a, err := s.Agency(ctx, code)
		return licence.Holder{Subject: a.USCC, Type: kind, Code: a.USCC, Name: a.Name}, err
	}
	found := licence.Holder{}
	err := s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketPersons))
		if b == nil {
			return licence.ErrUnknown
		}
		err := b.ForEach(func(_, data []byte) error {
			var p registry.Person
			if err := json.Unmarshal(data, &p); err != nil {
				return err
			}
			if p.IDType == string(kind) && p.IDNumber == code && code != "" {
				found = licence.Holder{Subject: p.ID, Type: kind, Code: code, Name: p.Name}
			}
			return nil
		})
		if err == nil && found.Subject == "" {
			err = licence.ErrUnknown
		}
		return err
	})
	return found, err
}

// LicenceRegister shows verifiers the register of licences, masked.
type LicenceRegister struct{ *DB }

var _ verify.LicenceLookup = LicenceRegister{}

// LookUpLicence implements [verify.LicenceLookup]: a licence that was never handed out is unknown, and so is an
// identifier that was bound to it in an attempt that did not come to its end.
func (s LicenceRegister) LookUpLicence(ctx context.Context, identifier string) (verify.Found, error) {
	licences := Licences(s)
	id, err := licences.LicenceByIdentifier(ctx, identifier)
	if err != nil {
		return verify.Found{}, asUnknown(err)
	}
	l, err := licences.Licence(ctx, id)
	if err != nil {
		return verify.Found{}, asUnknown(err)
	}
	if !l.State().Issued() || l.Identifier != identifier {
		return verify.Found{}, verify.ErrUnknown
	}
	t, err := LicenceTypes(s).LicenceType(ctx, l.TypeCode)
	if err != nil && !(l.Lost && errors.Is(err, licence.ErrUnknown)) {
		return verify.Found{}, err
	}
	var from, to time.Time
	if l.ValidFrom != "" || !l.Lost { // of a licence that was lost nobody knows
		if from, to, err = l.Period(); err != nil {
			return verify.Found{}, err
		}
	}
	facts := verdict.Licence{Identifier: l.Identifier, TypeCode: l.TypeCode, Name: t.Name.ZH,
		Holder: t.Masked(licence.ClaimHolder, l.Holder.Name), Issuer: l.Issuer.Name, IssuerCode: l.Issuer.USCC,
		State: l.State().Code(), ValidFrom: l.ValidFrom, ValidTo: l.ValidTo}
	return verify.Found{ID: l.ID, Holder: l.Holder.Subject,
		Registered: proof.Registered{Facts: facts, HolderName: l.Holder.Name, ValidFrom: from, ValidTo: to,
			Since: l.History[len(l.History)-1].At, Lost: l.Lost}}, nil
}

func asUnknown(err error) error {
	if errors.Is(err, licence.ErrUnknown) {
		return verify.ErrUnknown
	}
	return err
}
