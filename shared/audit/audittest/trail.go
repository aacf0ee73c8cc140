package audittest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// Trail is a trail in memory, for stores of tests. The zero value is empty.
type Trail struct {
	mu     sync.Mutex
	events []audit.Event
}

var (
	_ audit.Recorder = (*Trail)(nil)
	_ audit.Reader   = (*Trail)(nil)
)

// Record implements [audit.Recorder].
func (t *Trail) Record(_ context.Context, e audit.Event) error {
	if err := e.Check(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.ContainsFunc(t.events, func(known audit.Event) bool { return known.ID == e.ID }) {
		t.events = append(t.events, e)
	}
	return nil
}

// Keep takes the event that a record was written with.
func (t *Trail) Keep(e audit.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
}

// AllEvents returns every event, in order.
func (t *Trail) AllEvents() []audit.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events)
}

// ByHolder implements [audit.Reader].
func (t *Trail) ByHolder(_ context.Context, holder string, limit int) ([]audit.Event, error) {
	list := t.where(func(e audit.Event) bool { return e.Holder == holder })
	slices.Reverse(list)
	return list[:min(limit, len(list))], nil
}

// ByObject implements [audit.Reader].
func (t *Trail) ByObject(_ context.Context, object string) ([]audit.Event, error) {
	return t.where(func(e audit.Event) bool { return e.Object == object }), nil
}

// ByTime implements [audit.Reader].
func (t *Trail) ByTime(_ context.Context, from, to time.Time, limit int) ([]audit.Event, error) {
	list := t.where(func(e audit.Event) bool { return !e.Time.Before(from) && e.Time.Before(to) })
	return list[:min(limit, len(list))], nil
}

func (t *Trail) where(f func(audit.Event) bool) (list []audit.Event) {
	for _, e := range t.AllEvents() {
		if f(e) {
			list = append(list, e)
		}
	}
	return list
}
