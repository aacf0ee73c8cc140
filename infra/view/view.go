// Package view shows the records of one service to another: the register of seals and of licences to verifiers, the
// registry to whoever names people and organisations.
//
//	verify.SealStatus ◄── infra/embedded, infra/aws ◄── SealFacts ◄── seal.CodeReader, seal.Reader ◄── the same store
//
// Services do not import each other, and a store has no opinion on what a verifier may see. So what one record means in
// the words of another service stands here, over the ports of both, for every store. Each function reads as often as
// its ports are called; nothing is kept.
//
// It does not know how records are kept, and decides no rights.
package view

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/sm"
	"github.com/yinxin/yinxin/shared/verdict"
	"github.com/yinxin/yinxin/shared/verify"
)

// as returns the sentinel of another service where err is one of ours.
func as(err, ours, theirs error) error {
	if errors.Is(err, ours) {
		return theirs
	}
	return err
}

// SealFacts is what a verifier may know of the seal with a code at a time; [verify.ErrUnknown] where there is none.
func SealFacts(ctx context.Context, codes seal.CodeReader, seals seal.Reader, code string, at time.Time) (proof.SealFacts, error) {
	id, err := codes.SealByCode(ctx, code)
	if err != nil {
		return proof.SealFacts{}, as(err, seal.ErrUnknown, verify.ErrUnknown)
	}
	record, err := seals.Seal(ctx, id)
	if err != nil {
		return proof.SealFacts{}, as(err, seal.ErrUnknown, verify.ErrUnknown)
	}
	state, since := record.StateAt(at)
	facts := proof.SealFacts{State: string(state), Since: since}
	if record.Body != nil {
		facts.Digest = sm.Sum3(record.Body.ESL)
	}
	return facts, nil
}

// Licence is what a verifier may know of the licence with an identifier, masked; [verify.ErrUnknown] for a licence that
// was never handed out, and for an identifier that was bound to it in an attempt that did not come to its end.
func Licence(
	ctx context.Context, identifiers licence.IdentifierReader, licences licence.Reader, types licence.Types, identifier string,
) (verify.Found, error) {
	id, err := identifiers.LicenceByIdentifier(ctx, identifier)
	if err != nil {
		return verify.Found{}, as(err, licence.ErrUnknown, verify.ErrUnknown)
	}
	l, err := licences.Licence(ctx, id)
	if err != nil {
		return verify.Found{}, as(err, licence.ErrUnknown, verify.ErrUnknown)
	}
	if !l.State().Issued() || l.Identifier != identifier {
		return verify.Found{}, verify.ErrUnknown
	}
	t, err := types.LicenceType(ctx, l.TypeCode)
	if err != nil && !(l.Lost && errors.Is(err, licence.ErrUnknown)) {
		return verify.Found{}, err
	}
	var from, to time.Time
	if l.ValidFrom != "" || !l.Lost { // of a licence that was lost nobody knows
		if from, to, err = l.Period(); err != nil {
			return verify.Found{}, err
		}
	}
	facts := verdict.Licence{Identifier: l.Identifier, TypeCode: l.TypeCode, Name: t.Name.ZH,
		Holder: t.Masked(licence.ClaimHolder, l.Holder.Name), Issuer: l.Issuer.Name, IssuerCode: l.Issuer.USCC,
		State: l.State().Code(), ValidFrom: l.ValidFrom, ValidTo: l.ValidTo}
	return verify.Found{ID: l.ID, Holder: l.Holder.Subject,
		Registered: proof.Registered{Facts: facts, HolderName: l.Holder.Name, ValidFrom: from, ValidTo: to,
			Since: l.History[len(l.History)-1].At, Lost: l.Lost}}, nil
}

// Agency is an organisation as licences have it; [licence.ErrUnknown] where there is none.
func Agency(ctx context.Context, organisations registry.Organisations, uscc string) (licence.Agency, error) {
	o, err := organisations.Organisation(ctx, uscc)
	if err != nil {
		return licence.Agency{}, as(err, registry.ErrOrganisationUnknown, licence.ErrUnknown)
	}
	return licence.Agency{USCC: o.USCC, Name: o.Name, Division: o.Division}, nil
}

// SealOrganisation is an organisation as seals have it.
func SealOrganisation(o registry.Organisation) seal.Organisation {
	return seal.Organisation{USCC: o.USCC, Name: o.Name, Division: o.Division}
}

// DivisionAndAbove returns a division of GB/T 2260 and those that contain it, nearest first: who is responsible for it
// is looked for in this order.
func DivisionAndAbove(division string) []string {
	if len(division) != 6 {
		return nil
	}
	list := []string{division}
	for _, above := range []string{division[:4] + "00", division[:2] + "0000"} {
		if above != list[len(list)-1] {
			list = append(list, above)
		}
	}
	return list
}

// PersonClaims is what clients may be told of a person; [oidc.ErrPersonUnknown] where there is none.
func PersonClaims(ctx context.Context, persons registry.Persons, id string) (oidc.Person, error) {
	p, err := persons.Person(ctx, id)
	if err != nil {
		return oidc.Person{}, as(err, registry.ErrPersonUnknown, oidc.ErrPersonUnknown)
	}
	return oidc.Person{Name: p.Name, Phone: p.Phone}, nil
}

// Who is a person with the mandates in force at a time. Somebody who is not registered has neither.
func Who(
	ctx context.Context, persons registry.Persons, mandates registry.MandateLister, organisations registry.Organisations,
	person string, at time.Time,
) (who account.Who, err error) {
	p, err := persons.Person(ctx, person)
	if err = as(err, registry.ErrPersonUnknown, nil); err != nil {
		return account.Who{}, err
	}
	who.Name = p.Name
	list, err := mandates.MandatesOf(ctx, person)
	if err != nil {
		return account.Who{}, err
	}
	for _, m := range list {
		if at.Before(m.From) || !m.To.IsZero() && !at.Before(m.To) {
			continue
		}
		name, err := organisation(ctx, organisations, m.Organisation)
		if err != nil {
			return account.Who{}, err
		}
		who.Acts = append(who.Acts, account.Acting{Organisation: m.Organisation, Name: name, Roles: m.Roles})
	}
	return who, nil
}

// Name is what the object of an event is called, "organisation/<code>" or "client/<id>"; "" where nobody knows.
func Name(ctx context.Context, organisations registry.Organisations, clients oidc.Clients, object string) (string, error) {
	kind, id, _ := strings.Cut(object, "/")
	switch kind {
	case "organisation":
		return organisation(ctx, organisations, id)
	case "client":
		c, err := clients.Client(ctx, id)
		return c.Name, as(err, oidc.ErrClientUnknown, nil)
	}
	return "", nil
}

func organisation(ctx context.Context, organisations registry.Organisations, uscc string) (string, error) {
	o, err := organisations.Organisation(ctx, uscc)
	return o.Name, as(err, registry.ErrOrganisationUnknown, nil)
}
