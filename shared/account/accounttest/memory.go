package accounttest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/audit"
)

// Memory is a store in memory under one lock.
type Memory struct {
	mu          sync.Mutex
	now         time.Time
	credentials map[string]account.Credential
	counters    map[string]counter
	devices     map[string]time.Time
	events      []audit.Event
}

type counter struct {
	n   int
	end time.Time
}

// NewMemory makes an empty store at [Noon].
func NewMemory() *Memory {
	return &Memory{
		now: Noon, credentials: map[string]account.Credential{}, counters: map[string]counter{}, devices: map[string]time.Time{},
	}
}

// Store returns the store seen through all ports.
func (m *Memory) Store() Store {
	return Store{Credentials: m, Adder: m, Counters: m, Devices: m, Events: m, SetNow: m.SetNow}
}

// Now is the store's clock.
func (m *Memory) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// SetNow sets the store's clock.
func (m *Memory) SetNow(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

// Credential implements account.Credentials.
func (m *Memory) Credential(_ context.Context, username string) (account.Credential, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, found := m.credentials[username]
	if !found {
		return account.Credential{}, account.ErrCredentialUnknown
	}
	return c, nil
}

// AddCredential implements account.CredentialAdder.
func (m *Memory) AddCredential(_ context.Context, c account.Credential, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.credentials[c.Username]; found {
		return account.ErrCredentialExists
	}
	m.credentials[c.Username], m.events = c, append(m.events, e)
	return nil
}

// Take implements account.Counters.
func (m *Memory) Take(_ context.Context, key string, limit int, window time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counters[key]
	if !m.now.Before(c.end) {
		c = counter{end: m.now.Add(window)}
	}
	if c.n >= limit {
		return account.ErrExhausted
	}
	c.n++
	m.counters[key] = c
	return nil
}

// Give implements account.Counters.
func (m *Memory) Give(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.counters[key]; c.n > 0 {
		c.n--
		m.counters[key] = c
	}
	return nil
}

// KnownDevice implements account.Devices.
func (m *Memory) KnownDevice(_ context.Context, username, device string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now.Before(m.devices[username+"\x00"+device]), nil
}

// RememberDevice implements account.Devices.
func (m *Memory) RememberDevice(_ context.Context, username, device string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.devices[username+"\x00"+device] = until
	return nil
}

// Record implements audit.Recorder.
func (m *Memory) Record(_ context.Context, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.ContainsFunc(m.events, func(known audit.Event) bool { return known.ID == e.ID }) {
		m.events = append(m.events, e)
	}
	return nil
}

// ByHolder implements audit.Reader.
func (m *Memory) ByHolder(_ context.Context, holder string, limit int) ([]audit.Event, error) {
	list := m.where(func(e audit.Event) bool { return e.Holder == holder })
	slices.Reverse(list)
	return list[:min(limit, len(list))], nil
}

// ByObject implements audit.Reader.
func (m *Memory) ByObject(_ context.Context, object string) ([]audit.Event, error) {
	return m.where(func(e audit.Event) bool { return e.Object == object }), nil
}

// ByTime implements audit.Reader.
func (m *Memory) ByTime(_ context.Context, from, to time.Time, limit int) ([]audit.Event, error) {
	list := m.where(func(e audit.Event) bool { return !e.Time.Before(from) && e.Time.Before(to) })
	return list[:min(limit, len(list))], nil
}

func (m *Memory) where(f func(audit.Event) bool) []audit.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []audit.Event
	for _, e := range m.events {
		if f(e) {
			list = append(list, e)
		}
	}
	return list
}
