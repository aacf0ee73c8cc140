package check

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "github.com/oasdiff/yaml3"
)

// template is template.yaml with its CloudFormation tags kept.
type template struct{ *yaml.Node }

// readTemplate parses the template of a tree; it fails the test where there is none.
func readTemplate(t *testing.T, tr tree) template {
	t.Helper()
	data, err := fs.ReadFile(tr, "template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal("template.yaml:", err)
	}
	return template{doc.Content[0]}
}

// at walks a path of keys; nil where it ends early.
func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		n = value(n, key)
	}
	return n
}

// value is the value of a key in a mapping, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// keys are those of a mapping, in order.
func keys(n *yaml.Node) (list []string) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		list = append(list, n.Content[i].Value)
	}
	return list
}

// text writes a scalar with its tag as CloudFormation's short form has it, "!GetAtt SsoTable.Arn"; "" for none.
func text(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 { // !GetAtt [A, B] and !Sub [text, …]
		parts := make([]string, len(n.Content))
		for i, c := range n.Content {
			parts[i] = text(c)
		}
		return n.Tag + " [" + strings.Join(parts, ", ") + "]"
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return n.Tag + " " + n.Value
	}
	return n.Value
}

// texts are the entries of a sequence, or the one scalar.
func texts(n *yaml.Node) (list []string) {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.SequenceNode && !strings.HasPrefix(n.Tag, "!G") && !strings.HasPrefix(n.Tag, "!S") {
		for _, c := range n.Content {
			list = append(list, text(c))
		}
		return list
	}
	return []string{text(n)}
}

// resource is one of the template.
type resource struct {
	name string
	*yaml.Node
}

func (r resource) kind() string { return text(at(r.Node, "Type")) }
func (r resource) prop(path ...string) *yaml.Node {
	return at(r.Node, append([]string{"Properties"}, path...)...)
}

// resources are those of some types, in the template's order; of all types where none is given.
func (tm template) resources(types ...string) (list []resource) {
	all := at(tm.Node, "Resources")
	for _, name := range keys(all) {
		r := resource{name, value(all, name)}
		if len(types) == 0 || slices.Contains(types, r.kind()) {
			list = append(list, r)
		}
	}
	return list
}

// functions are the Lambda functions by their folder's name.
func (tm template) functions() map[string]resource {
	found := map[string]resource{}
	for _, r := range tm.resources("AWS::Serverless::Function") {
		found[strings.TrimPrefix(text(r.prop("CodeUri")), "functions/")] = r
	}
	return found
}

// each calls f for every node below n, with the keys that lead to it.
func each(n *yaml.Node, path []string, f func(path []string, n *yaml.Node)) {
	if n == nil {
		return
	}
	f(path, n)
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			each(n.Content[i+1], append(slices.Clone(path), n.Content[i].Value), f)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			each(c, path, f)
		}
	}
}

// statements are the policy statements below a node: mappings with Effect and Action.
func statements(n *yaml.Node) (list []*yaml.Node) {
	each(n, nil, func(_ []string, n *yaml.Node) {
		if value(n, "Effect") != nil {
			list = append(list, n)
		}
	})
	return list
}

