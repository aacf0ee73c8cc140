// Command verify is the Lambda function behind the one door of verification: published state and no key.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/page"
	"github.com/yinxin/yinxin/shared/verify"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, verify.Verify(verify.VerifyPorts{
		Access: env.Guard(), Trust: env.Trust(), Seals: env.SealStatus(), StatusLists: env.AnyStatusLists(),
		Licences: env.LicenceRegister(), ShowCodes: env.ShowCodes(), Budgets: env.Budgets(), Audit: env.Events(),
		Pages: page.Verify{}, Now: time.Now, Rand: rand.Reader,
	}))
}
