// Command registry-manage is the Lambda function behind /registry. It reads.
package main

import (
	"context"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/registry"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, registry.Manage(registry.ManagePorts{
		Access: env.Guard(), Organisations: env.Organisations(), Mandates: env.Mandates(), Agents: env.Mandates(),
		Now: time.Now,
	}))
}
