package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/yinxin/yinxin"

// tree is a repository: this one, or one made to break a rule.
type tree struct{ fs.FS }

func repository() tree { return tree{os.DirFS("../..")} }

// made is a tree of files by path.
func made(files map[string]string) tree {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree{m}
}

// rule returns what breaks it.
type rule func(t *testing.T, tr tree) []string

// holds asserts a rule on this repository.
func holds(t *testing.T, r rule) {
	t.Helper()
	for _, broken := range r(t, repository()) {
		t.Error(broken)
	}
}

// breaks asserts that a rule returns exactly want for a made tree.
func breaks(t *testing.T, r rule, files map[string]string, want ...string) {
	t.Helper()
	got := r(t, made(files))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("broken:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// files calls f for every file whose name ends in one of suffixes; what git ignores, and hidden folders, are left out.
func (tr tree) files(t *testing.T, f func(name string, data []byte), suffixes ...string) {
	t.Helper()
	n := 0
	err := fs.WalkDir(tr, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			if base == "node_modules" || base == "testdata" || base == "out" || base != "." && strings.HasPrefix(base, ".") {
				return fs.SkipDir
			}
			return nil
		}
		for _, s := range suffixes {
			if strings.HasSuffix(base, s) {
				data, err := fs.ReadFile(tr, name)
				if err != nil {
					return err
				}
				n++
				f(name, data)
				return nil
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Fatalf("no file ends in %v", suffixes)
	}
}

// source is one Go file.
type source struct {
	name string // path
	test bool
	file *ast.File
	set  *token.FileSet
}

func (s source) folder() string { return path.Dir(s.name) }

// sources parses every Go file.
func (tr tree) sources(t *testing.T) []source {
	t.Helper()
	var list []source
	tr.files(t, func(name string, data []byte) {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, data, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, source{name: name, test: strings.HasSuffix(name, "_test.go"), file: file, set: set})
	}, ".go")
	return list
}

// under tells whether folder is dir or inside it.
func under(folder, dir string) bool { return folder == dir || strings.HasPrefix(folder, dir+"/") }

// service returns the first folder inside shared, or "".
func service(folder string) string {
	rest, ok := strings.CutPrefix(folder, "shared/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}
