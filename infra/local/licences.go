package main

import (
	"context"
	"fmt"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
)

// How status lists are published: changed lists at once, driven by the records' stream, unchanged ones when half of
// their time is over, driven by the schedule.
const (
	statusEvery    = time.Minute
	statusTTL      = 5 * time.Minute
	statusValidity = 24 * time.Hour
)

// licences are the functions of electronic licences, and what drives the status lists.
func (s *server) licences(guard access.Guard, stamper *seal.Stamper, fonts *layout.Fonts) ([]function, driven) {
	records, types, lists := embedded.Licences{DB: s.db}, embedded.LicenceTypes{DB: s.db}, embedded.StatusLists{DB: s.db}
	directory, mandates := embedded.LicenceDirectory{DB: s.db}, embedded.Mandates{DB: s.db}
	events := embedded.Events{DB: s.db}
	publish := licence.PublishPorts{
		Issuer: s.issuer, Types: types, Entries: records, Records: records, Lists: lists, Keys: s.keys, Certificates: s.authority,
		Audit: events, TTL: statusTTL, Validity: statusValidity, Now: s.now, Rand: s.random,
	}
	issue := licence.IssuePorts{
		Issuer: s.issuer, Access: guard, Records: records, Identifiers: records, ByIdentifier: records,
		Tickets: embedded.Tickets{DB: s.db}, Artefacts: records, Types: types, Agencies: directory, Holders: directory,
		Mandates: mandates, Keys: s.keys, Certificates: s.authority, Stamper: faceStamper{stamper}, Audit: events,
		Fonts: fonts, Now: s.now, Rand: s.random,
	}
	return []function{
		{Name: "licence-type", Routes: licence.TypeRoutes, Handler: licence.Type(licence.TypePorts{
			Issuer: s.issuer, Types: types, Agencies: directory, Certificates: s.authority, Lists: lists,
		})},
		{Name: "licence-issue", Routes: licence.IssueRoutes, Timeout: documentTimeout, Handler: licence.Issue(issue)},
		{Name: "licence-credential", Routes: licence.CredentialRoutes, Handler: licence.Credential(licence.CredentialPorts{
			Access: guard, Records: records, ByIdentifier: records, Artefacts: records, Types: types, Mandates: mandates,
			Audit: events, Now: s.now, Rand: s.random,
		})},
		{Name: "licence-present", Routes: licence.ShowRoutes, Handler: licence.Show(licence.ShowPorts{
			Issuer: s.issuer, Access: guard, Records: records, ByIdentifier: records, Types: types, Mandates: mandates,
			Codes: embedded.ShowCodes{DB: s.db}, Now: s.now, Rand: s.random,
		})},
		{Name: "licence-share", Routes: licence.ShareRoutes, Handler: licence.Share(licence.SharePorts{
			Access: guard, Records: records, ByHolder: records, Types: types, Mandates: mandates,
			Budgets: embedded.Budgets{DB: s.db}, Audit: events, Now: s.now, Rand: s.random,
		})},
	}, licenceStatus(publish)
}

// licenceStatus is driven by the records' stream and by a schedule.
func licenceStatus(p licence.PublishPorts) driven {
	publish := licence.Publish(p)
	return driven{
		Name: "licence-status", Timeout: time.Minute, Every: statusEvery,
		Ways: []gateway.Way{
			gateway.Schedule(func(ctx context.Context) error { return publish(ctx) }),
			gateway.LicenceChanges(licence.PublishChanged(p)),
		},
		Streams: []streamSource{{Table: embedded.TableLicences, Prefix: "licence#", Batch: 100, Attempts: 10}},
	}
}

// faceStamper is seal-stamp as licence-issue sees it. In AWS the same order is an invocation of that function.
type faceStamper struct{ seals *seal.Stamper }

var _ licence.FaceStamper = faceStamper{}

// StampFace implements [licence.FaceStamper].
func (f faceStamper) StampFace(ctx context.Context, o licence.FaceOrder) ([]byte, error) {
	return f.seals.StampFace(ctx, seal.FaceOrder{
		Reference: "licence/" + o.LicenceID, Organisation: o.Organisation, Person: o.Person, Client: o.Client,
		Channel: o.Channel, Purpose: o.Purpose, Place: seal.Place(o.Place),
	}, o.Document)
}

var _ registry.RecordTaker = licence.TypeTaker{}

// takeSamples stores the types of the demonstration.
func takeSamples(ctx context.Context, taker licence.TypeTaker) error {
	samples, err := licence.SampleTypes()
	if err != nil {
		return fmt.Errorf("reading the sample types: %w", err)
	}
	for _, d := range samples {
		if err := taker.Take(ctx, d); err != nil {
			return fmt.Errorf("storing the type %s: %w", d.Code, err)
		}
	}
	return nil
}
