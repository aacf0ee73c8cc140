package check

import (
	"fmt"
	"go/ast"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// libraries says which folders may import what is not ours and not the standard library; the longest prefix decides.
// Nobody may import what is not listed.
var libraries = []struct {
	prefix  string
	folders []string
	tests   bool // whether tests may import it anywhere, as a foreign judge
}{
	{"github.com/aws/aws-sdk-go-v2/aws", []string{"infra/aws", "infra/e2e"}, false}, // e2e signs requests of operators and pumps
	{"github.com/aws/aws-sdk-go-v2", []string{"infra/aws"}, false},
	{"github.com/aws/smithy-go", []string{"infra/aws"}, false},
	{"github.com/aws/aws-lambda-go", []string{"infra/gateway", "infra/aws", "infra/e2e", "functions"}, false},
	{"github.com/lestrrat-go/jwx", []string{"shared/jose"}, true},
	{"github.com/emmansun/gmsm", []string{"shared/sm"}, true},
	{"go.etcd.io/bbolt", []string{"infra/embedded"}, false},
	{"golang.org/x/image", []string{"shared/layout"}, true},
	{"golang.org/x/text", []string{"shared"}, true},
	{"golang.org/x/crypto", []string{"shared", "infra/embedded"}, true},
	{"golang.org/x/mod", []string{"shared"}, true},
	{"rsc.io/qr", []string{"shared/layout"}, true},
	{"github.com/makiuchi-d/gozxing", nil, true},
	{"github.com/chromedp", nil, true},
	{"github.com/getkin/kin-openapi", nil, true},
	{"github.com/oasdiff/yaml3", []string{"infra/e2e"}, true},
}

// forbidden are packages of the standard library that some folders must do without. A template's reflection keeps the
// linker from removing unused methods and nearly doubles a function's size; os would be a world of its own (clocks,
// sockets and randomness: see ownWorld).
var forbidden = []struct{ pkg, folder string }{
	{"html/template", "shared"}, {"html/template", "infra/gateway"}, {"html/template", "infra/aws"}, {"html/template", "functions"},
	{"text/template", "shared"}, {"text/template", "infra/gateway"}, {"text/template", "infra/aws"}, {"text/template", "functions"},
	{"net/rpc", "shared"}, {"net/rpc", "infra/gateway"}, {"net/rpc", "infra/aws"}, {"net/rpc", "functions"},
	{"os", "shared"}, {"os/exec", "shared"}, {"syscall", "shared"},
	{"math/rand", "shared"}, {"math/rand/v2", "shared"},
}

// layers says what of ours each folder may import; the longest prefix decides. Tests of shared may also use
// infra/embedded: a service is tested on a real store.
var layers = []struct {
	folder string
	may    []string
}{
	{"shared", []string{"shared"}},
	{"functions", []string{"shared", "infra/aws"}},
	{"infra/gateway", []string{"shared"}},
	{"infra/outbound", nil},
	{"infra/view", []string{"shared"}},
	{"infra/embedded", []string{"shared", "infra/outbound", "infra/view"}},
	{"infra/aws", []string{"shared", "infra/outbound", "infra/gateway", "infra/view"}},
	{"infra/local", []string{"shared", "infra/embedded", "infra/gateway", "infra/outbound"}},
	{"infra/e2e", []string{"shared", "infra/gateway", "infra/embedded", "infra/aws/kmstest", "infra/local/browser"}},
	{"infra/bench", []string{"shared", "infra/embedded", "infra/e2e/runtime"}},
	{"infra/conformance", []string{"shared", "infra/embedded"}},
	{"infra/drill", []string{"shared"}},
	{"infra/check", nil},
}

// tiers of shared, from the top; one may import what stands in a lower line, and in its own what allowed names.
var tiers = [][]string{
	{"oidc", "account", "registry", "seal", "document", "licence", "verify", "notice", "audit", "access", "page"},
	{"proof", "trust", "verdict"},
	{"ses", "ofd", "pdf", "cms", "cert", "tsp", "layout", "sdjwt", "statuslist", "tlog"},
	{"key", "sm", "jose", "ident", "problem", "redact"},
}

// allowed are the imports inside one tier. audit, access and page serve every service.
var allowed = map[string][]string{
	"oidc":     {"audit", "access", "page"},
	"account":  {"audit", "access", "page"},
	"registry": {"audit", "access", "page"},
	"seal":     {"audit", "access", "page"},
	"document": {"audit", "access", "page"},
	"licence":  {"audit", "access", "page"},
	"verify":   {"audit", "access", "page"},
	"notice":   {"audit", "access", "page"},
	"proof":    {"trust", "verdict"},
	"trust":    {"verdict"},
	"pdf":      {"layout", "cms", "cert"},
	"ofd":      {"layout", "ses", "cert"},
	"cms":      {"cert"},
	"ses":      {"cert"},
	"tsp":      {"cms", "cert"},
	"key":      {"sm"},
	"jose":     {"key", "sm"},
	"redact":   {"ident"},
}

func tier(name string) int {
	return slices.IndexFunc(tiers, func(names []string) bool { return slices.Contains(names, name) })
}

func imports(t *testing.T, tr tree) (broken []string) {
	for _, s := range tr.sources(t) {
		for _, spec := range s.file.Imports {
			pkg, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := whyNot(s, pkg); why != "" {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", s.name, pkg, why))
			}
		}
	}
	return broken
}

// whyNot says why a file may not import a package, or "".
func whyNot(s source, pkg string) string {
	if ours, ok := strings.CutPrefix(pkg, module+"/"); ok {
		return whyNotOurs(s, ours)
	}
	for _, l := range libraries {
		if !under(pkg, l.prefix) {
			continue
		}
		if s.test && l.tests || slices.ContainsFunc(l.folders, func(f string) bool { return under(s.folder(), f) }) {
			return ""
		}
		if l.folders == nil {
			return "only tests may"
		}
		return fmt.Sprintf("only %v may", l.folders)
	}
	if first, _, _ := strings.Cut(pkg, "/"); strings.Contains(first, ".") {
		return "it is in no line of the table of libraries"
	}
	for _, f := range forbidden {
		if pkg == f.pkg && under(s.folder(), f.folder) && !s.test && !isSuite(s.folder()) {
			return fmt.Sprintf("nothing in %s may", f.folder)
		}
	}
	return ""
}

func whyNotOurs(s source, ours string) string {
	from := s.folder()
	var layer []string
	name := ""
	for _, l := range layers {
		if under(from, l.folder) {
			name, layer = l.folder, l.may
		}
	}
	switch {
	case name == "":
		return from + " is in no layer"
	case under(ours, name) && name != "functions":
		// inside one folder; the tiers below say more of shared
	case s.test && name == "shared" && ours == "infra/embedded", s.test && ours == "infra/drill":
		return ""
	case !slices.ContainsFunc(layer, func(may string) bool { return under(ours, may) }):
		return fmt.Sprintf("%s may import %v only", name, layer)
	}
	if name != "shared" {
		return ""
	}
	return whyNotTier(s, ours)
}

// isSuite tells whether a folder holds a contract suite, such as shared/oidc/oidctest.
func isSuite(folder string) bool { return strings.HasSuffix(folder, "test") }

func whyNotTier(s source, ours string) string {
	from, to := service(s.folder()), service(ours)
	if tier(from) < 0 || tier(to) < 0 {
		return fmt.Sprintf("shared/%s or shared/%s stands in no tier", from, to)
	}
	switch {
	case isSuite(ours) && !s.test && !isSuite(s.folder()):
		return "a contract suite is for tests"
	case from == to:
		return whyNotChild(s.folder(), ours, from)
	case tier(from) < tier(to), slices.Contains(allowed[from], to):
		return ""
	case s.test && tier(from) == tier(to) && tier(from) > 0:
		return "" // a format's test may feed it with another format
	case tier(from) > tier(to):
		return fmt.Sprintf("%v is below %v", tiers[tier(from)], tiers[tier(to)])
	}
	return fmt.Sprintf("of its own tier shared/%s may import %v only", from, allowed[from])
}

// whyNotChild: the parts of a service may import their parent, never each other.
func whyNotChild(from, to, parent string) string {
	root := "shared/" + parent
	if from == root || to == root || from == to || isSuite(from) || strings.HasPrefix(to, from+"/") || strings.HasPrefix(from, to+"/") {
		return ""
	}
	return "parts of one service do not import each other"
}

func TestImports(t *testing.T) { holds(t, imports) }

func TestImportsOfABadTree(t *testing.T) {
	file := func(pkg string, imports ...string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "package %s\n", pkg)
		for _, i := range imports {
			fmt.Fprintf(&b, "import _ %q\n", i)
		}
		return b.String()
	}
	breaks(t, imports, map[string]string{
		"shared/oidc/bad.go": file("oidc", "github.com/aws/aws-sdk-go-v2/aws", "github.com/lestrrat-go/jwx/v2/jwt", module+"/shared/seal",
			module+"/infra/embedded", "html/template", "text/template", "net/rpc", "os", "math/rand",
			module+"/shared/registry/registrytest"),
		"shared/oidc/good.go": file("oidc", "net/http", "html", module+"/shared/audit", module+"/shared/access", module+"/shared/page",
			module+"/shared/jose", module+"/shared/verdict", module+"/shared/key"),
		"shared/oidc/good_test.go": file("oidc", "github.com/lestrrat-go/jwx/v2/jwt", module+"/infra/embedded", "crypto/rand",
			module+"/shared/oidc/oidctest"),
		"shared/oidc/bad_test.go":          file("oidc", module+"/infra/local", "go.etcd.io/bbolt", "github.com/aws/aws-sdk-go-v2/aws"),
		"shared/oidc/oidctest/oidctest.go": file("oidctest", module+"/shared/oidc", "crypto/rand"),
		"shared/oidc/logout/logout.go":     file("logout", module+"/shared/oidc", module+"/shared/oidc/dpop"),
		"shared/oidc/dpop/dpop.go":         file("dpop"),
		"shared/audit/bad.go":              file("audit", module+"/shared/access"),
		"shared/sm/good.go":                file("sm", "github.com/emmansun/gmsm/sm2"),
		"shared/ses/bad.go":                file("ses", "github.com/emmansun/gmsm/sm2", module+"/shared/trust", module+"/shared/ofd", module+"/shared/cert"),
		"shared/ses/good_test.go":          file("ses", module+"/shared/ofd"),
		"shared/key/bad.go":                file("key", module+"/shared/jose", module+"/shared/layout"),
		"shared/util/bad.go":               file("util", module+"/shared/key"),
		"shared/layout/bad.go":             file("layout", "github.com/chromedp/chromedp", "github.com/google/uuid"),
		"infra/embedded/good.go":           file("embedded", "go.etcd.io/bbolt", module+"/shared/oidc", module+"/infra/outbound", "os"),
		"infra/embedded/bad.go":            file("embedded", module+"/infra/local", "github.com/aws/aws-lambda-go/events"),
		"infra/local/good.go":              file("main", module+"/infra/embedded", module+"/infra/gateway", module+"/shared/oidc", "net"),
		"infra/local/bad.go":               file("main", module+"/infra/aws", "go.etcd.io/bbolt"),
		"infra/gateway/bad.go":             file("gateway", "html/template", module+"/infra/embedded"),
		"infra/gateway/good.go":            file("gateway", "github.com/aws/aws-lambda-go/events", module+"/shared/problem"),
		"infra/new/bad.go":                 file("new", module+"/shared/key"),
		"functions/oidc-token/main.go":     file("main", module+"/infra/aws", module+"/shared/oidc"),
		"functions/seal-make/main.go":      file("main", module+"/functions/oidc-token", module+"/infra/embedded", "go.etcd.io/bbolt"),
	},
		"shared/oidc/bad.go imports github.com/aws/aws-sdk-go-v2/aws: only [infra/aws infra/e2e] may",
		"shared/oidc/bad.go imports github.com/lestrrat-go/jwx/v2/jwt: only [shared/jose] may",
		"shared/oidc/bad.go imports github.com/yinxin/yinxin/shared/seal: of its own tier shared/oidc may import [audit access page] only",
		"shared/oidc/bad.go imports github.com/yinxin/yinxin/infra/embedded: shared may import [shared] only",
		"shared/oidc/bad.go imports html/template: nothing in shared may",
		"shared/oidc/bad.go imports text/template: nothing in shared may",
		"shared/oidc/bad.go imports net/rpc: nothing in shared may",
		"shared/oidc/bad.go imports os: nothing in shared may",
		"shared/oidc/bad.go imports math/rand: nothing in shared may",
		"shared/oidc/bad.go imports github.com/yinxin/yinxin/shared/registry/registrytest: a contract suite is for tests",
		"shared/oidc/bad_test.go imports github.com/yinxin/yinxin/infra/local: shared may import [shared] only",
		"shared/oidc/bad_test.go imports go.etcd.io/bbolt: only [infra/embedded] may",
		"shared/oidc/bad_test.go imports github.com/aws/aws-sdk-go-v2/aws: only [infra/aws infra/e2e] may",
		"shared/oidc/logout/logout.go imports github.com/yinxin/yinxin/shared/oidc/dpop: parts of one service do not import each other",
		"shared/audit/bad.go imports github.com/yinxin/yinxin/shared/access: of its own tier shared/audit may import [] only",
		"shared/ses/bad.go imports github.com/emmansun/gmsm/sm2: only [shared/sm] may",
		"shared/ses/bad.go imports github.com/yinxin/yinxin/shared/trust: [ses ofd pdf cms cert tsp layout sdjwt statuslist tlog] is below [proof trust verdict]",
		"shared/ses/bad.go imports github.com/yinxin/yinxin/shared/ofd: of its own tier shared/ses may import [cert] only",
		"shared/key/bad.go imports github.com/yinxin/yinxin/shared/jose: of its own tier shared/key may import [sm] only",
		"shared/key/bad.go imports github.com/yinxin/yinxin/shared/layout: [key sm jose ident problem redact] is below [ses ofd pdf cms cert tsp layout sdjwt statuslist tlog]",
		"shared/util/bad.go imports github.com/yinxin/yinxin/shared/key: shared/util or shared/key stands in no tier",
		"shared/layout/bad.go imports github.com/chromedp/chromedp: only tests may",
		"shared/layout/bad.go imports github.com/google/uuid: it is in no line of the table of libraries",
		"infra/embedded/bad.go imports github.com/yinxin/yinxin/infra/local: infra/embedded may import [shared infra/outbound infra/view] only",
		"infra/embedded/bad.go imports github.com/aws/aws-lambda-go/events: only [infra/gateway infra/aws infra/e2e functions] may",
		"infra/local/bad.go imports github.com/yinxin/yinxin/infra/aws: infra/local may import [shared infra/embedded infra/gateway infra/outbound] only",
		"infra/local/bad.go imports go.etcd.io/bbolt: only [infra/embedded] may",
		"infra/gateway/bad.go imports html/template: nothing in infra/gateway may",
		"infra/gateway/bad.go imports github.com/yinxin/yinxin/infra/embedded: infra/gateway may import [shared] only",
		"infra/new/bad.go imports github.com/yinxin/yinxin/shared/key: infra/new is in no layer",
		"functions/seal-make/main.go imports github.com/yinxin/yinxin/functions/oidc-token: functions may import [shared infra/aws] only",
		"functions/seal-make/main.go imports github.com/yinxin/yinxin/infra/embedded: functions may import [shared infra/aws] only",
		"functions/seal-make/main.go imports go.etcd.io/bbolt: only [infra/embedded] may",
	)
}

