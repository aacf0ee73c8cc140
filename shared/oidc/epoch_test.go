package oidc

import (
	"testing"
	"time"
)

// What was remembered of assertions before the epoch may be gone: none that was good then is taken.
func TestAnAssertionThatMayHaveBeenUsedBeforeTheEpochIsRefused(t *testing.T) {
	epoch := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) float64 { return float64(epoch.Add(d).Unix()) }
	for name, tt := range map[string]struct {
		c    assertionClaims
		used bool
	}{
		"made before":                       {assertionClaims{IssuedAt: at(-time.Minute), Expires: at(4 * time.Minute)}, true},
		"without iat":                       {assertionClaims{Expires: at(assertionLife)}, true},
		"made before by a clock that is on": {assertionClaims{IssuedAt: at(9 * time.Second), Expires: at(time.Minute)}, true},
		"made after":                        {assertionClaims{IssuedAt: at(10 * time.Second), Expires: at(time.Minute)}, false},
		"outlives all that was good before": {assertionClaims{Expires: at(assertionLife + time.Second)}, false},
	} {
		if got := (TokenPorts{Epoch: epoch}).mayBeUsed(tt.c); got != tt.used {
			t.Errorf("%s: %v, want %v", name, got, tt.used)
		}
		if (TokenPorts{}).mayBeUsed(tt.c) {
			t.Errorf("%s: refused without an epoch", name)
		}
	}
}
