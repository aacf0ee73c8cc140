package check

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// wiring is what the rules about the template read: the template, functions/, infra/aws, infra/local, shared/key and
// the services.
func wiring(t *testing.T) fstest.MapFS {
	t.Helper()
	m := fstest.MapFS{}
	whole := os.DirFS("../..")
	for _, dir := range append([]string{"functions", "infra/aws", "infra/local", "shared/key"}, serviceFolders()...) {
		err := fs.WalkDir(whole, dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return err
			}
			data, err := fs.ReadFile(whole, name)
			m[name] = &fstest.MapFile{Data: data}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"template.yaml", "infra/aws/README.md", "infra/check/checkov.yaml", "functions/README.md", "infra/README.md"} {
		data, err := fs.ReadFile(whole, name)
		if err != nil {
			t.Fatal(err)
		}
		m[name] = &fstest.MapFile{Data: data}
	}
	return m
}

func serviceFolders() (list []string) {
	for _, name := range tiers[0] {
		list = append(list, "shared/"+name)
	}
	return list
}

// spoilt is one change to a file, and what a rule says to it.
type spoilt struct {
	file     string
	from, to string
	want     []string
}

// finds asserts that a rule holds for the wiring as it is, and says exactly what is wanted to each spoilt one.
func finds(t *testing.T, r rule, cases ...spoilt) {
	t.Helper()
	good := wiring(t)
	if broken := r(t, tree{good}); len(broken) > 0 {
		t.Fatalf("before anything is spoilt:\n\t%s", strings.Join(broken, "\n\t"))
	}
	for _, c := range cases {
		text := string(good[c.file].Data)
		if !strings.Contains(text, c.from) {
			t.Errorf("%s does not hold %q", c.file, c.from)
			continue
		}
		bad := fstest.MapFS{}
		for name, f := range good {
			bad[name] = f
		}
		bad[c.file] = &fstest.MapFile{Data: []byte(strings.Replace(text, c.from, c.to, 1))}
		got := r(t, tree{bad})
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("with %q for %q:\n\t%s\nwant:\n\t%s", c.to, c.from, strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
		}
	}
}

const templateFile = "template.yaml"

