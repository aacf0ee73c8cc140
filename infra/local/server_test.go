package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/trust"
)

// startTest starts a server on a free port, with a store of its own unless c names one. Whatever it answers is held
// against the contract.
func startTest(t *testing.T, c config) *server {
	t.Helper()
	if c.addr == "" {
		c.addr = "127.0.0.1:0"
	}
	if c.data == "" {
		c.data = t.TempDir()
	}
	c.watch = newContract(t).watch
	s, err := start(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestFlagsThatWouldDoHarmAreRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // in the error; empty for none
	}{
		{nil, ""},
		{[]string{"-addr", "localhost:0"}, ""},
		{[]string{"-addr", "[::1]:8080"}, ""},
		{[]string{"-addr", "0.0.0.0:8080"}, "-insecure-listen"},
		{[]string{"-addr", ":8080"}, "-insecure-listen"},
		{[]string{"-addr", "192.0.2.1:8080"}, "-insecure-listen"},
		{[]string{"-addr", "example.test:8080"}, "-insecure-listen"},
		{[]string{"-addr", "0.0.0.0:8080", "-insecure-listen"}, ""},
		{[]string{"-addr", "127.0.0.1"}, "-addr"},
		{[]string{"-issuer", "https://yinxin.example.test"}, ""},
		{[]string{"-issuer", "https://yinxin.example.test/"}, "-issuer"},
		{[]string{"-issuer", "yinxin.example.test"}, "-issuer"},
		{[]string{"-issuer", "https://x.test?a"}, "-issuer"},
		{[]string{"-issuer", "https://x.test?"}, "-issuer"},
		{[]string{"-issuer", "https://x.test#"}, "-issuer"},
		{[]string{"-issuer", "https://x.test/base"}, "-issuer"}, // pages redirect from the root
		{[]string{"-issuer", "https://user:secret@x.test"}, "-issuer"},
		{[]string{"-issuer", "https://X.test"}, "-issuer"}, // browsers write an Origin in lower case
		{[]string{"-issuer", "https://x.test:443"}, "-issuer"},
		{[]string{"-issuer", "https://x.test:"}, "-issuer"},
		{[]string{"-issuer", `https://x"}.test`}, "-issuer"}, // it goes into the seed's JSON
		{[]string{"-issuer", "https://示例.test"}, "-issuer"},
		{[]string{"-issuer", "ftp://x.test"}, "-issuer"},
		{[]string{"-issuer", "https://"}, "-issuer"},
		{[]string{"-issuer", "https://x.test:8443"}, ""},
		{[]string{"-issuer", "http://[::1]:8080"}, ""},
		{[]string{"-issuer", "http://localhost:8080", "-tls"}, "-issuer"}, // cookies without Secure over https
		{[]string{"-issuer", "https://localhost:8080", "-tls"}, ""},
		{[]string{"-demo"}, "-out"},
		{[]string{"-out", "x"}, "-demo"},
		{[]string{"-demo", "-out", "x"}, ""},
		{[]string{"serve"}, "only flags"},
		{[]string{"-port", "1"}, "flag provided"},
	} {
		_, err := parseFlags(c.args, io.Discard)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v, want %q", c.args, err, c.want)
		}
	}
	c, err := parseFlags([]string{"-outbound-hosts", "a.test, b.test:8443,"}, io.Discard)
	if err != nil || strings.Join(c.outboundHosts, " ") != "a.test b.test:8443" || c.addr != "127.0.0.1:8080" || c.data != ".yinxin" {
		t.Errorf("%+v, %v", c, err)
	}
}

func get(t *testing.T, client *http.Client, address string) (status int, body string) {
	t.Helper()
	answer, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, html.UnescapeString(string(data))
}

func TestTheFirstPageShowsTheCastAndItsLinksLeadSomewhere(t *testing.T) {
	s := startTest(t, config{})
	status, first := get(t, http.DefaultClient, s.base+"/")
	if status != http.StatusOK {
		t.Fatalf("/ answered %d", status)
	}
	seed, warnings, err := registry.ParseSeed(demoSeed, time.Now())
	if err != nil || len(warnings) > 0 {
		t.Fatalf("the demo seed: %v, %v", warnings, err)
	}
	wanted := []string{"DEVELOPMENT KEYS", "开发密钥", s.issuer, "demo-app-a-sample-secret"}
	for _, p := range seed.Persons {
		wanted = append(wanted, p.ID, p.Name, p.Password)
	}
	for _, o := range seed.Organisations {
		wanted = append(wanted, o.USCC, o.Name)
	}
	for _, w := range wanted {
		if !strings.Contains(strings.ToLower(first), strings.ToLower(w)) {
			t.Errorf("the first page does not show %s", w)
		}
	}
	links := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(first, -1)
	if len(links) < 5 {
		t.Errorf("only %d links", len(links))
	}
	for _, l := range links {
		if status, _ := get(t, &http.Client{}, s.base+l[1]); status != http.StatusOK {
			t.Errorf("%s answered %d", l[1], status)
		}
	}
	if status, body := get(t, http.DefaultClient, s.base+"/nothing/here"); status != http.StatusNotFound || !strings.Contains(body, `"not_found"`) {
		t.Errorf("an unknown page: %d %s", status, body)
	}
}

