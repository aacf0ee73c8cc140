package cert

import (
	"testing"

	"github.com/yinxin/yinxin/shared/key"
)

// BenchmarkCreate makes a certificate next to the bare signature and check that it contains.
func BenchmarkCreate(b *testing.B) {
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256} {
		m, template := makeChain(b, alg), leafTemplate(b)
		b.Run(string(alg)+"/Create", func(b *testing.B) {
			for b.Loop() {
				if _, err := Create(b.Context(), template, m.root, m.rootKey, m.leafKey.Public()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(alg)+"/the bare signature, checked", func(b *testing.B) {
			for b.Loop() {
				if _, err := key.Sign(b.Context(), m.rootKey, m.leaf.TBSRaw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
