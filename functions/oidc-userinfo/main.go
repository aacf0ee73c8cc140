// Command oidc-userinfo is the Lambda function behind /userinfo. It reads.
package main

import (
	"context"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/oidc"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, oidc.UserInfo(oidc.UserInfoPorts{
		Issuer: env.Issuer(), Keys: env.TokenKeys(), LiveGrants: env.Grants(), Clients: env.KnownClients(),
		Persons: env.Claims(), PairwiseKey: env.PairwiseKey(), Now: time.Now,
	}))
}
