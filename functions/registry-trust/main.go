// Command registry-trust is the Lambda function that an operator invokes with roots and revocation lists: what
// certificates are judged by.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
)

func main() {
	env := aws.LoadEnv(context.Background())
	trusting := aws.Trusting{Trust: env.TrustRecords(), Now: time.Now, Rand: rand.Reader}
	aws.Start(env, aws.Invocation(trusting.Take))
}
