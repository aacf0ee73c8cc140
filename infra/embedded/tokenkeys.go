package embedded

import (
	"context"
	"fmt"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

// TokenKeys publishes the public halves of the token keys.
type TokenKeys struct{ Keys *Keys }

var _ access.Keys = TokenKeys{}

// TokenKeys implements [access.Keys]. After the signing key come those that signed before and the next.
func (s TokenKeys) TokenKeys(ctx context.Context) (jose.Set, error) {
	published, err := s.Keys.published(ctx, key.Token, "")
	return setOf(published, err)
}

// TokenKeysAgain implements [access.Keys].
func (s TokenKeys) TokenKeysAgain(ctx context.Context) (jose.Set, error) {
	published, err := s.Keys.publishedAgain(ctx, key.Token, "", access.Reread)
	return setOf(published, err)
}

func setOf(published []key.Signer, err error) (set jose.Set, _ error) {
	if err == nil && len(published) == 0 {
		err = key.ErrUnknown
	}
	if err != nil {
		return jose.Set{}, fmt.Errorf("reading the token keys: %w", err)
	}
	for _, k := range published {
		set.Keys = append(set.Keys, jose.JWK{Public: k.Public(), KeyID: k.KeyID(), Alg: k.Algorithm()})
	}
	return set, nil
}
