package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/infra/outbound"
	"github.com/yinxin/yinxin/shared/verify"
)

func TestStatusListsOfOthersAreFetchedByTheGuardedClientAlone(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/status-lists/1" && r.Header.Get("Accept") == "application/statuslist+jwt" {
			_, _ = io.WriteString(w, "a.token.here\n")
			return
		}
		http.NotFound(w, r)
	}))
	defer other.Close()
	db, err := embedded.Open(t.TempDir()+"/db", embedded.Options{Now: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	lists := func(hosts ...string) statusLists {
		return statusLists{
			own: embedded.PublishedStatusLists{DB: db, Issuer: "https://own.example.test"},
			out: outbound.New(statusListLimits(hosts)), log: slog.New(slog.DiscardHandler),
		}
	}
	host := strings.TrimPrefix(other.URL, "http://")
	if token, err := lists(host).StatusList(t.Context(), other.URL+"/status-lists/1"); err != nil || token != "a.token.here" {
		t.Errorf("of a named host: %q, %v", token, err)
	}
	for name, c := range map[string]struct {
		uri   string
		hosts []string
	}{
		"of a host on the loopback that nobody named": {other.URL + "/status-lists/1", nil},
		"that is not there":                           {other.URL + "/status-lists/2", []string{host}},
		"of our own that is not published":            {"https://own.example.test/status-lists/1", nil},
		"without an address":                          {"", nil},
	} {
		if token, err := lists(c.hosts...).StatusList(t.Context(), c.uri); !errors.Is(err, verify.ErrUnknown) || token != "" {
			t.Errorf("a list %s: %q, %v", name, token, err)
		}
	}
}
