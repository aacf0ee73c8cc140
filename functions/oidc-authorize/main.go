// Command oidc-authorize is the Lambda function behind the authorization endpoint, its forms and the end of the
// session. It saves sessions, consents and grants, and signs nothing.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/oidc"
)

func main() {
	env := aws.LoadEnv(context.Background())
	passwords := account.Passwords{
		Credentials: env.Credentials(), Counters: env.Counters(), Devices: env.Devices(), Audit: env.Events(),
		Params: account.DefaultParams(), Now: time.Now, Rand: rand.Reader,
	}
	aws.Serve(env, oidc.Authorize(oidc.AuthorizePorts{
		Issuer: env.Issuer(), Clients: env.KnownClients(), Sessions: env.Sessions(), SessionSaver: env.Sessions(),
		Consents: env.Consents(), Grants: env.Grants(), Persons: env.Claims(), Keys: env.TokenKeys(),
		PairwiseKey: env.PairwiseKey(), Authenticate: passwords.Authenticate, Now: time.Now, Rand: rand.Reader,
	}))
}
