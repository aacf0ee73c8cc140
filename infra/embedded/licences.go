package embedded

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
)

// Licences keeps the records of licences, the identifiers bound to them, and their faces.
type Licences struct{ *DB }

var (
	_ licence.Reader           = Licences{}
	_ licence.Records          = Licences{}
	_ licence.Identifiers      = Licences{}
	_ licence.IdentifierReader = Licences{}
	_ licence.HolderReader     = Licences{}
	_ licence.ArtefactReader   = Licences{}
	_ licence.Artefacts        = Licences{}
	_ licence.ListEntries      = Licences{}
)

const (
	bucketLicences            = "licences"             // identifier of ours → licence
	bucketLicencesHolder      = "licences-by-holder"   // subject ‖ 0 ‖ time ‖ 0 ‖ identifier → nil
	bucketLicencesList        = "licences-by-list"     // status list ‖ 0 ‖ identifier → nil
	bucketLicencesIdentifiers = "licences-identifiers" // GB/T 36904 identifier → identifier of ours
	bucketLicencesArtefacts   = "licences-artefacts"   // name → bytes
)

// Licence implements [licence.Reader].
func (s Licences) Licence(_ context.Context, id string) (l licence.Licence, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var ok bool
		if l, ok, err = get[licence.Licence](tx, bucketLicences, id); err == nil && !ok {
			return licence.ErrUnknown
		}
		return err
	})
	return l, err
}

// CreateLicence implements [licence.Records].
func (s Licences) CreateLicence(_ context.Context, l licence.Licence, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		if _, taken, err := get[licence.Licence](tx, bucketLicences, l.ID); err != nil || taken {
			return orErr(err, licence.ErrExists)
		}
		at := e.Time.UTC().Format(eventTime)
		if err := put(tx, bucketLicencesHolder, l.Holder.Subject+"\x00"+at+"\x00"+l.ID, nil); err != nil {
			return err
		}
		return writeLicence(tx, l, e)
	})
}

// ReplaceLicence implements [licence.Records].
func (s Licences) ReplaceLicence(_ context.Context, l licence.Licence, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		stored, ok, err := get[licence.Licence](tx, bucketLicences, l.ID)
		switch {
		case err != nil:
			return err
		case !ok:
			return licence.ErrUnknown
		case stored.Revision != l.Revision-1:
			return licence.ErrChanged
		}
		return writeLicence(tx, l, e)
	})
}

func writeLicence(tx *bbolt.Tx, l licence.Licence, e audit.Event) error {
	if err := put(tx, bucketLicences, l.ID, l); err != nil {
		return err
	}
	if l.List != "" {
		if err := put(tx, bucketLicencesList, l.List+"\x00"+l.ID, nil); err != nil {
			return err
		}
	}
	return tell(tx, image{table: TableLicences, pk: "licence#" + l.ID, created: l.Revision == 1, body: l}, e)
}

// ClaimIdentifier implements [licence.Identifiers].
func (s Licences) ClaimIdentifier(_ context.Context, identifier, licenceID string) error {
	return s.update(func(tx *bbolt.Tx) error {
		owner, taken, err := get[string](tx, bucketLicencesIdentifiers, identifier)
		switch {
		case err != nil:
			return err
		case taken && owner != licenceID:
			return licence.ErrExists
		case taken:
			return nil
		}
		return put(tx, bucketLicencesIdentifiers, identifier, licenceID)
	})
}

// LicenceByIdentifier implements [licence.IdentifierReader].
func (s Licences) LicenceByIdentifier(_ context.Context, identifier string) (id string, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var ok bool
		if id, ok, err = get[string](tx, bucketLicencesIdentifiers, identifier); err == nil && !ok {
			return licence.ErrUnknown
		}
		return err
	})
	return id, err
}

// LicencesOf implements [licence.HolderReader].
func (s Licences) LicencesOf(_ context.Context, subject string) (ids []string, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return eachKey(tx, bucketLicencesHolder, subject+"\x00", func(rest string) error {
			ids = append(ids, rest[len(eventTime)+1:])
			return nil
		})
	})
	return ids, err
}

// OpenLists implements [licence.ListEntries].
func (s Licences) OpenLists(context.Context) (lists []string, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return eachKey(tx, bucketTickets, "", func(list string) error {
			lists = append(lists, list)
			return nil
		})
	})
	return lists, err
}

// ListEntries implements [licence.ListEntries].
func (s Licences) ListEntries(_ context.Context, list string) (entries []licence.ListEntry, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return eachKey(tx, bucketLicencesList, list+"\x00", func(id string) error {
			l, ok, err := get[licence.Licence](tx, bucketLicences, id)
			if err == nil && !ok {
				err = fmt.Errorf("status list %s names licence %s, which is missing", list, id)
			}
			if state := l.State(); state == licence.Suspended || state == licence.Revoked {
				entries = append(entries, licence.ListEntry{Index: l.Index, State: state})
			}
			return err
		})
	})
	return entries, err
}

// PutArtefact implements [licence.Artefacts].
func (s Licences) PutArtefact(_ context.Context, name string, data []byte) error {
	return s.update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucketLicencesArtefacts))
		if err != nil {
			return err
		}
		return b.Put([]byte(name), data)
	})
}

// Artefact implements [licence.ArtefactReader].
func (s Licences) Artefact(_ context.Context, name string) (data []byte, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketLicencesArtefacts))
		if b == nil {
			return licence.ErrUnknown
		}
		stored := b.Get([]byte(name))
		if stored == nil {
			return licence.ErrUnknown
		}
		data = bytes.Clone(stored) // bbolt's own bytes end with the transaction
		return nil
	})
	return data, err
}
