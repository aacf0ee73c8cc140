package aws

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/trust"
)

// listed answers a Query by the items of a partition and counts the questions; everything else goes on.
type listed struct {
	items map[string][]item // by partition
	asked int
	next  http.RoundTripper
}

func (l *listed) RoundTrip(r *http.Request) (*http.Response, error) {
	l.asked++
	if r.Header.Get("X-Amz-Target") != "DynamoDB_20120810.Query" {
		return l.next.RoundTrip(r)
	}
	var in struct {
		ExpressionAttributeValues map[string]struct{ S string }
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	list := []attributes{}
	for _, it := range l.items[in.ExpressionAttributeValues[":partition"].S] {
		if !strings.HasPrefix(textOf(it, "sk"), in.ExpressionAttributeValues[":begins"].S) {
			continue
		}
		a := attributes{}
		for name := range it {
			value, err := json.Marshal(map[string]string{"S": textOf(it, name)})
			if err != nil {
				return nil, err
			}
			a[name] = value
		}
		list = append(list, a)
	}
	data, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return itemAnswer(200, attributes{"Items": data})
}

// trusting is a store with a root, an authority under it, and a list of each with that many entries.
func trusting(t testing.TB, entries int) (*keyHouse, *listed, *Trust) {
	t.Helper()
	h := newKeyHouse(t, "")
	l := &listed{items: map[string][]item{}}
	db := h.db(t, func(next http.RoundTripper) http.RoundTripper {
		l.next = next
		return l
	})
	k := keytest.New(t, key.SM2SM3)
	der, err := cert.CreateRoot(t.Context(), cert.Template{Serial: big.NewInt(1), Subject: cert.Name{Country: "CN", CommonName: "示例根"}, IsCA: true,
		MaxPathLen: -1, NotBefore: h.now().AddDate(-1, 0, 0), NotAfter: h.now().AddDate(9, 0, 0), KeyUsage: cert.CertSign | cert.CRLSign}, k)
	if err != nil {
		t.Fatal(err)
	}
	root, err := cert.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	anchor, err := encode(anchorRecord{Purpose: trust.SealOwner, Root: der})
	if err != nil {
		t.Fatal(err)
	}
	l.items[trustPartition] = []item{{"pk": text(trustPartition), "sk": text(anchorPrefix + "1"), "body": anchor}, crlItem(t, h, root, k, 1, entries)}
	return h, l, NewTrust(db, LicenceTypes{db})
}

func crlItem(t testing.TB, h *keyHouse, root *cert.Certificate, k key.Signer, number int64, entries int) item {
	t.Helper()
	var revoked []cert.Revocation
	for i := range entries {
		revoked = append(revoked, cert.Revocation{Serial: big.NewInt(int64(1000 + i)), At: h.now()})
	}
	der, err := cert.CreateCRL(t.Context(), cert.CRLTemplate{Number: big.NewInt(number), ThisUpdate: h.now(), NextUpdate: h.now().AddDate(0, 0, 1),
		Revoked: revoked}, root, k)
	if err != nil {
		t.Fatal(err)
	}
	body, err := encode(listRecord{der})
	if err != nil {
		t.Fatal(err)
	}
	return item{"pk": text(trustPartition), "sk": text(listPrefix + "1"), "body": body}
}

func TestWhatIsTrustedIsReadOnceAMinute(t *testing.T) {
	h, l, s := trusting(t, 3)
	revoked := func() {
		t.Helper()
		anchors, _, crls, err := s.Trust(t.Context())
		if err != nil || len(anchors) != 1 || len(crls) != 1 {
			t.Fatalf("%d anchors, %d lists: %v", len(anchors), len(crls), err)
		}
		anchors[0], crls[0] = trust.Anchor{}, nil // what a caller does to its own is nobody else's
	}
	revoked()
	asked := l.asked
	for range 5 {
		h.pass(10 * time.Second)
		revoked()
	}
	if l.asked != asked {
		t.Errorf("%d questions within a minute", l.asked-asked)
	}
	h.pass(10 * time.Second)
	if revoked(); l.asked != 2*asked {
		t.Errorf("after a minute %d questions, want %d", l.asked-asked, asked)
	}
	s.forget() // as SaveCRL does
	if revoked(); l.asked != 3*asked {
		t.Error("what this process saved is not seen at once")
	}
	h.pass(-time.Hour)
	if revoked(); l.asked != 4*asked {
		t.Error("a clock that was set back keeps what was read")
	}
}

func TestARevocationIsInForceWithinAMinute(t *testing.T) {
	h, l, s := trusting(t, 0)
	entries := func() int {
		t.Helper()
		_, _, crls, err := s.Trust(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(crls[0].Revoked)
	}
	if entries() != 0 {
		t.Fatal("something is revoked")
	}
	_, other, _ := trusting(t, 2) // another list, imported by another process
	l.items[trustPartition][1] = other.items[trustPartition][1]
	h.pass(TrustFresh - time.Nanosecond)
	if entries() != 0 {
		t.Error("the list was read anew early: the test shows nothing")
	}
	h.pass(time.Nanosecond)
	if got := entries(); got != 2 {
		t.Errorf("%d are revoked after %v, want 2", got, TrustFresh)
	}
}

func TestAnchorsAloneAreReadOnceAMinute(t *testing.T) {
	h, l, s := trusting(t, 1)
	a := NewAnchors(s.DB)
	for i, c := range []struct {
		pass time.Duration
		want int
	}{{0, 1}, {30 * time.Second, 1}, {30 * time.Second, 2}} {
		h.pass(c.pass)
		if list, err := a.Anchors(t.Context()); err != nil || len(list) != 1 || l.asked != c.want {
			t.Errorf("call %d: %d anchors by %d questions: %v", i, len(list), l.asked, err)
		}
	}
}

func TestAClientIsReadOnceAMinute(t *testing.T) {
	h := newKeyHouse(t, "")
	h.items = &itemStore{items: map[string]json.RawMessage{}}
	l := &listed{}
	t.Setenv("DYNAMODB_ENDPOINT", "")
	s := KnowClients(Clients{h.db(t, func(next http.RoundTripper) http.RoundTripper {
		l.next = next
		return l
	})})
	if _, err := s.Client(t.Context(), "app"); !errors.Is(err, oidc.ErrClientUnknown) {
		t.Fatalf("%v, want ErrClientUnknown", err)
	}
	put := func(c Clients, name string) {
		t.Helper()
		stored, err := encode(oidc.Client{ID: "app", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.write(t.Context(), write{at: c.at("app"), put: item{"body": stored}}); err != nil {
			t.Fatal(err)
		}
	}
	put(s.Clients, "one")
	name := func() string {
		t.Helper()
		c, err := s.Client(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		return c.Name
	}
	if got := name(); got != "one" {
		t.Errorf("it is called %q: what is unknown was kept", got)
	}
	put(s.Clients, "two") // by another process
	asked := l.asked
	h.pass(ClientFresh - time.Nanosecond)
	if got := name(); got != "one" || l.asked != asked {
		t.Errorf("within the minute it is called %q after %d questions", got, l.asked-asked)
	}
	h.pass(time.Nanosecond)
	if got := name(); got != "two" {
		t.Errorf("after the minute it is called %q", got)
	}
	for i := range 3 * maxClients {
		s.known[fmt.Sprint(i)] = knownClient{}
	}
	h.pass(ClientFresh)
	if name(); len(s.known) > maxClients {
		t.Errorf("%d clients are kept, want at most %d", len(s.known), maxClients)
	}
}

// BenchmarkTrust shows what a verification pays for what it is judged by: read and parsed each time, read each time, and
// kept. A list of a busy authority has thousands of entries.
func BenchmarkTrust(b *testing.B) {
	_, _, s := trusting(b, 2000)
	for name, forget := range map[string]func(){
		"parsed each time": func() { s.forget(); s.anchors, s.lists = nil, nil },
		"read each time":   s.forget,
		"kept":             func() {},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				forget()
				if _, _, _, err := s.Trust(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
