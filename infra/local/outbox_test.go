package main

import (
	"bytes"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/notice"
)

// seldom says yes one time in n, by a seed.
func seldom(seed uint64, n int) func() bool {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, seed))
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n) == 0
	}
}

// TestTheStoryWithDuplicatesTellsEveryoneOnce plays the whole story where a third of all batches comes twice, and looks at
// what is left: the trail, the outbox, no dead letters.
func TestTheStoryWithDuplicatesTellsEveryoneOnce(t *testing.T) {
	data := t.TempDir()
	var shown bytes.Buffer
	c := config{addr: "127.0.0.1:0", demo: true, data: data, out: filepath.Join(t.TempDir(), "out"), again: seldom(7, 3)}
	if err := runDemo(t.Context(), c, &shown, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatalf("%v\n%s", err, shown.Bytes())
	}
	db, err := embedded.Open(filepath.Join(data, "store.db"), embedded.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	notices, err := (embedded.Notices{DB: db}).Notices(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	events, err := (embedded.Events{DB: db}).ByTime(t.Context(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	want, known := map[string]bool{}, map[string]bool{}
	for _, e := range events {
		if known[e.ID] {
			t.Errorf("the trail has %s twice", e.ID)
		}
		known[e.ID] = true
		for _, n := range notice.Of(e) {
			want[n.ID] = true
		}
	}
	var kinds []notice.Kind
	for _, n := range notices {
		if !want[n.ID] {
			t.Errorf("%s was sent twice, or nobody should be told: %+v", n.ID, n)
		}
		delete(want, n.ID)
		kinds = append(kinds, n.Kind)
	}
	// What was written in the last moment is dispatched at the next start.
	if len(want) > 5 {
		t.Errorf("%d notices were not sent: %v", len(want), want)
	}
	for _, kind := range []notice.Kind{notice.LicenceIssued, notice.LicenceRevoked, notice.SealMade, notice.SealActivated, notice.SignedOnAnew} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("nobody was told of %s: %v", kind, kinds)
		}
	}
	if letters, err := (embedded.DeadLetters{DB: db}).All(t.Context(), 10); err != nil || len(letters) > 0 {
		t.Errorf("dead letters: %+v, %v", letters, err)
	}
}

func TestTheOutboxShowsWhatPeopleAreTold(t *testing.T) {
	s, err := start(config{addr: "127.0.0.1:0", data: t.TempDir(), again: func() bool { return false }}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.stop() })
	page := func() string {
		t.Helper()
		r, err := http.Get(s.base + outboxPath)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK || r.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %v", r.Status, err)
		}
		return string(body)
	}
	began := time.Now()
	e := audit.Event{ID: "e1", Time: began, Action: "licence.read", Organisation: "<b>agency", Purpose: "资金审核<script>", Holder: "worker",
		Object: "licence/l1", Outcome: audit.Done}
	if err := (embedded.Events{DB: s.db}).Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	var shown string
	for shown = page(); !strings.Contains(shown, "您的证照被查看。"); shown = page() {
		if time.Since(began) > 5*time.Second {
			t.Fatalf("after %s nobody was told: %s", time.Since(began), shown)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if strings.Contains(shown, "<script>") || !strings.Contains(shown, "资金审核&lt;script&gt;") || !strings.Contains(shown, "Your licence was looked up.") {
		t.Errorf("the page is %s", shown)
	}
	letter := embedded.DeadLetter{Time: began, Function: "notify", Source: "log", Reason: "failed 101 times"}
	if err := (embedded.DeadLetters{DB: s.db}).Add(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	if shown := page(); !strings.Contains(shown, "failed 101 times") {
		t.Errorf("a dead letter is not shown: %s", shown)
	}
}
