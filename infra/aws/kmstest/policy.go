package kmstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A policy is what the IAM User Guide, "JSON policy element reference", calls a policy document, as far as key policies
// and the rights of functions need it. An element that is not listed here makes the document malformed.
type policy struct {
	Version   string
	ID        string `json:"Id"`
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal *principals
	Action    texts
	Resource  texts
	Condition map[string]map[string]texts // operator → key → values
}

// texts is one string or a list of strings.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = texts{one}
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return errors.New("neither a string nor a list of strings")
	}
	*t = list
	return nil
}

// principals is "*" or {"AWS": …}.
type principals struct{ AWS texts }

// UnmarshalJSON implements json.Unmarshaler.
func (p *principals) UnmarshalJSON(data []byte) error {
	if string(data) == `"*"` {
		p.AWS = texts{"*"}
		return nil
	}
	type plain principals
	return strict(data, (*plain)(p))
}

// strict decodes JSON and refuses unknown members.
func strict[T any](data []byte, to *T) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// parsePolicy reads a policy document; an empty text is a policy without statements.
func parsePolicy(text string) (p policy, err error) {
	if text == "" {
		return policy{}, nil
	}
	if err := strict([]byte(text), &p); err != nil {
		return policy{}, err
	}
	if p.Version != "2012-10-17" {
		return policy{}, fmt.Errorf("version %q of the policy language", p.Version)
	}
	for _, st := range p.Statement {
		if st.Effect != "Allow" && st.Effect != "Deny" || len(st.Action) == 0 || len(st.Resource) == 0 {
			return policy{}, fmt.Errorf("statement %q lacks effect, action or resource", st.Sid)
		}
		for operator := range st.Condition {
			if _, known := operators()[operator]; !known {
				return policy{}, fmt.Errorf("condition operator %q is not known here", operator)
			}
		}
	}
	return p, nil
}

// asked is what a policy is asked about. Values are those of the condition keys of the request: a key that is not in it
// is absent from the request.
type asked struct {
	action, resource string
	values           map[string][]string
}

type opinion int

const (
	silent opinion = iota
	allows
	denies
)

// says evaluates the statements whose principal matches; identity-based policies have none. An explicit denial wins
// (IAM User Guide, "Policy evaluation logic").
func (p policy) says(q asked, principal string) opinion {
	told := silent
	for _, st := range p.Statement {
		if st.Principal != nil && !slices.Contains(st.Principal.AWS, principal) && !slices.Contains(st.Principal.AWS, "*") {
			continue
		}
		if !slices.ContainsFunc(st.Action, func(a string) bool { return like(strings.ToLower(a), strings.ToLower(q.action)) }) ||
			!slices.ContainsFunc(st.Resource, func(r string) bool { return like(r, q.resource) }) || !st.holds(q.values) {
			continue
		}
		if st.Effect == "Deny" {
			return denies
		}
		told = allows
	}
	return told
}

// holds tells whether all conditions of a statement are met.
func (st statement) holds(values map[string][]string) bool {
	for operator, keys := range st.Condition {
		meets := operators()[operator]
		for name, want := range keys {
			if !meets(values[name], want) {
				return false
			}
		}
	}
	return true
}

// operators are the condition operators by name (IAM User Guide, "Condition operators" and "Multivalued context keys").
// have is nil where the request lacks the key.
func operators() map[string]func(have, want []string) bool {
	equal := func(pattern, value string) bool { return pattern == value }
	return map[string]func(have, want []string) bool{
		"StringEquals":              func(have, want []string) bool { return len(have) > 0 && anyOf(have, want, equal) },
		"StringLike":                func(have, want []string) bool { return len(have) > 0 && anyOf(have, want, like) },
		"StringNotEquals":           func(have, want []string) bool { return !anyOf(have, want, equal) },
		"StringEqualsIfExists":      func(have, want []string) bool { return len(have) == 0 || anyOf(have, want, equal) },
		"ForAllValues:StringEquals": func(have, want []string) bool { return every(have, want) },
		"ForAnyValue:StringEquals":  func(have, want []string) bool { return anyOf(have, want, equal) },
		"Null": func(have, want []string) bool {
			return slices.Contains(want, "true") == (len(have) == 0)
		},
	}
}

func anyOf(have, want []string, match func(pattern, value string) bool) bool {
	return slices.ContainsFunc(have, func(v string) bool {
		return slices.ContainsFunc(want, func(p string) bool { return match(p, v) })
	})
}

func every(have, want []string) bool {
	return !slices.ContainsFunc(have, func(v string) bool { return !slices.Contains(want, v) })
}

// like matches "*" with any text and "?" with one byte.
func like(pattern, value string) bool {
	star, mark := -1, 0
	p, v := 0, 0
	for v < len(value) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, v
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == value[v]):
			p++
			v++
		case star >= 0:
			mark++
			p, v = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// root is the principal that stands for the whole account: a key policy that allows it leaves the decision to the
// identity-based policies of the account (Developer Guide, "Allows access to the AWS account and enables IAM policies").
func (c Config) root() string { return fmt.Sprintf("arn:%s:iam::%s:root", c.Partition, c.Account) }

// allow asks both policies about the operation on a key.
func (r *request) allow(k *kmsKey, values map[string][]string) error {
	q := asked{action: "kms:" + r.operation, resource: k.arn, values: values}
	if q.values == nil {
		q.values = map[string][]string{}
	}
	for name, value := range k.tags {
		q.values["aws:ResourceTag/"+name] = []string{value}
	}
	q.values["kms:KeySpec"], q.values["kms:KeyUsage"] = []string{k.spec}, []string{k.usage}
	byKey, byRoot := k.policy.says(q, r.caller.ARN), k.policy.says(q, r.config.root())
	identity := r.caller.policy.says(q, r.caller.ARN)
	if byKey == denies || byRoot == denies || identity == denies ||
		byKey != allows && (byRoot != allows || identity != allows) {
		return r.denied(k.arn)
	}
	return nil
}

// allowAccount asks the identity-based policy about an operation that has no key yet.
func (r *request) allowAccount(resource string, values map[string][]string) error {
	q := asked{action: "kms:" + r.operation, resource: resource, values: values}
	if r.caller.policy.says(q, r.caller.ARN) != allows {
		return r.denied(resource)
	}
	return nil
}

func (r *request) denied(resource string) error {
	return refuse("AccessDeniedException", "User: %s is not authorized to perform: kms:%s on resource: %s",
		r.caller.ARN, r.operation, resource)
}
