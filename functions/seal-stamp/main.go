// Command seal-stamp is the Lambda function behind the use of a seal, over HTTP, for jobs, and for the faces
// of licences. It alone opens the keys of seals.
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
	ports := seal.StampPorts{
		Access: env.Guard(), Records: env.Seals(), ByCode: env.SealCodes(), ByOwner: env.Seals(),
		Directory: env.SealDirectory(), Mandates: env.Mandates(), Orders: env.Orders(), Jobs: env.Jobs(),
		Uploads: env.Uploads(), Results: env.Results(), Audit: env.Events(),
		Keys: env.SealKeys(), Trust: env.Trust(), Fonts: env.Fonts(), Now: time.Now, Rand: rand.Reader,
	}
	aws.Start(env, aws.HTTP(seal.Stamp(ports)), aws.SealOrders(seal.NewStamper(ports)))
}
