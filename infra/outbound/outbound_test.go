package outbound

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestOnlyPublicAddressesAreReached(t *testing.T) {
	for address, want := range map[string]bool{
		"1.1.1.1":                true,
		"203.119.25.1":           true,
		"2400:3200::1":           true,
		"::ffff:1.1.1.1":         true,
		"0.0.0.0":                false,
		"10.1.2.3":               false,
		"100.64.0.1":             false,
		"100.127.255.255":        false,
		"100.128.0.1":            true,
		"127.0.0.1":              false,
		"127.255.255.254":        false,
		"169.254.169.254":        false, // metadata services
		"172.15.255.255":         true,
		"172.16.0.1":             false,
		"172.31.255.255":         false,
		"192.0.0.192":            false,
		"192.168.1.1":            false,
		"198.19.0.1":             false,
		"224.0.0.1":              false,
		"255.255.255.255":        false,
		"::":                     false,
		"::1":                    false,
		"::ffff:127.0.0.1":       false,
		"::ffff:169.254.169.254": false,
		"::ffff:10.0.0.1":        false,
		"64:ff9b::7f00:1":        false, // NAT64 of 127.0.0.1
		"2002:7f00:1::":          false, // 6to4 of 127.0.0.1
		"2001::1":                false, // Teredo
		"fe80::1":                false,
		"fe80::1%eth0":           false,
		"fc00::1":                false,
		"fd00:ec2::254":          false,
		"ff02::1":                false,
		"2001:db8::1":            false,
	} {
		if got := Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("Public(%s) = %v", address, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("an invalid address is public")
	}
}

// serve counts what reaches it.
func serve(t *testing.T, h http.HandlerFunc) (s *httptest.Server, host string, reached *int) {
	t.Helper()
	reached = new(int)
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*reached++
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s, strings.TrimPrefix(s.URL, "http://"), reached
}

func TestAnAddressOfOurOwnNetworkIsNotDialled(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") }))
	defer s.Close()
	// The URL passes; the dialler must refuse whatever the name resolves to.
	d := guard{}
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		c, err := d.dial(t.Context(), "tcp", host+":"+u.Port())
		if !errors.Is(err, ErrRefused) {
			t.Errorf("dialling %s: %v, %v", host, c, err)
		}
	}
	if _, err := New(Options{}).Get(t.Context(), "https://localhost/", "*/*"); !errors.Is(err, ErrRefused) {
		t.Errorf("Get = %v", err)
	}
}

func TestURLsAreRefusedBeforeAnythingIsDialled(t *testing.T) {
	for _, address := range []string{
		"http://example.test/", "https://example.test:8443/", "ftp://example.test/", "file:///etc/passwd", "https:///x",
		"https://user:secret@example.test/", "https:example.test", "://", "", "gopher://example.test",
		"https://example.test/" + strings.Repeat("a", maxAddressLength),
	} {
		if _, err := New(Options{}).Get(t.Context(), address, "*/*"); !errors.Is(err, ErrRefused) {
			t.Errorf("Get(%.40s) = %v", address, err)
		}
	}
}

func TestANamedHostIsReached(t *testing.T) {
	s, host, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/statuslist+jwt")
		_, _ = io.WriteString(w, r.Header.Get("Accept"))
	})
	d, err := New(Options{Hosts: []string{host}}).Get(t.Context(), s.URL+"/list", "application/statuslist+jwt")
	if err != nil || string(d.Body) != "application/statuslist+jwt" || d.MediaType != "application/statuslist+jwt" || d.URL != s.URL+"/list" {
		t.Errorf("Get = %+v, %v", d, err)
	}
	other := New(Options{Hosts: []string{"127.0.0.1:1"}})
	if _, err := other.Get(t.Context(), s.URL, "*/*"); !errors.Is(err, ErrRefused) {
		t.Errorf("another port of a named host: %v", err)
	}
}

func TestEachRedirectIsCheckedAgain(t *testing.T) {
	inner, _, reached := serve(t, func(http.ResponseWriter, *http.Request) {})
	outer, host, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inner.URL, http.StatusFound)
	})
	if _, err := New(Options{Hosts: []string{host}}).Get(t.Context(), outer.URL, "*/*"); !errors.Is(err, ErrRefused) || *reached != 0 {
		t.Errorf("Get = %v, reached %d times", err, *reached)
	}
}

func TestRedirectsAreBounded(t *testing.T) {
	for _, c := range []struct {
		hops int
		ok   bool
	}{{MaxRedirects, true}, {MaxRedirects + 1, false}} {
		s, host, reached := serve(t, func(w http.ResponseWriter, r *http.Request) {
			var n int
			_, _ = fmt.Sscanf(r.URL.Path, "/%d", &n)
			if n == c.hops {
				return
			}
			http.Redirect(w, r, fmt.Sprintf("/%d", n+1), http.StatusFound)
		})
		_, err := New(Options{Hosts: []string{host}}).Get(t.Context(), s.URL+"/0", "*/*")
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrRefused) || *reached != MaxRedirects+1 {
			t.Errorf("%d redirects: %v, %d requests", c.hops, err, *reached)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	release := make(chan struct{})
	s, host, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			_, _ = w.Write(make([]byte, 1000))
		case "/large":
			_, _ = w.Write(make([]byte, 1001))
		case "/header":
			w.Header().Set("X", strings.Repeat("a", 2*maxHeaderBytes))
		case "/slow":
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-release
		default:
			http.NotFound(w, r)
		}
	})
	t.Cleanup(func() { close(release) })
	c := New(Options{Hosts: []string{host}, MaxBytes: 1000, Timeout: 500 * time.Millisecond})
	if d, err := c.Get(t.Context(), s.URL+"/exact", "*/*"); err != nil || len(d.Body) != 1000 {
		t.Errorf("/exact: %d bytes, %v", len(d.Body), err)
	}
	for path, want := range map[string]error{"/large": ErrTooLarge, "/missing": ErrAnswer} {
		if d, err := c.Get(t.Context(), s.URL+path, "*/*"); !errors.Is(err, want) || d.Body != nil {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	for _, path := range []string{"/header", "/slow"} {
		if _, err := c.Get(t.Context(), s.URL+path, "*/*"); err == nil {
			t.Errorf("%s was taken", path)
		}
	}
}

// Addresses come from documents that anybody may have made, and errors are logged.
func TestErrorsNameTheHostAndNothingElseOfAnAddress(t *testing.T) {
	s, host, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/canary", http.StatusFound)
	})
	for _, address := range []string{"https://localhost/canary?canary#canary", s.URL + "/canary?canary", "http://x.test/canary", "https://canary@x.test/"} {
		if _, err := New(Options{Hosts: []string{host}}).Get(t.Context(), address, "*/*"); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("Get(%s) = %v", address, err)
		}
	}
}
