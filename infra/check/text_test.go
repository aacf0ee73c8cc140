package check

import (
	"fmt"
	"go/ast"
	"go/format"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// comments: every package says what it is, in one file.
func comments(t *testing.T, tr tree) (broken []string) {
	begins := map[string][]string{} // folder → files with a package comment
	for _, s := range tr.sources(t) {
		if s.test {
			continue
		}
		if _, ok := begins[s.folder()]; !ok {
			begins[s.folder()] = nil
		}
		if s.file.Doc == nil {
			continue
		}
		begins[s.folder()] = append(begins[s.folder()], s.name)
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command " + path.Base(s.folder()) + " "
		}
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			broken = append(broken, fmt.Sprintf("%s: its comment does not begin with %q", s.name, want))
		}
	}
	for folder, files := range begins {
		switch {
		case len(files) == 0:
			broken = append(broken, folder+" has no package comment")
		case len(files) > 1:
			slices.Sort(files)
			broken = append(broken, fmt.Sprintf("%s has package comments in %v", folder, files))
		}
	}
	return broken
}

func TestEveryPackageHasAComment(t *testing.T) { holds(t, comments) }

func TestAMissingPackageCommentIsFound(t *testing.T) {
	breaks(t, comments, map[string]string{
		"shared/a/a.go":           "// Package a is good.\npackage a\n",
		"shared/a/b.go":           "package a\n",
		"shared/b/b.go":           "package b\n",
		"shared/b/b_test.go":      "// Package b has its comment in a test.\npackage b\n",
		"shared/c/c.go":           "// Something else.\npackage c\n",
		"shared/d/d.go":           "// Package d is here.\npackage d\n",
		"shared/d/e.go":           "// Package d is there.\npackage d\n",
		"functions/f/main.go":     "// Command f is good.\npackage main\n",
		"functions/other/main.go": "// Command f is a copy.\npackage main\n",
	},
		"shared/b has no package comment",
		`shared/c/c.go: its comment does not begin with "Package c "`,
		"shared/d has package comments in [shared/d/d.go shared/d/e.go]",
		`functions/other/main.go: its comment does not begin with "Command other "`,
	)
}

// unfinished are the words of work that is not done. The test that defines them is not read.
var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b|(?i)\b(stubs?|stubbed|placeholders?|lorem|not (yet )?implemented|unimplemented)\b`)

func words(t *testing.T, tr tree) (broken []string) {
	tr.files(t, func(name string, data []byte) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		for i, line := range strings.Split(string(data), "\n") {
			if w := unfinished.FindString(line); w != "" {
				broken = append(broken, fmt.Sprintf("%s:%d says %q", name, i+1, w))
			}
		}
	}, ".go")
	return broken
}

func TestNothingIsLeftUnfinished(t *testing.T) { holds(t, words) }

func TestUnfinishedWorkIsFound(t *testing.T) {
	breaks(t, words, map[string]string{
		"a.go":      "package a\n\n// TODO: later\nvar a = \"not implemented\"\n\nfunc stub() {} // FIXME\n// Placeholder text\n// lorem ipsum XXX\n",
		"b.go":      "package a\n\n// Stubborn todolists are fine: todo, implemented, placeholding.\n",
		"a_test.go": "package a\n\n// TODO is a word in tests.\n",
	},
		`a.go:3 says "TODO"`, `a.go:4 says "not implemented"`, `a.go:6 says "stub"`, `a.go:7 says "Placeholder"`, `a.go:8 says "lorem"`,
	)
}

// formatted: gofmt changes nothing.
func formatted(t *testing.T, tr tree) (broken []string) {
	tr.files(t, func(name string, data []byte) {
		if good, err := format.Source(data); err != nil {
			broken = append(broken, fmt.Sprintf("%s is not Go: %v", name, err))
		} else if string(good) != string(data) {
			broken = append(broken, name+" is not formatted by gofmt")
		}
	}, ".go")
	return broken
}

func TestEveryFileIsFormatted(t *testing.T) { holds(t, formatted) }

func TestUnformattedGoIsFound(t *testing.T) {
	breaks(t, formatted, map[string]string{
		"a.go": "package a\n\nvar x = 1\n",
		"b.go": "package a\nvar   y = 1\n",
		"c.go": "package a\n\nvar z =\n",
	}, "b.go is not formatted by gofmt", "c.go is not Go: 3:9: expected operand, found 'EOF'")
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+(?:\([^()\s]*\))?)\)`)
	fence   = regexp.MustCompile("(?ms)^[ \t]*(```|~~~).*?^[ \t]*(```|~~~)[ \t]*$")
	inline  = regexp.MustCompile("`[^`\n]*`")
	scheme  = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
)

