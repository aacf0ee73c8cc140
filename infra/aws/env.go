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

	"github.com/yinxin/yinxin/shared/layout"
)

// Env is the environment of a function: its accessors make the adapters that its constructor asks for. A variable is
// read when its accessor is called and never before, so that the variables of a function say what it reaches. What is
// missing is collected; [Start] ends a function that lacks anything at its cold start.
//
// This file has what all accessors use. The accessors stand by service in envidentity.go, envseals.go, envlicences.go
// and envdocuments.go (jobs and notices too); keys and secrets in envkeys.go, what is trusted in envtrust.go.
type Env struct {
	ctx     context.Context // of the cold start
	look    func(name string) (string, bool)
	now     func() time.Time
	missing []string
	faults  []error

	meter    *meter // counts what happens at the cold start
	db       *DB
	identity []byte // once it was read
}

// LoadEnv begins with the variables of this process. It reads none.
func LoadEnv(ctx context.Context) *Env {
	m := &meter{}
	return &Env{ctx: withMeter(ctx, m), look: os.LookupEnv, now: time.Now, meter: m}
}

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

// Function is the name of this function, as in functions/. The runtime sets the variable: a stack's functions are
// called by the stack's name, a hyphen and theirs.
func (e *Env) Function() string {
	name, _ := e.look("AWS_LAMBDA_FUNCTION_NAME")
	return name
}

// Issuer is the base URL of the platform, without a slash at its end.
func (e *Env) Issuer() string { return e.variable("ISSUER") }

// config is what the SDK needs in a function: its region and the credentials of its role, which Lambda renews by
// starting another process. The SDK's own way of finding them (profiles, instance metadata, single sign-on) would be a
// fifth of the start-up time.
func (e *Env) config(service string) sdk.Config {
	token, _ := e.look("AWS_SESSION_TOKEN") // keys of a user have none
	c := sdk.Config{
		Region: e.variable("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			e.variable("AWS_ACCESS_KEY_ID"), e.variable("AWS_SECRET_ACCESS_KEY"), token),
	}
	c.APIOptions = append(c.APIOptions, countCalls)
	// The SDK's own variables for another endpoint (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
	for _, name := range []string{"AWS_ENDPOINT_URL_" + service, "AWS_ENDPOINT_URL"} {
		if url, _ := e.look(name); url != "" {
			c.BaseEndpoint = sdk.String(url)
			break
		}
	}
	return c
}

// open is the store without a table and without the key of the HMACs.
func (e *Env) open() *DB {
	if e.db != nil {
		return e.db
	}
	db, err := Open(Options{Config: e.config("DYNAMODB"), Now: e.now, Rand: rand.Reader, Key: make([]byte, 32)})
	if err != nil {
		e.fault("opening the tables", err)
		db = &DB{Now: e.now}
	}
	db.key = nil
	e.db = db
	return db
}

// TokenEpoch is the time before which no token counts, nor what is exchanged for one.
func (e *Env) TokenEpoch() time.Time {
	text := e.variable("TOKEN_EPOCH")
	if text == "" {
		return time.Time{}
	}
	epoch, err := time.Parse(time.RFC3339, text)
	e.fault("reading TOKEN_EPOCH", err)
	return epoch
}

// dated is the store for adapters of what ends with the epoch.
func (e *Env) dated(d *DB) *DB {
	dated := *d
	dated.Epoch = e.TokenEpoch()
	return &dated
}

// sso is the store, which knows the table sso from here on; the methods below do the same for the other tables. A table
// that no accessor names stays unknown to the store.
func (e *Env) sso() *DB {
	d := e.open()
	d.tables.SSO = e.variable("SSO_TABLE")
	return d
}

func (e *Env) registry() *DB {
	d := e.open()
	d.tables.Registry = e.variable("REGISTRY_TABLE")
	return d
}

func (e *Env) seals() *DB {
	d := e.open()
	d.tables.Seals = e.variable("SEALS_TABLE")
	return d
}

func (e *Env) licences() *DB {
	d := e.open()
	d.tables.Licences = e.variable("LICENCES_TABLE")
	return d
}

func (e *Env) log() *DB {
	d := e.open()
	d.tables.Log = e.variable("LOG_TABLE")
	return d
}

// Events keeps the audit events.
func (e *Env) Events() Events { return Events{e.hiding(e.log())} }

// Fonts are the embedded fonts.
func (e *Env) Fonts() *layout.Fonts {
	f, err := layout.Embedded()
	e.fault("reading the embedded fonts", err)
	return f
}
