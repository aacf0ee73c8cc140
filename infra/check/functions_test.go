package check

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mains are the main.go of functions/, by folder name.
func mains(sources []source) map[string]source {
	found := map[string]source{}
	for _, s := range sources {
		if !s.test && under(s.folder(), "functions") {
			found[path.Base(s.folder())] = s
		}
	}
	return found
}

const mainLines = 30

// folders: every folder of functions/ is one main.go of package main, at most thirty lines, and one resource of the
// template, called alike; and there is no resource without a folder. (A CodeUri that is no package main builds without
// an error and ships an archive that fails when it is invoked.)
func folders(t *testing.T, tr tree) (broken []string) {
	sources := tr.sources(t)
	tm := readTemplate(t, tr)
	for _, s := range sources {
		if !under(s.folder(), "functions") {
			continue
		}
		if s.file.Name.Name != "main" {
			broken = append(broken, s.name+" is package "+s.file.Name.Name+", not main")
		}
		if path.Base(s.name) != "main.go" || path.Dir(s.folder()) != "functions" {
			broken = append(broken, s.name+": a function is one main.go")
		}
		if n := s.set.File(s.file.Pos()).LineCount(); n > mainLines {
			broken = append(broken, fmt.Sprintf("%s has %d lines, more than %d: what it does belongs to a constructor", s.name, n, mainLines))
		}
	}
	seen := map[string]string{}
	for _, r := range tm.resources("AWS::Serverless::Function") {
		uri := text(r.prop("CodeUri"))
		folder, ok := strings.CutPrefix(uri, "functions/")
		_, there := mains(sources)[folder]
		switch {
		case !ok || !there:
			broken = append(broken, fmt.Sprintf("template.yaml: %s has the CodeUri %q, which is no folder of functions/", r.name, uri))
		case seen[uri] != "":
			broken = append(broken, fmt.Sprintf("template.yaml: %s and %s have one CodeUri", seen[uri], r.name))
		case r.name != camel(folder):
			broken = append(broken, fmt.Sprintf("template.yaml: %s of %s should be called %s", r.name, uri, camel(folder)))
		}
		seen[uri] = r.name
	}
	for folder := range mains(sources) {
		if seen["functions/"+folder] == "" {
			broken = append(broken, "functions/"+folder+" is in no resource of template.yaml")
		}
	}
	return broken
}

func TestFoldersAndResourcesAreOne(t *testing.T) { holds(t, folders) }

// localTable is what infra/local wires: the routes of each function by its name, and those that events drive.
func localTable(sources []source) (routesOf, timeouts map[string]string, events []string) {
	routesOf, timeouts = map[string]string{}, map[string]string{}
	for _, s := range sources {
		if s.test || s.folder() != "infra/local" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			fields := keyed(lit)
			name := literal(fields["Name"])
			switch {
			case name == "":
			case fields["Routes"] != nil:
				routesOf[name] = selector(fields["Routes"])
				if id, ok := fields["Timeout"].(*ast.Ident); ok {
					timeouts[name] = id.Name
				}
			case fields["Ways"] != nil:
				events = append(events, name)
			}
			return true
		})
	}
	return routesOf, timeouts, events
}

// keyed are the fields of a composite literal that are written by name.
func keyed(lit *ast.CompositeLit) map[string]ast.Expr {
	fields := map[string]ast.Expr{}
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if id, ok := kv.Key.(*ast.Ident); ok {
				fields[id.Name] = kv.Value
			}
		}
	}
	return fields
}

func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return s
}

// gatewayRoute is a pattern of http.ServeMux as an HTTP API has it.
func gatewayRoute(pattern string) string {
	return strings.ReplaceAll(strings.ReplaceAll(pattern, "{$}", ""), "...}", "+}")
}

