package iam

import (
	"fmt"
	"strings"
	"testing"
)

// Expectations of this file are written from the IAM User Guide, not from what the package answers.

func TestConditionsHoldAsTheGuideSays(t *testing.T) {
	one, two, none := []string{"a"}, []string{"a", "b"}, []string(nil)
	for _, c := range []struct {
		operator string
		policy   []string
		request  []string
		want     bool
	}{
		// "Condition operators": exact, case sensitive; several values of the policy are alternatives.
		{"StringEquals", one, one, true},
		{"StringEquals", two, []string{"b"}, true},
		{"StringEquals", one, []string{"A"}, false},
		{"StringEquals", []string{"a*"}, []string{"ab"}, false},
		{"StringLike", []string{"a*"}, []string{"ab"}, true},
		{"StringLike", []string{"a?"}, []string{"a"}, false},
		{"Bool", []string{"false"}, []string{"False"}, true},
		// "If the key … is not present in the request context, the values do not match and the condition is false."
		{"StringEquals", one, none, false},
		{"StringLike", []string{"*"}, none, false},
		{"ArnLike", []string{"*"}, none, false},
		{"Bool", []string{"false"}, none, false},
		// "If the key … is not present …, and the operator is a negated one, the condition is true."
		{"StringNotEquals", one, none, true},
		{"StringNotEquals", two, []string{"b"}, false},
		{"StringNotLike", []string{"a*"}, []string{"ba"}, true},
		// …IfExists: "If the condition key is not present in the request, evaluate the condition element as true."
		{"StringEqualsIfExists", one, none, true},
		{"StringEqualsIfExists", one, []string{"b"}, false},
		// ForAllValues: "true if every context key value in the request matches at least one context key value in the policy";
		// "also returns true if there are no context keys in the request, or if the context key value resolves to a null dataset,
		// such as an empty string".
		{"ForAllValues:StringEquals", two, two, true},
		{"ForAllValues:StringEquals", one, two, false},
		{"ForAllValues:StringEquals", one, none, true},
		{"ForAllValues:StringLike", one, []string{""}, true},
		{"ForAllValues:StringLike", []string{"grant#*", "session#*"}, []string{"grant#1", "session#2"}, true},
		{"ForAllValues:StringLike", []string{"grant#*"}, []string{"grant#1", "session#2"}, false},
		// ForAnyValue: "true if any one of the context key values in the request matches"; "for … a null dataset … false".
		{"ForAnyValue:StringEquals", one, two, true},
		{"ForAnyValue:StringEquals", []string{"c"}, two, false},
		{"ForAnyValue:StringEquals", one, none, false},
		// Null: "true (the key doesn't exist, it is null) or false (the key exists and its value is not null)".
		{"Null", []string{"true"}, none, true},
		{"Null", []string{"true"}, one, false},
		{"Null", []string{"false"}, one, true},
		{"Null", []string{"false"}, []string{""}, false},
	} {
		if _, err := parseOperator(c.operator); err != nil {
			t.Error(err)
		}
		if got := (condition{c.operator, "k", c.policy}).holds(c.request); got != c.want {
			t.Errorf("%s %v of %v is %v", c.operator, c.policy, c.request, got)
		}
	}
}

const (
	me     = "arn:aws:iam::123456789012:role/me"
	myRoot = "arn:aws:iam::123456789012:root"
	thing  = "arn:aws:sqs:us-east-1:123456789012:thing"
	myKey  = "arn:aws:kms:us-east-1:123456789012:key/1"
)

func allow(actions ...string) policy { return policyOf(false, nil, actions...) }
func deny(actions ...string) policy  { return policyOf(true, nil, actions...) }
func by(principal string, p policy) *policy {
	p.statements[0].principals = &principals{aws: []string{principal}}
	return &p
}

func policyOf(deny bool, p *principals, actions ...string) policy {
	return policy{statements: []statement{{name: "it", deny: deny, principals: p, actions: actions, resources: []string{"*"}, written: []string{"*"}}}}
}

