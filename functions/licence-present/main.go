// Command licence-present is the Lambda function behind the codes that holders show. It opens no key.
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
	aws.Serve(env, licence.Show(licence.ShowPorts{
		Issuer: env.Issuer(), Access: env.Guard(), Records: env.Licences(), ByIdentifier: env.Licences(),
		Types: env.LicenceTypes(), Mandates: env.Mandates(), Codes: env.ShowCodes(), Now: time.Now, Rand: rand.Reader,
	}))
}
