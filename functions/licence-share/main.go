// Command licence-share is the Lambda function behind look-ups of licences for a matter. It reads, and records each
// look-up first.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/licence"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, licence.Share(licence.SharePorts{
		Access: env.Guard(), Records: env.Licences(), ByHolder: env.Licences(), Types: env.LicenceTypes(),
		Mandates: env.Mandates(), Budgets: env.Budgets(), Audit: env.Events(), Now: time.Now, Rand: rand.Reader,
	}))
}
