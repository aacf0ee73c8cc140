package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "github.com/oasdiff/yaml3"
)

// attributes are what !GetAtt may ask of a type (AWS CloudFormation Template Reference, "Return values"; for what SAM
// makes beside a function, AWS SAM Developer Guide, "Referencing AWS SAM resources and resource properties").
var attributes = map[string][]string{
	"AWS::ApiGatewayV2::DomainName": {"RegionalDomainName", "RegionalHostedZoneId"},
	"AWS::CloudWatch::Alarm":        {"Arn"},
	"AWS::DynamoDB::Table":          {"Arn", "StreamArn"},
	"AWS::IAM::Role":                {"Arn", "RoleId"},
	"AWS::KMS::Key":                 {"Arn", "KeyId"},
	"AWS::Logs::LogGroup":           {"Arn"},
	"AWS::S3::Bucket":               {"Arn", "RegionalDomainName"},
	"AWS::SQS::Queue":               {"Arn", "QueueName"},
	"AWS::Serverless::Function":     {"Arn", "Version.Version"},
}

// beside are what !Ref may ask for that SAM makes beside a resource.
var beside = map[string][]string{
	"AWS::Serverless::Function": {"Alias", "Version"},
	"AWS::Serverless::HttpApi":  {"Stage"},
}

var pseudo = []string{"AccountId", "NoValue", "Partition", "Region", "StackName", "URLSuffix"}

var inText = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

// references: every !Ref, !GetAtt, !Sub, !If, Condition and DependsOn speaks of something that is there; no parameter and
// no condition is there for nothing, and no alarm is on a function that is not.
func references(t *testing.T, tr tree) (broken []string) {
	tm := readTemplate(t, tr)
	say := func(path []string, format string, args ...any) {
		broken = append(broken, fmt.Sprintf("template.yaml: %s %s", strings.Join(path, "."), fmt.Sprintf(format, args...)))
	}
	kinds := map[string]string{}
	for _, r := range tm.resources() {
		kinds[r.name] = r.kind()
	}
	parameters, conditions := keys(at(tm.Node, "Parameters")), keys(at(tm.Node, "Conditions"))
	used := map[string]bool{}
	ref := func(path []string, name string) {
		used[name] = true
		if p, ok := strings.CutPrefix(name, "AWS::"); ok {
			if !slices.Contains(pseudo, p) {
				say(path, "asks for %s, which is no pseudo parameter", name)
			}
			return
		}
		of, part, _ := strings.Cut(name, ".")
		if part == "" && (kinds[of] != "" || slices.Contains(parameters, of)) || slices.Contains(beside[kinds[of]], part) {
			return
		}
		say(path, "refers to %s, which is not there", name)
	}
	att := func(path []string, name string) {
		of, attribute, _ := strings.Cut(name, ".")
		if !slices.Contains(attributes[kinds[of]], attribute) {
			say(path, "asks for %s, which is not there", name)
		}
	}
	condition := func(path []string, name string) {
		used[name] = true
		if !slices.Contains(conditions, name) {
			say(path, "hangs on %s, which is not there", name)
		}
	}
	each(tm.Node, nil, func(path []string, n *yaml.Node) {
		last := ""
		if len(path) > 0 {
			last = path[len(path)-1]
		}
		switch {
		case n.Tag == "!Ref":
			ref(path, n.Value)
		case n.Tag == "!GetAtt":
			att(path, n.Value)
		case n.Tag == "!Sub" && n.Kind == yaml.SequenceNode:
			say(path, "has a !Sub with names of its own, which is not read here")
		case n.Tag == "!Sub":
			for _, m := range inText.FindAllStringSubmatch(n.Value, -1) {
				if of, _, dot := strings.Cut(m[1], "."); dot && !slices.Contains(beside[kinds[of]], m[1][len(of)+1:]) {
					att(path, m[1])
				} else {
					ref(path, m[1])
				}
			}
		case n.Tag == "!If":
			condition(path, n.Content[0].Value)
		case last == "Condition" && n.Kind == yaml.ScalarNode:
			condition(path, n.Value)
		case last == "DependsOn" && n.Kind == yaml.ScalarNode:
			ref(path, n.Value)
		case strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") &&
			!slices.Contains([]string{"!Equals", "!Not", "!And", "!Or", "!Condition", "!Contains"}, n.Tag):
			say(path, "has the function %s, which is not read here", n.Tag)
		}
	})
	for _, name := range append(slices.Clone(parameters), conditions...) {
		if !used[name] {
			say([]string{name}, "is there for nothing")
		}
	}
	return broken
}

func TestEveryReferenceResolves(t *testing.T) {
	holds(t, references)
	finds(t, references,
		spoilt{templateFile, "DeploymentPreference: {Alarms: [!Ref OidcTokenErrors, !Ref OidcTokenP99]}", "DeploymentPreference: {Alarms: [!Ref OidcTokenFaults]}",
			[]string{"template.yaml: Resources.OidcToken.Properties.DeploymentPreference.Alarms refers to OidcTokenFaults, which is not there"}},
		spoilt{templateFile, "!Sub wrapped:${MakerKey.Arn}", "!Sub wrapped:${MakerKey.ARN}",
			[]string{"template.yaml: Resources.SealMake.Properties.Environment.Variables.MAKER_KEYS asks for MakerKey.ARN, which is not there"}},
		spoilt{templateFile, "!GetAtt SsoTable.StreamArn", "!GetAtt SsoTable.Stream",
			[]string{"template.yaml: Resources.LogAppend.Properties.Events.SsoStream.Properties.Stream asks for SsoTable.Stream, which is not there"}},
		spoilt{templateFile, "Condition: HasCertificate", "Condition: HasCertificates",
			[]string{"template.yaml: Resources.Domain.Condition hangs on HasCertificates, which is not there"}},
		spoilt{templateFile, "!If [InChina, PassThrough, Active]", "!If [InPrussia, PassThrough, Active]",
			[]string{"template.yaml: Globals.Function.Tracing hangs on InPrussia, which is not there"}},
		spoilt{templateFile, "Conditions:\n", "Conditions:\n  Idle: !Equals [a, b]\n", []string{"template.yaml: Idle is there for nothing"}},
	)
}
