// Package aws keeps everything in DynamoDB, S3 and KMS: the adapters of the ports of shared for Lambda, with the same
// file names, type names and contract suites as infra/embedded.
//
//	port method ── one conditional write on one item ── the audit event is an attribute of the item
//	                                                    └─ stream ── [gateway.EventOf] ── table log
//
// There are five tables (sso, registry, seals, licences, log), each with the keys pk and sk. Each kind of record owns a
// prefix of pk in one table; [Rights] lists port, table, prefix and the actions it takes, and a test holds the list to
// what is sent. README.md lists what the items hold.
//
// What an item holds: body, the record as JSON, as infra/embedded keeps it; beside it, as attributes of their own, what
// a condition reads or an update changes, and nothing else, so that conditions are exact and records have one form.
// Times in attributes are nanoseconds since 1970; they decide. ttl is in seconds, later than they are, and only tidies:
// items past their end are still there for days, so every read and every condition looks at the time itself. event is
// the audit event of the last write; see [gateway.EventOf].
//
// No person is named in a key: persons, user names, identity numbers, holders and the objects of events stand there as
// HMACs under a key of the deployment. Every read of a table is consistent; indexes may lag, and are used where the
// port says so, or to find what is then read from the table.
//
// A write that the SDK sends again, since the answer to the first was lost, meets its own record: the event's
// identifier tells, and the call succeeds.
//
// It makes no tables, and it has no transactions.
package aws

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yinxin/yinxin/shared/audit"
)

// Tables are the names of the tables. A function has those that it may use; the others are empty.
type Tables struct {
	SSO      string // sessions, grants, consents, what was used, attempts, devices, credentials
	Registry string // persons, organisations, mandates, clients
	Seals    string // seals, their codes and their uses
	Licences string // licences, their types, status lists and show codes
	Log      string // the audit events
}

// Options of [Open].
type Options struct {
	Config sdk.Config // region, credentials; an endpoint where it is not AWS
	Tables Tables
	Now    func() time.Time // the clock that expiry is decided by
	Epoch  time.Time        // zero for none; see [DB]
	Rand   io.Reader        // of the delays between attempts, and of marks by which a write knows itself
	Key    []byte           // of the HMACs in keys, 32 bytes; another key finds nothing of what the first wrote
}

// DB is DynamoDB with the tables of a function. Adapters embed it.
type DB struct {
	client *dynamodb.Client
	tables Tables
	key    []byte
	rand   io.Reader
	// Now is the clock that expiry is decided by.
	Now func() time.Time
	// Epoch is the time before which no grant, session, code, shown code or device counts: see infra/README.md, Restore.
	Epoch time.Time
}

const (
	attempts   = 6
	firstDelay = 25 * time.Millisecond // doubled with every attempt
	longDelay  = time.Second
	// answerTime is how long one attempt may take: a lost answer must leave time for another attempt.
	answerTime = 3 * time.Second
)

// Open makes a DB. It sends nothing.
func Open(o Options) (*DB, error) {
	if len(o.Key) < 32 || o.Now == nil || o.Rand == nil {
		return nil, errors.New("opening the tables: a clock, randomness and a key of at least 32 bytes are needed")
	}
	random := &lockedReader{from: o.Rand}
	client := dynamodb.NewFromConfig(o.Config, func(d *dynamodb.Options) {
		d.Retryer = retryer(random)
		if b, ok := d.HTTPClient.(*awshttp.BuildableClient); ok {
			d.HTTPClient = b.WithTimeout(answerTime)
		} else if d.HTTPClient == nil {
			d.HTTPClient = awshttp.NewBuildableClient().WithTimeout(answerTime)
		}
	})
	return &DB{client: client, tables: o.Tables, key: o.Key, rand: random, Now: o.Now, Epoch: o.Epoch}, nil
}

// lockedReader lets goroutines share a source.
type lockedReader struct {
	mu   sync.Mutex
	from io.Reader
}

// Read implements [io.Reader].
func (r *lockedReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from.Read(p)
}

