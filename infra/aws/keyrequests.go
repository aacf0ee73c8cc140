package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
)

var _ cert.Requester = (*Keys)(nil)

// RequestKey implements [cert.Requester]. The request lies in the item of the key, written with it. A Wrapped key signs
// it in the process that makes it, before its private half is forgotten; a Blind key, which nobody sees, requests
// nothing.
//
// A key that has no request for the name signs one now, where this function may sign with it.
func (k *Keys) RequestKey(
	ctx context.Context, purpose key.Purpose, owner string, alg key.Algorithm, subject cert.Name,
) (csr []byte, err error) {
	var there bool
	request := func(s key.Signer) ([]byte, error) { return cert.CreateCSR(ctx, subject, s) }
	s, err := k.with(ctx, purpose, owner, func(ctx context.Context, h *heldRing, name ringName, c Custody) (key.Signer, error) {
		s, err := k.load(ctx, h, name, c)
		if errors.Is(err, key.ErrUnknown) && len(h.ring.Keys) == 0 && c.Kind != Given {
			if c.Kind == Blind {
				return nil, errors.New("a key that nobody sees requests no certificate")
			}
			s, err = k.first(ctx, h, name, c, alg, request)
		}
		if err != nil {
			return nil, err
		}
		entry, _ := h.ring.find(s.KeyID())
		if entry.Request != nil {
			csr = entry.Request
			there, err = cert.RequestFor(csr, subject)
		}
		return s, err
	})
	switch {
	case err != nil:
		return nil, err
	case s.Algorithm() != alg:
		return nil, fmt.Errorf("the %s key of %q is there already, for %s, not %s", purpose, owner, s.Algorithm(), alg)
	case there:
		return csr, nil
	}
	other, err := request(s)
	if err != nil && csr != nil {
		return nil, fmt.Errorf("the %s key of %q: %w (%w)", purpose, owner, cert.ErrRequested, err)
	}
	return other, err
}
