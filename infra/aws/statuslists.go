package aws

import (
	"context"
	"errors"
	"strings"

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

func (s StatusLists) at(name string) at { return at{s.tables.Licences, "list#" + name, noSort} }

const listsPartition = "lists#"

// StatusLists implements [licence.StatusListReader]: in the order of their names.
func (s StatusLists) StatusLists(ctx context.Context) ([]string, error) {
	items, err := s.query(ctx, query{table: s.tables.Licences, index: byFirst, partition: listsPartition})
	return without("list#", items), err
}

// StatusList implements [licence.StatusListReader].
func (s StatusLists) StatusList(ctx context.Context, name string) (licence.Published, error) {
	p, found, err := record[licence.Published](ctx, s.DB, s.at(name))
	if err == nil && !found {
		err = licence.ErrUnknown
	}
	if err == nil {
		meterOf(ctx).oldest(statusListAge, s.Now().Sub(p.IssuedAt))
	}
	return p, err
}

// PublishStatusList implements [licence.StatusListPublisher].
func (s StatusLists) PublishStatusList(ctx context.Context, name string, p licence.Published, e audit.Event) error {
	if p.Revision == 1 {
		return create(ctx, s.DB, s.at(name), p, 1, indexed(byFirst, listsPartition, name), e, licence.ErrChanged)
	}
	return replace(ctx, s.DB, s.at(name), p, p.Revision, nil, e, licence.ErrChanged, licence.ErrChanged)
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
	p, err := StatusLists{s.DB}.StatusList(ctx, name)
	if errors.Is(err, licence.ErrUnknown) {
		return "", verify.ErrUnknown
	}
	return p.Token, err
}
