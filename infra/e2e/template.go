package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	yaml "github.com/oasdiff/yaml3"
)

// Template is template.yaml as CloudFormation would resolve it for one stack: parameters, conditions, pseudo
// parameters, and the attributes of the resources that were made so far (AWS CloudFormation User Guide, "Intrinsic
// function reference"). A function that is not known here is an error, never passed over.
type Template struct {
	StackName, Region, AccountID, Partition string
	Parameters                              map[string]string // beside the defaults, and before them

	text []byte
	root *yaml.Node
	made map[string]map[string]string // resource → attribute → value; "Ref" is what !Ref gives
}

// readTemplate parses a template; edit, where it is set, changes its text before.
func readTemplate(path string, edit func([]byte) []byte) (*Template, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if edit != nil {
		data = edit(data)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(doc.Content) != 1 {
		return nil, fmt.Errorf("reading %s: it is empty", path)
	}
	return &Template{text: data, root: doc.Content[0], Parameters: map[string]string{}, made: map[string]map[string]string{}}, nil
}

// Made says what the attributes of a resource are, now that it exists.
func (t *Template) Made(resource string, attributes map[string]string) { t.made[resource] = attributes }

// Resource is one of the template, not resolved yet.
type Resource struct {
	Name, Type string
	node       *yaml.Node
}

// Resources are those of a type, in the template's order, whose condition holds.
func (t *Template) Resources(kind string) (list []Resource, err error) {
	all := child(t.root, "Resources")
	for i := 0; all != nil && i+1 < len(all.Content); i += 2 {
		r := Resource{Name: all.Content[i].Value, node: all.Content[i+1]}
		if r.Type = scalar(child(r.node, "Type")); r.Type != kind {
			continue
		}
		if name := scalar(child(r.node, "Condition")); name != "" {
			holds, err := t.condition(name)
			if err != nil {
				return nil, err
			}
			if !holds {
				continue
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// Properties resolves the properties of a resource.
func (t *Template) Properties(r Resource) (Values, error) {
	node := child(r.node, "Properties")
	if node == nil {
		return Values{}, nil
	}
	return t.values(r.Name, node)
}

func (t *Template) values(name string, node *yaml.Node) (Values, error) {
	v, err := t.resolve(node)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: its properties are no mapping", name)
	}
	return m, nil
}

// LambdaFunction is what the template says of a function. What concerns deployment and rights is left out.
type LambdaFunction struct {
	Logical  string // "OidcToken"
	Folder   string // "oidc-token"
	Name     string // of the deployed function
	Env      map[string]string
	Timeout  time.Duration
	MemoryMB int
	Routes   []string // "POST /token", as API Gateway writes them
	Streams  []StreamSource
	Queues   []QueueSource
	Schedule bool
}

// StreamSource is a stream that invokes a function.
type StreamSource struct {
	Name, ARN string
	Batch     int
	Retries   int
	Partial   bool // ReportBatchItemFailures
	Bisect    bool
	Filters   []string
	Failures  string // ARN of the queue that gets what could not be taken
}

// QueueSource is a queue that invokes a function.
type QueueSource struct {
	Name, ARN string
	Batch     int
	Partial   bool
	Filters   []string
}

// Function resolves a function. Everything that its environment names has to be made before.
func (t *Template) Function(r Resource) (f LambdaFunction, err error) {
	global, err := t.pick("Globals", child(child(t.root, "Globals"), "Function"), "MemorySize", "Timeout", "Environment")
	if err != nil {
		return f, err
	}
	own, err := t.pick(r.Name, child(r.node, "Properties"), "FunctionName", "CodeUri", "MemorySize", "Timeout",
		"Environment", "Events")
	if err != nil {
		return f, err
	}
	f = LambdaFunction{
		Logical: r.Name, Folder: strings.TrimPrefix(own.Text("CodeUri"), "functions/"), Name: own.Text("FunctionName"),
		Env: map[string]string{}, Timeout: time.Duration(global.Number("Timeout")) * time.Second,
		MemoryMB: global.Number("MemorySize"),
	}
	if own["Timeout"] != nil {
		f.Timeout = time.Duration(own.Number("Timeout")) * time.Second
	}
	if own["MemorySize"] != nil {
		f.MemoryMB = own.Number("MemorySize")
	}
	for _, v := range []Values{global, own} {
		for name, value := range v.Map("Environment").Map("Variables") {
			f.Env[name] = fmt.Sprint(value)
		}
	}
	list := own.Map("Events")
	for _, name := range slices.Sorted(maps.Keys(list)) {
		e, p := list.Map(name), list.Map(name).Map("Properties")
		switch kind := e.Text("Type"); kind {
		case "HttpApi":
			f.Routes = append(f.Routes, p.Text("Method")+" "+p.Text("Path"))
		case "DynamoDB":
			f.Streams = append(f.Streams, StreamSource{
				Name: name, ARN: p.Text("Stream"), Batch: max(p.Number("BatchSize"), 1), Retries: p.Number("MaximumRetryAttempts"),
				Partial:  slices.Contains(p.Texts("FunctionResponseTypes"), "ReportBatchItemFailures"),
				Bisect:   p["BisectBatchOnFunctionError"] == true,
				Filters:  patterns(p), // of FilterCriteria
				Failures: p.Map("DestinationConfig").Map("OnFailure").Text("Destination"),
			})
		case "SQS":
			batch := p.Number("BatchSize")
			if batch == 0 {
				batch = 10
			}
			f.Queues = append(f.Queues, QueueSource{Name: name, ARN: p.Text("Queue"), Batch: batch,
				Partial: slices.Contains(p.Texts("FunctionResponseTypes"), "ReportBatchItemFailures"), Filters: patterns(p)})
		case "Schedule", "ScheduleV2":
			f.Schedule = true
		default:
			return f, fmt.Errorf("%s: events of type %q are not known here", r.Name, kind)
		}
	}
	return f, nil
}

// pick resolves some members of a mapping. Policies, alarms and roles are not needed here, and some of them name what
// comes into being with the function.
func (t *Template) pick(name string, node *yaml.Node, keys ...string) (Values, error) {
	picked := Values{}
	for _, key := range keys {
		if n := child(node, key); n != nil {
			v, err := t.resolve(n)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", name, key, err)
			}
			picked[key] = v
		}
	}
	return picked, nil
}

func patterns(p Values) (list []string) {
	filters, _ := p.Map("FilterCriteria")["Filters"].([]any)
	for _, f := range filters {
		if m, ok := f.(map[string]any); ok {
			list = append(list, Values(m).Text("Pattern"))
		}
	}
	return list
}

// Values is a resolved mapping.
type Values map[string]any

// Text is a member as text, "" where it is none.
func (v Values) Text(key string) string {
	switch x := v[key].(type) {
	case nil:
		return ""
	case string:
		return x
	case map[string]any, []any:
		return ""
	default:
		return fmt.Sprint(x)
	}
}

// Number is a member as a whole number, 0 where it is none.
func (v Values) Number(key string) int {
	var n int
	if _, err := fmt.Sscan(v.Text(key), &n); err != nil {
		return 0
	}
	return n
}

// Map is a member as a mapping, nil where it is none.
func (v Values) Map(key string) Values {
	m, _ := v[key].(map[string]any)
	return m
}

// Texts is a member as a list of texts.
func (v Values) Texts(key string) (list []string) {
	all, _ := v[key].([]any)
	for _, x := range all {
		list = append(list, fmt.Sprint(x))
	}
	return list
}

// noValue is AWS::NoValue: a member or an entry that is not there.
type noValue struct{}

var errNotMade = errors.New("is not made yet, or is no attribute that is known here")

func (t *Template) resolve(n *yaml.Node) (any, error) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return t.function(n)
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := t.resolve(n.Content[i+1])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", n.Content[i].Value, err)
			}
			if _, none := v.(noValue); !none {
				m[n.Content[i].Value] = v
			}
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			v, err := t.resolve(c)
			if err != nil {
				return nil, err
			}
			if _, none := v.(noValue); !none {
				list = append(list, v)
			}
		}
		return list, nil
	default:
		var v any
		err := n.Decode(&v)
		return v, err
	}
}

