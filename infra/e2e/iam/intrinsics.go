package iam

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	yaml "github.com/oasdiff/yaml3"
)

// What the intrinsic functions of a template (Ref, Fn::GetAtt, Fn::Sub, Fn::If) come to in a stack that is deployed.

// nodes are a value or a list of them, with every !If decided and nothing left out.
func (src *source) nodes(n *yaml.Node) (list []*yaml.Node, err error) {
	switch {
	case n == nil:
		return nil, errors.New("a value is missing")
	case n.Kind == yaml.SequenceNode && n.Tag == "!!seq":
		for _, c := range n.Content {
			more, err := src.nodes(c)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
	case n.Tag == "!If":
		chosen, err := src.choose(n)
		if err != nil {
			return nil, err
		}
		return src.nodes(chosen)
	case !isNothing(n):
		list = append(list, n)
	}
	return list, nil
}

// texts resolves a value or a list of them.
func (src *source) texts(n *yaml.Node) (list []string, err error) {
	nodes, err := src.nodes(n)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		v, err := src.text(n)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// text resolves a scalar with the intrinsic functions that the template uses (AWS CloudFormation User Guide, "Intrinsic
// function reference").
func (src *source) text(n *yaml.Node) (string, error) {
	if n == nil {
		return "", errors.New("a value is missing")
	}
	switch {
	case n.Tag == "!If":
		chosen, err := src.choose(n)
		if err != nil {
			return "", err
		}
		return src.text(chosen)
	case n.Kind != yaml.ScalarNode:
		return "", fmt.Errorf("a text is asked for, not %s", n.Tag)
	case n.Tag == "!Ref":
		return src.ref(n.Value)
	case n.Tag == "!GetAtt":
		return src.att(n.Value)
	case n.Tag == "!Sub":
		var failed error
		v := inSub.ReplaceAllStringFunc(n.Value, func(m string) string {
			name := m[2 : len(m)-1]
			resolve := src.ref
			if strings.Contains(name, ".") {
				resolve = src.att
			}
			v, err := resolve(name)
			failed = errors.Join(failed, err)
			return v
		})
		return v, failed
	case strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!"):
		return "", fmt.Errorf("the intrinsic function %s is not known here", n.Tag)
	}
	return n.Value, nil
}

var inSub = regexp.MustCompile(`\$\{[^}]+\}`)

func (src *source) ref(name string) (string, error) {
	switch name {
	case "AWS::Partition":
		return src.names.Partition, nil
	case "AWS::Region":
		return src.names.Region, nil
	case "AWS::AccountId":
		return src.names.Account, nil
	case "AWS::StackName":
		return src.names.Stack, nil
	case "AWS::URLSuffix":
		return src.names.suffix(), nil
	}
	if p := at(src.doc, "Parameters", name); p != nil {
		if v, set := src.names.Parameters[name]; set {
			return v, nil
		}
		if d := at(p, "Default"); d != nil {
			return d.Value, nil
		}
		return "", fmt.Errorf("the parameter %s is not given", name)
	}
	if function, ok := strings.CutSuffix(name, ".Alias"); ok {
		return src.names.arn("lambda", "function:"+src.physical(function)+":live"), nil
	}
	switch src.kind(name) {
	case "":
		return "", fmt.Errorf("there is no resource %s", name)
	case "AWS::SQS::Queue":
		return fmt.Sprintf("https://sqs.%s.%s/%s/%s", src.names.Region, src.names.suffix(), src.names.Account,
			src.physical(name)), nil
	}
	return src.physical(name), nil
}

func (src *source) att(name string) (string, error) {
	name, attribute, _ := strings.Cut(name, ".")
	if v, given := src.names.Physical[name+"."+attribute]; given {
		return v, nil
	}
	physical := src.physical(name)
	switch src.kind(name) + " " + attribute {
	case "AWS::DynamoDB::Table Arn":
		return src.names.tableARN(physical), nil
	case "AWS::DynamoDB::Table StreamArn":
		return src.names.tableARN(physical) + "/stream/2026-01-01T00:00:00.000", nil
	case "AWS::KMS::Key Arn":
		return src.names.keyARN(physical), nil
	case "AWS::S3::Bucket Arn":
		return src.names.bucketARN(physical), nil
	case "AWS::SQS::Queue Arn":
		return src.names.queueARN(physical), nil
	case "AWS::Serverless::Function Arn":
		return src.names.arn("lambda", "function:"+physical), nil
	}
	return "", fmt.Errorf("there is no attribute %s of %s", attribute, name)
}

func (src *source) kind(name string) string {
	if n := at(src.doc, "Resources", name, "Type"); n != nil {
		return n.Value
	}
	return ""
}

// physical is what a resource is called: as given, or after the pattern of CloudFormation.
func (src *source) physical(name string) string {
	if v, given := src.names.Physical[name]; given {
		return v
	}
	made := src.names.Stack + "-" + name + "-1EXAMPLE2345"
	switch src.kind(name) {
	case "AWS::Serverless::Function":
		made = src.names.Stack + "-" + path.Base(at(src.doc, "Resources", name, "Properties", "CodeUri").Value)
	case "AWS::S3::Bucket":
		made = strings.ToLower(made)
	}
	src.names.Physical[name] = made
	return made
}

// choose takes a branch of !If.
func (src *source) choose(n *yaml.Node) (*yaml.Node, error) {
	if len(n.Content) != 3 {
		return nil, errors.New("!If takes three values")
	}
	holds, err := src.condition(at(src.doc, "Conditions", n.Content[0].Value))
	if err != nil {
		return nil, err
	}
	if holds {
		return n.Content[1], nil
	}
	return n.Content[2], nil
}

func (src *source) condition(n *yaml.Node) (bool, error) {
	if n == nil {
		return false, errors.New("a condition is missing")
	}
	switch n.Tag {
	case "!Equals":
		values, err := src.texts(&yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: n.Content})
		if err != nil || len(values) != 2 {
			return false, errors.Join(err, errors.New("!Equals takes two values"))
		}
		return values[0] == values[1], nil
	case "!Not":
		holds, err := src.condition(n.Content[0])
		return !holds, err
	case "!And", "!Or":
		for _, c := range n.Content {
			holds, err := src.condition(c)
			if err != nil || holds == (n.Tag == "!Or") {
				return holds, err
			}
		}
		return n.Tag == "!And", nil
	case "!Condition":
		return src.condition(at(src.doc, "Conditions", n.Value))
	}
	return false, fmt.Errorf("the condition function %s is not known here", n.Tag)
}

// isNothing tells whether a value is AWS::NoValue, which takes the place of none.
func isNothing(n *yaml.Node) bool { return n.Tag == "!Ref" && n.Value == "AWS::NoValue" }
