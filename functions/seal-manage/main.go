// Command seal-manage is the Lambda function behind the life of seals but for their making and use. It opens no key.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/seal"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, seal.Manage(seal.ManagePorts{
		Access: env.Guard(), Records: env.Seals(), Codes: env.SealCodes(), ByCode: env.SealCodes(),
		Directory: env.SealDirectory(), Mandates: env.Mandates(), Audit: env.Events(), Fonts: env.Fonts(),
		Now: time.Now, Rand: rand.Reader,
	}))
}
