package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// expressions are the parts of a call of DynamoDB that name attributes.
type expressions struct {
	ProjectionExpression      string
	ConditionExpression       string
	UpdateExpression          string
	KeyConditionExpression    string
	FilterExpression          string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]json.RawMessage
}

// itemCall is one operation on items of one table, alone or inside a transaction.
type itemCall struct {
	expressions
	TableName              string
	IndexName              string
	Key                    map[string]json.RawMessage
	Keys                   []map[string]json.RawMessage // of BatchGetItem
	Item                   map[string]json.RawMessage
	Select                 string
	ReturnValues           string
	ReturnConsumedCapacity string

	// What the expressions replaced: "Legacy conditional parameters". Nothing here is read from them.
	AttributesToGet, AttributeUpdates, Expected, KeyConditions, QueryFilter, ConditionalOperator json.RawMessage
}

// dynamoDB reads a call of DynamoDB.
func (c call) dynamoDB(operation string) (requests []Request, err error) {
	switch operation {
	case "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query":
		in, err := decode[itemCall](c.body)
		if err != nil {
			return nil, err
		}
		requests, err = c.items(operation, "", in)
		return requests, err
	case "BatchGetItem":
		in, err := decode[struct{ RequestItems map[string]itemCall }](c.body)
		if err != nil {
			return nil, err
		}
		for name, one := range in.RequestItems {
			one.TableName = name
			more, err := c.items(operation, "", one)
			if err != nil {
				return nil, err
			}
			requests = append(requests, more...)
		}
	case "TransactWriteItems", "TransactGetItems":
		in, err := decode[struct{ TransactItems []map[string]itemCall }](c.body)
		if err != nil {
			return nil, err
		}
		// "Permissions for Put, Update, Delete and Get actions are governed by the permissions used for the underlying
		// PutItem, UpdateItem, DeleteItem, and GetItem operations" (Developer Guide, "Transactions").
		for _, item := range in.TransactItems {
			for kind, one := range item {
				if kind != "ConditionCheck" {
					kind = strings.TrimSuffix(kind, "Item")
				}
				more, err := c.items(kind+"Item", operation, one)
				if err != nil {
					return nil, err
				}
				requests = append(requests, more...)
			}
		}
	default:
		return nil, fmt.Errorf("%s is not known here", operation)
	}
	if len(requests) == 0 {
		return nil, errors.New("the call names no item")
	}
	return requests, nil
}

// items makes the request of one operation, and the one that DynamoDB makes of KMS for the table's key.
//
// The condition keys (Developer Guide, "Using IAM policy conditions for fine-grained access control"): LeadingKeys are
// the values of the partition key, of the index where one is queried; Attributes are all that the call names, keys,
// items and expressions; Select is what is returned. A read that names no attributes reads them all, and is given
// Select ALL_ATTRIBUTES here: the narrower reading, since GetItem has no such parameter.
func (c call) items(operation, enclosing string, in itemCall) ([]Request, error) {
	for _, legacy := range []json.RawMessage{in.AttributesToGet, in.AttributeUpdates, in.Expected, in.KeyConditions, in.QueryFilter, in.ConditionalOperator} {
		if len(legacy) > 0 {
			return nil, errors.New("legacy parameters are not read here")
		}
	}
	arn := in.TableName
	if !strings.HasPrefix(arn, "arn:") {
		arn = c.stack.names.tableARN(in.TableName)
	}
	t, known := c.stack.tables[arn]
	if !known {
		return nil, fmt.Errorf("there is no table %q", in.TableName)
	}
	partition, has := t.partition[in.IndexName]
	if !has {
		return nil, fmt.Errorf("the table %s has no index %q", in.TableName, in.IndexName)
	}
	r := Request{Action: "dynamodb:" + operation, Resource: arn, Context: map[string][]string{}}
	if in.IndexName != "" {
		r.Resource += "/index/" + in.IndexName
	}

	var leading, attributes []string
	add := func(keys map[string]json.RawMessage) error {
		var v value
		if err := json.Unmarshal(keys[partition], &v); err != nil {
			return fmt.Errorf("reading the key %s: %w", partition, err)
		}
		text, err := v.text()
		leading = append(leading, text)
		for name := range keys {
			attributes = append(attributes, name)
		}
		return err
	}
	switch {
	case operation == "Query":
		v, err := in.partitionValue(partition)
		if err != nil {
			return nil, err
		}
		leading = append(leading, v)
	case operation == "PutItem":
		if err := add(in.Item); err != nil {
			return nil, err
		}
	case operation == "BatchGetItem":
		for _, k := range in.Keys {
			if err := add(k); err != nil {
				return nil, err
			}
		}
	default:
		if err := add(in.Key); err != nil {
			return nil, err
		}
	}
	named, err := in.attributes()
	if err != nil {
		return nil, err
	}
	attributes = append(attributes, named...)
	slices.Sort(leading)
	slices.Sort(attributes)
	r.Context["dynamodb:LeadingKeys"], r.Context["dynamodb:Attributes"] = slices.Compact(leading), slices.Compact(attributes)
	for name, v := range map[string]string{
		"dynamodb:Select": in.selected(operation), "dynamodb:ReturnValues": in.ReturnValues,
		"dynamodb:ReturnConsumedCapacity": in.ReturnConsumedCapacity, "dynamodb:EnclosingOperation": enclosing,
	} {
		if v != "" {
			r.Context[name] = []string{v}
		}
	}
	requests := []Request{r}
	if t.key != "" {
		// "DynamoDB … uses the encryption context aws:dynamodb:tableName and aws:dynamodb:subscriberId" (Developer Guide,
		// "DynamoDB encryption at rest: usage notes").
		requests = append(requests, Request{"kms:Decrypt", t.key, c.via("dynamodb", map[string]string{
			"aws:dynamodb:tableName": arn[strings.LastIndex(arn, "/")+1:], "aws:dynamodb:subscriberId": c.stack.names.Account})})
	}
	return requests, nil
}

