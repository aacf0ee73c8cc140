// Package accounttest holds the contracts of the ports of shared/account. Every adapter passes them.
//
//	open ── Store ── each sentence of the contract, one subtest; each atomic step raced
package accounttest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/audit"
)

const racers = 100

// Noon is when the stores that are opened stand.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Store is a store of accounts, seen through its ports.
type Store struct {
	Credentials account.Credentials
	Adder       account.CredentialAdder
	Counters    account.Counters
	Devices     account.Devices
	Events      audit.Reader
	SetNow      func(time.Time)
}

func race(f func(i int) error) map[string]int {
	var wg sync.WaitGroup
	results := make([]error, racers)
	start := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-start
			results[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	counts := map[string]int{}
	for _, err := range results {
		counts[fmt.Sprint(err)]++
	}
	return counts
}

// Credentials runs the contracts of Credentials and CredentialAdder.
func Credentials(t *testing.T, open func(t *testing.T) Store) {
	t.Run("of concurrent calls exactly one adds", func(t *testing.T) {
		s := open(t)
		if _, err := s.Credentials.Credential(t.Context(), "zhang"); !errors.Is(err, account.ErrCredentialUnknown) {
			t.Errorf("Credential = %v, want ErrCredentialUnknown", err)
		}
		counts := race(func(i int) error {
			c := account.Credential{Username: "zhang", Person: "zhang", Password: fmt.Sprint(i), Changed: Noon}
			e := audit.Event{ID: fmt.Sprint(i), Time: Noon, Action: "account.test", Object: "person/zhang", Reason: fmt.Sprint(i), Outcome: audit.Done}
			return s.Adder.AddCredential(t.Context(), c, e)
		})
		if counts["<nil>"] != 1 || counts[account.ErrCredentialExists.Error()] != racers-1 {
			t.Errorf("outcomes = %v", counts)
		}
		events, err := s.Events.ByObject(t.Context(), "person/zhang")
		if err != nil || len(events) != 1 {
			t.Fatalf("events = %+v, %v", events, err)
		}
		c, err := s.Credentials.Credential(t.Context(), "zhang")
		c.Changed = c.Changed.UTC()
		if want := (account.Credential{Username: "zhang", Person: "zhang", Password: events[0].Reason, Changed: Noon}); err != nil || !reflect.DeepEqual(c, want) {
			t.Errorf("Credential = %+v, %v, want the winner's, %+v", c, err, want)
		}
	})
}

// Counters runs the contract of Counters.
func Counters(t *testing.T, open func(t *testing.T) Store) {
	t.Run("exactly limit calls succeed in a window, and again in the next", func(t *testing.T) {
		s := open(t)
		for round := range 2 {
			s.SetNow(Noon.Add(time.Duration(round) * time.Minute))
			counts := race(func(int) error { return s.Counters.Take(t.Context(), "k", 7, time.Minute) })
			if counts["<nil>"] != 7 || counts[account.ErrExhausted.Error()] != racers-7 {
				t.Errorf("round %d: outcomes = %v", round, counts)
			}
		}
		if err := s.Counters.Take(t.Context(), "another", 1, time.Minute); err != nil {
			t.Errorf("another key: %v", err)
		}
	})
	t.Run("the window begins with the first call", func(t *testing.T) {
		s := open(t)
		for i, tt := range []struct {
			after time.Duration
			want  error
		}{{0, nil}, {59 * time.Second, nil}, {60*time.Second - 1, account.ErrExhausted}, {60 * time.Second, nil}} {
			s.SetNow(Noon.Add(tt.after))
			if err := s.Counters.Take(t.Context(), "k", 2, time.Minute); !errors.Is(err, tt.want) {
				t.Errorf("call %d: Take = %v, want %v", i, err, tt.want)
			}
		}
	})
	t.Run("what is given back can be taken again, and no more", func(t *testing.T) {
		s := open(t)
		if err := s.Counters.Give(t.Context(), "k"); err != nil {
			t.Errorf("Give before Take = %v", err)
		}
		race(func(int) error { return s.Counters.Take(t.Context(), "k", racers, time.Minute) })
		race(func(int) error { return s.Counters.Give(t.Context(), "k") })
		for range 3 {
			if err := s.Counters.Give(t.Context(), "k"); err != nil {
				t.Errorf("Give at nought = %v", err)
			}
		}
		counts := race(func(int) error { return s.Counters.Take(t.Context(), "k", 5, time.Minute) })
		if counts["<nil>"] != 5 {
			t.Errorf("outcomes = %v, want 5 successes", counts)
		}
	})
}

// Devices runs the contract of Devices.
func Devices(t *testing.T, open func(t *testing.T) Store) {
	t.Run("a device is known to its user name until it is forgotten", func(t *testing.T) {
		s := open(t)
		if err := s.Devices.RememberDevice(t.Context(), "zhang", "d", Noon.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		check := func(username, device string, want bool) {
			t.Helper()
			if got, err := s.Devices.KnownDevice(t.Context(), username, device); err != nil || got != want {
				t.Errorf("KnownDevice(%s, %s) = %v, %v, want %v", username, device, got, err, want)
			}
		}
		check("zhang", "d", true)
		check("zhang", "e", false)
		check("li", "d", false)
		s.SetNow(Noon.Add(time.Hour))
		check("zhang", "d", false)
		if err := s.Devices.RememberDevice(t.Context(), "zhang", "d", Noon.Add(2*time.Hour)); err != nil {
			t.Fatal(err)
		}
		check("zhang", "d", true)
	})
}
