package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/cert/certtest"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
)

var daily = key.Rotation{Every: 24 * time.Hour, Ahead: time.Hour, Accept: 20 * time.Minute}

// keeper is a process that keeps keys.
type keeper struct {
	*Keys
	published *TokenKeys
}

func (k keeper) PublishedKeys(ctx context.Context) ([]string, error) {
	set, err := k.published.TokenKeys(ctx)
	var ids []string
	for _, one := range set.Keys {
		ids = append(ids, one.KeyID)
	}
	return ids, err
}

func TestKeysRotateAsTheContractSays(t *testing.T) {
	h := newKeyHouse(t, "")
	for name, c := range custodies(h) {
		t.Run(name, func(t *testing.T) {
			keytest.Rotation(t, func(t *testing.T) keytest.House {
				if c.Kind == Blind {
					h.freshItems(t)
				} else {
					h.itemsHere() // the items are alike in every custody: the engine is asked once
				}
				house := keytest.House{Reload: key.Reload, Open: func(t *testing.T, now func() time.Time) keytest.Keeper {
					db := h.db(t, nil)
					db.Now = now
					k := h.keys(t, "ADMIN", db, c)
					k.reload = key.Reload
					return keeper{k, OpenTokenKeys(db, key.Reload)}
				}}
				if c.Kind != Blind || os.Getenv("DYNAMODB_ENDPOINT") != "" { // what is the same in every custody is asked once
					house.Days = 3
				}
				return house
			})
		})
	}
}

