package verdict

import (
	"slices"
	"testing"
)

// The published rule, over every set of results: what fails decides, then what is not known, then whether anything was
// looked at.
func TestTheAggregationRule(t *testing.T) {
	results := []Result{Pass, Warn, Fail, Unknown, Skipped, NotApplicable, "misspelt"}
	for set := range 1 << len(results) {
		var checks []Check
		has := map[Result]bool{}
		for i, r := range results {
			if set>>i&1 == 1 {
				checks = append(checks, Check{ID: string(r), Result: r})
				has[r] = true
			}
		}
		want := Indeterminate
		switch {
		case has[Fail]:
			want = Invalid
		case has[Unknown] || has[Skipped] || has["misspelt"]:
		case has[Pass] || has[Warn]:
			want = Valid
		}
		if got := Aggregate(checks); got != want {
			t.Errorf("Aggregate(%v) = %s, want %s", has, got, want)
		}
		slices.Reverse(checks)
		if got := Aggregate(checks); got != want {
			t.Errorf("Aggregate of %v in reverse = %s, want %s", has, got, want)
		}
	}
}

func TestFailedListsEachCodeOnce(t *testing.T) {
	v := Verdict{Checks: []Check{
		{Result: Fail, Code: "B"}, {Result: Pass, Code: "P"}, {Result: Fail, Code: "A"}, {Result: Fail, Code: "B"}, {Result: Warn, Code: "W"},
	}}
	if got := v.Failed(); !slices.Equal(got, []string{"B", "A"}) {
		t.Errorf("Failed = %v, want B and A", got)
	}
}
