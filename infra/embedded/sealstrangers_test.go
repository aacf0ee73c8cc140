package embedded

import (
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/ses"
	"github.com/yinxin/yinxin/shared/sm"
)

// TestOpenSSLVerifiesStampAndSeal has a stranger check both signatures of an OFD stamp: the owner's over TBS_Sign and the
// maker's over eSealInfo.
func TestOpenSSLVerifiesStampAndSeal(t *testing.T) {
	openssl := need(t, "openssl")
	o := openOffice(t, t.TempDir())
	pkg, err := ofd.Open(o.stamp(t, "li", o.activeSeal(t, "li", finance).ID, o.ofd(t), testOrder))
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := ses.ParseStamp(pkg.Signatures()[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ message, signature, certificate []byte }{
		"the stamp": {stamp.TBSRaw, stamp.Signature, stamp.SignerCert},
		"the seal":  {stamp.Seal.InfoRaw, stamp.Seal.Signature, stamp.Seal.MakerCert},
	} {
		dir := t.TempDir()
		write := func(file string, data []byte) string {
			path := filepath.Join(dir, file)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		certificate := write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.certificate}))
		pub, err := exec.Command(openssl, "x509", "-in", certificate, "-noout", "-pubkey").Output()
		if err != nil {
			t.Fatal(err)
		}
		verify := func(message []byte) string {
			out, _ := exec.Command(openssl, "dgst", "-sm3", "-verify", write("key.pem", pub), "-sigopt", "distid:"+sm.DefaultID,
				"-signature", write("signature", c.signature), write("message", message)).CombinedOutput() // a refusal is an exit status too
			return strings.TrimSpace(string(out))
		}
		if got := verify(c.message); got != "Verified OK" {
			t.Errorf("%s: openssl says %q", name, got)
		}
		altered := append([]byte{}, c.message...)
		altered[len(altered)/2] ^= 1
		if got := verify(altered); !strings.HasPrefix(got, "Verification failure") {
			t.Errorf("%s, altered: openssl says %q", name, got)
		}
	}
}

// TestPDFSigTrustsBothStampsOfAPDF has poppler read a PDF that two agencies stamped.
func TestPDFSigTrustsBothStampsOfAPDF(t *testing.T) {
	pdfsig := need(t, "pdfsig")
	o := openOffice(t, t.TempDir())
	once := o.stamp(t, "li", o.activeSeal(t, "li", finance).ID, o.pdf(t), testOrder)
	twice := o.stamp(t, "sun", o.activeSeal(t, "sun", commerce).ID, once, strings.Replace(testOrder, `"x":140`, `"x":80`, 1))
	path := filepath.Join(t.TempDir(), "twice.pdf")
	if err := os.WriteFile(path, twice, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(pdfsig, "-nocert", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
	if strings.Count(text, "Signature is Valid.") != 2 || strings.Count(text, "\n  - Total document signed") != 1 ||
		!strings.Contains(text[strings.LastIndex(text, "Signature #2"):], "Total document signed") {
		t.Errorf("pdfsig says\n%s", text)
	}
}
