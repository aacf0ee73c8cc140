package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/problem"
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func fixed() Options {
	return Options{
		Now:       func() time.Time { return time.Date(2020, 3, 12, 19, 3, 58, 0, time.UTC) },
		Rand:      zeros{},
		AccountID: "123456789012",
	}
}

func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.7:40000"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestEventsHaveTheDocumentedShape(t *testing.T) {
	post := request("POST", "http://api.example.test/token?parameter1=value1&parameter1=value2&parameter2=value", "a=b&c=d",
		"Content-Type", "application/x-www-form-urlencoded", "Content-Length", "7", "User-Agent", "agent",
		"Header1", "value1", "Header1", "value2", "Cookie", "cookie1=a; cookie2=b", "Connection", "keep-alive",
		"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "forged.example.test")
	post.Pattern = "POST /token"
	get := request("GET", "http://127.0.0.1:8080/seals/%E8%B4%A2%E6%94%BF%201?at=2026-01-01T00%3A00%3A00Z", "",
		"Accept", "*/*", "User-Agent", "curl/8")
	get.Pattern = "GET /seals/{id}"
	get.SetPathValue("id", "财政 1")

	for file, r := range map[string]*http.Request{"form-post.json": post, "get.json": get} {
		data, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		e, err := ToEvent(r, fixed())
		if err != nil {
			t.Fatal(err)
		}
		made, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if want, got := generic(t, data), generic(t, made); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %v\nwant %v", file, got, want)
		}
	}
}

func generic(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestADocumentedEventReachesTheHandler(t *testing.T) {
	data, err := os.ReadFile("testdata/form-post.json")
	if err != nil {
		t.Fatal(err)
	}
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	deadline, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Minute))
	defer cancel()
	Serve(deadline, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		rc, ok := RequestContext(r.Context())
		if !ok || rc.HTTP.SourceIP != "192.0.2.7" {
			t.Errorf("RequestContext = %+v, %v", rc, ok)
		}
		if _, ok := r.Context().Deadline(); !ok {
			t.Error("the deadline of the invocation is lost")
		}
		if r.RemoteAddr != "192.0.2.7:0" || r.Host != "api.example.test" || r.ContentLength != 7 {
			t.Errorf("RemoteAddr %s, Host %s, ContentLength %d", r.RemoteAddr, r.Host, r.ContentLength)
		}
		if got := r.Header["Header1"]; !slices.Equal(got, []string{"value1,value2"}) {
			t.Errorf("a joined header is not split: %q", got)
		}
		if c, err := r.Cookie("cookie2"); err != nil || c.Value != "b" {
			t.Errorf("cookie2 = %v, %v", c, err)
		}
		if r.FormValue("a") != "b" || r.PostFormValue("c") != "d" || r.FormValue("parameter2") != "value" {
			t.Errorf("form = %v, %v", r.Form, r.ParseForm())
		}
	}), e)
}

// oneTable is what an auth and document platform sees: forms, cookies, repeated headers, binary bodies both ways.
func oneTable() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]string{"code": r.PostFormValue("code"), "state": r.PostFormValue("状态")})
	})
	mux.HandleFunc("/echo/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		cookies := []string{}
		for _, c := range r.Cookies() {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"method": r.Method, "path": r.URL.Path, "rest": r.PathValue("rest"), "query": r.URL.RawQuery, "host": r.Host,
			"body": body, "cookies": cookies, "repeated": strings.Join(r.Header.Values("X-Repeated"), ","),
			"type": r.Header.Get("Content-Type"), "user": func() string { u, p, _ := r.BasicAuth(); return u + ":" + p }(),
		})
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "a", Path: "/", HttpOnly: true})
		http.SetCookie(w, &http.Cookie{Name: "csrf", Value: "b,c", Path: "/", Expires: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)})
		http.Redirect(w, r, "/authorize?state="+r.URL.Query().Get("state"), http.StatusSeeOther)
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("WWW-Authenticate", `DPoP algs="ES256"`)
		w.Header().Add("WWW-Authenticate", `Bearer error="invalid_token"`)
		problem.Write(w, r, problem.Unauthenticated)
	})
	mux.HandleFunc("GET /picture", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write([]byte("\x89PNG\r\n\x1a\n\x00\xff\xfe"))
	})
	mux.HandleFunc("GET /guessed", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<!DOCTYPE html><p>印信") })
	mux.HandleFunc("GET /latin1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=iso-8859-1")
		_, _ = w.Write([]byte("caf\xe9"))
	})
	mux.HandleFunc("DELETE /nothing", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if _, err := w.Write([]byte("x")); err == nil {
			panic("a 204 took a body")
		}
	})
	mux.HandleFunc("GET /late", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("X-Late", "too late")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "first status counts")
	})
	mux.HandleFunc("GET /empty", func(http.ResponseWriter, *http.Request) {})
	return mux
}