// camel is "OidcToken" for "oidc-token".
func camel(folder string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(folder, "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// everywhere are the actions that IAM grants on "*" alone.
var everywhere = []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords", "cloudwatch:PutMetricData"}

var arnLiteral = regexp.MustCompile(`\barn:aws[a-z-]*:`)

// invariants are those of the whole template: what holds for every function, table, key and statement.
func invariants(t *testing.T, tr tree) (broken []string) {
	tm := readTemplate(t, tr)
	say := func(format string, args ...any) {
		broken = append(broken, "template.yaml: "+fmt.Sprintf(format, args...))
	}
	each(tm.Node, nil, func(path []string, n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && arnLiteral.MatchString(n.Value) {
			say("%s has a literal partition: %s", strings.Join(path, "."), n.Value)
		}
	})
	for _, r := range tm.resources() {
		for _, st := range statements(r.Node) {
			broken = append(broken, statement(r, st)...)
		}
	}
	for _, r := range tm.resources("AWS::DynamoDB::Table") {
		broken = append(broken, table(r)...)
	}
	for _, r := range tm.resources("AWS::KMS::Key") {
		if symmetric := value(r.prop(), "KeySpec") == nil; symmetric && text(r.prop("EnableKeyRotation")) != "true" {
			say("%s is not rotated", r.name)
		}
		kept(r, say)
	}
	for _, r := range tm.resources("AWS::S3::Bucket") {
		bucket(tm, r, say)
	}
	for _, r := range tm.resources("AWS::SQS::Queue") {
		if value(r.prop(), "KmsMasterKeyId") == nil {
			say("%s is not encrypted with a key of ours", r.name)
		}
		if !strings.HasSuffix(r.name, "DeadLetters") && value(r.prop(), "RedrivePolicy") == nil {
			say("%s has no dead-letter queue", r.name)
		}
	}
	for _, r := range tm.resources("AWS::Logs::LogGroup") {
		if value(r.prop(), "RetentionInDays") == nil || value(r.prop(), "KmsKeyId") == nil {
			say("%s needs a retention and a key", r.name)
		}
	}
	for folder, r := range tm.functions() {
		broken = append(broken, deployed(tm, folder, r)...)
	}
	global := at(tm.Node, "Globals", "Function")
	for key, want := range map[string]string{"Runtime": "provided.al2023", "Handler": "bootstrap", "AutoPublishAlias": "live",
		"Tracing": "!If"} {
		if got := text(value(global, key)); !strings.HasPrefix(got, want) {
			say("Globals.Function.%s is %q, not %s", key, got, want)
		}
	}
	if !slices.Equal(texts(value(global, "Architectures")), []string{"!Ref Architecture"}) {
		say("Globals.Function.Architectures is no parameter")
	}
	return broken
}

// kept: what is lost with the resource is lost for good, so the resource stays when the stack goes.
func kept(r resource, say func(string, ...any)) {
	for _, policy := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
		if text(value(r.Node, policy)) != "Retain" {
			say("%s has no %s: Retain", r.name, policy)
		}
	}
}

func table(r resource) (broken []string) {
	say := func(format string, args ...any) {
		broken = append(broken, "template.yaml: "+r.name+fmt.Sprintf(format, args...))
	}
	kept(r, func(format string, args ...any) {
		broken = append(broken, "template.yaml: "+fmt.Sprintf(format, args...))
	})
	if text(r.prop("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")) != "true" {
		say(" has no point-in-time recovery")
	}
	if text(r.prop("SSESpecification", "SSEType")) != "KMS" ||
		!strings.HasPrefix(text(r.prop("SSESpecification", "KMSMasterKeyId")), "!GetAtt ") {
		say(" is not encrypted with a key of ours")
	}
	if text(r.prop("DeletionProtectionEnabled")) != "true" {
		say(" has no deletion protection")
	}
	if text(r.prop("TimeToLiveSpecification", "AttributeName")) != "ttl" {
		say(" has no time to live")
	}
	if value(r.prop(), "OnDemandThroughput") == nil {
		say(" has no upper bound of its cost")
	}
	return broken
}

func bucket(tm template, r resource, say func(string, ...any)) {
	kept(r, say)
	for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		if text(r.prop("PublicAccessBlockConfiguration", block)) != "true" {
			say("%s does not %s", r.name, block)
		}
	}
	if text(r.prop("VersioningConfiguration", "Status")) != "Enabled" {
		say("%s keeps no versions", r.name)
	}
	secure := false
	for _, p := range tm.resources("AWS::S3::BucketPolicy") {
		if text(p.prop("Bucket")) != "!Ref "+r.name {
			continue
		}
		for _, st := range statements(p.Node) {
			secure = secure || text(value(st, "Effect")) == "Deny" &&
				text(at(st, "Condition", "Bool", "aws:SecureTransport")) == "false"
		}
	}
	if !secure {
		say("%s can be reached without TLS", r.name)
	}
}

// statement judges one policy statement wherever it stands.
func statement(r resource, st *yaml.Node) (broken []string) {
	say := func(format string, args ...any) {
		broken = append(broken, "template.yaml: "+r.name+" "+fmt.Sprintf(format, args...))
	}
	if text(value(st, "Effect")) != "Allow" {
		return nil
	}
	if value(st, "NotAction") != nil || value(st, "NotResource") != nil || value(st, "NotPrincipal") != nil {
		say("allows by exclusion")
	}
	actions := texts(value(st, "Action"))
	free := true
	for _, a := range actions {
		free = free && slices.Contains(everywhere, a)
		if a == "*" || strings.HasSuffix(a, ":*") && r.kind() != "AWS::KMS::Key" || a == "dynamodb:Scan" {
			say("allows %s", a)
		}
	}
	// In the policy of a key or a queue, "*" is the key or the queue itself.
	if own := strings.HasSuffix(r.kind(), "Key") || strings.HasSuffix(r.kind(), "Policy") && r.kind() != "AWS::IAM::ManagedPolicy"; own {
		return broken
	}
	tagged := false // kms:CreateKey knows no resource, and says what it makes by its tags
	for _, key := range keys(at(st, "Condition", "StringEquals")) {
		tagged = tagged || strings.HasPrefix(key, "aws:RequestTag/")
	}
	for _, res := range texts(value(st, "Resource")) {
		if res == "*" && !free && !(tagged && slices.Equal(actions, []string{"kms:CreateKey", "kms:TagResource"})) {
			say("allows %s on everything", strings.Join(actions, ", "))
		}
	}
	for _, a := range actions {
		if strings.HasPrefix(a, "kms:") && (a == "kms:Decrypt" || a == "kms:Encrypt" || strings.HasPrefix(a, "kms:GenerateDataKey")) &&
			r.kind() == "AWS::Serverless::Function" && !boundByContext(st) {
			say("allows %s without an encryption context or a service", a)
		}
	}
	return broken
}

