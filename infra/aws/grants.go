package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Grants keeps grants with their codes and refresh families, one item each. The body is the grant as it was saved;
// what redemption, rotation and revocation change, and what they ask for, stands beside it, so that each is one update
// whose condition is the rule. Where it did not hold, the rule itself says why.
type Grants struct{ *DB }

var (
	_ oidc.GrantSaver   = Grants{}
	_ oidc.CodeRedeemer = Grants{}
	_ oidc.Refresher    = Grants{}
	_ oidc.GrantRevoker = Grants{}
	_ access.Grants     = Grants{}
)

func (s Grants) at(id string) at { return at{s.tables.SSO, "grant#" + id, noSort} }

// SaveGrant implements [oidc.GrantSaver].
func (s Grants) SaveGrant(ctx context.Context, g oidc.Grant, e audit.Event) error {
	if g.ID == "" {
		return errors.New("saving a grant: no identifier")
	}
	body, err := encode(g)
	if err != nil {
		return err
	}
	end := g.Expires
	if g.CodeHash != "" && g.Redeemed.IsZero() {
		end = g.CodeExpires // a code that nobody redeems leaves soon
	}
	put := item{"body": body, "ttl": tidy(end), "until": moment(g.Expires), "client": text(g.Client), "person": text(g.Person)}
	for name, v := range map[string]string{
		"codeHash": g.CodeHash, "challenge": g.Challenge, "redirectURI": g.RedirectURI, "familyHash": g.FamilyHash,
		"refreshHash": g.RefreshHash, "previousHash": g.PreviousHash,
	} {
		put[name] = text(v)
	}
	for name, t := range map[string]time.Time{
		"codeUntil": g.CodeExpires, "redeemed": g.Redeemed, "rotated": g.Rotated, "refreshUntil": g.RefreshExpires,
		"revoked": g.Revoked,
	} {
		if !t.IsZero() {
			put[name] = moment(t)
		}
	}
	out, err := s.write(ctx, write{at: s.at(g.ID), put: put, condition: absent, event: &e})
	if err == nil && !out.held {
		err = fmt.Errorf("saving grant %q: the identifier exists", g.ID)
	}
	return err
}

// grantOf reads a grant from its item.
func grantOf(it item) (oidc.Grant, error) {
	g, err := decode[oidc.Grant](it)
	g.FamilyHash, g.RefreshHash, g.PreviousHash = textOf(it, "familyHash"), textOf(it, "refreshHash"), textOf(it, "previousHash")
	for name, t := range map[string]*time.Time{
		"redeemed": &g.Redeemed, "rotated": &g.Rotated, "refreshUntil": &g.RefreshExpires, "revoked": &g.Revoked,
	} {
		at, timeErr := momentOf(it, name)
		*t, err = at, errors.Join(err, timeErr)
	}
	return g, err
}

// RedeemCode implements [oidc.CodeRedeemer]. The grant is read first, for its session, which is another item.
func (s Grants) RedeemCode(ctx context.Context, r oidc.Redemption, e audit.Event) (oidc.Grant, error) {
	if r.GrantID == "" || r.CodeHash == "" {
		return oidc.Grant{}, oidc.ErrCodeUnknown
	}
	it, err := s.get(ctx, s.at(r.GrantID))
	if err != nil {
		return oidc.Grant{}, err
	}
	if it == nil {
		return oidc.Grant{}, oidc.ErrCodeUnknown
	}
	g, err := grantOf(it)
	if err != nil {
		return oidc.Grant{}, err
	}
	if alive, err := s.sessionAlive(ctx, g, r.At); err != nil || !alive || g.Created.Before(s.Epoch) {
		return oidc.Grant{}, cmp.Or(err, oidc.ErrCodeUnknown)
	}
	w := write{
		at: s.at(r.GrantID),
		update: "SET #redeemed = :at, #familyHash = :family, #refreshHash = :refresh, #ttl = :ttl, #event = :event, " +
			"#eventPerson = #person",
		condition: "#codeHash = :code AND #client = :client AND attribute_not_exists(#revoked) " +
			"AND attribute_not_exists(#redeemed) AND #codeUntil > :at AND #challenge = :challenge",
		values: item{":at": moment(r.At), ":family": text(r.FamilyHash), ":refresh": text(r.RefreshHash), ":code": text(r.CodeHash),
			":client": text(r.Client), ":challenge": text(r.Challenge), ":ttl": tidy(r.At.Add(oidc.GrantLife))},
		event: &e,
	}
	if !r.RefreshExpires.IsZero() {
		w.update += ", #refreshUntil = :until"
		w.values[":until"] = moment(r.RefreshExpires)
	}
	if r.RedirectURI != "" {
		w.condition += " AND #redirectURI = :redirect"
		w.values[":redirect"] = text(r.RedirectURI)
	}
	return s.change(ctx, w, func(g oidc.Grant) (oidc.Grant, error) { return g.Redeem(r) }, oidc.ErrCodeUnknown)
}

