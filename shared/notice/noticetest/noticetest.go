// Package noticetest is the contract suite of the ports of shared/notice.
package noticetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/notice"
)

// Noon is the time of what happens in the suite.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Sent returns the notices that recipients would be given, each as often as they would be, in any order.
type Sent func(t *testing.T) []notice.Notice

// New is a notice of the suite.
func New(id, to string) notice.Notice {
	return notice.Notice{
		ID: id + "/" + to, To: to, Kind: notice.LicenceRead, Time: Noon, By: "91990000MA00000000", Client: "portal",
		Purpose: "资金审核(示例) <b>&\"", ItemCode: "SX-1", CaseNumber: "BJ-1", Object: "licence/" + id, ZH: "您的证照被查看。",
		EN: "Your licence was looked up.",
	}
}

// Sender runs the contract of [notice.Sender].
func Sender(t *testing.T, open func(t *testing.T) (notice.Sender, Sent)) {
	t.Run("a notice arrives as it was sent", func(t *testing.T) {
		s, sent := open(t)
		n := New("e1", "zhang")
		if err := s.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if got := sent(t); len(got) != 1 || got[0] != n {
			t.Errorf("arrived %+v, want %+v", got, n)
		}
	})
	t.Run("one that comes again arrives once, one for another recipient too", func(t *testing.T) {
		s, sent := open(t)
		for range 3 {
			for _, to := range []string{"zhang", "li"} {
				if err := s.Send(t.Context(), New("e1", to)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := sent(t); len(got) != 2 || got[0].To == got[1].To {
			t.Errorf("arrived %+v", got)
		}
	})
	t.Run("of fifty who send it at once it arrives once", func(t *testing.T) {
		s, sent := open(t)
		var racing sync.WaitGroup
		for i := range 50 {
			racing.Go(func() {
				if err := s.Send(t.Context(), New("e1", "zhang")); err != nil {
					t.Errorf("sender %d: %v", i, err)
				}
			})
		}
		racing.Wait()
		if got := sent(t); len(got) != 1 {
			t.Errorf("arrived %d times", len(got))
		}
	})
	t.Run("an identifier may be as long as identifiers are", func(t *testing.T) {
		s, sent := open(t)
		for i := range 3 {
			if err := s.Send(t.Context(), New(strings.Repeat("e", 300)+fmt.Sprint(i), "张(示例)#/ ")); err != nil {
				t.Fatal(err)
			}
		}
		if got := sent(t); len(got) != 3 {
			t.Errorf("arrived %d, want 3", len(got))
		}
	})
}
