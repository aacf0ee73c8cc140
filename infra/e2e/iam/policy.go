package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Request is what AWS makes of a call before it looks at policies (IAM User Guide, "The request context").
type Request struct {
	Action   string              // "dynamodb:GetItem"
	Resource string              // ARN, or "*" for an action that knows no resource
	Context  map[string][]string // by condition key; a key that is not here is not in the request
}

// Decision is the answer.
type Decision struct {
	Allowed     bool
	Why         string   // the statement that decided, or what is missing
	Permissions []string // that the call used, as [Stack.Permissions] names them
}

// statement is one of a policy, its values resolved.
type statement struct {
	name       string // "OidcToken statement 3 (Clients, PairwiseKey)"
	sid        string
	deny       bool
	principals *principals // of a resource-based policy
	actions    []string
	resources  []string
	written    []string // the resources as the template has them, "SsoTable/index/first"
	conditions []condition
}

// principals are those of a statement in a resource-based policy.
type principals struct {
	aws      []string // ARNs, or "*"
	services []string
}

type policy struct {
	name       string
	statements []statement
}

// fits tells whether a statement speaks of a request.
func (st statement) fits(r Request) bool {
	return slices.ContainsFunc(st.actions, func(a string) bool { return like(strings.ToLower(a), strings.ToLower(r.Action)) }) &&
		slices.ContainsFunc(st.resources, func(p string) bool { return resourceLike(p, r.Resource) }) &&
		!slices.ContainsFunc(st.conditions, func(c condition) bool { return !c.holds(valuesOf(r.Context, c.key)) })
}

// valuesOf finds the values of a key without regard to case.
func valuesOf(context map[string][]string, key string) []string {
	for name, values := range context {
		if strings.EqualFold(name, key) {
			return values
		}
	}
	return nil
}

// check refuses a statement that holds what is not understood.
func (st statement) check() error {
	if len(st.actions) == 0 || len(st.resources) == 0 {
		return fmt.Errorf("%s lacks actions or resources", st.name)
	}
	for _, r := range st.resources {
		if strings.Contains(r, "${") {
			return fmt.Errorf("%s: policy variables are not known here: %s", st.name, r)
		}
	}
	for _, c := range st.conditions {
		if err := c.check(st.actions); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
		for _, v := range c.values {
			if strings.Contains(v, "${") {
				return fmt.Errorf("%s: policy variables are not known here: %s", st.name, v)
			}
		}
	}
	return nil
}

// check refuses a request that no service would make.
func (r Request) check() error {
	if !strings.Contains(r.Action, ":") || strings.ContainsAny(r.Action, "*?") {
		return fmt.Errorf("%q is no action", r.Action)
	}
	if r.Resource != "*" && !strings.HasPrefix(r.Resource, "arn:") {
		return fmt.Errorf("%q is no resource", r.Resource)
	}
	for name, values := range r.Context {
		k, known := findKey(name)
		if !known {
			return fmt.Errorf("the condition key %s is not known here", name)
		}
		if !k.many && len(values) > 1 {
			return fmt.Errorf("the condition key %s has one value, not %d", name, len(values))
		}
	}
	return nil
}

// find returns the statements of a policy that fit, those that deny apart.
func (p policy) find(r Request) (allow, deny []statement) {
	for _, st := range p.statements {
		if !st.fits(r) {
			continue
		}
		if st.deny {
			deny = append(deny, st)
		} else {
			allow = append(allow, st)
		}
	}
	return allow, deny
}

// forRole returns the statements of a resource-based policy whose principal is the role itself or everybody, and those
// whose principal is the account, which "delegates authority to the account" (IAM User Guide, "Principal").
func (p policy) forRole(arn, root string) (direct, account policy) {
	direct.name, account.name = p.name, p.name
	for _, st := range p.statements {
		switch {
		case st.principals == nil:
		case slices.Contains(st.principals.aws, arn), slices.Contains(st.principals.aws, "*"):
			direct.statements = append(direct.statements, st)
		case slices.Contains(st.principals.aws, root):
			account.statements = append(account.statements, st)
		}
	}
	return direct, account
}

var errNoStatement = errors.New("no statement allows it")

// decide is the evaluation inside one account (IAM User Guide, "Policy evaluation logic" and "Evaluating policies
// within a single account"): an explicit denial anywhere wins; then a resource-based policy may allow by itself, an
// identity-based one may, and the permissions boundary bounds both. (AWS does not bound what a resource-based policy
// gives to a session by name; no policy here does, and where the guide leaves a choice, the narrower is taken.)
//
// The policy of a key is another matter: "No AWS principal has any permissions to a KMS key unless that permission is
// provided explicitly", and an allowance for the account lets identity-based policies decide (AWS KMS Developer Guide,
// "Key policies in AWS KMS").
func decide(r Request, arn, root string, identity []policy, boundary *policy, resource *policy, ofKey bool) (used []statement, err error) {
	var direct, account policy
	if resource != nil {
		direct, account = resource.forRole(arn, root)
	}
	var byIdentity []statement
	for _, p := range identity {
		allow, deny := p.find(r)
		if len(deny) > 0 {
			return nil, fmt.Errorf("%s denies it", deny[0].name)
		}
		byIdentity = append(byIdentity, allow...)
	}
	byResource, deny := direct.find(r)
	byAccount, more := account.find(r)
	if deny = append(deny, more...); len(deny) > 0 {
		return nil, fmt.Errorf("%s denies it", deny[0].name)
	}
	if boundary != nil {
		allow, deny := boundary.find(r)
		if len(deny) > 0 {
			return nil, fmt.Errorf("the boundary denies it: %s", deny[0].name)
		}
		if len(allow) == 0 {
			return nil, errors.New("the permissions boundary does not allow it")
		}
	}
	switch {
	case len(byResource) > 0:
		return append(byResource, byIdentity...), nil
	case ofKey && len(byAccount) == 0:
		return nil, errors.New("the policy of the key does not allow it")
	case len(byIdentity) == 0:
		return nil, errNoStatement
	}
	return append(byIdentity, byAccount...), nil
}
