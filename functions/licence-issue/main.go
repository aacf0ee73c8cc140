// Command licence-issue is the Lambda function behind the life of licences. It alone signs with the issuer keys of
// agencies; faces are stamped by seal-stamp, which it invokes.
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
	aws.Serve(env, licence.Issue(licence.IssuePorts{
		Issuer: env.Issuer(), Access: env.Guard(), Records: env.Licences(), Identifiers: env.Licences(),
		ByIdentifier: env.Licences(), Tickets: env.Tickets(), Artefacts: env.Artefacts(), Types: env.LicenceTypes(),
		Agencies: env.LicenceDirectory(), Holders: env.LicenceDirectory(), Mandates: env.Mandates(),
		Keys: env.LicenceKeys(), Certificates: env.Certificates(), Stamper: env.FaceStamper(), Audit: env.Events(),
		Fonts: env.Fonts(), Now: time.Now, Rand: rand.Reader,
	}))
}
