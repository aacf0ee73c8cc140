// Package certtest holds the contract of the ports of shared/cert. Every adapter passes it.
//
//	open ── empty house ── processes ── each sentence of the contract, one subtest
package certtest

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
)

const racers = 50

// Requester runs the contract of [cert.Requester]. open returns an empty house, and that one more process that may make
// keys there; it need not be able to open them.
func Requester(t *testing.T, open func(t *testing.T) (process func(t *testing.T) cert.Requester)) {
	subject := cert.Name{Country: "CN", Organization: "11990000MB99000001示例省财政厅", CommonName: "99000000000001"}
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256} {
		t.Run(string(alg)+": another process returns the same request", func(t *testing.T) {
			process := open(t)
			first, err := process(t).RequestKey(t.Context(), key.Seal, "1", alg, subject)
			if err != nil {
				t.Fatal(err)
			}
			r, err := cert.ParseCSR(first) // verifies its signature
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := r.KeyAlgorithm(); got != alg || r.Subject.CommonName != subject.CommonName ||
				r.Subject.Organization != subject.Organization {
				t.Errorf("the request is for %s, %s", got, r.Subject)
			}
			for range 2 {
				again, err := process(t).RequestKey(t.Context(), key.Seal, "1", alg, subject)
				if err != nil || !bytes.Equal(again, first) {
					t.Errorf("another process has another request: %v", err)
				}
			}
			other, err := process(t).RequestKey(t.Context(), key.Seal, "2", alg, subject)
			if err != nil || bytes.Equal(other, first) {
				t.Errorf("another owner has the same request: %v", err)
			}
		})
	}
	t.Run("of concurrent calls all return the same request", func(t *testing.T) {
		process := open(t)
		got, errs := make([][]byte, racers), make([]error, racers)
		processes := make([]cert.Requester, racers)
		for i := range processes {
			processes[i] = process(t)
		}
		var wg sync.WaitGroup
		for i, one := range processes {
			wg.Go(func() { got[i], errs[i] = one.RequestKey(context.Background(), key.Seal, "1", key.ES256, subject) })
		}
		wg.Wait()
		for i := range got {
			if errs[i] != nil || !bytes.Equal(got[i], got[0]) {
				t.Fatalf("call %d returned another request: %v", i, errs[i])
			}
		}
	})
	t.Run("a request for another name is for the same key, or refused", func(t *testing.T) {
		process := open(t)
		first, err := process(t).RequestKey(t.Context(), key.Seal, "1", key.ES256, subject)
		if err != nil {
			t.Fatal(err)
		}
		renamed := subject
		renamed.Organization = "11990000MB99000001示例省商务厅"
		other, err := process(t).RequestKey(t.Context(), key.Seal, "1", key.ES256, renamed)
		if err != nil {
			if other != nil {
				t.Error("a request came with the refusal")
			}
			return
		}
		a, err := cert.ParseCSR(first)
		if err != nil {
			t.Fatal(err)
		}
		b, err := cert.ParseCSR(other)
		if err != nil || !bytes.Equal(a.SPKI, b.SPKI) || b.Subject.Organization != renamed.Organization {
			t.Errorf("the request under another name is for another key or name: %v", err)
		}
	})
	t.Run("a key of another algorithm is refused", func(t *testing.T) {
		process := open(t)
		if _, err := process(t).RequestKey(t.Context(), key.Seal, "1", key.ES256, subject); err != nil {
			t.Fatal(err)
		}
		if _, err := process(t).RequestKey(t.Context(), key.Seal, "1", key.SM2SM3, subject); err == nil {
			t.Error("a request of another algorithm was returned")
		}
	})
}
