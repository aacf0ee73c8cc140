package statuslist

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

// The vectors of draft-ietf-oauth-status-list, section 4 and appendix C.
var vectors = []struct {
	name    string
	bits    int
	lst     string
	bytes   []byte         // whole list; nil: only the size
	size    int            // entries
	entries map[int]Status // all that are not Valid; nil: see bytes
}{
	{"section 4, 1 bit", 1, "eNrbuRgAAhcBXQ", []byte{0xb9, 0xa3}, 16,
		map[int]Status{0: 1, 3: 1, 4: 1, 5: 1, 7: 1, 8: 1, 9: 1, 13: 1, 15: 1}},
	{"section 4, 2 bits", 2, "eNo76fITAAPfAgc", []byte{0xc9, 0x44, 0xf9}, 12,
		map[int]Status{0: 1, 1: 2, 3: 3, 5: 1, 7: 1, 8: 1, 9: 2, 10: 3, 11: 3}},
	{"appendix C, 1 bit", 1, "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogE" +
		"AAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
		"AAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA" +
		"7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAAC" +
		"AZC8L2AEb", nil, 1 << 20,
		map[int]Status{0: 1, 1993: 1, 25460: 1, 159495: 1, 495669: 1, 554353: 1, 645645: 1, 723232: 1, 854545: 1, 934534: 1, 1000345: 1}},
	{"appendix C, 2 bits", 2, "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5" +
		"WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
		"AAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIA" +
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoA" +
		"AAAAAAAAAAAAAEBqH81gAQw", nil, 1 << 20,
		map[int]Status{0: 1, 1993: 2, 25460: 1, 159495: 3, 495669: 1, 554353: 1, 645645: 2, 723232: 1, 854545: 1, 934534: 2, 1000345: 3}},
}

func TestVectorsAfterDecompression(t *testing.T) {
	if len(vectors) != 4 {
		t.Fatalf("%d vectors, want 4", len(vectors))
	}
	for _, v := range vectors {
		l, err := Decode(v.bits, v.lst, MaxEntries)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if v.bytes != nil && !bytes.Equal(l.data, v.bytes) {
			t.Errorf("%s: bytes %x, want %x", v.name, l.data, v.bytes)
		}
		if l.Len() != v.size {
			t.Errorf("%s: %d entries, want %d", v.name, l.Len(), v.size)
		}
		ours, err := New(v.bits, v.size)
		if err != nil {
			t.Fatal(err)
		}
		for i := range l.Len() {
			s, err := l.Get(i)
			if err != nil || s != v.entries[i] {
				t.Fatalf("%s: entry %d is %d, %v; want %d", v.name, i, s, err, v.entries[i])
			}
		}
		for i, s := range v.entries {
			if err := ours.Set(i, s); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(ours.data, l.data) {
			t.Errorf("%s: a list set by us has other bytes", v.name)
		}
		lst, err := ours.Encode()
		if err != nil {
			t.Fatal(err)
		}
		// Go's zlib writes other bytes than the draft's: equal after decompression.
		back, err := Decode(v.bits, lst, MaxEntries)
		if err != nil || !bytes.Equal(back.data, l.data) {
			t.Errorf("%s: round trip: %v", v.name, err)
		}
	}
}

func TestSetAndGetAtEveryWidth(t *testing.T) {
	for _, bits := range []int{1, 2, 4, 8} {
		l, err := New(bits, 100)
		if err != nil {
			t.Fatal(err)
		}
		want := map[int]Status{}
		for i := range l.Len() {
			want[i] = Status(i*7) & l.mask()
			if err := l.Set(i, 0xff&l.mask()); err != nil {
				t.Fatal(err)
			}
			if err := l.Set(i, want[i]); err != nil { // also clears
				t.Fatal(err)
			}
		}
		for i, w := range want {
			if got, err := l.Get(i); err != nil || got != w {
				t.Errorf("%d bits: entry %d is %d, %v; want %d", bits, i, got, err, w)
			}
		}
		for _, i := range []int{-1, l.Len(), 1 << 40} {
			if _, err := l.Get(i); !errors.Is(err, ErrIndex) {
				t.Errorf("Get(%d) = %v, want ErrIndex", i, err)
			}
			if err := l.Set(i, 0); !errors.Is(err, ErrIndex) {
				t.Errorf("Set(%d) = %v, want ErrIndex", i, err)
			}
		}
		if bits < 8 {
			if err := l.Set(0, l.mask()+1); !errors.Is(err, ErrBits) {
				t.Errorf("a status too wide: %v", err)
			}
		}
	}
}

func compress(data []byte) string {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(data)
	_ = w.Close()
	return base64.RawURLEncoding.EncodeToString(out.Bytes())
}

func TestDecodeRefuses(t *testing.T) {
	bomb := compress(make([]byte, 64<<20)) // 64 KiB that become 64 MiB
	for _, c := range []struct {
		name string
		bits int
		lst  string
		want error
	}{
		{"3 bits", 3, "eNrbuRgAAhcBXQ", ErrBits},
		{"0 bits", 0, "eNrbuRgAAhcBXQ", ErrBits},
		{"bomb", 1, bomb, ErrSize},
		{"padding", 1, "eNrbuRgAAhcBXQ==", ErrEncoding},
		{"no zlib", 1, "AAAA", ErrEncoding},
		{"checksum", 1, "eNrbuRgAAhcBXA", ErrEncoding},
		{"cut", 1, "eNrbuRgAAhcB", ErrEncoding},
		{"empty", 1, "", ErrEncoding},
		{"empty list", 1, compress(nil), ErrEncoding},
		{"trailing bytes", 1, "eNrbuRgAAhcBXQAA", ErrEncoding},
	} {
		if l, err := Decode(c.bits, c.lst, 1<<17); !errors.Is(err, c.want) || l != nil {
			t.Errorf("%s: %v, %v; want %v", c.name, l, err, c.want)
		}
	}
	for name, f := range map[string]func() error{
		"3 bits":     func() error { _, err := New(3, 8); return err },
		"no entries": func() error { _, err := New(2, 0); return err },
		"too many":   func() error { _, err := New(2, MaxEntries+1); return err },
	} {
		if f() == nil {
			t.Errorf("New with %s: accepted", name)
		}
	}
}

type software struct{ *ecdsa.PrivateKey }

func newSoftware(t testing.TB) software {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return software{k}
}

func (s software) KeyID() string            { return "k1" }
func (s software) Algorithm() key.Algorithm { return key.ES256 }
func (s software) Public() crypto.PublicKey { return &s.PublicKey }
func (s software) SignDigest(_ context.Context, digest []byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, s.PrivateKey, digest)
}