func TestASpoiltTemplateIsFound(t *testing.T) {
	finds(t, invariants,
		spoilt{templateFile, "Runtime: provided.al2023", "Runtime: go1.x",
			[]string{`template.yaml: Globals.Function.Runtime is "go1.x", not provided.al2023`}},
		spoilt{templateFile, "AutoPublishAlias: live", "AutoPublishAlias: latest",
			[]string{`template.yaml: Globals.Function.AutoPublishAlias is "latest", not live`}},
		spoilt{templateFile, "CodeUri: functions/oidc-token\n      AutoPublishCodeSha256: !Ref CodeRev\n", "CodeUri: functions/oidc-token\n",
			[]string{`template.yaml: OidcToken publishes its version by "", not by CodeRev`}},
		spoilt{templateFile, "Tracing: !If [InChina, PassThrough, Active]", "Tracing: Active",
			[]string{`template.yaml: Globals.Function.Tracing is "Active", not !If`}},
		spoilt{templateFile, "Architectures: [!Ref Architecture]", "Architectures: [arm64]",
			[]string{"template.yaml: Globals.Function.Architectures is no parameter"}},
		spoilt{templateFile, "!Sub \"arn:${AWS::Partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda\"",
			"arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda",
			[]string{"template.yaml: Resources.DeployRole.Properties.ManagedPolicyArns has a literal partition: " +
				"arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda"}},
		spoilt{templateFile, "Action: [dynamodb:PutItem]", "Action: [dynamodb:Scan]",
			[]string{"template.yaml: OidcAuthorize allows dynamodb:Scan"}},
		spoilt{templateFile, "Action: [dynamodb:PutItem]", "Action: [\"dynamodb:*\"]",
			[]string{"template.yaml: OidcAuthorize allows dynamodb:*"}},
		spoilt{templateFile, "Action: [dynamodb:PutItem]", "Action: \"*\"",
			[]string{"template.yaml: OidcAuthorize allows *"}},
		spoilt{templateFile, "Action: [dynamodb:PutItem]", "NotAction: [dynamodb:PutItem]",
			[]string{"template.yaml: OidcAuthorize allows by exclusion"}},
		spoilt{templateFile, "Action: [dynamodb:PutItem]\n              Resource: !GetAtt LogTable.Arn",
			"Action: [dynamodb:PutItem]\n              Resource: \"*\"",
			[]string{"template.yaml: OidcAuthorize allows dynamodb:PutItem on everything"}},
		spoilt{templateFile, "Resource: \"*\"\n            Condition: {StringEquals: {\"aws:RequestTag/yinxin:purpose\": [licence-issuer, status-list]}}",
			"Resource: \"*\"",
			[]string{"template.yaml: Boundary allows kms:CreateKey, kms:TagResource on everything"}},
		spoilt{templateFile, "Resource: !GetAtt SecretKey.Arn\n              Condition: {StringEquals: {\"kms:EncryptionContext:purpose\": secret, \"kms:EncryptionContext:owner\": [\"identity-hmac\", \"pairwise\"]}}",
			"Resource: !GetAtt SecretKey.Arn",
			[]string{"template.yaml: OidcAuthorize allows kms:Decrypt without an encryption context or a service"}},
		spoilt{templateFile, "CodeUri: functions/oidc-token", "CodeUri: functions/oidc-token\n      Role: !GetAtt DeployRole.Arn",
			[]string{"template.yaml: OidcToken shares a role"}},
		spoilt{templateFile, "!Sub ${AWS::StackName}-oidc-token\n", "token\n",
			[]string{`template.yaml: OidcToken is called "token", not "!Sub ${AWS::StackName}-oidc-token"`}},
		spoilt{templateFile, "LoggingConfig: {LogGroup: !Ref OidcTokenLogs}", "LoggingConfig: {LogFormat: JSON}",
			[]string{"template.yaml: OidcToken has no log group"}},
		spoilt{templateFile, "  OidcTokenThrottles:\n", "  OidcTokenThrottled:\n",
			[]string{"template.yaml: OidcToken has no alarm OidcTokenThrottles"}},
		spoilt{templateFile, "DeploymentPreference: {Alarms: [!Ref OidcTokenErrors, !Ref OidcTokenP99]}",
			"DeploymentPreference: {Alarms: [!Ref OidcTokenFaults]}",
			[]string{"template.yaml: OidcToken is deployed by the alarm !Ref OidcTokenFaults, which is not there"}},
		spoilt{templateFile, "DeploymentPreference: {Alarms: [!Ref OidcTokenErrors, !Ref OidcTokenP99]}", "Timeout: 10",
			[]string{"template.yaml: OidcToken is deployed without a look at its alarms"}},
		spoilt{templateFile, "PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}", "Tags: []",
			[]string{"template.yaml: SsoTable has no point-in-time recovery"}},
		spoilt{templateFile, "SSESpecification: {SSEEnabled: true, SSEType: KMS, KMSMasterKeyId: !GetAtt SsoKey.Arn}", "Tags: []",
			[]string{"template.yaml: SsoTable is not encrypted with a key of ours"}},
		spoilt{templateFile, "DeletionProtectionEnabled: true", "DeletionProtectionEnabled: false",
			[]string{"template.yaml: SsoTable has no deletion protection"}},
		spoilt{templateFile, "TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}", "Tags: []",
			[]string{"template.yaml: SsoTable has no time to live"}},
		spoilt{templateFile, "      OnDemandThroughput: {MaxReadRequestUnits: !Ref MaxReadUnits, MaxWriteRequestUnits: !Ref MaxWriteUnits}\n", "",
			[]string{"template.yaml: SsoTable has no upper bound of its cost"}},
		spoilt{templateFile, "    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain\n",
			"    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Delete\n",
			[]string{"template.yaml: SsoTable has no DeletionPolicy: Retain", "template.yaml: SsoTable has no UpdateReplacePolicy: Retain"}},
		spoilt{templateFile, "      EnableKeyRotation: true\n", "",
			[]string{"template.yaml: SsoKey is not rotated"}},
		spoilt{templateFile, "Properties: {KmsMasterKeyId: !GetAtt QueueKey.Arn, MessageRetentionPeriod: 1209600}",
			"Properties: {MessageRetentionPeriod: 1209600}",
			[]string{"template.yaml: StreamDeadLetters is not encrypted with a key of ours"}},
		spoilt{templateFile, "  StreamDeadLetters:\n", "  StreamWork:\n",
			[]string{"template.yaml: StreamWork has no dead-letter queue"}},
		spoilt{templateFile, "      RetentionInDays: !Ref LogRetentionDays\n", "",
			[]string{"template.yaml: OidcDiscoveryLogs needs a retention and a key"}},
		spoilt{templateFile, "BlockPublicAcls: true, ", "",
			[]string{"template.yaml: Artefacts does not BlockPublicAcls"}},
		spoilt{templateFile, "VersioningConfiguration: {Status: Enabled}", "VersioningConfiguration: {Status: Suspended}",
			[]string{"template.yaml: Artefacts keeps no versions"}},
		spoilt{templateFile, "Condition: {Bool: {\"aws:SecureTransport\": \"false\"}}", "Condition: {Bool: {\"aws:SecureTransport\": \"true\"}}",
			[]string{"template.yaml: Artefacts can be reached without TLS"}},
		spoilt{templateFile, "Metadata: {BuildMethod: go1.x, BuildProperties: {TrimGoPath: true}}", "Metadata: {BuildMethod: makefile}",
			[]string{"template.yaml: OidcDiscovery is not built by go1.x with trimmed paths"}},
	)
}

