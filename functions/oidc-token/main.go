// Command oidc-token is the Lambda function behind POST /token. It alone opens the token key.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/oidc"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, oidc.Token(oidc.TokenPorts{
		Issuer: env.Issuer(), Clients: env.KnownClients(), Grants: env.Grants(), Codes: env.Grants(), Refresh: env.Grants(),
		Revoker: env.Grants(), Replays: env.Replays(), Keys: env.TokenSigners(), PairwiseKey: env.PairwiseKey(),
		Epoch: env.TokenEpoch(), Now: time.Now, Rand: rand.Reader,
	}))
}
