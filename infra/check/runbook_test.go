package check

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"io/fs"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The runbook of infra/README.md: what its commands name is there, its tables hold every parameter and every alarm.

const runbookFile = "infra/README.md"

var (
	shellBlock   = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	hereDocument = regexp.MustCompile(`(?ms)<<'JSON'\n(.*?)^JSON$`)
	namedLambda  = regexp.MustCompile(`\$STACK-([a-z-]+[a-z])|\binvoke ([a-z][a-z-]+)`)
	namedOutput  = regexp.MustCompile(`\boutput ([A-Za-z]+)`)
	namedPhysic  = regexp.MustCompile(`\bphysical ([A-Za-z]+)`)
	overridden   = regexp.MustCompile(`(?s)--parameter-overrides[ \\\n]+(.*?)(?:\n\S|\z)`)
	assigned     = regexp.MustCompile(`(?:^|[\s\\])([A-Z][A-Za-z]+)=`)
	namedPath    = regexp.MustCompile(`(?:^|[\s"./])((?:infra|functions|shared)/[A-Za-z0-9_./-]+|\.ci/[a-z]+|template\.yaml)`)
	ownFlag      = regexp.MustCompile(`go (?:run|test) (?:\S+ )*?\./(\S+)((?: -[a-z-]+(?:[ =]\S+)?)*)`)
	tableCell    = regexp.MustCompile("(?m)^\\| ((?:`[^`]+`(?:, )?)+) \\|")
	quotedName   = regexp.MustCompile("`([^`]+)`")
)

