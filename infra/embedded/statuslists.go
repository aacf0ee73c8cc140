package embedded

import (
	"context"
	"errors"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/verify"
)

// StatusLists keeps the published status lists.
type StatusLists struct{ *DB }

var (
	_ licence.StatusListReader    = StatusLists{}
	_ licence.StatusListPublisher = StatusLists{}
)

const bucketStatusLists = "status-lists" // name → licence.Published

// StatusLists implements [licence.StatusListReader]: in the order of their names.
func (s StatusLists) StatusLists(context.Context) (names []string, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return eachKey(tx, bucketStatusLists, "", func(name string) error {
			names = append(names, name)
			return nil
		})
	})
	return names, err
}

// StatusList implements [licence.StatusListReader].
func (s StatusLists) StatusList(_ context.Context, name string) (p licence.Published, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		var ok bool
		if p, ok, err = get[licence.Published](tx, bucketStatusLists, name); err == nil && !ok {
			return licence.ErrUnknown
		}
		return err
	})
	return p, err
}

// PublishStatusList implements [licence.StatusListPublisher].
func (s StatusLists) PublishStatusList(_ context.Context, name string, p licence.Published, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		stored, _, err := get[licence.Published](tx, bucketStatusLists, name)
		if err != nil {
			return err
		}
		if stored.Revision != p.Revision-1 {
			return licence.ErrChanged
		}
		if err := put(tx, bucketStatusLists, name, p); err != nil {
			return err
		}
		return tell(tx, image{table: TableLicences, pk: "list#" + name, created: p.Revision == 1}, e)
	})
}

// PublishedStatusLists shows verifiers the lists that this installation publishes, by address.
type PublishedStatusLists struct {
	*DB
	Issuer string // base URL of the platform
}

var _ verify.StatusLists = PublishedStatusLists{}

// StatusList implements [verify.StatusLists].
func (s PublishedStatusLists) StatusList(ctx context.Context, uri string) (string, error) {
	name, ours := strings.CutPrefix(uri, s.Issuer+"/status-lists/")
	if !ours {
		return "", verify.ErrUnknown
	}
	p, err := (StatusLists{s.DB}).StatusList(ctx, name)
	if errors.Is(err, licence.ErrUnknown) {
		return "", verify.ErrUnknown
	}
	return p.Token, err
}