func TestAPartitionThatIsNotMindedIsFound(t *testing.T) {
	finds(t, partition,
		spoilt{templateFile, "RuleCondition: !Equals [!Ref DataClass, government]", "RuleCondition: !Equals [!Ref DataClass, enterprise]",
			[]string{"template.yaml has no rule that keeps government data in aws-cn"}},
		spoilt{templateFile, "  DataClass:\n    Type: String", "  Class:\n    Type: String",
			[]string{"template.yaml has no parameter DataClass"}},
		spoilt{templateFile, "CodeUri: functions/oidc-token", "CodeUri: functions/oidc-token\n      FunctionUrlConfig: {AuthType: NONE}",
			[]string{"template.yaml: OidcToken has a function URL in every partition"}},
		spoilt{templateFile, "\n  DeployRole:\n", "\n  Address:\n    Type: AWS::Lambda::Url\n  DeployRole:\n",
			[]string{"template.yaml: Address is a function URL in every partition"}},
	)
}

func TestAFolderOrResourceTooManyIsFound(t *testing.T) {
	finds(t, folders,
		spoilt{templateFile, "CodeUri: functions/oidc-token", "CodeUri: functions/oidc-tokens", []string{
			`template.yaml: OidcToken has the CodeUri "functions/oidc-tokens", which is no folder of functions/`,
			"functions/oidc-token is in no resource of template.yaml"}},
		spoilt{templateFile, "CodeUri: functions/oidc-token", "CodeUri: functions/oidc-userinfo", []string{
			"functions/oidc-token is in no resource of template.yaml",
			"template.yaml: OidcToken of functions/oidc-userinfo should be called OidcUserinfo",
			"template.yaml: OidcToken and OidcUserinfo have one CodeUri"}},
		spoilt{"functions/oidc-token/main.go", "package main\n", "package token\n",
			[]string{"functions/oidc-token/main.go is package token, not main"}},
		spoilt{"functions/oidc-token/main.go", "package main\n", "package main\n" + strings.Repeat("\n", 20),
			[]string{"functions/oidc-token/main.go has 40 lines, more than 30: what it does belongs to a constructor"}},
	)
}

