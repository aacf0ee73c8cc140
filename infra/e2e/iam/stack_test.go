package iam

import (
	"os"
	"strings"
	"testing"
)

func load(t *testing.T, names Names) *Stack {
	t.Helper()
	data, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if names.Parameters == nil {
		names.Parameters = map[string]string{"DomainName": "yinxin.example"}
	}
	s, err := Load(data, names)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheTemplateIsUnderstood(t *testing.T) {
	for _, partition := range []string{"aws", "aws-cn"} {
		s := load(t, Names{Partition: partition})
		if len(s.Permissions()) < 150 {
			t.Errorf("%d permissions:\n%s", len(s.Permissions()), strings.Join(s.Permissions(), "\n"))
		}

	}
}
