package iam

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	yaml "github.com/oasdiff/yaml3"
)

// source is a template being read.
type source struct {
	names Names
	doc   *yaml.Node
}

// Load reads a SAM template under the names of a deployment. It refuses a template whose policies hold what it does not
// understand.
func Load(data []byte, names Names) (*Stack, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("reading the template: it is empty")
	}
	src := &source{names: names.complete(), doc: doc.Content[0]}
	s := &Stack{
		names: src.names, root: fmt.Sprintf("arn:%s:iam::%s:root", src.names.Partition, src.names.Account),
		roles: map[string]role{}, resources: map[string]policy{}, tables: map[string]table{}, buckets: map[string]bucket{},
		queues: map[string]string{}, arns: map[string]string{}, keys: map[string]Key{}, aliases: map[string]string{},
		used: map[string]int{},
	}
	resources := at(src.doc, "Resources")
	for _, name := range keysOf(resources) {
		if err := src.resource(s, name, at(resources, name)); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if arn, err := src.att(name + ".Arn"); err == nil {
			s.arns[name] = arn
		}
	}
	if s.boundary == nil {
		return nil, errors.New("reading the template: the roles have no boundary")
	}
	return s, nil
}

// at walks a path of keys; nil where it ends early.
func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		var next *yaml.Node
		if n != nil && n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					next = n.Content[i+1]
				}
			}
		}
		n = next
	}
	return n
}

func keysOf(n *yaml.Node) (list []string) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		list = append(list, n.Content[i].Value)
	}
	return list
}

// resource takes what matters of one resource.
func (src *source) resource(s *Stack, name string, n *yaml.Node) error {
	props := at(n, "Properties")
	switch kind := at(n, "Type"); kind.Value {
	case "AWS::Serverless::Function":
		return src.function(s, name, props)
	case "AWS::KMS::Key":
		arn := src.names.keyARN(src.physical(name))
		p, err := src.policy(name, at(props, "KeyPolicy"))
		if err != nil {
			return err
		}
		s.resources[arn] = p
		k := Key{Tags: map[string]string{}, Spec: "SYMMETRIC_DEFAULT", Use: "ENCRYPT_DECRYPT"}
		for field, to := range map[string]*string{"KeySpec": &k.Spec, "KeyUsage": &k.Use} {
			if v := at(props, field); v != nil {
				if *to, err = src.text(v); err != nil {
					return err
				}
			}
		}
		if tags := at(props, "Tags"); tags != nil {
			for _, t := range tags.Content {
				tag, err := src.text(at(t, "Key"))
				if err != nil {
					return err
				}
				if k.Tags[tag], err = src.text(at(t, "Value")); err != nil {
					return err
				}
			}
		}
		s.keys[arn] = k
	case "AWS::DynamoDB::Table":
		t := table{partition: map[string]string{"": hashKey(props)}}
		if indexes := at(props, "GlobalSecondaryIndexes"); indexes != nil {
			for _, index := range indexes.Content {
				t.partition[at(index, "IndexName").Value] = hashKey(index)
			}
		}
		var err error
		if t.key, err = src.text(at(props, "SSESpecification", "KMSMasterKeyId")); err != nil {
			return err
		}
		s.tables[src.names.tableARN(src.physical(name))] = t
	case "AWS::S3::Bucket":
		rules := at(props, "BucketEncryption", "ServerSideEncryptionConfiguration")
		if rules == nil || len(rules.Content) != 1 {
			return errors.New("a bucket needs one rule of encryption")
		}
		var b bucket
		if rule := at(rules.Content[0], "ServerSideEncryptionByDefault"); at(rule, "SSEAlgorithm").Value != "AES256" {
			var err error
			if b.key, err = src.text(at(rule, "KMSMasterKeyID")); err != nil {
				return err
			}
		}
		s.buckets[src.physical(name)] = b
	case "AWS::SQS::Queue":
		key, err := src.text(at(props, "KmsMasterKeyId"))
		s.queues[src.names.queueARN(src.physical(name))] = key
		return err
	case "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy":
		p, err := src.policy(name, at(props, "PolicyDocument"))
		if err != nil {
			return err
		}
		owners := []*yaml.Node{at(props, "Bucket")}
		if queues := at(props, "Queues"); queues != nil {
			owners = queues.Content
		}
		for _, owner := range owners {
			of := strings.TrimSpace(owner.Value)
			if owner.Tag != "!Ref" {
				return fmt.Errorf("a policy of %s %s", owner.Tag, of)
			}
			arn := src.names.bucketARN(src.physical(of))
			if kind.Value == "AWS::SQS::QueuePolicy" {
				arn = src.names.queueARN(src.physical(of))
			}
			s.resources[arn] = p
		}
	case "AWS::IAM::ManagedPolicy":
		if at(src.doc, "Globals", "Function", "PermissionsBoundary").Value != name {
			return errors.New("a managed policy that is not the boundary")
		}
		p, err := src.policy(name, at(props, "PolicyDocument"))
		s.boundary = &p
		return err
	}
	return nil
}

