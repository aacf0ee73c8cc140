package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// contract holds every answer of the functions against infra/openapi.yaml: status, media type, schema.
type contract struct {
	t   *testing.T
	doc *openapi3.T
}

func newContract(t *testing.T) *contract {
	t.Helper()
	data, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	return &contract{t: t, doc: doc}
}

// watch stands in front of a server.
func (c *contract) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		answer := recorded.Result()
		if path := c.path(r.URL); path != "" && r.Method != http.MethodHead {
			if why := c.check(r.Method, path, answer, recorded.Body.Bytes()); why != "" {
				c.t.Errorf("%s %s (%s) answered %d %s: %s", r.Method, r.URL.Path, path, answer.StatusCode,
					answer.Header.Get("Content-Type"), why)
			}
		}
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(recorded.Body.Bytes())
	})
}

// path is the path of the contract with the most literal segments that fits, or "" for the pages of this server.
func (c *contract) path(u *url.URL) string {
	best := ""
	for path := range c.doc.Paths.Map() {
		pattern := regexp.MustCompile(`\\\{[^{}]*\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
		if regexp.MustCompile("^"+pattern+"$").MatchString(u.Path) && (best == "" || strings.Count(path, "{") < strings.Count(best, "{")) {
			best = path
		}
	}
	return best
}

func (c *contract) check(method, path string, answer *http.Response, body []byte) string {
	operation := c.doc.Paths.Value(path).GetOperation(method)
	if operation == nil {
		if answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusMethodNotAllowed {
			return ""
		}
		return "the contract has no such operation"
	}
	described := operation.Responses.Status(answer.StatusCode)
	if described == nil {
		described = operation.Responses.Default()
	}
	if described == nil {
		return "the status is not described"
	}
	if len(described.Value.Content) == 0 {
		return ""
	}
	media, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil {
		return err.Error()
	}
	content := described.Value.Content[media]
	if content == nil {
		return "the media type is not described"
	}
	if !strings.HasSuffix(media, "json") {
		return ""
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err.Error()
	}
	if err := content.Schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
		return fmt.Sprintf("%s: %v", body, err)
	}
	return ""
}

func TestTheContractIsHeldAgainstAnswers(t *testing.T) {
	c := newContract(t)
	answer := func(status int, media string) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {media}}}
	}
	for name, broken := range map[string]string{
		"status":     c.check("GET", "/jwks", answer(204, "text/html"), nil),
		"media type": c.check("GET", "/jwks", answer(200, "text/html"), nil),
		"schema":     c.check("GET", "/jwks", answer(200, "application/jwk-set+json"), []byte(`{"keys":[{"kty":"EC"}]}`)),
		"member":     c.check("POST", "/token", answer(200, "application/json"), []byte(`{"access_token":"a","token_type":"Bearer","expires_in":1,"scope":"","more":1}`)),
		"operation":  c.check("PUT", "/jwks", answer(200, "application/json"), nil),
	} {
		if broken == "" {
			t.Errorf("a wrong %s is not seen", name)
		}
	}
	if why := c.check("GET", "/jwks", answer(200, "application/jwk-set+json"), []byte(`{"keys":[{"kty":"EC","kid":"1","use":"sig"}]}`)); why != "" {
		t.Error(why)
	}
	u := &url.URL{Path: "/seals/1/make"}
	if got := c.path(u); got != "/seals/{id}/make" {
		t.Errorf("path = %s", got)
	}
}

// TestEveryRouteReachesItsFunction asks for every route without a token and without a body, through both directions of
// the gateway: each must be answered by its function, as the contract says.
func TestEveryRouteReachesItsFunction(t *testing.T) {
	s := startTest(t, config{})
	c := newContract(t)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var routes []string
	for _, f := range s.functions {
		if len(f.Routes) == 0 || f.Handler == nil {
			t.Errorf("%s has no routes or no handler", f.Name)
		}
		routes = append(routes, f.Routes...)
	}
	described := 0
	for path, item := range c.doc.Paths.Map() {
		for method := range item.Operations() {
			described++
			if i := slices.IndexFunc(routes, func(r string) bool { return unnamed(r) == unnamed(method+" "+path) }); i < 0 {
				t.Errorf("%s %s of the contract is not served", method, path)
			}
		}
	}
	if described != len(routes) {
		t.Errorf("%d routes are served, %d described", len(routes), described)
	}
	for _, route := range routes {
		method, path, _ := strings.Cut(strings.TrimSuffix(route, "{$}"), " ")
		path = regexp.MustCompile(`\{[^{}]*\}`).ReplaceAllString(path, "x")
		r, err := http.NewRequestWithContext(t.Context(), method, s.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusMethodNotAllowed || answer.StatusCode >= 500 {
			t.Errorf("%s: %d %s", route, answer.StatusCode, body)
		}
	}
}

// unnamed is a route with its wildcards unnamed.
func unnamed(route string) string {
	return regexp.MustCompile(`\{[^{}]*\}`).ReplaceAllString(strings.ReplaceAll(route, "{$}", ""), "{}")
}

// TestEveryAnswerOfTheStoryKeepsTheContract: what the story promises is its own test; here each of its answers is held
// against the contract.
func TestEveryAnswerOfTheStoryKeepsTheContract(t *testing.T) {
	s := startTest(t, config{demo: true})
	if err := s.story(t.Context(), t.TempDir(), io.Discard); err != nil {
		t.Error(err)
	}
}
