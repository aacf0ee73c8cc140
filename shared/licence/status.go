package licence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/statuslist"
)

// Published is a status list as the world sees it.
type Published struct {
	Token    string    `json:"token"` // statuslist+jwt
	IssuedAt time.Time `json:"issuedAt"`
	Content  string    `json:"content"`  // digest of the statuses in it
	Revision int       `json:"revision"` // 1 for the first
}

// StatusListReader reads what is published.
type StatusListReader interface {
	// StatusLists returns the names of all published lists, in a fixed order. It may lag behind writes.
	StatusLists(ctx context.Context) ([]string, error)
	// StatusList returns the published list with a name, or [ErrUnknown].
	StatusList(ctx context.Context, name string) (Published, error)
}

// StatusListPublisher publishes lists.
type StatusListPublisher interface {
	StatusListReader
	// PublishStatusList replaces the published list, whose Revision is one less than p's (0: none), together with the
	// event, in one step. It returns [ErrChanged] where another revision is published, so that of any number of
	// concurrent publishers exactly one succeeds and none overwrites a newer list.
	PublishStatusList(ctx context.Context, name string, p Published, e audit.Event) error
}

// ListEntry is a licence in a status list that is not simply valid.
type ListEntry struct {
	Index int
	State State
}

// ListEntries reads the records from the side of the lists.
type ListEntries interface {
	// OpenLists returns the names of the lists in which places were given. It may lag behind writes.
	OpenLists(ctx context.Context) ([]string, error)
	// ListEntries returns the suspended and revoked licences of a list, in any order. It may lag behind writes; whoever
	// relies on it asks again.
	ListEntries(ctx context.Context, list string) ([]ListEntry, error)
}

// PublishPorts are the rights of licence-status: it alone signs with the status-list keys of agencies.
type PublishPorts struct {
	Issuer       string // base URL of the platform
	Types        Types
	Entries      ListEntries
	Lists        StatusListPublisher
	Keys         key.Opener // keys of the purpose StatusList, owned by the agency's code
	Certificates IssuerCertificates
	Audit        audit.Recorder // the beginning of a publication
	TTL          time.Duration  // how long a copy of a list may be used
	Validity     time.Duration  // how long a list is good without a new one
	Debounce     time.Duration  // a list changed within this time after it was published waits for the next call
	Now          func() time.Time
	Rand         io.Reader
}

// Publish returns licence-status: called with the names of lists, or none for all, it publishes each list whose
// statuses are not those of the records any more, or whose copy grows old, and makes the first list of agencies that
// have a certificate and no list yet, so that the first licence of an agency has somewhere to point to.
//
// It never runs in the path of a request. What it publishes is read from the records each time, so that a call that
// failed, or was never made, is made good by the next one.
func Publish(p PublishPorts) func(ctx context.Context, lists ...string) error {
	return func(ctx context.Context, lists ...string) error {
		if len(lists) == 0 {
			var err error
			if lists, err = p.all(ctx); err != nil {
				return err
			}
		}
		var faults []error
		for _, list := range lists {
			if err := p.publish(ctx, list); err != nil {
				faults = append(faults, fmt.Errorf("publishing status list %s: %w", list, err))
			}
		}
		return errors.Join(faults...)
	}
}

// all returns the lists in which places were given, and the first list of every agency that may issue something.
func (p PublishPorts) all(ctx context.Context) ([]string, error) {
	lists, err := p.Entries.OpenLists(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the status lists: %w", err)
	}
	types, err := p.Types.LicenceTypes(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the licence types: %w", err)
	}
	for _, t := range types {
		for _, uscc := range t.Issuers {
			lists = append(lists, listName(uscc, 1))
		}
	}
	slices.Sort(lists)
	return slices.Compact(lists), nil
}

// publish brings one list up to date. A Begun event with the digest of what is signed stands before the signature; the
// Done event is in the same write as the token. If we stop between them, a list was signed that nobody can fetch.
func (p PublishPorts) publish(ctx context.Context, name string) error {
	now := p.Now().UTC().Truncate(time.Second)
	before, err := p.Lists.StatusList(ctx, name)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	age := now.Sub(before.IssuedAt)
	if before.Revision > 0 && age < p.Debounce {
		return nil
	}
	list, content, err := p.build(ctx, name)
	if err != nil {
		return err
	}
	if before.Content == content && age < p.TTL/2 {
		return nil
	}
	uscc, ok := listAgency(name)
	if !ok {
		return fmt.Errorf("there is no agency in the name %q", name)
	}
	k, err := openIssuer(ctx, p.Keys, p.Certificates, key.StatusList, uscc, now)
	if errors.Is(err, ErrUnknown) || errors.Is(err, key.ErrUnknown) {
		return nil // an agency that is not set up has issued nothing
	}
	if err != nil {
		return err
	}
	token := statuslist.Token{Subject: listAddress(p.Issuer, name), IssuedAt: now, Expires: now.Add(p.Validity), TTL: p.TTL, List: list,
		KeyID: k.kid, X5C: k.chain}
	unsigned, err := statuslist.Prepare(token)
	if err != nil {
		return err
	}
	id, err := audit.NewID(p.Rand)
	if err != nil {
		return err
	}
	e := audit.Event{ID: id, Time: now, Action: "licence.publish-status", Organisation: uscc, Channel: "event",
		Object: "status-list/" + name, Digest: unsigned.Digest(), Outcome: audit.Begun}
	if err := p.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("recording a publication: %w", err)
	}
	compact, err := unsigned.Sign(ctx, k.signer)
	if err != nil {
		return err
	}
	e.ID, e.Outcome = e.ID+"-end", audit.Done
	next := Published{Token: compact, IssuedAt: now, Content: content, Revision: before.Revision + 1}
	if err := p.Lists.PublishStatusList(ctx, name, next, e); !errors.Is(err, ErrChanged) {
		return err
	}
	return nil // another call published meanwhile; the next one looks again
}

// build makes the list of the records and the digest of its statuses.
func (p PublishPorts) build(ctx context.Context, name string) (*statuslist.List, string, error) {
	entries, err := p.Entries.ListEntries(ctx, name)
	if err != nil {
		return nil, "", fmt.Errorf("reading its licences: %w", err)
	}
	list, err := statuslist.New(2, listSize)
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(entries, func(a, b ListEntry) int { return a.Index - b.Index })
	texts := []string{"status-list"}
	for _, e := range entries {
		status := statuslist.Valid
		switch e.State {
		case Suspended:
			status = statuslist.Suspended
		case Revoked:
			status = statuslist.Invalid
		}
		if err := list.Set(e.Index, status); err != nil {
			return nil, "", fmt.Errorf("setting index %d: %w", e.Index, err)
		}
		texts = append(texts, fmt.Sprint(e.Index, ":", status))
	}
	return list, digest(texts...), nil
}
