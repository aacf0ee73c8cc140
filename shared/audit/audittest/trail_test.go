package audittest

import (
	"testing"

	"github.com/yinxin/yinxin/shared/audit"
)

func TestTheTrailInMemoryKeepsTheContract(t *testing.T) {
	Trace(t, func(*testing.T) (audit.Recorder, audit.Reader) {
		trail := new(Trail)
		return trail, trail
	})
}
