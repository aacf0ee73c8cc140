package embedded

import (
	"context"
	"fmt"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
)

var _ cert.Requester = (*Keys)(nil)

// RequestKey implements [cert.Requester]. The request lies in the file of the key, written with it. A key that has none
// for the name, because it was made without or its owner is called otherwise now, signs one each time.
func (k *Keys) RequestKey(
	ctx context.Context, purpose key.Purpose, owner string, alg key.Algorithm, subject cert.Name,
) ([]byte, error) {
	request := func(s key.Signer) ([]byte, error) { return cert.CreateCSR(ctx, subject, s) }
	entry, err := k.make(ctx, purpose, owner, alg, request)
	if err != nil {
		return nil, err
	}
	if entry.Request != nil {
		same, err := cert.RequestFor(entry.Request, subject)
		if err != nil {
			return nil, fmt.Errorf("reading the request of the %s key of %q: %w", purpose, owner, err)
		}
		if same {
			return entry.Request, nil
		}
	}
	return request(entry.signer(k.random))
}
