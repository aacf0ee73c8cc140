// Command document is the Lambda function behind large documents and the jobs over them: it records uploads, reads
// jobs, and signs addresses. It reads no document.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/document"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, document.Document(document.DocumentPorts{
		Access: env.Guard(), Uploads: env.Uploads(), Places: env.Uploads(), Jobs: env.JobStates(),
		Results: env.Results(), Now: time.Now, Rand: rand.Reader,
	}))
}
