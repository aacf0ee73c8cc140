// Command licence-status is the Lambda function that publishes status lists: those whose licences the stream says
// changed, and on a schedule those that grow old. It alone signs with the status-list keys of agencies.
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
	ports := licence.PublishPorts{
		Issuer: env.Issuer(), Types: env.LicenceTypes(), Entries: env.Licences(), Records: env.Licences(),
		Lists: env.StatusLists(), Keys: env.StatusListKeys(), Certificates: env.Certificates(), Audit: env.Events(),
		TTL: 5 * time.Minute, Validity: 24 * time.Hour, Now: time.Now, Rand: rand.Reader,
	}
	publish := licence.Publish(ports)
	aws.Start(env, aws.Schedule(func(ctx context.Context) error { return publish(ctx) }),
		aws.LicenceChanges(licence.PublishChanged(ports)))
}
