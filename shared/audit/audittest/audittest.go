// Package audittest is the contract of the ports of audit: what every adapter passes. It also has the race that the
// suites of the services run over what may be done once.
package audittest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Trace checks [audit.Recorder] and [audit.Reader] on one store. open returns an empty one.
func Trace(t *testing.T, open func(t *testing.T) (audit.Recorder, audit.Reader)) {
	t.Run("every field comes back", func(t *testing.T) {
		w, r := open(t)
		e := audit.Event{ID: "1", Time: noon, Action: "licence.read", Person: "zhang", Organisation: "91", Division: "990000",
			Client: "portal", Channel: "api", ItemCode: "item", CaseNumber: "case", Purpose: "补贴申领(示例)", LegalBasis: "basis",
			Object: "licence/1", Digest: "sha256:00", Holder: "zhang", Outcome: audit.Refused, Reason: "forbidden"}
		record(t, w, e)
		for name, list := range map[string]func() ([]audit.Event, error){
			"ByHolder": func() ([]audit.Event, error) { return r.ByHolder(t.Context(), "zhang", 10) },
			"ByObject": func() ([]audit.Event, error) { return r.ByObject(t.Context(), "licence/1") },
			"ByTime":   func() ([]audit.Event, error) { return r.ByTime(t.Context(), noon, noon.Add(1), 10) },
		} {
			if got, err := list(); err != nil || len(got) != 1 || got[0] != e {
				t.Errorf("%s = %+v, %v", name, got, err)
			}
		}
	})
	t.Run("holders read the newest first, objects the oldest, and neither reads another's", func(t *testing.T) {
		w, r := open(t)
		for i := range 5 {
			for _, who := range []string{"li", "lin"} {
				record(t, w, event(fmt.Sprint(who, i), noon.Add(time.Duration(i)*time.Second), who))
			}
		}
		if got, err := r.ByHolder(t.Context(), "li", 3); err != nil || ids(got) != "li4 li3 li2" {
			t.Errorf("ByHolder = %s, %v", ids(got), err)
		}
		if got, err := r.ByHolder(t.Context(), "lin", 100); err != nil || ids(got) != "lin4 lin3 lin2 lin1 lin0" {
			t.Errorf("ByHolder = %s, %v", ids(got), err)
		}
		if got, err := r.ByObject(t.Context(), "seal/li"); err != nil || ids(got) != "li0 li1 li2 li3 li4" {
			t.Errorf("ByObject = %s, %v", ids(got), err)
		}
		for _, nobody := range []string{"l", "", "wang"} {
			if got, err := r.ByHolder(t.Context(), nobody, 10); err != nil || len(got) != 0 {
				t.Errorf("ByHolder(%q) = %s, %v", nobody, ids(got), err)
			}
		}
	})
	t.Run("a time span holds its begin and not its end", func(t *testing.T) {
		w, r := open(t)
		for i := range 5 {
			record(t, w, event(fmt.Sprint(i), noon.Add(time.Duration(i)*time.Second), "li"))
		}
		if got, err := r.ByTime(t.Context(), noon.Add(time.Second), noon.Add(3*time.Second), 10); err != nil || ids(got) != "1 2" {
			t.Errorf("ByTime = %s, %v", ids(got), err)
		}
		if got, err := r.ByTime(t.Context(), noon, noon.Add(time.Hour), 2); err != nil || ids(got) != "0 1" {
			t.Errorf("ByTime = %s, %v", ids(got), err)
		}
		if got, err := r.ByTime(t.Context(), noon.Add(time.Hour), noon, 2); err != nil || len(got) != 0 {
			t.Errorf("ByTime = %s, %v", ids(got), err)
		}
	})
	t.Run("of fifty events with one ID the first stays", func(t *testing.T) {
		w, r := open(t)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				e := event("same", noon, "li")
				e.CaseNumber = fmt.Sprint(i)
				if err := w.Record(t.Context(), e); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		before, err := r.ByObject(t.Context(), "seal/li")
		if err != nil || len(before) != 1 {
			t.Fatalf("ByObject = %v, %v", before, err)
		}
		later := event("same", noon.Add(time.Hour), "li")
		record(t, w, later)
		if after, err := r.ByObject(t.Context(), "seal/li"); err != nil || !slices.Equal(after, before) {
			t.Errorf("ByObject = %v, %v, want %v", after, err, before)
		}
	})
	t.Run("an event without ID, time, action or outcome is not stored", func(t *testing.T) {
		w, r := open(t)
		for _, spoil := range []func(*audit.Event){
			func(e *audit.Event) { e.ID = "" }, func(e *audit.Event) { e.Time = time.Time{} },
			func(e *audit.Event) { e.Action = "" }, func(e *audit.Event) { e.Outcome = "" },
		} {
			e := event("1", noon, "li")
			spoil(&e)
			if err := w.Record(t.Context(), e); err == nil {
				t.Errorf("%+v was taken", e)
			}
		}
		if got, err := r.ByObject(t.Context(), "seal/li"); err != nil || len(got) != 0 {
			t.Errorf("ByObject = %v, %v", got, err)
		}
	})
}

func event(id string, at time.Time, holder string) audit.Event {
	return audit.Event{
		ID: id, Time: at, Action: "seal.stamp", Object: "seal/" + holder, Holder: holder, Outcome: audit.Done,
	}
}

func record(t *testing.T, w audit.Recorder, e audit.Event) {
	t.Helper()
	if err := w.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func ids(events []audit.Event) string {
	var list []string
	for _, e := range events {
		list = append(list, e.ID)
	}
	return strings.Join(list, " ")
}
