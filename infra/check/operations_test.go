package check

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "github.com/oasdiff/yaml3"
)

// What must be seen: every way in which the platform can stand still has an alarm, every alarm watches something that is
// there and stands in the runbook, and every metric that functions count is watched or shown.

var metricName = regexp.MustCompile(`"([A-Z][A-Za-z0-9]+)"`)

// ownMetrics are the names of the metrics that functions count: the table metricNames of infra/aws.
func ownMetrics(t *testing.T, tr tree) (names []string) {
	data, err := fs.ReadFile(tr, "infra/aws/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(data), "var metricNames = [metricCount]string{")
	table, _, closed := strings.Cut(table, "\n}")
	if !found || !closed {
		t.Fatal("infra/aws/metrics.go has no table metricNames")
	}
	for _, m := range metricName.FindAllStringSubmatch(table, -1) {
		names = append(names, m[1])
	}
	return names
}

// alarm is one of the template: what it watches, as namespace and name.
type alarm struct {
	resource
	metrics []watched
}

type watched struct {
	namespace, name string
	dimensions      map[string]string
}

func (tm template) alarms() (list []alarm) {
	for _, r := range tm.resources("AWS::CloudWatch::Alarm") {
		a := alarm{resource: r}
		read := func(n, dims *yaml.Node) {
			w := watched{text(value(n, "Namespace")), text(value(n, "MetricName")), map[string]string{}}
			if dims != nil {
				for _, d := range dims.Content {
					w.dimensions[text(value(d, "Name"))] = text(value(d, "Value"))
				}
			}
			a.metrics = append(a.metrics, w)
		}
		if value(r.prop(), "MetricName") != nil {
			read(r.prop(), value(r.prop(), "Dimensions"))
		}
		if all := value(r.prop(), "Metrics"); all != nil {
			for _, m := range all.Content {
				if one := at(m, "MetricStat", "Metric"); one != nil {
					read(one, value(one, "Dimensions"))
				}
			}
		}
		list = append(list, a)
	}
	return list
}

// watches tells whether an alarm watches a metric with a dimension.
func watches(alarms []alarm, namespace, name, dimension, value string) bool {
	return slices.ContainsFunc(alarms, func(a alarm) bool {
		return slices.ContainsFunc(a.metrics, func(w watched) bool {
			return w.namespace == namespace && w.name == name && strings.HasPrefix(w.dimensions[dimension], value)
		})
	})
}

// operations: what can stand still is watched, and what is watched is there.
func operations(t *testing.T, tr tree) (broken []string) {
	tm := readTemplate(t, tr)
	say := func(format string, args ...any) {
		broken = append(broken, "template.yaml: "+fmt.Sprintf(format, args...))
	}
	alarms, own := tm.alarms(), ownMetrics(t, tr)
	for _, r := range tm.resources("AWS::Serverless::Function") {
		for _, name := range keys(r.prop("Events")) {
			switch text(r.prop("Events", name, "Type")) {
			case "DynamoDB":
				if !watches(alarms, "AWS/Lambda", "IteratorAge", "FunctionName", "!Ref "+r.name) {
					say("nobody watches how old what %s reads of streams is", r.name)
				}
			case "Schedule":
				stops := value(at(tm.Node, "Resources"), r.name+"Stopped")
				if text(at(stops, "Properties", "TreatMissingData")) != "breaching" || text(at(stops, "Properties", "MetricName")) != "Invocations" {
					say("nobody sees when %s is not invoked any more: %sStopped", r.name, r.name)
				}
			}
		}
	}
	for _, r := range tm.resources("AWS::SQS::Queue") {
		metric := "ApproximateAgeOfOldestMessage"
		if strings.HasSuffix(r.name, "DeadLetters") {
			metric = "ApproximateNumberOfMessagesVisible"
		}
		if !watches(alarms, "AWS/SQS", metric, "QueueName", "!GetAtt "+r.name+".QueueName") {
			say("nobody watches %s: %s", r.name, metric)
		}
	}
	for _, r := range tm.resources("AWS::DynamoDB::Table") {
		for _, metric := range []string{"SystemErrors", "ThrottledRequests"} {
			if !watches(alarms, "AWS/DynamoDB", metric, "TableName", "!Ref "+r.name) {
				say("nobody watches %s of %s", metric, r.name)
			}
		}
	}
	dashboard := ""
	for _, r := range tm.resources("AWS::CloudWatch::Dashboard") {
		dashboard += strings.TrimPrefix(text(r.prop("DashboardBody")), "!Sub ")
	}
	for _, a := range alarms {
		if !strings.HasPrefix(text(a.prop("AlarmActions")), "!If [HasTopic, ") {
			say("%s tells nobody", a.name)
		}
		for _, w := range a.metrics {
			if w.namespace == "Yinxin" && !slices.Contains(own, w.name) {
				say("%s watches %s, which nobody counts", a.name, w.name)
			}
			if w.namespace == "Yinxin" && (len(w.dimensions) != 1 || w.dimensions["Stack"] != "!Ref AWS::StackName") {
				say("%s watches %s of %v, not of the stack", a.name, w.name, w.dimensions)
			}
			if !strings.HasPrefix(w.namespace, "AWS/") && w.namespace != "Yinxin" {
				say("%s watches %s, which is not ours", a.name, w.namespace)
			}
		}
	}
	for _, name := range own {
		if !strings.Contains(dashboard, `"`+name+`"`) && !strings.Contains(dashboard, `\"`+name+`\"`) && !watches(alarms, "Yinxin", name, "Stack", "") && !perFunction(name) {
			say("nobody sees %s", name)
		}
	}
	for folder := range tm.functions() {
		if n := strings.Count(dashboard, `"${AWS::StackName}-`+folder+`", {"label"`); n != 4 {
			say("%s stands %d times on the dashboard, not among invocations, errors, durations and throttles", folder, n)
		}
	}
	if text(at(tm.Node, "Globals", "Function", "Environment", "Variables", "STACK")) != "!Ref AWS::StackName" {
		say("functions do not know the stack that they count for")
	}
	if !json.Valid([]byte(dashboard)) {
		say("the dashboard is no JSON")
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

// perFunction are counts by which the lines of one function are read; CloudWatch shows them by function.
func perFunction(name string) bool {
	return slices.Contains([]string{"Invocations", "Answers2xx", "Answers3xx", "Answers4xx", "Answers5xx", "BatchItems"}, name)
}

func TestWhatCanStandStillIsWatched(t *testing.T) { holds(t, operations) }

func TestASpoiltOperationIsFound(t *testing.T) {
	finds(t, operations,
		spoilt{templateFile, "      MetricName: IteratorAge\n", "      MetricName: Duration\n",
			[]string{"template.yaml: nobody watches how old what LogAppend reads of streams is"}},
		spoilt{templateFile, "  KeyRotateStopped:\n", "  KeyRotateGone:\n",
			[]string{"template.yaml: nobody sees when KeyRotate is not invoked any more: KeyRotateStopped"}},
		spoilt{templateFile, "      MetricName: SignOnsRefused\n", "      MetricName: SignOnsRefuse\n",
			[]string{"template.yaml: SignOnsRefusedSpike watches SignOnsRefuse, which nobody counts"}},
		spoilt{templateFile, `      MetricName: KMSThrottled
      Dimensions: [{Name: Stack, Value: !Ref "AWS::StackName"}]`, `      MetricName: KMSThrottled
      Dimensions: [{Name: Function, Value: seal-stamp}]`,
			[]string{"template.yaml: KeysThrottled watches KMSThrottled of map[Function:seal-stamp], not of the stack"}},
		spoilt{"infra/aws/metrics.go", `"SDKRetries"`, `"SDKRetries", "Unseen"`, []string{"template.yaml: nobody sees Unseen"}},
		spoilt{templateFile, "        STACK: !Ref AWS::StackName\n", "",
			[]string{"template.yaml: functions do not know the stack that they count for"}},
		spoilt{templateFile, `["AWS/Lambda", "Errors", "FunctionName", "${AWS::StackName}-verify", {"label": "verify"}], `, "",
			[]string{"template.yaml: verify stands 3 times on the dashboard, not among invocations, errors, durations and throttles"}},
	)
}

// Policies of roles ask for the tags of KMS keys that infra/aws makes: both name them alike.
func TestKeysAreTaggedAsPoliciesAsk(t *testing.T) {
	data, err := fs.ReadFile(repository(), "infra/aws/keyresident.go")
	if err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`(?m)^\ttag[A-Z][a-z]+ += "([^"]+)"$`).FindAllStringSubmatch(string(data), -1)
	template, err := fs.ReadFile(repository(), "template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`aws:(?:Request|Resource)Tag/([^"]+)"`).FindAllStringSubmatch(string(template), -1)
	if len(made) == 0 || len(asked) == 0 {
		t.Fatalf("%d tags made, %d asked for", len(made), len(asked))
	}
	for _, a := range asked {
		if !slices.ContainsFunc(made, func(m []string) bool { return m[1] == a[1] }) {
			t.Errorf("template.yaml asks for the tag %s, which no key gets: %v", a[1], made)
		}
	}
}
