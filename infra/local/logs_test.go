package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/yinxin/yinxin/infra/local/browser"
	"github.com/yinxin/yinxin/shared/registry"
)

// captured is a log that several goroutines write.
type captured struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *captured) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *captured) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// secrets gathers what passes a server and must not be logged: every credential of requests and answers.
type secrets struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (s *secrets) add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		if len(v) >= 8 { // shorter ones would be found by chance
			s.seen[v] = true
		}
	}
}

// kept are the names of what is secret in forms, queries and JSON answers.
var kept = []string{"password", "code", "code_verifier", "client_secret", "client_assertion", "refresh_token", "access_token",
	"id_token", "id_token_hint", "form", "session", "state", "nonce", "qr"}

func (s *secrets) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		s.add(token)
		for _, c := range r.Cookies() {
			s.add(c.Value)
		}
		s.query(r.URL.RawQuery)
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			s.query(string(body))
		}
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		answer := recorded.Result()
		for _, c := range answer.Cookies() {
			s.add(c.Value)
		}
		if _, query, ok := strings.Cut(answer.Header.Get("Location"), "?"); ok {
			s.query(query)
		}
		var members map[string]any
		if json.Unmarshal(recorded.Body.Bytes(), &members) == nil {
			for _, name := range kept {
				if text, ok := members[name].(string); ok {
					s.add(text)
				}
			}
		}
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(recorded.Body.Bytes())
	})
}

func (s *secrets) query(raw string) {
	values, _ := url.ParseQuery(raw)
	for _, name := range kept {
		s.add(values[name]...)
	}
}

// Logs hold no token, name or identity number. The whole story is played, then every operation of the
// contract is called with a mark in each place that a caller fills, first with the store open, then with the store gone,
// so that what is refused and what goes wrong are logged too.
func TestLogsHoldNoTokenNoNameAndNoIdentityNumber(t *testing.T) {
	log, passed := &captured{}, &secrets{seen: map[string]bool{}}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	before := slog.Default()
	slog.SetDefault(logger)
	t.Cleanup(func() { slog.SetDefault(before) })
	s, err := start(config{addr: "127.0.0.1:0", data: t.TempDir(), watch: passed.watch}, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.stop() }) // its store is closed already
	if err := s.story(t.Context(), t.TempDir(), io.Discard); err != nil {
		t.Fatal(err)
	}
	seed, _, err := registry.ParseSeed(demoSeed, s.now())
	if err != nil {
		t.Fatal(err)
	}
	zhang := browser.New(s.issuer, http.DefaultTransport)
	people, err := s.demoSeed()
	if err != nil {
		t.Fatal(err)
	}
	phone, err := seedApp(people, "demo-app-a")
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := zhang.SignOn(t.Context(), phone, "zhang", "zhang-sample-1")
	if err != nil {
		t.Fatal(err)
	}
	markAll(t, s, zhang, tokens.Access)
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	if faults := markAll(t, s, zhang, tokens.Access); faults < 20 {
		t.Errorf("only %d answers were faults: the test does not see what is logged of them", faults)
	}
	text := log.String()
	if strings.Count(text, "request failed") < 20 || strings.Count(text, "msg=request") < 100 {
		t.Errorf("the log was not captured:\n%.2000s", text)
	}
	for _, p := range seed.Persons {
		passed.add(p.IDNumber, p.Phone, p.Password)
		for _, name := range []string{p.Name, strings.TrimSuffix(p.Name, "(示例)")} {
			if strings.Contains(text, name) {
				t.Errorf("the log names %s", name)
			}
		}
	}
	for _, record := range seed.Clients {
		var c struct {
			Secret string `json:"client_secret"`
		}
		if err := json.Unmarshal(record, &c); err != nil {
			t.Fatal(err)
		}
		passed.add(c.Secret)
	}
	if len(passed.seen) < 100 {
		t.Errorf("only %d secrets passed", len(passed.seen))
	}
	for secret := range passed.seen {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("the log holds %.60s: %.400s", secret, text[max(0, i-200):])
		}
	}
	if i := strings.Index(text, mark); i >= 0 {
		t.Errorf("the log holds what a caller sent: %.600s", text[max(0, i-300):])
	}
}

// mark is what a caller sends; it is a name, a token and a number to nobody but the test.
const mark = "CANARY990000198503120019"

// markAll calls every operation of the contract in many wrong ways and returns how many answers were faults.
func markAll(t *testing.T, s *server, b *browser.Browser, token string) (faults int) {
	t.Helper()
	text := `"` + mark + `"`
	fields := `"organisation":` + text + `,"type":` + text + `,"number":` + text + `,"licence":` + text + `,"input":` + text +
		`,"purpose":{"text":` + text + `,"code":` + text + `,"caseNumber":` + text + `,"itemCode":` + text + `}`
	form := url.Values{}
	for _, name := range append(kept, "username", "grant_type", "scope", "client_id", "request", "return", "resource",
		"redirect_uri", "post_logout_redirect_uri", "login_hint", "decision") {
		form.Set(name, mark)
	}
	flow := url.Values{
		"client_id": {"demo-app-a"}, "redirect_uri": {s.issuer + "/demo/app-a/callback"}, "response_type": {"code"},
		"scope": {"openid " + mark}, "state": {mark}, "nonce": {mark}, "login_hint": {mark}, "id_token_hint": {mark},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	bodies := []struct{ media, body string }{
		{"application/json", "{" + fields + "}"},
		{"application/json", `{"` + mark + `":` + text + "}"},
		{"application/json", `{"organisation":11990000YX0000016H,` + mark},
		{"application/x-www-form-urlencoded", form.Encode()},
		{"application/x-www-form-urlencoded", "grant_type=authorization_code&client_id=demo-app-a&client_secret=demo-app-a-sample-secret&code_verifier=" +
			strings.Repeat("v", 43) + "&code=" + strings.Repeat("A", 22) + "." + mark},
		{"application/x-www-form-urlencoded", "username=" + mark + "&password=" + mark + "&request=" + url.QueryEscape(flow.Encode())},
		{"application/pdf", "%PDF-1.7 " + mark},
		{"application/ofd", "PK\x03\x04" + mark},
		{mark, mark},
	}
	client := b.Client()
	send := func(method, path, query, authorization, media, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, s.base+path+"?"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", media)
		r.Header.Set("User-Agent", mark)
		r.Header.Set("X-Forwarded-For", mark)
		r.Header.Set("Idempotency-Key", mark)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		r.AddCookie(&http.Cookie{Name: "mark", Value: mark})
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode >= 500 {
			faults++
		}
	}
	for path, item := range newContract(t).doc.Paths.Map() {
		path = regexp.MustCompile(`\{[^{}]*\}`).ReplaceAllString(path, mark)
		for method := range item.Operations() {
			queries := []string{"x=" + mark, flow.Encode(), form.Encode()}
			for i, authorization := range []string{"", "Bearer " + mark, "Basic " + mark, "Bearer " + token} {
				if method == http.MethodGet {
					send(method, path, queries[i%len(queries)], authorization, "", "")
					continue
				}
				for _, b := range bodies {
					send(method, path, "x="+mark, authorization, b.media, b.body)
				}
			}
		}
	}
	return faults
}
