// Command notify is the Lambda function on the stream of the trail: it tells people and organisations what was done
// with what is theirs, by a queue that the deployer's message gateway takes from. It reads no record and opens no key.
package main

import (
	"context"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/notice"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Start(env, aws.Recorded(notice.Notify(notice.NotifyPorts{Notices: env.Notices()})))
}
