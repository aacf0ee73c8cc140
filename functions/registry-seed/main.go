// Command registry-seed is the Lambda function that an operator invokes with a seed file: the first
// administrator, agencies, clients and licence types.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
)

func main() {
	env := aws.LoadEnv(context.Background())
	env.Found()
	aws.Start(env, aws.Invocation(registry.Seed(registry.SeedPorts{
		Persons: env.Persons(), Organisations: env.Organisations(), Mandates: env.Mandates(),
		Passwords: account.Passwords{
			Credentials: env.Credentials(), Adder: env.Credentials(), Params: account.DefaultParams(),
			Now: time.Now, Rand: rand.Reader,
		},
		Clients:      oidc.ClientTaker{Clients: env.Clients(), Now: time.Now, Rand: rand.Reader},
		LicenceTypes: licence.TypeTaker{Types: env.LicenceTypes(), Now: time.Now, Rand: rand.Reader},
		Now:          time.Now, Rand: rand.Reader,
	})))
}
