package aws_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/yinxin/yinxin/infra/aws"
)

// TestThePortsTakeTheirRights holds the list of rights, which the policies are made from, to what is sent.
func TestThePortsTakeTheirRights(t *testing.T) {
	type right struct{ port, table, index, prefix, action string }
	taken := map[right]bool{}
	for _, c := range calls() {
		db, w := scripted(t, c.script...)
		if err := c.do(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		for _, port := range strings.Fields(c.ports) {
			for _, s := range w.sent {
				index, _ := s.body["IndexName"].(string)
				table, _ := s.body["TableName"].(string)
				taken[right{port, strings.TrimPrefix(table, "t-"), index, prefixOf(s.body), s.op}] = true
			}
		}
	}
	given := map[right]bool{}
	for _, r := range aws.Rights() {
		for _, action := range r.Actions {
			given[right{r.Port, r.Table, r.Index, r.Prefix, action}] = true
		}
	}
	for r := range taken {
		if !given[r] {
			t.Errorf("%s sends %s to %s* of %s %s and has no right to", r.port, r.action, r.prefix, r.table, r.index)
		}
	}
	for r := range given {
		if !taken[r] {
			t.Errorf("%s has the right to send %s to %s* of %s %s and never does", r.port, r.action, r.prefix, r.table, r.index)
		}
	}
}

// prefixOf is the prefix of the partition key of a request.
func prefixOf(body map[string]any) string {
	for _, path := range [][]string{{"Key", "pk", "S"}, {"Item", "pk", "S"}, {"ExpressionAttributeValues", ":partition", "S"}} {
		var at any = body
		for _, p := range path {
			m, _ := at.(map[string]any)
			at = m[p]
		}
		if s, ok := at.(string); ok {
			return s[:strings.IndexByte(s, '#')+1]
		}
	}
	return ""
}

// TestTheReadmeListsEveryPrefix holds the tables of README.md to the list of rights.
func TestTheReadmeListsEveryPrefix(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(readme)) {
		table, rest, found := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !found {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-z]+#)`").FindAllStringSubmatch(rest, -1) {
			listed[table+" "+m[1]] = true
		}
	}
	for _, r := range aws.Rights() {
		if !listed[r.Table+" "+r.Prefix] {
			t.Errorf("README.md does not list the prefix %s of %s", r.Prefix, r.Table)
		}
	}
}