// selected is what a read returns; "" for a write.
func (in itemCall) selected(operation string) string {
	switch {
	case in.Select != "":
		return in.Select
	case operation != "GetItem" && operation != "BatchGetItem" && operation != "Query":
		return ""
	case in.ProjectionExpression != "":
		return "SPECIFIC_ATTRIBUTES"
	case in.IndexName != "":
		return "ALL_PROJECTED_ATTRIBUTES"
	}
	return "ALL_ATTRIBUTES"
}

var (
	equality = regexp.MustCompile(`(#?[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(:[A-Za-z0-9_]+)`)
	token    = regexp.MustCompile(`[#:]?[A-Za-z_][A-Za-z0-9_]*|\.|\(|\[[0-9]+\]|\S`)
)

// partitionValue finds the value that KeyConditionExpression asks of the partition key.
func (in itemCall) partitionValue(partition string) (string, error) {
	found := ""
	for _, m := range equality.FindAllStringSubmatch(in.KeyConditionExpression, -1) {
		name := m[1]
		if strings.HasPrefix(name, "#") {
			name = in.ExpressionAttributeNames[name]
		}
		if name != partition {
			continue
		}
		var v value
		if err := json.Unmarshal(in.ExpressionAttributeValues[m[2]], &v); err != nil {
			return "", fmt.Errorf("reading %s: %w", m[2], err)
		}
		text, err := v.text()
		if err != nil || found != "" {
			return "", errors.Join(err, fmt.Errorf("the partition key in %q is not understood", in.KeyConditionExpression))
		}
		found = text
	}
	if found == "" {
		return "", fmt.Errorf("%q does not name one value of %s", in.KeyConditionExpression, partition)
	}
	return found, nil
}

// keywords of expressions (Developer Guide, "Expressions in DynamoDB").
func keywords() []string {
	return []string{"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"}
}

// attributes are the names in the expressions, of documents the outermost.
func (in itemCall) attributes() (list []string, err error) {
	for _, e := range []string{in.ProjectionExpression, in.ConditionExpression, in.UpdateExpression,
		in.KeyConditionExpression, in.FilterExpression} {
		tokens := token.FindAllString(e, -1)
		for i, name := range tokens {
			called := i+1 < len(tokens) && tokens[i+1] == "("
			inside := i > 0 && tokens[i-1] == "."
			switch {
			case inside || strings.HasPrefix(name, ":"):
			case strings.HasPrefix(name, "#"):
				real, known := in.ExpressionAttributeNames[name]
				if !known {
					return nil, fmt.Errorf("the name %s is not given", name)
				}
				list = append(list, real)
			case name[0] != '_' && (name[0]|0x20 < 'a' || name[0]|0x20 > 'z'), called,
				slices.Contains(keywords(), strings.ToUpper(name)):
			default:
				list = append(list, name)
			}
		}
	}
	return list, nil
}
