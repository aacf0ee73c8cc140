package check

import (
	"fmt"
	"go/ast"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// declared are the routes that the services declare: the string literals of exported variables …Routes, by variable
// ("oidc.TokenRoutes").
func declared(t *testing.T, sources []source) (routes map[string][]string, broken []string) {
	routes = map[string][]string{}
	for _, s := range sources {
		if s.test || !isService(s.folder()) {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok || !ast.IsExported(v.Names[0].Name) || !strings.HasSuffix(v.Names[0].Name, "Routes") {
					continue
				}
				name := s.file.Name.Name + "." + v.Names[0].Name
				if len(v.Values) != 1 {
					broken = append(broken, name+" is not one list of strings")
					continue
				}
				list, ok := v.Values[0].(*ast.CompositeLit)
				if !ok {
					broken = append(broken, name+" is not one list of strings")
					continue
				}
				for _, e := range list.Elts {
					lit, ok := e.(*ast.BasicLit)
					if !ok {
						broken = append(broken, name+" holds something else than a literal")
						continue
					}
					route, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					routes[name] = append(routes[name], route)
				}
			}
		}
	}
	return routes, broken
}

var wildcard = regexp.MustCompile(`\{[^{}]*\}`)

// plainRoute is a pattern of http.ServeMux with its wildcards unnamed, as OpenAPI compares paths.
func plainRoute(route string) string {
	route = strings.ReplaceAll(route, "{$}", "")
	return wildcard.ReplaceAllString(route, "{}")
}

// contract loads infra/openapi.yaml and returns its operations as "POST /token".
func contract(t *testing.T, tr tree) (routes []string, broken []string) {
	data, err := fs.ReadFile(tr, "infra/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, []string{"infra/openapi.yaml: " + err.Error()}
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		broken = append(broken, "infra/openapi.yaml is not OpenAPI 3.1")
	}
	if err := doc.Validate(t.Context(), openapi3.DisableExamplesValidation()); err != nil {
		broken = append(broken, "infra/openapi.yaml: "+err.Error())
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			routes = append(routes, method+" "+path)
			broken = append(broken, complete(method+" "+path, operation)...)
		}
	}
	return routes, broken
}

// complete: an operation says who it is, what it answers and, where it takes a body, what it takes.
func complete(name string, o *openapi3.Operation) (broken []string) {
	if o.OperationID == "" || o.Summary == "" {
		broken = append(broken, "infra/openapi.yaml: "+name+" needs an operationId and a summary")
	}
	good := false
	for status, answer := range o.Responses.Map() {
		good = good || strings.HasPrefix(status, "2") || strings.HasPrefix(status, "3")
		if status == "204" || strings.HasPrefix(status, "3") || status == "default" && answer.Ref != "" {
			continue
		}
		if answer.Value == nil || len(answer.Value.Content) == 0 {
			broken = append(broken, fmt.Sprintf("infra/openapi.yaml: %s answers %s without a media type", name, status))
			continue
		}
		for media, content := range answer.Value.Content {
			if content.Schema == nil {
				broken = append(broken, fmt.Sprintf("infra/openapi.yaml: %s answers %s as %s without a schema", name, status, media))
			}
		}
	}
	if !good {
		broken = append(broken, "infra/openapi.yaml: "+name+" has no answer of success")
	}
	return broken
}

// routes: what the services declare is what infra/local serves and what the contract describes.
func routes(t *testing.T, tr tree) (broken []string) {
	sources := tr.sources(t)
	lists, broken := declared(t, sources)
	served := selectors(sources, func(s source) bool { return !s.test && s.folder() == "infra/local" })
	var all []string
	owner := map[string]string{}
	for name, list := range lists {
		if !served[name] {
			broken = append(broken, name+" is not served by infra/local")
		}
		for _, route := range list {
			plain := plainRoute(route)
			if other, taken := owner[plain]; taken {
				broken = append(broken, fmt.Sprintf("%s is declared by %s and %s", route, min(name, other), max(name, other)))
			}
			owner[plain] = name
			all = append(all, plain)
		}
	}
	described, more := contract(t, tr)
	broken = append(broken, more...)
	for _, route := range described {
		if !slices.Contains(all, plainRoute(route)) {
			broken = append(broken, "infra/openapi.yaml describes "+route+", which no service declares")
		}
	}
	for _, route := range all {
		if !slices.ContainsFunc(described, func(d string) bool { return plainRoute(d) == route }) {
			broken = append(broken, fmt.Sprintf("infra/openapi.yaml does not describe %s of %s", route, owner[route]))
		}
	}
	return broken
}

func TestRoutesDeclaredAreServedAndDescribed(t *testing.T) {
	if lists, _ := declared(t, repository().sources(t)); len(lists) < 10 {
		t.Errorf("only %d lists of routes were found", len(lists))
	}
	holds(t, routes)
}

func TestRoutesThatDifferAreFound(t *testing.T) {
	const head = "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths:\n"
	const answer = "responses: {'200': {description: ok, content: {application/json: {schema: {type: object}}}}}"
	breaks(t, routes, map[string]string{
		"shared/oidc/token.go": "package oidc\n\nvar TokenRoutes = []string{\"POST /token\", \"GET /jobs/{id}\"}\n",
		"shared/seal/seal.go": "package seal\n\nvar StampRoutes = []string{\"POST /seals/{id}/stamps\", \"POST /token\"}\n\n" +
			"var MadeRoutes = append(StampRoutes, path)\n\nvar OtherRoutes = []string{path}\n",
		"shared/key/key.go":         "package key\n\nvar NoRoutes = []string{\"GET /key\"}\n",
		"infra/local/functions.go":  "package main\n\nvar table = []any{oidc.TokenRoutes, seal.MadeRoutes, seal.OtherRoutes}\n",
		"infra/local/other_test.go": "package main\n\nvar table = []any{seal.StampRoutes}\n",
		"infra/openapi.yaml": head + "  /token: {post: {operationId: token, summary: s, " + answer + "}}\n" +
			"  /jobs/{job}: {get: {operationId: job, summary: s, parameters: [{name: job, in: path, required: true, schema: {type: string}}], " + answer + "}}\n" +
			"  /gone: {get: {responses: {'200': {description: ok}, '400': {description: no, content: {application/problem+json: {}}}}}}\n",
	},
		"POST /token is declared by oidc.TokenRoutes and seal.StampRoutes",
		"seal.MadeRoutes is not one list of strings",
		"seal.OtherRoutes holds something else than a literal",
		"seal.StampRoutes is not served by infra/local",
		"infra/openapi.yaml describes GET /gone, which no service declares",
		"infra/openapi.yaml does not describe POST /seals/{}/stamps of seal.StampRoutes",
		"infra/openapi.yaml: GET /gone needs an operationId and a summary",
		"infra/openapi.yaml: GET /gone answers 200 without a media type",
		"infra/openapi.yaml: GET /gone answers 400 as application/problem+json without a schema",
	)
}

func TestAContractThatIsNoOpenAPIIsFound(t *testing.T) {
	for text, want := range map[string]string{
		"openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths: {}\n": "infra/openapi.yaml is not OpenAPI 3.1",
		"openapi: [":                  "infra/openapi.yaml: ",
		"openapi: 3.1.0\npaths: {}\n": "infra/openapi.yaml: ",
	} {
		got := routes(t, made(map[string]string{"infra/openapi.yaml": text, "a.go": "package a\n"}))
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}
