// Package iam decides, as AWS would, whether the roles of template.yaml may do what the functions ask for, and stands
// as a gate before the engines that the tests run against, which ask nobody.
//
//	function ── SigV4, its role's access key ──> Gate ── allowed ──> moto, kmstest, the Runtime API host
//	                                              │  every call becomes requests of the policy language
//	                                              └── refused: AccessDenied in the service's own shape
//
// [Load] reads the template with the names that a deployment gave its resources: the policies of the functions, the
// managed policies that SAM adds, the permissions boundary, the policies of keys, buckets and queues. [Stack.Decide]
// answers for one request, [Gate] for every call, and [Stack.Unused] tells which permissions no call needed. Sources:
// IAM User Guide ("Policy evaluation logic", "IAM JSON policy elements reference", "Multivalued context keys",
// "Permissions boundaries for IAM entities"), AWS KMS Developer Guide ("Key policies", "Condition keys for AWS KMS"),
// Amazon DynamoDB Developer Guide ("Using IAM policy conditions for fine-grained access control"), Service
// Authorization Reference.
//
// What is not understood is refused: an operator, a condition key, an intrinsic function, a call. It knows one account,
// sessions of roles, and no grants, session policies, service control policies or VPC endpoint policies.
package iam

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Names are what a deployment gives a stack. What is empty or absent is made up after the pattern of CloudFormation.
type Names struct {
	Partition  string            // "aws"; decides on the conditions of the template, as InChina
	Region     string            // "us-east-1", or "cn-north-1" in aws-cn
	Account    string            // "123456789012"
	Stack      string            // "yinxin"
	Parameters map[string]string // of the template; their defaults otherwise
	// Physical is what a resource is called, by its logical name: the name of a table, bucket, queue or function, the
	// identifier of a key. "SsoTable.StreamArn" gives an attribute that no name decides.
	Physical map[string]string
}

// Stack is the template under these names. It is safe for concurrent use.
type Stack struct {
	names     Names
	root      string // the principal that is the account
	roles     map[string]role
	boundary  *policy
	resources map[string]policy // resource-based, by ARN
	tables    map[string]table  // by ARN
	buckets   map[string]bucket // by name
	queues    map[string]string // key's ARN by the queue's ARN
	arns      map[string]string // by logical name

	mu      sync.Mutex
	keys    map[string]Key    // by ARN
	aliases map[string]string // key's ARN by "alias/…"
	used    map[string]int    // by permission
}

// Key is what conditions ask of a key of KMS.
type Key struct {
	Tags map[string]string
	Spec string // "SYMMETRIC_DEFAULT", "ECC_NIST_P256"
	Use  string // "ENCRYPT_DECRYPT", "SIGN_VERIFY"
}

type role struct {
	arn      string
	identity []policy
}

// table is what a request to DynamoDB is read with.
type table struct {
	partition map[string]string // name of the partition key by index, "" for the table itself
	key       string            // ARN of the key that encrypts it
}

type bucket struct{ key string }

// Roles are those of the functions, by the name of their folder, in order.
func (s *Stack) Roles() []string { return slices.Sorted(maps.Keys(s.roles)) }

// RoleARN is the ARN of a function's role, "" where there is none.
func (s *Stack) RoleARN(name string) string { return s.roles[name].arn }

// ARN of a table, bucket, queue, key or function by its logical name, "" where there is none of these kinds.
func (s *Stack) ARN(logical string) string { return s.arns[logical] }

// Names returns the names in use, completed.
func (s *Stack) Names() Names { return s.names }

// Learn tells of a key that is not the template's: one that a function made. It has the default key policy, which
// leaves it to the policies of the account (AWS KMS Developer Guide, "Default key policy").
func (s *Stack) Learn(arn string, k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.Tags = maps.Clone(k.Tags)
	s.keys[arn] = k
	if _, has := s.resources[arn]; !has {
		s.resources[arn] = policy{name: arn, statements: []statement{{name: arn + " default key policy",
			principals: &principals{aws: []string{s.root}}, actions: []string{"kms:*"}, resources: []string{"*"}}}}
	}
}

// LearnAlias tells of an alias of a key.
func (s *Stack) LearnAlias(alias, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aliases[alias] = arn
}

func (s *Stack) alias(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aliases[name]
}

