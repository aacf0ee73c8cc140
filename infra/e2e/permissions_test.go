package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/yinxin/yinxin/infra/e2e/iam"
)

// permitted holds a run of all scripts to the policies of the template: every permission was needed, but for those that
// testdata/unused.tsv gives a reason for, none of which may have been.
func permitted(t *testing.T, g *iam.Gate) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "unused.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	excused, err := iam.Excuses(string(data))
	if err != nil {
		t.Fatal("testdata/unused.tsv:", err)
	}
	unused, stale := g.Stack.Unused(excused)
	for _, p := range unused {
		t.Errorf("no script needs %s: take it away, or give a reason in testdata/unused.tsv", p)
	}
	for _, p := range stale {
		t.Errorf("testdata/unused.tsv excuses %s, which is used, or is no permission", p)
	}
	t.Logf("%d of %d permissions were used", len(g.Stack.Permissions())-len(unused)-len(excused)+len(stale), len(g.Stack.Permissions()))
}