// world are the names by which a package would have a clock, sockets or randomness of its own.
var world = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"net": {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer", "Listen", "ListenTCP", "ListenPacket",
		"ListenConfig", "LookupHost", "LookupIP", "LookupAddr", "LookupTXT", "Resolver", "DefaultResolver", "Interfaces"},
	"http": {"Get", "Head", "Post", "PostForm", "Client", "DefaultClient", "Transport", "DefaultTransport", "Server", "Serve",
		"ListenAndServe", "ListenAndServeTLS", "DefaultServeMux", "Handle", "HandleFunc", "Dir"},
	"tls":  {"Dial", "Dialer", "Listen"},
	"rand": {"Reader", "Read", "Text"},
}

// ownWorld: shared has no clock, no sockets and no randomness; fields Now and Rand and ports stand for them. Contract
// suites are tests.
func ownWorld(t *testing.T, tr tree) (broken []string) {
	for _, s := range tr.sources(t) {
		if s.test || !under(s.folder(), "shared") || isSuite(s.folder()) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Obj == nil && slices.Contains(world[x.Name], sel.Sel.Name) {
				broken = append(broken, fmt.Sprintf("%s:%d uses %s: shared has no clock, sockets or randomness", s.name,
					s.set.Position(sel.Pos()).Line, selector(sel)))
			}
			return true
		})
	}
	return broken
}