// Decide answers a request of a function's role, named by its folder. It counts what the call used.
func (s *Stack) Decide(name string, r Request) Decision {
	who, known := s.roles[name]
	if !known {
		return Decision{Why: fmt.Sprintf("there is no role %q", name)}
	}
	if err := r.check(); err != nil {
		return Decision{Why: err.Error()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	context := maps.Clone(r.Context)
	if context == nil {
		context = map[string][]string{}
	}
	context["aws:PrincipalArn"] = []string{who.arn}
	resource, ofKey := s.policyOf(r.Resource)
	if strings.HasPrefix(r.Action, "kms:") && r.Resource != "*" {
		k, has := s.keys[r.Resource]
		if !has {
			return Decision{Why: fmt.Sprintf("there is no key %s", r.Resource)}
		}
		context["kms:CallerAccount"] = []string{s.names.Account}
		for tag, value := range k.Tags {
			context["aws:ResourceTag/"+tag] = []string{value}
		}
		context["kms:KeySpec"], context["kms:KeyUsage"] = []string{k.Spec}, []string{k.Use}
	}
	r.Context = context
	used, err := decide(r, who.arn, s.root, who.identity, s.boundary, resource, ofKey)
	if err != nil {
		return Decision{Why: err.Error()}
	}
	d := Decision{Allowed: true, Why: used[0].name}
	for _, st := range used {
		if st.principals != nil || !strings.HasPrefix(st.name, name+" ") {
			continue
		}
		d.Permissions = append(d.Permissions, st.permissions(name, &r)...)
	}
	for _, p := range d.Permissions {
		s.used[p]++
	}
	return d
}

// policyOf finds the resource-based policy of a key, bucket, object or queue.
func (s *Stack) policyOf(arn string) (p *policy, ofKey bool) {
	ofKey = strings.Contains(arn, ":kms:")
	for _, name := range []string{arn, strings.SplitN(arn, "/", 2)[0]} {
		if found, has := s.resources[name]; has {
			return &found, ofKey
		}
	}
	return nil, ofKey
}

// bounding are the condition keys by whose values a statement gives several permissions, the first that it has.
func bounding() []string {
	return []string{"dynamodb:leadingkeys", "kms:encryptioncontext:owner", "kms:encryptioncontext:purpose", "aws:resourcetag/",
		"aws:requesttag/", "s3:prefix"}
}

// permissions are what a statement gives, each as "oidc-token: dynamodb:GetItem on SsoTable with grant#*"; of a request
// only those that it needs. A statement that bounds attributes too says " of" and their names.
func (st statement) permissions(role string, r *Request) (list []string) {
	bound, part := condition{}, ""
	for _, name := range bounding() {
		i := slices.IndexFunc(st.conditions, func(c condition) bool { return strings.HasPrefix(c.key, name) })
		if i >= 0 {
			bound = st.conditions[i]
			break
		}
	}
	for _, c := range st.conditions {
		if c.key == "dynamodb:attributes" {
			part = " of " + strings.Join(c.values, " ")
		}
	}
	for _, action := range st.actions {
		if r != nil && !like(strings.ToLower(action), strings.ToLower(r.Action)) {
			continue
		}
		for i, res := range st.resources {
			if r != nil && !resourceLike(res, r.Resource) {
				continue
			}
			what := role + ": " + action + " on " + st.written[i]
			if bound.key == "" {
				list = append(list, what)
			}
			for _, v := range bound.values {
				one := condition{"ForAnyValue:StringLike", bound.key, []string{v}}
				if r == nil || one.holds(valuesOf(r.Context, bound.key)) {
					list = append(list, what+" with "+v+part)
				}
			}
		}
	}
	return list
}

// Permissions are those that the policies of the functions give, in order: the unit in which use is counted. Those of
// the managed policies that SAM adds are not the template's and not in it.
func (s *Stack) Permissions() (list []string) {
	for name, r := range s.roles {
		for _, p := range r.identity {
			for _, st := range p.statements {
				if strings.HasPrefix(st.name, name+" ") && !st.deny {
					list = append(list, st.permissions(name, nil)...)
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Used is how often each permission was needed so far.
func (s *Stack) Used() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.used)
}

// Unused are the permissions that no call needed so far, without those that excused has a reason for. stale are the
// excuses for what was used, or for what is no permission.
func (s *Stack) Unused(excused map[string]string) (unused, stale []string) {
	used := s.Used()
	all := s.Permissions()
	for _, p := range all {
		if used[p] == 0 && excused[p] == "" {
			unused = append(unused, p)
		}
	}
	for p := range excused {
		if used[p] > 0 || !slices.Contains(all, p) {
			stale = append(stale, p)
		}
	}
	slices.Sort(stale)
	return unused, stale
}

// Excuses reads a list of permissions with the reasons why no run uses them: one to a line, a tab between, # begins a
// comment.
func Excuses(text string) (map[string]string, error) {
	found := map[string]string{}
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		permission, reason, ok := strings.Cut(line, "\t")
		if reason = strings.TrimSpace(reason); !ok || reason == "" {
			return nil, fmt.Errorf("line %d: %q has no reason", i+1, permission)
		}
		if found[permission] != "" {
			return nil, fmt.Errorf("line %d: %q stands here twice", i+1, permission)
		}
		found[permission] = reason
	}
	return found, nil
}

// complete fills in what a deployment would have decided.
func (n Names) complete() Names {
	n.Partition = cmp.Or(n.Partition, "aws")
	n.Region = cmp.Or(n.Region, map[string]string{"aws-cn": "cn-north-1"}[n.Partition], "us-east-1")
	n.Account = cmp.Or(n.Account, "123456789012")
	n.Stack = cmp.Or(n.Stack, "yinxin")
	n.Parameters, n.Physical = maps.Clone(n.Parameters), maps.Clone(n.Physical)
	if n.Physical == nil {
		n.Physical = map[string]string{}
	}
	if n.Parameters == nil {
		n.Parameters = map[string]string{}
	}
	return n
}

// arn of a resource of the account.
func (n Names) arn(service, rest string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", n.Partition, service, n.Region, n.Account, rest)
}

// Table, bucket, queue, key and function by the names that calls use.
func (n Names) tableARN(name string) string  { return n.arn("dynamodb", "table/"+name) }
func (n Names) queueARN(name string) string  { return n.arn("sqs", name) }
func (n Names) keyARN(id string) string      { return n.arn("kms", "key/"+id) }
func (n Names) bucketARN(name string) string { return fmt.Sprintf("arn:%s:s3:::%s", n.Partition, name) }

func (n Names) suffix() string {
	if n.Partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
