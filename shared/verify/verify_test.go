package verify

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/pdf"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	known   = "1.2.156.3005.2.11990000YX0000067R001.11990000YX0000067R.1.001.0"
	unknown = "1.2.156.3005.2.11990000YX0000067R001.11990000YX0000067R.2.001.0"
	code    = "AAAAAAAAAAAAAAAAAAAAAA"
)

// world is everything behind the door, in memory: it trusts nobody, knows one licence and one code.
type world struct {
	events []audit.Event
	spent  bool
	broken error
}

func (w *world) Trust(context.Context) (trust.Anchors, trust.List, []*cert.CRL, error) {
	return nil, trust.List{}, nil, w.broken
}

func (w *world) Record(_ context.Context, e audit.Event) error {
	w.events = append(w.events, e)
	return w.broken
}

func (w *world) SealStatus(context.Context, string, time.Time) (proof.SealFacts, error) {
	return proof.SealFacts{}, ErrUnknown
}

func (w *world) LookUpLicence(_ context.Context, identifier string) (Found, error) {
	if identifier != known {
		return Found{}, ErrUnknown
	}
	return Found{ID: "l1", Holder: "worker", Registered: proof.Registered{HolderName: "周八(示例)",
		Facts: verdict.Licence{Identifier: known, Holder: "周*", State: "01"}}}, nil
}

func (w *world) RedeemShowCode(ctx context.Context, c string, e audit.Event) (Shown, error) {
	switch {
	case c != code:
		return Shown{}, ErrUnknown
	case w.spent:
		return Shown{}, ErrCodeSpent
	}
	w.spent = true
	return Shown{Presentation: "hello~"}, w.Record(ctx, e)
}

// plain are pages that say only what they were asked to show.
type plain struct{}

func (plain) VerifyForm(w http.ResponseWriter, input string) {
	_, _ = w.Write([]byte("<form>" + input))
}
func (plain) VerifyRefused(w http.ResponseWriter, status int, zh, _, input, purpose string) {
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<p>" + zh + "|" + input + "|" + purpose))
}
func (plain) VerifyResult(w http.ResponseWriter, v verdict.Verdict) {
	_, _ = w.Write([]byte("<p>" + string(v.Overall)))
}

func (w *world) door() http.Handler {
	return Verify(VerifyPorts{Trust: w, Seals: w, Licences: w, ShowCodes: w, Audit: w, Pages: plain{},
		Now: func() time.Time { return noon }, Rand: rand.Reader})
}

