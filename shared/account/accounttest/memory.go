package accounttest

import (
	"context"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/audit/audittest"
)

// Memory is a store in memory under one lock.
type Memory struct {
	audittest.Trail

	mu          sync.Mutex
	now         time.Time
	credentials map[string]account.Credential
	counters    map[string]counter
	devices     map[string]time.Time
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
	m.credentials[c.Username] = c
	m.Keep(e)
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
