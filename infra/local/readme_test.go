package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/yinxin/yinxin/shared/verdict"
)

// The three examples of the README work as printed, but for the port.
func TestTheExamplesOfTheReadmeWorkAsPrinted(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
				t.Fatalf("needs %s", tool)
			}
			t.Skipf("needs %s", tool)
		}
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 2 {
		t.Fatalf("the README has %d blocks of commands, want the two commands and the examples", len(blocks))
	}
	chinese, err := os.ReadFile("../../README.zh-CN.md")
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(config{addr: "127.0.0.1:0", data: t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	var answers [][]byte
	for line := range strings.Lines(blocks[1][1]) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "curl ") {
			continue
		}
		if !bytes.Contains(chinese, []byte(line)) {
			t.Errorf("the Chinese README lacks %s", line)
		}
		c := exec.CommandContext(t.Context(), "bash", "-euc", strings.ReplaceAll(line, defaultIssuer, s.base))
		c.Dir = dir
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if len(out) > 0 {
			answers = append(answers, out)
		}
	}
	if len(answers) != 3 {
		t.Fatalf("the examples gave %d answers, want 3", len(answers))
	}
	var token struct {
		Access string `json:"access_token"`
		Type   string `json:"token_type"`
	}
	if err := json.Unmarshal(answers[0], &token); err != nil || token.Access == "" || token.Type != "Bearer" {
		t.Errorf("the first example gave %s (%v), want an access token", answers[0], err)
	}
	for i, want := range []verdict.Overall{verdict.Valid, verdict.Invalid} {
		var v verdict.Verdict
		if err := json.Unmarshal(answers[i+1], &v); err != nil || v.Overall != want {
			t.Errorf("example %d gave %q, want %q: %s (%v)", i+2, v.Overall, want, answers[i+1], err)
		}
	}
}
