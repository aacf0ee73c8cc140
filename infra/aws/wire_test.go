package aws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/aws/dynamotest"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
)

// exchange is one request that is expected, and its answer.
type exchange struct {
	op     string // "PutItem"
	want   string // the request, as DynamoDB's documentation has it; "" for any
	status int    // 200 where it is 0
	answer string // "{}" where it is empty
	fault  error  // in place of an answer
}

// wire answers the SDK's requests with a script.
type wire struct {
	t      *testing.T
	script []exchange
	sent   []sent
}

type sent struct {
	op   string
	body map[string]any
}

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	n := len(w.sent)
	s := sent{op: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")}
	if err := json.Unmarshal(body, &s.body); err != nil {
		w.t.Errorf("request %d is no JSON: %v", n, err)
	}
	w.sent = append(w.sent, s)
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.0" ||
		!strings.Contains(r.Header.Get("Authorization"), "/us-east-1/dynamodb/aws4_request") {
		w.t.Errorf("request %d is %s %s with %v", n, r.Method, r.URL.Path, r.Header)
	}
	if n >= len(w.script) {
		w.t.Errorf("a request beyond the script: %s %s", s.op, body)
		return nil, errors.New("beyond the script")
	}
	e := w.script[n]
	if s.op != e.op || e.want != "" && !alike(w.t, e.want, body) {
		w.t.Errorf("request %d is\n%s %s\nwant\n%s %s", n, s.op, body, e.op, e.want)
	}
	if e.fault != nil {
		return nil, e.fault
	}
	if e.status == 0 {
		e.status = http.StatusOK
	}
	if e.answer == "" {
		e.answer = "{}"
	}
	return &http.Response{
		StatusCode: e.status, Status: http.StatusText(e.status), ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"r"}},
		Body:   io.NopCloser(strings.NewReader(e.answer)),
	}, nil
}

// told1 is the event told("e1") as it stands in requests.
const told1 = `{"id":"e1","time":"2026-03-01T12:00:00Z","action":"test","outcome":"done"}`

// alike compares JSON. In want, EVENT stands for the text of the event told("e1"), and "*" for any string.
func alike(t *testing.T, want string, got []byte) bool {
	t.Helper()
	text, err := json.Marshal(told1)
	if err != nil {
		t.Fatal(err)
	}
	want = strings.ReplaceAll(want, "EVENT", string(text))
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("the expectation is no JSON: %v\n%s", err, want)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	return fits(w, g)
}

func fits(want, got any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k, v := range w {
			if !fits(v, g[k]) {
				return false
			}
		}
		return true
	case string:
		g, ok := got.(string)
		return ok && (w == "*" || w == g)
	}
	return reflect.DeepEqual(want, got)
}

