package aws

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// lent is an environment of a test that remembers what was read.
func lent(t *testing.T, variables map[string]string) (*Env, func() []string) {
	read := map[string]bool{}
	e := LoadEnv(t.Context())
	e.now = time.Now
	e.look = func(name string) (string, bool) {
		read[name] = true
		v, ok := variables[name]
		return v, ok
	}
	return e, func() []string { return slices.Sorted(maps.Keys(read)) }
}

func TestAVariableIsReadWhenItsAccessorIsCalled(t *testing.T) {
	e, read := lent(t, map[string]string{"SSO_TABLE": "sso", "REGISTRY_TABLE": "registry", "AWS_REGION": "cn-north-1",
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "TOKEN_EPOCH": "2026-01-01T00:00:00Z"})
	if got := read(); len(got) > 0 {
		t.Errorf("LoadEnv read %v", got)
	}
	grants := e.Grants()
	if grants.tables.SSO != "sso" || grants.tables.Registry != "" || e.Err() != nil {
		t.Errorf("%+v, %v", grants.tables, e.Err())
	}
	if got := read(); slices.Contains(got, "REGISTRY_TABLE") || slices.Contains(got, "ISSUER") {
		t.Errorf("Grants read %v", got)
	}
	clients := e.Clients()
	if clients.client != grants.client || clients.tables.Registry != "registry" {
		t.Error("two adapters of one function have two stores")
	}
}

func TestWhatIsMissingIsSaidAllAtOnce(t *testing.T) {
	e, _ := lent(t, nil)
	_, _, _, _ = e.Issuer(), e.Grants(), e.Grants(), e.Seals()
	_, _, _, _ = e.TokenSigners(), e.PairwiseKey(), e.Artefacts(), e.Certifier()
	err := e.Err()
	if err == nil {
		t.Fatal("nothing is missing in an empty environment")
	}
	for _, name := range []string{"ISSUER", "SSO_TABLE", "SEALS_TABLE", "TOKEN_KEYS", "SECRET_KEY", "ARTEFACTS_BUCKET", "CA_ADDRESS", "AWS_REGION"} {
		if strings.Count(err.Error(), name) != 1 {
			t.Errorf("%s is not said once: %v", name, err)
		}
	}
}

func TestACustodyThatIsNoneEndsTheColdStart(t *testing.T) {
	e, _ := lent(t, map[string]string{"SSO_TABLE": "sso", "TOKEN_KEYS": "in a drawer", "AWS_REGION": "cn-north-1",
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"})
	e.TokenSigners()
	if err := e.Err(); err == nil || !strings.Contains(err.Error(), "TOKEN_KEYS") {
		t.Errorf("%v", err)
	}
}

func TestAnEndpointOfAServiceGoesBeforeThatOfAll(t *testing.T) {
	e, _ := lent(t, map[string]string{"AWS_REGION": "r", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_KMS": "http://kms", "AWS_SESSION_TOKEN": "token"})
	if c := e.config("KMS"); *c.BaseEndpoint != "http://kms" {
		t.Errorf("%s", *c.BaseEndpoint)
	}
	c := e.config("DYNAMODB")
	who, err := c.Credentials.Retrieve(t.Context())
	if err != nil || *c.BaseEndpoint != "http://all" || who.SessionToken != "token" || who.AccessKeyID != "id" {
		t.Errorf("%v, %v, %v", *c.BaseEndpoint, who, err)
	}
}

// TestNobodyIsNamedWithoutTheKey: an adapter in whose keys people stand has the key of the HMACs, or ends the cold start.
func TestNobodyIsNamedWithoutTheKey(t *testing.T) {
	variables := map[string]string{"SSO_TABLE": "sso", "REGISTRY_TABLE": "registry", "SEALS_TABLE": "seals", "LICENCES_TABLE": "licences",
		"LOG_TABLE": "log", "AWS_REGION": "cn-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
	hiding := []string{"Consents", "Credentials", "Devices", "Claims", "Persons", "Mandates", "LicenceDirectory", "Licences", "Events"}
	plain := []string{"Grants", "Sessions", "Clients", "Replays", "Counters", "Organisations", "SealDirectory", "Seals", "SealCodes",
		"SealStatus", "Orders", "LicenceTypes", "LicenceRegister", "StatusLists", "Tickets", "ShowCodes"}
	for _, name := range append(hiding, plain...) {
		e, _ := lent(t, variables)
		reflect.ValueOf(e).MethodByName(name).Call(nil)
		needs := e.Err() != nil && strings.Contains(e.Err().Error(), "SECRET_KEY")
		if needs != slices.Contains(hiding, name) {
			t.Errorf("%s: %v", name, e.Err())
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a store without a key named somebody")
		}
	}()
	e, _ := lent(t, variables)
	e.sso().hidden("person", "zhang")
}
