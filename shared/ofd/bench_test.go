package ofd

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/ses"
	"github.com/yinxin/yinxin/shared/sm"
)

// Whole documents beside the bare SM2 in them: a stamp is one signature and one verification, checking one is two
// verifications, the seal's and the stamp's.
func BenchmarkOFD(b *testing.B) {
	a := newAgency(b, "示例省财政厅")
	fonts, err := layout.Embedded()
	if err != nil {
		b.Fatal(err)
	}
	plain := writeSample(b)
	stamped := stamp(b, plain, a)
	value, err := ses.ParseStamp(open(b, stamped).Signatures()[0].Value)
	if err != nil {
		b.Fatal(err)
	}
	maker, err := value.Seal.MakerKey()
	if err != nil {
		b.Fatal(err)
	}
	e, err := sm.Digest(&a.priv.PublicKey, value.TBSRaw)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		d := sampleDocument(b)
		for b.Loop() {
			if _, err := Write(d, fonts); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.SetBytes(int64(len(stamped)))
		for b.Loop() {
			open(b, stamped)
		}
	})
	b.Run("stamp", func(b *testing.B) {
		for b.Loop() {
			stamp(b, plain, a)
		}
	})
	b.Run("bare sign and verify", func(b *testing.B) {
		for b.Loop() {
			signature, err := sm.SignDigest(rand.Reader, a.priv, e)
			if err != nil || !sm.Verify(&a.priv.PublicKey, value.TBSRaw, signature) {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			p := open(b, stamped)
			for _, s := range p.Signatures() {
				v, err := ses.ParseStamp(s.Value)
				if err != nil || !bytes.Equal(v.DataHash, s.Digest[:]) {
					b.Fatal(err)
				}
				pub, err := v.SignerKey()
				if err != nil || v.VerifySigner(pub) != nil || v.Seal.VerifyMaker(maker) != nil ||
					len(p.CheckReferences(s))+len(p.CheckSeal(s, v.Seal.Raw)) != 0 {
					b.Fatal("not valid")
				}
			}
			if len(p.Coverage(func(Signature) bool { return true }).Findings) != 0 {
				b.Fatal("not covered")
			}
		}
	})
	b.Run("bare two verifies", func(b *testing.B) {
		for b.Loop() {
			if !sm.Verify(&a.priv.PublicKey, value.TBSRaw, value.Signature) ||
				!sm.Verify(maker, value.Seal.InfoRaw, value.Seal.Signature) {
				b.Fatal("not verified")
			}
		}
	})
}
