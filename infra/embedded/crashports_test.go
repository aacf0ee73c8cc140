//go:build unix

package embedded_test

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/seal"
)

// The ports that write, each passing its effects by a crasher.

type watchedRecorder struct {
	audit.Recorder
	c *crasher
}

func (p watchedRecorder) Record(ctx context.Context, e audit.Event) error {
	return p.c.do("record "+e.Action+" "+string(e.Outcome), func() error { return p.Recorder.Record(ctx, e) })
}

// watchedRequests makes the keys of seals. Their requests are all that they sign in this function.
type watchedRequests struct {
	keys cert.Requester
	c    *crasher
}

func (p watchedRequests) RequestKey(
	ctx context.Context, purpose key.Purpose, owner string, alg key.Algorithm, subject cert.Name,
) (csr []byte, err error) {
	err = p.c.do("make the key "+string(purpose), func() error {
		csr, err = p.keys.RequestKey(ctx, purpose, owner, alg, subject)
		return err
	})
	return csr, err
}

// watchedKeys opens keys whose signatures are written down.
type watchedKeys struct {
	w *world
	c *crasher
}

func (p watchedKeys) OpenKey(ctx context.Context, purpose key.Purpose, owner string) (key.Signer, error) {
	s, err := p.w.keys.OpenKey(ctx, purpose, owner)
	return watchedSigner{s, p, purpose, owner}, err
}

type watchedSigner struct {
	key.Signer
	keys    watchedKeys
	purpose key.Purpose
	owner   string
}

func (p watchedSigner) SignDigest(ctx context.Context, digest []byte) (value []byte, err error) {
	err = p.keys.c.do("sign with "+string(p.purpose), func() error {
		p.keys.w.write(signaturesFile, signature{Purpose: p.purpose, Owner: p.owner, Digest: hex.EncodeToString(digest),
			Begun: p.keys.w.begun(ctx, p.purpose)})
		value, err = p.Signer.SignDigest(ctx, digest)
		return err
	})
	return value, err
}

type watchedCertifier struct {
	seal.Certifier
	c *crasher
}

func (p watchedCertifier) CertifySeal(ctx context.Context, csr []byte, from, to time.Time) (chain [][]byte, err error) {
	err = p.c.do("certify", func() error {
		chain, err = p.Certifier.CertifySeal(ctx, csr, from, to)
		return err
	})
	return chain, err
}

type watchedSeals struct {
	embedded.Seals
	c *crasher
}

func (p watchedSeals) ReplaceSeal(ctx context.Context, s seal.Seal, e audit.Event) error {
	return p.c.do("replace the seal", func() error { return p.Seals.ReplaceSeal(ctx, s, e) })
}

type watchedOrders struct {
	seal.Orders
	w *world
	c *crasher
}

func (p watchedOrders) BeginOrder(ctx context.Context, o seal.Order, e audit.Event) error {
	return p.c.do("begin the order "+o.Format, func() error {
		p.w.write(ordersFile, begunOrder{o.ID, e.ID})
		return p.Orders.BeginOrder(ctx, o, e)
	})
}

func (p watchedOrders) FinishOrder(ctx context.Context, id string, state seal.OrderState, end string, e audit.Event) error {
	return p.c.do("finish the order as "+string(state), func() error { return p.Orders.FinishOrder(ctx, id, state, end, e) })
}

type watchedLicences struct {
	embedded.Licences
	w *world
	c *crasher
}

func (p watchedLicences) CreateLicence(ctx context.Context, l licence.Licence, e audit.Event) error {
	return p.c.do("create the draft", func() error { return p.Licences.CreateLicence(ctx, l, e) })
}

func (p watchedLicences) ReplaceLicence(ctx context.Context, l licence.Licence, e audit.Event) error {
	return p.c.do("record "+string(l.State()), func() error { return p.Licences.ReplaceLicence(ctx, l, e) })
}

func (p watchedLicences) ClaimIdentifier(ctx context.Context, identifier, licenceID string) error {
	return p.c.do("claim the identifier", func() error {
		p.w.write(namesFile, identifier)
		return p.Licences.ClaimIdentifier(ctx, identifier, licenceID)
	})
}

func (p watchedLicences) PutArtefact(ctx context.Context, name string, data []byte) error {
	return p.c.do("store a face", func() error { return p.Licences.PutArtefact(ctx, name, data) })
}

type watchedTickets struct {
	embedded.Tickets
	c *crasher
}

func (p watchedTickets) TakeTicket(ctx context.Context, list string, size int, newKey [32]byte) (t licence.Ticket, err error) {
	err = p.c.do("take a ticket", func() error {
		t, err = p.Tickets.TakeTicket(ctx, list, size, newKey)
		return err
	})
	return t, err
}

// faceStamper has the seal service stamp faces, in process.
type faceStamper struct{ stamper *seal.Stamper }

func (p faceStamper) StampFace(ctx context.Context, o licence.FaceOrder) ([]byte, error) {
	return p.stamper.StampFace(ctx, seal.FaceOrder{Reference: o.ID, Organisation: o.Organisation, Person: o.Person, Client: o.Client,
		Channel: o.Channel, Purpose: o.Purpose, Place: seal.Place(o.Place)}, o.Document)
}