// RotateRefresh implements [oidc.Refresher]. The grant and its session are read first: the session is another item, and
// a token that is refused writes nothing. Whatever happens meanwhile to the grant, the condition of the write decides.
func (s Grants) RotateRefresh(ctx context.Context, r oidc.Rotation, e audit.Event) (oidc.Grant, error) {
	it, err := s.get(ctx, s.at(r.GrantID))
	if err != nil {
		return oidc.Grant{}, err
	}
	if it == nil {
		return oidc.Grant{}, oidc.ErrRefreshUnknown
	}
	g, err := grantOf(it)
	if err != nil {
		return oidc.Grant{}, err
	}
	alive, err := s.sessionAlive(ctx, g, r.At)
	if err != nil {
		return oidc.Grant{}, err
	}
	if !alive || g.Created.Before(s.Epoch) {
		return oidc.Grant{}, oidc.ErrRefreshUnknown
	}
	if after, err := g.Rotate(r); err != nil {
		return after, err
	}
	w := write{
		at:     s.at(r.GrantID),
		update: "SET #refreshHash = :new, #refreshUntil = :until, #event = :event, #eventPerson = #person",
		condition: "#familyHash = :family AND #client = :client AND attribute_not_exists(#revoked) " +
			"AND attribute_exists(#redeemed) AND #until > :at AND #refreshUntil > :at AND #refreshHash = :hash",
		values: item{":new": text(r.NewHash), ":until": moment(r.Expires), ":family": text(r.FamilyHash), ":client": text(r.Client),
			":at": moment(r.At), ":hash": text(r.Hash)},
		event: &e,
	}
	if r.NewHash != r.Hash {
		w.update += ", #previousHash = :hash, #rotated = :at"
	}
	return s.change(ctx, w, func(g oidc.Grant) (oidc.Grant, error) { return g.Rotate(r) }, oidc.ErrRefreshUnknown)
}

// change does an update of a grant and returns the grant as it then is, or what the rule says to the grant as it
// stands.
func (s Grants) change(
	ctx context.Context, w write, rule func(oidc.Grant) (oidc.Grant, error), unknown error,
) (oidc.Grant, error) {
	out, err := s.write(ctx, w)
	if err != nil {
		return oidc.Grant{}, err
	}
	if out.item == nil {
		return oidc.Grant{}, unknown
	}
	g, err := grantOf(out.item)
	if err != nil || out.held {
		return g, err
	}
	after, err := rule(g)
	if err == nil {
		err = errors.New("changing a grant: the condition did not hold, and the rule would")
	}
	return after, err
}

// RevokeGrant implements [oidc.GrantRevoker].
func (s Grants) RevokeGrant(ctx context.Context, id string, at time.Time, e audit.Event) error {
	_, err := s.write(ctx, write{
		at:        s.at(id),
		update:    "SET #revoked = :at, #event = :event, #eventPerson = #person, #eventHolder = #person",
		condition: "attribute_exists(#pk) AND attribute_not_exists(#revoked)", values: item{":at": moment(at)}, event: &e,
	})
	return err // a condition that did not hold: there is none, or it was revoked
}

// LiveGrant implements [access.Grants].
func (s Grants) LiveGrant(ctx context.Context, id string) (access.Grant, error) {
	it, err := s.get(ctx, s.at(id))
	if err != nil {
		return access.Grant{}, err
	}
	if it == nil {
		return access.Grant{}, access.ErrGrantGone
	}
	g, err := grantOf(it)
	if err != nil {
		return access.Grant{}, err
	}
	now := s.Now()
	if !g.Live(now) || g.Created.Before(s.Epoch) {
		return access.Grant{}, access.ErrGrantGone
	}
	alive, err := s.sessionAlive(ctx, g, now)
	if err == nil && !alive {
		err = access.ErrGrantGone
	}
	if err != nil {
		return access.Grant{}, err
	}
	return access.Grant{Person: g.Person, Organisation: g.Organisation, Client: g.Client, Channel: g.Channel}, nil
}

// sessionAlive tells whether the session that a grant is bound to, if it is bound to one, lives.
func (s Grants) sessionAlive(ctx context.Context, g oidc.Grant, at time.Time) (bool, error) {
	if g.Session == "" {
		return true, nil
	}
	_, err := Sessions(s).live(ctx, g.Session, at)
	if errors.Is(err, access.ErrSessionGone) {
		return false, nil
	}
	return err == nil, err
}