// retryer is the SDK's, which tries again after throttling, faults of the service and lost connections, and after
// another's transaction on the item too. The delay is drawn between nought and a bound that doubles.
func retryer(random io.Reader) sdk.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = longDelay
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return jitter(random, attempt)
		})
		o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{
			(*types.TransactionConflictException)(nil).ErrorCode(): {},
		}})
	})
}

func jitter(random io.Reader, attempt int) (time.Duration, error) {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return 0, fmt.Errorf("drawing a delay: %w", err)
	}
	bound := min(firstDelay<<min(attempt, 10), longDelay)
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(bound)), nil
}

// item is an item, or a part of one.
type item = map[string]types.AttributeValue

// at is the place of an item. The sort key of items that have no need of one is "-".
type at struct{ table, pk, sk string }

const noSort = "-"

func (a at) key() item { return item{"pk": text(a.pk), "sk": text(a.sk)} }

// fits tells whether DynamoDB could have such a key: at most 2048 and 1024 bytes, and none empty.
func (a at) fits() bool { return a.pk != "" && a.sk != "" && len(a.pk) <= 2048 && len(a.sk) <= 1024 }

// hidden is what stands in a key for something that names a person. A store without the key of these HMACs, which some
// functions have, cannot name anybody.
func (d *DB) hidden(kind, value string) string {
	if len(d.key) == 0 {
		panic("the store has no key to hide a person with")
	}
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte(kind + "\x00" + value)) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
func moment(t time.Time) types.AttributeValue { return number(t.UnixNano()) }

// tidyAfter is how long an item stays after its end: clocks differ, and what was used late is still recognised.
const tidyAfter = 24 * time.Hour

// tidy is when an item that ends at a time may be removed: the attribute ttl, in seconds.
func tidy(end time.Time) types.AttributeValue { return number(end.Add(tidyAfter).Unix() + 1) }

func textOf(it item, name string) string {
	s, _ := it[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// numberOf returns a number, or nought where there is none.
func numberOf(it item, name string) (int64, error) {
	n, _ := it[name].(*types.AttributeValueMemberN)
	if n == nil {
		return 0, nil
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the attribute %s: %w", name, err)
	}
	return v, nil
}

// momentOf returns a time, or the zero time where there is none.
func momentOf(it item, name string) (time.Time, error) {
	n, err := numberOf(it, name)
	if err != nil || it[name] == nil {
		return time.Time{}, err
	}
	return time.Unix(0, n).UTC(), nil
}

// encode is a record as the attribute body. Two records that are equal have equal texts.
func encode[T any](v T) (types.AttributeValue, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding a record: %w", err)
	}
	return text(string(data)), nil
}

// decode reads the attribute body.
func decode[T any](it item) (v T, err error) {
	if err := json.Unmarshal([]byte(textOf(it, "body")), &v); err != nil {
		return v, fmt.Errorf("decoding the record %s: %w", textOf(it, "pk"), err)
	}
	return v, nil
}

// noTable reports a function that reaches for a table that it was not given.
func noTable(a at) error {
	if a.table == "" {
		return fmt.Errorf("there is no table for %q in this function", prefix(a.pk))
	}
	return nil
}

// prefix is the part of a key that says whose it is.
func prefix(pk string) string {
	for i, r := range pk {
		if r == '#' {
			return pk[:i+1]
		}
	}
	return pk
}

// get reads an item consistently; nil where there is none.
func (d *DB) get(ctx context.Context, a at) (item, error) {
	if err := noTable(a); err != nil {
		return nil, err
	}
	if !a.fits() {
		return nil, nil
	}
	out, err := d.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &a.table, Key: a.key(), ConsistentRead: sdk.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", prefix(a.pk), err)
	}
	return out.Item, nil
}

// record reads an item and decodes its body. found is false where there is none.
func record[T any](ctx context.Context, d *DB, a at) (v T, found bool, err error) {
	it, err := d.get(ctx, a)
	if err != nil || it == nil {
		return v, false, err
	}
	v, err = decode[T](it)
	return v, err == nil, err
}

