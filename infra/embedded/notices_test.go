package embedded

import (
	"testing"

	"github.com/yinxin/yinxin/shared/notice"
	"github.com/yinxin/yinxin/shared/notice/noticetest"
)

func TestNotices(t *testing.T) {
	noticetest.Sender(t, func(t *testing.T) (notice.Sender, noticetest.Sent) {
		s := Notices{openRegistry(t).Events.(Events).DB}
		return s, func(t *testing.T) []notice.Notice {
			t.Helper()
			list, err := s.Notices(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
	})
}
