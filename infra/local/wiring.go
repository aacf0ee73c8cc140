package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/infra/outbound"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/notice"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/page"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/verify"
)

// The adapters that are one service of the house seen by another.
var (
	_ registry.Passwords   = account.Passwords{}
	_ registry.RecordTaker = oidc.ClientTaker{}
	_ verify.Pages         = page.Verify{}
)

// wire makes every function with its ports, as the mains of functions/ do for AWS. Events drive those that no request
// reaches.
func (s *server) wire() ([]function, []driven, error) {
	ctx := context.Background()
	if _, err := s.keys.MakeKey(ctx, key.Token, "", key.ES256); err != nil {
		return nil, nil, fmt.Errorf("making the token key: %w", err)
	}
	pairwise, err := embedded.Secrets{DB: s.db, Keys: s.keys}.Secret(ctx, "pairwise", s.random)
	if err != nil {
		return nil, nil, err
	}
	fonts, err := layout.Embedded()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the embedded fonts: %w", err)
	}
	events := embedded.Events{DB: s.db}
	passwords := account.Passwords{
		Credentials: embedded.Credentials{DB: s.db}, Adder: embedded.Credentials{DB: s.db},
		Counters: embedded.Counters{DB: s.db}, Devices: embedded.Devices{DB: s.db}, Audit: events,
		Params: account.DefaultParams(), Now: s.now, Rand: s.random,
	}
	types := embedded.LicenceTypes{DB: s.db}
	taker := licence.TypeTaker{Types: types, Now: s.now, Rand: s.random}
	if err := takeSamples(ctx, taker); err != nil {
		return nil, nil, err
	}
	organisations, err := s.seedAll(registry.SeedPorts{
		Persons: embedded.Persons{DB: s.db}, Organisations: embedded.Organisations{DB: s.db},
		Mandates: embedded.Mandates{DB: s.db}, Passwords: passwords,
		Clients:      oidc.ClientTaker{Clients: embedded.Clients{DB: s.db}, Now: s.now, Rand: s.random},
		LicenceTypes: taker, Now: s.now, Rand: s.random,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := s.enrol(ctx, organisations); err != nil {
		return nil, nil, err
	}
	guard := access.Guard{
		Issuer: s.issuer, Keys: embedded.TokenKeys{Keys: s.keys}, Grants: embedded.Grants{DB: s.db}, Epoch: s.db.Epoch,
		Now: s.now,
	}
	trusted := embedded.Trust{DB: s.db, Authority: s.authority, Types: types}
	if err := s.openBlobs(ctx); err != nil {
		return nil, nil, err
	}
	stamps := s.stampPorts(guard, trusted, fonts)
	stamper := seal.NewStamper(stamps)
	licences, status := s.licences(guard, stamper, fonts)
	documents, job := s.documents(guard, stamper)
	return slices.Concat(
			s.identity(guard, passwords, pairwise), s.seals(stamps), licences, documents, s.verification(guard, trusted),
		), []driven{
			status, job, logAppend(events), s.keyRotate(), notify(notice.NotifyPorts{Notices: embedded.Notices{DB: s.db}}),
		}, nil
}

// logAppend is driven by the streams of the records. Here their events stand in the trail already, written with them.
func logAppend(events audit.Recorder) driven {
	f := driven{Name: "log-append", Timeout: time.Minute,
		Ways: []gateway.Way{gateway.Stream(gateway.Trail{Events: events}.Append)}}
	for _, table := range []string{embedded.TableSSO, embedded.TableRegistry, embedded.TableSeals, embedded.TableLicences} {
		f.Streams = append(f.Streams, streamSource{Table: table, Batch: 100, Attempts: 100})
	}
	return f
}

// keyRotate moves the token keys on, and ends one at once.
func (s *server) keyRotate() driven {
	return driven{Name: "key-rotate", Timeout: time.Minute, Every: time.Hour, Ways: []gateway.Way{
		gateway.Schedule(key.TokenRotator{Keys: s.keys}.Rotate),
		gateway.Invocation(audit.Kill(audit.KillPorts{Keys: s.keys, Audit: embedded.Events{DB: s.db}, Now: s.now, Rand: s.random})),
	}}
}

// identity are the functions of sign-on, accounts and the registry.
func (s *server) identity(guard access.Guard, passwords account.Passwords, pairwise []byte) []function {
	clients, grants, claims := embedded.Clients{DB: s.db}, embedded.Grants{DB: s.db}, embedded.Claims{DB: s.db}
	sessions := embedded.Sessions{DB: s.db}
	return []function{
		{Name: "oidc-discovery", Routes: oidc.DiscoveryRoutes, Handler: oidc.Discovery(oidc.DiscoveryPorts{
			Issuer: s.issuer, Keys: guard.Keys,
		})},
		{Name: "oidc-authorize", Routes: oidc.AuthorizeRoutes, Handler: oidc.Authorize(oidc.AuthorizePorts{
			Issuer: s.issuer, Clients: clients, Sessions: sessions, SessionSaver: sessions,
			Consents: embedded.Consents{DB: s.db}, Grants: grants, Persons: claims, Keys: guard.Keys, PairwiseKey: pairwise,
			Authenticate: passwords.Authenticate,
			Now:          s.now, Rand: s.random,
		})},
		{Name: "oidc-token", Routes: oidc.TokenRoutes, Handler: oidc.Token(oidc.TokenPorts{
			Issuer: s.issuer, Clients: clients, Grants: grants, Codes: grants, Refresh: grants, Revoker: grants,
			Replays: embedded.Replays{DB: s.db}, Keys: s.keys, PairwiseKey: pairwise, Epoch: s.db.Epoch, Now: s.now,
			Rand: s.random,
		})},
		{Name: "oidc-userinfo", Routes: oidc.UserInfoRoutes, Handler: oidc.UserInfo(oidc.UserInfoPorts{
			Issuer: s.issuer, Keys: guard.Keys, LiveGrants: grants, Clients: clients, Persons: claims, PairwiseKey: pairwise,
			Now: s.now,
		})},
		{Name: "account", Routes: account.AccountRoutes, Handler: account.Account(account.AccountPorts{
			Issuer: s.issuer, Access: guard, Sessions: sessions, People: claims, Names: claims,
			Events: embedded.Events{DB: s.db}, Rand: s.random,
		})},
		{Name: "registry-manage", Routes: registry.ManageRoutes, Handler: registry.Manage(registry.ManagePorts{
			Access: guard, Organisations: embedded.Organisations{DB: s.db}, Mandates: embedded.Mandates{DB: s.db},
			Agents: embedded.Mandates{DB: s.db}, Now: s.now,
		})},
	}
}

// stampPorts are the rights of seal-stamp, which also stamps the faces of licences.
func (s *server) stampPorts(guard access.Guard, trusted embedded.Trust, fonts *layout.Fonts) seal.StampPorts {
	records, codes := embedded.Seals{DB: s.db}, embedded.SealCodes{DB: s.db}
	return seal.StampPorts{
		Access: guard, Records: records, ByCode: codes, ByOwner: records, Directory: embedded.SealDirectory{DB: s.db},
		Mandates: embedded.Mandates{DB: s.db}, Orders: embedded.Orders{DB: s.db}, Jobs: embedded.Jobs{DB: s.db},
		Uploads: embedded.Uploads{DB: s.db, Blobs: s.blobs}, Results: embedded.Results{Blobs: s.blobs},
		Audit: embedded.Events{DB: s.db},
		Keys:  s.keys, Trust: trusted, Fonts: fonts, Now: s.now, Rand: s.random,
	}
}

// seals are the functions of electronic seals.
func (s *server) seals(stamps seal.StampPorts) []function {
	records, codes := embedded.Seals{DB: s.db}, embedded.SealCodes{DB: s.db}
	return []function{
		{Name: "seal-manage", Routes: seal.ManageRoutes, Handler: seal.Manage(seal.ManagePorts{
			Access: stamps.Access, Records: records, Codes: codes, ByCode: codes, Directory: stamps.Directory,
			Mandates: stamps.Mandates, Audit: stamps.Audit, Fonts: stamps.Fonts, Now: s.now, Rand: s.random,
		})},
		{Name: "seal-make", Routes: seal.MakeRoutes, Timeout: documentTimeout, Handler: seal.Make(seal.MakePorts{
			Access: stamps.Access, Records: records, ByCode: codes, Directory: stamps.Directory, Mandates: stamps.Mandates,
			Audit: stamps.Audit, NewKeys: s.keys, MakerKeys: s.keys, Certifier: s.authority, Fonts: stamps.Fonts, Now: s.now,
			Rand: s.random,
		})},
		{Name: "seal-stamp", Routes: seal.StampRoutes, Timeout: documentTimeout, Handler: seal.Stamp(stamps)},
	}
}

// verification is the one door: published state and no key.
func (s *server) verification(guard access.Guard, trusted embedded.Trust) []function {
	return []function{
		{Name: "verify", Routes: verify.VerifyRoutes, Timeout: documentTimeout, Handler: verify.Verify(verify.VerifyPorts{
			Access: guard, Trust: trusted, Seals: embedded.SealStatus{DB: s.db},
			StatusLists: statusLists{
				own: embedded.PublishedStatusLists{DB: s.db, Issuer: s.issuer},
				out: outbound.New(statusListLimits(s.outboundHosts)), log: s.log,
			},
			Licences: embedded.LicenceRegister{DB: s.db}, ShowCodes: embedded.ShowCodes{DB: s.db}, Budgets: embedded.Budgets{DB: s.db},
			Audit: embedded.Events{DB: s.db}, Pages: page.Verify{}, Now: s.now, Rand: s.random,
		})},
	}
}
