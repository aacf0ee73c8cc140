package iam

import (
	"fmt"
	"slices"
	"strings"
)

// condition is one operator with one key of a statement's Condition element.
type condition struct {
	operator string // as it stands, "ForAllValues:StringLike"
	key      string // in lower case: names of keys are compared without regard to case
	values   []string
}

// operator takes an operator apart.
type operator struct {
	set      string // "ForAllValues", "ForAnyValue" or ""
	base     string // "StringLike"
	ifExists bool
}

// matchers compare one value of a policy with one of a request, by the operator's base (IAM User Guide, "IAM JSON
// policy elements: Condition operators"). The negated ones hold where no value matches.
func matchers() map[string]func(pattern, value string) bool {
	equal := func(pattern, value string) bool { return pattern == value }
	return map[string]func(pattern, value string) bool{
		"StringEquals": equal, "StringNotEquals": equal,
		"StringLike": like, "StringNotLike": like,
		"ArnEquals": arnLike, "ArnLike": arnLike, // "behave identically"
		"ArnNotEquals": arnLike, "ArnNotLike": arnLike,
		"Bool": func(pattern, value string) bool { return strings.EqualFold(pattern, value) },
	}
}

// parseOperator reads the name of an operator, and refuses what is not known here.
func parseOperator(name string) (o operator, err error) {
	o.base = name
	if set, base, ok := strings.Cut(name, ":"); ok {
		o.set, o.base = set, base
	}
	o.base, o.ifExists = strings.CutSuffix(o.base, "IfExists")
	_, known := matchers()[o.base]
	switch {
	case name == "Null":
		return o, nil
	case !known, o.set != "" && o.set != "ForAllValues" && o.set != "ForAnyValue",
		o.set != "" && (o.ifExists || o.negated() || o.base == "Bool"):
		return o, fmt.Errorf("the condition operator %s is not known here", name)
	}
	return o, nil
}

func (o operator) negated() bool { return strings.Contains(o.base, "Not") }

// contextKey is a condition key: whether requests have several values of it, and which actions bring it.
type contextKey struct {
	name    string // in lower case; one that ends in ":" or "/" is followed by a name of the caller's
	many    bool   // multivalued, "ArrayOf…" in the Service Authorization Reference
	actions []string
}

