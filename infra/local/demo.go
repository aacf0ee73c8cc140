package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// runDemo starts a server for the story on a free port, with a temporary store unless -data names one, and removes what
// was temporary.
func runDemo(ctx context.Context, c config, stdout io.Writer, log *slog.Logger) (err error) {
	c.addr = "127.0.0.1:0"
	if c.data == "" {
		if c.data, err = os.MkdirTemp("", "yinxin-demo-"); err != nil {
			return fmt.Errorf("making a temporary store: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.data)) }()
	}
	s, err := start(c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return s.story(ctx, c.out, stdout)
}

// exportTrust writes what a stranger needs to verify the artefacts: roots, authorities and revocation lists.
func (s *server) exportTrust(dir string) error { return s.authority.Export(context.Background(), dir) }
