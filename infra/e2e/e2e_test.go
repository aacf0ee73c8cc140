package e2e

import (
	"context"
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

// bootstraps builds the functions once for all tests of a run.
var bootstraps = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "yinxin-bootstraps-"+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	return dir, Build(context.Background(), root, dir)
})

func TestMain(m *testing.M) {
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

func TestDeploy(t *testing.T) {
	s := deploy(t, nil)
	for _, l := range s.Logs() {
		t.Log(l.Function, l.Text)
	}
}

// played are the transcripts of the backends of this run, by script.
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
	t.Run("nothing that is secret or personal is in a log", func(t *testing.T) { nothingLeaks(t, b.Logs(), hidden) })
	return transcripts
}

func nothingLeaks(t *testing.T, log []LogLine, hidden map[string]string) {
	t.Helper()
	for _, l := range log {
		for value, what := range hidden {
			if strings.Contains(l.Text, value) {
				t.Errorf("%s logs %s: %.500s", l.Function, what, l.Text)
			}
		}
	}
}

func local(t *testing.T) *Local {
	t.Helper()
	l, err := StartLocal(t.Context(), root(t), t.TempDir())
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

func TestScriptsOnLocal(t *testing.T) { playAll(t, local(t)) }

func TestScriptsOnBootstraps(t *testing.T) {
	s := deploy(t, nil)
	playAll(t, s)
	if t.Failed() {
		for _, l := range s.Logs() {
			if strings.Contains(l.Text, `"ERROR"`) {
				t.Log(l.Function, l.Text)
			}
		}
	}
}