// contextKeys are the condition keys that are known here: the global ones (IAM User Guide, "AWS global condition
// context keys") and those of the services (Service Authorization Reference, "Actions, resources, and condition keys
// for Amazon DynamoDB", "… AWS Key Management Service", "… Amazon S3").
func contextKeys() []contextKey {
	anything := []string{"*"}
	items := []string{"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
		"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"}
	cryptographic := []string{"kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey",
		"kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext", "kms:GenerateDataKeyWithoutPlaintext",
		"kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Encrypt*", "kms:Decrypt*",
		"kms:Describe*"}
	return []contextKey{
		{"aws:principalarn", false, anything},
		{"aws:securetransport", false, anything},
		{"aws:sourceaccount", false, anything},
		{"aws:sourcearn", false, anything},
		{"aws:resourcetag/", false, []string{"kms:*", "dynamodb:*", "sqs:*", "lambda:*"}},
		{"aws:requesttag/", false, []string{"kms:CreateKey", "kms:TagResource"}},
		{"aws:tagkeys", true, []string{"kms:CreateKey", "kms:TagResource"}},

		{"dynamodb:leadingkeys", true, items},
		{"dynamodb:attributes", true, append([]string{"dynamodb:Scan"}, items...)},
		{"dynamodb:select", false, []string{"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"}},
		{"dynamodb:returnvalues", false, []string{"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem",
			"dynamodb:UpdateItem"}},
		{"dynamodb:returnconsumedcapacity", false, append([]string{"dynamodb:Scan"}, items...)},
		{"dynamodb:enclosingoperation", false, []string{"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
			"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}},

		{"kms:calleraccount", false, []string{"kms:*"}},
		{"kms:viaservice", false, []string{"kms:*"}},
		{"kms:keyspec", false, []string{"kms:*"}},
		{"kms:keyusage", false, []string{"kms:*"}},
		{"kms:requestalias", false, []string{"kms:*"}},
		{"kms:encryptioncontext:", false, cryptographic},
		{"kms:encryptioncontextkeys", true, cryptographic},
		{"kms:datakeypairspec", false, []string{"kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext"}},
		{"kms:messagetype", false, []string{"kms:Sign", "kms:Verify"}},
		{"kms:signingalgorithm", false, []string{"kms:Sign", "kms:Verify"}},
		{"kms:schedulekeydeletionpendingwindowindays", false, []string{"kms:ScheduleKeyDeletion"}},

		{"s3:prefix", false, []string{"s3:ListBucket", "s3:ListBucketVersions"}},
		{"s3:delimiter", false, []string{"s3:ListBucket", "s3:ListBucketVersions"}},
		{"s3:max-keys", false, []string{"s3:ListBucket", "s3:ListBucketVersions"}},
		{"s3:if-none-match", false, []string{"s3:PutObject"}},
		{"s3:x-amz-server-side-encryption", false, []string{"s3:PutObject"}},
		{"s3:x-amz-server-side-encryption-aws-kms-key-id", false, []string{"s3:PutObject"}},
	}
}

// findKey is the known key of a name.
func findKey(name string) (contextKey, bool) {
	name = strings.ToLower(name)
	for _, k := range contextKeys() {
		open := strings.HasSuffix(k.name, ":") || strings.HasSuffix(k.name, "/")
		if k.name == name || open && strings.HasPrefix(name, k.name) && len(name) > len(k.name) {
			return k, true
		}
	}
	return contextKey{}, false
}

// check refuses a condition that is not understood, or that compares a key of several values as if it had one, or the
// other way round ("Multivalued context keys require a condition set operator"; "do not use condition set operators
// with single-valued context keys").
func (c condition) check(actions []string) error {
	o, err := parseOperator(c.operator)
	if err != nil {
		return err
	}
	k, known := findKey(c.key)
	if !known {
		return fmt.Errorf("the condition key %s is not known here", c.key)
	}
	if o.base != "Null" && k.many != (o.set != "") {
		return fmt.Errorf("%s does not suit the condition key %s", c.operator, c.key)
	}
	for _, a := range actions {
		if !slices.ContainsFunc(k.actions, func(brings string) bool { return like(strings.ToLower(brings), strings.ToLower(a)) }) {
			return fmt.Errorf("requests of %s do not bring the condition key %s", a, c.key)
		}
	}
	return nil
}

// holds evaluates the condition against what a request has of its key; nil is a key that the request lacks.
//
// What is missing decides as the IAM User Guide has it: an operator does not match ("If the key that you specify in a
// policy condition is not present in the request context, the values do not match and the condition is false"), a
// negated one does, …IfExists does, ForAllValues does ("also returns true if there are no context keys in the request,
// or if the context key value resolves to a null dataset, such as an empty string"), ForAnyValue does not, and Null
// asks for it.
func (c condition) holds(have []string) bool {
	o, err := parseOperator(c.operator)
	if err != nil {
		return false
	}
	have = slices.DeleteFunc(slices.Clone(have), func(v string) bool { return v == "" })
	if o.base == "Null" {
		return slices.ContainsFunc(c.values, func(v string) bool { return strings.EqualFold(v, "true") }) == (len(have) == 0)
	}
	matches := func(v string) bool {
		return slices.ContainsFunc(c.values, func(p string) bool { return matchers()[o.base](p, v) })
	}
	switch {
	case o.set == "ForAllValues":
		return !slices.ContainsFunc(have, func(v string) bool { return !matches(v) })
	case o.set == "ForAnyValue":
		return slices.ContainsFunc(have, matches)
	case len(have) == 0:
		return o.negated() || o.ifExists
	}
	return slices.ContainsFunc(have, matches) != o.negated()
}
