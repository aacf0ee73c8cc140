package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"

	"github.com/yinxin/yinxin/shared/registry"
)

// demoSeed are the invented people, agencies and clients of the story. Its addresses are those of the default issuer.
//
//go:embed seed.json
var demoSeed []byte

const defaultIssuer = "http://localhost:8080"

// seedAll invokes registry-seed with the demo seed and with the file of -seed, as an operator would in AWS.
func (s *server) seedAll(ports registry.SeedPorts) error {
	demo := bytes.ReplaceAll(demoSeed, []byte(defaultIssuer), []byte(s.issuer))
	if err := s.seedOne(ports, "seed.json", demo); err != nil || s.seed == "" {
		return err
	}
	more, err := os.ReadFile(s.seed)
	if err != nil {
		return fmt.Errorf("reading the seed: %w", err)
	}
	return s.seedOne(ports, s.seed, more)
}

func (s *server) seedOne(ports registry.SeedPorts, name string, file []byte) error {
	report, err := registry.Seed(ports)(context.Background(), file)
	if err != nil {
		return fmt.Errorf("seeding %s: %w", name, err)
	}
	for _, w := range report.Warnings {
		s.log.Warn("seed", "file", name, "object", w.Object, "warning", w.Text)
	}
	return nil
}
