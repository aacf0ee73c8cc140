package accesstest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
)

// BudgetsBegin is when the stores of [Budgets] stand.
var BudgetsBegin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Budgets is the contract of [access.Budgets].
func Budgets(t *testing.T, open func(t *testing.T) (b access.Budgets, setNow func(time.Time))) {
	t.Run("of concurrent calls as many succeed as the budget has, and again in the next window", func(t *testing.T) {
		b, setNow := open(t)
		for window := range 2 {
			begin := BudgetsBegin.Add(time.Duration(window) * time.Minute)
			setNow(begin)
			var spent, left atomic.Int32
			var wg sync.WaitGroup
			start := make(chan struct{})
			for range 60 {
				wg.Go(func() {
					<-start
					end, err := b.Spend(t.Context(), "k", 7, time.Minute)
					switch {
					case err == nil:
						left.Add(1)
					case errors.Is(err, access.ErrSpent):
						spent.Add(1)
					default:
						t.Error(err)
					}
					if !end.Equal(begin.Add(time.Minute)) {
						t.Errorf("the window ends at %v", end)
					}
				})
			}
			close(start)
			wg.Wait()
			if left.Load() != 7 || spent.Load() != 53 {
				t.Errorf("%d of a budget of 7 were spent, %d refused", left.Load(), spent.Load())
			}
			setNow(begin.Add(time.Minute - 1))
			if _, err := b.Spend(t.Context(), "k", 7, time.Minute); !errors.Is(err, access.ErrSpent) {
				t.Errorf("at the end of the window: %v, want ErrSpent", err)
			}
		}
	})
	t.Run("another's budget is another", func(t *testing.T) {
		b, setNow := open(t)
		setNow(BudgetsBegin)
		for _, key := range []string{"a", "b"} {
			if _, err := b.Spend(t.Context(), key, 1, time.Minute); err != nil {
				t.Errorf("the first of %s: %v", key, err)
			}
		}
		if _, err := b.Spend(t.Context(), "a", 1, time.Minute); !errors.Is(err, access.ErrSpent) {
			t.Errorf("the second of a: %v, want ErrSpent", err)
		}
	})
}
