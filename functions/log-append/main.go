// Command log-append is the Lambda function on the streams of the tables: it takes the events of records into the
// trail.
package main

import (
	"context"

	"github.com/yinxin/yinxin/infra/aws"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Start(env, aws.Stream(aws.Trail{Events: env.Events()}.Append))
}
