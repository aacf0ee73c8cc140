package aws

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access/accesstest"
	"github.com/yinxin/yinxin/shared/key"
)

// tapped counts what goes to the store, and stops it where it is broken.
type tapped struct {
	n      atomic.Int64
	broken atomic.Bool
	next   http.RoundTripper
}

func (t *tapped) RoundTrip(r *http.Request) (*http.Response, error) {
	t.n.Add(1)
	if t.broken.Load() {
		return nil, errors.New("broken")
	}
	return t.next.RoundTrip(r)
}

func TestTokenKeysAreReadAgainForAnUnknownKeyAsTheContractSays(t *testing.T) {
	h := newKeyHouse(t, "")
	accesstest.KeysAgain(t, func(t *testing.T) accesstest.KeyStore {
		h.freshItems(t)
		h.pass(accesstest.Noon.Sub(h.now()))
		elsewhere := h.keys(t, "ADMIN", h.db(t, nil), h.wrapped())
		mustMake(t, elsewhere, key.Token, "", key.ES256)
		tap := &tapped{}
		db := h.db(t, func(next http.RoundTripper) http.RoundTripper {
			tap.next = next
			return tap
		})
		return accesstest.KeyStore{
			Keys: OpenTokenKeys(db, key.Reload), SetNow: func(at time.Time) { h.pass(at.Sub(h.now())) },
			Kill: func(t *testing.T, id string) string {
				t.Helper()
				if err := elsewhere.KillKey(t.Context(), key.Token, "", id); err != nil {
					t.Fatal(err)
				}
				s, err := elsewhere.OpenKey(t.Context(), key.Token, "")
				if err != nil {
					t.Fatal(err)
				}
				return s.KeyID()
			},
			Break: tap.broken.Store, Reads: func() int { return int(tap.n.Load()) },
		}
	})
}
