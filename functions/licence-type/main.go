// Command licence-type is the Lambda function behind what anybody may read of licences: types, issuers and their
// keys, status lists. It opens no key.
package main

import (
	"context"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/licence"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, licence.Type(licence.TypePorts{
		Issuer: env.Issuer(), Types: env.LicenceTypes(), Agencies: env.LicenceDirectory(),
		Certificates: env.Certificates(), Lists: env.StatusLists(),
	}))
}
