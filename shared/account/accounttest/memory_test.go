package accounttest_test

import (
	"testing"

	"github.com/yinxin/yinxin/shared/account/accounttest"
)

func open(*testing.T) accounttest.Store { return accounttest.NewMemory().Store() }

func TestCredentials(t *testing.T) { accounttest.Credentials(t, open) }
func TestCounters(t *testing.T)    { accounttest.Counters(t, open) }
func TestDevices(t *testing.T)     { accounttest.Devices(t, open) }