func TestSharedHasNoClockSocketsOrRandomness(t *testing.T) { holds(t, ownWorld) }

func TestAClockASocketOrRandomnessInSharedIsFound(t *testing.T) {
	breaks(t, ownWorld, map[string]string{
		"shared/oidc/bad.go": "package oidc\n\nimport \"time\"\n\nvar now = time.Now\n\nfunc f() { time.Sleep(time.Second) }\n\n" +
			"var c = http.DefaultClient\n\nfunc g() { net.Dial(\"tcp\", \"\") }\n\nvar r = rand.Reader\n",
		"shared/oidc/good.go": "package oidc\n\nimport \"time\"\n\ntype P struct{ Now func() time.Time }\n\n" +
			"func (p P) f() time.Time { return p.Now() }\n\nvar _, _, _ = net.SplitHostPort(\"\")\n\nvar _, _ = rand.Int(p.Rand, max)\n",
		"shared/oidc/good_test.go": "package oidc\n\nimport \"time\"\n\nvar _ = time.Now()\n",
		"infra/local/good.go":      "package main\n\nimport \"time\"\n\nvar _ = time.Now()\n",
	},
		"shared/oidc/bad.go:5 uses time.Now: shared has no clock, sockets or randomness",
		"shared/oidc/bad.go:7 uses time.Sleep: shared has no clock, sockets or randomness",
		"shared/oidc/bad.go:9 uses http.DefaultClient: shared has no clock, sockets or randomness",
		"shared/oidc/bad.go:11 uses net.Dial: shared has no clock, sockets or randomness",
		"shared/oidc/bad.go:13 uses rand.Reader: shared has no clock, sockets or randomness",
	)
}
