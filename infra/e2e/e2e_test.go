package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// root is the checkout.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// engines are where moto serves; without them a test is skipped, unless YINXIN_REQUIRE_TOOLS is set.
func engines(t testing.TB) Endpoints {
	t.Helper()
	e := Endpoints{DynamoDB: os.Getenv("DYNAMODB_ENDPOINT"), S3: os.Getenv("S3_ENDPOINT"), SQS: os.Getenv("SQS_ENDPOINT")}
	if e.DynamoDB == "" || e.S3 == "" || e.SQS == "" {
		const needs = "needs DYNAMODB_ENDPOINT, S3_ENDPOINT and SQS_ENDPOINT: python3 infra/aws/moto.py -- go test ./infra/e2e"
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatal(needs)
		}
		t.Skip(needs)
	}
	return e
}

// bootstraps builds the functions once for all tests of a run, localProgram infra/local.
var (
	bootstraps = sync.OnceValues(func() (string, error) {
		root, dir, err := folders()
		if err != nil {
			return "", err
		}
		return dir, Build(context.Background(), root, dir)
	})
	localProgram = sync.OnceValues(func() (string, error) {
		root, dir, err := folders()
		if err != nil {
			return "", err
		}
		program := filepath.Join(dir, "local")
		return program, BuildLocal(context.Background(), root, program)
	})
)

// folders is the checkout, and a new folder that TestMain removes.
func folders() (root, dir string, err error) {
	if root, err = filepath.Abs("../.."); err != nil {
		return "", "", err
	}
	dir, err = os.MkdirTemp("", "yinxin-bootstraps-"+strconv.Itoa(os.Getpid())+"-")
	return root, dir, err
}

func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		bootstrapOfTests()
	}
	code := m.Run()
	if folders, err := filepath.Glob(filepath.Join(os.TempDir(), "yinxin-bootstraps-"+strconv.Itoa(os.Getpid())+"-*")); err == nil {
		for _, f := range folders {
			_ = os.RemoveAll(f) // it is in the folder for what is temporary
		}
	}
	os.Exit(code)
}

func deploy(t testing.TB, change func(*AWSOptions)) *AWS {
	t.Helper()
	o := AWSOptions{Root: root(t), Dir: t.TempDir(), Engines: engines(t)}
	var err error
	if o.Bootstraps, err = bootstraps(); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := Deploy(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// playAll plays every script, and returns what it answered, by script.
func playAll(t *testing.T, b Backend) map[string][]string {
	t.Helper()
	scripts, err := readScripts("testdata")
	if err != nil {
		t.Fatal(err)
	}
	transcripts, hidden := map[string][]string{}, map[string]string{}
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			p, err := run(t.Context(), b, s)
			if p != nil {
				transcripts[s.name] = p.transcript
				for value, what := range p.secrets {
					hidden[value] = what
				}
				for _, line := range p.skipped {
					t.Logf("skipped on %s: %s", b.Name(), line)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("nothing that is secret or personal is in a log", func(t *testing.T) {
		if b.Name() == "url" {
			t.Skip("needs the logs, which are in CloudWatch")
		}
		nothingLeaks(t, b.Logs(), hidden)
	})
	return transcripts
}

func nothingLeaks(t *testing.T, log []LogLine, hidden map[string]string) {
	t.Helper()
	for _, found := range leaks(log, hidden) {
		t.Error(found)
	}
}

// leaks are the lines that hold what no log may, each with what it is.
func leaks(log []LogLine, hidden map[string]string) (found []string) {
	for _, l := range log {
		for value, what := range hidden {
			if strings.Contains(l.Text, value) {
				found = append(found, fmt.Sprintf("%s logs %s: %.500s", l.Function, what, l.Text))
			}
		}
	}
	return found
}

func local(t *testing.T) *Local {
	t.Helper()
	program, err := localProgram()
	if err != nil {
		t.Fatal(err)
	}
	l, err := StartLocal(t.Context(), root(t), program, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// TestScripts plays every script on infra/local and, where the engines of AWS are there, on the bootstraps; both have to
// answer alike.
func TestScripts(t *testing.T) {
	if *address != "" {
		t.Skip("-url is given")
	}
	var onLocal, onAWS map[string][]string
	t.Run("local", func(t *testing.T) { onLocal = playAll(t, local(t)) })
	t.Run("bootstraps", func(t *testing.T) {
		s := deploy(t, nil)
		onAWS = playAll(t, s)
		dead, err := s.Dead(t.Context())
		if err != nil {
			t.Error(err)
		}
		for _, m := range dead {
			t.Error("nobody could take", m)
		}
		for _, r := range s.Gate.Refusals() {
			t.Error("no function asks for what its role may not do:", r)
		}
		t.Run("every permission is needed", func(t *testing.T) { permitted(t, s.Gate) })
		if t.Failed() {
			for _, l := range s.Logs() {
				if strings.Contains(l.Text, `"ERROR"`) {
					t.Logf("%s %.1000s", l.Function, l.Text)
				}
			}
		}
	})
	for name, lines := range onAWS {
		alike(t, name, onLocal[name], lines)
	}
}

// alike compares what two backends answered.
func alike(t *testing.T, name string, local, aws []string) {
	t.Helper()
	for i := range max(len(local), len(aws)) {
		var l, a string
		if i < len(local) {
			l = local[i]
		}
		if i < len(aws) {
			a = aws[i]
		}
		if l != a {
			t.Errorf("%s: infra/local and the bootstraps differ\n\tlocal: %s\n\taws:   %s", name, l, a)
			return
		}
	}
}

// TestScriptsOnADeployedStack plays the scripts against -url, which was founded with the file of -seed.
func TestScriptsOnADeployedStack(t *testing.T) {
	if *address == "" {
		return // it is not asked for: no tool is missing
	}
	seed, err := os.ReadFile(*seedFile)
	if err != nil {
		t.Fatal("-seed:", err)
	}
	playAll(t, Deployed{base: strings.TrimSuffix(*address, "/"), seed: seed})
}

var (
	address  = flag.String("url", "", "play the scripts against the deployed stack of this `issuer`")
	seedFile = flag.String("seed", "", "`file` that the stack of -url was seeded with")
)
