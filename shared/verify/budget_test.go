package verify

import (
	"context"
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
)

// spent is a budget of which nothing is left for 12.5 seconds.
type spent struct{ asked int }

func (s *spent) Spend(context.Context, string, int, time.Duration) (time.Time, error) {
	s.asked++
	return noon.Add(12500 * time.Millisecond), access.ErrSpent
}

func TestWhoAsksForTooManyIdentifiersIsToldWhenToComeAgain(t *testing.T) {
	w, b := &world{}, &spent{}
	h := Verify(VerifyPorts{Trust: w, Licences: w, ShowCodes: w, Audit: w, Budgets: b, Pages: plain{},
		Now: func() time.Time { return noon }, Rand: rand.Reader})
	for _, accept := range []string{jsonMedia, "text/html"} {
		got := post(h, jsonMedia, accept, ask(known, "核验(示例)"))
		if got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") != "13" {
			t.Errorf("%s: %d, Retry-After %q, %s", accept, got.Code, got.Header().Get("Retry-After"), got.Body)
		}
	}
	if got := post(h, jsonMedia, jsonMedia, ask(code, "核验(示例)")); got.Code != http.StatusOK || b.asked != 2 {
		t.Errorf("a shown code: %d, and the budget was asked %d times, want twice", got.Code, b.asked)
	}
}
