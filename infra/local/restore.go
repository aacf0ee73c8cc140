package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
)

// The services that do their acts again.
var (
	_ audit.Redoer = seal.ReplayPorts{}
	_ audit.Redoer = licence.ReplayPorts{}
	_ audit.Redoer = registry.ReplayPorts{}
	_ audit.Redoer = oidc.ReplayPorts{}
)

// epochFile is where whoever puts an older copy of the store back writes, in RFC 3339, when that was: what was handed
// out before is refused from the next start on.
const epochFile = "token-epoch"

// tokenEpoch reads the epoch of a data directory; the zero time where there is none.
func tokenEpoch(dir string) (time.Time, error) {
	data, err := os.ReadFile(filepath.Join(dir, epochFile))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the token epoch: %w", err)
	}
	epoch, err := time.Parse(time.RFC3339, strings.TrimSpace(string(data)))
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the token epoch: %w", err)
	}
	return epoch, nil
}
