package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
)

// What an operator does before a stack serves: seeding, enrolment, trust.

// Operate invokes a function as an operator does.
func (s *AWS) Operate(ctx context.Context, folder string, event []byte) ([]byte, error) {
	f := s.functions[folder]
	if f == nil {
		return nil, fmt.Errorf("there is no function %s", folder)
	}
	answer, failed, err := f.process.Invoke(ctx, event)
	switch {
	case err != nil:
		return nil, err
	case failed != "":
		return nil, fmt.Errorf("%s failed: %s\n%s", folder, answer, strings.Join(f.process.Tail(), "\n"))
	}
	return answer, nil
}

// operate is Operate with values. A refusal is an error.
func operate[Out any](ctx context.Context, s *AWS, folder string, in any) (out Out, err error) {
	event, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	answer, err := s.Operate(ctx, folder, event)
	if err != nil {
		return out, err
	}
	var a struct {
		Result  Out
		Problem json.RawMessage
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return out, fmt.Errorf("%s: reading the answer %.300s: %w", folder, answer, err)
	}
	if a.Problem != nil {
		return out, fmt.Errorf("%s refused: %s", folder, a.Problem)
	}
	return a.Result, nil
}

// found does what an operator does once: the seed, what is trusted, the keys of makers and agencies.
func (s *AWS) found(ctx context.Context) error {
	seed, err := seedFor(s.o.Root, s.Base())
	if err != nil {
		return err
	}
	s.seed = seed
	if _, err := operate[json.RawMessage](ctx, s, "registry-seed", json.RawMessage(seed)); err != nil {
		return err
	}
	orders, err := s.authority.anchors(ctx)
	if err != nil {
		return err
	}
	for _, o := range orders {
		if _, err := operate[json.RawMessage](ctx, s, "registry-trust", o); err != nil {
			return err
		}
	}
	return s.enrol(ctx, seed)
}

// enrol has the keys of makers certified, and those of agencies that issue a known type.
func (s *AWS) enrol(ctx context.Context, seed []byte) error {
	file, _, err := registry.ParseSeed(seed, time.Now())
	if err != nil {
		return err
	}
	types, err := licence.SampleTypes()
	if err != nil {
		return err
	}
	for _, o := range file.Organisations {
		var uses []key.Purpose
		if slices.Contains(o.Duties, string(seal.DutyMake)) {
			uses = append(uses, key.SealMaker)
		}
		if slices.ContainsFunc(types, func(t licence.Definition) bool { return slices.Contains(t.Issuers, o.USCC) }) {
			uses = append(uses, key.LicenceIssuer, key.StatusList)
		}
		for _, use := range uses {
			asked, err := operate[struct{ Request string }](ctx, s, "key-enrol",
				map[string]any{"purpose": use, "owner": o.USCC, "name": o.Name})
			if err != nil {
				return err
			}
			chain, err := s.authority.certify(ctx, use, asked.Request)
			if err != nil {
				return err
			}
			if _, err := operate[json.RawMessage](ctx, s, "key-enrol",
				map[string]any{"purpose": use, "owner": o.USCC, "chain": chain}); err != nil {
				return err
			}
		}
	}
	return nil
}

// seedFor is the seed of infra/local for an issuer, with the sample types of licences.
func seedFor(root, issuer string) ([]byte, error) {
	seed, err := readSeed(root, issuer)
	if err != nil {
		return nil, err
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(seed, &file); err != nil {
		return nil, err
	}
	types, err := licence.SampleTypes()
	if err != nil {
		return nil, err
	}
	if file["licenceTypes"], err = json.Marshal(types); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err = e.Encode(file)
	return out.Bytes(), err
}
