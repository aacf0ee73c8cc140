package licence

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sdjwt"
)

// decoys among the digests of a credential, so that the number of its claims stays hidden.
const decoys = 4

// issuerKey is the key of an agency with its certificate.
type issuerKey struct {
	signer key.Signer
	chain  [][]byte
	kid    string
}

// openIssuer opens the key of an agency for a purpose and holds it against its certificate: the same key, the agency's
// own code in the subject, good at the time.
func openIssuer(ctx context.Context, keys key.Opener, certificates IssuerCertificates, purpose key.Purpose, uscc string, at time.Time) (issuerKey, error) {
	chain, err := certificates.IssuerChain(ctx, purpose, uscc)
	if err != nil {
		return issuerKey{}, fmt.Errorf("reading the %s certificate of %s: %w", purpose, uscc, err)
	}
	signer, err := keys.OpenKey(ctx, purpose, uscc)
	if err != nil {
		return issuerKey{}, fmt.Errorf("opening the %s key of %s: %w", purpose, uscc, err)
	}
	leaf, err := cert.Parse(chain[0])
	if err != nil {
		return issuerKey{}, fmt.Errorf("reading the %s certificate of %s: %w", purpose, uscc, err)
	}
	of, _, _ := cert.SplitOwner(leaf.Subject.Organization)
	certified, err := jose.Thumbprint(leaf.PublicKey)
	if err != nil {
		return issuerKey{}, err
	}
	kid, err := jose.Thumbprint(signer.Public())
	switch {
	case err != nil:
		return issuerKey{}, err
	case kid != certified, of != uscc, at.Before(leaf.NotBefore), at.After(leaf.NotAfter):
		return issuerKey{}, fmt.Errorf("the %s certificate of %s is not that of its key, or not good now", purpose, uscc)
	}
	return issuerKey{signer, chain, kid}, nil
}

// Period is the time in which l is valid: from the first moment of its first day in China to the first moment, exclusive,
// after its last; zero for long-term.
func (l Licence) Period() (from, to time.Time, err error) {
	if from, err = time.ParseInLocation(time.DateOnly, l.ValidFrom, china); err != nil {
		return time.Time{}, time.Time{}, fmt.Errorf("reading the first day of licence %s: %w", l.ID, err)
	}
	if l.ValidTo == "" {
		return from, time.Time{}, nil
	}
	if to, err = time.ParseInLocation(time.DateOnly, l.ValidTo, china); err != nil {
		return time.Time{}, time.Time{}, fmt.Errorf("reading the last day of licence %s: %w", l.ID, err)
	}
	return from, to.AddDate(0, 0, 1), nil
}

// content is what the credential of l says.
func (l Licence) content(t Definition, base string, issued time.Time, k issuerKey) (sdjwt.Content, error) {
	integrity, err := t.integrity()
	if err != nil {
		return sdjwt.Content{}, err
	}
	from, to, err := l.Period()
	if err != nil {
		return sdjwt.Content{}, err
	}
	c := sdjwt.Content{
		Issuer: issuerAddress(base, l.Issuer.USCC), Type: t.VCT(), Integrity: integrity, IssuedAt: issued, NotBefore: from, Expires: to,
		Status: &sdjwt.Status{Index: l.Index, URI: listAddress(base, l.List)}, Decoys: decoys, KeyID: k.kid, X5C: k.chain,
	}
	for _, v := range l.claims(t, issued) {
		c.Claims = append(c.Claims, sdjwt.Text(v.name, v.value, slices.Contains(t.Selective, v.name)))
	}
	return c, nil
}

type claim struct{ name, value string }

// claims are the licence's claims with a value, in the order of the type.
func (l Licence) claims(t Definition, issued time.Time) []claim {
	values := map[string]string{
		ClaimIdentifier: l.Identifier, ClaimTypeCode: t.Code, ClaimName: t.Name.ZH, ClaimVersion: fmt.Sprintf("%03d", l.Version),
		ClaimNumber: l.Number, ClaimIssuer: l.Issuer.Name, ClaimIssuerCode: l.Issuer.USCC,
		ClaimIssuedOn: issued.In(china).Format(time.DateOnly), ClaimValidFrom: l.ValidFrom, ClaimValidTo: l.ValidTo,
		ClaimHolder: l.Holder.Name, ClaimHolderCode: l.Holder.Code, ClaimHolderType: string(l.Holder.Type),
	}
	var out []claim
	for _, c := range baseClaims {
		if values[c.key] != "" {
			out = append(out, claim{c.key, values[c.key]})
		}
	}
	for _, f := range t.Fields {
		if l.Fields[f.Key] != "" {
			out = append(out, claim{f.Key, l.Fields[f.Key]})
		}
	}
	return out
}

// prepareCredential fixes the bytes of the credential.
func (l Licence) prepareCredential(t Definition, base string, issued time.Time, k issuerKey, random io.Reader) (*sdjwt.Unsigned, error) {
	c, err := l.content(t, base, issued, k)
	if err != nil {
		return nil, err
	}
	return sdjwt.Prepare(c, random)
}

// checkCredential runs our own verifier over a signed credential and compares what it says with the record. A licence
// may be handed out before its first day.
func (l Licence) checkCredential(text string, t Definition, base string, issued time.Time, k issuerKey) error {
	r := sdjwt.Verify(text, sdjwt.Options{Key: k.signer.Public(), Algorithm: key.ES256, Now: issued})
	if len(r.Findings) > 0 && !(len(r.Findings) == 1 && r.Findings[0].Code == sdjwt.NotYetValid) {
		return fmt.Errorf("our own verifier refuses the credential of licence %s: %w", l.ID, r.Findings[0])
	}
	for _, c := range l.claims(t, issued) {
		if r.Credential.Text(c.name) != c.value {
			return fmt.Errorf("the credential of licence %s says something else in %s", l.ID, c.name)
		}
	}
	s := r.Credential.Status
	if r.Credential.Issuer != issuerAddress(base, l.Issuer.USCC) || s == nil || s.Index != l.Index || s.URI != listAddress(base, l.List) {
		return fmt.Errorf("the credential of licence %s names another issuer or status", l.ID)
	}
	return nil
}
