// Package dynamotest makes tables for tests, on whatever speaks the protocol of DynamoDB at DYNAMODB_ENDPOINT: moto
// (infra/aws/moto.py), DynamoDB Local, an account.
//
//	Open ── five empty tables with their streams ── DB ── adapters under test
//	                    └─ Settle ── stream records ── gateway.EventOf ── table log
//
// Without the variable a test is skipped, unless YINXIN_REQUIRE_TOOLS is set.
package dynamotest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/audit"
)

// Store is a set of tables of one test.
type Store struct {
	DB *aws.DB

	config sdk.Config
	names  aws.Tables
	tables []string // all but that of the trail
	mu     sync.Mutex
	shards []shard // all that were found
}

type shard struct{ iterator string }

// Endpoint returns DYNAMODB_ENDPOINT, or ends the test.
func Endpoint(t testing.TB) string {
	t.Helper()
	endpoint := os.Getenv("DYNAMODB_ENDPOINT")
	switch {
	case endpoint != "":
	case os.Getenv("YINXIN_REQUIRE_TOOLS") != "":
		t.Fatal("needs DYNAMODB_ENDPOINT; python3 infra/aws/moto.py -- go test ./infra/aws/... sets it")
	default:
		t.Skip("needs DYNAMODB_ENDPOINT")
	}
	return endpoint
}

// Config is that of the endpoint, with the credentials of the environment or, where there are none, made-up ones.
func Config(endpoint string) sdk.Config {
	or := func(name, otherwise string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	return sdk.Config{
		Region: or("AWS_REGION", "us-east-1"), BaseEndpoint: &endpoint,
		HTTPClient: &http.Client{Transport: connections(), Timeout: time.Minute},
		Credentials: credentials.NewStaticCredentialsProvider(
			or("AWS_ACCESS_KEY_ID", "test"), or("AWS_SECRET_ACCESS_KEY", "test"), os.Getenv("AWS_SESSION_TOKEN")),
	}
}

// connections are those of all tests of a process: a race of many asks over as many, and the next one finds them open.
var connections = sync.OnceValue(func() *http.Transport {
	return &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}
})

// Key is the key of the HMACs in keys.
func Key() []byte { return []byte("0123456789abcdef0123456789abcdef") }

// index describes one index of a table.
type index struct {
	name string
	with []string // attributes that it holds beside the keys
	all  bool
}

// layout is what each table has. template.yaml says the same of the deployed ones.
func layout() map[string][]index {
	return map[string][]index{
		"sso":      nil,
		"registry": {{name: "first", with: []string{"body"}}},
		"seals":    {{name: "first"}},
		"licences": {{name: "first"}, {name: "second"}},
		"log":      {{name: "first", all: true}, {name: "second", all: true}, {name: "third", all: true}},
	}
}

// Schema is how a table is made: keys pk and sk, the indexes, and a stream of new images. A test holds template.yaml to
// it.
func Schema(kind, name string) *dynamodb.CreateTableInput {
	attribute := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeS}
	}
	keys := func(partition, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{
			{AttributeName: &partition, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange},
		}
	}
	in := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: keys("pk", "sk"),
		AttributeDefinitions: []types.AttributeDefinition{attribute("pk"), attribute("sk")},
		StreamSpecification: &types.StreamSpecification{
			StreamEnabled: sdk.Bool(true), StreamViewType: types.StreamViewTypeNewImage,
		},
	}
	for _, i := range layout()[kind] {
		projection := &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}
		switch {
		case i.all:
			projection.ProjectionType = types.ProjectionTypeAll
		case len(i.with) > 0:
			projection.ProjectionType, projection.NonKeyAttributes = types.ProjectionTypeInclude, i.with
		}
		in.AttributeDefinitions = append(in.AttributeDefinitions, attribute(i.name+"Pk"), attribute(i.name+"Sk"))
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: sdk.String(i.name), KeySchema: keys(i.name+"Pk", i.name+"Sk"), Projection: projection,
		})
	}
	return in
}

// Open makes empty tables, which go with the test.
func Open(t testing.TB, now func() time.Time) *Store {
	t.Helper()
	s := &Store{config: Config(Endpoint(t))}
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	prefix := "test-" + hex.EncodeToString(b[:]) + "-"
	client := dynamodb.NewFromConfig(s.config)
	for kind := range layout() {
		s.make(t, client, kind, prefix+kind)
		if kind != "log" {
			s.tables = append(s.tables, prefix+kind)
		}
	}
	s.names = aws.Tables{SSO: prefix + "sso", Registry: prefix + "registry", Seals: prefix + "seals",
		Licences: prefix + "licences", Log: prefix + "log"}
	s.DB = s.Through(t, s.config.HTTPClient, now)
	return s
}

