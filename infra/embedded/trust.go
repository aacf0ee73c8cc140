package embedded

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verify"
)

// Trust is what the demonstration trusts: the anchors and lists of its authority, the making units of the registry, and
// for each licence type the agencies that issue it.
type Trust struct {
	*DB
	Authority *Authority
	Types     licence.Types
}

var (
	_ seal.Trust   = Trust{}
	_ verify.Trust = Trust{}
)

// Trust implements [seal.Trust] and [verify.Trust].
func (s Trust) Trust(ctx context.Context) (trust.Anchors, trust.List, []*cert.CRL, error) {
	crls, err := s.Authority.CRLs(ctx)
	if err != nil {
		return nil, trust.List{}, nil, err
	}
	list := trust.List{IssuedAt: s.Now()}
	types, err := s.Types.LicenceTypes(ctx)
	if err != nil {
		return nil, trust.List{}, nil, err
	}
	err = s.view(func(tx *bbolt.Tx) error {
		if list.Makers, err = makers(tx); err != nil {
			return err
		}
		list.Issuers, err = issuers(tx, types)
		return err
	})
	return s.Authority.Anchors(), list, crls, err
}

func makers(tx *bbolt.Tx) (list []trust.Maker, err error) {
	err = eachKey(tx, bucketDuties, string(seal.DutyMake)+"\x00", func(rest string) error {
		o, err := sealOrganisation(tx, rest[strings.LastIndexByte(rest, 0)+1:])
		list = append(list, trust.Maker{USCC: o.USCC, Name: o.Name})
		return err
	})
	return list, err
}

func issuers(tx *bbolt.Tx, types []licence.Definition) ([]trust.Issuer, error) {
	var list []trust.Issuer
	for _, t := range types {
		for _, uscc := range t.Issuers {
			i := slices.IndexFunc(list, func(known trust.Issuer) bool { return known.USCC == uscc })
			if i < 0 {
				o, err := sealOrganisation(tx, uscc)
				if errors.Is(err, seal.ErrOrganisationUnknown) {
					continue // a type may name agencies that are not registered here
				}
				if err != nil {
					return nil, err
				}
				i, list = len(list), append(list, trust.Issuer{USCC: uscc, Name: o.Name})
			}
			list[i].Types = append(list[i].Types, t.Code)
		}
	}
	return list, nil
}