func (t *Template) function(n *yaml.Node) (any, error) {
	switch n.Tag {
	case "!Ref":
		return t.ref(n.Value)
	case "!GetAtt":
		resource, attribute, _ := strings.Cut(n.Value, ".")
		return t.attribute(resource, attribute)
	case "!Sub":
		if n.Kind != yaml.ScalarNode {
			return nil, errors.New("!Sub with a list is not known here")
		}
		return t.substitute(n.Value)
	case "!If":
		if len(n.Content) != 3 {
			return nil, errors.New("!If has a condition and two values")
		}
		holds, err := t.condition(n.Content[0].Value)
		if err != nil {
			return nil, err
		}
		if holds {
			return t.resolve(n.Content[1])
		}
		return t.resolve(n.Content[2])
	default:
		return nil, fmt.Errorf("the function %s is not known here", n.Tag)
	}
}

func (t *Template) ref(name string) (any, error) {
	switch name {
	case "AWS::NoValue":
		return noValue{}, nil
	case "AWS::StackName":
		return t.StackName, nil
	case "AWS::Region":
		return t.Region, nil
	case "AWS::AccountId":
		return t.AccountID, nil
	case "AWS::Partition":
		return t.Partition, nil
	case "AWS::URLSuffix":
		if t.Partition == "aws-cn" {
			return "amazonaws.com.cn", nil
		}
		return "amazonaws.com", nil
	}
	if p := child(child(t.root, "Parameters"), name); p != nil {
		if v, ok := t.Parameters[name]; ok {
			return v, nil
		}
		d := child(p, "Default")
		if d == nil {
			return nil, fmt.Errorf("the parameter %s has no value", name)
		}
		return d.Value, nil
	}
	return t.attribute(name, "Ref")
}

