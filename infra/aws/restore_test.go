package aws_test

import (
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/licence/licencetest"
	"github.com/yinxin/yinxin/shared/oidc/oidctest"
)

func TestTicketsThatWereGivenAreKeptFromBeingGivenAgain(t *testing.T) {
	licencetest.TicketKeeper(t, func(t *testing.T) (licence.Tickets, licence.TicketKeeper) {
		db, _, _ := open(t, licencetest.Noon)
		return aws.Tickets{DB: db}, aws.TicketKeeper{DB: db}
	})
}

func TestTheTokenEpochEndsWhatCameBefore(t *testing.T) {
	oidctest.Epoch(t, func(t *testing.T) (oidctest.Store, func(time.Time)) {
		s := openIdentity(t)
		return s, func(at time.Time) { s.Grants.(aws.Grants).Epoch = at }
	})
}
