package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"github.com/yinxin/yinxin/infra/gateway"
)

// TestATokenKeyEndsByTheEventThatEndsItInAWS invokes key-rotate as an operator does, and by its schedule.
func TestATokenKeyEndsByTheEventThatEndsItInAWS(t *testing.T) {
	s := startTest(t, config{})
	i := slices.IndexFunc(s.driven, func(d driven) bool { return d.Name == "key-rotate" })
	if i < 0 {
		t.Fatal("nothing drives key-rotate")
	}
	rotate := gateway.Runtime{Name: "key-rotate", Log: slog.New(slog.DiscardHandler), Now: s.now, Ways: s.driven[i].Ways}
	published := func() (ids []string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/jwks", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }() // it is read
		var set struct{ Keys []struct{ Kid string } }
		if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
			t.Fatal(err)
		}
		for _, k := range set.Keys {
			ids = append(ids, k.Kid)
		}
		return ids
	}
	before := published()
	if len(before) != 1 {
		t.Fatalf("%q are published", before)
	}
	if _, err := rotate.Invoke(t.Context(), []byte(`{"detail-type":"Scheduled Event","source":"aws.events"}`)); err != nil {
		t.Fatal(err)
	}
	if now := published(); !slices.Equal(now, before) {
		t.Errorf("the first hour changed %q to %q", before, now)
	}
	if _, err := rotate.Invoke(t.Context(), fmt.Appendf(nil, `{"keyId":%q}`, before[0])); err != nil {
		t.Fatal(err)
	}
	after := published()
	if len(after) != 1 || after[0] == before[0] {
		t.Errorf("after %q was ended, %q are published", before, after)
	}
	if _, err := rotate.Invoke(t.Context(), fmt.Appendf(nil, `{"keyId":%q}`, before[0])); err == nil {
		t.Error("a key that is gone was ended again, and nobody says so")
	}
}
