package check

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// isService tells whether a folder is that of a service: the first tier of shared, without its contract suite.
func isService(folder string) bool {
	return tier(service(folder)) == 0 && !isSuite(folder)
}

// ports are the exported interfaces of the services, "oidc.CodeRedeemer". Interfaces that constrain types or that none
// but their own package can implement are no ports.
func ports(sources []source) []string {
	var list []string
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
				spec, ok := spec.(*ast.TypeSpec)
				if !ok || !spec.Name.IsExported() {
					continue
				}
				if i, ok := spec.Type.(*ast.InterfaceType); ok && implementable(i) {
					list = append(list, s.file.Name.Name+"."+spec.Name.Name)
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

func implementable(i *ast.InterfaceType) bool {
	for _, m := range i.Methods.List {
		for _, name := range m.Names {
			if !name.IsExported() {
				return false
			}
		}
		if _, union := m.Type.(*ast.BinaryExpr); union {
			return false
		}
	}
	return len(i.Methods.List) > 0
}

// included says which ports of its own package a port includes.
func included(sources []source) map[string][]string {
	parts := map[string][]string{}
	for _, s := range sources {
		if s.test || !isService(s.folder()) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if i, ok := spec.Type.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					if part, ok := m.Type.(*ast.Ident); ok && len(m.Names) == 0 {
						whole := s.file.Name.Name + "." + spec.Name.Name
						parts[whole] = append(parts[whole], s.file.Name.Name+"."+part.Name)
					}
				}
			}
			return true
		})
	}
	return parts
}

// asserted are the ports that a non-test file of folder says to implement, by var _ oidc.CodeRedeemer = Codes{}.
func asserted(sources []source, folder string) map[string]bool {
	found := map[string]bool{}
	for _, s := range sources {
		if s.test || s.folder() != folder {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && len(v.Names) == 1 && v.Names[0].Name == "_" && v.Type != nil {
					found[selector(v.Type)] = true
				}
			}
		}
	}
	return found
}

// selector is "oidc.CodeRedeemer" for such an expression, else "".
func selector(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + s.Sel.Name
}

// selectors are all selectors of the files that match.
func selectors(sources []source, match func(source) bool) map[string]bool {
	found := map[string]bool{}
	for _, s := range sources {
		if !match(s) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if e, ok := n.(*ast.SelectorExpr); ok {
				found[selector(e)] = true
			}
			return true
		})
	}
	return found
}

// stores are the folders with an adapter for every port.
var stores = []string{"infra/embedded", "infra/aws"}

// adapters: every port has an adapter in infra/embedded and one in infra/aws, each checked by a contract suite that a test
// there calls; or one in infra/local, where the adapter is another function of the house.
func adapters(t *testing.T, tr tree) (broken []string) {
	sources := tr.sources(t)
	local := asserted(sources, "infra/local")
	// A suite speaks of a port if its package names it, or one that includes it.
	spoken := selectors(sources, func(s source) bool { return isSuite(s.folder()) && !s.test })
	for whole, parts := range included(sources) {
		for _, part := range parts {
			spoken[part] = spoken[part] || spoken[whole]
		}
	}
	for _, port := range ports(sources) {
		if !local[port] && !spoken[port] {
			broken = append(broken, fmt.Sprintf("%s has no contract suite: a package %stest needs to name it", port, strings.Split(port, ".")[0]))
		}
	}
	for _, folder := range stores {
		adapter := asserted(sources, folder)
		for _, port := range ports(sources) {
			if !local[port] && !adapter[port] {
				broken = append(broken, fmt.Sprintf("%s has no adapter: %s needs var _ %s = …", port, folder, port))
			}
		}
		called := selectors(sources, func(s source) bool { return s.test && s.folder() == folder })
		for _, suite := range suites(sources) {
			if !called[suite] {
				broken = append(broken, fmt.Sprintf("%s is a contract suite that no test of %s calls", suite, folder))
			}
		}
	}
	return broken
}

// suites are the exported functions of contract packages that take a *testing.T first.
func suites(sources []source) []string {
	var list []string
	for _, s := range sources {
		if s.test || !isSuite(s.folder()) || tier(service(s.folder())) != 0 {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results != nil || len(f.Type.Params.List) == 0 {
				continue
			}
			if star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr); ok && selector(star.X) == "testing.T" {
				list = append(list, s.file.Name.Name+"."+f.Name.Name)
			}
		}
	}
	return list
}

func TestEveryPortHasACheckedAdapter(t *testing.T) {
	if n := len(ports(repository().sources(t))); n < 20 {
		t.Errorf("only %d ports were found", n)
	}
	holds(t, adapters)
}

func TestAPortWithoutAdapterOrSuiteIsFound(t *testing.T) {
	breaks(t, adapters, map[string]string{
		"shared/oidc/a.go": `package oidc
type Good interface{ Redeem() }
type Lonely interface{ Redeem() }
type Untested interface{ Redeem() }
type Wired interface{ Redeem() }
type Part interface{ Redeem() }
type Whole interface{ Part; More() }
type Sealed interface{ sealed() }
type Number interface{ int | string }
type private interface{ Redeem() }
type Struct struct{}
`,
		"shared/jose/a.go":              "package jose\ntype NoService interface{ A() }\n",
		"shared/oidc/oidctest/suite.go": "package oidctest\nfunc Good(t *testing.T, open func(t *testing.T) oidc.Good) {}\nfunc Lost(t *testing.T, open func() oidc.Lonely) {}\nfunc Make() oidc.Whole { return nil }\n",
		"infra/embedded/a.go":           "package embedded\nvar _ oidc.Good = A{}\nvar _ oidc.Part = A{}\nvar _ oidc.Whole = A{}\nvar (\n_ oidc.Untested = A{}\n)\nvar x oidc.Lonely = A{}\n",
		"infra/embedded/a_test.go":      "package embedded\nvar _ oidc.Lonely = A{}\nfunc TestA(t *testing.T) { oidctest.Good(t, open) }\n",
		"infra/aws/a.go":                "package aws\nvar (\n_ oidc.Good = A{}\n_ oidc.Part = (*A)(nil)\n_ oidc.Whole = A{}\n_ oidc.Lonely = A{}\n)\n",
		"infra/aws/a_test.go":           "package aws_test\nfunc TestA(t *testing.T) { oidctest.Lost(t, open) }\n",
		"infra/local/a.go":              "package main\nvar _ oidc.Wired = A{}\n",
	},
		"oidc.Lonely has no adapter: infra/embedded needs var _ oidc.Lonely = …",
		"oidc.Untested has no adapter: infra/aws needs var _ oidc.Untested = …",
		"oidc.Untested has no contract suite: a package oidctest needs to name it",
		"oidctest.Good is a contract suite that no test of infra/aws calls",
		"oidctest.Lost is a contract suite that no test of infra/embedded calls",
	)
}
