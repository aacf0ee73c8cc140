package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const output = `goos: linux
goarch: amd64
pkg: github.com/yinxin/yinxin/shared/sample
cpu: Some CPU
BenchmarkThing/whole_job-2         	     100	     30000 ns/op	    2000 B/op	      20 allocs/op
BenchmarkThing/whole_job-2         	     100	     90000 ns/op	    2000 B/op	      20 allocs/op
BenchmarkThing/whole_job-2         	     100	     20000 ns/op	 100.00 MB/s	    1500 B/op	      10 allocs/op
BenchmarkThing/bare-2              	     100	      5000 ns/op	       0 B/op	       0 allocs/op
PASS
ok  	github.com/yinxin/yinxin/shared/sample	1.0s
pkg: github.com/yinxin/yinxin/infra/sample
BenchmarkBare                      	     100	     10000 ns/op	       0 B/op	       0 allocs/op
PASS
`

var table = []section{{"Samples", []row{{"a thing", bench{"shared/sample", "Thing/whole job"}, []part{
	{2, "bare", bench{"shared/sample", "Thing/bare"}}, {1, "bare elsewhere", bench{"infra/sample", "Bare"}},
}}}}}

func TestARatioIsTheFastestOverWhatTheOperationContains(t *testing.T) {
	r, err := read(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := r.write(&b, table, "2026-11-22", "abc"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Results of 2026-11-22", "Commit abc, on Some CPU.", "## Samples",
		"| a thing | 20 µs | 2 × bare; bare elsewhere | 20 µs | 1.0 | 2 kB | 10 |\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s lacks %q", b.String(), want)
		}
	}
}

func TestWhatWasNotMeasuredIsNoRow(t *testing.T) {
	r, err := read(strings.NewReader(strings.ReplaceAll(output, "BenchmarkBare ", "BenchmarkOther ")))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.write(&strings.Builder{}, table, "", ""); err == nil || !strings.Contains(err.Error(), `infra/sample has no benchmark "Bare"`) {
		t.Errorf("write = %v", err)
	}
	for _, bad := range []string{"--- FAIL: BenchmarkThing\n", "FAIL\tgithub.com/yinxin/yinxin/shared/sample\t1s\n",
		"BenchmarkThing 100 many ns/op\n", "BenchmarkThing 100 0 ns/op\n"} {
		if _, err := read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestThePlanNamesEachBenchmarkOnce(t *testing.T) {
	if got, want := plan(table), "infra/sample\t^Benchmark(Bare)$\nshared/sample\t^Benchmark(Thing)$\n"; got != want {
		t.Errorf("plan = %q, want %q", got, want)
	}
}

// Every benchmark of the table is in the tests of its package, so that run.sh does not fail after a rename.
func TestTheBenchmarksOfTheTableExist(t *testing.T) {
	code := map[string]string{}
	exists := func(b bench) {
		if _, read := code[b.folder]; !read {
			files, err := filepath.Glob("../../" + b.folder + "/*_test.go")
			if err != nil || len(files) == 0 {
				t.Fatalf("%s has tests %v, %v", b.folder, files, err)
			}
			for _, f := range files {
				data, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				code[b.folder] += string(data)
			}
		}
		top, sub, _ := strings.Cut(b.name, "/")
		named := strings.Contains(code[b.folder], `"`+sub+`"`) || sub == "" || strings.HasPrefix(sub, "bare ") // "bare " + algorithm
		if !strings.Contains(code[b.folder], "func Benchmark"+top+"(") || !named {
			t.Errorf("%s has no benchmark %s", b.folder, b.name)
		}
	}
	for _, s := range sections {
		for _, r := range s.rows {
			exists(r.measured)
			for _, p := range r.bare {
				exists(p.bench)
			}
		}
	}
}
