package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var principalPath = regexp.MustCompile(`^!Sub arn:\$\{AWS::Partition\}:iam::\$\{AWS::AccountId\}:role/\$\{AWS::StackName\}/([a-z-]+)/\*$`)

// maxStackName and maxRolePath are the limits of CloudFormation (User Guide, "CreateStack", StackName) and IAM (API
// Reference, "CreateRole", Path).
const (
	maxStackName = 128
	maxRolePath  = 512
)

// rolePaths: every function's role stands under a path of its own, which names stack and function whole, and policies
// know roles by that path and by nothing else. CloudFormation makes up the names of roles from those of the stack and the
// resource and cuts them at 64 characters, so that a pattern of a name can match no role, or another's.
func rolePaths(t *testing.T, tr tree) (broken []string) {
	tm := readTemplate(t, tr)
	say := func(format string, args ...any) {
		broken = append(broken, "template.yaml: "+fmt.Sprintf(format, args...))
	}
	functions := tm.functions()
	for folder, r := range functions {
		if got, want := text(r.prop("RolePath")), "!Sub /${AWS::StackName}/"+folder+"/"; got != want {
			say("%s has a role under %q, not %q", r.name, got, want)
		}
		if maxStackName+len(folder)+3 > maxRolePath {
			say("%s has too long a path", r.name)
		}
	}
	for _, r := range tm.resources() {
		for _, st := range statements(r.Node) {
			var named []string
			for _, operator := range keys(value(st, "Condition")) {
				for _, key := range keys(at(st, "Condition", operator)) {
					if !strings.EqualFold(key, "aws:PrincipalArn") {
						continue
					}
					if operator != "ArnLike" {
						say("%s compares roles by %s", r.name, operator)
					}
					named = append(named, texts(at(st, "Condition", operator, key))...)
				}
			}
			for _, n := range named {
				m := principalPath.FindStringSubmatch(n)
				if m == nil || functions[m[1]].Node == nil {
					say("%s names a role that is no function's: %s", r.name, n)
				}
			}
			if len(named) > len(slices.Compact(slices.Sorted(slices.Values(named)))) {
				say("%s names a role twice", r.name)
			}
		}
	}
	return broken
}

func TestRolesAreKnownByTheirPaths(t *testing.T) {
	holds(t, rolePaths)
	const token = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}/oidc-token/*"
	finds(t, rolePaths,
		spoilt{templateFile, "RolePath: !Sub /${AWS::StackName}/oidc-token/", "MemorySize: 256",
			[]string{`template.yaml: OidcToken has a role under "", not "!Sub /${AWS::StackName}/oidc-token/"`}},
		spoilt{templateFile, token, "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}-OidcTokenRole-*",
			[]string{"template.yaml: TokenKey names a role that is no function's: !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}-OidcTokenRole-*"}},
		spoilt{templateFile, token, strings.ReplaceAll(token, "oidc-token", "oidc-tokens"),
			[]string{"template.yaml: TokenKey names a role that is no function's: !Sub " + strings.ReplaceAll(token, "oidc-token", "oidc-tokens")}},
	)
}