// links: what Markdown refers to inside the repository is there, also the heading behind a #.
func links(t *testing.T, tr tree) (broken []string) {
	tr.files(t, func(name string, data []byte) {
		text := inline.ReplaceAllString(fence.ReplaceAllString(string(data), ""), "`x`")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if scheme.MatchString(m[1]) {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := path.Join(path.Dir(name), file)
			if file == "" {
				target = name
			}
			if _, err := fs.Stat(tr, target); err != nil {
				broken = append(broken, fmt.Sprintf("%s links to %s, which is not there", name, m[1]))
				continue
			}
			if anchor != "" && strings.HasSuffix(target, ".md") && !hasHeading(t, tr, target, anchor) {
				broken = append(broken, fmt.Sprintf("%s links to %s: no such heading", name, m[1]))
			}
		}
	}, ".md")
	return broken
}

// hasHeading slugs headings as GitHub does: lower case, punctuation gone, spaces to hyphens.
func hasHeading(t *testing.T, tr tree, file, anchor string) bool {
	data, err := fs.ReadFile(tr, file)
	if err != nil {
		t.Fatal(err)
	}
	gone := regexp.MustCompile(`[^\p{L}\p{N}\p{M}_ -]`)
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(string(data), ""), -1) {
		if slug := strings.ReplaceAll(gone.ReplaceAllString(strings.ToLower(strings.TrimSpace(m[1])), ""), " ", "-"); slug == anchor {
			return true
		}
	}
	return false
}

func TestLinksResolve(t *testing.T) { holds(t, links) }

func TestADeadLinkIsFound(t *testing.T) {
	breaks(t, links, map[string]string{
		"README.md": "# 印信 Yinxin\n[a](shared/README.md) [b](missing.md) [c](https://example.test/x) [d](#印信-yinxin) [e](#none)\n" +
			"```\n[x](never.md)\n```\n`[y](never.md)` [f](shared) ![g](gone.png)",
		"shared/README.md": "## Who may import whom?\n[up](../README.md#印信-yinxin) [here](#who-may-import-whom) [out](../../x.md)",
	},
		"README.md links to missing.md, which is not there",
		"README.md links to #none: no such heading",
		"README.md links to gone.png, which is not there",
		"shared/README.md links to ../../x.md, which is not there",
	)
}

// vague are names that say nothing about what is inside.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "models", "core", "base", "pkg", "domain", "service",
	"manager", "misc", "lib", "shared", "errors", "log"}

// names: packages are nouns of the domain, and nothing runs before main.
func names(t *testing.T, tr tree) (broken []string) {
	for _, s := range tr.sources(t) {
		if slices.Contains(vague, s.file.Name.Name) {
			broken = append(broken, fmt.Sprintf("%s: package %s says nothing", s.name, s.file.Name.Name))
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				broken = append(broken, s.name+" has an init function")
			}
		}
	}
	return broken
}

func TestNamesSaySomething(t *testing.T) { holds(t, names) }

func TestVagueNamesAndInitAreFound(t *testing.T) {
	breaks(t, names, map[string]string{
		"shared/util/a.go": "package util\n",
		"shared/seal/a.go": "package seal\n\nfunc init() {}\n\ntype t struct{}\n\nfunc (t) init() {}\n",
	}, "shared/util/a.go: package util says nothing", "shared/seal/a.go has an init function")
}
