package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/seal"
)

// codeOf is the code of a problem.
func codeOf(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%v in %d %.200q", err, w.Code, w.Body)
	}
	return p.Code
}

func TestTheSameKeyRequestsOneSeal(t *testing.T) {
	o := openOffice(t, t.TempDir())
	o.mandate(t, "zhao", finance, "seal.request")
	request := func(person, client, key, years string) *httptest.ResponseRecorder {
		body := `{"organisation":"` + finance + `","years":` + years + `,"purpose":{"text":"示例事由"}}`
		return o.try(t, "/seals", o.bearer(t, person, client, "seal.request"), "application/json", strings.NewReader(body), "Idempotency-Key", key)
	}
	made := func(w *httptest.ResponseRecorder) string {
		t.Helper()
		var s sealView
		if err := json.Unmarshal(w.Body.Bytes(), &s); w.Code != 201 || err != nil || w.Header().Get("Location") != "/seals/"+s.ID {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return s.ID
	}
	first := made(request("li", "console", "k1", "1"))
	o.act(t, "/seals/"+first+"/approve", "wang", authority, "seal.approve", 200)
	if again := made(request("li", "console", "k1", "1")); again != first {
		t.Errorf("two seals under one key: %s and %s", first, again)
	}
	if w := request("li", "console", "k1", "2"); w.Code != 422 || codeOf(t, w) != access.ErrKeyReused.Code {
		t.Errorf("another request under the key: %d %s", w.Code, w.Body)
	}
	if w := request("li", "console", "with space", "1"); w.Code != 400 || codeOf(t, w) != access.ErrKeyMalformed.Code {
		t.Errorf("a malformed key: %d %s", w.Code, w.Body)
	}
	for _, other := range []string{made(request("li", "console", "k2", "1")), made(request("zhao", "console", "k1", "1")),
		made(request("li", "phone", "k1", "1"))} {
		if other == first {
			t.Error("another key, person or client gave the same seal")
		}
	}
	bearer := o.bearer(t, "li", "console", "seal.request")
	ids := make([]string, 50)
	var wg sync.WaitGroup
	for n := range ids {
		wg.Go(func() {
			w := o.try(t, "/seals", bearer, "application/json",
				strings.NewReader(`{"organisation":"`+finance+`","purpose":{"text":"示例事由"}}`), "Idempotency-Key", "k3")
			var s sealView
			if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != 201 {
				t.Errorf("%d %v", w.Code, err)
			}
			ids[n] = s.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("concurrent requests under one key made %s and %s", ids[0], id)
		}
	}
}

// lostKeys opens no key as long as it is told so.
type lostKeys struct {
	key.Opener
	err error
}

func (k *lostKeys) OpenKey(ctx context.Context, p key.Purpose, owner string) (key.Signer, error) {
	if k.err != nil {
		return nil, k.err
	}
	return k.Opener.OpenKey(ctx, p, owner)
}

func TestTheSameKeyStampsOnce(t *testing.T) {
	o := openOffice(t, t.TempDir())
	keys := &lostKeys{Opener: o.ports.Keys}
	o.ports.Keys = keys
	o.serve()
	s, other := o.activeSeal(t, "li", finance), o.activeSeal(t, "li", finance)
	bearer := o.bearer(t, "li", "console", "seal.stamp")
	document := o.ofd(t)
	stamp := func(sealID, k, order string, document []byte) *httptest.ResponseRecorder {
		contentType, body := stampBody(t, document, order)
		return o.try(t, "/seals/"+sealID+"/stamps", bearer, contentType, body, "Idempotency-Key", k)
	}
	refused := func(name string, w *httptest.ResponseRecorder, status int, want string) {
		t.Helper()
		if w.Code != status || codeOf(t, w) != want {
			t.Errorf("%s: %d %.200q, want %d %s", name, w.Code, w.Body, status, want)
		}
	}
	answers := make([]*httptest.ResponseRecorder, 50)
	var wg sync.WaitGroup
	for n := range answers {
		wg.Go(func() { answers[n] = stamp(s.ID, "k1", testOrder, document) })
	}
	wg.Wait()
	done := 0
	for _, w := range answers {
		if w.Code == 200 {
			done++
		} else if c := codeOf(t, w); w.Code != 409 || c != seal.ErrOrderDone.Code && c != seal.ErrOrderOpen.Code {
			t.Errorf("a concurrent stamp under the key: %d %s", w.Code, c)
		}
	}
	if done != 1 {
		t.Fatalf("%d stamps under one key, want one", done)
	}
	refused("once more", stamp(s.Code, "k1", testOrder, document), 409, seal.ErrOrderDone.Code)
	refused("another document", stamp(s.ID, "k1", testOrder, o.pdf(t)), 422, access.ErrKeyReused.Code)
	refused("another order", stamp(s.ID, "k1", strings.Replace(testOrder, "B2", "B3", 1), document), 422, access.ErrKeyReused.Code)
	refused("another seal", stamp(other.ID, "k1", testOrder, document), 422, access.ErrKeyReused.Code)
	keys.err = errors.New("out of reach")
	if w := stamp(s.ID, "k2", testOrder, document); w.Code != 500 {
		t.Errorf("a key out of reach: %d", w.Code)
	}
	keys.err = nil
	refused("after a failure", stamp(s.ID, "k2", testOrder, document), 409, seal.ErrOrderFailed.Code)
	if w := stamp(s.ID, "k3", testOrder, document); w.Code != 200 {
		t.Errorf("a new key: %d %.200q", w.Code, w.Body)
	}
	events, err := Events{o.db}.ByObject(t.Context(), "seal/"+s.ID)
	if err != nil {
		t.Fatal(err)
	}
	begun := 0
	for _, e := range events {
		if e.Action == "seal.stamp" && e.Outcome == audit.Begun {
			begun++
		}
	}
	if begun != 3 {
		t.Errorf("%d uses were begun, want three", begun)
	}
}

// A request that is repeated late must not undo what was done since.
func TestALateRepetitionOfASuspensionDoesNothing(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	do := func(verb, k, reason string, want int) licenceView {
		t.Helper()
		return decode(t, b.send(t, "/licences/"+l.ID+"/"+verb, "sun", "licence.issue", k,
			`{"organisation":"`+labour+`","reason":"`+reason+`","purpose":`+testPurpose+`}`), want)
	}
	do("suspend", "k1", "投诉待查(示例)", 200)
	if v := do("suspend", "k1", "投诉待查(示例)", 200); v.State != "suspended" || len(v.History) != len(do("suspend", "k1", "投诉待查(示例)", 200).History) {
		t.Errorf("at once: %+v", v)
	}
	do("resume", "k2", "查无实据(示例)", 200)
	if v := do("suspend", "k1", "投诉待查(示例)", 200); v.State != "active" {
		t.Errorf("late: %s, want it to do nothing", v.State)
	}
	for _, c := range [][2]string{{"suspend", "另一理由(示例)"}, {"revoke", "投诉待查(示例)"}} {
		if v := do(c[0], "k1", c[1], 422); v.Code != access.ErrKeyReused.Code {
			t.Errorf("%s because of %s under the key: %s", c[0], c[1], v.Code)
		}
	}
	if v := do("suspend", "k3", "投诉待查(示例)", 200); v.State != "suspended" {
		t.Errorf("under a new key: %s", v.State)
	}
}
