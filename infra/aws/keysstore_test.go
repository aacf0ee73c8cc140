package aws

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/yinxin/yinxin/infra/aws/kmstest"
	"github.com/yinxin/yinxin/shared/key"
)

const (
	policyOfAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`
	adminRole   = "arn:aws-cn:iam::111122223333:role/admin"
	otherRole   = "arn:aws-cn:iam::111122223333:role/other"
)

// keyHouse is a key management service in a China Region and a store of key items.
type keyHouse struct {
	*kmstest.Server
	url     string
	engine  string            // address of DynamoDB; "" for items
	items   http.RoundTripper // what stands for DynamoDB where there is no engine
	table   string
	wrapper string // ARN of a symmetric key
	mu      sync.Mutex
	at      time.Time
}

func newKeyHouse(t testing.TB, otherPolicy string) *keyHouse {
	t.Helper()
	s, err := kmstest.New(kmstest.Config{Partition: "aws-cn", Rand: rand.Reader, Callers: map[string]kmstest.Caller{
		"ADMIN": {Secret: "secret", ARN: adminRole, Policy: policyOfAll},
		"OTHER": {Secret: "secret", ARN: otherRole, Policy: otherPolicy},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	h := &keyHouse{Server: s, url: server.URL, at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	h.wrapper = h.makeKMSKey(t, kms.CreateKeyInput{})
	h.freshItems(t)
	return h
}

// freshItems gives the house an empty store.
func (h *keyHouse) freshItems(t testing.TB) {
	t.Helper()
	h.table, h.engine = "keys-"+strings.ToLower(rand.Text()), os.Getenv("DYNAMODB_ENDPOINT")
	if h.engine == "" {
		h.itemsHere()
		return
	}
	c := dynamodb.NewFromConfig(h.config("ADMIN", h.engine, http.DefaultTransport))
	_, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: &h.table, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{{AttributeName: sdk.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: sdk.String("sk"), KeyType: types.KeyTypeRange}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: sdk.String("pk"), AttributeType: "S"},
			{AttributeName: sdk.String("sk"), AttributeType: "S"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = c.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &h.table}) // the engine is the tests' own
	})
	wait := dynamodb.NewTableExistsWaiter(c, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
	if err := wait.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &h.table}, 30*time.Second); err != nil {
		t.Fatal(err)
	}
}

// itemsHere gives the house an empty store in this process, whatever engine there is: for tests of what many days bring,
// where an engine would add time and nothing else.
func (h *keyHouse) itemsHere() {
	h.engine, h.items = "", &itemStore{items: map[string]json.RawMessage{}}
}

func (h *keyHouse) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *keyHouse) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

func (h *keyHouse) config(caller, endpoint string, over http.RoundTripper) sdk.Config {
	c := sdk.Config{Region: "cn-north-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider(caller, "secret", "")}
	if over != nil {
		c.HTTPClient = &http.Client{Transport: over}
	}
	return c
}

func (h *keyHouse) makeKMSKey(t testing.TB, in kms.CreateKeyInput) string {
	t.Helper()
	out, err := kms.NewFromConfig(h.config("ADMIN", h.url, nil)).CreateKey(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// db is the store as a function sees it; over is what its requests pass through, nil for nothing.
func (h *keyHouse) db(t testing.TB, over func(http.RoundTripper) http.RoundTripper) *DB {
	t.Helper()
	endpoint, items := h.engine, h.items
	if endpoint == "" {
		endpoint = "http://dynamodb.example"
	} else {
		items = http.DefaultTransport
	}
	if over != nil {
		items = over(items)
	}
	db, err := Open(Options{Config: h.config("ADMIN", endpoint, items), Now: h.now, Rand: rand.Reader, Key: make([]byte, 32),
		Tables: Tables{SSO: h.table, Registry: h.table, Seals: h.table, Licences: h.table}})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// keys are the keys as one process of a caller keeps them, all purposes in one custody.
func (h *keyHouse) keys(t testing.TB, caller string, db *DB, c Custody) *Keys {
	t.Helper()
	custody := map[key.Purpose]Custody{}
	for _, p := range []key.Purpose{key.Token, key.Seal, key.SealCompat, key.SealMaker, key.LicenceIssuer, key.LicenceGM, key.Receipt} {
		custody[p] = c
	}
	k, err := OpenKeys(KeysOptions{DB: db, Config: h.config(caller, h.url, nil), Custody: custody, Reload: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (h *keyHouse) wrapped() Custody { return Custody{Wrapped, h.wrapper} }
func (h *keyHouse) blind() Custody   { return Custody{Blind, h.wrapper} }

var resident = Custody{Kind: Resident}

// itemStore answers GetItem and PutItem as DynamoDB does, with the two conditions that key items have.
type itemStore struct {
	mu    sync.Mutex
	items map[string]json.RawMessage // by table, pk and sk
}

type attributes = map[string]json.RawMessage

func (s *itemStore) RoundTrip(r *http.Request) (*http.Response, error) {
	var in struct {
		TableName, ConditionExpression, ProjectionExpression, ReturnValuesOnConditionCheckFailure string
		ConsistentRead                                                                            bool
		Key, Item, ExpressionAttributeValues                                                      attributes
		ExpressionAttributeNames                                                                  map[string]string
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	place := func(key attributes) string { return in.TableName + string(key["pk"]) + string(key["sk"]) }
	switch r.Header.Get("X-Amz-Target") {
	case "DynamoDB_20120810.GetItem":
		stored, there := s.items[place(in.Key)]
		if !there {
			return itemAnswer(200, attributes{})
		}
		if in.ProjectionExpression != "" {
			var whole, part attributes = nil, attributes{}
			if err := json.Unmarshal(stored, &whole); err != nil {
				return nil, err
			}
			for name := range strings.SplitSeq(in.ProjectionExpression, ", ") {
				name = in.ExpressionAttributeNames[name]
				part[name] = whole[name]
			}
			var err error
			if stored, err = json.Marshal(part); err != nil {
				return nil, err
			}
		}
		return itemAnswer(200, attributes{"Item": stored})
	case "DynamoDB_20120810.PutItem":
		stored, there := s.items[place(in.Item)]
		var before attributes
		if there {
			if err := json.Unmarshal(stored, &before); err != nil {
				return nil, err
			}
		}
		var holds bool
		switch in.ConditionExpression {
		case "":
			holds = true
		case "attribute_not_exists(#pk)":
			holds = !there
		case "#revision = :before":
			holds = there && string(before["revision"]) == string(in.ExpressionAttributeValues[":before"])
		default:
			return nil, errors.New("the condition " + in.ConditionExpression + " is not known here")
		}
		if !holds {
			answer := attributes{"__type": json.RawMessage(`"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"`)}
			if there && in.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
				answer["Item"] = stored
			}
			return itemAnswer(400, answer)
		}
		data, err := json.Marshal(in.Item)
		if err != nil {
			return nil, err
		}
		s.items[place(in.Item)] = data
		return itemAnswer(200, attributes{})
	default:
		return nil, errors.New("the operation is not known here")
	}
}

func itemAnswer(status int, body attributes) (*http.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data))}, nil
}

// roundTrip is a function as a RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