// The table of "Policy evaluation logic": default deny, explicit deny, resource-based policies of the same account,
// permissions boundaries as an intersection; and "Key policies in AWS KMS".
func TestPoliciesAreWeighedAsTheGuideSays(t *testing.T) {
	all, send := allow("sqs:*"), "sqs:SendMessage"
	boundary := func(p policy) *policy { return &p }
	for _, c := range []struct {
		name     string
		action   string
		on       string
		identity []policy
		boundary *policy
		resource *policy
		want     bool
	}{
		{name: "by default all requests are denied", action: send, on: thing},
		{name: "an identity-based policy allows", action: send, on: thing, identity: []policy{all}, want: true},
		{name: "actions are compared without regard to case", action: send, on: thing, identity: []policy{allow("SQS:sendmessage")}, want: true},
		{name: "an explicit denial overrides", action: send, on: thing, identity: []policy{all, deny(send)}},
		{name: "a denial of the resource's overrides", action: send, on: thing, identity: []policy{all}, resource: by("*", deny(send))},
		{name: "a denial for another principal does not", action: send, on: thing, identity: []policy{all}, resource: by("arn:aws:iam::123456789012:role/other", deny(send)), want: true},
		{name: "a resource-based policy of the account allows alone", action: send, on: thing, resource: by(me, allow(send)), want: true},
		{name: "one for the account does not", action: send, on: thing, resource: by(myRoot, allow(send))},
		{name: "a boundary alone allows nothing", action: send, on: thing, boundary: boundary(all)},
		{name: "what both allow is allowed", action: send, on: thing, identity: []policy{all}, boundary: boundary(allow(send)), want: true},
		{name: "what the boundary lacks is not", action: "sqs:ReceiveMessage", on: thing, identity: []policy{all}, boundary: boundary(allow(send))},
		{name: "a boundary's denial overrides", action: send, on: thing, identity: []policy{all}, boundary: boundary(deny(send))},
		{name: "a role by its ARN is bounded too", action: send, on: thing, resource: by(me, allow(send)), boundary: boundary(allow("s3:*"))},
		{name: "no identity-based policy reaches a key whose policy is silent", action: "kms:Sign", on: myKey, identity: []policy{allow("kms:*")}, resource: &policy{}},
		{name: "nor a key that is not known", action: "kms:Sign", on: myKey, identity: []policy{allow("kms:*")}},
		{name: "a key's policy for the account leaves it to them", action: "kms:Sign", on: myKey, identity: []policy{allow("kms:Sign")}, resource: by(myRoot, allow("kms:Sign")), want: true},
		{name: "and does not allow by itself", action: "kms:Sign", on: myKey, resource: by(myRoot, allow("kms:*"))},
		{name: "a key's policy for a role allows by itself", action: "kms:Sign", on: myKey, resource: by(me, allow("kms:Sign")), want: true},
		{name: "a key's policy for another role does not", action: "kms:Sign", on: myKey, identity: []policy{allow("kms:*")}, resource: by("arn:aws:iam::123456789012:role/other", allow("kms:Sign"))},
	} {
		_, err := decide(Request{Action: c.action, Resource: c.on}, me, myRoot, c.identity, c.boundary, c.resource, strings.HasPrefix(c.action, "kms:"))
		if (err == nil) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What a policy may hold that is not understood is refused, with the words that were not.
func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	const template = `
Globals: {Function: {PermissionsBoundary: !Ref B}}
Resources:
  B: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/f
      Policies: [{Version: %s, Statement: [%s]}]
`
	for statement, want := range map[string]string{
		`{Effect: Allow, Action: "s3:GetObject", Resource: "*"}`:                                                                                            "",
		`{Effect: Maybe, Action: "s3:GetObject", Resource: "*"}`:                                                                                            "effect",
		`{Effect: Allow, NotAction: "s3:GetObject", Resource: "*"}`:                                                                                         "NotAction",
		`{Effect: Allow, Action: "s3:GetObject", NotResource: "*"}`:                                                                                         "NotResource",
		`{Effect: Allow, Action: "s3:GetObject"}`:                                                                                                           "lacks",
		`{Effect: Allow, Action: "s3:ListBucket", Resource: "*", Condition: {NumericLessThan: {"s3:max-keys": "3"}}}`:                                       "NumericLessThan",
		`{Effect: Allow, Action: "s3:ListBucket", Resource: "*", Condition: {StringEquals: {"s3:prefixes": a}}}`:                                            "s3:prefixes",
		`{Effect: Allow, Action: "s3:GetObject", Resource: "*", Condition: {StringLike: {"s3:prefix": a}}}`:                                                 "do not bring",
		`{Effect: Allow, Action: "dynamodb:Query", Resource: "*", Condition: {StringLike: {"dynamodb:LeadingKeys": a}}}`:                                    "does not suit",
		`{Effect: Allow, Action: "s3:ListBucket", Resource: "*", Condition: {"ForAllValues:StringLike": {"s3:prefix": a}}}`:                                 "does not suit",
		`{Effect: Allow, Action: "dynamodb:Query", Resource: "*", Condition: {"ForAllValues:StringEqualsIfExists": {"dynamodb:LeadingKeys": a}}}`:           "not known here",
		`{Effect: Allow, Action: "dynamodb:Query", Resource: "*", Condition: {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "${aws:PrincipalArn}"}}}`: "policy variables",
		`{Effect: Allow, Action: "s3:GetObject", Resource: !Join ["", [a, b]]}`:                                                                             "",
		`{Effect: Allow, Action: "s3:GetObject", Resource: !ImportValue a}`:                                                                                 "!ImportValue",
		`{Effect: Allow, Action: "s3:GetObject", Resource: !GetAtt Nobody.Arn}`:                                                                             "Nobody",
	} {
		if strings.Contains(statement, "!Join") {
			want = "!Join"
		}
		_, err := Load([]byte(fmt.Sprintf(template, `"2012-10-17"`, statement)), Names{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if _, err := Load([]byte(fmt.Sprintf(template, `"2008-10-17"`, `{Effect: Allow, Action: "s3:GetObject", Resource: "*"}`)), Names{}); err == nil {
		t.Error("the version of 2008 is taken")
	}
	s := load(t, Names{})
	for why, r := range map[string]Request{
		"is no action":    {Action: "dynamodb:*", Resource: "*"},
		"is no resource":  {Action: "dynamodb:GetItem", Resource: "sso"},
		"not known here":  {Action: "dynamodb:GetItem", Resource: s.ARN("SsoTable"), Context: map[string][]string{"dynamodb:leading": {"a"}}},
		"has one value":   {Action: "dynamodb:GetItem", Resource: s.ARN("SsoTable"), Context: map[string][]string{"dynamodb:Select": {"a", "b"}}},
		"there is no key": {Action: "kms:Decrypt", Resource: s.Names().keyARN("unknown")},
		"no statement":    {Action: "dynamodb:Scan", Resource: s.ARN("SsoTable")},
	} {
		if d := s.Decide("oidc-token", r); d.Allowed || !strings.Contains(d.Why, why) && why != "no statement" {
			t.Errorf("%v: %+v", r, d)
		}
	}
	if d := s.Decide("nobody", Request{Action: "s3:GetObject", Resource: "*"}); d.Allowed {
		t.Error("nobody is a role")
	}
}