// scripted opens tables behind a script.
func scripted(t *testing.T, script ...exchange) (*aws.DB, *wire) {
	t.Helper()
	w := &wire{t: t, script: script}
	db, err := aws.Open(aws.Options{
		Config: sdk.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			HTTPClient: &http.Client{Transport: w}},
		Tables: aws.Tables{SSO: "t-sso", Registry: "t-registry", Seals: "t-seals", Licences: "t-licences", Log: "t-log"},
		Now:    func() time.Time { return noon }, Rand: zeros{}, Key: dynamotest.Key(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, w
}

// zeros is a source that has the delays between attempts be none.
type zeros struct{}

// Read implements [io.Reader].
func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// HMAC-SHA-256 under the key of dynamotest over kind, a zero byte, and value; computed with Python's hmac.
const (
	zhangPerson = "lMsnpvr92pJVkQu_YB9h1-eTm7U23E5DsenDsCuNj8Q"
	zhangName   = "VP6_-yPkl7TKGDfUVIDRCHcr6fklwS_V98qUy1XD9ts"
	zhangHolder = "bbB2limT5DneCy5RS9UYaL-4iHMdoFsITiirno9147U"
	workerOwns  = "6ahwL_GNzalhDuPUzJPjbpGk0ZiyITgmKysDeIR9Ng0"
	licenceL1   = "Ba5e9a0kU5AzFM5H6Wq9CDbKdUKRDFRR55e8c7dt7aI"
	zhangNumber = "LkYEoUrE6tiIVH24OxhJwiKzWQu0IQ1ETLByArBzeVU"
)

// call is a call of a port's method and what it sends.
type call struct {
	name   string
	ports  string // whose rights it takes, separated by spaces
	do     func(ctx context.Context, db *aws.DB) error
	script []exchange
}

// found answers a GetItem with an item.
func found(it string) string { return `{"Item":` + it + `}` }

func get(table, pk, sk string) string {
	return fmt.Sprintf(`{"TableName":%q,"Key":{"pk":{"S":%q},"sk":{"S":%q}},"ConsistentRead":true}`, table, pk, sk)
}

const (
	grantBody = `"{\"id\":\"g1\",\"client\":\"app\",\"person\":\"zhang\",\"channel\":\"web\",\"scope\":\"openid\",` +
		`\"redirectURI\":\"https://app.example/cb\",\"challenge\":\"ch\",\"created\":\"2026-03-01T12:00:00Z\",` +
		`\"expires\":\"2026-03-01T13:00:00Z\",\"codeHash\":\"c\",\"codeExpires\":\"2026-03-01T12:01:00Z\"}"`
	// redeemedGrant is the item of that grant after redemption.
	redeemedGrant = `{"pk":{"S":"grant#g1"},"sk":{"S":"-"},"body":{"S":` + grantBody + `},"familyHash":{"S":"f"},"refreshHash":{"S":"r0"},
		"redeemed":{"N":"1772366400000000000"},"refreshUntil":{"N":"1772366460000000000"},"person":{"S":"zhang"}}`
	sessionBody = `"{\"id\":\"s1\",\"person\":\"zhang\",\"authTime\":\"2026-03-01T12:00:00Z\",\"acr\":\"acr\",` +
		`\"expires\":\"2026-03-01T12:01:00Z\"}"`
)

func calls() []call {
	minute := noon.Add(time.Minute)
	grant := oidc.Grant{ID: "g1", Client: "app", Person: "zhang", Channel: "web", Scope: "openid",
		RedirectURI: "https://app.example/cb", Challenge: "ch", Created: noon, Expires: noon.Add(time.Hour), CodeHash: "c",
		CodeExpires: minute}
	return append([]call{
		{"a person is saved unless the record is equal", "registry.PersonSaver", func(ctx context.Context, db *aws.DB) error {
			p := registry.Person{ID: "zhang", Name: "张三(示例)", IDType: "111", IDNumber: "990000199202140010"}
			return aws.Persons{DB: db}.SavePerson(ctx, p, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-registry","Item":{
			"pk":{"S":"person#` + zhangPerson + `"},"sk":{"S":"-"},
			"firstPk":{"S":"identity#` + zhangNumber + `"},"firstSk":{"S":"` + zhangPerson + `"},
			"body":{"S":"{\"id\":\"zhang\",\"name\":\"张三(示例)\",\"idType\":\"111\",\"idNumber\":\"990000199202140010\"}"},
			"event":{"S":EVENT}},
			"ConditionExpression":"attribute_not_exists(#pk) OR #body <> :body",
			"ExpressionAttributeNames":{"#pk":"pk","#body":"body"},
			"ExpressionAttributeValues":{":body":{"S":"{\"id\":\"zhang\",\"name\":\"张三(示例)\",\"idType\":\"111\",\"idNumber\":\"990000199202140010\"}"}},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a person is read", "registry.Persons oidc.Persons account.People", func(ctx context.Context, db *aws.DB) error {
			p, err := aws.Persons{DB: db}.Person(ctx, "zhang")
			return expect(p.Name, "n", err)
		}, []exchange{{op: "GetItem", want: get("t-registry", "person#"+zhangPerson, "-"), answer: found(`{"body":{"S":"{\"name\":\"n\"}"}}`)}}},
		{"an organisation is saved after the hints of its duties", "registry.OrganisationSaver", func(ctx context.Context, db *aws.DB) error {
			o := registry.Organisation{USCC: "o1", Name: "n", Kind: registry.Agency, Division: "990000", Duties: []string{"seal.make"}}
			return aws.Organisations{DB: db}.SaveOrganisation(ctx, o, told("e1"))
		}, []exchange{
			{op: "PutItem", want: `{"TableName":"t-registry","Item":{"pk":{"S":"duty#seal.make"},"sk":{"S":"990000#o1"}}}`},
			{op: "PutItem", want: `{"TableName":"t-registry","Item":{"pk":{"S":"organisation#o1"},"sk":{"S":"-"},
				"body":{"S":"{\"uscc\":\"o1\",\"name\":\"n\",\"kind\":\"agency\",\"division\":\"990000\",\"duties\":[\"seal.make\"]}"},
				"event":{"S":EVENT}},
				"ConditionExpression":"attribute_not_exists(#pk) OR #body <> :body",
				"ExpressionAttributeNames":{"#pk":"pk","#body":"body"},
				"ExpressionAttributeValues":{":body":{"S":"{\"uscc\":\"o1\",\"name\":\"n\",\"kind\":\"agency\",\"division\":\"990000\",\"duties\":[\"seal.make\"]}"}},
				"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`},
		}},
		{"an organisation is read", "registry.Organisations seal.Directory licence.Agencies licence.Holders account.People account.Names",
			func(ctx context.Context, db *aws.DB) error {
				o, err := aws.Organisations{DB: db}.Organisation(ctx, "o1")
				return expect(o.Name, "n", err)
			}, []exchange{{op: "GetItem", want: get("t-registry", "organisation#o1", "-"), answer: found(`{"body":{"S":"{\"name\":\"n\"}"}}`)}}},
		{"who is responsible is looked for upwards and then read", "seal.Directory", func(ctx context.Context, db *aws.DB) error {
			o, err := aws.SealDirectory{DB: db}.Responsible(ctx, "990100", seal.DutyMake)
			return expect(o.USCC, "o1", err)
		}, []exchange{
			{op: "Query", want: `{"TableName":"t-registry","KeyConditionExpression":"#pk = :partition AND begins_with(#sk, :begins)",
				"ExpressionAttributeNames":{"#pk":"pk","#sk":"sk"},
				"ExpressionAttributeValues":{":partition":{"S":"duty#seal.make"},":begins":{"S":"990100#"}},
				"ScanIndexForward":true,"ConsistentRead":true}`, answer: `{"Items":[]}`},
			{op: "Query", want: `{"TableName":"t-registry","KeyConditionExpression":"#pk = :partition AND begins_with(#sk, :begins)",
				"ExpressionAttributeNames":{"#pk":"pk","#sk":"sk"},
				"ExpressionAttributeValues":{":partition":{"S":"duty#seal.make"},":begins":{"S":"990000#"}},
				"ScanIndexForward":true,"ConsistentRead":true}`, answer: `{"Items":[{"pk":{"S":"duty#seal.make"},"sk":{"S":"990000#o1"}}]}`},
			{op: "GetItem", want: get("t-registry", "organisation#o1", "-"),
				answer: found(`{"body":{"S":"{\"uscc\":\"o1\",\"division\":\"990000\",\"duties\":[\"seal.make\"]}"}}`)},
		}},
		{"a mandate is saved", "registry.MandateSaver", func(ctx context.Context, db *aws.DB) error {
			m := registry.Mandate{Person: "zhang", Organisation: "o1", Roles: []string{"seal.stamp"}}
			return aws.Mandates{DB: db}.SaveMandate(ctx, m, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-registry","Item":{
			"pk":{"S":"mandate#` + zhangPerson + `"},"sk":{"S":"o1"},
			"firstPk":{"S":"mandates#o1"},"firstSk":{"S":"` + zhangPerson + `"},
			"body":{"S":"{\"person\":\"zhang\",\"organisation\":\"o1\",\"roles\":[\"seal.stamp\"]}"},"event":{"S":EVENT}},
			"ConditionExpression":"attribute_not_exists(#pk) OR #body <> :body",
			"ExpressionAttributeNames":{"#pk":"pk","#body":"body"},
			"ExpressionAttributeValues":{":body":{"S":"{\"person\":\"zhang\",\"organisation\":\"o1\",\"roles\":[\"seal.stamp\"]}"}},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a mandate is asked for consistently", "registry.Mandates seal.Mandates licence.Mandates", func(ctx context.Context, db *aws.DB) error {
			ok, err := aws.Mandates{DB: db}.Mandated(ctx, "zhang", "o1", "seal.stamp")
			return expect(ok, true, err)
		}, []exchange{{op: "GetItem", want: get("t-registry", "mandate#"+zhangPerson, "o1"),
			answer: found(`{"body":{"S":"{\"roles\":[\"seal.stamp\"]}"}}`)}}},
		{"the mandates of a person are all pages of a partition", "registry.MandateLister account.People",
			func(ctx context.Context, db *aws.DB) error {
				list, err := aws.Mandates{DB: db}.MandatesOf(ctx, "zhang")
				return expect(len(list), 2, err)
			}, []exchange{
				{op: "Query", want: `{"TableName":"t-registry","KeyConditionExpression":"#pk = :partition",
				"ExpressionAttributeNames":{"#pk":"pk"},"ExpressionAttributeValues":{":partition":{"S":"mandate#` + zhangPerson + `"}},
				"ScanIndexForward":true,"ConsistentRead":true}`,
					answer: `{"Items":[{"body":{"S":"{}"}}],"LastEvaluatedKey":{"pk":{"S":"p"},"sk":{"S":"s"}}}`},
				{op: "Query", want: `{"TableName":"t-registry","KeyConditionExpression":"#pk = :partition",
				"ExpressionAttributeNames":{"#pk":"pk"},"ExpressionAttributeValues":{":partition":{"S":"mandate#` + zhangPerson + `"}},
				"ScanIndexForward":true,"ConsistentRead":true,"ExclusiveStartKey":{"pk":{"S":"p"},"sk":{"S":"s"}}}`,
					answer: `{"Items":[{"body":{"S":"{}"}}]}`},
			}},
		{"the mandates for an organisation come from the index", "registry.AgentLister", func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Mandates{DB: db}.MandatesFor(ctx, "o1")
			return err
		}, []exchange{{op: "Query", want: `{"TableName":"t-registry","IndexName":"first","KeyConditionExpression":"#firstPk = :partition",
			"ExpressionAttributeNames":{"#firstPk":"firstPk"},"ExpressionAttributeValues":{":partition":{"S":"mandates#o1"}},
			"ScanIndexForward":true}`}}},
		{"a holder is found by the HMAC of the number and then read", "licence.Holders", func(ctx context.Context, db *aws.DB) error {
			h, err := aws.LicenceDirectory{DB: db}.Holder(ctx, ident.CitizenIDType, "990000199202140010")
			return expect(h.Subject, "zhang", err)
		}, []exchange{
			{op: "Query", want: `{"TableName":"t-registry","IndexName":"first","KeyConditionExpression":"#firstPk = :partition",
				"ExpressionAttributeNames":{"#firstPk":"firstPk"},
				"ExpressionAttributeValues":{":partition":{"S":"identity#` + zhangNumber + `"}},"ScanIndexForward":true}`,
				answer: `{"Items":[{"pk":{"S":"person#p"},"sk":{"S":"-"}}]}`},
			{op: "GetItem", want: get("t-registry", "person#p", "-"),
				answer: found(`{"body":{"S":"{\"id\":\"zhang\",\"idType\":\"111\",\"idNumber\":\"990000199202140010\"}"}}`)},
		}},
		{"a client is saved", "oidc.ClientSaver", func(ctx context.Context, db *aws.DB) error {
			return aws.Clients{DB: db}.SaveClient(ctx, oidc.Client{ID: "app", Name: "One", Profile: oidc.Baseline}, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-registry","Item":{"pk":{"S":"client#app"},"sk":{"S":"-"},
			"body":{"S":"{\"client_id\":\"app\",\"client_name\":\"One\",\"profile\":\"baseline\"}"},"event":{"S":EVENT}},
			"ConditionExpression":"attribute_not_exists(#pk) OR #body <> :body",
			"ExpressionAttributeNames":{"#pk":"pk","#body":"body"},
			"ExpressionAttributeValues":{":body":{"S":"{\"client_id\":\"app\",\"client_name\":\"One\",\"profile\":\"baseline\"}"}},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a client is read", "oidc.Clients account.Names", func(ctx context.Context, db *aws.DB) error {
			c, err := aws.Clients{DB: db}.Client(ctx, "app")
			return expect(c.Name, "One", err)
		}, []exchange{{op: "GetItem", want: get("t-registry", "client#app", "-"), answer: found(`{"body":{"S":"{\"client_name\":\"One\"}"}}`)}}},

		{"what is trusted is one partition, the makers, and the issuers of the types", "seal.Trust verify.Trust",
			func(ctx context.Context, db *aws.DB) error {
				_, list, _, err := aws.NewTrust(db, aws.LicenceTypes{DB: db}).Trust(ctx)
				return expect(fmt.Sprint(len(list.Makers), list.MayIssue("o2", "c", noon)), "1 true", err)
			}, []exchange{
				{op: "Query", want: `{"TableName":"t-registry","KeyConditionExpression":"#pk = :partition",
				"ExpressionAttributeNames":{"#pk":"pk"},"ExpressionAttributeValues":{":partition":{"S":"trust#"}},
				"ScanIndexForward":true,"ConsistentRead":true}`},
				{op: "Query", want: `{"TableName":"t-registry","KeyConditionExpression":"#pk = :partition",
				"ExpressionAttributeNames":{"#pk":"pk"},"ExpressionAttributeValues":{":partition":{"S":"duty#seal.make"}},
				"ScanIndexForward":true,"ConsistentRead":true}`, answer: `{"Items":[{"pk":{"S":"duty#seal.make"},"sk":{"S":"990000#o1"}}]}`},
				{op: "GetItem", want: get("t-registry", "organisation#o1", "-"),
					answer: found(`{"body":{"S":"{\"uscc\":\"o1\",\"division\":\"990000\",\"duties\":[\"seal.make\"]}"}}`)},
				{op: "Query", want: `{"TableName":"t-licences","KeyConditionExpression":"#pk = :partition",
				"ExpressionAttributeNames":{"#pk":"pk"},"ExpressionAttributeValues":{":partition":{"S":"type#"}},
				"ScanIndexForward":true,"ConsistentRead":true}`, answer: `{"Items":[{"body":{"S":"{\"typeCode\":\"c\",\"issuers\":[\"o2\"]}"}}]}`},
				{op: "GetItem", want: get("t-registry", "organisation#o2", "-"), answer: found(`{"body":{"S":"{\"name\":\"n\"}"}}`)},
			}},

		{"a grant is saved once", "oidc.GrantSaver", func(ctx context.Context, db *aws.DB) error {
			return aws.Grants{DB: db}.SaveGrant(ctx, grant, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-sso","Item":{"pk":{"S":"grant#g1"},"sk":{"S":"-"},"body":{"S":` + grantBody + `},
			"event":{"S":EVENT},"client":{"S":"app"},"person":{"S":"zhang"},"codeHash":{"S":"c"},"challenge":{"S":"ch"},
			"redirectURI":{"S":"https://app.example/cb"},"familyHash":{"S":""},"refreshHash":{"S":""},"previousHash":{"S":""},
			"codeUntil":{"N":"1772366460000000000"},"until":{"N":"1772370000000000000"},"ttl":{"N":"1772452861"}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a code is redeemed by one update, after a look at the session", "oidc.CodeRedeemer", func(ctx context.Context, db *aws.DB) error {
			g, err := aws.Grants{DB: db}.RedeemCode(ctx, oidc.Redemption{GrantID: "g1", CodeHash: "c", Client: "app",
				RedirectURI: "https://app.example/cb", Challenge: "ch", At: noon, FamilyHash: "f", RefreshHash: "r0",
				RefreshExpires: minute}, told("e1"))
			want := grant
			want.Redeemed, want.FamilyHash, want.RefreshHash, want.RefreshExpires = noon, "f", "r0", minute
			return expect(g, want, err)
		}, []exchange{
			{op: "GetItem", want: get("t-sso", "grant#g1", "-"),
				answer: found(`{"body":{"S":` + strings.Replace(grantBody, `\"scope\"`, `\"session\":\"s1\",\"scope\"`, 1) + `}}`)},
			{op: "GetItem", want: get("t-sso", "session#s1", "-"), answer: found(`{"body":{"S":` + sessionBody + `}}`)},
			{op: "UpdateItem", want: `{"TableName":"t-sso","Key":{"pk":{"S":"grant#g1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #redeemed = :at, #familyHash = :family, #refreshHash = :refresh, #ttl = :ttl, #event = :event, #eventPerson = #person, #refreshUntil = :until",
			"ConditionExpression":"#codeHash = :code AND #client = :client AND attribute_not_exists(#revoked) AND attribute_not_exists(#redeemed) AND #codeUntil > :at AND #challenge = :challenge AND #redirectURI = :redirect",
			"ExpressionAttributeNames":{"#redeemed":"redeemed","#familyHash":"familyHash","#refreshHash":"refreshHash","#ttl":"ttl",
				"#event":"event","#eventPerson":"eventPerson","#person":"person","#refreshUntil":"refreshUntil","#codeHash":"codeHash",
				"#client":"client","#revoked":"revoked","#codeUntil":"codeUntil","#challenge":"challenge","#redirectURI":"redirectURI"},
			"ExpressionAttributeValues":{":at":{"N":"1772366400000000000"},":family":{"S":"f"},":refresh":{"S":"r0"},
				":ttl":{"N":"1788004801"},":event":{"S":EVENT},":until":{"N":"1772366460000000000"},":code":{"S":"c"},
				":client":{"S":"app"},":challenge":{"S":"ch"},":redirect":{"S":"https://app.example/cb"}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`, answer: `{"Attributes":` + redeemedGrant + `}`},
		}},
		{"a refresh token is rotated by one update, after a look at the session", "oidc.Refresher", func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Grants{DB: db}.RotateRefresh(ctx, oidc.Rotation{GrantID: "g1", FamilyHash: "f", Hash: "r0", NewHash: "r1",
				Client: "app", At: noon, Expires: minute}, told("e1"))
			return err
		}, []exchange{
			{op: "GetItem", want: get("t-sso", "grant#g1", "-"),
				answer: found(strings.Replace(redeemedGrant, `\"scope\"`, `\"session\":\"s1\",\"scope\"`, 1))},
			{op: "GetItem", want: get("t-sso", "session#s1", "-"), answer: found(`{"body":{"S":` + sessionBody + `}}`)},
			{op: "UpdateItem", want: `{"TableName":"t-sso","Key":{"pk":{"S":"grant#g1"},"sk":{"S":"-"}},
				"UpdateExpression":"SET #refreshHash = :new, #refreshUntil = :until, #event = :event, #eventPerson = #person, #previousHash = :hash, #rotated = :at",
				"ConditionExpression":"#familyHash = :family AND #client = :client AND attribute_not_exists(#revoked) AND attribute_exists(#redeemed) AND #until > :at AND #refreshUntil > :at AND #refreshHash = :hash",
				"ExpressionAttributeNames":{"#refreshHash":"refreshHash","#refreshUntil":"refreshUntil","#event":"event",
					"#eventPerson":"eventPerson","#person":"person","#previousHash":"previousHash","#rotated":"rotated",
					"#familyHash":"familyHash","#client":"client","#revoked":"revoked","#redeemed":"redeemed","#until":"until"},
				"ExpressionAttributeValues":{":new":{"S":"r1"},":until":{"N":"1772366460000000000"},":event":{"S":EVENT},
					":hash":{"S":"r0"},":at":{"N":"1772366400000000000"},":family":{"S":"f"},":client":{"S":"app"}},
				"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`, answer: `{"Attributes":` + redeemedGrant + `}`},
		}},
		{"a grant is revoked once", "oidc.GrantRevoker", func(ctx context.Context, db *aws.DB) error {
			return aws.Grants{DB: db}.RevokeGrant(ctx, "g1", noon, told("e1"))
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-sso","Key":{"pk":{"S":"grant#g1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #revoked = :at, #event = :event, #eventPerson = #person, #eventHolder = #person",
			"ConditionExpression":"attribute_exists(#pk) AND attribute_not_exists(#revoked)",
			"ExpressionAttributeNames":{"#revoked":"revoked","#event":"event","#eventPerson":"eventPerson","#person":"person",
				"#eventHolder":"eventHolder","#pk":"pk"},
			"ExpressionAttributeValues":{":at":{"N":"1772366400000000000"},":event":{"S":EVENT}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a live grant is read with its session", "access.Grants", func(ctx context.Context, db *aws.DB) error {
			g, err := aws.Grants{DB: db}.LiveGrant(ctx, "g1")
			return expect(g.Person, "zhang", err)
		}, []exchange{
			{op: "GetItem", want: get("t-sso", "grant#g1", "-"),
				answer: found(strings.Replace(redeemedGrant, `\"scope\"`, `\"session\":\"s1\",\"scope\"`, 1))},
			{op: "GetItem", want: get("t-sso", "session#s1", "-"), answer: found(`{"body":{"S":` + sessionBody + `}}`)},
		}},
		{"a session is saved once", "oidc.SessionSaver", func(ctx context.Context, db *aws.DB) error {
			n := oidc.Session{ID: "s1", Person: "zhang", AuthTime: noon, ACR: "acr", Expires: minute}
			return aws.Sessions{DB: db}.SaveSession(ctx, n, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-sso","Item":{"pk":{"S":"session#s1"},"sk":{"S":"-"},
			"body":{"S":` + sessionBody + `},"event":{"S":EVENT},"ttl":{"N":"1772452861"}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a session ends once", "oidc.SessionSaver", func(ctx context.Context, db *aws.DB) error {
			return aws.Sessions{DB: db}.EndSession(ctx, "s1", noon, told("e1"))
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-sso","Key":{"pk":{"S":"session#s1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #ended = :ended, #event = :event",
			"ConditionExpression":"attribute_exists(#pk) AND attribute_not_exists(#ended)",
			"ExpressionAttributeNames":{"#ended":"ended","#event":"event","#pk":"pk"},
			"ExpressionAttributeValues":{":ended":{"N":"1772366400000000000"},":event":{"S":EVENT}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a session is read", "access.Sessions", func(ctx context.Context, db *aws.DB) error {
			s, err := aws.Sessions{DB: db}.LiveSession(ctx, "s1")
			return expect(s.Person, "zhang", err)
		}, []exchange{{op: "GetItem", want: get("t-sso", "session#s1", "-"), answer: found(`{"body":{"S":` + sessionBody + `}}`)}}},
		{"consent adds to a set", "oidc.Consents", func(ctx context.Context, db *aws.DB) error {
			return aws.Consents{DB: db}.AddConsent(ctx, "zhang", "app", []string{"profile", "openid", "profile"}, told("e1"))
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-sso","Key":{"pk":{"S":"consent#` + zhangPerson + `"},"sk":{"S":"app"}},
			"UpdateExpression":"SET #event = :event ADD #scopes :scopes","ExpressionAttributeNames":{"#event":"event","#scopes":"scopes"},
			"ExpressionAttributeValues":{":event":{"S":EVENT},":scopes":{"SS":["openid","profile"]}},"ReturnValues":"ALL_NEW"}`}}},
		{"consent is read as a set", "oidc.Consents", func(ctx context.Context, db *aws.DB) error {
			scopes, err := aws.Consents{DB: db}.Consented(ctx, "zhang", "app")
			return expect(scopes, "openid profile", err)
		}, []exchange{{op: "GetItem", want: get("t-sso", "consent#"+zhangPerson, "app"), answer: found(`{"scopes":{"SS":["profile","openid"]}}`)}}},
		{"what may be used once is put unless it is remembered", "oidc.ReplayGuard", func(ctx context.Context, db *aws.DB) error {
			return aws.Replays{DB: db}.UseOnce(ctx, "jti/1", minute)
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-sso","Item":{"pk":{"S":"used#jti/1"},"sk":{"S":"-"},
			"until":{"N":"1772366460000000000"},"ttl":{"N":"1772452861"},"mark":{"S":"00000000000000000000000000000000"}},
			"ConditionExpression":"attribute_not_exists(#pk) OR #until <= :now","ExpressionAttributeNames":{"#pk":"pk","#until":"until"},
			"ExpressionAttributeValues":{":now":{"N":"1772366400000000000"}},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a credential is added once", "account.CredentialAdder", func(ctx context.Context, db *aws.DB) error {
			c := account.Credential{Username: "zhang", Person: "zhang", Password: "p", Changed: noon}
			return aws.Credentials{DB: db}.AddCredential(ctx, c, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-sso","Item":{"pk":{"S":"credential#` + zhangName + `"},"sk":{"S":"-"},
			"body":{"S":"{\"username\":\"zhang\",\"person\":\"zhang\",\"password\":\"p\",\"changed\":\"2026-03-01T12:00:00Z\"}"},
			"event":{"S":EVENT}},"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a credential is read", "account.Credentials", func(ctx context.Context, db *aws.DB) error {
			c, err := aws.Credentials{DB: db}.Credential(ctx, "zhang")
			return expect(c.Person, "zhang", err)
		}, []exchange{{op: "GetItem", want: get("t-sso", "credential#"+zhangName, "-"), answer: found(`{"body":{"S":"{\"person\":\"zhang\"}"}}`)}}},
		{"the first attempt begins the window", "account.Counters", func(ctx context.Context, db *aws.DB) error {
			return aws.Counters{DB: db}.Take(ctx, "pair/1", 5, time.Minute)
		}, []exchange{
			{op: "UpdateItem", want: `{"TableName":"t-sso","Key":{"pk":{"S":"counter#pair/1"},"sk":{"S":"-"}},
				"UpdateExpression":"ADD #n :one","ConditionExpression":"#until > :now AND #n < :limit",
				"ExpressionAttributeNames":{"#n":"n","#until":"until"},
				"ExpressionAttributeValues":{":one":{"N":"1"},":now":{"N":"1772366400000000000"},":limit":{"N":"5"}},
				"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`, status: 400, answer: refusedAbsent},
			{op: "PutItem", want: `{"TableName":"t-sso","Item":{"pk":{"S":"counter#pair/1"},"sk":{"S":"-"},"n":{"N":"1"},
				"until":{"N":"1772366460000000000"},"ttl":{"N":"1772452861"}},
				"ConditionExpression":"attribute_not_exists(#pk) OR #until <= :now","ExpressionAttributeNames":{"#pk":"pk","#until":"until"},
				"ExpressionAttributeValues":{":now":{"N":"1772366400000000000"}},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`},
		}},
		{"an attempt is given back above nought and within the window", "account.Counters", func(ctx context.Context, db *aws.DB) error {
			return aws.Counters{DB: db}.Give(ctx, "pair/1")
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-sso","Key":{"pk":{"S":"counter#pair/1"},"sk":{"S":"-"}},
			"UpdateExpression":"ADD #n :less","ConditionExpression":"#n > :nought AND #until > :now",
			"ExpressionAttributeNames":{"#n":"n","#until":"until"},
			"ExpressionAttributeValues":{":less":{"N":"-1"},":nought":{"N":"0"},":now":{"N":"1772366400000000000"}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a device is remembered", "account.Devices", func(ctx context.Context, db *aws.DB) error {
			return aws.Devices{DB: db}.RememberDevice(ctx, "zhang", "d1", minute)
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-sso","Item":{"pk":{"S":"device#` + zhangName + `"},"sk":{"S":"device#d1"},
			"until":{"N":"1772366460000000000"},"ttl":{"N":"1772452861"}}}`}}},
		{"a device that ends now is not known any more", "account.Devices", func(ctx context.Context, db *aws.DB) error {
			known, err := aws.Devices{DB: db}.KnownDevice(ctx, "zhang", "d1")
			return expect(known, false, err)
		}, []exchange{{op: "GetItem", want: get("t-sso", "device#"+zhangName, "device#d1"),
			answer: found(`{"until":{"N":"1772366400000000000"}}`)}}},

		{"a seal is created once", "seal.Records", func(ctx context.Context, db *aws.DB) error {
			s := seal.Seal{ID: "s1", Revision: 1, Owner: seal.Organisation{USCC: "o1"}}
			return aws.Seals{DB: db}.CreateSeal(ctx, s, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-seals","Item":{"pk":{"S":"seal#s1"},"sk":{"S":"-"},"body":{"S":"*"},
			"event":{"S":EVENT},"revision":{"N":"1"},"firstPk":{"S":"owner#o1"},"firstSk":{"S":"20260301T120000.000000000Z#s1"}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a seal is replaced by its next revision", "seal.Replacer", func(ctx context.Context, db *aws.DB) error {
			return aws.Seals{DB: db}.ReplaceSeal(ctx, seal.Seal{ID: "s1", Revision: 2}, told("e1"))
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-seals","Key":{"pk":{"S":"seal#s1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #body = :body, #revision = :revision, #event = :event","ConditionExpression":"#revision = :before",
			"ExpressionAttributeNames":{"#body":"body","#revision":"revision","#event":"event"},
			"ExpressionAttributeValues":{":body":{"S":"*"},":revision":{"N":"2"},":before":{"N":"1"},":event":{"S":EVENT}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a seal is read", "seal.Reader seal.Replacer verify.SealStatus", func(ctx context.Context, db *aws.DB) error {
			s, err := aws.Seals{DB: db}.Seal(ctx, "s1")
			return expect(s.Name, "n", err)
		}, []exchange{{op: "GetItem", want: get("t-seals", "seal#s1", "-"), answer: found(`{"body":{"S":"{\"name\":\"n\"}"}}`)}}},
		{"the seals of an owner come from the index", "seal.OwnerReader", func(ctx context.Context, db *aws.DB) error {
			ids, err := aws.Seals{DB: db}.SealsOf(ctx, "o1")
			return expect(fmt.Sprint(ids), "[s2 s1]", err)
		}, []exchange{{op: "Query", want: `{"TableName":"t-seals","IndexName":"first","KeyConditionExpression":"#firstPk = :partition",
			"ExpressionAttributeNames":{"#firstPk":"firstPk"},"ExpressionAttributeValues":{":partition":{"S":"owner#o1"}},
			"ScanIndexForward":true}`, answer: `{"Items":[{"pk":{"S":"seal#s2"}},{"pk":{"S":"seal#s1"}}]}`}}},
		{"a seal code is claimed, or again by the same seal", "seal.Codes", func(ctx context.Context, db *aws.DB) error {
			return aws.SealCodes{DB: db}.ClaimSealCode(ctx, "99000000000001", "s1")
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-seals","Item":{"pk":{"S":"code#99000000000001"},"sk":{"S":"-"},"claimant":{"S":"s1"}},
			"ConditionExpression":"attribute_not_exists(#pk) OR #claimant = :claimant",
			"ExpressionAttributeNames":{"#pk":"pk","#claimant":"claimant"},
			"ExpressionAttributeValues":{":claimant":{"S":"s1"}},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a seal code is read", "seal.CodeReader verify.SealStatus", func(ctx context.Context, db *aws.DB) error {
			id, err := aws.SealCodes{DB: db}.SealByCode(ctx, "99000000000001")
			return expect(id, "s1", err)
		}, []exchange{{op: "GetItem", want: get("t-seals", "code#99000000000001", "-"), answer: found(`{"claimant":{"S":"s1"}}`)}}},
		{"an order is begun once", "seal.Orders", func(ctx context.Context, db *aws.DB) error {
			return aws.Orders{DB: db}.BeginOrder(ctx, seal.Order{ID: "u1"}, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-seals","Item":{"pk":{"S":"order#u1"},"sk":{"S":"-"},"body":{"S":"*"},
			"state":{"S":"begun"},"event":{"S":EVENT}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"an order ends once", "seal.Orders", func(ctx context.Context, db *aws.DB) error {
			return aws.Orders{DB: db}.FinishOrder(ctx, "u1", seal.OrderDone, "sha256:00", told("e1"))
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-seals","Key":{"pk":{"S":"order#u1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #state = :state, #end = :end, #event = :event","ConditionExpression":"#state = :begun",
			"ExpressionAttributeNames":{"#state":"state","#end":"end","#event":"event"},
			"ExpressionAttributeValues":{":state":{"S":"done"},":end":{"S":"sha256:00"},":begun":{"S":"begun"},":event":{"S":EVENT}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"an order is read with its end", "seal.Orders", func(ctx context.Context, db *aws.DB) error {
			o, err := aws.Orders{DB: db}.Order(ctx, "u1")
			return expect(fmt.Sprint(o.Code, o.State, o.Reason), "cfailedr", err)
		}, []exchange{{op: "GetItem", want: get("t-seals", "order#u1", "-"),
			answer: found(`{"body":{"S":"{\"code\":\"c\",\"state\":\"begun\"}"},"state":{"S":"failed"},"end":{"S":"r"}}`)}}},

		{"a draft of a licence is in no list", "licence.Records", func(ctx context.Context, db *aws.DB) error {
			l := licence.Licence{ID: "l1", Revision: 1, Holder: licence.Holder{Subject: "worker"}, List: "a-1", Index: 7,
				History: []licence.Change{{State: licence.Draft}}}
			return aws.Licences{DB: db}.CreateLicence(ctx, l, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-licences","Item":{"pk":{"S":"licence#l1"},"sk":{"S":"-"},"body":{"S":"*"},
			"event":{"S":EVENT},"revision":{"N":"1"},"firstPk":{"S":"holder#` + workerOwns + `"},
			"firstSk":{"S":"20260301T120000.000000000Z#l1"}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a licence that is revoked enters its list", "licence.Records", func(ctx context.Context, db *aws.DB) error {
			l := licence.Licence{ID: "l1", Revision: 3, List: "a-1", Index: 7, History: []licence.Change{{State: licence.Revoked}}}
			return aws.Licences{DB: db}.ReplaceLicence(ctx, l, told("e1"))
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-licences","Key":{"pk":{"S":"licence#l1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #body = :body, #revision = :revision, #event = :event, #secondPk = :secondPk, #secondSk = :secondSk",
			"ConditionExpression":"#revision = :before",
			"ExpressionAttributeNames":{"#body":"body","#revision":"revision","#event":"event","#secondPk":"secondPk","#secondSk":"secondSk"},
			"ExpressionAttributeValues":{":body":{"S":"*"},":revision":{"N":"3"},":before":{"N":"2"},":event":{"S":EVENT},
				":secondPk":{"S":"entries#a-1"},":secondSk":{"S":"0000000007#revoked"}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a licence that is in force again leaves its list", "licence.Records", func(ctx context.Context, db *aws.DB) error {
			l := licence.Licence{ID: "l1", Revision: 4, List: "a-1", Index: 7, History: []licence.Change{{State: licence.Active}}}
			return aws.Licences{DB: db}.ReplaceLicence(ctx, l, told("e1"))
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-licences","Key":{"pk":{"S":"licence#l1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #body = :body, #revision = :revision, #event = :event REMOVE #secondPk, #secondSk",
			"ConditionExpression":"#revision = :before",
			"ExpressionAttributeNames":{"#body":"body","#revision":"revision","#event":"event","#secondPk":"secondPk","#secondSk":"secondSk"},
			"ExpressionAttributeValues":{":body":{"S":"*"},":revision":{"N":"4"},":before":{"N":"3"},":event":{"S":EVENT}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a licence is read", "licence.Reader licence.Records verify.LicenceLookup", func(ctx context.Context, db *aws.DB) error {
			l, err := aws.Licences{DB: db}.Licence(ctx, "l1")
			return expect(l.Number, "n", err)
		}, []exchange{{op: "GetItem", want: get("t-licences", "licence#l1", "-"), answer: found(`{"body":{"S":"{\"number\":\"n\"}"}}`)}}},
		{"an identifier is claimed, or again by the same licence", "licence.Identifiers", func(ctx context.Context, db *aws.DB) error {
			return aws.Licences{DB: db}.ClaimIdentifier(ctx, "1.2.156", "l1")
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-licences","Item":{"pk":{"S":"identifier#1.2.156"},"sk":{"S":"-"},"claimant":{"S":"l1"}},
			"ConditionExpression":"attribute_not_exists(#pk) OR #claimant = :claimant",
			"ExpressionAttributeNames":{"#pk":"pk","#claimant":"claimant"},
			"ExpressionAttributeValues":{":claimant":{"S":"l1"}},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"an identifier is read", "licence.IdentifierReader verify.LicenceLookup", func(ctx context.Context, db *aws.DB) error {
			id, err := aws.Licences{DB: db}.LicenceByIdentifier(ctx, "1.2.156")
			return expect(id, "l1", err)
		}, []exchange{{op: "GetItem", want: get("t-licences", "identifier#1.2.156", "-"), answer: found(`{"claimant":{"S":"l1"}}`)}}},
		{"the licences of a holder come from the index", "licence.HolderReader", func(ctx context.Context, db *aws.DB) error {
			ids, err := aws.Licences{DB: db}.LicencesOf(ctx, "worker")
			return expect(fmt.Sprint(ids), "[l1]", err)
		}, []exchange{{op: "Query", want: `{"TableName":"t-licences","IndexName":"first","KeyConditionExpression":"#firstPk = :partition",
			"ExpressionAttributeNames":{"#firstPk":"firstPk"},"ExpressionAttributeValues":{":partition":{"S":"holder#` + workerOwns + `"}},
			"ScanIndexForward":true}`, answer: `{"Items":[{"pk":{"S":"licence#l1"}}]}`}}},
		{"the lists with places come from the index", "licence.ListEntries", func(ctx context.Context, db *aws.DB) error {
			lists, err := aws.Licences{DB: db}.OpenLists(ctx)
			return expect(fmt.Sprint(lists), "[a-1]", err)
		}, []exchange{{op: "Query", want: `{"TableName":"t-licences","IndexName":"first","KeyConditionExpression":"#firstPk = :partition",
			"ExpressionAttributeNames":{"#firstPk":"firstPk"},"ExpressionAttributeValues":{":partition":{"S":"tickets#"}},
			"ScanIndexForward":true}`, answer: `{"Items":[{"pk":{"S":"ticket#a-1"}}]}`}}},
		{"the entries of a list are in the index itself", "licence.ListEntries", func(ctx context.Context, db *aws.DB) error {
			entries, err := aws.Licences{DB: db}.ListEntries(ctx, "a-1")
			return expect(fmt.Sprint(entries), "[{7 revoked}]", err)
		}, []exchange{{op: "Query", want: `{"TableName":"t-licences","IndexName":"second","KeyConditionExpression":"#secondPk = :partition",
			"ExpressionAttributeNames":{"#secondPk":"secondPk"},"ExpressionAttributeValues":{":partition":{"S":"entries#a-1"}},
			"ScanIndexForward":true}`, answer: `{"Items":[{"secondSk":{"S":"0000000007#revoked"}}]}`}}},
		{"a ticket is taken by one update", "licence.Tickets", func(ctx context.Context, db *aws.DB) error {
			ticket, err := aws.Tickets{DB: db}.TakeTicket(ctx, "a-1", 8, [32]byte{})
			return expect(ticket.Sequence, 4, err)
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-licences","Key":{"pk":{"S":"ticket#a-1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #key = if_not_exists(#key, :key), #firstPk = :lists, #firstSk = :list ADD #next :one",
			"ConditionExpression":"attribute_not_exists(#next) OR #next < :size",
			"ExpressionAttributeNames":{"#key":"key","#firstPk":"firstPk","#firstSk":"firstSk","#next":"next"},
			"ExpressionAttributeValues":{":key":{"B":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},":lists":{"S":"tickets#"},
				":list":{"S":"a-1"},":one":{"N":"1"},":size":{"N":"8"}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`,
			answer: `{"Attributes":{"next":{"N":"5"},"key":{"B":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}`}}},
		{"a budget is spent by one update", "access.Budgets", func(ctx context.Context, db *aws.DB) error {
			end, err := aws.Budgets{DB: db}.Spend(ctx, "k", 3, time.Minute)
			return expect(end.UTC(), minute, err)
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-sso","Key":{"pk":{"S":"budget#NuAwv1BECeatEag-1P5KCXSc3OjVlxAtJ9X0mcE0cZ0"},"sk":{"S":"-"}},
			"UpdateExpression":"ADD #n :one","ConditionExpression":"#until > :now AND #n < :limit",
			"ExpressionAttributeNames":{"#n":"n","#until":"until"},
			"ExpressionAttributeValues":{":one":{"N":"1"},":now":{"N":"1772366400000000000"},":limit":{"N":"3"}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`,
			answer: `{"Attributes":{"n":{"N":"2"},"until":{"N":"1772366460000000000"}}}`}}},
		{"a budget begins with a put", "access.Budgets", func(ctx context.Context, db *aws.DB) error {
			end, err := aws.Budgets{DB: db}.Spend(ctx, "k", 3, time.Minute)
			return expect(end.UTC(), minute, err)
		}, []exchange{
			{op: "UpdateItem", want: `{"TableName":"t-sso","Key":{"pk":{"S":"budget#NuAwv1BECeatEag-1P5KCXSc3OjVlxAtJ9X0mcE0cZ0"},"sk":{"S":"-"}},
				"UpdateExpression":"ADD #n :one","ConditionExpression":"#until > :now AND #n < :limit",
				"ExpressionAttributeNames":{"#n":"n","#until":"until"},
				"ExpressionAttributeValues":{":one":{"N":"1"},":now":{"N":"1772366400000000000"},":limit":{"N":"3"}},
				"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`, status: 400, answer: refusedAbsent},
			{op: "PutItem", want: `{"TableName":"t-sso","Item":{"pk":{"S":"budget#NuAwv1BECeatEag-1P5KCXSc3OjVlxAtJ9X0mcE0cZ0"},"sk":{"S":"-"},"n":{"N":"1"},
				"until":{"N":"1772366460000000000"},"ttl":{"N":"1772452861"}},
				"ConditionExpression":"attribute_not_exists(#pk) OR #until <= :now",
				"ExpressionAttributeNames":{"#pk":"pk","#until":"until"},"ExpressionAttributeValues":{":now":{"N":"1772366400000000000"}},
				"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`},
		}},
		{"the key of a list is read, and its tickets are raised", "licence.TicketKeeper", func(ctx context.Context, db *aws.DB) error {
			if key, err := (aws.TicketKeeper{DB: db}).ListKey(ctx, "a-1"); err != nil || key[0] != 1 {
				return fmt.Errorf("ListKey = %v, %w", key, err)
			}
			return aws.TicketKeeper{DB: db}.RaiseTickets(ctx, "a-1", 6, [32]byte{})
		}, []exchange{
			{op: "GetItem", want: `{"TableName":"t-licences","Key":{"pk":{"S":"ticket#a-1"},"sk":{"S":"-"}},"ConsistentRead":true}`,
				answer: `{"Item":{"next":{"N":"5"},"key":{"B":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}`},
			{op: "UpdateItem", want: `{"TableName":"t-licences","Key":{"pk":{"S":"ticket#a-1"},"sk":{"S":"-"}},
				"UpdateExpression":"SET #key = if_not_exists(#key, :key), #firstPk = :lists, #firstSk = :list, #next = :next",
				"ConditionExpression":"attribute_not_exists(#next) OR #next < :next",
				"ExpressionAttributeNames":{"#key":"key","#firstPk":"firstPk","#firstSk":"firstSk","#next":"next"},
				"ExpressionAttributeValues":{":key":{"B":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},":lists":{"S":"tickets#"},
					":list":{"S":"a-1"},":next":{"N":"6"}},
				"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`},
		}},
		{"a licence type is saved", "licence.TypeSaver", func(ctx context.Context, db *aws.DB) error {
			return aws.LicenceTypes{DB: db}.SaveLicenceType(ctx, licence.Definition{Code: "c1"}, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-licences","Item":{"pk":{"S":"type#"},"sk":{"S":"c1"},"body":{"S":"*"},"event":{"S":EVENT}},
			"ConditionExpression":"attribute_not_exists(#pk) OR #body <> :body","ExpressionAttributeNames":{"#pk":"pk","#body":"body"},
			"ExpressionAttributeValues":{":body":{"S":"*"}},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a licence type is read", "licence.TypeReader verify.LicenceLookup", func(ctx context.Context, db *aws.DB) error {
			_, err := aws.LicenceTypes{DB: db}.LicenceType(ctx, "c1")
			return err
		}, []exchange{{op: "GetItem", want: get("t-licences", "type#", "c1"), answer: found(`{"body":{"S":"{}"}}`)}}},
		{"licence types are one partition", "licence.TypeLister", func(ctx context.Context, db *aws.DB) error {
			list, err := aws.LicenceTypes{DB: db}.LicenceTypes(ctx)
			return expect(len(list), 1, err)
		}, []exchange{{op: "Query", want: `{"TableName":"t-licences","KeyConditionExpression":"#pk = :partition",
			"ExpressionAttributeNames":{"#pk":"pk"},"ExpressionAttributeValues":{":partition":{"S":"type#"}},
			"ScanIndexForward":true,"ConsistentRead":true}`, answer: `{"Items":[{"body":{"S":"{}"}}]}`}}},
		{"the first status list is published where there is none", "licence.StatusListPublisher", func(ctx context.Context, db *aws.DB) error {
			return aws.StatusLists{DB: db}.PublishStatusList(ctx, "a-1", licence.Published{Revision: 1}, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-licences","Item":{"pk":{"S":"list#a-1"},"sk":{"S":"-"},"body":{"S":"*"},
			"event":{"S":EVENT},"revision":{"N":"1"},"firstPk":{"S":"lists#"},"firstSk":{"S":"a-1"}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"the next status list replaces the one before", "licence.StatusListPublisher", func(ctx context.Context, db *aws.DB) error {
			return aws.StatusLists{DB: db}.PublishStatusList(ctx, "a-1", licence.Published{Revision: 2}, told("e1"))
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-licences","Key":{"pk":{"S":"list#a-1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #body = :body, #revision = :revision, #event = :event","ConditionExpression":"#revision = :before",
			"ExpressionAttributeNames":{"#body":"body","#revision":"revision","#event":"event"},
			"ExpressionAttributeValues":{":body":{"S":"*"},":revision":{"N":"2"},":before":{"N":"1"},":event":{"S":EVENT}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a status list is read", "licence.StatusListReader licence.StatusListPublisher verify.StatusLists",
			func(ctx context.Context, db *aws.DB) error {
				p, err := aws.StatusLists{DB: db}.StatusList(ctx, "a-1")
				return expect(p.Token, "t", err)
			}, []exchange{{op: "GetItem", want: get("t-licences", "list#a-1", "-"), answer: found(`{"body":{"S":"{\"token\":\"t\"}"}}`)}}},
		{"the names of status lists come from the index", "licence.StatusListReader", func(ctx context.Context, db *aws.DB) error {
			names, err := aws.StatusLists{DB: db}.StatusLists(ctx)
			return expect(fmt.Sprint(names), "[a-1]", err)
		}, []exchange{{op: "Query", want: `{"TableName":"t-licences","IndexName":"first","KeyConditionExpression":"#firstPk = :partition",
			"ExpressionAttributeNames":{"#firstPk":"firstPk"},"ExpressionAttributeValues":{":partition":{"S":"lists#"}},
			"ScanIndexForward":true}`, answer: `{"Items":[{"pk":{"S":"list#a-1"}}]}`}}},
		{"a show code is saved under its digest", "licence.ShowCodes", func(ctx context.Context, db *aws.DB) error {
			c := licence.ShowCode{Hash: licence.ShowCodeHash("code-1"), Licence: "l1", Holder: "worker", Division: "990000", Minted: noon, Expires: minute}
			return aws.ShowCodes{DB: db}.SaveShowCode(ctx, c, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-licences","Item":{
			"pk":{"S":"show#51bd6639fed7c0b4826af6c06bfe4f4cce3aa7a8db3653978cd4d88ad0a18a8a"},"sk":{"S":"-"},"body":{"S":"*"},
			"event":{"S":EVENT},"until":{"N":"1772366460000000000"},"ttl":{"N":"1772452861"},"object":{"S":"licence/l1"},
			"minted":{"N":"1772366400000000000"},"holder":{"S":"worker"},"division":{"S":"990000"}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a show code is spent by one update", "verify.ShowCodes", func(ctx context.Context, db *aws.DB) error {
			shown, err := aws.ShowCodes{DB: db}.RedeemShowCode(ctx, "code-1", told("e1"))
			return expect(shown.Presentation, "a~b~", err)
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-licences",
			"Key":{"pk":{"S":"show#51bd6639fed7c0b4826af6c06bfe4f4cce3aa7a8db3653978cd4d88ad0a18a8a"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #spent = :now, #event = :event, #eventObject = #object, #eventHolder = #holder, #eventDivision = #division",
			"ConditionExpression":"attribute_exists(#pk) AND attribute_not_exists(#spent) AND #until > :now",
			"ExpressionAttributeNames":{"#spent":"spent","#event":"event","#eventObject":"eventObject","#object":"object",
				"#eventHolder":"eventHolder","#holder":"holder","#eventDivision":"eventDivision","#division":"division","#pk":"pk","#until":"until"},
			"ExpressionAttributeValues":{":now":{"N":"1772366400000000000"},":event":{"S":EVENT}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`,
			answer: `{"Attributes":{"body":{"S":"{\"presentation\":\"a~b~\"}"}}}`}}},

		{"an event is recorded once", "audit.Recorder", func(ctx context.Context, db *aws.DB) error {
			e := told("e1")
			e.Object, e.Holder = "licence/l1", "zhang"
			return aws.Events{DB: db}.Record(ctx, e)
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-log","Item":{"pk":{"S":"event#e1"},"sk":{"S":"-"},
			"body":{"S":"{\"id\":\"e1\",\"time\":\"2026-03-01T12:00:00Z\",\"action\":\"test\",\"object\":\"licence/l1\",\"holder\":\"zhang\",\"outcome\":\"done\"}"},
			"firstPk":{"S":"holder#` + zhangHolder + `"},"firstSk":{"S":"20260301T120000.000000000Z#e1"},
			"secondPk":{"S":"object#` + licenceL1 + `"},"secondSk":{"S":"20260301T120000.000000000Z#e1"},
			"thirdPk":{"S":"day#20260301#3"},"thirdSk":{"S":"20260301T120000.000000000Z#e1"}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"a ledger is read from its newest", "audit.HolderReader", func(ctx context.Context, db *aws.DB) error {
			list, err := aws.Events{DB: db}.ByHolder(ctx, "zhang", 3)
			return expect(len(list), 1, err)
		}, []exchange{{op: "Query", want: `{"TableName":"t-log","IndexName":"first","KeyConditionExpression":"#firstPk = :partition",
			"ExpressionAttributeNames":{"#firstPk":"firstPk"},"ExpressionAttributeValues":{":partition":{"S":"holder#` + zhangHolder + `"}},
			"ScanIndexForward":false,"Limit":3}`, answer: `{"Items":[{"body":{"S":"{}"}}]}`}}},
		{"the events of an object are read from the oldest", "audit.ObjectReader", func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Events{DB: db}.ByObject(ctx, "licence/l1")
			return err
		}, []exchange{{op: "Query", want: `{"TableName":"t-log","IndexName":"second","KeyConditionExpression":"#secondPk = :partition",
			"ExpressionAttributeNames":{"#secondPk":"secondPk"},"ExpressionAttributeValues":{":partition":{"S":"object#` + licenceL1 + `"}},
			"ScanIndexForward":true}`}}},
		{"the events of a time are read by day and shard", "audit.TimeReader", func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Events{DB: db}.ByTime(ctx, noon, minute, 5)
			return err
		}, []exchange{day(0), day(1), day(2), day(3)}},
	}, jobCalls()...)
}

func day(shard int) exchange {
	return exchange{op: "Query", want: fmt.Sprintf(`{"TableName":"t-log","IndexName":"third",
		"KeyConditionExpression":"#thirdPk = :partition AND #thirdSk BETWEEN :from AND :to",
		"ExpressionAttributeNames":{"#thirdPk":"thirdPk","#thirdSk":"thirdSk"},
		"ExpressionAttributeValues":{":partition":{"S":"day#20260301#%d"},":from":{"S":"20260301T120000.000000000Z"},
			":to":{"S":"20260301T120100.000000000Z"}},"ScanIndexForward":true,"Limit":5}`, shard)}
}

// expect reports what a call returned where it is not what it should be.
func expect[T any](got, want T, err error) error {
	if err == nil && !reflect.DeepEqual(got, want) {
		err = fmt.Errorf("it returned %+v, want %+v", got, want)
	}
	return err
}

func TestWhatIsSentIsWhatTheDocumentationAsksFor(t *testing.T) {
	for _, c := range calls() {
		t.Run(c.name, func(t *testing.T) {
			db, w := scripted(t, c.script...)
			if err := c.do(t.Context(), db); err != nil {
				t.Error(err)
			}
			if len(w.sent) != len(c.script) {
				t.Errorf("%d requests, want %d", len(w.sent), len(c.script))
			}
			for _, s := range w.sent {
				checkExpressions(t, s)
			}
		})
	}
}

// words are what may stand bare in an expression (Amazon DynamoDB Developer Guide, "Condition and filter expressions,
// operators, and functions", "Using update expressions"). Attribute names do not: 573 words are reserved, and the list
// grows.
var words = []string{"SET", "ADD", "REMOVE", "AND", "OR", "BETWEEN", "attribute_exists", "attribute_not_exists", "begins_with",
	"if_not_exists"}

var (
	tokens       = regexp.MustCompile(`[#:]?[A-Za-z_][A-Za-z0-9_]*`)
	placeholders = regexp.MustCompile(`[#:][A-Za-z0-9]+`)
)

// checkExpressions checks that names and values are declared, all of them used, and no word is an attribute.
func checkExpressions(t *testing.T, s sent) {
	t.Helper()
	var all string
	for _, field := range []string{"ConditionExpression", "UpdateExpression", "KeyConditionExpression"} {
		e, _ := s.body[field].(string)
		all += e + " "
		for _, word := range tokens.FindAllString(e, -1) {
			if word[0] != '#' && word[0] != ':' && !slices.Contains(words, word) {
				t.Errorf("%s has the bare word %s", field, word)
			}
		}
	}
	var declared []string
	for _, field := range []string{"ExpressionAttributeNames", "ExpressionAttributeValues"} {
		of, _ := s.body[field].(map[string]any)
		declared = slices.AppendSeq(declared, maps.Keys(of))
	}
	used := placeholders.FindAllString(all, -1)
	slices.Sort(used)
	slices.Sort(declared)
	if used = slices.Compact(used); !slices.Equal(used, declared) {
		t.Errorf("%s declares %v and uses %v", s.op, declared, used)
	}
}

func TestNoKeyNamesAPerson(t *testing.T) {
	for _, c := range calls() {
		db, w := scripted(t, c.script...)
		if err := c.do(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		for _, s := range w.sent {
			keys, _ := s.body["Key"].(map[string]any)
			put, _ := s.body["Item"].(map[string]any)
			asked, _ := s.body["ExpressionAttributeValues"].(map[string]any)
			var all []any
			for _, k := range []string{"pk", "sk", "firstPk", "firstSk", "secondPk", "secondSk", "thirdPk", "thirdSk"} {
				all = append(all, keys[k], put[k])
			}
			text, err := json.Marshal(append(all, asked[":partition"], asked[":begins"]))
			if err != nil {
				t.Fatal(err)
			}
			for _, person := range []string{"zhang", "worker", "990000199202140010", "licence/l1"} {
				if bytes.Contains(text, []byte(person)) {
					t.Errorf("%s: a key names %s: %s", c.name, person, text)
				}
			}
		}
	}
}