// TestKeysRequestCertificatesAsTheContractSays uses a role that encrypts new keys and cannot decrypt them, as that of
// seal-make.
func TestKeysRequestCertificatesAsTheContractSays(t *testing.T) {
	h := newKeyHouse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Encrypt","kms:CreateKey","kms:TagResource",
		"kms:GetPublicKey","kms:Sign","kms:ScheduleKeyDeletion"],"Resource":"*"}]}`)
	for name, c := range map[string]Custody{"wrapped": h.wrapped(), "resident": resident} {
		t.Run(name, func(t *testing.T) {
			certtest.Requester(t, func(t *testing.T) func(t *testing.T) cert.Requester {
				h.freshItems(t)
				return func(t *testing.T) cert.Requester { return h.keys(t, "OTHER", h.db(t, nil), c) }
			})
		})
	}
	subject := cert.Name{Country: "CN", CommonName: "示例"}
	if _, err := h.keys(t, "OTHER", h.db(t, nil), h.blind()).RequestKey(t.Context(), key.Seal, "blind", key.ES256, subject); err == nil {
		t.Error("a key that nobody sees requested a certificate")
	}
	h.freshItems(t)
	k := h.keys(t, "OTHER", h.db(t, nil), h.wrapped())
	if _, err := k.RequestKey(t.Context(), key.Seal, "1", key.ES256, subject); err != nil {
		t.Fatal(err)
	}
	signer, err := k.OpenKey(t.Context(), key.Seal, "1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign(t.Context(), signer, []byte("印")); err == nil {
		t.Error("who makes the key of a seal can still sign with it")
	}
	if _, err := k.RequestKey(t.Context(), key.Seal, "1", key.ES256, cert.Name{Country: "CN", CommonName: "别的"}); !errors.Is(err, cert.ErrRequested) {
		t.Errorf("under another name: %v, want ErrRequested", err)
	}
}

func TestAKeyThatRetiresSignsNoMoreAndThenIsRemoved(t *testing.T) {
	h := newKeyHouse(t, "")
	for name, c := range map[string]Custody{"blind": h.blind(), "resident": resident} {
		h.freshItems(t)
		k := h.keys(t, "ADMIN", h.db(t, nil), c)
		published := OpenTokenKeys(k.db, time.Second)
		first := mustMake(t, k, key.Token, "", key.EdDSA).KeyID()
		look := func() (signing, all string) {
			t.Helper()
			s, err := k.OpenKey(t.Context(), key.Token, "")
			if err != nil {
				t.Fatal(err)
			}
			set, err := published.TokenKeys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range set.Keys {
				all += map[bool]string{true: "1", false: "2"}[p.KeyID == first]
			}
			return map[bool]string{true: "1", false: "2"}[s.KeyID() == first], all
		}
		for _, c := range []struct {
			pass           time.Duration
			signing, known string
		}{
			{0, "1", "1"}, {23*time.Hour - time.Minute, "1", "1"}, {time.Minute, "1", "12"}, {59 * time.Minute, "1", "12"},
			{time.Minute, "2", "21"}, {19 * time.Minute, "2", "21"}, {time.Minute, "2", "2"},
		} {
			h.pass(c.pass)
			for range 2 { // the second finds nothing to do
				if err := k.RotateKey(t.Context(), key.Token, "", daily); err != nil {
					t.Fatal(err)
				}
			}
			if signing, known := look(); signing != c.signing || known != c.known {
				t.Errorf("%s, %v later: %s signs and %s are known, want %s and %s", name, c.pass, signing, known, c.signing, c.known)
			}
		}
	}
	if got := h.Count("ScheduleKeyDeletion"); got != 1 {
		t.Errorf("%d KMS keys were let go, want the resident key that was removed", got)
	}
}

func TestOfManyRotatorsOneMakesTheNextKey(t *testing.T) {
	h := newKeyHouse(t, "")
	for name, c := range custodies(h) {
		h.freshItems(t)
		mustMake(t, h.keys(t, "ADMIN", h.db(t, nil), c), key.Token, "", key.ES256)
		h.pass(23 * time.Hour)
		created, deleted := h.Count("CreateKey"), h.Count("ScheduleKeyDeletion")
		const rotators = 50
		errs := make([]error, rotators)
		var wg sync.WaitGroup
		for i := range rotators {
			k := h.keys(t, "ADMIN", h.db(t, nil), c)
			wg.Add(1)
			go func() {
				defer wg.Done()
				errs[i] = k.RotateKey(t.Context(), key.Token, "", daily)
			}()
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, key.ErrChanged) {
				t.Errorf("%s: %v", name, err)
			}
		}
		ring, err := h.db(t, nil).readRing(t.Context(), ringName{purpose: key.Token})
		if err != nil || len(ring.Keys) != 2 || won == 0 {
			t.Errorf("%s: %d keys after %d rotators won: %v", name, len(ring.Keys), won, err)
		}
		if created, deleted := h.Count("CreateKey")-created, h.Count("ScheduleKeyDeletion")-deleted; created > 0 && deleted != created-1 {
			t.Errorf("%s: of %d KMS keys %d were let go, want all but one", name, created, deleted)
		}
		h.pass(time.Hour)
		mustSign(t, h.keys(t, "ADMIN", h.db(t, nil), c), key.Token, "")
	}
}

// TestALostAnswerOfTheRotationKeepsTheNewKey loses the answer to the write of the ring.
func TestALostAnswerOfTheRotationKeepsTheNewKey(t *testing.T) {
	h := newKeyHouse(t, "")
	mustMake(t, h.keys(t, "ADMIN", h.db(t, nil), resident), key.Token, "", key.ES256)
	h.pass(23 * time.Hour)
	lost := false
	db := h.db(t, func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			answer, err := next.RoundTrip(r)
			if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "PutItem") && !lost && err == nil {
				lost = true
				_ = answer.Body.Close() // it is lost
				return nil, io.ErrUnexpectedEOF
			}
			return answer, err
		})
	})
	if err := h.keys(t, "ADMIN", db, resident).RotateKey(t.Context(), key.Token, "", daily); err != nil || !lost {
		t.Fatal(err)
	}
	if got := h.Count("ScheduleKeyDeletion"); got != 0 {
		t.Errorf("%d KMS keys were let go", got)
	}
	h.pass(time.Hour)
	mustSign(t, h.keys(t, "ADMIN", h.db(t, nil), resident), key.Token, "")
}

func TestAKeyOfTheTemplateIsNotRotated(t *testing.T) {
	h := newKeyHouse(t, "")
	if err := h.keys(t, "ADMIN", h.db(t, nil), Custody{Given, h.wrapper}).RotateKey(t.Context(), key.Receipt, "", daily); err == nil {
		t.Error("a given key was rotated")
	}
}

// TestARotatorThatStoppedIsFollowedByAnother stops a rotator before and after each of its effects.
func TestARotatorThatStoppedIsFollowedByAnother(t *testing.T) {
	t.Setenv("DYNAMODB_ENDPOINT", "") // what is asked here is asked of the store of the tests
	h := newKeyHouse(t, "")
	for name, c := range custodies(h) {
		for stop := 1; ; stop++ {
			ended := false
			for _, after := range []bool{false, true} {
				h.freshItems(t)
				first := mustMake(t, h.keys(t, "ADMIN", h.db(t, nil), c), key.Token, "", key.ES256)
				h.pass(23 * time.Hour)
				s := &stopper{stop: stop, after: after}
				db := h.db(t, s.over)
				k, err := OpenKeys(KeysOptions{DB: db, Config: h.config("ADMIN", h.url, s.over(http.DefaultTransport)),
					Custody: map[key.Purpose]Custody{key.Token: c}})
				if err != nil {
					t.Fatal(err)
				}
				func() {
					defer func() { _ = recover() }() // stopped
					if err := (key.TokenRotator{Keys: k}).Rotate(t.Context()); err != nil {
						t.Fatal(err)
					}
				}()
				ended = len(s.effects) < stop
				for range 2 {
					if err := (key.TokenRotator{Keys: h.keys(t, "ADMIN", h.db(t, nil), c)}).Rotate(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				ring, err := h.db(t, nil).readRing(t.Context(), ringName{purpose: key.Token})
				if err != nil || len(ring.Keys) != 2 || ring.Keys[0].ID != first.KeyID() || ring.Keys[0].Until.IsZero() {
					t.Errorf("%s, stopped at %d (%q), after: %v: %d keys, %v", name, stop, s.effects, after, len(ring.Keys), err)
				}
				h.pass(2 * time.Hour)
				next := h.keys(t, "ADMIN", h.db(t, nil), c)
				mustSign(t, next, key.Token, "")
				if signer, err := next.OpenKey(t.Context(), key.Token, ""); err != nil || signer.KeyID() == first.KeyID() {
					t.Errorf("%s, stopped at %d: the next key does not sign", name, stop)
				}
			}
			if ended {
				break
			}
			if stop > 20 {
				t.Fatal("a rotation has no end")
			}
		}
	}
}
