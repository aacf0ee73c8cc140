package check

import (
	"fmt"
	"go/ast"
	"strings"
	"testing"
)

// mayGo are the files that begin goroutines beside servers and tests, with the reason.
var mayGo = map[string]string{
	"infra/gateway/serve.go": "the local server lets an invocation end by itself after its client has gone",
}

// goroutines: what runs in a function begins none. Lambda freezes a process after its answer; what went on then would go
// on at some later invocation, or never (AWS Lambda developer guide, "Lambda execution environment lifecycle").
func goroutines(t *testing.T, tr tree) (broken []string) {
	for _, s := range tr.sources(t) {
		inFunction := strings.HasPrefix(s.name, "shared/") || strings.HasPrefix(s.name, "functions/") ||
			strings.HasPrefix(s.name, "infra/gateway/") || strings.HasPrefix(s.name, "infra/outbound/") || s.folder() == "infra/aws"
		if !inFunction || s.test || strings.HasSuffix(s.folder(), "test") || mayGo[s.name] != "" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				broken = append(broken, fmt.Sprintf("%s begins a goroutine, which may outlive the handler", s.name))
			}
			return true
		})
	}
	return broken
}

func TestNothingThatRunsInAFunctionBeginsGoroutines(t *testing.T) { holds(t, goroutines) }

func TestAGoroutineOfAFunctionIsFound(t *testing.T) {
	breaks(t, goroutines, map[string]string{
		"shared/oidc/a.go":                "package oidc\nfunc A() { go A() }\n",
		"shared/oidc/a_test.go":           "package oidc\nfunc B() { go B() }\n",
		"shared/oidc/oidctest/a.go":       "package oidctest\nfunc A() { go A() }\n",
		"infra/aws/a.go":                  "package aws\nfunc A() { x := func() { go A() }; x() }\n",
		"infra/aws/dynamotest/a.go":       "package dynamotest\nfunc A() { go A() }\n",
		"infra/local/a.go":                "package main\nfunc main() { go main() }\n",
		"functions/oidc-token/main.go":    "package main\nfunc main() { go main() }\n",
		"infra/gateway/serve.go":          "package gateway\nfunc A() { go A() }\n",
		"infra/gateway/ways.go":           "package gateway\nfunc A() {}\n",
		"infra/embedded/a.go":             "package embedded\nfunc A() { go A() }\n",
		"infra/outbound/goes/outbound.go": "package goes\nfunc A() { go A() }\n",
	},
		"functions/oidc-token/main.go begins a goroutine, which may outlive the handler",
		"infra/aws/a.go begins a goroutine, which may outlive the handler",
		"infra/outbound/goes/outbound.go begins a goroutine, which may outlive the handler",
		"shared/oidc/a.go begins a goroutine, which may outlive the handler",
	)
}