func (t *Template) attribute(resource, attribute string) (any, error) {
	if v, ok := t.made[resource][attribute]; ok {
		return v, nil
	}
	// SAM's own: "Function.Alias" is the alias that it publishes (AWS SAM Developer Guide, "Referencing generated
	// resources").
	if v, ok := t.made[resource+"."+attribute]["Ref"]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("%s.%s %w", resource, attribute, errNotMade)
}

func (t *Template) substitute(s string) (string, error) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			return "", errors.New("!Sub: a ${ is not closed")
		}
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
			s = rest
			continue
		}
		var v any
		var err error
		if resource, attribute, ok := strings.Cut(name, "."); ok {
			v, err = t.attribute(resource, attribute)
		} else {
			v, err = t.ref(name)
		}
		if err != nil {
			return "", err
		}
		fmt.Fprint(&out, v)
		s = rest
	}
}

// condition evaluates one of the template's conditions.
func (t *Template) condition(name string) (bool, error) {
	n := child(child(t.root, "Conditions"), name)
	if n == nil {
		return false, fmt.Errorf("there is no condition %s", name)
	}
	return t.truth(n)
}

func (t *Template) truth(n *yaml.Node) (bool, error) {
	switch n.Tag {
	case "!Equals":
		if len(n.Content) != 2 {
			return false, errors.New("!Equals has two values")
		}
		a, err := t.resolve(n.Content[0])
		if err != nil {
			return false, err
		}
		b, err := t.resolve(n.Content[1])
		return fmt.Sprint(a) == fmt.Sprint(b), err
	case "!Not":
		if len(n.Content) != 1 {
			return false, errors.New("!Not has one condition")
		}
		v, err := t.truth(n.Content[0])
		return !v, err
	case "!Condition":
		return t.condition(n.Value)
	case "!And", "!Or":
		for _, c := range n.Content {
			if v, err := t.truth(c); err != nil || v == (n.Tag == "!Or") {
				return v, err
			}
		}
		return n.Tag == "!And", nil
	default:
		return false, fmt.Errorf("the condition function %s is not known here", n.Tag)
	}
}

// child is the value of a key in a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
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

func scalar(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}
