package check

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rightsTable: the table of functions/README.md says what the template says.
func rightsTable(t *testing.T, tr tree) (broken []string) {
	const name = "functions/README.md"
	data, err := fs.ReadFile(tr, name)
	if err != nil {
		t.Fatal(err)
	}
	tm := readTemplate(t, tr)
	var want []string
	for _, r := range tm.resources("AWS::Serverless::Function") {
		want = append(want, row(r))
	}
	var got []string
	for _, line := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(line, "| [") {
			got = append(got, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			broken = append(broken, name+" lacks\n"+line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			broken = append(broken, name+" says what is not so:\n"+line)
		}
	}
	if len(broken) == 0 && !slices.Equal(got, want) {
		broken = append(broken, name+" has another order than template.yaml")
	}
	return broken
}

// row is the line of a function: routes or events, what it reads and writes, what it signs with.
func row(r resource) string {
	folder := strings.TrimPrefix(text(r.prop("CodeUri")), "functions/")
	var by []string
	events := r.prop("Events")
	for _, name := range keys(events) {
		switch e := value(events, name); text(value(e, "Type")) {
		case "HttpApi":
			by = append(by, "`"+text(at(e, "Properties", "Method"))+" "+text(at(e, "Properties", "Path"))+"`")
		case "Schedule":
			by = append(by, "schedule")
		case "DynamoDB":
			by = append(by, "stream of "+strings.ToLower(strings.TrimSuffix(name, "Stream")))
		case "SQS":
			by = append(by, "queue of "+strings.ToLower(strings.TrimSuffix(name, "Queue")))
		}
	}
	if len(by) == 0 {
		by = []string{"an operator"}
	}
	allowed, _ := granted(r)
	reads, writes := map[string][]string{}, map[string][]string{}
	signs := map[string]bool{}
	for right := range allowed {
		bound, _, _ := strings.Cut(right.bound, " of ")
		bound = strings.TrimSuffix(bound, "*")
		_, purpose, _ := strings.Cut(bound, "=")
		table, objects, _ := strings.Cut(right.resource, "/")
		table = strings.ToLower(strings.TrimSuffix(table, "Table"))
		switch _, action, _ := strings.Cut(right.action, ":"); {
		case right.action == "lambda:InvokeFunction":
			writes["seal-stamp"] = append(writes["seal-stamp"], "invoked")
		case strings.HasPrefix(right.action, "s3:Get"):
			reads["artefacts"] = append(reads["artefacts"], strings.TrimSuffix(objects, "*"))
		case strings.HasPrefix(right.action, "s3:Put"):
			writes["artefacts"] = append(writes["artefacts"], strings.TrimSuffix(objects, "*"))
		case right.action == "sqs:SendMessage":
			queue := strings.ToLower(strings.TrimSuffix(right.resource, "Queue"))
			if queue == "job" {
				queue = "jobs"
			}
			writes[queue] = append(writes[queue], "queued")
		case action == "GetItem" || action == "Query":
			reads[table] = append(reads[table], bound)
		case action == "PutItem" || action == "UpdateItem":
			writes[table] = append(writes[table], bound)
		case action == "Decrypt" && table == "secretkey":
			signs["opens "+purpose] = true
		case action == "Decrypt" || action == "Sign":
			signs["**"+purpose+"**"] = true
		case action == "Encrypt" || strings.HasPrefix(action, "Generate") || action == "CreateKey":
			signs["makes "+purpose] = true
		}
	}
	return fmt.Sprintf("| [%s](%s/main.go) | %s | %s | %s | %s |", folder, folder, strings.Join(by, "<br>"),
		cell(reads), cell(writes), strings.Join(slices.Sorted(maps.Keys(signs)), "<br>"))
}

func cell(by map[string][]string) string {
	var lines []string
	for _, table := range slices.Sorted(maps.Keys(by)) {
		list := slices.Compact(slices.Sorted(slices.Values(by[table])))
		lines = append(lines, table+": `"+strings.Join(list, "` `")+"`")
	}
	return strings.Join(lines, "<br>")
}

func TestTheRightsTableSaysWhatTheTemplateSays(t *testing.T) { holds(t, rightsTable) }

// indexes: the tables of the template are those of infra/aws/README.md, indexes and projections alike.
func indexes(t *testing.T, tr tree) (broken []string) {
	data, err := fs.ReadFile(tr, "infra/aws/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z]+) \| ([a-z]*) ?\| ([a-z`+"`"+`]*) ?\|`).FindAllStringSubmatch(string(data), -1) {
		if m[1] != "table" && (m[2] != "" || m[3] == "") {
			want = append(want, strings.TrimSpace(camel(m[1])+"Table "+m[2]+" "+strings.Trim(m[3], "`")))
		}
	}
	tm := readTemplate(t, tr)
	for _, r := range tm.resources("AWS::DynamoDB::Table") {
		list := r.prop("GlobalSecondaryIndexes")
		if list == nil {
			got = append(got, r.name)
			continue
		}
		for _, index := range list.Content {
			name, projection := text(value(index, "IndexName")), text(at(index, "Projection", "ProjectionType"))
			switch projection {
			case "KEYS_ONLY":
				projection = "keys"
			case "ALL":
				projection = "all"
			case "INCLUDE":
				projection = strings.Join(texts(at(index, "Projection", "NonKeyAttributes")), " ")
			}
			got = append(got, r.name+" "+name+" "+projection)
			for i, suffix := range []string{"Pk", "Sk"} {
				if key := text(value(value(index, "KeySchema").Content[i], "AttributeName")); key != name+suffix {
					broken = append(broken, fmt.Sprintf("template.yaml: %s: the index %s has the key %s", r.name, name, key))
				}
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		broken = append(broken, fmt.Sprintf("template.yaml has the tables and indexes %v, infra/aws/README.md %v", got, want))
	}
	return broken
}

func TestTablesAndIndexesAreThoseOfTheAdapters(t *testing.T) { holds(t, indexes) }

// suppressions: whatever checkov is not asked has its reason.
func suppressions(t *testing.T, tr tree) (broken []string) {
	data, err := fs.ReadFile(tr, "infra/check/checkov.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		id, isItem := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !isItem {
			continue
		}
		id, reason, _ := strings.Cut(id, "#")
		if len(strings.Fields(reason)) < 5 {
			broken = append(broken, fmt.Sprintf("infra/check/checkov.yaml: %s is left out without a reason", strings.TrimSpace(id)))
		}
	}
	if data, err = fs.ReadFile(tr, "template.yaml"); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"checkov:skip", "cfn-lint:", "checkov:"} {
		if strings.Contains(string(data), word) {
			broken = append(broken, "template.yaml silences a tool by "+word)
		}
	}
	return broken
}

