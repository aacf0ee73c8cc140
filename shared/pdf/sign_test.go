package pdf

import (
	"os"
	"testing"
)

func TestASignedFileIsAcceptedByForeignSoftware(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	data := stamp(t, notice(t), visible(t, "示例省财政厅", 120, 180), a)
	wantIntact(t, data, 1)
	wantAccepted(t, data, a)
	if path := os.Getenv("KEEP"); path != "" {
		check(t, os.WriteFile(path, data, 0o600))
	}
}

func TestASecondSignatureKeepsTheFirst(t *testing.T) {
	a, b := newAuthority(t, "示例省财政厅"), newAuthority(t, "示例省商务厅")
	for _, certify := range []bool{false, true} {
		first := visible(t, "示例省财政厅", 60, 180)
		first.Certify = certify
		data := stamp(t, notice(t), first, a)
		data = stamp(t, data, visible(t, "示例省商务厅", 120, 180), b)
		data = stamp(t, data, Signature{Page: 2, Name: "不可见", Time: signedAt}, a)
		r := wantIntact(t, data, 3)
		if r.Certification != map[bool]int{false: 0, true: 2}[certify] {
			t.Errorf("certification %d", r.Certification)
		}
		wantAccepted(t, data, a)
		if path := os.Getenv("KEEP2"); path != "" {
			check(t, os.WriteFile(path, data, 0o600))
		}
	}
}