// write is one conditional write on one item.
type write struct {
	at
	// put replaces the item, update changes it: one of the two is set.
	put    item
	update string // an update expression
	// condition is an expression; "" for none. Names stand as #name, values as :name.
	condition string
	values    item
	event     *audit.Event
}

// names finds the attribute names of expressions, each written #name, so that no reserved word can stand there bare.
var names = regexp.MustCompile(`#[A-Za-z0-9]+`)

func namesOf(expressions ...string) map[string]string {
	found := map[string]string{}
	for _, e := range expressions {
		for _, n := range names.FindAllString(e, -1) {
			found[n] = n[1:]
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

// outcome is how a conditional write ended.
type outcome struct {
	item item // as it is after the write, or as it stands where the condition did not hold; nil where there is none
	held bool // the condition held, or had held: the record carries the event of this very call
}

// write does a conditional write.
func (d *DB) write(ctx context.Context, w write) (outcome, error) {
	if err := noTable(w.at); err != nil {
		return outcome{}, err
	}
	if !w.fits() {
		return outcome{}, fmt.Errorf("writing %s: the key is empty or too long", prefix(w.pk))
	}
	var err error
	var after item
	if w.put != nil {
		after, err = d.putItem(ctx, w)
	} else {
		after, err = d.updateItem(ctx, w)
	}
	var failed *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &failed):
		it := failed.Item
		if len(it) == 0 {
			it = nil
		}
		if w.event == nil || eventID(it) != w.event.ID {
			return outcome{item: it}, nil
		}
		after = it
	case err != nil:
		return outcome{}, fmt.Errorf("writing %s: %w", prefix(w.pk), err)
	}
	if w.event != nil {
		meterOf(ctx).wrote(*w.event)
	}
	return outcome{item: after, held: true}, nil
}

func (d *DB) putItem(ctx context.Context, w write) (item, error) {
	in := &dynamodb.PutItemInput{TableName: &w.table, Item: w.key()}
	maps.Copy(in.Item, w.put)
	if w.event != nil {
		e, err := eventAttribute(*w.event)
		if err != nil {
			return nil, err
		}
		in.Item["event"] = e
	}
	if w.condition != "" {
		in.ConditionExpression = &w.condition
		in.ExpressionAttributeNames = namesOf(w.condition)
		in.ExpressionAttributeValues = w.values
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	_, err := d.client.PutItem(ctx, in)
	return in.Item, err
}

func (d *DB) updateItem(ctx context.Context, w write) (item, error) {
	in := &dynamodb.UpdateItemInput{
		TableName: &w.table, Key: w.key(), UpdateExpression: &w.update, ExpressionAttributeValues: item{},
		ReturnValues: types.ReturnValueAllNew,
	}
	maps.Copy(in.ExpressionAttributeValues, w.values)
	if w.event != nil {
		e, err := eventAttribute(*w.event)
		if err != nil {
			return nil, err
		}
		in.ExpressionAttributeValues[":event"] = e
	}
	if w.condition != "" {
		in.ConditionExpression = &w.condition
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	in.ExpressionAttributeNames = namesOf(w.update, w.condition)
	out, err := d.client.UpdateItem(ctx, in)
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// absent is the condition of what must not be there yet.
const absent = "attribute_not_exists(#pk)"

// save writes a record and its event unless the same record stands there already.
func save[T any](ctx context.Context, d *DB, a at, v T, more item, e audit.Event) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	put := item{"body": body}
	maps.Copy(put, more)
	_, err = d.write(ctx, write{at: a, put: put, condition: absent + " OR #body <> :body", values: item{":body": body}, event: &e})
	return err // a condition that did not hold is an equal record
}

// query is a question for the items of one partition, of a table or of an index of it.
type query struct {
	table, index string // index "" is the table itself, which is read consistently
	partition    string
	begins       string // of the sort key
	from, before string // bounds of the sort key, in place of begins
	newestFirst  bool
	limit        int // 0: all
}

// The indexes. Each has a partition and a sort key of its own in the items that it is to hold.
const (
	byFirst  = "first"
	bySecond = "second"
	byThird  = "third"
)

// indexKeys are the attributes that are the keys of an index; of the table where index is "".
func indexKeys(index string) (partition, sort string) {
	if index == "" {
		return "pk", "sk"
	}
	return index + "Pk", index + "Sk"
}

// indexed makes the attributes by which an index holds an item.
func indexed(index, partition, sort string) item {
	p, s := indexKeys(index)
	return item{p: text(partition), s: text(sort)}
}

// query returns the items in the order of their sort keys.
func (d *DB) query(ctx context.Context, q query) ([]item, error) {
	a := at{q.table, q.partition, noSort}
	if err := noTable(a); err != nil {
		return nil, err
	}
	if !a.fits() || len(q.begins) > 1024 {
		return nil, nil
	}
	p, s := indexKeys(q.index)
	condition, values := "#"+p+" = :partition", item{":partition": text(q.partition)}
	switch {
	case q.from != "":
		condition += " AND #" + s + " BETWEEN :from AND :to"
		values[":from"], values[":to"] = text(q.from), text(q.before)
	case q.begins != "":
		condition += " AND begins_with(#" + s + ", :begins)"
		values[":begins"] = text(q.begins)
	}
	in := &dynamodb.QueryInput{
		TableName: &q.table, KeyConditionExpression: &condition, ExpressionAttributeNames: namesOf(condition),
		ExpressionAttributeValues: values, ScanIndexForward: sdk.Bool(!q.newestFirst),
	}
	if q.index == "" {
		in.ConsistentRead = sdk.Bool(true)
	} else {
		in.IndexName = &q.index
	}
	var items []item
	for {
		if q.limit > 0 {
			in.Limit = sdk.Int32(int32(min(q.limit-len(items), math.MaxInt32)))
		}
		out, err := d.client.Query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", prefix(q.partition), err)
		}
		items = append(items, out.Items...)
		if len(out.LastEvaluatedKey) == 0 || q.limit > 0 && len(items) >= q.limit {
			return items, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// create writes a record with a revision that is not there yet, or returns exists.
func create[T any](ctx context.Context, d *DB, a at, v T, revision int, more item, e audit.Event, exists error) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	put := item{"body": body, "revision": number(int64(revision))}
	maps.Copy(put, more)
	out, err := d.write(ctx, write{at: a, put: put, condition: absent, event: &e})
	if err == nil && !out.held {
		err = exists
	}
	return err
}

// replace writes the next revision of a record. It returns unknown where there is no record and changed where it has
// another revision than the one before. What is in more is set too; an attribute that is nil is removed.
func replace[T any](
	ctx context.Context, d *DB, a at, v T, revision int, more item, e audit.Event, unknown, changed error,
) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	values := item{":body": body, ":revision": number(int64(revision)), ":before": number(int64(revision) - 1)}
	set, remove := "SET #body = :body, #revision = :revision, #event = :event", ""
	for _, name := range slices.Sorted(maps.Keys(more)) {
		if more[name] == nil {
			remove += ", #" + name
			continue
		}
		set += ", #" + name + " = :" + name
		values[":"+name] = more[name]
	}
	if remove != "" {
		set += " REMOVE " + remove[2:]
	}
	out, err := d.write(ctx, write{at: a, update: set, condition: "#revision = :before", values: values, event: &e})
	switch {
	case err != nil || out.held:
		return err
	case out.item == nil:
		return unknown
	}
	return changed
}

// claim binds a name to a claimant for ever, or returns exists where it is another's.
func claim(ctx context.Context, d *DB, a at, claimant string, exists error) error {
	out, err := d.write(ctx, write{at: a, put: item{"claimant": text(claimant)},
		condition: absent + " OR #claimant = :claimant", values: item{":claimant": text(claimant)}})
	if err == nil && !out.held {
		err = exists
	}
	return err
}

// claimant returns who claimed a name, or unknown.
func claimant(ctx context.Context, d *DB, a at, unknown error) (string, error) {
	it, err := d.get(ctx, a)
	if err == nil && it == nil {
		err = unknown
	}
	return textOf(it, "claimant"), err
}
