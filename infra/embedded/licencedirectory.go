package embedded

import (
	"context"
	"encoding/json"

	"go.etcd.io/bbolt"

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

// LookUpLicence implements [verify.LicenceLookup].
func (s LicenceRegister) LookUpLicence(ctx context.Context, identifier string) (verify.Found, error) {
	return view.Licence(ctx, Licences(s), Licences(s), LicenceTypes(s), identifier)
}
