// Command log-replay is the Lambda function that an operator invokes after a restore, before anything is served: it
// does again what the trail holds and the tables have forgotten.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
)

func main() {
	env := aws.LoadEnv(context.Background())
	aws.Start(env, aws.Invocation(audit.Replay(audit.ReplayPorts{
		Trail: env.Events(), Acts: env.Events(), Epoch: env.TokenEpoch(),
		TokenKeys: audit.KillAgain{Keys: env.NewTokenKeys(), Audit: env.Events()}, Now: time.Now,
		Seals: seal.ReplayPorts{Records: env.Seals(), Codes: env.SealCodes(), Orders: env.Orders()},
		Licences: licence.ReplayPorts{Records: env.Licences(), Identifiers: env.Licences(), Tickets: env.TicketKeeper(),
			Types: env.LicenceTypes(), Rand: rand.Reader},
		Registry: registry.ReplayPorts{Organisations: env.Organisations(), OrganisationSaver: env.Organisations(),
			Mandates: env.Mandates(), MandateSaver: env.Mandates(), Trail: env.Events()},
		Clients: oidc.ReplayPorts{Clients: env.Clients(), Saver: env.Clients(), Trail: env.Events()},
	})))
}