func TestARouteThatDiffersIsFound(t *testing.T) {
	finds(t, templateRoutes,
		spoilt{templateFile, "Method: POST, Path: \"/token\"", "Method: GET, Path: \"/token\"",
			[]string{"template.yaml: OidcToken lacks POST /token", "template.yaml: OidcToken has GET /token, which its service does not declare"}},
		spoilt{templateFile, "Path: \"/token\", PayloadFormatVersion: \"2.0\"", "Path: \"/token\", PayloadFormatVersion: \"1.0\"",
			[]string{`template.yaml: OidcToken.PostToken has payload format "1.0", not 2.0`}},
		spoilt{templateFile, "ApiId: !Ref HttpApi, Method: POST, Path: \"/token\"", "ApiId: !Ref OtherApi, Method: POST, Path: \"/token\"",
			[]string{`template.yaml: OidcToken.PostToken belongs to "!Ref OtherApi", not to HttpApi`}},
		spoilt{"functions/oidc-token/main.go", "oidc.Token(oidc.TokenPorts{", "oidc.Tokens(oidc.TokenPorts{",
			[]string{"functions/oidc-token/main.go calls [oidc.Tokens], and infra/local wires oidc-token by [oidc.Token]"}},
		spoilt{"infra/local/wiring.go", `{Name: "oidc-token",`, `{Name: "oidc-tokens",`,
			[]string{"infra/local serves oidc-tokens, which is no folder of functions/",
				"template.yaml: OidcToken has POST /token, which its service does not declare"}},
		spoilt{templateFile, "CodeUri: functions/oidc-token", "CodeUri: functions/oidc-token\n      Timeout: 30",
			[]string{`template.yaml: OidcToken has the timeout "30", and infra/local ""`}},
		spoilt{"infra/local/licences.go", `Name: "licence-status",`, `Name: "licence-list",`,
			[]string{"infra/local drives licence-list, which is no folder of functions/"}},
	)
}

func TestAPolicyThatDiffersIsFound(t *testing.T) {
	finds(t, policies,
		spoilt{templateFile, `"dynamodb:LeadingKeys": ["used#*"]`, `"dynamodb:LeadingKeys": ["*"]`, []string{
			"template.yaml: OidcToken lacks dynamodb:PutItem on SsoTable with used#*, for Replays",
			"template.yaml: OidcToken allows dynamodb:PutItem on SsoTable with *, which no field needs"}},
		spoilt{templateFile, "# Replays\n", "# what was used once\n",
			[]string{"template.yaml: OidcToken: the comment on dynamodb:PutItem on SsoTable with used#* does not name the field Replays"}},
		spoilt{templateFile, `Condition: {StringEquals: {"kms:EncryptionContext:purpose": ["token"]}}`,
			`Condition: {StringEquals: {"kms:EncryptionContext:purpose": ["token", "seal"]}}`,
			[]string{"template.yaml: OidcToken allows kms:Decrypt on TokenKey with purpose=seal, which no field needs"}},
		spoilt{templateFile, `Condition: {StringEquals: {"kms:EncryptionContext:purpose": ["token"]}}`,
			`Condition: {IpAddress: {"aws:SourceIp": ["10.0.0.0/8"]}}`, []string{
				"template.yaml: OidcToken has a condition that is not understood: IpAddress aws:SourceIp",
				"template.yaml: OidcToken lacks kms:Decrypt on TokenKey with purpose=token, for Keys",
				"template.yaml: OidcToken allows kms:Decrypt on TokenKey with 10.0.0.0/8, which no field needs"}},
		spoilt{"functions/oidc-userinfo/main.go", "Keys: env.TokenKeys()", "Keys: env.TokenSigners()", []string{
			"template.yaml: OidcUserinfo lacks dynamodb:GetItem on SsoTable with key#token#*, for Keys",
			"template.yaml: OidcUserinfo lacks kms:Decrypt on TokenKey with purpose=token, for Keys"}},
		spoilt{"infra/aws/rights.go", `{"oidc.ReplayGuard", sso, "", "used#", put},`, "", []string{
			"infra/aws/rights.go does not say what oidc.ReplayGuard needs, which functions/oidc-token takes from env.Replays",
			"template.yaml: OidcToken allows dynamodb:PutItem on SsoTable with used#*, which no field needs"}},
	)
}

func TestAVariableThatDiffersIsFound(t *testing.T) {
	finds(t, environment,
		spoilt{templateFile, "          TOKEN_KEYS: !Sub blind:${TokenKey.Arn}\n", "",
			[]string{"template.yaml: OidcToken lacks the variable TOKEN_KEYS"}},
		spoilt{templateFile, "          TOKEN_KEYS: !Sub blind:${TokenKey.Arn}\n", "          TOKEN_KEYS: !Sub blind:${TokenKey.Arn}\n          SEAL_KEYS: x\n",
			[]string{"template.yaml: OidcToken has the variable SEAL_KEYS, which no accessor reads"}},
		spoilt{"functions/oidc-token/main.go", "env.Replays()", "env.Nothing()",
			[]string{"functions/oidc-token/main.go calls env.Nothing, which infra/aws does not have"}},
	)
}
