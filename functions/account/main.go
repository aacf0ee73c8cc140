// Command account is the Lambda function behind the pages of an account: who looked, when and why. It reads.
package main

import (
	"context"
	"crypto/rand"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/account"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, account.Account(account.AccountPorts{
		Issuer: env.Issuer(), Access: env.Guard(), Sessions: env.Sessions(), People: env.Claims(), Names: env.Claims(),
		Events: env.Events(), Rand: rand.Reader,
	}))
}