func TestEverySuppressionHasItsReason(t *testing.T) { holds(t, suppressions) }

func TestATableIndexOrSuppressionThatDiffersIsFound(t *testing.T) {
	finds(t, indexes,
		spoilt{templateFile, "Projection: {ProjectionType: INCLUDE, NonKeyAttributes: [body]}", "Projection: {ProjectionType: KEYS_ONLY}",
			[]string{"template.yaml has the tables and indexes [LicencesTable first keys LicencesTable second keys LogTable first all " +
				"LogTable second all LogTable third all RegistryTable first keys SealsTable first keys SsoTable], infra/aws/README.md " +
				"[LicencesTable first keys LicencesTable second keys LogTable first all LogTable second all LogTable third all " +
				"RegistryTable first body SealsTable first keys SsoTable]"}},
		spoilt{templateFile, "KeySchema: [{AttributeName: firstPk, KeyType: HASH}", "KeySchema: [{AttributeName: pk, KeyType: HASH}",
			[]string{"template.yaml: RegistryTable: the index first has the key pk"}},
	)
	finds(t, suppressions,
		spoilt{"infra/check/checkov.yaml", "  - CKV_AWS_18 #", "  - CKV_AWS_1\n  - CKV_AWS_18 #",
			[]string{"infra/check/checkov.yaml: CKV_AWS_1 is left out without a reason"}},
		spoilt{templateFile, "    Type: AWS::SQS::Queue", "    Metadata: {\"checkov:skip\": x}\n    Type: AWS::SQS::Queue",
			[]string{"template.yaml silences a tool by checkov:", "template.yaml silences a tool by checkov:skip"}},
	)
	finds(t, rightsTable,
		spoilt{"functions/README.md", "**token**", "", []string{
			"functions/README.md lacks\n" + row(readTemplate(t, tree{wiring(t)}).functions()["oidc-token"]),
			"functions/README.md says what is not so:\n" +
				strings.Replace(row(readTemplate(t, tree{wiring(t)}).functions()["oidc-token"]), "**token**", "", 1)}},
	)
}

// TestWhatIAMCannotExpress prints what the policies leave to the code: it cannot fail, and is read with -v.
func TestWhatIAMCannotExpress(t *testing.T) {
	sources := repository().sources(t)
	same := map[string][]string{}
	for port, list := range tableRights(t, sources) {
		for _, r := range list {
			same[r.String()] = append(same[r.String()], port)
		}
	}
	for _, r := range slices.Sorted(maps.Keys(same)) {
		if list := same[r]; len(list) > 1 {
			slices.Sort(list)
			t.Logf("IAM cannot tell apart %s: each is %s", strings.Join(list, ", "), r)
		}
	}
	for _, limit := range limits {
		t.Log(limit)
	}
}

// limits are what no policy of IAM says, whatever the function.
var limits = []string{
	"A leading key binds the partition key, not the sort key: who may read one item of mandate#… may read all of that person.",
	"A prefix is not an owner: oidc-token may redeem the code of every client; the condition of the write decides.",
	"Conditions, consistency and expiry are part of the request, not of the policy: the contract suites hold them.",
	"dynamodb:LeadingKeys binds the index's own partition key in a query of an index; what it projects comes along.",
	"kms:Sign by tag binds the purpose, not the agency: licence-issue may sign for each agency whose key has the tag.",
	"A key policy and a role's policy cannot name each other, so key policies know roles by the path of their function.",
	"dynamodb:Attributes binds requests that name attributes; that a request names them is bound for Query alone (Select).",
	"kms:TagResource cannot be bound to the moment of kms:CreateKey: key-enrol could tag a signing key of the account that is not ours.",
	"Who may change a key's policy may use the key in the end: the administration of keys is bound by CloudTrail alone.",
	"lambda:InvokeFunction binds the function, not what it is asked: job could ask seal-stamp for what licence-issue may, a face.",
	"A stream is given whole: log-append sees each new image of four tables.",
	"SAM attaches managed policies for logs, tracing and streams, on every resource; the permissions boundary narrows them.",
	"Who may be called: a function reaches any public address; infra/outbound holds verify to public hosts.",
}
