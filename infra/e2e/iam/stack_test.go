package iam

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T, names Names) *Stack {
	t.Helper()
	data, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if names.Parameters == nil {
		names.Parameters = map[string]string{"DomainName": "yinxin.example"}
	}
	s, err := Load(data, names)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every operator and condition key of the template is known, comes with the actions of its statement, and is compared as
// often as it has values: Load refuses the template otherwise.
func TestTheTemplateIsUnderstood(t *testing.T) {
	for _, partition := range []string{"aws", "aws-cn"} {
		s := load(t, Names{Partition: partition})
		if len(s.Roles()) < 20 || len(s.Permissions()) < 200 {
			t.Errorf("%d roles with %d permissions", len(s.Roles()), len(s.Permissions()))
		}
		for _, role := range s.Roles() {
			if s.RoleARN(role) == "" {
				t.Errorf("%s has no role", role)
			}
		}
	}
}

// key is a request of KMS with an encryption context.
func key(s *Stack, operation, logical string, context ...string) Request {
	r := Request{Action: "kms:" + operation, Resource: s.ARN(logical), Context: map[string][]string{}}
	for _, c := range context {
		name, value, _ := strings.Cut(c, "=")
		r.Context["kms:EncryptionContext:"+name] = []string{value}
		r.Context["kms:EncryptionContextKeys"] = append(r.Context["kms:EncryptionContextKeys"], name)
	}
	return r
}

func item(s *Stack, operation, table string, keys ...string) Request {
	return Request{Action: "dynamodb:" + operation, Resource: s.ARN(table), Context: map[string][]string{"dynamodb:LeadingKeys": keys}}
}

// Who opens which key: the functions that the table names, and no other.
func TestKeysOpenForTheFunctionsOfTheDesignAlone(t *testing.T) {
	s := load(t, Names{})
	for _, c := range []struct {
		request Request
		may     []string
	}{
		{key(s, "Decrypt", "TokenKey", "purpose=token", "owner=x"), []string{"oidc-token"}},
		{key(s, "Decrypt", "TokenKey", "purpose=seal", "owner=x"), nil},
		{key(s, "Decrypt", "TokenKey"), nil},
		{key(s, "GenerateDataKeyPairWithoutPlaintext", "TokenKey", "purpose=token", "owner=x"), []string{"key-rotate", "log-replay", "registry-seed"}},
		{key(s, "GenerateDataKeyPair", "TokenKey", "purpose=token", "owner=x"), nil},
		{key(s, "Decrypt", "SealKey", "purpose=seal", "owner=x"), []string{"seal-stamp"}},
		{key(s, "Decrypt", "SealKey", "purpose=seal-compat", "owner=x"), []string{"seal-stamp"}},
		{key(s, "Encrypt", "SealKey", "purpose=seal", "owner=x"), []string{"seal-make"}},
		{key(s, "Decrypt", "MakerKey", "purpose=seal-maker", "owner=x"), []string{"seal-make"}},
		{key(s, "Encrypt", "MakerKey", "purpose=seal-maker", "owner=x"), []string{"key-enrol"}},
		{key(s, "Decrypt", "SecretKey", "purpose=secret", "owner=ca"), []string{"seal-make"}},
		{key(s, "Encrypt", "SecretKey", "purpose=secret", "owner=ca"), nil},
		{key(s, "GenerateDataKeyWithoutPlaintext", "SecretKey", "purpose=secret", "owner=pairwise"), []string{"registry-seed"}},
		{key(s, "Decrypt", "SecretKey", "purpose=secret", "owner=pairwise"), []string{"oidc-authorize", "oidc-token", "oidc-userinfo"}},
		{key(s, "Decrypt", "SecretKey", "purpose=secret", "owner=another"), nil},
		{key(s, "ScheduleKeyDeletion", "TokenKey"), nil},
		{key(s, "PutKeyPolicy", "TokenKey"), nil},
		{key(s, "Decrypt", "SsoKey"), nil}, // through DynamoDB alone
	} {
		var may []string
		for _, role := range s.Roles() {
			if s.Decide(role, c.request).Allowed {
				may = append(may, role)
			}
		}
		// The log-out worker asks with a token key of its own; other functions that come later are in the table already.
		if !slices.Equal(may, c.may) {
			t.Errorf("%s on %s with %v: %v may, not %v", c.request.Action, c.request.Resource, c.request.Context, may, c.may)
		}
	}
}

// A role reaches the items of its ports, all of a call or none, and no other table.
func TestItemsAreReachedByTheirKeys(t *testing.T) {
	s := load(t, Names{})
	attributes := func(r Request, of string, names ...string) Request {
		r.Context["dynamodb:Attributes"] = names
		r.Context["dynamodb:Select"] = []string{of}
		return r
	}
	for _, c := range []struct {
		role    string
		request Request
		want    bool
	}{
		{"oidc-token", item(s, "UpdateItem", "SsoTable", "grant#1"), true},
		{"oidc-token", item(s, "UpdateItem", "SsoTable", "session#1"), false},
		{"oidc-token", item(s, "GetItem", "SsoTable", "grant#1", "credential#1"), false},
		{"oidc-token", item(s, "DeleteItem", "SsoTable", "grant#1"), false},
		{"oidc-token", item(s, "GetItem", "LicencesTable", "grant#1"), false},
		{"oidc-userinfo", attributes(item(s, "GetItem", "SsoTable", "key#token#"), "SPECIFIC_ATTRIBUTES", "pk", "sk", "body", "revision"), true},
		{"oidc-userinfo", attributes(item(s, "GetItem", "SsoTable", "key#token#"), "SPECIFIC_ATTRIBUTES", "pk", "sk", "body", "sealed"), false},
		{"oidc-userinfo", attributes(item(s, "GetItem", "SsoTable", "key#token#"), "ALL_ATTRIBUTES", "pk", "sk"), false},
		{"oidc-token", attributes(item(s, "GetItem", "SsoTable", "key#token#"), "ALL_ATTRIBUTES", "pk", "sk"), true},
		{"verify", item(s, "PutItem", "LicencesTable", "licence#1"), false},
		{"verify", item(s, "GetItem", "SealsTable", "key#seal#1"), false},
		{"verify", item(s, "GetItem", "LicencesTable", "licence#1"), true},
	} {
		if d := s.Decide(c.role, c.request); d.Allowed != c.want {
			t.Errorf("%s: %s on %s with %v: %+v", c.role, c.request.Action, c.request.Resource, c.request.Context, d)
		}
	}
}

// What the policy of a role asks of a key and what the policy of the key gives are the same: for each role, operation and
// context that stands in either, both say yes or both say no.
func TestPoliciesOfKeysAndOfRolesAgree(t *testing.T) {
	s := load(t, Names{})
	operations := []string{"Decrypt", "Encrypt", "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext"}
	for _, logical := range []string{"TokenKey", "SealKey", "MakerKey", "SecretKey"} {
		p := s.resources[s.ARN(logical)]
		contexts := map[string]bool{}
		take := func(st statement) {
			for _, c := range st.conditions {
				if of, ok := strings.CutPrefix(c.key, "kms:encryptioncontext:"); ok {
					for _, v := range c.values {
						contexts[of+"="+v] = true
					}
				}
			}
		}
		// What is left to the account is for operators, whom no function is among: see the test above.
		p.statements = slices.DeleteFunc(slices.Clone(p.statements), func(st statement) bool {
			return !slices.ContainsFunc(st.conditions, func(c condition) bool { return c.key == "aws:principalarn" })
		})
		for _, st := range p.statements {
			take(st)
		}
		for _, role := range s.Roles() {
			for _, st := range s.roles[role].identity[0].statements {
				if slices.Contains(st.resources, s.ARN(logical)) {
					take(st)
				}
			}
		}
		for _, role := range s.Roles() {
			for _, operation := range operations {
				for c := range contexts {
					context := []string{c}
					if strings.HasPrefix(c, "owner=") {
						context = append(context, "purpose=secret")
					}
					r := key(s, operation, logical, context...)
					r.Context["aws:PrincipalArn"] = []string{s.RoleARN(role)}
					asks := false
					for _, p := range s.roles[role].identity {
						allow, _ := p.find(r)
						asks = asks || len(allow) > 0
					}
					gives, _ := p.find(r)
					if asks != (len(gives) > 0) {
						t.Errorf("%s of %s with %s: the role of %s asks: %v, the key gives: %v", operation, logical, c, role, asks, len(gives) > 0)
					}
				}
			}
		}
	}
}

// An operator, whose own policy allows everything of KMS, encrypts the credential for the certificate authority, and
// neither reads it nor makes or reads another secret.
func TestTheOperatorHidesTheCredential(t *testing.T) {
	s := load(t, Names{})
	secrets := s.resources[s.ARN("SecretKey")]
	for _, c := range []struct {
		request Request
		want    bool
	}{
		{key(s, "Encrypt", "SecretKey", "purpose=secret", "owner=ca"), true},
		{key(s, "Encrypt", "SecretKey", "purpose=secret", "owner=pairwise"), false},
		{key(s, "Encrypt", "SecretKey", "owner=ca"), false},
		{key(s, "Encrypt", "SecretKey"), false},
		{key(s, "Decrypt", "SecretKey", "purpose=secret", "owner=ca"), false},
		{key(s, "GenerateDataKeyWithoutPlaintext", "SecretKey", "purpose=secret", "owner=pairwise"), false},
		{key(s, "ReEncryptFrom", "SecretKey", "purpose=secret", "owner=ca"), false},
		{key(s, "CreateGrant", "SecretKey", "purpose=secret", "owner=ca"), false},
		{key(s, "ScheduleKeyDeletion", "SecretKey"), true}, // administration, and the key is kept for seven days at least
	} {
		_, err := decide(c.request, "arn:aws:iam::123456789012:role/operator", s.root, []policy{allow("kms:*")}, nil, &secrets, true)
		if (err == nil) != c.want {
			t.Errorf("%s with %v: %v", c.request.Action, c.request.Context, err)
		}
		if _, err := decide(c.request, "arn:aws:iam::123456789012:role/clerk", s.root, nil, nil, &secrets, true); err == nil {
			t.Errorf("%s without a policy of one's own", c.request.Action)
		}
	}
}

// The log bucket's tiles are written once, whoever writes (spec of the log; S3 User Guide, "Enforce conditional writes on
// Amazon S3 buckets"), and no bucket is reached without TLS.
func TestBucketsRefuseWhatNobodyMay(t *testing.T) {
	s := load(t, Names{})
	all, tiles := []policy{allow("s3:*")}, s.resources[s.ARN("Tiles")]
	once := map[string][]string{"s3:if-none-match": {"*"}}
	for _, c := range []struct {
		request Request
		want    bool
	}{
		{Request{"s3:PutObject", s.ARN("Tiles") + "/tile/0/000", once}, true},
		{Request{"s3:PutObject", s.ARN("Tiles") + "/tile/0/000", nil}, false},
		{Request{"s3:PutObject", s.ARN("Tiles") + "/checkpoint", nil}, true},
		{Request{"s3:GetObject", s.ARN("Tiles") + "/tile/0/000", map[string][]string{"aws:SecureTransport": {"true"}}}, true},
		{Request{"s3:GetObject", s.ARN("Tiles") + "/tile/0/000", map[string][]string{"aws:SecureTransport": {"false"}}}, false},
	} {
		_, err := decide(c.request, "arn:aws:iam::123456789012:role/administrator", s.root, all, nil, &tiles, false)
		if (err == nil) != c.want {
			t.Errorf("%s of %s with %v: %v", c.request.Action, c.request.Resource, c.request.Context, err)
		}
	}
}

// Keys of KMS that sign are told apart by their tags: each signs for the function that the table names, and for the one
// that enrols it.
func TestKeysSignForTheFunctionsOfTheDesignAlone(t *testing.T) {
	s := load(t, Names{})
	for purpose, want := range map[string][]string{
		"licence-issuer": {"key-enrol", "licence-issue"}, "status-list": {"key-enrol", "licence-status"}, "seal": nil, "": nil,
	} {
		arn := s.Names().keyARN("of-" + purpose)
		s.Learn(arn, Key{Tags: map[string]string{"yinxin:purpose": purpose}, Spec: "ECC_NIST_P256", Use: "SIGN_VERIFY"})
		var may []string
		for _, role := range s.Roles() {
			if s.Decide(role, Request{Action: "kms:Sign", Resource: arn}).Allowed {
				may = append(may, role)
			}
		}
		if !slices.Equal(may, want) {
			t.Errorf("a key of %q signs for %v, not %v", purpose, may, want)
		}
	}
}

// Who administrates a key, with every action of KMS in the own policy, neither uses it nor grants its use, in person or
// by name of another service.
func TestAdministratorsDoNotUseKeys(t *testing.T) {
	s := load(t, Names{})
	for arn, p := range s.resources {
		if _, isKey := s.keys[arn]; !isKey {
			continue
		}
		for _, operation := range []string{"Decrypt", "Encrypt", "Sign", "GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
			"GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo", "CreateGrant", "GenerateMac", "DeriveSharedSecret"} {
			r := Request{Action: "kms:" + operation, Resource: arn, Context: map[string][]string{"kms:CallerAccount": {s.names.Account},
				"kms:EncryptionContext:purpose": {"token"}, "kms:EncryptionContext:owner": {"identity-hmac"}}}
			if _, err := decide(r, "arn:aws:iam::123456789012:role/administrator", s.root, []policy{allow("kms:*")}, nil, &p, true); err == nil {
				t.Errorf("%s of %s", operation, p.name)
			}
		}
	}
}

// Who may tag keys cannot make a key that encrypts its own and end it.
func TestNoFunctionEndsAKeyThatEncrypts(t *testing.T) {
	s := load(t, Names{})
	encrypts, signs := s.Names().keyARN("encrypts"), s.Names().keyARN("signs")
	tags := map[string]string{"yinxin:purpose": "licence-issuer"}
	s.Learn(encrypts, Key{Tags: tags, Spec: "SYMMETRIC_DEFAULT", Use: "ENCRYPT_DECRYPT"})
	s.Learn(signs, Key{Tags: tags, Spec: "ECC_NIST_P256", Use: "SIGN_VERIFY"})
	for _, role := range s.Roles() {
		if d := s.Decide(role, Request{Action: "kms:ScheduleKeyDeletion", Resource: encrypts}); d.Allowed {
			t.Errorf("%s: %+v", role, d)
		}
		if d := s.Decide(role, Request{Action: "kms:ScheduleKeyDeletion", Resource: signs}); d.Allowed != (role == "key-enrol") {
			t.Errorf("%s: %+v", role, d)
		}
	}
}

func TestUseIsCounted(t *testing.T) {
	s := load(t, Names{})
	s.Decide("oidc-token", item(s, "UpdateItem", "SsoTable", "grant#1"))
	s.Decide("oidc-token", item(s, "UpdateItem", "SsoTable", "session#1")) // refused: not used
	const used = "oidc-token: dynamodb:UpdateItem on SsoTable with grant#*"
	if got := s.Used(); len(got) != 1 || got[used] != 1 {
		t.Errorf("used: %v", got)
	}
	excused := map[string]string{used: "for the test", "oidc-token: nothing": "for the test", "oidc-token: dynamodb:PutItem on SsoTable with used#*": "no assertion is played"}
	unused, stale := s.Unused(excused)
	if slices.Contains(unused, used) || len(unused) != len(s.Permissions())-2 {
		t.Errorf("%d of %d are unused", len(unused), len(s.Permissions()))
	}
	if want := []string{used, "oidc-token: nothing"}; !slices.Equal(stale, want) {
		t.Errorf("stale: %v", stale)
	}
	if _, err := Excuses("a\tb\n# c\n\nd\te\n"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"a", "a\t", "a\tb\na\tc"} {
		if _, err := Excuses(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
