package embedded

import (
	"testing"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/seal"
)

// BenchmarkStamp measures whole stamps, in process and without waiting for the disk, next to the bare signature and
// verification that each contains.
func BenchmarkStamp(b *testing.B) {
	o := openOffice(b, b.TempDir())
	o.activeSeal(b, "li", finance)
	stamper := seal.NewStamper(o.ports)
	order := seal.FaceOrder{Organisation: finance, Person: "li", Client: "bench", Purpose: audit.Purpose{Text: "示例"},
		Place: seal.Place{Page: 1, X: 140, Y: 230}}
	o.mandate(b, "li", finance, "licence.issue")
	for _, c := range []struct {
		format   string
		alg      key.Algorithm
		document []byte
	}{{"ofd", key.SM2SM3, o.ofd(b)}, {"pdf", key.ES256, o.pdf(b)}} {
		k := keytest.New(b, c.alg)
		message := make([]byte, 16<<10)
		signature, err := key.Sign(b.Context(), k, message)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.format+"/bare sign", func(b *testing.B) {
			digest, err := key.Digest(c.alg, k.Public(), message)
			if err != nil {
				b.Fatal(err)
			}
			for range b.N {
				if _, err := k.SignDigest(b.Context(), digest); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.format+"/bare verify", func(b *testing.B) {
			for range b.N {
				if !key.Verify(c.alg, k.Public(), message, signature) {
					b.Fatal("does not verify")
				}
			}
		})
		b.Run(c.format+"/stamp", func(b *testing.B) {
			for range b.N {
				if _, err := stamper.StampFace(b.Context(), order, c.document); err != nil {
					b.Fatal(err)
				}
			}
		})
		stamped, err := stamper.StampFace(b.Context(), order, c.document)
		if err != nil {
			b.Fatal(err)
		}
		anchors, list, crls, err := o.Trust(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		t := proof.Trust{Anchors: anchors, List: list, CRLs: crls}
		b.Run(c.format+"/verify", func(b *testing.B) {
			for range b.N {
				if c.format == "ofd" {
					proof.OFD(b.Context(), stamped, t, o.Now())
				} else {
					proof.PDF(b.Context(), stamped, t, o.Now())
				}
			}
		})
	}
}
