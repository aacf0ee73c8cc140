package registry_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/access/accesstest"
	"github.com/yinxin/yinxin/shared/registry"
)

func TestTheRegistryTellsACallerOfItsOwn(t *testing.T) {
	db, ports, _ := open(t)
	uscc, _ := codes(t)
	if _, err := registry.Seed(ports)(t.Context(), json.RawMessage(whole(t))); err != nil {
		t.Fatal(err)
	}
	issuer := accesstest.New(t)
	now := noon
	h := registry.Manage(registry.ManagePorts{
		Access: issuer.Guard(), Organisations: embedded.Organisations{DB: db}, Mandates: embedded.Mandates{DB: db},
		Agents: embedded.Mandates{DB: db}, Now: func() time.Time { return now },
	})
	read := []string{access.RegistryRead}
	callers := map[string]access.Caller{
		"zhang":        {Person: "zhang", Client: "desk", Scopes: read, Channel: "app"},
		"li":           {Person: "li", Client: "desk", Scopes: read, Channel: "app"},
		"organisation": {Organisation: uscc, Client: "system", Scopes: read, Channel: "api"},
		"other":        {Organisation: "119900000000000002", Client: "system", Scopes: read, Channel: "api"},
		"nobody":       {Client: "system", Scopes: read, Channel: "api"},
		"no scope":     {Person: "zhang", Client: "desk", Scopes: []string{"openid"}, Channel: "app"},
	}
	for _, c := range []struct {
		name, caller, path string
		status             int
		code               string // of the problem
		mandates           int
	}{
		{"a person reads an organisation", "zhang", "/registry/organisations/" + uscc, 200, "", 0},
		{"so does who has nothing to do with it", "other", "/registry/organisations/" + uscc, 200, "", 0},
		{"one that is not there", "zhang", "/registry/organisations/119900000000000002", 404, "not_found", 0},
		{"a code that is none", "zhang", "/registry/organisations/x", 400, "bad_request", 0},
		{"without the scope", "no scope", "/registry/organisations/" + uscc, 403, "insufficient_scope", 0},
		{"without a token", "", "/registry/organisations/" + uscc, 401, "unauthenticated", 0},
		{"a person's own mandates", "zhang", "/registry/mandates", 200, "", 1},
		{"another person has none", "li", "/registry/mandates", 200, "", 0},
		{"an organisation's own", "organisation", "/registry/mandates", 200, "", 1},
		{"another organisation has none", "other", "/registry/mandates", 200, "", 0},
		{"a client of nobody", "nobody", "/registry/mandates", 403, "forbidden", 0},
		{"mandates without the scope", "no scope", "/registry/mandates", 403, "insufficient_scope", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, c.path, nil)
			if c.caller != "" {
				r.Header.Set("Authorization", "Bearer "+issuer.Token(t, callers[c.caller]))
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var body struct {
				Code     string                 `json:"code"`
				Mandates []registry.HeldMandate `json:"mandates"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatalf("%q: %v", w.Body, err)
			}
			if w.Code != c.status || body.Code != c.code || len(body.Mandates) != c.mandates {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if c.caller == "zhang" && strings.Contains(w.Body.String(), "zhang") {
				t.Errorf("the identifier links the person across clients: %s", w.Body)
			}
			for _, m := range body.Mandates {
				// The organisation is told whom it has sent; a client of the person is not told who that is everywhere.
				if want := map[string]string{"organisation": "zhang"}[c.caller]; m.Person != want || m.Organisation != uscc || m.Name != "示例省财政厅" || !m.Active {
					t.Errorf("mandate %+v", m)
				}
			}
		})
	}
	now = noon.AddDate(2, 0, 0)
	r := httptest.NewRequest(http.MethodGet, "/registry/mandates", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token(t, callers["zhang"]))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var body struct{ Mandates []registry.HeldMandate }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Mandates) != 1 || body.Mandates[0].Active {
		t.Errorf("after its end: %s, %v", w.Body, err)
	}
}
