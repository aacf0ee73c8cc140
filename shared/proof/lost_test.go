package proof

import (
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/verdict"
)

// TestALicenceThatWasLostIsNeverValid: the register has its identifier and its state, and nothing else.
func TestALicenceThatWasLostIsNeverValid(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const id = "1.2.156.3005.2.11990000YX0000067R001.11990000YX0000067R.1.001.0"
	for state, want := range map[string]verdict.Overall{"01": verdict.Indeterminate, "02": verdict.Invalid, "03": verdict.Invalid} {
		record := Registered{Facts: verdict.Licence{Identifier: id, State: state}, Since: now.Add(-time.Hour), Lost: true}
		v := Identifier(id, &record, Expectation{HolderName: "周八(示例)"}, now, now)
		if v.Overall != want {
			t.Errorf("state %s: %s, want %s: %+v", state, v.Overall, want, v.Checks)
		}
		found := false
		for _, c := range v.Checks {
			found = found || c.Code == LicenceLost
		}
		if !found {
			t.Errorf("state %s: no check says %s", state, LicenceLost)
		}
	}
}
