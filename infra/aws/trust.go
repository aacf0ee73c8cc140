package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verify"
)

// Trust is what certificates are judged by: anchors and revocation lists that an operator imported, the making units of
// the registry, and for each licence type the agencies that issue it. Certificates and lists that were read once are
// kept, by their bytes, since they remember that they were verified.
//
// All of it stays good for [TrustFresh] in a process: what an operator imports or takes back (an anchor, a revocation
// list, a making unit, an agency of a licence type) is in force everywhere after that at the latest. What is decided
// about one seal or licence, that it was suspended or revoked, does not come from here and is never kept.
//
// A list is in one item, so that it has less than 400 kB.
type Trust struct {
	*DB
	types licence.Types

	mu      sync.Mutex
	anchors map[string]trust.Anchor // by the text of the record
	lists   map[string]*cert.CRL
	held    *trusted // nil: none is fresh
	saved   int      // counts what this process saved
}

// TrustFresh is for how long a process keeps what is trusted.
const TrustFresh = time.Minute

// trusted is what was read at a time.
type trusted struct {
	anchors trust.Anchors
	list    trust.List
	crls    []*cert.CRL
	at      time.Time
}

var (
	_ seal.Trust   = (*Trust)(nil)
	_ verify.Trust = (*Trust)(nil)
)

// NewTrust makes what is trusted because of d and of the licence types.
func NewTrust(d *DB, types licence.Types) *Trust {
	return &Trust{DB: d, types: types, anchors: map[string]trust.Anchor{}, lists: map[string]*cert.CRL{}}
}

const (
	trustPartition = "trust#"
	anchorPrefix   = "anchor#"
	listPrefix     = "crl#"
)

// TrustSaver keeps what certificates are judged by.
type TrustSaver interface {
	// SaveAnchor trusts a root for a purpose, with the authorities under it that certify for the purpose, together with
	// the event. The root's former issuers for the purpose are replaced.
	SaveAnchor(ctx context.Context, a trust.Anchor, e audit.Event) error
	// SaveCRL takes a revocation list, together with the event. A list that is not newer than the one of its issuer that
	// is there changes nothing. Nobody has checked its signature: who relies on it does.
	SaveCRL(ctx context.Context, der []byte, e audit.Event) error
}

var (
	_ TrustSaver = (*Trust)(nil)
	_ TrustSaver = TrustRecords{}
)

// TrustRecords keeps what certificates are judged by. It reads none of it.
type TrustRecords struct{ *DB }

type anchorRecord struct {
	Purpose trust.Purpose `json:"purpose"`
	Root    []byte        `json:"root"` // DER
	Issuers [][]byte      `json:"issuers,omitempty"`
}

type listRecord struct {
	DER []byte `json:"der"`
}

// SaveAnchor implements [TrustSaver]. The next call of Trust sees it.
func (s *Trust) SaveAnchor(ctx context.Context, a trust.Anchor, e audit.Event) error {
	defer s.forget()
	return TrustRecords{s.DB}.SaveAnchor(ctx, a, e)
}

// SaveAnchor implements [TrustSaver].
func (s TrustRecords) SaveAnchor(ctx context.Context, a trust.Anchor, e audit.Event) error {
	r := anchorRecord{Purpose: a.Purpose, Root: a.Root.Raw}
	for _, i := range a.Issuers {
		r.Issuers = append(r.Issuers, i.Raw)
	}
	sk := anchorPrefix + string(a.Purpose) + "#" + digestOf(a.Root.Raw)
	return save(ctx, s.DB, at{s.tables.Registry, trustPartition, sk}, r, nil, e)
}

// SaveCRL implements [TrustSaver]. The next call of Trust sees it.
func (s *Trust) SaveCRL(ctx context.Context, der []byte, e audit.Event) error {
	defer s.forget()
	return TrustRecords{s.DB}.SaveCRL(ctx, der, e)
}

// SaveCRL implements [TrustSaver].
func (s TrustRecords) SaveCRL(ctx context.Context, der []byte, e audit.Event) error {
	l, err := cert.ParseCRL(der)
	if err != nil {
		return fmt.Errorf("taking a revocation list: %w", err)
	}
	body, err := encode(listRecord{der})
	if err != nil {
		return err
	}
	made := moment(l.ThisUpdate)
	sk := listPrefix + digestOf(slices.Concat(l.Issuer.Raw, []byte{0}, l.AuthorityKeyID))
	_, err = s.write(ctx, write{
		at: at{s.tables.Registry, trustPartition, sk}, put: item{"body": body, "made": made},
		condition: absent + " OR #made < :made", values: item{":made": made}, event: &e,
	})
	return err // a condition that did not hold: there is a list as new
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// forget has the next call read what is trusted anew.
func (s *Trust) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = nil
	s.saved++
}

