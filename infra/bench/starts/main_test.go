package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTheTableHasRatiosOfMedians(t *testing.T) {
	ms := func(list ...int) (d []time.Duration) {
		for _, n := range list {
			d = append(d, time.Duration(n)*time.Millisecond)
		}
		return d
	}
	all := map[string]*times{empty: {warm: ms(2, 90, 1), cold: ms(4, 4, 4)},
		"quick": {warm: ms(3, 3, 3), cold: ms(4, 5, 6)}, "slow": {warm: ms(80, 5, 1), cold: ms(10, 12, 11), calls: 2, sent: 30, got: 40}}
	for cold, want := range map[bool][]string{
		true:  {"put out of the page cache", "| slow | 2.50 | 2.75 | 2 | 30 | 40 |\n| quick | 1.50 | 1.25 | 0 | 0 | 0 |\n| empty | 1.00 | 1.00 |"},
		false: {"no cold starts", "| slow | 2.50 | - |"},
	} {
		var b strings.Builder
		if err := write(&b, []string{"quick", "slow"}, all, 3, cold); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s lacks %q", b.String(), w)
			}
		}
	}
}

// Every variable that a function may read is there, so that a start does not fail for want of one.
func TestTheEnvironmentIsWhole(t *testing.T) {
	files, err := filepath.Glob("../../aws/env*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code []byte
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		part, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		code = append(code, part...)
	}
	names := regexp.MustCompile(`(?:variable\(|custody\([\w.]+, )"([A-Z_]+)"`).FindAllStringSubmatch(string(code), -1)
	if len(names) < 20 {
		t.Errorf("only %d variables were found", len(names))
	}
	env := (&canned{address: "http://127.0.0.1:1"}).environment()
	for _, n := range names {
		if env[n[1]] == "" {
			t.Errorf("there is no %s", n[1])
		}
	}
}
