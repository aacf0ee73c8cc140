package embedded

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/verdict"
	"github.com/yinxin/yinxin/shared/verify"
)

// The whole of a use: request, rights, certificates, order, document, signature, own verification, answer. The store does
// not wait for the disk, which would be all that is measured. The bare operations beside it are those of the signature.
func BenchmarkStampService(b *testing.B) {
	o := openOffice(b, b.TempDir())
	s := o.activeSeal(b, "li", finance)
	for _, format := range []string{"ofd", "pdf"} {
		document, use, alg := o.ofd(b), key.Seal, key.SM2SM3
		if format == "pdf" {
			document, use, alg = o.pdf(b), key.SealCompat, key.ES256
		}
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				o.stamp(b, "li", s.ID, document, testOrder)
			}
		})
		b.Run("bare "+string(alg)+" sign and verify", func(b *testing.B) {
			signer, err := o.ca.Keys.OpenKey(b.Context(), use, s.ID)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := key.Sign(b.Context(), signer, []byte("message")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The whole of a verification: chains, revocation lists, the register of seals or the status list, the trail. The bare
// operations beside it are those of the artefact itself: two signatures in an OFD, seal and stamp, one in the others.
func BenchmarkVerifyService(b *testing.B) {
	u := openBureau(b, b.TempDir())
	seal := u.activeSeal(b, "li", finance)
	l := u.issued(b)
	credential := u.read(b, l.ID, "worker", "licence.show", "application/dc+sd-jwt").Body.String()
	question, err := json.Marshal(verify.Question{Input: credential, Purpose: audit.Purpose{Text: "查验(示例)"}})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name, media string
		input       []byte
	}{
		{"ofd", "application/ofd", u.stamp(b, "li", seal.ID, u.ofd(b), testOrder)},
		{"pdf", "application/pdf", u.stamp(b, "li", seal.ID, u.pdf(b), testOrder)},
		{"licence", "application/json", question},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				w := u.call(b, "POST", "/verify", "", c.media, bytes.NewReader(c.input), 200)
				if !bytes.Contains(w.Body.Bytes(), []byte(`"verdict":"`+verdict.Valid+`"`)) {
					b.Fatalf("%.500s", w.Body)
				}
			}
		})
	}
	for use, owner := range map[key.Purpose]string{key.Seal: seal.ID, key.SealCompat: seal.ID} {
		signer, err := u.ca.Keys.OpenKey(b.Context(), use, owner)
		if err != nil {
			b.Fatal(err)
		}
		signature, err := key.Sign(b.Context(), signer, []byte("message"))
		if err != nil {
			b.Fatal(err)
		}
		b.Run("bare "+string(signer.Algorithm())+" verify", func(b *testing.B) {
			for b.Loop() {
				if !key.Verify(signer.Algorithm(), signer.Public(), []byte("message"), signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}
