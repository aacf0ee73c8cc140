package iam

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// gate stands before an engine that answers everything with one answer.
func gate(t *testing.T, status int, answer string) (*Gate, *httptest.Server, *[]*http.Request) {
	t.Helper()
	var seen []*http.Request
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		seen = append(seen, r)
		w.WriteHeader(status)
		if _, err := io.WriteString(w, answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(engine.Close)
	at, err := url.Parse(engine.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{Stack: load(t, Names{}), Callers: map[string]string{}, Engines: map[string]*url.URL{}}
	for _, role := range g.Stack.Roles() {
		g.Callers["AKIA"+role] = role
	}
	for _, service := range []string{"dynamodb", "kms", "lambda", "s3", "sqs"} {
		g.Engines[service] = at
	}
	front := httptest.NewServer(g)
	t.Cleanup(front.Close)
	return g, front, &seen
}

// ask is one call.
type ask struct {
	role, service, method, path, target, body string
	header                                    map[string]string
}

func (a ask) send(t *testing.T, front *httptest.Server) (int, string) {
	t.Helper()
	method := a.method
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequest(method, front.URL+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA"+a.role+"/20260101/us-east-1/"+a.service+"/aws4_request, SignedHeaders=host, Signature=00")
	if a.target != "" {
		r.Header.Set("X-Amz-Target", a.target)
	}
	for name, v := range a.header {
		r.Header.Set(name, v)
	}
	res, err := front.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestTheGateLetsThroughWhatTheRoleMay(t *testing.T) {
	g, front, seen := gate(t, 200, `{}`)
	n := g.Stack.Names().Physical
	sso, log, licences, artefacts := n["SsoTable"], n["LogTable"], n["LicencesTable"], n["Artefacts"]
	faces := "/" + artefacts + "/faces/a.pdf"
	stamp := "/2015-03-31/functions/" + g.Stack.ARN("SealStamp")
	public := `"ProjectionExpression":"#pk, #sk, #body, #revision","ExpressionAttributeNames":{"#pk":"pk","#sk":"sk","#body":"body","#revision":"revision"}`
	for _, c := range []struct {
		name string
		ask
		action string // that is refused; "" where it gets through
	}{
		{"an item of a port", ask{role: "oidc-token", service: "dynamodb", target: "DynamoDB_20120810.GetItem", body: `{"TableName":"` + sso + `","Key":{"pk":{"S":"grant#1"},"sk":{"S":"-"}}}`}, ""},
		{"an item of another", ask{role: "oidc-token", service: "dynamodb", target: "DynamoDB_20120810.GetItem", body: `{"TableName":"` + sso + `","Key":{"pk":{"S":"credential#1"},"sk":{"S":"-"}}}`}, "dynamodb:GetItem"},
		{"another operation", ask{role: "oidc-token", service: "dynamodb", target: "DynamoDB_20120810.DeleteItem", body: `{"TableName":"` + sso + `","Key":{"pk":{"S":"grant#1"},"sk":{"S":"-"}}}`}, "dynamodb:DeleteItem"},
		{"a scan", ask{role: "oidc-token", service: "dynamodb", target: "DynamoDB_20120810.Scan", body: `{"TableName":"` + sso + `"}`}, "dynamodb:Scan"},
		{"a statement of PartiQL", ask{role: "oidc-token", service: "dynamodb", target: "DynamoDB_20120810.ExecuteStatement", body: `{}`}, "dynamodb:ExecuteStatement"},
		{"a table that is not there", ask{role: "oidc-token", service: "dynamodb", target: "DynamoDB_20120810.GetItem", body: `{"TableName":"other","Key":{"pk":{"S":"grant#1"}}}`}, "dynamodb:GetItem"},
		{"the public half of a key", ask{role: "oidc-discovery", service: "dynamodb", target: "DynamoDB_20120810.GetItem", body: `{"TableName":"` + sso + `","Key":{"pk":{"S":"key#token#"},"sk":{"S":"-"}},` + public + `}`}, ""},
		{"and its ciphertext", ask{role: "oidc-discovery", service: "dynamodb", target: "DynamoDB_20120810.GetItem", body: `{"TableName":"` + sso + `","Key":{"pk":{"S":"key#token#"},"sk":{"S":"-"}},"ProjectionExpression":"body, sealed"}`}, "dynamodb:GetItem"},
		{"the whole key", ask{role: "oidc-discovery", service: "dynamodb", target: "DynamoDB_20120810.GetItem", body: `{"TableName":"` + sso + `","Key":{"pk":{"S":"key#token#"},"sk":{"S":"-"}}}`}, "dynamodb:GetItem"},
		{"a question to an index", ask{role: "account", service: "dynamodb", target: "DynamoDB_20120810.Query", body: `{"TableName":"` + log + `","IndexName":"first","KeyConditionExpression":"#firstPk = :partition AND #firstSk BETWEEN :from AND :to","ExpressionAttributeNames":{"#firstPk":"firstPk","#firstSk":"firstSk"},"ExpressionAttributeValues":{":partition":{"S":"holder#1"},":from":{"S":"a"},":to":{"S":"b"}}}`}, ""},
		{"for another's partition", ask{role: "account", service: "dynamodb", target: "DynamoDB_20120810.Query", body: `{"TableName":"` + log + `","IndexName":"first","KeyConditionExpression":"firstPk = :p","ExpressionAttributeValues":{":p":{"S":"object#1"}}}`}, "dynamodb:Query"},
		{"for none", ask{role: "account", service: "dynamodb", target: "DynamoDB_20120810.Query", body: `{"TableName":"` + log + `","IndexName":"first","KeyConditionExpression":"firstSk = :p","ExpressionAttributeValues":{":p":{"S":"object#1"}}}`}, "dynamodb:Query"},
		{"a write of what is recorded", ask{role: "verify", service: "dynamodb", target: "DynamoDB_20120810.PutItem", body: `{"TableName":"` + log + `","Item":{"pk":{"S":"event#1"},"sk":{"S":"-"}}}`}, ""},
		{"of items together, one forbidden", ask{role: "verify", service: "dynamodb", target: "DynamoDB_20120810.TransactWriteItems", body: `{"TransactItems":[{"Put":{"TableName":"` + log + `","Item":{"pk":{"S":"event#1"}}}},{"Update":{"TableName":"` + licences + `","Key":{"pk":{"S":"licence#1"}}}}]}`}, "dynamodb:UpdateItem"},
		{"a wrapped key", ask{role: "oidc-token", service: "kms", target: "TrentService.Decrypt", body: `{"KeyId":"` + g.Stack.ARN("TokenKey") + `","CiphertextBlob":"AA==","EncryptionContext":{"purpose":"token","owner":"t"}}`}, ""},
		{"with another context", ask{role: "oidc-token", service: "kms", target: "TrentService.Decrypt", body: `{"KeyId":"` + g.Stack.ARN("TokenKey") + `","CiphertextBlob":"AA==","EncryptionContext":{"purpose":"seal","owner":"t"}}`}, "kms:Decrypt"},
		{"by another role", ask{role: "verify", service: "kms", target: "TrentService.Decrypt", body: `{"KeyId":"` + g.Stack.ARN("TokenKey") + `","CiphertextBlob":"AA==","EncryptionContext":{"purpose":"token","owner":"t"}}`}, "kms:Decrypt"},
		{"by no key's name", ask{role: "oidc-token", service: "kms", target: "TrentService.Decrypt", body: `{"CiphertextBlob":"AA==","EncryptionContext":{"purpose":"token"}}`}, "kms:Decrypt"},
		{"a key without its tag", ask{role: "key-enrol", service: "kms", target: "TrentService.CreateKey", body: `{"KeySpec":"ECC_NIST_P256"}`}, "kms:CreateKey"},
		{"a key with another", ask{role: "key-enrol", service: "kms", target: "TrentService.CreateKey", body: `{"Tags":[{"TagKey":"yinxin:purpose","TagValue":"token"}]}`}, "kms:CreateKey"},
		{"a face", ask{role: "licence-issue", service: "s3", method: "PUT", path: faces, header: map[string]string{"If-None-Match": "*"}}, ""},
		{"a face read", ask{role: "licence-credential", service: "s3", method: "GET", path: faces + "?x-id=GetObject"}, ""},
		{"a face written by a reader", ask{role: "licence-credential", service: "s3", method: "PUT", path: faces}, "s3:PutObject"},
		{"another prefix", ask{role: "licence-issue", service: "s3", method: "GET", path: "/" + artefacts + "/other/a.pdf"}, "s3:GetObject"},
		{"a sub-resource", ask{role: "licence-issue", service: "s3", method: "GET", path: faces + "?acl"}, "s3:GET " + faces},
		{"an invocation of the alias", ask{role: "licence-issue", service: "lambda", path: stamp + ":live/invocations"}, ""},
		{"of a version", ask{role: "licence-issue", service: "lambda", path: stamp + "/invocations?Qualifier=3"}, "lambda:InvokeFunction"},
		{"by another role", ask{role: "verify", service: "lambda", path: stamp + ":live/invocations"}, "lambda:InvokeFunction"},
		{"a failed event", ask{role: "key-rotate", service: "sqs", target: "AmazonSQS.SendMessage", body: `{"QueueUrl":"http://127.0.0.1:1/1/` + n["EventDeadLetters"] + `"}`}, ""},
		{"read back", ask{role: "key-rotate", service: "sqs", target: "AmazonSQS.ReceiveMessage", body: `{"QueueUrl":"http://127.0.0.1:1/1/` + n["EventDeadLetters"] + `"}`}, "sqs:ReceiveMessage"},
	} {
		before := len(*seen)
		status, body := c.send(t, front)
		through := len(*seen) > before
		refusals := g.Refusals()
		switch {
		case c.action == "" && (!through || status != 200):
			t.Errorf("%s: %d %s", c.name, status, body)
		case c.action != "" && (through || status < 400 || !strings.Contains(body, "AccessDenied")):
			t.Errorf("%s got through: %d %s", c.name, status, body)
		case c.action != "" && (refusals[len(refusals)-1].Action != c.action || refusals[len(refusals)-1].Role != c.role):
			t.Errorf("%s is refused as %v", c.name, refusals[len(refusals)-1])
		}
	}
}

func TestACallArrivesAsItWasSigned(t *testing.T) {
	g, front, seen := gate(t, 200, `{}`)
	a := ask{role: "licence-issue", service: "s3", method: "PUT", path: "/" + g.Stack.Names().Physical["Artefacts"] + "/faces/a%3Db.pdf",
		body: "%PDF", header: map[string]string{"If-None-Match": "*", "X-Amz-Content-Sha256": "00"}}
	if status, body := a.send(t, front); status != 200 {
		t.Fatal(status, body)
	}
	got := (*seen)[0]
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if "http://"+got.Host != front.URL || got.URL.EscapedPath() != a.path || string(body) != a.body || got.Header.Get("X-Amz-Content-Sha256") != "00" ||
		got.Header.Get("X-Forwarded-For") != "" {
		t.Errorf("%s %s %q %v", got.Host, got.URL.EscapedPath(), body, got.Header)
	}
}

func TestWhoIsNotKnownIsRefused(t *testing.T) {
	_, front, seen := gate(t, 200, `{}`)
	for _, a := range []ask{{role: "nobody", service: "dynamodb"}, {role: "oidc-token", service: "iam", target: "x.y"},
		{role: "oidc-token", service: "s3", target: "DynamoDB_20120810.GetItem"}, {role: "oidc-token", service: "dynamodb", target: "."},
		{role: "oidc-token", service: "dynamodb", target: ""}} {
		if status, _ := a.send(t, front); status < 400 || len(*seen) > 0 {
			t.Errorf("%+v: %d", a, status)
		}
	}
}

func TestErrorsHaveTheShapeOfTheService(t *testing.T) {
	_, front, _ := gate(t, 200, `{}`)
	for service, want := range map[string]struct {
		status int
		begins string
	}{
		"dynamodb": {400, `{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"role verify`},
		"kms":      {400, `{"__type":"AccessDeniedException","message":"role verify`},
		"sqs":      {400, `{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"role verify`},
		"s3":       {403, `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>AccessDenied</Code><Message>role verify"},
		"lambda":   {403, `{"__type":"AccessDeniedException","message":"role verify`},
	} {
		status, body := ask{role: "verify", service: service, path: "/x/y"}.send(t, front)
		if status != want.status || !strings.HasPrefix(body, want.begins) {
			t.Errorf("%s: %d %s", service, status, body)
		}
	}
}

func TestS3DoesNotSayThatAnObjectIsNotThere(t *testing.T) {
	g, front, _ := gate(t, 404, "<Error><Code>NoSuchKey</Code></Error>")
	a := ask{role: "licence-credential", service: "s3", method: "GET", path: "/" + g.Stack.Names().Physical["Artefacts"] + "/faces/none.pdf"}
	if status, body := a.send(t, front); status != 404 {
		t.Error("with s3:ListBucket for the prefix:", status, body)
	}
	who := g.Stack.roles["licence-credential"]
	for i, p := range who.identity {
		p.statements = slices.DeleteFunc(slices.Clone(p.statements), func(st statement) bool { return slices.Contains(st.actions, "s3:ListBucket") })
		who.identity[i] = p
	}
	if status, body := a.send(t, front); status != 403 || !strings.Contains(body, "AccessDenied") {
		t.Error("without:", status, body)
	}
}

func TestAKeyThatAFunctionMadeIsKnownByItsTags(t *testing.T) {
	g, front, _ := gate(t, 200, `{"KeyMetadata":{"Arn":"arn:aws:kms:us-east-1:123456789012:key/made","KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}}`)
	made := ask{role: "key-enrol", service: "kms", target: "TrentService.CreateKey", body: `{"Tags":[{"TagKey":"yinxin:purpose","TagValue":"licence-issuer"}]}`}
	if status, body := made.send(t, front); status != 200 {
		t.Fatal(status, body)
	}
	for role, want := range map[string]int{"licence-issue": 200, "licence-status": 400, "oidc-token": 400} {
		a := ask{role: role, service: "kms", target: "TrentService.Sign", body: `{"KeyId":"arn:aws:kms:us-east-1:123456789012:key/made","MessageType":"DIGEST","SigningAlgorithm":"ECDSA_SHA_256"}`}
		if status, body := a.send(t, front); status != want {
			t.Errorf("%s: %d %s", role, status, body)
		}
	}
	g.Stack.LearnAlias("alias/issuer", "arn:aws:kms:us-east-1:123456789012:key/made")
	a := ask{role: "licence-issue", service: "kms", target: "TrentService.Sign", body: `{"KeyId":"alias/issuer"}`}
	if status, body := a.send(t, front); status != 200 {
		t.Error(status, body)
	}
	a.body = `{"KeyId":"alias/another"}`
	if status, _ := a.send(t, front); status != 400 {
		t.Error("an unknown alias gets through")
	}
}

// What a call names, in the words of the Developer Guide, for expressions as the adapters write them and as others may.
func TestAttributesOfACall(t *testing.T) {
	names := map[string]string{"#a": "alpha", "#b": "beta"}
	for _, c := range []struct {
		in   itemCall
		want []string
	}{
		{itemCall{expressions: expressions{ProjectionExpression: "#a, gamma.inner[0].deep, delta[1]", ExpressionAttributeNames: names}}, []string{"alpha", "delta", "gamma"}},
		{itemCall{expressions: expressions{UpdateExpression: "SET #a = if_not_exists(#b, :zero), c = :c REMOVE d ADD e :n", ExpressionAttributeNames: names}}, []string{"alpha", "beta", "c", "d", "e"}},
		{itemCall{expressions: expressions{ConditionExpression: "attribute_not_exists(#a) OR #b BETWEEN :x AND :y and size(f) > :z", ExpressionAttributeNames: names}}, []string{"alpha", "beta", "f"}},
		{itemCall{}, nil},
	} {
		got, err := c.in.attributes()
		slices.Sort(got)
		if err != nil || !slices.Equal(slices.Compact(got), c.want) {
			t.Errorf("%+v: %v %v", c.in.expressions, got, err)
		}
	}
	if _, err := (itemCall{expressions: expressions{ProjectionExpression: "#x"}}).attributes(); err == nil {
		t.Error("a name that is not given is passed over")
	}
}

// What DynamoDB, S3 and SQS ask of KMS in the caller's name is asked too.
func TestServicesAskForTheirKeys(t *testing.T) {
	g, front, _ := gate(t, 200, `{}`)
	closed := g.Stack.resources[g.Stack.ARN("SsoKey")]
	closed.statements = slices.DeleteFunc(slices.Clone(closed.statements), func(st statement) bool { return st.sid == "Table" })
	g.Stack.resources = maps.Clone(g.Stack.resources)
	g.Stack.resources[g.Stack.ARN("SsoKey")] = closed
	a := ask{role: "oidc-token", service: "dynamodb", target: "DynamoDB_20120810.GetItem",
		body: `{"TableName":"` + g.Stack.Names().Physical["SsoTable"] + `","Key":{"pk":{"S":"grant#1"},"sk":{"S":"-"}}}`}
	if status, body := a.send(t, front); status != 400 || !strings.Contains(body, "kms:Decrypt") {
		t.Error(status, body)
	}
}
