package check

import (
	"bufio"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// classes are how much larger than an empty handler of aws-lambda-go, built the same way in the same run, a stripped
// artefact of each class may be. Functions that lay out documents carry fonts: what was recorded is their bound.
var classes = map[string]float64{
	"bare":      1.25, // no AWS SDK
	"api":       2.0,
	"pages":     2.4, // shows the pages of sign-on or of an account
	"documents": 0,
}

const (
	growth = 1.03 // over what was recorded: record more, with the reason in the commit
	gain   = 0.93 // under what was recorded: record less, so that it stays
)

// size is a line of sizes.tsv: a function, its class, and how large it was when it was recorded.
type size struct {
	class string
	ratio float64
}

// recorded reads the ratchet.
func recorded(t *testing.T) map[string]size {
	t.Helper()
	f, err := os.Open("sizes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	found := map[string]size{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 3 {
			t.Fatalf("sizes.tsv: %q is not function, class, ratio", lines.Text())
		}
		ratio, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		found[fields[0]] = size{fields[1], ratio}
	}
	return found
}

// judge says what is wrong with the size of a function.
func judge(name string, known size, ratio float64) (broken []string) {
	limit, ok := classes[known.class]
	switch {
	case !ok:
		broken = append(broken, fmt.Sprintf("%s is of no class %q", name, known.class))
	case limit > 0 && ratio > limit:
		broken = append(broken, fmt.Sprintf("%s is %.3f times an empty handler; its class %s may %.2f", name, ratio, known.class, limit))
	case ratio > known.ratio*growth:
		broken = append(broken, fmt.Sprintf("%s is %.3f times an empty handler; %.3f were recorded", name, ratio, known.ratio))
	case ratio < known.ratio*gain:
		broken = append(broken, fmt.Sprintf("%s is only %.3f times an empty handler; record that in place of %.3f", name, ratio, known.ratio))
	}
	return broken
}

func TestSizesAreJudged(t *testing.T) {
	for _, c := range []struct {
		known size
		ratio float64
		want  string
	}{
		{size{"api", 1.7}, 1.7, ""},
		{size{"api", 1.7}, 1.74, ""},
		{size{"api", 1.7}, 1.8, "x is 1.800 times an empty handler; 1.700 were recorded"},
		{size{"api", 1.99}, 2.01, "x is 2.010 times an empty handler; its class api may 2.00"},
		{size{"bare", 1.3}, 1.3, "x is 1.300 times an empty handler; its class bare may 1.25"},
		{size{"documents", 3.4}, 3.4, ""},
		{size{"documents", 3.4}, 3.6, "x is 3.600 times an empty handler; 3.400 were recorded"},
		{size{"api", 1.7}, 1.5, "x is only 1.500 times an empty handler; record that in place of 1.700"},
		{size{"huge", 1}, 1, `x is of no class "huge"`},
	} {
		if got := strings.Join(judge("x", c.known, c.ratio), "\n"); got != c.want {
			t.Errorf("%v, now %v: %q, want %q", c.known, c.ratio, got, c.want)
		}
	}
}

// TestEveryFunctionHasARecordedSize: the ratchet knows each function, and no other.
func TestEveryFunctionHasARecordedSize(t *testing.T) {
	all, known := mains(repository().sources(t)), recorded(t)
	for name := range all {
		if _, ok := known[name]; !ok {
			t.Errorf("sizes.tsv does not know %s", name)
		}
	}
	for name := range known {
		if _, ok := all[name]; !ok {
			t.Errorf("sizes.tsv knows %s, which is no function", name)
		}
	}
}

// TestArtefacts judges what sam build made, in the directory YINXIN_ARTEFACTS: each a static ELF executable for
// YINXIN_ARCHITECTURE, stripped, built with the tags that keep net/rpc out, and as small as recorded. It builds an empty
// handler the same way to compare with. infra/check/template.sh calls it; elsewhere it has nothing to judge.
func TestArtefacts(t *testing.T) {
	dir, architecture := os.Getenv("YINXIN_ARTEFACTS"), os.Getenv("YINXIN_ARCHITECTURE")
	if dir == "" {
		t.Log("nothing was built: infra/check/template.sh does")
		return
	}
	machine := map[string]elf.Machine{"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64}[architecture]
	arch := map[string]string{"arm64": "arm64", "x86_64": "amd64"}[architecture]
	empty := float64(sizeOf(t, emptyHandler(t, arch)))
	known := recorded(t)
	for name := range mains(repository().sources(t)) {
		file := filepath.Join(dir, camel(name), "bootstrap")
		for _, broken := range executable(file, machine) {
			t.Errorf("%s %s", name, broken)
		}
		ratio := float64(sizeOf(t, file)) / empty
		t.Logf("%-20s %-10s %.3f", name, known[name].class, ratio)
		if architecture != "arm64" {
			continue // the ratchet is of one architecture
		}
		for _, broken := range judge(name, known[name], ratio) {
			t.Error(broken)
		}
	}
}

func sizeOf(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// emptyHandler builds a function that does nothing, in this module so that it has the same versions.
func emptyHandler(t *testing.T, arch string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s", "-buildvcs=false", "-o", out,
		"./testdata/empty")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building an empty handler: %v\n%s", err, text)
	}
	return out
}

// executable says what is wrong with a file that Lambda is to run.
func executable(file string, machine elf.Machine) (broken []string) {
	f, err := elf.Open(file)
	if err != nil {
		return []string{"is no ELF file: " + err.Error()}
	}
	defer func() { _ = f.Close() }() // it was only read
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN || f.Machine != machine {
		broken = append(broken, fmt.Sprintf("is %s for %s, not an executable for %s", f.Type, f.Machine, machine))
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			broken = append(broken, "is not static")
		}
	}
	if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
		broken = append(broken, fmt.Sprintf("needs %v", libraries))
	}
	if f.Section(".symtab") != nil {
		broken = append(broken, "is not stripped")
	}
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return append(broken, "does not say how it was built: "+err.Error())
	}
	said := map[string]string{}
	for _, s := range info.Settings {
		said[s.Key] = s.Value
	}
	for key, want := range map[string]string{"-tags": "lambda.norpc", "-trimpath": "true", "CGO_ENABLED": "0"} {
		if said[key] != want {
			broken = append(broken, fmt.Sprintf("was built with %s=%q, not %q", key, said[key], want))
		}
	}
	return broken
}

// TestNoFunctionReachesATemplateEngineOrRPC: their reflection would keep every method of the AWS SDK in the artefact.
func TestNoFunctionReachesATemplateEngineOrRPC(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-tags=lambda.norpc", "-f",
		"{{.ImportPath}}", "./functions/...")
	list.Dir = "../.."
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 100 {
		t.Fatalf("only %d packages are reached", len(packages))
	}
	for _, bad := range []string{"net/rpc", "html/template", "text/template", "go.etcd.io/bbolt", "expvar", "net/http/pprof"} {
		if slices.Contains(packages, bad) {
			t.Errorf("a function reaches %s", bad)
		}
	}
	for _, one := range packages {
		if strings.HasPrefix(one, module+"/infra/embedded") || strings.HasPrefix(one, module+"/infra/local") {
			t.Errorf("a function reaches %s", one)
		}
	}
}
