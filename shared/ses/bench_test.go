package ses

import (
	"crypto/rand"
	"testing"

	"github.com/yinxin/yinxin/shared/sm"
)

// Each operation beside the bare SM2 that it contains: making and stamping one signature and one verification,
// verifying a stamp two verifications.
func BenchmarkSES(b *testing.B) {
	maker, owner := newParty(b, "maker"), newParty(b, "owner")
	info := sampleInfo(owner)
	info.Picture.Data = make([]byte, 12<<10)
	seal := makeSeal(b, maker, info)
	der := makeStamp(b, owner, sampleStamp(seal))
	parsed, err := ParseStamp(der)
	if err != nil {
		b.Fatal(err)
	}
	e, err := sm.Digest(&owner.priv.PublicKey, parsed.TBSRaw)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			makeSeal(b, maker, info)
		}
	})
	b.Run("stamp", func(b *testing.B) {
		for b.Loop() {
			makeStamp(b, owner, sampleStamp(seal))
		}
	})
	b.Run("bare sign and verify", func(b *testing.B) {
		for b.Loop() {
			signature, err := sm.SignDigest(rand.Reader, owner.priv, e)
			if err != nil || !sm.Verify(&owner.priv.PublicKey, parsed.TBSRaw, signature) {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			stamp, err := ParseStamp(der)
			if err != nil {
				b.Fatal(err)
			}
			if err := holds(stamp, maker, owner); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare two verifies", func(b *testing.B) {
		for b.Loop() {
			if !sm.Verify(&owner.priv.PublicKey, parsed.TBSRaw, parsed.Signature) ||
				!sm.Verify(&maker.priv.PublicKey, parsed.Seal.InfoRaw, parsed.Seal.Signature) {
				b.Fatal("not verified")
			}
		}
	})
}
