package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/yinxin/yinxin/infra/e2e/runtime"
)

// bootstrapOfTests is a function that takes batches: "bad" fails the first time, "poison" always, "panic" fails its whole
// batch. The test's own executable is it where a Runtime API is named.
func bootstrapOfTests() {
	seen := map[string]bool{}
	lambda.Start(func(_ context.Context, event struct{ Records []streamRecord }) (map[string]any, error) {
		failures := []map[string]string{}
		for _, r := range event.Records {
			var key string
			if err := json.Unmarshal(r.DynamoDB.Keys, &key); err != nil {
				return nil, err
			}
			first := !seen[key+r.DynamoDB.SequenceNumber]
			seen[key+r.DynamoDB.SequenceNumber] = true
			if key == "panic" {
				return nil, errors.New("the whole batch fails")
			}
			if key == "poison" || key == "bad" && first {
				failures = append(failures, map[string]string{"itemIdentifier": r.DynamoDB.SequenceNumber})
				break
			}
			fmt.Println("took", r.DynamoDB.SequenceNumber)
		}
		return map[string]any{"batchItemFailures": failures}, nil
	})
}

func TestBatchesComeInOrderAgainAndAgain(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keys   []string
		took   []string // in order, a first taking only
		failed bool
	}{
		{[]string{"a", "b", "c"}, []string{"0", "1", "2"}, false},
		{[]string{"a", "bad", "c"}, []string{"0", "1", "2"}, false},
		{[]string{"a", "poison", "c"}, []string{"0"}, true},
		{[]string{"a", "panic", "c"}, []string{"0"}, true},
	} {
		var took []string
		f := &deployed{LambdaFunction: LambdaFunction{Folder: "test"}}
		f.process, err = runtime.Open(runtime.Options{Name: "test", Bootstrap: exe, Timeout: 5 * time.Second, Log: func(line string) {
			if n, ok := strings.CutPrefix(line, "took "); ok && !slices.Contains(took, n) {
				took = append(took, n)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		var records []streamRecord
		for i, key := range c.keys {
			data, err := json.Marshal(key)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, streamRecord{DynamoDB: streamChange{Keys: data, SequenceNumber: fmt.Sprint(i)}})
		}
		err := new(AWS).batch(t.Context(), f, StreamSource{Partial: true, Bisect: true}, records, 3)
		if closing := f.process.Close(); closing != nil {
			t.Error(closing)
		}
		if (err != nil) != c.failed || !slices.Equal(took, c.took) {
			t.Errorf("%v: took %v, error %v; want %v, %t", c.keys, took, err, c.took, c.failed)
		}
	}
}

func TestFiltersAreThoseOfLambda(t *testing.T) {
	record := streamRecord{EventName: "MODIFY", DynamoDB: streamChange{
		NewImage: json.RawMessage(`{"pk":{"S":"licence#1"},"event":{"S":"{}"}}`)}}
	for filter, want := range map[string]bool{
		`{"eventName":["MODIFY"]}`:                                                       true,
		`{"eventName":["INSERT","MODIFY"]}`:                                              true,
		`{"eventName":["INSERT"]}`:                                                       false,
		`{"eventName":[{"anything-but":["REMOVE"]}]}`:                                    true,
		`{"dynamodb":{"NewImage":{"event":{"S":[{"exists":true}]}}}}`:                    true,
		`{"dynamodb":{"NewImage":{"other":{"S":[{"exists":true}]}}}}`:                    false,
		`{"dynamodb":{"NewImage":{"other":{"S":[{"exists":false}]}}}}`:                   true,
		`{"dynamodb":{"NewImage":{"pk":{"S":[{"prefix":"licence#"}]}}}}`:                 true,
		`{"dynamodb":{"NewImage":{"pk":{"S":[{"prefix":"seal#"},{"suffix":"#1"}]}}}}`:    true,
		`{"eventName":["MODIFY"],"dynamodb":{"NewImage":{"pk":{"S":[{"prefix":"x"}]}}}}`: false,
	} {
		got, err := filtered([]string{filter}, record)
		if err != nil || got != want {
			t.Errorf("%s: %t %v", filter, got, err)
		}
	}
	for _, filter := range []string{`{"eventName":"MODIFY"}`, `{"eventName":[{"numeric":["=",1]}]}`, `{`} {
		if _, err := filtered([]string{filter}, record); err == nil {
			t.Errorf("%s is understood", filter)
		}
	}
}

func TestATemplateIsResolvedAsCloudFormationDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "template.yaml")
	text := `
Parameters: {Name: {Type: String, Default: otherwise}, Needed: {Type: String}}
Conditions: {InChina: !Equals [!Ref "AWS::Partition", aws-cn], Elsewhere: !Not [!Equals [!Ref "AWS::Partition", aws-cn]]}
Globals: {Function: {Timeout: 10, MemorySize: 256, Environment: {Variables: {A: all, B: all}}}}
Resources:
  Table: {Type: "AWS::DynamoDB::Table", Properties: {X: !If [InChina, 1, !Ref "AWS::NoValue"], Y: !If [Elsewhere, 2, 3]}}
  Only: {Type: "AWS::DynamoDB::Table", Condition: InChina}
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub ${AWS::StackName}-f
      CodeUri: functions/f
      Timeout: 25
      Policies: [!Ref Nothing]
      Environment:
        Variables: {B: own, T: !Ref Table, ARN: !GetAtt Table.Arn, S: !Sub "x:${Table.Arn}:${Name}:${!literal}", G: !Ref F.Alias}
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: /f}}
        Stream: {Type: DynamoDB, Properties: {Stream: !GetAtt Table.StreamArn, BatchSize: 7, FunctionResponseTypes: [ReportBatchItemFailures]}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tm, err := readTemplate(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	tm.StackName, tm.Partition = "stack", "aws"
	functions, err := tm.Resources("AWS::Serverless::Function")
	if err != nil || len(functions) != 1 {
		t.Fatal(functions, err)
	}
	if _, err := tm.Function(functions[0]); !errors.Is(err, errNotMade) || !strings.Contains(err.Error(), "Table") {
		t.Errorf("a table that is not there: %v", err)
	}
	tables, err := tm.Resources("AWS::DynamoDB::Table")
	if err != nil || len(tables) != 1 {
		t.Fatal("a resource whose condition does not hold is there:", tables, err)
	}
	if p, err := tm.Properties(tables[0]); err != nil || len(p) != 1 || p.Number("Y") != 2 {
		t.Errorf("properties %v, %v", p, err)
	}
	tm.Made("Table", map[string]string{"Ref": "t-1", "Arn": "arn:t-1", "StreamArn": "arn:s-1"})
	tm.Made("F.Alias", map[string]string{"Ref": "arn:f:live"})
	f, err := tm.Function(functions[0])
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "all", "B": "own", "T": "t-1", "ARN": "arn:t-1", "S": "x:arn:t-1:otherwise:${literal}", "G": "arn:f:live"}
	if fmt.Sprint(f.Env) != fmt.Sprint(want) || f.Timeout != 25*time.Second || f.MemoryMB != 256 || f.Name != "stack-f" ||
		!slices.Equal(f.Routes, []string{"GET /f"}) || len(f.Streams) != 1 || f.Streams[0].Batch != 7 || !f.Streams[0].Partial {
		t.Errorf("got %+v", f)
	}
	if _, err := tm.ref("Needed"); err == nil {
		t.Error("a parameter without a value has one")
	}
}

func TestScriptsAreReadByLines(t *testing.T) {
	s, err := parseScript("x.txt", []byte("# comment\nhttp GET \"/a b\" -json '{\"x\": 1}' # end\n[aws] [!url] until 5s\n\tstatus 200\n"+
		"\tstatus ''\n-- f --\none\ntwo\n-- g --\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.commands) != 2 || !slices.Equal(s.commands[0].words, []string{"http", "GET", "/a b", "-json", `{"x": 1}`}) ||
		!slices.Equal(s.commands[1].on, []string{"aws", "!url"}) || len(s.commands[1].block) != 2 ||
		!slices.Equal(s.commands[1].block[1].words, []string{"status", ""}) || string(s.files["f"]) != "one\ntwo\n" || len(s.files["g"]) != 0 {
		t.Errorf("got %+v %q", s.commands, s.files)
	}
	for _, bad := range []string{"\tstatus 200", "http 'GET", "[aws http GET /"} {
		if _, err := parseScript("x.txt", []byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestAScriptThatFailsSaysWhere(t *testing.T) {
	l := local(t)
	for text, want := range map[string]string{
		"http GET /jwks\nstatus 404":                "x.txt:2: status 404\n\tthe status is 200",
		"http GET /jwks\njson keys.0.kty is RSA":    `it is "EC"`,
		"http GET $nothing":                         `there is no variable "nothing"`,
		"sing /jwks":                                `there is no command "sing"`,
		"http GET /jwks -colour red":                "there is no option -colour",
		"verify 无\nverdict valid":                   "the verdict is invalid INPUT_UNKNOWN",
		"until 100ms\n\thttp GET /jwks\n\tstatus 1": "line 3: status 1",
		"invoke registry-seed '{}'":                 errUnsupported.Error(),
		"sign-on zhang nobody":                      `the seed has no client "nobody"`,
	} {
		s, err := parseScript("x.txt", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run(t.Context(), l, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	s, err := parseScript("x.txt", []byte("[aws] http GET /none\n[!local] status 404\nhttp GET /jwks\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := run(t.Context(), l, s); err != nil || !slices.Equal(p.transcript, []string{"http GET /jwks → 200 application/jwk-set+json"}) {
		t.Errorf("%v %v", p.transcript, err)
	}
}

// A role that lacks one statement of its policy is refused by name, and the script that needs it fails.
func TestARoleWithoutAStatementIsRefusedByName(t *testing.T) {
	const statement = "            # Stamper\n            - Effect: Allow\n              Action: [lambda:InvokeFunction]\n" +
		"              Resource: !Ref SealStamp.Alias\n"
	s := deploy(t, func(o *AWSOptions) {
		o.Edit = func(template []byte) []byte {
			if bytes.Count(template, []byte(statement)) != 1 {
				t.Errorf("the template does not hold this once:\n%s", statement)
			}
			return bytes.Replace(template, []byte(statement), nil, 1)
		}
	})
	scripts, err := readScripts("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range scripts {
		if one.name != "04-licence.txt" {
			continue
		}
		if _, err := run(t.Context(), s, one); err == nil || !strings.Contains(err.Error(), "$licence/issue") && !strings.Contains(err.Error(), "status 200") {
			t.Errorf("the script goes through: %v", err)
		}
	}
	refusals := s.Gate.Refusals()
	if len(refusals) == 0 || refusals[0].Role != "licence-issue" || refusals[0].Action != "lambda:InvokeFunction" {
		t.Errorf("refused: %v", refusals)
	}
}

// What one process alone leaves in its log is found: the check of the logs is not blind.
func TestWhatALogHoldsIsFound(t *testing.T) {
	log := []LogLine{{"oidc-token", `{"route":"POST /token"}`}, {"oidc-token", `{"error":"990000198503120019"}`}}
	if got := leaks(log, map[string]string{"990000198503120019": "an identity number"}); len(got) != 1 ||
		!strings.Contains(got[0], "oidc-token logs an identity number") {
		t.Errorf("found %q", got)
	}
}
