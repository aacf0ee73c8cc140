package oidctest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/audit/audittest"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Memory is a store in memory under one lock.
type Memory struct {
	audittest.Trail

	mu       sync.Mutex
	now      time.Time
	grants   map[string]oidc.Grant
	sessions map[string]oidc.Session
	clients  map[string]oidc.Client
	consents map[string][]string
	replays  map[string]time.Time
	people   map[string]oidc.Person
}

// NewMemory makes an empty store at [Noon].
func NewMemory() *Memory {
	return &Memory{
		now: Noon, grants: map[string]oidc.Grant{}, sessions: map[string]oidc.Session{}, clients: map[string]oidc.Client{},
		consents: map[string][]string{}, replays: map[string]time.Time{}, people: map[string]oidc.Person{},
	}
}

// Store returns the store seen through all ports.
func (m *Memory) Store() Store {
	return Store{
		Grants: m, Codes: m, Refresh: m, Revoker: m, LiveGrants: m, Sessions: m, LiveSessions: m, Clients: m, ClientSaver: m,
		Consents: m, Replays: m, Events: m, SetNow: m.SetNow,
	}
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

// AddPerson makes a person known.
func (m *Memory) AddPerson(id string, p oidc.Person) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.people[id] = p
}

// PersonClaims implements oidc.Persons.
func (m *Memory) PersonClaims(_ context.Context, id string) (oidc.Person, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, found := m.people[id]
	if !found {
		return oidc.Person{}, oidc.ErrPersonUnknown
	}
	return p, nil
}

// SaveGrant implements oidc.GrantSaver.
func (m *Memory) SaveGrant(_ context.Context, g oidc.Grant, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.grants[g.ID]; found || g.ID == "" {
		return errors.New("the grant exists")
	}
	m.grants[g.ID] = g
	m.Keep(e)
	return nil
}

// RedeemCode implements oidc.CodeRedeemer.
func (m *Memory) RedeemCode(_ context.Context, r oidc.Redemption, e audit.Event) (oidc.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.grants[r.GrantID]
	if old.Session != "" && !m.sessions[old.Session].Live(r.At) {
		return oidc.Grant{}, oidc.ErrCodeUnknown
	}
	g, err := old.Redeem(r)
	return m.keep(g, err, e)
}

// RotateRefresh implements oidc.Refresher.
func (m *Memory) RotateRefresh(_ context.Context, r oidc.Rotation, e audit.Event) (oidc.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.grants[r.GrantID]
	if old.Session != "" && !m.sessions[old.Session].Live(r.At) {
		return oidc.Grant{}, oidc.ErrRefreshUnknown
	}
	g, err := old.Rotate(r)
	return m.keep(g, err, e)
}

func (m *Memory) keep(g oidc.Grant, err error, e audit.Event) (oidc.Grant, error) {
	if err == nil {
		e.Person = g.Person
		m.grants[g.ID] = g
		m.Keep(e)
	}
	return g, err
}

// RevokeGrant implements oidc.GrantRevoker.
func (m *Memory) RevokeGrant(_ context.Context, id string, at time.Time, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, found := m.grants[id]
	if !found || !g.Revoked.IsZero() {
		return nil
	}
	g.Revoked = at
	e.Person, e.Holder = g.Person, g.Person
	m.grants[id] = g
	m.Keep(e)
	return nil
}

// LiveGrant implements access.Grants.
func (m *Memory) LiveGrant(_ context.Context, id string) (access.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, found := m.grants[id]
	if !found || !g.Live(m.now) || g.Session != "" && !m.sessions[g.Session].Live(m.now) {
		return access.Grant{}, access.ErrGrantGone
	}
	return access.Grant{Person: g.Person, Organisation: g.Organisation, Client: g.Client, Channel: g.Channel}, nil
}

// SaveSession implements oidc.SessionSaver.
func (m *Memory) SaveSession(_ context.Context, s oidc.Session, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.sessions[s.ID]; found || s.ID == "" {
		return errors.New("the session exists")
	}
	m.sessions[s.ID] = s
	m.Keep(e)
	return nil
}

// EndSession implements oidc.SessionSaver.
func (m *Memory) EndSession(_ context.Context, id string, at time.Time, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, found := m.sessions[id]
	if !found || !s.Ended.IsZero() {
		return nil
	}
	s.Ended = at
	m.sessions[id] = s
	m.Keep(e)
	return nil
}

// LiveSession implements access.Sessions.
func (m *Memory) LiveSession(_ context.Context, id string) (access.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, found := m.sessions[id]
	if !found || !s.Live(m.now) {
		return access.Session{}, access.ErrSessionGone
	}
	return access.Session{Person: s.Person, AuthTime: s.AuthTime, ACR: s.ACR, Previous: s.Previous}, nil
}

// Client implements oidc.Clients.
func (m *Memory) Client(_ context.Context, id string) (oidc.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, found := m.clients[id]
	if !found {
		return oidc.Client{}, oidc.ErrClientUnknown
	}
	return c, nil
}

// SaveClient implements oidc.ClientSaver.
func (m *Memory) SaveClient(_ context.Context, c oidc.Client, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, found := m.clients[c.ID]; found && reflect.DeepEqual(old, c) {
		return nil
	}
	m.clients[c.ID] = c
	m.Keep(e)
	return nil
}

// Consented implements oidc.Consents.
func (m *Memory) Consented(_ context.Context, person, client string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.consents[person+"\x00"+client], " "), nil
}

// AddConsent implements oidc.Consents.
func (m *Memory) AddConsent(_ context.Context, person, client string, scopes []string, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := person + "\x00" + client
	for _, s := range scopes {
		if !slices.Contains(m.consents[k], s) {
			m.consents[k] = append(m.consents[k], s)
		}
	}
	m.Keep(e)
	return nil
}

// UseOnce implements oidc.ReplayGuard.
func (m *Memory) UseOnce(_ context.Context, key string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.Before(m.replays[key]) {
		return oidc.ErrUsed
	}
	m.replays[key] = until
	return nil
}
