// Command oidc-discovery is the Lambda function behind the metadata and the keys of the provider. It reads public keys.
package main

import (
	"context"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/oidc"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Serve(env, oidc.Discovery(oidc.DiscoveryPorts{Issuer: env.Issuer(), Keys: env.TokenKeys()}))
}
