package aws

import (
	"context"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Clients keeps the client applications.
type Clients struct{ *DB }

var (
	_ oidc.Clients     = Clients{}
	_ oidc.ClientSaver = Clients{}
)

func (s Clients) at(id string) at { return at{s.tables.Registry, "client#" + id, noSort} }

// Client implements [oidc.Clients].
func (s Clients) Client(ctx context.Context, id string) (oidc.Client, error) {
	c, found, err := record[oidc.Client](ctx, s.DB, s.at(id))
	if err == nil && !found {
		err = oidc.ErrClientUnknown
	}
	return c, err
}

// SaveClient implements [oidc.ClientSaver].
func (s Clients) SaveClient(ctx context.Context, c oidc.Client, e audit.Event) error {
	return save(ctx, s.DB, s.at(c.ID), c, nil, e)
}

// KnownClients is Clients for functions that ask for the same few at every request: what was read of a client stays
// good for [ClientFresh] in a process, and what another saved meanwhile (keys, redirect addresses, scopes) is in force
// after that at the latest. Grants, which a client may be denied by, are never kept. A client that is unknown is asked
// for again.
type KnownClients struct {
	Clients

	mu    sync.Mutex
	known map[string]knownClient
}

type knownClient struct {
	client oidc.Client
	at     time.Time
}

// ClientFresh is for how long a process keeps a client's record.
const ClientFresh = time.Minute

const maxClients = 256 // that stay in memory

var (
	_ oidc.Clients     = (*KnownClients)(nil)
	_ oidc.ClientSaver = (*KnownClients)(nil)
)

// KnowClients makes a KnownClients.
func KnowClients(c Clients) *KnownClients {
	return &KnownClients{Clients: c, known: map[string]knownClient{}}
}

// Client implements [oidc.Clients]. What it returns is shared: nobody changes it.
func (s *KnownClients) Client(ctx context.Context, id string) (oidc.Client, error) {
	now := s.Now()
	s.mu.Lock()
	k, ok := s.known[id]
	s.mu.Unlock()
	if ok && !now.Before(k.at) && now.Sub(k.at) < ClientFresh {
		return k.client, nil
	}
	c, err := s.Clients.Client(ctx, id)
	if err != nil {
		return c, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.known {
		if len(s.known) < maxClients {
			break
		}
		delete(s.known, other) // any
	}
	s.known[id] = knownClient{c, now}
	return c, nil
}

// SaveClient implements [oidc.ClientSaver].
func (s *KnownClients) SaveClient(ctx context.Context, c oidc.Client, e audit.Event) error {
	err := s.Clients.SaveClient(ctx, c, e)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, c.ID)
	return err
}
