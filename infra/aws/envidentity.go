package aws

import (
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/key"
)

// Grants keeps grants with their codes and refresh families.
func (e *Env) Grants() Grants { return Grants{e.dated(e.sso())} }

// Sessions keeps the sessions of browsers.
func (e *Env) Sessions() Sessions { return Sessions{e.dated(e.sso())} }

// Consents keeps what people let clients have.
func (e *Env) Consents() Consents { return Consents{e.hiding(e.sso())} }

// Replays remembers what may be used once.
func (e *Env) Replays() Replays { return Replays{e.sso()} }

// Credentials keeps what people sign on with.
func (e *Env) Credentials() Credentials { return Credentials{e.hiding(e.sso())} }

// Counters counts attempts to sign on.
func (e *Env) Counters() Counters { return Counters{e.sso()} }

// Budgets keeps how much of their budgets callers have spent.
func (e *Env) Budgets() Budgets { return Budgets{e.hiding(e.sso())} }

// Devices remembers in which browsers people have signed on.
func (e *Env) Devices() Devices { return Devices{e.dated(e.hiding(e.sso()))} }

// Clients keeps the client applications.
func (e *Env) Clients() Clients { return Clients{e.registry()} }

// KnownClients keeps the client applications, and for a minute what was read of one.
func (e *Env) KnownClients() *KnownClients { return KnowClients(e.Clients()) }

// Claims tells what the registry knows of people and what things are called.
func (e *Env) Claims() Claims { return Claims{e.hiding(e.registry())} }

// Persons keeps people.
func (e *Env) Persons() Persons { return Persons{e.hiding(e.registry())} }

// Organisations keeps agencies and enterprises.
func (e *Env) Organisations() Organisations { return Organisations{e.registry()} }

// Mandates keeps who may act for whom.
func (e *Env) Mandates() Mandates { return Mandates{e.hiding(e.registry())} }

// TokenKeys publishes the public halves of the token keys.
func (e *Env) TokenKeys() *TokenKeys { return OpenTokenKeys(e.sso(), 0) }

// Guard checks access tokens and their live grants.
func (e *Env) Guard() access.Guard {
	return access.Guard{Issuer: e.Issuer(), Keys: e.TokenKeys(), Grants: e.Grants(), Epoch: e.TokenEpoch(), Now: e.now}
}

// TokenSigners opens the token key, at the cold start already: the first request does not wait for it.
func (e *Env) TokenSigners() *Keys {
	k := e.keys(e.sso(), e.custody(key.Token, "TOKEN_KEYS"))
	if e.Err() == nil {
		e.fault("opening the token key", k.WarmKey(e.ctx, key.Token, ""))
	}
	return k
}

// NewTokenKeys makes and ends token keys. Its function cannot sign with them.
func (e *Env) NewTokenKeys() *Keys { return e.keys(e.sso(), e.custody(key.Token, "TOKEN_KEYS")) }
