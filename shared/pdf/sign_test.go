package pdf

import (
	"bytes"
	"strings"
	"testing"
)

func TestASignedFileIsAcceptedByForeignSoftware(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	data := stamp(t, notice(t), visible(t, "示例省财政厅", 120, 180), a)
	r := wantIntact(t, data, 1)
	if got := r.Signatures[0]; got.Page != 1 || got.Field != "Signature1" || got.Name != "示例省财政厅" {
		t.Errorf("%+v", got)
	}
	wantAccepted(t, data, a)
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
		if len(r.Signatures[0].Changes) != 2 || r.Signatures[0].Changes[0].Kind != NewSignature {
			t.Errorf("changes %+v", r.Signatures[0].Changes)
		}
		wantAccepted(t, data, a)
	}
}

func TestManySignaturesStayValid(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	data := form().streamed()
	const n = 25
	for range n {
		data = stamp(t, data, Signature{Page: 1, Time: signedAt, Reserve: 2048}, a)
	}
	wantIntact(t, data, n)
	wantAccepted(t, data, a)
}

// TestForeignSoftwareSeesTheSameForgeries makes sure that the positive tests above can fail.
func TestForeignSoftwareSeesTheSameForgeries(t *testing.T) {
	a := newAuthority(t, "示例省财政厅")
	signed := signedForm(t, a, false)
	flipped := bytes.Clone(signed)
	flipped[bytes.Index(flipped, []byte("Hello"))] = 'J'
	out, err := run(t, flipped, "pdfsig", "-nocert", "FILE")
	if !strings.Contains(out, "Digest Mismatch") {
		t.Errorf("one byte changed: %v\n%s", err, out)
	}
	changed := revise(t, signed, handmade{4: streamOf("", "BT /F 18 Tf 20 150 Td (Jello) Tj ET")}, "")
	out, err = run(t, changed, "pdfsig", "-nocert", "FILE")
	if !strings.Contains(out, "Not total document signed") || !strings.Contains(out, "Signature is Valid") {
		t.Errorf("a revision behind the signature: %v\n%s", err, out)
	}
	if got := codes(examine(t, changed).Failures()); got != "PDF_CHANGE_UNDEFINED incremental-saving" {
		t.Error(got)
	}
}