// person is somebody with a browser who fills in forms.
type person struct {
	t      *testing.T
	client *http.Client
	typed  int // passwords
}

func newPerson(t *testing.T, next http.RoundTripper) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t: t, client: &http.Client{Jar: jar, Transport: next}}
}

var (
	testedAction = regexp.MustCompile(`<form[^>]*action="([^"]*)"`)
	testedHidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// open goes to an address and through whatever forms come.
func (p *person) open(address, name, password string) string {
	p.t.Helper()
	answer, err := p.client.Get(address)
	for range 5 {
		if err != nil {
			p.t.Fatal(err)
		}
		data, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		page, at := string(data), answer.Request.URL
		form := url.Values{}
		for _, f := range testedHidden.FindAllStringSubmatch(page, -1) {
			form.Set(html.UnescapeString(f[1]), html.UnescapeString(f[2]))
		}
		switch {
		case strings.Contains(page, `id="password"`):
			p.typed++
			form.Set("username", name)
			form.Set("password", password)
		case strings.Contains(page, `id="allow"`):
			form.Set("decision", "allow")
		default:
			return html.UnescapeString(page)
		}
		action, err2 := at.Parse(html.UnescapeString(testedAction.FindStringSubmatch(page)[1]))
		if err2 != nil {
			p.t.Fatal(err2)
		}
		r, err2 := http.NewRequest(http.MethodPost, action.String(), strings.NewReader(form.Encode()))
		if err2 != nil {
			p.t.Fatal(err2)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", at.Scheme+"://"+at.Host)
		answer, err = p.client.Do(r)
	}
	p.t.Fatal("the forms do not end")
	return ""
}

var subject = regexp.MustCompile(`id="claim-sub"><code>([^<]*)</code>`)

func TestASecondApplicationAsksForNoPassword(t *testing.T) {
	s := startTest(t, config{})
	zhang := newPerson(t, http.DefaultTransport)
	first := zhang.open(s.base+"/demo/app-a/start", "zhang", "zhang-sample-1")
	second := zhang.open(s.base+"/demo/app-b/start", "zhang", "must not be asked for")
	if zhang.typed != 1 {
		t.Errorf("%d passwords were typed", zhang.typed)
	}
	a, b := subject.FindStringSubmatch(first), subject.FindStringSubmatch(second)
	if len(a) == 0 || len(b) == 0 || !strings.Contains(first, "张三(示例)") || !strings.Contains(second, "张三(示例)") {
		t.Fatalf("not signed on:\n%s\n%s", first, second)
	}
	if a[1] == b[1] {
		t.Error("both applications know the person by one identifier")
	}
	if usage := zhang.open(s.base+"/account/usage", "", ""); !strings.Contains(usage, "掌上政务(示例)") {
		t.Error("the usage page does not name the application")
	}
}

func TestTheSampleApplicationRefusesForeignAnswers(t *testing.T) {
	s := startTest(t, config{})
	for _, query := range []string{"", "?code=x&state=y", "?code=x&state=&iss=" + url.QueryEscape(s.issuer), "?error=access_denied&state=z"} {
		if status, body := get(t, http.DefaultClient, s.base+"/demo/app-a/callback"+query); status != http.StatusBadRequest || !strings.Contains(body, "state:") {
			t.Errorf("%s: %d", query, status)
		}
	}
}

func TestAfterARestartKeysAndPeopleAreTheSame(t *testing.T) {
	data := t.TempDir()
	s := startTest(t, config{data: data})
	_, before := get(t, http.DefaultClient, s.base+"/jwks")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(s.base + "/jwks"); err == nil {
		t.Error("it still answers after the stop")
	}
	again := startTest(t, config{data: data})
	if _, after := get(t, http.DefaultClient, again.base+"/jwks"); after != before {
		t.Errorf("keys %s, were %s", after, before)
	}
	li := newPerson(t, http.DefaultTransport)
	if page := li.open(again.base+"/demo/app-a/start", "li", "li-sample-1"); !strings.Contains(page, "李四(示例)") {
		t.Error("not signed on after a restart")
	}
}

func TestStartAnswersWhatIsWrong(t *testing.T) {
	s := startTest(t, config{})
	log := slog.New(slog.DiscardHandler)
	for name, c := range map[string]config{
		"address in use": {addr: strings.TrimPrefix(s.base, "http://"), data: t.TempDir()},
		"no such seed":   {addr: "127.0.0.1:0", data: t.TempDir(), seed: filepath.Join(t.TempDir(), "none.json")},
		"not a seed":     {addr: "127.0.0.1:0", data: t.TempDir(), seed: "main.go"},
	} {
		if _, err := start(c, log); err == nil {
			t.Errorf("%s: it starts", name)
		}
	}
}

func TestTheBaseIsWhereTheServerListens(t *testing.T) {
	for address, want := range map[string][2]string{ // base, issuer
		"127.0.0.1:8080": {"http://localhost:8080", "http://localhost:8080"},
		"[::1]:8080":     {"http://localhost:8080", "http://localhost:8080"},
		"0.0.0.0:80":     {"http://localhost:80", "http://localhost:80"},
		"192.0.2.1:8080": {"http://192.0.2.1:8080", "http://localhost:8080"},
	} {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		var s server
		s.address(a)
		if s.base != want[0] || s.issuer != want[1] {
			t.Errorf("%s: base %s, issuer %s", address, s.base, s.issuer)
		}
		s.config.issuer = "https://yinxin.example.test"
		if s.address(a); s.base != want[0] || s.issuer != "https://yinxin.example.test" {
			t.Errorf("%s behind a front: base %s, issuer %s", address, s.base, s.issuer)
		}
	}
}

func TestHTTPSHasACertificateOfTheDemoAuthority(t *testing.T) {
	s := startTest(t, config{tls: true})
	if !strings.HasPrefix(s.base, "https://localhost:") || s.issuer != s.base {
		t.Errorf("base %s, issuer %s", s.base, s.issuer)
	}
	pool := x509.NewCertPool()
	for _, a := range s.authority.Anchors() {
		if a.Purpose == trust.Platform {
			root, err := x509.ParseCertificate(a.Root.Raw)
			if err != nil {
				t.Fatal(err)
			}
			pool.AddCert(root)
		}
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	sun := newPerson(t, transport)
	if page := sun.open(s.base+"/demo/app-b/start", "sun", "sun-sample-1"); !strings.Contains(page, "孙七(示例)") {
		t.Errorf("not signed on over https:\n%s", page)
	}
	u, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range sun.client.Jar.Cookies(u) {
		if !strings.HasPrefix(c.Name, "__Host-") && !strings.HasPrefix(c.Name, "demo-app") {
			t.Errorf("the cookie %s may be set by others", c.Name)
		}
	}
	if _, err := http.Get(s.base + "/"); err == nil {
		t.Error("a stranger trusts the demo authority")
	}
}

func TestRunServesUntilItIsTold(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-data", t.TempDir()}, in, io.Discard)
		_ = in.Close()
		ended <- err
	}()
	var banner strings.Builder
	buffer := make([]byte, 4096)
	var base []string
	for base == nil {
		n, err := out.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %q", err, banner.String())
		}
		banner.Write(buffer[:n])
		base = regexp.MustCompile(`open\s+(http://localhost:\d+)/`).FindStringSubmatch(banner.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if !strings.Contains(banner.String(), "DEVELOPMENT KEYS") {
		t.Errorf("the banner is %q", banner.String())
	}
	if status, _ := get(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, base[1]+"/"); status != http.StatusOK {
		t.Errorf("/ answered %d", status)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Whoever plants a cookie in a browser must not be signed on by the person who then signs on there (session fixation).
func TestASampleApplicationSignsNoPlantedCookieOn(t *testing.T) {
	s := startTest(t, config{})
	zhang := newPerson(t, http.DefaultTransport)
	at, err := url.Parse(s.base + "/demo/app-a")
	if err != nil {
		t.Fatal(err)
	}
	var planted []*http.Cookie
	zhang.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if planted == nil {
			planted = zhang.client.Jar.Cookies(at)
		}
		return nil
	}
	if page := zhang.open(s.base+"/demo/app-a/start", "zhang", "zhang-sample-1"); !strings.Contains(page, "张三(示例)") {
		t.Fatal("not signed on")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range planted {
		r.AddCookie(c)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if page, _ := io.ReadAll(answer.Body); len(planted) == 0 || strings.Contains(string(page), "张三") {
		t.Errorf("with the cookie from before the sign-on (%d) somebody else is signed on", len(planted))
	}
}
