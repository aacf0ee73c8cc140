package licence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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
	Types        TypeLister
	Entries      ListEntries
	Records      Reader // licences that are known to have changed
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
		named := map[string][]string{}
		for _, list := range lists {
			named[list] = nil
		}
		return p.each(ctx, named)
	}
}

// PublishChanged returns licence-status as the stream of the records calls it: with the identifiers of licences that
// may have changed, by their list. It may be called twice and late: each is read as it stands, and a list that says so
// already is not published again. The reading is the record's own, since [ListEntries] may lag behind the stream.
func PublishChanged(p PublishPorts) func(ctx context.Context, changed map[string][]string) error {
	return p.each
}

// each publishes each list once, in the order of their names. One that cannot be published does not stop the others.
func (p PublishPorts) each(ctx context.Context, changed map[string][]string) error {
	var faults []error
	for _, list := range slices.Sorted(maps.Keys(changed)) {
		if err := p.publish(ctx, list, changed[list]); err != nil {
			faults = append(faults, fmt.Errorf("publishing status list %s: %w", list, err))
		}
	}
	return errors.Join(faults...)
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
func (p PublishPorts) publish(ctx context.Context, name string, changed []string) error {
	for range publishAttempts {
		err := p.publishOnce(ctx, name, changed)
		if !errors.Is(err, ErrChanged) {
			return err
		}
	}
	return fmt.Errorf("others published it again and again: %w", ErrChanged)
}

// publishAttempts is how often one call tries where others publish the same list: what they read may be older than what
// this call was made for, so that theirs is no substitute.
const publishAttempts = 5

// publishOnce is [PublishPorts.publish] without the others: [ErrChanged] says that one of them was faster.
func (p PublishPorts) publishOnce(ctx context.Context, name string, changed []string) error {
	now := p.Now().UTC().Truncate(time.Second)
	before, err := p.Lists.StatusList(ctx, name)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	age := now.Sub(before.IssuedAt)
	if before.Revision > 0 && age < p.Debounce {
		return nil
	}
	list, content, err := p.build(ctx, name, changed, before)
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
	token := statuslist.Token{Subject: listAddress(p.Issuer, name), IssuedAt: now, Expires: now.Add(p.Validity),
		TTL: p.TTL, List: list,
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
	return p.Lists.PublishStatusList(ctx, name, next, e)
}

// build makes the list of the records and the digest of its statuses. Entries may lag: the licences that changed are
// read themselves, and a revocation that was published stays, since it is final ([Transitions]).
func (p PublishPorts) build(ctx context.Context, name string, changed []string, before Published) (*statuslist.List, string, error) {
	entries, err := p.Entries.ListEntries(ctx, name)
	if err != nil {
		return nil, "", fmt.Errorf("reading its licences: %w", err)
	}
	states := map[int]State{}
	for _, e := range entries {
		states[e.Index] = e.State
	}
	for _, id := range changed {
		l, err := p.Records.Licence(ctx, id)
		if errors.Is(err, ErrUnknown) {
			continue // no licence that anybody holds
		}
		if err != nil {
			return nil, "", fmt.Errorf("reading licence %s: %w", id, err)
		}
		if l.List == name {
			states[l.Index] = l.State()
		}
	}
	if err := keepRevoked(states, before); err != nil {
		return nil, "", err
	}
	list, err := statuslist.New(2, listSize)
	if err != nil {
		return nil, "", err
	}
	texts := []string{"status-list"}
	for _, index := range slices.Sorted(maps.Keys(states)) {
		status := statuslist.Valid
		switch states[index] {
		case Suspended:
			status = statuslist.Suspended
		case Revoked:
			status = statuslist.Invalid
		default:
			continue
		}
		if err := list.Set(index, status); err != nil {
			return nil, "", fmt.Errorf("setting index %d: %w", index, err)
		}
		texts = append(texts, fmt.Sprint(index, ":", status))
	}
	return list, digest(texts...), nil
}

// keepRevoked adds what the published list says is revoked.
func keepRevoked(states map[int]State, before Published) error {
	if before.Token == "" {
		return nil
	}
	old, err := statuslist.Parse(before.Token, listSize)
	if err != nil {
		return fmt.Errorf("reading what is published: %w", err)
	}
	for index := range old.List.Len() {
		if status, err := old.List.Get(index); err != nil {
			return fmt.Errorf("reading what is published: %w", err)
		} else if status == statuslist.Invalid {
			states[index] = Revoked
		}
	}
	return nil
}