// templateRoutes: a function has exactly the routes in the template that its service declares and infra/local serves,
// by the same constructor.
func templateRoutes(t *testing.T, tr tree) (broken []string) {
	sources := tr.sources(t)
	lists, _ := declared(t, sources)
	local, timeouts, events := localTable(sources)
	all := mains(sources)
	functions := readTemplate(t, tr).functions()
	for name := range local {
		if _, ok := all[name]; !ok {
			broken = append(broken, "infra/local serves "+name+", which is no folder of functions/")
		}
	}
	for _, name := range events {
		if _, ok := all[name]; !ok {
			broken = append(broken, "infra/local drives "+name+", which is no folder of functions/")
		}
	}
	for folder, s := range all {
		r, ok := functions[folder]
		if !ok {
			continue // said by folders
		}
		var want []string
		if variable, ok := local[folder]; ok {
			// infra/local gives 10 seconds, and 25 to documents, as the template does.
			if seconds := text(r.prop("Timeout")); (seconds == "") != (timeouts[folder] == "") || seconds != "" && seconds != "25" {
				broken = append(broken, fmt.Sprintf("template.yaml: %s has the timeout %q, and infra/local %q", r.name, seconds, timeouts[folder]))
			}
			for _, route := range lists[variable] {
				want = append(want, gatewayRoute(route))
			}
			if made, wired := constructors(s, sources), constructorsOf(sources, folder); len(made) == 0 || !slices.Contains(wired, made[0]) {
				broken = append(broken, fmt.Sprintf("%s calls %v, and infra/local wires %s by %v", s.name, made, folder, wired))
			}
		}
		var got []string
		events := r.prop("Events")
		for _, name := range keys(events) {
			e := value(events, name)
			if text(value(e, "Type")) != "HttpApi" {
				continue
			}
			got = append(got, text(at(e, "Properties", "Method"))+" "+text(at(e, "Properties", "Path")))
			if v := text(at(e, "Properties", "PayloadFormatVersion")); v != "2.0" {
				broken = append(broken, fmt.Sprintf("template.yaml: %s.%s has payload format %q, not 2.0", r.name, name, v))
			}
			if api := text(at(e, "Properties", "ApiId")); api != "!Ref HttpApi" {
				broken = append(broken, fmt.Sprintf("template.yaml: %s.%s belongs to %q, not to HttpApi", r.name, name, api))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		for _, route := range want {
			if !slices.Contains(got, route) {
				broken = append(broken, fmt.Sprintf("template.yaml: %s lacks %s", r.name, route))
			}
		}
		for _, route := range got {
			if !slices.Contains(want, route) {
				broken = append(broken, fmt.Sprintf("template.yaml: %s has %s, which its service does not declare", r.name, route))
			}
		}
	}
	return broken
}

// constructors are the exported functions of the services that a source calls with a Ports struct: "oidc.Token".
func constructors(s source, sources []source) (list []string) {
	known := portStructs(sources)
	ast.Inspect(s.file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		name := selector(call.Fun)
		pkg, _, _ := strings.Cut(name, ".")
		if tier(pkg) != 0 || strings.HasPrefix(name, "."+pkg) {
			return true
		}
		switch arg := call.Args[0].(type) {
		case *ast.CompositeLit:
			if known[selector(arg.Type)] != nil {
				list = append(list, name)
			}
		case *ast.Ident: // ports := seal.StampPorts{…}
			list = append(list, name)
		}
		return true
	})
	return list
}

// constructorsOf are the constructors in the handler of one function of infra/local.
func constructorsOf(sources []source, folder string) (list []string) {
	for _, s := range sources {
		if s.test || s.folder() != "infra/local" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || literal(keyed(lit)["Name"]) != folder {
				return true
			}
			ast.Inspect(lit, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					list = append(list, selector(call.Fun))
				}
				return true
			})
			return false
		})
	}
	return list
}

func TestRoutesOfTheTemplateAreThoseOfTheServices(t *testing.T) { holds(t, templateRoutes) }

// portStructs are the structs of the services, of shared/key and of infra/aws, by "oidc.TokenPorts": their fields with their types as
// written from outside, "oidc.CodeRedeemer".
func portStructs(sources []source) map[string]map[string]string {
	found := map[string]map[string]string{}
	for _, s := range sources {
		if s.test || !isService(s.folder()) && s.folder() != "infra/aws" && s.folder() != "shared/key" {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				spec, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				st, ok := spec.Type.(*ast.StructType)
				if !ok {
					continue
				}
				fields := map[string]string{}
				for _, f := range st.Fields.List {
					for _, name := range f.Names {
						fields[name.Name] = typeName(s.file.Name.Name, f.Type)
					}
				}
				found[s.file.Name.Name+"."+spec.Name.Name] = fields
			}
		}
	}
	return found
}

// typeName is the name of a type as written from outside its package; "" for what is no plain name.
func typeName(pkg string, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		if ast.IsExported(e.Name) {
			return pkg + "." + e.Name
		}
	case *ast.SelectorExpr:
		return selector(e)
	case *ast.StarExpr:
		return typeName(pkg, e.X)
	}
	return ""
}

// need is a field of a constructor's ports, and what fills it.
type need struct {
	field    string // "Codes"
	port     string // "oidc.CodeRedeemer"; "" where the field is no port
	accessor string // "Grants" for env.Grants()
}

// needs are those of one main.go: the fields of every struct of the services, and of infra/aws, that it writes.
func needs(s source, sources []source) (list []need) {
	structs := portStructs(sources)
	add := func(field, kind string, e ast.Expr) {
		n := need{field: field, port: kind, accessor: accessorOf(e)}
		if fields := structs[kind]; fields != nil && n.accessor != "" { // a struct of ports, filled by one accessor
			for _, inner := range slices.Sorted(mapsKeys(fields)) {
				list = append(list, need{field: field, port: fields[inner], accessor: n.accessor})
			}
		}
		list = append(list, n)
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		fields, known := structs[selector(lit.Type)]
		if !known {
			return true
		}
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				name := kv.Key.(*ast.Ident).Name
				if accessorOf(kv.Value) != "" {
					add(name, fields[name], kv.Value)
				}
			}
		}
		return true
	})
	for _, a := range accessors(s) { // env.Found(), which fills no field
		if !slices.ContainsFunc(list, func(n need) bool { return n.accessor == a }) {
			list = append(list, need{field: a, accessor: a})
		}
	}
	return list
}

// accessorOf is "Grants" for env.Grants().
func accessorOf(e ast.Expr) string {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return ""
	}
	name, ok := strings.CutPrefix(selector(call.Fun), "env.")
	if !ok {
		return ""
	}
	return name
}

// accessors are all accessors that a main.go calls.
func accessors(s source) (list []string) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			if a := accessorOf(e); a != "" && !slices.Contains(list, a) {
				list = append(list, a)
			}
		}
		return true
	})
	return list
}
