package embedded

import (
	"bytes"
	"context"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/registry"
)

// Mandates keeps who may act for whom.
type Mandates struct{ *DB }

var (
	_ registry.Mandates      = Mandates{}
	_ registry.MandateLister = Mandates{}
	_ registry.AgentLister   = Mandates{}
	_ registry.MandateSaver  = Mandates{}
)

const (
	bucketMandates    = "mandates"                 // person ‖ 0 ‖ organisation → registry.Mandate
	bucketMandatesFor = "mandates-by-organisation" // organisation ‖ 0 ‖ person → nil
)

// Mandated implements [registry.Mandates].
func (s Mandates) Mandated(_ context.Context, person, organisation, role string) (allowed bool, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		m, found, err := get[registry.Mandate](tx, bucketMandates, person+"\x00"+organisation)
		allowed = err == nil && found && m.Allows(role, s.Now())
		return err
	})
	return allowed, err
}

// MandatesOf implements [registry.MandateLister].
func (s Mandates) MandatesOf(_ context.Context, person string) (mandates []registry.Mandate, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return eachKey(tx, bucketMandates, person+"\x00", func(organisation string) error {
			return appendMandate(tx, person, organisation, &mandates)
		})
	})
	return mandates, err
}

// MandatesFor implements [registry.AgentLister].
func (s Mandates) MandatesFor(_ context.Context, organisation string) (mandates []registry.Mandate, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return eachKey(tx, bucketMandatesFor, organisation+"\x00", func(person string) error {
			return appendMandate(tx, person, organisation, &mandates)
		})
	})
	return mandates, err
}

// SaveMandate implements [registry.MandateSaver].
func (s Mandates) SaveMandate(_ context.Context, m registry.Mandate, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		i := image{table: TableRegistry, pk: "mandate#" + m.Person, sk: m.Organisation}
		if _, err := putChanged(tx, bucketMandates, m.Person+"\x00"+m.Organisation, m, i, e); err != nil {
			return err
		}
		return put(tx, bucketMandatesFor, m.Organisation+"\x00"+m.Person, nil)
	})
}

func appendMandate(tx *bbolt.Tx, person, organisation string, mandates *[]registry.Mandate) error {
	m, found, err := get[registry.Mandate](tx, bucketMandates, person+"\x00"+organisation)
	if err == nil && found {
		*mandates = append(*mandates, m)
	}
	return err
}

// eachKey calls f with the rest of every key that begins with prefix, in order.
func eachKey(tx *bbolt.Tx, bucket, prefix string, f func(rest string) error) error {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	c, p := b.Cursor(), []byte(prefix)
	for k, _ := c.Seek(p); k != nil && bytes.HasPrefix(k, p); k, _ = c.Next() {
		if err := f(string(k[len(p):])); err != nil {
			return err
		}
	}
	return nil
}
