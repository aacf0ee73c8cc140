// Command licence-status is the Lambda function that publishes status lists on a schedule. It alone signs with the
// status-list keys of agencies.
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
	publish := licence.Publish(licence.PublishPorts{
		Issuer: env.Issuer(), Types: env.LicenceTypes(), Entries: env.Licences(), Lists: env.StatusLists(),
		Keys: env.StatusListKeys(), Certificates: env.Certificates(), TTL: 5 * time.Minute, Validity: 24 * time.Hour,
		Now: time.Now, Rand: rand.Reader,
	})
	aws.Start(env, aws.Schedule(func(ctx context.Context) error { return publish(ctx) }))
}
