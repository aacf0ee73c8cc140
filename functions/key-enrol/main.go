// Command key-enrol is the Lambda function that an operator invokes to have a key of an agency or a maker made,
// and to import the certificate of it.
package main

import (
	"context"

	"github.com/yinxin/yinxin/infra/aws"
)

func main() {
	env := aws.LoadEnv(context.Background())
	enrolment := aws.Enrolment{Keys: env.NewAgencyKeys(), Certificates: env.Enrolled()}
	aws.Start(env, aws.Invocation(enrolment.Enrol))
}