func runbook(t *testing.T, tr tree) (broken []string) {
	data, err := fs.ReadFile(tr, runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	text, tm := string(data), readTemplate(t, tr)
	say := func(format string, args ...any) {
		broken = append(broken, runbookFile+": "+fmt.Sprintf(format, args...))
	}
	functions, resources := tm.functions(), keys(at(tm.Node, "Resources"))
	outputs, parameters := keys(at(tm.Node, "Outputs")), keys(at(tm.Node, "Parameters"))
	for _, m := range shellBlock.FindAllStringSubmatch(text, -1) {
		block := m[1]
		for _, json := range hereDocument.FindAllStringSubmatch(block, -1) {
			if !validJSON(json[1]) {
				say("no JSON: %.60s", json[1])
			}
		}
		for _, n := range namedLambda.FindAllStringSubmatch(block, -1) {
			if name := n[1] + n[2]; functions[name].Node == nil {
				say("there is no function %s", name)
			}
		}
		for _, n := range namedOutput.FindAllStringSubmatch(block, -1) {
			if !slices.Contains(outputs, n[1]) && n[1] != "text" {
				say("the template has no output %s", n[1])
			}
		}
		for _, n := range namedPhysic.FindAllStringSubmatch(block, -1) {
			if !slices.Contains(resources, n[1]) {
				say("the template has no resource %s", n[1])
			}
		}
		for _, o := range overridden.FindAllStringSubmatch(block, -1) {
			for _, n := range assigned.FindAllStringSubmatch(" "+o[1], -1) {
				if !slices.Contains(parameters, n[1]) {
					say("the template has no parameter %s", n[1])
				}
			}
		}
		for _, n := range namedPath.FindAllStringSubmatch(block, -1) {
			name := strings.TrimSuffix(strings.TrimSuffix(n[1], "..."), "/")
			if _, err := fs.Stat(tr, name); err != nil {
				say("there is no %s", name)
			}
		}
		for _, n := range ownFlag.FindAllStringSubmatch(block, -1) {
			for flag := range strings.FieldsSeq(n[2]) {
				if name, ok := strings.CutPrefix(flag, "-"); ok && !declares(t, tr, strings.TrimSuffix(n[1], "/..."), name) {
					say("%s has no flag -%s", n[1], name)
				}
			}
		}
	}
	named := map[string]bool{} // what stands at the beginning of a line of a table
	for _, cell := range tableCell.FindAllStringSubmatch(text, -1) {
		for _, n := range quotedName.FindAllStringSubmatch(cell[1], -1) {
			named[n[1]] = true
		}
	}
	for _, p := range parameters {
		if !named[p] {
			say("no table says what the parameter %s decides", p)
		}
	}
	for _, a := range tm.resources("AWS::CloudWatch::Alarm") {
		found := named[a.name]
		for n := range named {
			end, ok := strings.CutPrefix(n, "…")
			found = found || ok && strings.HasSuffix(a.name, end)
		}
		if !found {
			say("no table says what the alarm %s means", a.name)
		}
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

// declares tells whether a folder's sources, or Go's own tools, know a flag.
func declares(t *testing.T, tr tree, folder, name string) bool {
	name, _, _ = strings.Cut(name, "=")
	if slices.Contains([]string{"run", "v", "count", "race", "timeout", "bench"}, name) {
		return true
	}
	for _, s := range tr.sources(t) {
		data, err := fs.ReadFile(tr, s.name)
		if err == nil && s.folder() == folder && regexp.MustCompile(`\.(?:String|Bool|Int|Duration)(?:Var)?\([^)\n]*"`+regexp.QuoteMeta(name)+`"`).Match(data) {
			return true
		}
	}
	return false
}

func TestTheRunbookNamesWhatIsThere(t *testing.T) { holds(t, runbook) }

// A block that the shell cannot read is not a step that can be copied.
func TestTheShellReadsTheRunbook(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	data, err := fs.ReadFile(repository(), runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllStringSubmatch(string(data), -1)
	if len(blocks) < 10 {
		t.Fatalf("only %d blocks", len(blocks))
	}
	for _, m := range blocks {
		check := exec.CommandContext(t.Context(), shell, "-n")
		check.Stdin = strings.NewReader(m[1])
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, m[1])
		}
	}
}

func validJSON(text string) bool { return json.Valid([]byte(text)) }

func TestARunbookThatDiffersIsFound(t *testing.T) {
	finds(t, func(t *testing.T, tr tree) []string {
		return slices.DeleteFunc(runbook(t, tr), func(s string) bool {
			return strings.Contains(s, "there is no infra/") || strings.Contains(s, "no flag")
		})
	},
		spoilt{runbookFile, "invoke registry-seed seed.json", "invoke registry-seeds seed.json", []string{runbookFile + ": there is no function registry-seeds"}},
		spoilt{runbookFile, "$(output SecretKey)", "$(output SecretKeys)", []string{runbookFile + ": the template has no output SecretKeys"}},
		spoilt{runbookFile, "physical SealKey", "physical SealsKeys", []string{runbookFile + ": the template has no resource SealsKeys"}},
		spoilt{runbookFile, "overrides DomainName=", "overrides DomainNames=", []string{runbookFile + ": the template has no parameter DomainNames"}},
		spoilt{runbookFile, "| `StampsMissing` |", "| StampsMissing |", []string{runbookFile + ": no table says what the alarm StampsMissing means"}},
		spoilt{runbookFile, "| `DataClass` |", "| DataClass |", []string{runbookFile + ": no table says what the parameter DataClass decides"}},
		spoilt{runbookFile, `{"keyId": "kid-of-the-token-key"}`, `{"keyId": kid}`, []string{runbookFile + ": no JSON: {\"keyId\": kid}\n"}},
	)
}

var namedTest = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]+)`")

// namedTests: what a page about operations claims by a test, a test of that name shows.
func namedTests(t *testing.T, tr tree) (broken []string) {
	there := map[string]bool{}
	for _, s := range tr.sources(t) {
		if !s.test {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				there[f.Name.Name] = true
			}
		}
	}
	for _, page := range []string{"infra/COMPLIANCE.md", runbookFile, "infra/aws/README.md", "functions/README.md"} {
		data, err := fs.ReadFile(tr, page)
		if err != nil {
			broken = append(broken, page+" is missing")
			continue
		}
		for _, m := range namedTest.FindAllStringSubmatch(string(data), -1) {
			if !there[m[1]] {
				broken = append(broken, fmt.Sprintf("%s: there is no test %s", page, m[1]))
			}
		}
	}
	return broken
}

func TestEveryTestThatIsNamedIsThere(t *testing.T) { holds(t, namedTests) }

func TestATestThatIsNotThereIsFound(t *testing.T) {
	breaks(t, namedTests, map[string]string{
		"infra/COMPLIANCE.md":     "shown by `TestOne`, `TestTwo` and `FuzzThree`\n",
		"infra/README.md":         "",
		"infra/aws/README.md":     "`TestOne`",
		"shared/a/a_test.go":      "package a\n\nfunc TestOne() {}\n\nfunc (x) TestTwo() {}\n",
		"shared/a/notatest.go":    "package a\n\nfunc FuzzThree() {}\n",
		"functions/nothing/no.go": "package main\n",
	},
		"functions/README.md is missing",
		"infra/COMPLIANCE.md: there is no test FuzzThree",
		"infra/COMPLIANCE.md: there is no test TestTwo",
	)
}