func post(h http.Handler, media, accept, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/verify", strings.NewReader(body))
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func ask(input, purpose string) string {
	body, _ := json.Marshal(map[string]any{"input": input, "purpose": map[string]string{"text": purpose, "caseNumber": "A1"}}) // strings marshal
	return string(body)
}

const jsonMedia = "application/json"

func TestTheDoorTellsWhatItWasGiven(t *testing.T) {
	for _, c := range []struct{ name, media, body, format, want string }{
		{"a PDF that is none", "application/pdf", "hello\x00", "pdf", "invalid FORMAT_FAILURE"},
		{"a PDF under a general name", "application/octet-stream", "%PDF-1.7\n", "pdf", "invalid FORMAT_FAILURE"},
		{"an OFD that is none", "application/ofd", "PK\x03\x04", "ofd", "invalid FORMAT_FAILURE"},
		{"an OFD under a general name", "application/zip", "PK\x05\x06" + strings.Repeat("\x00", 18), "ofd", "invalid FORMAT_FAILURE"},
		{"a PDF that is called an OFD", "application/ofd", "%PDF-1.7\n", "pdf", "invalid FORMAT_FAILURE"},
		{"bytes of nothing", "application/octet-stream", "\x00\x01", "unknown", "invalid INPUT_UNKNOWN"},
		{"words", jsonMedia, ask("hello there", ""), "unknown", "invalid INPUT_UNKNOWN"},
		{"a text file with a credential", "application/octet-stream", "hello~", "sd-jwt-vc", "invalid LIC_FORMAT"},
		{"a credential", jsonMedia, ask(" hello~ ", ""), "sd-jwt-vc", "invalid LIC_FORMAT"},
		{"a compact JWS", jsonMedia, ask("eyJhbGciOiJFUzI1NiJ9.e30.AAAA", ""), "sd-jwt-vc", "invalid LIC_FORMAT"},
		{"an identifier", jsonMedia, ask(known, "核验(示例)"), "licence-identifier", "valid"},
		{"an identifier of nothing", jsonMedia, ask(unknown, "核验(示例)"), "licence-identifier", "indeterminate"},
		{"a code", jsonMedia, ask(code, "核验(示例)"), "sd-jwt-vc", "invalid LIC_FORMAT"},
		{"the address of a code", jsonMedia, ask("https://portal.example/c/"+code, "核验(示例)"), "sd-jwt-vc", "invalid LIC_FORMAT"},
		{"a code of nothing", jsonMedia, ask("BBBBBBBBBBBBBBBBBBBBBB", "核验(示例)"), "show-code", "invalid SHOW_CODE_UNKNOWN"},
		{"an address of something else", jsonMedia, ask("https://portal.example/x", "核验(示例)"), "unknown", "invalid INPUT_UNKNOWN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := post((&world{}).door(), c.media, jsonMedia, c.body)
			var v verdict.Verdict
			if err := json.Unmarshal(w.Body.Bytes(), &v); w.Code != 200 || err != nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := strings.TrimSpace(string(v.Overall) + " " + strings.Join(v.Failed(), " ")); got != c.want || v.Format != c.format {
				t.Errorf("%s: %s, want %s: %s", v.Format, got, c.format, c.want)
			}
			if v.Summary.ZH == "" || v.Summary.EN == "" || !v.CheckedAt.Equal(noon) || len(v.Digest) != 64 {
				t.Errorf("the verdict lacks something: %+v", v)
			}
		})
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	form := func(fields ...string) (string, string) {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		for i := 0; i < len(fields); i += 2 {
			_ = m.WriteField(fields[i], fields[i+1]) // a buffer takes everything
		}
		_ = m.Close()
		return m.FormDataContentType(), b.String()
	}
	empty, emptyBody := form()
	strange, strangeBody := form("secret", "x")
	twice, twiceBody := form("input", "a", "input", "b")
	for _, c := range []struct {
		name, media, body, code string
		status                  int
	}{
		{"no media type", "", "x", "unsupported_media_type", 415},
		{"another media type", "text/plain", "x", "unsupported_media_type", 415},
		{"no JSON", jsonMedia, "hello", "bad_request", 400},
		{"two JSON values", jsonMedia, ask("x~", "") + "{}", "bad_request", 400},
		{"a JSON list", jsonMedia, "[]", "bad_request", 400},
		{"an unknown member", jsonMedia, `{"input":"x","trust":"me"}`, "bad_request", 400},
		{"no input", jsonMedia, `{"input":"  "}`, "nothing_to_verify", 400},
		{"a nonce without an audience", jsonMedia, `{"input":"x~","expect":{"nonce":"n"}}`, "bad_request", 400},
		{"a time that is none", jsonMedia, `{"input":"x~","at":"now"}`, "bad_request", 400},
		{"an empty file", "application/pdf", "", "nothing_to_verify", 400},
		{"a file that is too large", "application/pdf", strings.Repeat("x", MaxDocument+1), "too_large", 413},
		{"an input that is too large", jsonMedia, `{"input":"` + strings.Repeat("x", MaxText) + `"}`, "too_large", 413},
		{"an empty form", empty, emptyBody, "nothing_to_verify", 400},
		{"a form with something else", strange, strangeBody, "bad_request", 400},
		{"a form with two inputs", twice, twiceBody, "bad_request", 400},
		{"a form without a boundary", "multipart/form-data", "x", "bad_request", 400},
		{"a form that ends too early", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"input\"\r\n\r\nx", "bad_request", 400},
		{"a look-up without a purpose", jsonMedia, ask(known, " "), "purpose_missing", 400},
		{"a code without a purpose", jsonMedia, ask(code, ""), "purpose_missing", 400},
		{"a purpose with a line break", jsonMedia, ask(known, "a\nb"), "purpose_missing", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			world := &world{}
			w := post(world.door(), c.media, jsonMedia, c.body)
			var p struct{ Code string }
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.status || p.Code != c.code {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.status, c.code)
			}
			if len(world.events) > 0 || world.spent {
				t.Error("something was done all the same")
			}
			if w := post(world.door(), c.media, "text/html", c.body); w.Code != c.status || !strings.HasPrefix(w.Body.String(), "<p>") {
				t.Errorf("to a browser: %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestEveryLookAtAStoredLicenceIsInItsHoldersLedger(t *testing.T) {
	w := &world{}
	h := w.door()
	post(h, jsonMedia, jsonMedia, ask(known, "核验(示例)"))
	post(h, jsonMedia, jsonMedia, ask(code, "核验(示例)"))
	post(h, jsonMedia, jsonMedia, ask("x~", "核验(示例)"))
	if len(w.events) != 2 {
		t.Fatalf("%d events, want one for each look and none for what the caller brought", len(w.events))
	}
	e := w.events[0]
	if e.Action != "licence.verify" || e.Holder != "worker" || e.Object != "licence/l1" || e.Purpose != "核验(示例)" || e.CaseNumber != "A1" ||
		e.Channel != "web" || e.Outcome != audit.Done || e.ID == w.events[1].ID {
		t.Errorf("event %+v", e)
	}
}

func TestACodeIsSpentByTheFirstLook(t *testing.T) {
	w := &world{}
	post(w.door(), jsonMedia, jsonMedia, ask(code, "核验(示例)"))
	var v verdict.Verdict
	if err := json.Unmarshal(post(w.door(), jsonMedia, jsonMedia, ask(code, "核验(示例)")).Body.Bytes(), &v); err != nil ||
		strings.Join(v.Failed(), " ") != proof.CodeSpent {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestALookThatCannotBeRecordedDoesNotHappen(t *testing.T) {
	w := post((&world{broken: errors.New("down")}).door(), jsonMedia, jsonMedia, ask(known, "核验(示例)"))
	if w.Code != 500 || strings.Contains(w.Body.String(), "周") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestABrowserGetsPages(t *testing.T) {
	h := (&world{}).door()
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	if w := post(h, "application/pdf", browser, "%PDF-1.7"); w.Body.String() != "<p>invalid" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post(h, "application/pdf", "application/json, text/html", "%PDF-1.7"); !strings.HasPrefix(w.Body.String(), "{") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r := httptest.NewRequest("GET", "/verify", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "<form>" {
		t.Errorf("GET: %d %s", w.Code, w.Body)
	}
}

// A camera opens the address of a code, and so do the previews of messengers: that spends nothing.
func TestOpeningTheAddressOfACodeSpendsNothing(t *testing.T) {
	world := &world{}
	h := world.door()
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/c/"+code, nil))
		if w.Code != 200 || w.Body.String() != "<form>"+code || world.spent {
			t.Fatalf("GET: %d %s, spent %v", w.Code, w.Body, world.spent)
		}
	}
}

func TestARefusedFormKeepsWhatWasTyped(t *testing.T) {
	form := "--b\r\nContent-Disposition: form-data; name=\"input\"\r\n\r\n" + code + "\r\n--b--\r\n"
	if w := post((&world{}).door(), "multipart/form-data; boundary=b", "text/html", form); w.Code != 400 || !strings.Contains(w.Body.String(), "|"+code+"|") {
		t.Errorf("%d %s, want the form with the code in it", w.Code, w.Body)
	}
}

// FuzzVerify throws anything at the door: it always answers with a verdict or a refusal, and never with a fault.
func FuzzVerify(f *testing.F) {
	medias := []string{"application/pdf", "application/ofd", "application/octet-stream", jsonMedia, "multipart/form-data; boundary=b", "x"}
	fonts, err := layout.Embedded()
	if err != nil {
		f.Fatal(err)
	}
	page := layout.Page{W: 50, H: 50, Items: []layout.Item{layout.Text{X: 5, Y: 20, Size: 5, S: "示例"}}}
	document, err := pdf.Write(pdf.Document{Pages: []layout.Page{page}, Created: noon}, fonts)
	if err != nil {
		f.Fatal(err)
	}
	pack, err := ofd.Write(ofd.Document{Pages: []layout.Page{page}, DocID: strings.Repeat("0", 32), Created: noon}, fonts)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, document)
	f.Add(1, pack)
	f.Add(2, []byte("hello~"))
	f.Add(3, []byte(ask(known, "示例")))
	f.Add(3, []byte(ask("https://x/c/"+code, "示例")))
	f.Add(3, []byte(ask("eyJ0eXAiOiJkYytzZC1qd3QiLCJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4IiwidmN0IjoieSJ9.AAAA~", "")))
	f.Add(4, []byte("--b\r\nContent-Disposition: form-data; name=\"document\"; filename=\"x\"\r\n\r\n%PDF-1.7\r\n--b--\r\n"))
	f.Fuzz(func(t *testing.T, media int, body []byte) {
		w := post((&world{}).door(), medias[uint(media)%uint(len(medias))], jsonMedia, string(body))
		switch {
		case w.Code >= 400 && w.Code < 500:
		case w.Code != 200:
			t.Fatalf("%d %s", w.Code, w.Body)
		default:
			var v verdict.Verdict
			if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.Overall != verdict.Aggregate(v.Checks) || len(v.Checks) == 0 ||
				v.Overall == verdict.Valid && v.Format != "licence-identifier" {
				t.Fatalf("%s, %v", w.Body, err)
			}
		}
	})
}
