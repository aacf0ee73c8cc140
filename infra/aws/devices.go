package aws

import (
	"context"
	"time"

	"github.com/yinxin/yinxin/shared/account"
)

// Devices remembers in which browsers people have signed on.
type Devices struct{ *DB }

var _ account.Devices = Devices{}

func (s Devices) at(username, device string) at {
	return at{s.tables.SSO, "device#" + s.hidden("username", username), "device#" + device}
}

// KnownDevice implements [account.Devices].
func (s Devices) KnownDevice(ctx context.Context, username, device string) (bool, error) {
	it, err := s.get(ctx, s.at(username, device))
	if err != nil {
		return false, err
	}
	until, err := momentOf(it, "until")
	return s.Now().Before(until) && !until.Before(s.Epoch.Add(account.DeviceLife)), err
}

// RememberDevice implements [account.Devices].
func (s Devices) RememberDevice(ctx context.Context, username, device string, until time.Time) error {
	_, err := s.write(ctx, write{at: s.at(username, device), put: item{"until": moment(until), "ttl": tidy(until)}})
	return err
}