func TestOneTableTwoWays(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	binary := string([]byte{0, 1, 2, 0xff, 0xfe, '\r', '\n'})
	table := []struct {
		name, method, target, body string
		headers                    []string
	}{
		{"form post", "POST", "/token", "code=a%2Bb&%E7%8A%B6%E6%80%81=%E5%A5%BD", []string{"Content-Type", form}},
		{"form post with charset", "POST", "/token", "code=1", []string{"Content-Type", form + "; charset=UTF-8"}},
		{"no media type", "POST", "/echo/x", "{}", nil},
		{"binary body", "POST", "/echo/pdf", binary, []string{"Content-Type", "application/pdf"}},
		{"multipart", "POST", "/echo/m", "--x\r\n\r\n" + binary + "\r\n--x--", []string{"Content-Type", "multipart/form-data; boundary=x"}},
		{"text that is no UTF-8", "POST", "/echo/t", binary, []string{"Content-Type", "text/plain"}},
		{"json", "POST", "/echo/j", `{"a":"印信"}`, []string{"Content-Type", "application/json; charset=utf-8"}},
		{"several cookies", "GET", "/echo/c", "", []string{"Cookie", "a=1; b=2", "Cookie", "c=3"}},
		{"repeated header", "GET", "/echo/r", "", []string{"X-Repeated", "1", "X-Repeated", "2, 3"}},
		{"basic authentication", "GET", "/echo/b", "", []string{"Authorization", "Basic YTpi"}},
		{"decoded path", "GET", "/echo/%E5%8D%B0%20%2B+a%2525", "", nil},
		{"query verbatim", "GET", "/echo/q?b=2&a=1&a=%2B+&empty&=", "", nil},
		{"unclean path", "GET", "/echo//x/../y", "", nil},
		{"HEAD", "HEAD", "/picture", "", nil},
		{"redirect with two cookies", "GET", "/login?state=%E5%8D%B0", "", nil},
		{"two challenges", "GET", "/userinfo", "", nil},
		{"binary answer", "GET", "/picture", "", nil},
		{"guessed media type", "GET", "/guessed", "", nil},
		{"text in another encoding", "GET", "/latin1", "", nil},
		{"no content", "DELETE", "/nothing", "", nil},
		{"second status", "GET", "/late", "", nil},
		{"empty answer", "GET", "/empty", "", nil},
		{"not found", "GET", "/missing", "", nil},
		{"method not allowed", "PUT", "/token", "", nil},
		{"options", "OPTIONS", "/echo/o", "", nil},
	}
	h := oneTable()
	direct := httptest.NewServer(h)
	defer direct.Close()
	through := httptest.NewServer(Handler(Lambda(h), Options{Now: time.Now, Rand: rand.Reader}))
	defer through.Close()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			ask := func(base string) string {
				r, err := http.NewRequest(c.method, base+c.target, strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				r.Host = "yinxin.example.test"
				for i := 0; i < len(c.headers); i += 2 {
					r.Header.Add(c.headers[i], c.headers[i+1])
				}
				a, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer a.Body.Close()
				body, err := io.ReadAll(a.Body)
				if err != nil {
					t.Fatal(err)
				}
				a.Header.Del("Date")
				a.Header.Del("Content-Length") // net/http leaves it out where an answer is long; a gateway never does
				var b strings.Builder
				fmt.Fprintf(&b, "%d\n", a.StatusCode)
				for _, name := range slices.Sorted(mapsKeys(a.Header)) {
					if name == "Set-Cookie" {
						fmt.Fprintf(&b, "%s: %q\n", name, a.Header[name])
						continue
					}
					fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(a.Header[name], ", "))
				}
				fmt.Fprintf(&b, "\n%q", body)
				return b.String()
			}
			want, got := ask(direct.URL), ask(through.URL)
			if got != want {
				t.Errorf("through the event:\n%s\nby net/http:\n%s", got, want)
			}
		})
	}
}

func mapsKeys(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range h {
			if !yield(k) {
				return
			}
		}
	}
}

