package embedded

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/statuslist"
)

// lagging is the index of lists as DynamoDB has it: it shows what was written some time ago.
type lagging struct {
	Licences
	mu   sync.Mutex
	seen map[string][]licence.ListEntry
}

func (s *lagging) ListEntries(_ context.Context, list string) ([]licence.ListEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[list], nil
}

// catchUp has the index show what is written now.
func (s *lagging) catchUp(t *testing.T, list string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, err := s.Licences.ListEntries(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	s.seen[list] = entries
}

// lists is an agency whose licences are written directly.
type lists struct {
	*bureau
	index   *lagging
	publish func(ctx context.Context, lists ...string) error
	changed func(ctx context.Context, changed map[string][]string) error
	list    string
	written int
}

func openLists(t *testing.T) *lists {
	t.Helper()
	b := openBureau(t, t.TempDir())
	l := &lists{bureau: b, index: &lagging{Licences: Licences{b.db}, seen: map[string][]licence.ListEntry{}}, list: labour + "-1"}
	p := licence.PublishPorts{Issuer: testIssuer, Types: LicenceTypes{b.db}, Entries: l.index, Records: Licences{b.db},
		Lists: StatusLists{b.db}, Audit: Events{b.db}, Keys: b.ca.Keys, Certificates: b.ca, TTL: time.Hour,
		Validity: 24 * time.Hour, Now: b.Now, Rand: rand.Reader}
	l.publish, l.changed = licence.Publish(p), licence.PublishChanged(p)
	return l
}

// set writes licence i of the list in a state.
func (l *lists) set(t *testing.T, i int, state licence.State) string {
	t.Helper()
	id := fmt.Sprint("l", i)
	old, err := (Licences{l.db}).Licence(t.Context(), id)
	l.written++
	e := audit.Event{ID: fmt.Sprint("set", l.written), Time: l.Now(), Action: "licence.test", Outcome: audit.Done}
	if err != nil {
		n := licence.Licence{ID: id, Revision: 1, List: l.list, Index: i, History: []licence.Change{{State: state}}}
		if err := (Licences{l.db}).CreateLicence(t.Context(), n, e); err != nil {
			t.Fatal(err)
		}
		return id
	}
	old.Revision, old.History = old.Revision+1, append(old.History, licence.Change{State: state})
	if err := (Licences{l.db}).ReplaceLicence(t.Context(), old, e); err != nil {
		t.Fatal(err)
	}
	return id
}

// says is what the published list says of licence i.
func (l *lists) says(t *testing.T, i int) (statuslist.Status, int) {
	t.Helper()
	p, err := (StatusLists{l.db}).StatusList(t.Context(), l.list)
	if err != nil {
		t.Fatal(err)
	}
	token, err := statuslist.Parse(p.Token, 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.List.Get(i)
	if err != nil {
		t.Fatal(err)
	}
	return s, p.Revision
}

func (l *lists) tell(t *testing.T, ids ...string) {
	t.Helper()
	if err := l.changed(t.Context(), map[string][]string{l.list: ids}); err != nil {
		t.Fatal(err)
	}
}

func TestAChangeIsPublishedAtOnceWhateverTheIndexShows(t *testing.T) {
	l := openLists(t)
	a, b := l.set(t, 1, licence.Active), l.set(t, 2, licence.Active)
	l.tell(t, a, b)
	l.set(t, 1, licence.Revoked)
	l.tell(t, a)
	if s, _ := l.says(t, 1); s != statuslist.Invalid {
		t.Errorf("a revoked licence is %v", s)
	}
	// Another change, while the index does not show the first yet.
	l.set(t, 2, licence.Suspended)
	l.tell(t, b)
	if s, _ := l.says(t, 1); s != statuslist.Invalid {
		t.Errorf("after another change a revoked licence is %v", s)
	}
	if s, _ := l.says(t, 2); s != statuslist.Suspended {
		t.Errorf("a suspended licence is %v", s)
	}
	// The same again, and a name that nobody has: nothing new is published.
	_, before := l.says(t, 1)
	l.tell(t, b, a, "nothing")
	l.index.catchUp(t, l.list)
	if err := l.publish(t.Context(), l.list); err != nil {
		t.Fatal(err)
	}
	if _, after := l.says(t, 1); after != before {
		t.Errorf("published %d times more", after-before)
	}
	// The end of the suspension, told before its beginning comes again.
	l.set(t, 2, licence.Active)
	l.tell(t, b)
	l.tell(t, b)
	if s, _ := l.says(t, 2); s != statuslist.Valid {
		t.Errorf("a licence that is good again is %v", s)
	}
}

func TestABatchIsOnePublication(t *testing.T) {
	l := openLists(t)
	var ids []string
	for i := range 100 {
		ids = append(ids, l.set(t, i, licence.Active))
	}
	l.tell(t, ids...)
	_, before := l.says(t, 0)
	for i := range 100 {
		l.set(t, i, licence.Revoked)
	}
	l.tell(t, append(ids, ids...)...)
	if _, after := l.says(t, 0); after != before+1 {
		t.Errorf("a batch made %d publications", after-before)
	}
	for i := range 100 {
		if s, _ := l.says(t, i); s != statuslist.Invalid {
			t.Errorf("licence %d is %v", i, s)
		}
	}
}

// TestConcurrentPublishersLoseNothing: some of them read an index that lags, and each is told of one change; whoever is
// second looks again.
func TestConcurrentPublishersLoseNothing(t *testing.T) {
	l := openLists(t)
	const n = 12
	var ids []string
	for i := range n {
		ids = append(ids, l.set(t, i, licence.Active))
	}
	l.tell(t, ids...)
	for i := range n {
		l.set(t, i, licence.Revoked)
	}
	var racing sync.WaitGroup
	for i := range n {
		racing.Go(func() {
			for { // the stream brings again what failed
				if l.changed(context.Background(), map[string][]string{l.list: {ids[i]}}) == nil {
					return
				}
				time.Sleep(time.Duration(mathrand.IntN(5)) * time.Millisecond)
			}
		})
	}
	racing.Wait()
	for i := range n {
		if s, _ := l.says(t, i); s != statuslist.Invalid {
			t.Errorf("licence %d is %v", i, s)
		}
	}
}
