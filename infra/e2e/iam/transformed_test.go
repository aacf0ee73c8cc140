package iam

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRolesAreWhatSAMMakes compares the roles that Load makes with those of SAM's own translator, in the directory
// YINXIN_TRANSFORMED: the path, the boundary, the managed policies by name, the actions and conditions of the others.
// infra/check/template.sh calls it; elsewhere it has nothing to compare with.
func TestRolesAreWhatSAMMakes(t *testing.T) {
	dir := os.Getenv("YINXIN_TRANSFORMED")
	if dir == "" {
		t.Log("nothing was transformed: infra/check/template.sh does")
		return
	}
	for _, partition := range []string{"aws", "aws-cn"} {
		data, err := os.ReadFile(filepath.Join(dir, partition+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var template struct {
			Resources map[string]struct {
				Type       string
				Properties json.RawMessage
			}
		}
		if err := json.Unmarshal(data, &template); err != nil {
			t.Fatal(err)
		}
		s := load(t, Names{Partition: partition})
		for _, name := range s.Roles() {
			logical := ""
			for part := range strings.SplitSeq(name, "-") {
				logical += strings.ToUpper(part[:1]) + part[1:]
			}
			compareRole(t, s, name, template.Resources[logical+"Role"].Properties)
		}
	}
}

func compareRole(t *testing.T, s *Stack, name string, properties json.RawMessage) {
	t.Helper()
	var made struct {
		Path struct {
			Sub string `json:"Fn::Sub"`
		}
		PermissionsBoundary struct{ Ref string }
		ManagedPolicyArns   []string
		Policies            []struct {
			PolicyDocument struct{ Statement json.RawMessage }
		}
	}
	if err := json.Unmarshal(properties, &made); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if rolePath := strings.ReplaceAll(made.Path.Sub, "${AWS::StackName}", s.names.Stack); !strings.Contains(s.RoleARN(name), ":role"+rolePath+s.names.Stack+"-") ||
		made.PermissionsBoundary.Ref == "" {
		t.Errorf("%s stands under %q, bound by %q; here it is %s", name, made.Path.Sub, made.PermissionsBoundary.Ref, s.RoleARN(name))
	}
	var want, got []string
	for _, arn := range made.ManagedPolicyArns {
		if !strings.HasPrefix(arn, "arn:"+s.names.Partition+":iam::aws:policy/") {
			t.Errorf("%s has the managed policy %s", name, arn)
		}
		want = append(want, path.Base(arn))
	}
	for _, p := range made.Policies {
		raw := []json.RawMessage{p.PolicyDocument.Statement}
		var list []json.RawMessage
		if json.Unmarshal(p.PolicyDocument.Statement, &list) == nil {
			raw = list
		}
		for _, r := range raw {
			var st struct {
				Effect    string
				Action    texts
				Condition map[string]map[string]texts
				If        []json.RawMessage `json:"Fn::If"` // InChina is the condition, and what it chooses between
			}
			if err := json.Unmarshal(r, &st); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(st.If) == 3 && string(st.If[0]) == `"InChina"` {
				chosen := st.If[2]
				if s.names.Partition == "aws-cn" {
					chosen = st.If[1]
				}
				st.Action = nil
				if err := json.Unmarshal(chosen, &st); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if len(st.Action) == 0 {
					continue // AWS::NoValue
				}
			}
			n := 0
			for _, keys := range st.Condition {
				n += len(keys)
			}
			want = append(want, inWords(st.Effect == "Deny", st.Action, n))
		}
	}
	for _, p := range s.roles[name].identity {
		for _, st := range p.statements {
			if strings.HasPrefix(st.name, "AWS") {
				got = append(got, st.name)
			} else {
				got = append(got, inWords(st.deny, st.actions, len(st.conditions)))
			}
		}
	}
	// One queue of failed events may be given by several statements.
	slices.Sort(want)
	slices.Sort(got)
	if want, got = slices.Compact(want), slices.Compact(got); !slices.Equal(want, got) {
		t.Errorf("%s in %s: SAM makes\n\t%s\nhere it is\n\t%s", name, s.names.Partition, strings.Join(want, "\n\t"), strings.Join(got, "\n\t"))
	}
}

func inWords(deny bool, actions []string, conditions int) string {
	word := "allow "
	if deny {
		word = "deny "
	}
	return word + strings.Join(actions, ", ") + strings.Repeat(" if", conditions)
}

// texts is one text or a list.
type texts []string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}