const uri = "https://licence.example/status-lists/1"

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func token(t testing.TB, entries int) Token {
	t.Helper()
	l, err := New(2, entries)
	if err != nil {
		t.Fatal(err)
	}
	return Token{Subject: uri, IssuedAt: now, Expires: now.Add(24 * time.Hour), TTL: time.Hour, List: l, KeyID: "k1"}
}

func sign(t testing.TB, s key.Signer, tok Token) string {
	t.Helper()
	u, err := Prepare(tok)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := u.Sign(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Sign(context.Background(), s); !errors.Is(err, ErrSpent) {
		t.Errorf("second Sign = %v, want ErrSpent", err)
	}
	return compact
}

func TestTokenRoundTrip(t *testing.T) {
	s := newSoftware(t)
	tok := token(t, 1000)
	if err := tok.List.Set(711, Suspended); err != nil {
		t.Fatal(err)
	}
	got, err := Verify(sign(t, s, tok), Options{Key: s.Public(), Algorithm: key.ES256, URI: uri, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != uri || !got.IssuedAt.Equal(now) || !got.Expires.Equal(tok.Expires) || got.TTL != time.Hour || got.KeyID != "k1" {
		t.Errorf("token %+v", got)
	}
	for i, want := range map[int]Status{711: Suspended, 710: Valid, 0: Valid} {
		if st, err := got.Status(i); err != nil || st != want {
			t.Errorf("status of %d = %d, %v; want %d", i, st, err, want)
		}
	}
	if _, err := got.Status(1000); !errors.Is(err, &Error{Code: IndexOutside}) {
		t.Errorf("status outside = %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	s := newSoftware(t)
	good := sign(t, s, token(t, 100))
	raw := func(typ, payload string) string {
		t.Helper()
		c, err := jose.Sign(context.Background(), s, jose.Header{Type: typ}, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	payload := func(list string) string {
		return fmt.Sprintf(`{"sub":%q,"iat":%d,"status_list":%s}`, uri, now.Unix(), list)
	}
	const list = `{"bits":1,"lst":"eNrbuRgAAhcBXQ"}`
	for _, c := range []struct {
		name string
		text string
		o    Options
		want Code
	}{
		{"as it is", good, Options{}, ""},
		{"without exp and ttl", raw(Type, payload(list)), Options{Now: now.AddDate(1, 0, 0)}, ""},
		{"not a JWT", "x", Options{}, Malformed},
		{"typ jwt", raw("jwt", payload(list)), Options{}, WrongType},
		{"another key", good, Options{Key: newSoftware(t).Public()}, WrongSignature},
		{"another algorithm", good, Options{Algorithm: key.PS256}, WrongSignature},
		{"another list", good, Options{URI: uri + "0"}, WrongSubject},
		{"from the future", good, Options{Now: now.Add(-time.Hour)}, NotYetIssued},
		{"stale", good, Options{Now: now.Add(2 * time.Hour)}, Stale},
		{"expired", good, Options{Now: now.Add(25 * time.Hour)}, Expired},
		{"no sub", raw(Type, `{"iat":1,"status_list":`+list+`}`), Options{}, Malformed},
		{"no iat", raw(Type, `{"sub":"u","status_list":`+list+`}`), Options{}, Malformed},
		{"no list", raw(Type, `{"sub":"u","iat":1}`), Options{}, Malformed},
		{"ttl negative", raw(Type, `{"sub":"u","iat":1,"ttl":-1,"status_list":`+list+`}`), Options{}, Malformed},
		{"exp beyond time", raw(Type, `{"sub":"u","iat":1,"exp":9223372036854775807,"status_list":`+list+`}`), Options{}, Malformed},
		{"3 bits", raw(Type, payload(`{"bits":3,"lst":"eNrbuRgAAhcBXQ"}`)), Options{}, Malformed},
		{"bomb", raw(Type, payload(`{"bits":1,"lst":"`+compress(make([]byte, 4<<20))+`"}`)), Options{}, Malformed},
	} {
		o := Options{Key: s.Public(), Algorithm: key.ES256, URI: uri, Now: now, Skew: time.Minute}
		if c.o.Key != nil {
			o.Key = c.o.Key
		}
		if c.o.Algorithm != "" {
			o.Algorithm = c.o.Algorithm
		}
		if c.o.URI != "" {
			o.URI = c.o.URI
		}
		if !c.o.Now.IsZero() {
			o.Now = c.o.Now
		}
		_, err := Verify(c.text, o)
		if c.want == "" && err != nil || c.want != "" && !errors.Is(err, &Error{Code: c.want}) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestANewListTellsNothing(t *testing.T) {
	l, _ := New(2, 1<<17)
	lst, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(lst) > 200 {
		t.Errorf("an empty list of 2^17 entries has %d characters", len(lst))
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors[:2] {
		f.Add(v.bits, v.lst)
	}
	f.Add(4, compress([]byte(strings.Repeat("x", 100))))
	f.Fuzz(func(t *testing.T, bits int, lst string) {
		l, err := Decode(bits, lst, 1<<12)
		if (l == nil) == (err == nil) {
			t.Fatalf("list %v, error %v", l, err)
		}
		if err != nil {
			return
		}
		again, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(bits, again, 1<<12)
		if err != nil || !bytes.Equal(back.data, l.data) {
			t.Errorf("re-encoding changes the list: %v", err)
		}
	})
}

func FuzzParse(f *testing.F) {
	s := newSoftware(f)
	f.Add(sign2(f, s))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, compact string) {
		tok, err := Parse(compact, 1<<12)
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || tok.List != nil {
				t.Errorf("error %v with %+v", err, tok)
			}
			return
		}
		if tok.List == nil || tok.Subject == "" {
			t.Errorf("token %+v", tok)
		}
	})
}

func sign2(f *testing.F, s key.Signer) string {
	u, err := Prepare(token(f, 100))
	if err != nil {
		f.Fatal(err)
	}
	c, err := u.Sign(context.Background(), s)
	if err != nil {
		f.Fatal(err)
	}
	return c
}

func BenchmarkToken(b *testing.B) {
	s := newSoftware(b)
	tok := token(b, 1<<17)
	for i := 0; i < 1<<17; i += 100 { // one in a hundred revoked
		_ = tok.List.Set(i, Invalid)
	}
	u, err := Prepare(tok)
	if err != nil {
		b.Fatal(err)
	}
	compact, err := u.Sign(context.Background(), s)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("PrepareAndSign", func(b *testing.B) {
		for b.Loop() {
			u, err := Prepare(tok)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := u.Sign(context.Background(), s); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := Verify(compact, Options{Key: s.Public(), Algorithm: key.ES256, URI: uri, Now: now}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("BareES256Verify", func(b *testing.B) {
		message := []byte("message")
		signature, _ := key.Sign(context.Background(), s, message)
		for b.Loop() {
			if !key.Verify(key.ES256, s.Public(), message, signature) {
				b.Fatal("refused")
			}
		}
	})
}

func TestThePayloadHasTheNamesOfTheDraft(t *testing.T) {
	_, payload, err := jose.Parse(sign(t, newSoftware(t), token(t, 100)))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sub", "iat", "exp", "ttl", "status_list"} {
		if members[name] == nil {
			t.Errorf("%s is missing in %s", name, payload)
		}
	}
}