// Trust implements [seal.Trust] and [verify.Trust].
func (s *Trust) Trust(ctx context.Context) (trust.Anchors, trust.List, []*cert.CRL, error) {
	now := s.Now()
	s.mu.Lock()
	held, saved := s.held, s.saved
	s.mu.Unlock()
	if held == nil || now.Before(held.at) || now.Sub(held.at) >= TrustFresh {
		var err error
		if held, err = s.load(ctx, now); err != nil {
			return nil, trust.List{}, nil, err
		}
		s.mu.Lock()
		if s.saved == saved {
			s.held = held
		}
		s.mu.Unlock()
	}
	list := held.list
	list.Makers, list.Issuers = slices.Clone(list.Makers), slices.Clone(list.Issuers)
	return slices.Clone(held.anchors), list, slices.Clone(held.crls), nil
}

func (s *Trust) load(ctx context.Context, now time.Time) (*trusted, error) {
	items, err := s.query(ctx, query{table: s.tables.Registry, partition: trustPartition})
	if err != nil {
		return nil, err
	}
	t := &trusted{at: now, list: trust.List{IssuedAt: now}}
	if t.anchors, t.crls, err = s.read(items); err != nil {
		return nil, err
	}
	makers, err := Organisations{s.DB}.withDuty(ctx, string(seal.DutyMake), "")
	if err != nil {
		return nil, err
	}
	for _, o := range makers {
		t.list.Makers = append(t.list.Makers, trust.Maker{USCC: o.USCC, Name: o.Name})
	}
	t.list.Issuers, err = s.issuers(ctx)
	return t, err
}

// Anchors is what is trusted for the purposes alone, without lists and registry. It is kept as [Trust.Trust] is.
type Anchors struct {
	*DB

	mu      sync.Mutex
	anchors trust.Anchors
	at      time.Time
}

// NewAnchors makes what is trusted because of d.
func NewAnchors(d *DB) *Anchors { return &Anchors{DB: d} }

// Anchors returns what is trusted.
func (s *Anchors) Anchors(ctx context.Context) (trust.Anchors, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	if s.anchors != nil && !now.Before(s.at) && now.Sub(s.at) < TrustFresh {
		return slices.Clone(s.anchors), nil
	}
	items, err := s.query(ctx, query{table: s.tables.Registry, partition: trustPartition, begins: anchorPrefix})
	if err != nil {
		return nil, fmt.Errorf("reading what is trusted: %w", err)
	}
	var list trust.Anchors
	for _, it := range items {
		a, err := anchorOf(it)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	s.anchors, s.at = list, now
	return slices.Clone(list), nil
}

// read reads the records of anchors and lists. What is no longer among them is forgotten.
func (s *Trust) read(items []item) (trust.Anchors, []*cert.CRL, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	anchors, lists := map[string]trust.Anchor{}, map[string]*cert.CRL{}
	var inOrder trust.Anchors
	var crls []*cert.CRL
	for _, it := range items {
		body := textOf(it, "body")
		switch sk := textOf(it, "sk"); {
		case strings.HasPrefix(sk, anchorPrefix):
			a, known := s.anchors[body]
			if !known {
				var err error
				if a, err = anchorOf(it); err != nil {
					return nil, nil, err
				}
			}
			anchors[body] = a
			inOrder = append(inOrder, a)
		case strings.HasPrefix(sk, listPrefix):
			l, known := s.lists[body]
			if !known {
				r, err := decode[listRecord](it)
				if err != nil {
					return nil, nil, err
				}
				if l, err = cert.ParseCRL(r.DER); err != nil {
					return nil, nil, fmt.Errorf("reading a revocation list: %w", err)
				}
			}
			lists[body] = l
			crls = append(crls, l)
		}
	}
	s.anchors, s.lists = anchors, lists
	return inOrder, crls, nil
}

func anchorOf(it item) (trust.Anchor, error) {
	r, err := decode[anchorRecord](it)
	if err != nil {
		return trust.Anchor{}, err
	}
	a := trust.Anchor{Purpose: r.Purpose}
	if a.Root, err = cert.Parse(r.Root); err != nil {
		return trust.Anchor{}, fmt.Errorf("reading an anchor: %w", err)
	}
	for _, der := range r.Issuers {
		i, err := cert.Parse(der)
		if err != nil {
			return trust.Anchor{}, fmt.Errorf("reading an authority under an anchor: %w", err)
		}
		a.Issuers = append(a.Issuers, i)
	}
	return a, nil
}

// issuers are the agencies that the licence types name, as far as they are registered.
func (s *Trust) issuers(ctx context.Context) ([]trust.Issuer, error) {
	types, err := s.types.LicenceTypes(ctx)
	if err != nil {
		return nil, err
	}
	var list []trust.Issuer
	for _, t := range types {
		for _, uscc := range t.Issuers {
			i := slices.IndexFunc(list, func(known trust.Issuer) bool { return known.USCC == uscc })
			if i < 0 {
				o, err := Organisations{s.DB}.Organisation(ctx, uscc)
				if errors.Is(err, registry.ErrOrganisationUnknown) {
					continue // a type may name agencies that are not registered here
				}
				if err != nil {
					return nil, err
				}
				i, list = len(list), append(list, trust.Issuer{USCC: uscc, Name: o.Name})
			}
			list[i].Types = append(list[i].Types, t.Code)
		}
	}
	return list, nil
}
