package embedded

import (
	"context"
	"fmt"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

// TokenKeys publishes the public half of the token key.
type TokenKeys struct{ Keys key.Opener }

var _ access.Keys = TokenKeys{}

// TokenKeys implements [access.Keys].
func (s TokenKeys) TokenKeys(ctx context.Context) (jose.Set, error) {
	signer, err := s.Keys.OpenKey(ctx, key.Token, "")
	if err != nil {
		return jose.Set{}, fmt.Errorf("opening the token key: %w", err)
	}
	return jose.Set{Keys: []jose.JWK{{Public: signer.Public(), KeyID: signer.KeyID(), Alg: signer.Algorithm()}}}, nil
}
