package audittest

import (
	"errors"
	"sync"
	"testing"
)

// Race calls f sixty times at once, for the steps of which exactly one call may succeed, and returns the errors by call.
func Race(f func(n int) error) []error {
	errs := make([]error, 60)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for n := range errs {
		wg.Go(func() {
			<-start
			errs[n] = f(n)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// OneWinner fails unless exactly one error is nil and all others are loser. It returns the call that succeeded.
func OneWinner(t *testing.T, errs []error, loser error) (winner int) {
	t.Helper()
	winners := 0
	for n, err := range errs {
		switch {
		case err == nil:
			winner, winners = n, winners+1
		case !errors.Is(err, loser):
			t.Fatalf("call %d: %v, want %v", n, err, loser)
		}
	}
	if winners != 1 {
		t.Fatalf("%d of %d concurrent calls succeeded, want exactly one", winners, len(errs))
	}
	return winner
}