func TestFormBodiesAreBase64(t *testing.T) {
	for contentType, text := range map[string]bool{
		"application/x-www-form-urlencoded": false,
		"":                                  false,
		"multipart/form-data; boundary=x":   false,
		"application/pdf":                   false,
		"application/problem+json":          false,
		"application/json":                  true,
		"Application/JSON; charset=utf-8":   true,
		"application/xml":                   true,
		"application/javascript":            true,
		"text/plain":                        true,
	} {
		r := request("POST", "/", "a=b")
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		e, err := ToEvent(r, fixed())
		if err != nil {
			t.Fatal(err)
		}
		want := "a=b"
		if !text {
			want = base64.StdEncoding.EncodeToString([]byte("a=b"))
		}
		if e.Body != want || e.IsBase64Encoded == text {
			t.Errorf("%q: body %q, base64 %v", contentType, e.Body, e.IsBase64Encoded)
		}
	}
}

func TestTheGatewayRefuses(t *testing.T) {
	line := len("GET / HTTP/1.1\r\nHost: example.com\r\nX: \r\n")
	table := []struct {
		name string
		r    *http.Request
		want error
	}{
		{"10,240 bytes of headers", request("GET", "/", "", "X", strings.Repeat("a", MaxHeaderBytes-line)), nil},
		{"one more", request("GET", "/", "", "X", strings.Repeat("a", MaxHeaderBytes-line+1)), HeadersTooLarge},
		{"a long query", request("GET", "/?request="+strings.Repeat("a", MaxHeaderBytes), ""), HeadersTooLarge},
		{"10 MB of body", request("POST", "/", strings.Repeat("a", MaxBodyBytes+1)), problem.TooLarge},
		{"more than 6 MB as base64", request("POST", "/", strings.Repeat("a", 5<<20), "Content-Type", "application/pdf"), problem.TooLarge},
		{"5 MB as text", request("POST", "/", strings.Repeat("a", 5<<20), "Content-Type", "text/plain"), nil},
		{"a path that is no text", request("GET", "/%ff", ""), problem.BadRequest},
		{"a header that is no text", request("GET", "/", "", "X", "\xff"), problem.BadRequest},
		{"a query that is no text", request("GET", "/?a=%ff", ""), problem.BadRequest},
		{"no path", &http.Request{Method: "OPTIONS", URL: request("GET", "/", "").URL, RequestURI: "*"}, problem.BadRequest},
	}
	table[len(table)-1].r.URL.Path = "*"
	for _, c := range table {
		if _, err := ToEvent(c.r, fixed()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestWhatGoesWrongInTheFunctionIsAnAnswer(t *testing.T) {
	o := Options{Now: time.Now, Rand: rand.Reader}
	release := make(chan struct{})
	defer close(release)
	answer := func(a events.APIGatewayV2HTTPResponse, err error) Function {
		return func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
			return a, err
		}
	}
	handler := func(f http.HandlerFunc) Function { return Lambda(f) }
	for name, c := range map[string]struct {
		f      Function
		status int
		code   string
	}{
		"a panic": {handler(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half an answer")
			panic("示例")
		}), 500, "internal"},
		"an abort":                 {handler(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), 500, "internal"},
		"an error of the function": {answer(events.APIGatewayV2HTTPResponse{}, errors.New("broken")), 500, "internal"},
		"a panic of the function": {func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
			panic(1)
		}, 500, "internal"},
		"no status":                   {answer(events.APIGatewayV2HTTPResponse{}, nil), 502, "bad_answer"},
		"a body that is no base64":    {answer(events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: "%", IsBase64Encoded: true}, nil), 502, "bad_answer"},
		"more than 6 MB":              {answer(events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: strings.Repeat("a", 7<<20)}, nil), 502, "bad_answer"},
		"more than 6 MB of a handler": {handler(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 5<<20)) }), 500, "internal"},
		"too long": {handler(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done() // the deadline reaches the handler
			<-release
		}), 503, "timed_out"},
	} {
		w := httptest.NewRecorder()
		o.Timeout = 0
		if c.code == "timed_out" {
			o.Timeout = time.Millisecond
		}
		Handler(c.f, o).ServeHTTP(w, request("GET", "/", ""))
		var p problem.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%s: %q: %v", name, w.Body, err)
		}
		if w.Code != c.status || p.Code != c.code || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s, want %d %s", name, w.Code, p.Code, w.Header(), c.status, c.code)
		}
	}
}

func TestAMalformedEventIsRefused(t *testing.T) {
	good, err := ToEvent(request("GET", "/", ""), fixed())
	if err != nil {
		t.Fatal(err)
	}
	called := false
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true })
	for name, spoil := range map[string]func(*events.APIGatewayV2HTTPRequest){
		"no method":      func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "A B" },
		"no path":        func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "" },
		"body no base64": func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "%", true },
	} {
		e := good
		spoil(&e)
		if a := Serve(t.Context(), h, e); a.StatusCode != 400 || called {
			t.Errorf("%s: %d, handler called: %v", name, a.StatusCode, called)
		}
	}
}