// boundByContext tells whether a statement holds for an encryption context, or for calls through another service alone.
func boundByContext(st *yaml.Node) bool {
	found := false
	each(value(st, "Condition"), nil, func(path []string, n *yaml.Node) {
		last := ""
		if len(path) > 0 {
			last = path[len(path)-1]
		}
		found = found || strings.HasPrefix(last, "kms:EncryptionContext:") || last == "kms:ViaService"
	})
	return found
}

// alarmKinds are the alarms that every function has.
var alarmKinds = []string{"Errors", "Throttles", "P99"}

// deployed: a function goes out by canary, under an alias, watched by alarms that exist, and logs into a group of its own.
func deployed(tm template, folder string, r resource) (broken []string) {
	say := func(format string, args ...any) {
		broken = append(broken, "template.yaml: "+r.name+" "+fmt.Sprintf(format, args...))
	}
	all := at(tm.Node, "Resources")
	if text(at(r.Node, "Metadata", "BuildMethod")) != "go1.x" || text(at(r.Node, "Metadata", "BuildProperties", "TrimGoPath")) != "true" {
		say("is not built by go1.x with trimmed paths")
	}
	if got, want := text(r.prop("FunctionName")), "!Sub ${AWS::StackName}-"+folder; got != want {
		say("is called %q, not %q", got, want)
	}
	// SAM's translator does not look into parameters: without this an alias keeps the version of before with its environment,
	// and with that the token epoch of before.
	if got := text(r.prop("AutoPublishCodeSha256")); got != "!Ref CodeRev" {
		say("publishes its version by %q, not by CodeRev", got)
	}
	if group := text(r.prop("LoggingConfig", "LogGroup")); value(all, strings.TrimPrefix(group, "!Ref ")) == nil || group == "" {
		say("has no log group")
	}
	for _, kind := range alarmKinds {
		if text(at(value(all, r.name+kind), "Type")) != "AWS::CloudWatch::Alarm" {
			say("has no alarm %s", r.name+kind)
		}
	}
	canary := texts(r.prop("DeploymentPreference", "Alarms"))
	if len(canary) == 0 {
		say("is deployed without a look at its alarms")
	}
	for _, a := range canary {
		if text(at(value(all, strings.TrimPrefix(a, "!Ref ")), "Type")) != "AWS::CloudWatch::Alarm" {
			say("is deployed by the alarm %s, which is not there", a)
		}
	}
	if value(r.prop(), "Role") != nil {
		say("shares a role")
	}
	return broken
}

// partition: outside of aws-cn no tracing is missing and in it none is asked for, and a government's data stays there.
func partition(t *testing.T, tr tree) (broken []string) {
	tm := readTemplate(t, tr)
	if text(at(tm.Node, "Parameters", "DataClass", "Type")) == "" {
		broken = append(broken, "template.yaml has no parameter DataClass")
	}
	bound := false
	for _, name := range keys(at(tm.Node, "Rules")) {
		rule := at(tm.Node, "Rules", name)
		var says []string
		each(rule, nil, func(_ []string, n *yaml.Node) { says = append(says, n.Value) })
		bound = bound || slices.Contains(says, "DataClass") && slices.Contains(says, "government") &&
			slices.Contains(says, "cn-north-1") && slices.Contains(says, "AWS::Region")
	}
	if !bound {
		broken = append(broken, "template.yaml has no rule that keeps government data in aws-cn")
	}
	for _, r := range tm.resources("AWS::Lambda::Url") {
		if value(r.Node, "Condition") == nil {
			broken = append(broken, "template.yaml: "+r.name+" is a function URL in every partition")
		}
	}
	for _, r := range tm.resources("AWS::Serverless::Function") {
		if value(r.prop(), "FunctionUrlConfig") != nil {
			broken = append(broken, "template.yaml: "+r.name+" has a function URL in every partition")
		}
	}
	return broken
}

func TestTheTemplateKeepsItsInvariants(t *testing.T) {
	holds(t, invariants)
	holds(t, partition)
}
