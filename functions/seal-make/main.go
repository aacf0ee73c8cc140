// Command seal-make is the Lambda function behind POST /seals/{id}/make. It makes the keys of seals and signs
// with those of makers.
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
	aws.Serve(env, seal.Make(seal.MakePorts{
		Access: env.Guard(), Records: env.Seals(), ByCode: env.SealCodes(), Directory: env.SealDirectory(),
		Mandates: env.Mandates(), Audit: env.Events(), NewKeys: env.NewSealKeys(), MakerKeys: env.MakerKeys(),
		Certifier: env.Certifier(), Fonts: env.Fonts(), Now: time.Now, Rand: rand.Reader,
	}))
}
