package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// The story comes out as promised and leaves its artefacts.
func TestTheStoryGoesAsPromisedAndLeavesItsArtefacts(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	var shown bytes.Buffer
	if err := run(t.Context(), []string{"-demo", "-out", out}, &shown, &shown); err != nil {
		t.Fatalf("%v\n%s", err, shown.Bytes())
	}
	for _, name := range append([]string{"trust/root-sm2.pem", "trust/root-p256.pem"}, sampleNames...) {
		if info, err := os.Stat(filepath.Join(out, filepath.FromSlash(name))); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty (%v)", name, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(out, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Complete bool
		Checks   []row
	}
	if err := json.Unmarshal(text, &report); err != nil || !report.Complete || len(report.Checks) < 25 {
		t.Errorf("the report has %d checks, complete %v (%v); want all of the story", len(report.Checks), report.Complete, err)
	}
}

// A step that comes out otherwise fails the story.
func TestAStoryThatComesOutOtherwiseIsAnError(t *testing.T) {
	var shown bytes.Buffer
	told := telling{show: &shown}
	told.check("a forged copy", "invalid", "valid")
	if err := told.close(); err == nil || !bytes.Contains(shown.Bytes(), []byte("✗ a forged copy")) {
		t.Errorf("close = %v and shows %q, want an error and the step", err, shown.String())
	}
}
