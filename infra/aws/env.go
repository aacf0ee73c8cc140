package aws

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Env is the environment of a function: its accessors make the adapters that its constructor asks for. A variable is
// read when its accessor is called and never before, so that the variables of a function say what it reaches. What is
// missing is collected; [Start] ends a function that lacks anything at its cold start.
type Env struct {
	ctx     context.Context // of the cold start
	look    func(name string) (string, bool)
	now     func() time.Time
	missing []string
	faults  []error
	db      *DB
}

// LoadEnv begins with the variables of this process. It reads none.
func LoadEnv(ctx context.Context) *Env { return &Env{ctx: ctx, look: os.LookupEnv, now: time.Now} }

// Err says what is missing or did not work so far, all of it.
func (e *Env) Err() error {
	faults := e.faults
	if len(e.missing) > 0 {
		faults = append(slices.Clone(faults), fmt.Errorf("the environment lacks %s", strings.Join(e.missing, ", ")))
	}
	return errors.Join(faults...)
}

// variable reads one variable that must be there.
func (e *Env) variable(name string) string {
	v, _ := e.look(name)
	if v == "" && !slices.Contains(e.missing, name) {
		e.missing = append(e.missing, name)
	}
	return v
}

// fault remembers what did not work.
func (e *Env) fault(doing string, err error) {
	if err != nil {
		e.faults = append(e.faults, fmt.Errorf("%s: %w", doing, err))
	}
}

// Function is the name of this function, as in functions/. The runtime sets the variable: a stack's functions are called
// by the stack's name, a hyphen and theirs.
func (e *Env) Function() string {
	name, _ := e.look("AWS_LAMBDA_FUNCTION_NAME")
	return name
}

// Issuer is the base URL of the platform, without a slash at its end.
func (e *Env) Issuer() string { return e.variable("ISSUER") }

// config is what the SDK needs in a function: its region and the credentials of its role, which Lambda renews by starting
// another process. The SDK's own way of finding them (profiles, instance metadata, single sign-on) would be a fifth of
// the start-up time.
func (e *Env) config(service string) sdk.Config {
	token, _ := e.look("AWS_SESSION_TOKEN") // keys of a user have none
	c := sdk.Config{
		Region: e.variable("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			e.variable("AWS_ACCESS_KEY_ID"), e.variable("AWS_SECRET_ACCESS_KEY"), token),
	}
	// The SDK's own variables for another endpoint (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
	for _, name := range []string{"AWS_ENDPOINT_URL_" + service, "AWS_ENDPOINT_URL"} {
		if url, _ := e.look(name); url != "" {
			c.BaseEndpoint = sdk.String(url)
			break
		}
	}
	return c
}

// tables is the store; the function may then use what the caller sets in the tables it returns.
func (e *Env) tables() *DB {
	if e.db != nil {
		return e.db
	}
	db, err := Open(Options{Config: e.config("DYNAMODB"), Now: e.now, Rand: rand.Reader, Key: e.keyOfKeys()})
	if err != nil {
		e.fault("opening the tables", err)
		db = &DB{Now: e.now}
	}
	e.db = db
	return db
}

func (e *Env) sso() *DB {
	d := e.tables()
	d.tables.SSO = e.variable("SSO_TABLE")
	return d
}

func (e *Env) registry() *DB {
	d := e.tables()
	d.tables.Registry = e.variable("REGISTRY_TABLE")
	return d
}

func (e *Env) seals() *DB {
	d := e.tables()
	d.tables.Seals = e.variable("SEALS_TABLE")
	return d
}

func (e *Env) licences() *DB {
	d := e.tables()
	d.tables.Licences = e.variable("LICENCES_TABLE")
	return d
}

func (e *Env) log() *DB {
	d := e.tables()
	d.tables.Log = e.variable("LOG_TABLE")
	return d
}

// keyOfKeys is the key of the HMACs that stand in keys for people.
func (e *Env) keyOfKeys() []byte { return e.secret("identity-hmac") }

// secret reads a secret of the deployment.
func (e *Env) secret(string) []byte { return nil }