// Through opens the tables as another process sees them, over its own connections and by its own clock.
func (s *Store) Through(t testing.TB, client sdk.HTTPClient, now func() time.Time) *aws.DB {
	t.Helper()
	config := s.config
	config.HTTPClient = client
	db, err := aws.Open(aws.Options{Config: config, Now: now, Rand: rand.Reader, Key: Key(), Tables: s.names})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (s *Store) make(t testing.TB, client *dynamodb.Client, kind, name string) {
	t.Helper()
	_, err := client.CreateTable(t.Context(), Schema(kind, name))
	var exists *types.ResourceInUseException
	if err != nil && !errors.As(err, &exists) { // the name is drawn: what exists is ours, and the answer was lost
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name})
		var gone *types.ResourceNotFoundException
		if err != nil && !errors.As(err, &gone) {
			t.Errorf("deleting the table %s: %v", name, err)
		}
	})
	waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	out, err := waiter.WaitForOutput(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "log" {
		return // what is in it has arrived
	}
	arn := *out.Table.LatestStreamArn
	described, err := stream[struct {
		StreamDescription struct{ Shards []struct{ ShardId string } }
	}](t.Context(), s.config, "DescribeStream", map[string]string{"StreamArn": arn})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range described.StreamDescription.Shards {
		got, err := stream[struct{ ShardIterator string }](t.Context(), s.config, "GetShardIterator", map[string]string{
			"StreamArn": arn, "ShardId": one.ShardId, "ShardIteratorType": "TRIM_HORIZON"})
		if err != nil {
			t.Fatal(err)
		}
		s.shards = append(s.shards, shard{got.ShardIterator})
	}
}

// Settle takes what the streams have, and records its events, as the function behind the streams does.
func (s *Store) Settle(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.shards {
		for s.shards[i].iterator != "" {
			got, err := stream[struct {
				NextShardIterator string
				Records           []events.DynamoDBEventRecord
			}](ctx, s.config, "GetRecords", map[string]string{"ShardIterator": s.shards[i].iterator})
			if err != nil {
				return err
			}
			for _, r := range got.Records {
				e, found, err := gateway.EventOf(r.Change.NewImage)
				if err != nil {
					return err
				}
				if !found {
					continue
				}
				if err := (aws.Events{DB: s.DB}).Record(ctx, e); err != nil {
					return err
				}
			}
			s.shards[i].iterator = got.NextShardIterator
			if len(got.Records) == 0 {
				break
			}
		}
	}
	return nil
}

// stream calls an operation of DynamoDB Streams, whose client is no dependency of ours, again where the connection
// breaks.
func stream[T any](ctx context.Context, c sdk.Config, operation string, in map[string]string) (out T, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	var data []byte
	for range 3 {
		if data, err = send(ctx, c, operation, body); err == nil {
			return out, json.Unmarshal(data, &out)
		}
	}
	return out, err
}

func send(ctx context.Context, c sdk.Config, operation string, body []byte) ([]byte, error) {
	endpoint := os.Getenv("DYNAMODB_STREAMS_ENDPOINT")
	if endpoint == "" {
		endpoint = *c.BaseEndpoint
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDBStreams_20120810."+operation)
	who, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, who, r, hex.EncodeToString(sum[:]), "dynamodb", c.Region, time.Now()); err != nil {
		return nil, err
	}
	answer, err := c.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // what was needed of it is read
	data, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", operation, answer.Status, data)
	}
	return data, err
}

// Events reads the events of a store, after it has settled.
type Events struct{ *Store }

var _ audit.Reader = Events{}

// ByHolder implements [audit.Reader].
func (s Events) ByHolder(ctx context.Context, holder string, limit int) ([]audit.Event, error) {
	if err := s.Settle(ctx); err != nil {
		return nil, err
	}
	return aws.Events{DB: s.DB}.ByHolder(ctx, holder, limit)
}

// ByObject implements [audit.Reader].
func (s Events) ByObject(ctx context.Context, object string) ([]audit.Event, error) {
	if err := s.Settle(ctx); err != nil {
		return nil, err
	}
	return aws.Events{DB: s.DB}.ByObject(ctx, object)
}

// ByTime implements [audit.Reader].
func (s Events) ByTime(ctx context.Context, from, to time.Time, limit int) ([]audit.Event, error) {
	if err := s.Settle(ctx); err != nil {
		return nil, err
	}
	return aws.Events{DB: s.DB}.ByTime(ctx, from, to, limit)
}

// Snapshot reads every item of every table but that of the trail, whose events have settled, and returns what puts them
// back: what a restore to this time would leave.
func (s *Store) Snapshot(ctx context.Context) (putBack func(ctx context.Context) error, err error) {
	if err := s.Settle(ctx); err != nil {
		return nil, err
	}
	client := dynamodb.NewFromConfig(s.config)
	copied := map[string][]map[string]types.AttributeValue{}
	for _, name := range s.tables {
		if copied[name], err = scan(ctx, client, name); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) error {
		if err := s.Settle(ctx); err != nil { // an act whose event is not in the trail cannot be done again
			return err
		}
		for name, items := range copied {
			present, err := scan(ctx, client, name)
			if err != nil {
				return err
			}
			for _, it := range present {
				key := map[string]types.AttributeValue{"pk": it["pk"], "sk": it["sk"]}
				if _, err := client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &name, Key: key}); err != nil {
					return err
				}
			}
			for _, it := range items {
				if _, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &name, Item: it}); err != nil {
					return err
				}
			}
		}
		return nil
	}, nil
}

func scan(ctx context.Context, client *dynamodb.Client, table string) (items []map[string]types.AttributeValue, err error) {
	in := &dynamodb.ScanInput{TableName: &table, ConsistentRead: sdk.Bool(true)}
	for {
		out, err := client.Scan(ctx, in)
		if err != nil {
			return nil, err
		}
		items = append(items, out.Items...)
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return items, nil
		}
	}
}