// hashKey is the name of the partition key of a table or an index.
func hashKey(n *yaml.Node) string {
	for _, k := range at(n, "KeySchema").Content {
		if at(k, "KeyType").Value == "HASH" {
			return at(k, "AttributeName").Value
		}
	}
	return ""
}

// function makes the role of a function: its own policies and what SAM adds (AWS SAM Developer Guide,
// "AWS::Serverless::Function", Policies; the role's name is made by CloudFormation, under the path of RolePath).
func (src *source) function(s *Stack, name string, props *yaml.Node) error {
	folder := path.Base(at(props, "CodeUri").Value)
	rolePath := "/"
	if p := at(props, "RolePath"); p != nil {
		var err error
		if rolePath, err = src.text(p); err != nil {
			return err
		}
	}
	if at(props, "PermissionsBoundary") != nil || at(props, "Role") != nil {
		return errors.New("a role or a boundary of its own")
	}
	r := role{arn: fmt.Sprintf("arn:%s:iam::%s:role%s%s-%sRole-1EXAMPLE2345", src.names.Partition, src.names.Account, rolePath,
		src.names.Stack, name)}
	if policies := at(props, "Policies"); policies != nil {
		if policies.Kind != yaml.SequenceNode {
			return errors.New("policies by name")
		}
		for _, n := range policies.Content {
			p, err := src.policy(folder, n)
			if err != nil {
				return err
			}
			r.identity = append(r.identity, p)
		}
	}
	added, err := src.added(folder, props)
	if err != nil {
		return err
	}
	r.identity = append(r.identity, added)
	s.roles[folder] = r
	return nil
}

// added are the policies that SAM attaches: AWSLambdaBasicExecutionRole, AWSXrayWriteOnlyAccess,
// AWSLambdaDynamoDBExecutionRole and AWSLambdaSQSQueueExecutionRole for event sources (AWS Managed Policy Reference),
// and sqs:SendMessage to the queues of failed events (SAM Developer Guide, EventInvokeDestinationConfiguration).
func (src *source) added(folder string, props *yaml.Node) (policy, error) {
	p := policy{name: "added by SAM for " + folder}
	allow := func(name string, resource string, actions ...string) {
		p.statements = append(p.statements, statement{name: name, actions: actions, resources: []string{resource},
			written: []string{resource}})
	}
	logs := []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
	allow("AWSLambdaBasicExecutionRole", "*", logs...)
	// SAM does not read the condition of Tracing, and takes another policy of the same actions where there is no Lambda
	// tracing.
	tracing := map[string]string{"aws-cn": "AWSXRayDaemonWriteAccess"}[src.names.Partition]
	allow(cmp.Or(tracing, "AWSXrayWriteOnlyAccess"), "*", "xray:PutTraceSegments", "xray:PutTelemetryRecords",
		"xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries")
	failed := []*yaml.Node{at(props, "EventInvokeConfig", "DestinationConfig", "OnFailure")}
	events := at(props, "Events")
	for _, name := range keysOf(events) {
		e := at(events, name)
		switch at(e, "Type").Value {
		case "DynamoDB":
			allow("AWSLambdaDynamoDBExecutionRole", "*", append([]string{"dynamodb:DescribeStream", "dynamodb:GetRecords",
				"dynamodb:GetShardIterator", "dynamodb:ListStreams"}, logs...)...)
		case "SQS":
			allow("AWSLambdaSQSQueueExecutionRole", "*", append([]string{"sqs:ReceiveMessage", "sqs:DeleteMessage",
				"sqs:GetQueueAttributes"}, logs...)...)
		}
		failed = append(failed, at(e, "Properties", "DestinationConfig", "OnFailure"))
	}
	for _, f := range failed {
		if f == nil {
			continue
		}
		if at(f, "Type").Value != "SQS" {
			return p, errors.New("failed events go elsewhere than to a queue")
		}
		arn, err := src.text(at(f, "Destination"))
		if err != nil {
			return p, err
		}
		allow("the destination of failed events", arn, "sqs:SendMessage")
	}
	return p, nil
}

