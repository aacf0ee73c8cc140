package embedded

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/account"
)

// Devices remembers in which browsers people have signed on.
type Devices struct{ *DB }

var _ account.Devices = Devices{}

const bucketDevices = "devices" // user name ‖ 0 ‖ device → until when

// KnownDevice implements [account.Devices].
func (s Devices) KnownDevice(_ context.Context, username, device string) (known bool, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		until, found, err := get[time.Time](tx, bucketDevices, username+"\x00"+device)
		known = found && s.Now().Before(until) && !until.Before(s.Epoch.Add(account.DeviceLife))
		return err
	})
	return known, err
}

// RememberDevice implements [account.Devices].
func (s Devices) RememberDevice(_ context.Context, username, device string, until time.Time) error {
	return s.update(func(tx *bbolt.Tx) error { return put(tx, bucketDevices, username+"\x00"+device, until) })
}
