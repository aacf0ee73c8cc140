package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build compiles every function of the module at root for this machine, in one call of go build, and returns a folder
// in dir for each: <dir>/<function>/bootstrap. The linked files are kept in a cache outside the checkout, so that only
// what changed is linked again; a checkout has a cache of its own.
func Build(ctx context.Context, root, dir string) error {
	cache := os.Getenv("YINXIN_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		cache = filepath.Join(base, "yinxin")
	}
	sum := sha256.Sum256([]byte(root))
	cache = filepath.Join(cache, "bootstraps-"+hex.EncodeToString(sum[:6]))
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-ldflags=-s", "-buildvcs=false",
		"-o", cache+string(filepath.Separator), "./functions/...")
	c.Dir, c.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("building the functions: %w\n%s", err, out)
	}
	functions, err := filepath.Glob(filepath.Join(root, "functions", "*", "main.go"))
	if err != nil {
		return err
	}
	for _, main := range functions {
		name := filepath.Base(filepath.Dir(main))
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
		if err := place(filepath.Join(cache, name), filepath.Join(dir, name, "bootstrap")); err != nil {
			return fmt.Errorf("placing the bootstrap of %s: %w", name, err)
		}
	}
	return nil
}

// place makes the file from appear at to: as a link where the file system can, which another build does not change.
func place(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}