var capitals = regexp.MustCompile(`[A-Z][A-Za-z]*`)

// policy reads a policy document.
func (src *source) policy(name string, doc *yaml.Node) (policy, error) {
	p := policy{name: name}
	if version := at(doc, "Version"); version == nil || version.Value != "2012-10-17" {
		return p, fmt.Errorf("%s has another version of the policy language than 2012-10-17", name)
	}
	for i, n := range at(doc, "Statement").Content {
		if n.Tag == "!If" {
			var err error
			if n, err = src.choose(n); err != nil {
				return p, err
			}
		}
		if isNothing(n) {
			continue
		}
		st, err := src.statement(name, i+1, n)
		if err != nil {
			return p, err
		}
		if err := st.check(); err != nil {
			return p, err
		}
		p.statements = append(p.statements, st)
	}
	return p, nil
}

func (src *source) statement(policy string, i int, n *yaml.Node) (st statement, err error) {
	comment := n.HeadComment
	if comment == "" && len(n.Content) > 0 {
		comment = n.Content[0].HeadComment
	}
	st.name = fmt.Sprintf("%s statement %d", policy, i)
	if fields := capitals.FindAllString(comment, -1); len(fields) > 0 && at(n, "Sid") == nil {
		st.name += " (" + strings.Join(fields, ", ") + ")"
	}
	for _, element := range keysOf(n) {
		v := at(n, element)
		switch element {
		case "Sid":
			st.sid = v.Value
			st.name += " (" + v.Value + ")"
		case "Effect":
			st.deny = v.Value == "Deny"
			if !st.deny && v.Value != "Allow" {
				return st, fmt.Errorf("%s has the effect %q", st.name, v.Value)
			}
		case "Action":
			st.actions, err = src.texts(v)
		case "Resource":
			var nodes []*yaml.Node
			if nodes, err = src.nodes(v); err == nil {
				st.resources, err = src.texts(v)
				st.written = writtenAs(nodes)
			}
		case "Principal":
			st.principals, err = src.principals(v)
		case "Condition":
			st.conditions, err = src.conditions(v)
		default:
			return st, fmt.Errorf("%s has an element that is not known here: %s", st.name, element)
		}
		if err != nil {
			return st, fmt.Errorf("%s: %w", st.name, err)
		}
	}
	if at(n, "Effect") == nil || len(st.written) != len(st.resources) {
		return st, fmt.Errorf("%s is not understood", st.name)
	}
	return st, nil
}

func (src *source) principals(n *yaml.Node) (p *principals, err error) {
	p = &principals{}
	if n.Kind == yaml.ScalarNode && n.Value == "*" {
		p.aws = []string{"*"}
		return p, nil
	}
	for _, kind := range keysOf(n) {
		list, err := src.texts(at(n, kind))
		if err != nil {
			return nil, err
		}
		switch kind {
		case "AWS":
			p.aws = list
		case "Service":
			p.services = list
		default:
			return nil, fmt.Errorf("principals of the kind %s are not known here", kind)
		}
	}
	return p, nil
}

func (src *source) conditions(n *yaml.Node) (list []condition, err error) {
	for _, operator := range keysOf(n) {
		for _, key := range keysOf(at(n, operator)) {
			values, err := src.texts(at(n, operator, key))
			if err != nil {
				return nil, err
			}
			list = append(list, condition{operator, strings.ToLower(key), values})
		}
	}
	return list, nil
}

var arnOf = regexp.MustCompile(`\$\{([A-Za-z0-9]+)\.(Arn|StreamArn)\}(/index)?`)

// writtenAs are resources as a reader of the template names them.
func writtenAs(nodes []*yaml.Node) (list []string) {
	for _, n := range nodes {
		v := strings.TrimSuffix(n.Value, ".Arn")
		list = append(list, strings.ReplaceAll(arnOf.ReplaceAllString(v, "$1"),
			"${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}", "…:kms"))
	}
	return list
}
