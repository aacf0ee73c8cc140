package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
)

// crlRecord is the current list of one authority. Drawn is the last number given out; DER is the list with Number, and
// empty when something was revoked since.
type crlRecord struct {
	Drawn      int64     `json:"drawn"`
	Number     int64     `json:"number"`
	ThisUpdate time.Time `json:"thisUpdate,omitzero"`
	DER        []byte    `json:"der,omitempty"`
}

// Revoke revokes a certificate as of at, which must not lie in the future; the next [Authority.CRLs] has it. Of several
// revocations of one certificate the first stays. It returns [ErrNotIssued] for a serial number that is not known.
func (a *Authority) Revoke(_ context.Context, serial *big.Int, reason cert.Reason, at time.Time) error {
	if at.After(a.Now()) {
		return errors.New("authority: a revocation cannot lie in the future")
	}
	return a.update(func(tx *bbolt.Tx) error {
		record, found, err := get[issuedRecord](tx, bucketIssued, serialID(serial))
		switch {
		case err != nil:
			return err
		case !found:
			return ErrNotIssued
		case !record.RevokedAt.IsZero():
			return nil
		}
		record.RevokedAt, record.Reason = at.UTC(), reason
		if err := put(tx, bucketIssued, serialID(serial), record); err != nil {
			return err
		}
		list, _, err := get[crlRecord](tx, bucketCRLs, record.Issuer)
		if err != nil {
			return err
		}
		// Lists that are being made now were drawn before this revocation and are not kept any more.
		list.Number, list.DER = list.Drawn, nil
		return put(tx, bucketCRLs, record.Issuer, list)
	})
}

// CRLs returns the current revocation list of every authority, roots first. A list is valid for 24 hours and is made
// anew when it is older than 12, or when a certificate was revoked since.
func (a *Authority) CRLs(ctx context.Context) ([]*cert.CRL, error) {
	lists := make([]*cert.CRL, len(a.cas))
	for i, ca := range a.cas {
		der, err := a.crl(ctx, ca)
		if err != nil {
			return nil, fmt.Errorf("the revocation list of %s: %w", ca.name, err)
		}
		if lists[i], err = a.read(ca.name, der); err != nil {
			return nil, fmt.Errorf("the revocation list of %s: %w", ca.name, err)
		}
	}
	return lists, nil
}

// read reads a list, or finds that it was read already.
func (a *Authority) read(name string, der []byte) (*cert.CRL, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.lists[name]; known != nil && bytes.Equal(known.Raw, der) {
		return known, nil
	}
	l, err := cert.ParseCRL(der)
	if err == nil {
		a.lists[name] = l
	}
	return l, err
}

func (a *Authority) crl(ctx context.Context, ca authorityCA) ([]byte, error) {
	var list crlRecord
	err := a.view(func(tx *bbolt.Tx) (err error) {
		list, _, err = get[crlRecord](tx, bucketCRLs, ca.name)
		return err
	})
	if err != nil {
		return nil, err
	}
	now := a.Now().UTC().Truncate(time.Second)
	if list.DER != nil && !now.Before(list.ThisUpdate) && now.Before(list.ThisUpdate.Add(crlRenewal)) {
		return list.DER, nil
	}
	return a.makeCRL(ctx, ca, now)
}

// makeCRL makes a list and keeps it, unless a list with a higher number was kept, or something was revoked, meanwhile.
// Number and entries are read in one transaction: a higher number never misses a revocation that a lower one has.
func (a *Authority) makeCRL(ctx context.Context, ca authorityCA, now time.Time) ([]byte, error) {
	t := cert.CRLTemplate{ThisUpdate: now, NextUpdate: now.Add(crlValidity), KeepsExpiredSince: ca.certificate.NotBefore}
	err := a.update(func(tx *bbolt.Tx) error {
		list, _, err := get[crlRecord](tx, bucketCRLs, ca.name)
		if err != nil {
			return err
		}
		list.Drawn++
		t.Number = big.NewInt(list.Drawn)
		if err := put(tx, bucketCRLs, ca.name, list); err != nil {
			return err
		}
		t.Revoked, err = revokedBy(tx, ca.name)
		return err
	})
	if err != nil {
		return nil, err
	}
	k, err := a.Keys.OpenKey(ctx, key.Authority, ca.name)
	if err != nil {
		return nil, err
	}
	der, err := cert.CreateCRL(ctx, t, ca.certificate, k)
	if err != nil {
		return nil, err
	}
	return der, a.update(func(tx *bbolt.Tx) error {
		list, _, err := get[crlRecord](tx, bucketCRLs, ca.name)
		if err != nil || list.Number >= t.Number.Int64() {
			return err
		}
		list.Number, list.ThisUpdate, list.DER = t.Number.Int64(), now, der
		return put(tx, bucketCRLs, ca.name, list)
	})
}

func revokedBy(tx *bbolt.Tx, ca string) (revoked []cert.Revocation, err error) {
	b := tx.Bucket([]byte(bucketIssued))
	if b == nil {
		return nil, nil
	}
	err = b.ForEach(func(id, _ []byte) error {
		record, _, err := get[issuedRecord](tx, bucketIssued, string(id))
		if err != nil || record.Issuer != ca || record.RevokedAt.IsZero() {
			return err
		}
		serial, ok := new(big.Int).SetString(string(id), 16)
		if !ok {
			return fmt.Errorf("the serial number %q is none", id)
		}
		revoked = append(revoked, cert.Revocation{Serial: serial, At: record.RevokedAt, Reason: record.Reason})
		return nil
	})
	return revoked, err
}
