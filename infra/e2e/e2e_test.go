package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
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
