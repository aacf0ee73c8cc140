package e2e

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestTheReplayOfAStoryFindsItInForce: nothing was taken back, so the real log-replay, under its role, finds every act of
// the scripts in the records, writes nothing, and names as lost only what the trail cannot tell.
func TestTheReplayOfAStoryFindsItInForce(t *testing.T) {
	s := deploy(t, func(o *AWSOptions) {
		o.Edit = func(template []byte) []byte { // the epoch of log-replay alone: the story goes on
			i := bytes.Index(template, []byte("\n  LogReplay:\n"))
			j := i + bytes.Index(template[i:], []byte("        Variables:\n")) + len("        Variables:\n")
			return bytes.Join([][]byte{template[:j], []byte("          TOKEN_EPOCH: \"2099-01-01T00:00:00Z\"\n"), template[j:]}, nil)
		}
	})
	scripts, err := readScripts("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		if !strings.HasPrefix(script.name, "03-") && !strings.HasPrefix(script.name, "04-") {
			continue
		}
		if _, err := run(t.Context(), s, script); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	type order struct {
		From   time.Time `json:"from"`
		To     time.Time `json:"to"`
		Cursor string    `json:"cursor,omitempty"`
	}
	type answer struct {
		Read, InForce int
		Lost          []struct{ Action, Object string }
		Cursor        string
	}
	o, read, inForce := order{From: time.Now().Add(-time.Hour).UTC(), To: time.Now().UTC()}, 0, 0
	for range 50 {
		got, err := operate[answer](t.Context(), s, "log-replay", o)
		if err != nil {
			t.Fatal(err)
		}
		read, inForce = read+got.Read, inForce+got.InForce
		for _, l := range got.Lost {
			known := l.Action == "registry.person" || l.Action == "account.password" || strings.HasPrefix(l.Action, "trust.")
			if !known {
				t.Errorf("%s of %s is said to be lost", l.Action, l.Object)
			}
		}
		if o.Cursor = got.Cursor; o.Cursor == "" {
			break
		}
	}
	if o.Cursor != "" || inForce < 20 {
		t.Errorf("%d events read, %d acts in force, cursor %q", read, inForce, o.Cursor)
	}
	for _, r := range s.Gate.Refusals() {
		t.Error("log-replay asks for what its role may not do:", r)
	}
}
