package embedded

import (
	"testing"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/audit/audittest"
)

func TestEvents(t *testing.T) {
	audittest.Trace(t, func(t *testing.T) (audit.Recorder, audit.Reader) {
		s := openRegistry(t)
		return s.Events.(Events), s.Events
	})
}
