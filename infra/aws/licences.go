package aws

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
)

// Licences keeps the records of licences and the identifiers bound to them. Their faces are in S3.
type Licences struct{ *DB }

var (
	_ licence.Reader           = Licences{}
	_ licence.Records          = Licences{}
	_ licence.Identifiers      = Licences{}
	_ licence.IdentifierReader = Licences{}
	_ licence.HolderReader     = Licences{}
	_ licence.ListEntries      = Licences{}
)

func (s Licences) at(id string) at { return at{s.tables.Licences, "licence#" + id, noSort} }

// Licence implements [licence.Reader].
func (s Licences) Licence(ctx context.Context, id string) (licence.Licence, error) {
	l, found, err := record[licence.Licence](ctx, s.DB, s.at(id))
	if err == nil && !found {
		err = licence.ErrUnknown
	}
	return l, err
}

// CreateLicence implements [licence.Records].
func (s Licences) CreateLicence(ctx context.Context, l licence.Licence, e audit.Event) error {
	put := indexed(byFirst, s.licencesOf(l.Holder.Subject), e.Time.UTC().Format(eventTime)+"#"+l.ID)
	for name, v := range listEntry(l) {
		if v != nil {
			put[name] = v
		}
	}
	return create(ctx, s.DB, s.at(l.ID), l, l.Revision, put, e, licence.ErrExists)
}

// ReplaceLicence implements [licence.Records].
func (s Licences) ReplaceLicence(ctx context.Context, l licence.Licence, e audit.Event) error {
	return replace(ctx, s.DB, s.at(l.ID), l, l.Revision, listEntry(l), e, licence.ErrUnknown, licence.ErrChanged)
}

// listEntry has the second index hold a licence that is suspended or revoked, and no other: index and state of such a
// licence are its sort key, so that a list is read without its licences.
func listEntry(l licence.Licence) item {
	if state := l.State(); l.List != "" && (state == licence.Suspended || state == licence.Revoked) {
		return indexed(bySecond, entriesOf(l.List), fmt.Sprintf("%010d#%s", l.Index, state))
	}
	p, s := indexKeys(bySecond)
	return item{p: nil, s: nil}
}

func entriesOf(list string) string { return "entries#" + list }

func (s Licences) licencesOf(subject string) string { return "holder#" + s.hidden("holder", subject) }

// ClaimIdentifier implements [licence.Identifiers].
func (s Licences) ClaimIdentifier(ctx context.Context, identifier, licenceID string) error {
	return claim(ctx, s.DB, s.identifier(identifier), licenceID, licence.ErrExists)
}

func (s Licences) identifier(identifier string) at {
	return at{s.tables.Licences, "identifier#" + identifier, noSort}
}

// LicenceByIdentifier implements [licence.IdentifierReader].
func (s Licences) LicenceByIdentifier(ctx context.Context, identifier string) (string, error) {
	return claimant(ctx, s.DB, s.identifier(identifier), licence.ErrUnknown)
}

// LicencesOf implements [licence.HolderReader].
func (s Licences) LicencesOf(ctx context.Context, subject string) ([]string, error) {
	items, err := s.query(ctx, query{table: s.tables.Licences, index: byFirst, partition: s.licencesOf(subject)})
	return without("licence#", items), err
}

// OpenLists implements [licence.ListEntries]: the lists of [Tickets].
func (s Licences) OpenLists(ctx context.Context) ([]string, error) {
	items, err := s.query(ctx, query{table: s.tables.Licences, index: byFirst, partition: ticketsPartition})
	return without("ticket#", items), err
}

// ListEntries implements [licence.ListEntries].
func (s Licences) ListEntries(ctx context.Context, list string) ([]licence.ListEntry, error) {
	items, err := s.query(ctx, query{table: s.tables.Licences, index: bySecond, partition: entriesOf(list)})
	if err != nil {
		return nil, err
	}
	_, sortKey := indexKeys(bySecond)
	var entries []licence.ListEntry
	for _, it := range items {
		index, state, _ := strings.Cut(textOf(it, sortKey), "#")
		n, err := strconv.Atoi(index)
		if err != nil {
			return nil, fmt.Errorf("reading an entry of the status list %s: %w", list, err)
		}
		entries = append(entries, licence.ListEntry{Index: n, State: licence.State(state)})
	}
	return entries, nil
}