// noToken tells whether a header's name is none: http.ReadRequest lets it pass, the server does not (RFC 9110, section 5.1).
func noToken(name string) bool {
	return name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	})
}

// FuzzRoundTrip: whatever request net/http reads, the handler sees the same behind the gateway, or the gateway refuses.
func FuzzRoundTrip(f *testing.F) {
	f.Add("POST", "/token", "a=b", "text/plain", "X-One", "v", "a=1; b=2", []byte("hello"))
	f.Add("GET", "/印 信/%2F", "q=%E5%8D%B0&q", "", "Accept", "*/*", "", []byte(nil))
	f.Add("PUT", "/x", "", "application/octet-stream", "Connection", "x", "é=;;", []byte{0xff, 0})
	f.Add("POST", "/x", "a;b", "application/json", "Cookie", "z=1", "a", []byte("{\xff"))
	f.Fuzz(func(t *testing.T, method, path, query, contentType, name, value, cookie string, body []byte) {
		var raw bytes.Buffer
		fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\nHost: yinxin.example.test\r\n", method, path+"?"+query)
		for _, h := range [][2]string{{"Content-Type", contentType}, {name, value}, {"Cookie", cookie}} {
			if h[1] != "" {
				fmt.Fprintf(&raw, "%s: %s\r\n", h[0], h[1])
			}
		}
		fmt.Fprintf(&raw, "Content-Length: %d\r\n\r\n%s", len(body), body)
		direct, err := http.ReadRequest(newReader(raw.Bytes()))
		if err != nil || slices.ContainsFunc(slices.Collect(maps.Keys(direct.Header)), noToken) {
			return // the server of net/http refuses it before any gateway
		}
		e, err := ToEvent(direct, fixed())
		if err != nil {
			var p *problem.Problem
			if !errors.As(err, &p) || !reflect.DeepEqual(e, events.APIGatewayV2HTTPRequest{}) {
				t.Fatalf("ToEvent = %+v, %v: a refusal is a problem without an event", e, err)
			}
			return
		}
		sent, err := throughJSON(e)
		if err != nil {
			t.Fatal(err)
		}
		direct, _ = http.ReadRequest(newReader(raw.Bytes())) // its body was read
		wantBody, _ := io.ReadAll(direct.Body)
		seen := false
		Serve(t.Context(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			seen = true
			gotBody, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(gotBody, wantBody) {
				t.Errorf("body %q, %v, want %q", gotBody, err, wantBody)
			}
			if r.Method != direct.Method || r.URL.Path != direct.URL.Path || r.URL.RawQuery != direct.URL.RawQuery || r.Host != direct.Host {
				t.Errorf("%s %s ? %s at %s, want %s %s ? %s at %s", r.Method, r.URL.Path, r.URL.RawQuery, r.Host,
					direct.Method, direct.URL.Path, direct.URL.RawQuery, direct.Host)
			}
			for name, values := range direct.Header {
				if isHop(name) || name == "Cookie" || strings.HasPrefix(name, "X-Forwarded-") {
					continue
				}
				if got := r.Header.Get(name); got != strings.Join(values, ",") {
					t.Errorf("%s: %q, want %q", name, got, values)
				}
			}
			if got, want := r.Cookies(), direct.Cookies(); len(got) != len(want) {
				t.Errorf("cookies %v, want %v", got, want)
			} else {
				for i := range got {
					if got[i].Name != want[i].Name || got[i].Value != want[i].Value {
						t.Errorf("cookie %v, want %v", got[i], want[i])
					}
				}
			}
		}), sent)
		if !seen {
			t.Error("the handler was not called")
		}
	})
}

func newReader(p []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(p)) }

func BenchmarkRoundTrip(b *testing.B) {
	h := oneTable()
	r := func() *http.Request {
		return request("POST", "/token", "code=1", "Content-Type", "application/x-www-form-urlencoded")
	}
	b.Run("handler alone", func(b *testing.B) {
		for b.Loop() {
			h.ServeHTTP(httptest.NewRecorder(), r())
		}
	})
	b.Run("through the event", func(b *testing.B) {
		g := Handler(Lambda(h), fixed())
		for b.Loop() {
			g.ServeHTTP(httptest.NewRecorder(), r())
		}
	})
}
