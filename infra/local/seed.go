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

// seedAll invokes registry-seed with the demo seed and with the file of -seed, as an operator would in AWS, and returns
// the organisations of both.
func (s *server) seedAll(ports registry.SeedPorts) ([]registry.Organisation, error) {
	demo := bytes.ReplaceAll(demoSeed, []byte(defaultIssuer), []byte(s.issuer))
	organisations, err := s.seedOne(ports, "seed.json", demo)
	if err != nil || s.seed == "" {
		return organisations, err
	}
	file, err := os.ReadFile(s.seed)
	if err != nil {
		return nil, fmt.Errorf("reading the seed: %w", err)
	}
	more, err := s.seedOne(ports, s.seed, file)
	return append(organisations, more...), err
}

func (s *server) seedOne(ports registry.SeedPorts, name string, file []byte) ([]registry.Organisation, error) {
	report, err := registry.Seed(ports)(context.Background(), file)
	if err != nil {
		return nil, fmt.Errorf("seeding %s: %w", name, err)
	}
	for _, w := range report.Warnings {
		s.log.Warn("seed", "file", name, "object", w.Object, "warning", w.Text)
	}
	seeded, _, err := registry.ParseSeed(file, s.now())
	return seeded.Organisations, err
}
