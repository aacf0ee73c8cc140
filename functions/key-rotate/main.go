// Command key-rotate is the Lambda function that moves the token keys on, on a schedule, and that an operator
// invokes to end one at once. It cannot sign with them.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/key"
)

func main() {
	env := aws.LoadEnv(context.Background())
	rotator := key.TokenRotator{Keys: env.NewTokenKeys()}
	aws.Start(env, aws.Schedule(rotator.Rotate), aws.Invocation(audit.Kill(audit.KillPorts{
		Keys: env.NewTokenKeys(), Audit: env.Events(), Now: time.Now, Rand: rand.Reader,
	})))
}
