// Command licence-credential is the Lambda function behind GET /licences/{id}. It hands out what was issued and
// signs nothing.
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
	aws.Serve(env, licence.Credential(licence.CredentialPorts{
		Access: env.Guard(), Records: env.Licences(), ByIdentifier: env.Licences(), Artefacts: env.Artefacts(),
		Types: env.LicenceTypes(), Mandates: env.Mandates(), Audit: env.Events(), Now: time.Now, Rand: rand.Reader,
	}))
}
