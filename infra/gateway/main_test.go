package gateway

import (
	"log/slog"
	"os"
	"testing"
)

// TestMain keeps the log of the refusals that the tests provoke out of their output.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
