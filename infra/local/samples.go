package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/yinxin/yinxin/shared/problem"
)

// samplePath is where this server offers the artefacts of the story.
const samplePath = "/demo/files/"

// sampleNames are the artefacts offered, in the order of the first page.
var sampleNames = []string{"notice-stamped.ofd", "notice-stamped.pdf", "licence.ofd", "licence.pdf", "licence.png", "licence.sd-jwt",
	"status-list.jwt", "seal.svg", "seal.png", "notice.ofd", "notice.pdf", "report.json"}

// sampleMedia are the media types that no operating system knows for certain.
var sampleMedia = map[string]string{".ofd": mediaOFD, ".sd-jwt": mediaSDJWT, ".jwt": "application/statuslist+jwt"}

// samples serves the artefacts of the story. The story is played on this server when one is first asked for, and kept in
// the data directory; it is played again where that was under another issuer.
func (s *server) samples() http.Handler {
	var playing sync.Mutex
	dir := filepath.Join(s.data, "demo")
	return problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("name")
		if !slices.Contains(sampleNames, name) {
			return problem.NotFound
		}
		playing.Lock()
		defer playing.Unlock()
		if !s.played(dir) {
			// The next visitor finds what this one asked for, even when this one has gone.
			if err := s.story(context.WithoutCancel(r.Context()), dir, io.Discard); err != nil {
				return fmt.Errorf("playing the story: %w", err)
			}
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("reading a sample: %w", err)
		}
		media := sampleMedia[filepath.Ext(name)]
		if media == "" {
			media = mime.TypeByExtension(filepath.Ext(name))
		}
		w.Header().Set("Content-Type", media)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
		_, _ = w.Write(content) // the client is gone if this fails
		return nil
	})
}

// played tells whether the directory holds a story told to its end under this issuer.
func (s *server) played(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		return false
	}
	var report struct {
		Issuer   string
		Complete bool
	}
	return json.Unmarshal(text, &report) == nil && report.Complete && report.Issuer == s.issuer
}
