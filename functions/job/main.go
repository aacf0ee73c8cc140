// Command job is the Lambda function that has jobs done: the stream of the table brings it new ones, which it puts on
// its queue; the queue brings them back, and seal-stamp does them; a schedule looks for those that stand still. It can
// make no job and opens no key.
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
	work := document.Work(document.WorkPorts{
		Claims: env.JobStates(), Worker: env.JobWorker(), Now: time.Now, Rand: rand.Reader,
	})
	sweep := document.Sweep(document.SweepPorts{Open: env.JobStates(), Queue: env.JobQueue(), Now: time.Now})
	aws.Start(env, aws.NewJobs(document.Submit(env.JobQueue())), aws.QueuedJobs(work), aws.Schedule(sweep))
}
