package aws

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/yinxin/yinxin/infra/outbound"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
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

// The secrets of a deployment. [Env.Found] makes them.
const (
	identitySecret = "identity-hmac" // key of the HMACs that stand in keys for people
	pairwiseSecret = "pairwise"      // key of the pairwise subjects
)

// hiding is the store for adapters in whose keys HMACs stand for people.
func (e *Env) hiding(d *DB) *DB {
	hiding := *d
	hiding.key = e.identityKey()
	return &hiding
}

func (e *Env) identityKey() []byte {
	if e.identity == nil {
		e.identity = e.secret(identitySecret)
	}
	return e.identity
}

// PairwiseKey is the key of the pairwise subjects.
func (e *Env) PairwiseKey() []byte { return e.secret(pairwiseSecret) }

func (e *Env) secret(name string) []byte {
	s := e.secrets()
	if e.Err() != nil {
		return nil // the cold start ends with what is known already
	}
	secret, err := s.Secret(e.ctx, name)
	e.fault("reading the environment", err)
	return secret
}

func (e *Env) secrets() *Secrets {
	return OpenSecrets(e.registry(), e.config("KMS"), e.variable("SECRET_KEY"))
}

// Found makes what a deployment has one of: its secrets, which nobody sees, and the first token key. What is there
// already stays. It belongs to the function that an operator invokes first.
func (e *Env) Found() {
	secrets, keys := e.secrets(), e.keys(e.sso(), e.custody(key.Token, "TOKEN_KEYS"))
	if e.Err() != nil {
		return
	}
	for _, name := range []string{identitySecret, pairwiseSecret} {
		e.fault("founding", secrets.MakeSecret(e.ctx, name))
	}
	_, err := keys.MakeKey(e.ctx, key.Token, "", key.ES256)
	e.fault("founding", err)
}

// Grants keeps grants with their codes and refresh families.
func (e *Env) Grants() Grants { return Grants{e.dated(e.sso())} }

// Sessions keeps the sessions of browsers.
func (e *Env) Sessions() Sessions { return Sessions{e.dated(e.sso())} }

// Consents keeps what people let clients have.
func (e *Env) Consents() Consents { return Consents{e.hiding(e.sso())} }

// Replays remembers what may be used once.
func (e *Env) Replays() Replays { return Replays{e.sso()} }

// Credentials keeps what people sign on with.
func (e *Env) Credentials() Credentials { return Credentials{e.hiding(e.sso())} }

// Counters counts attempts to sign on.
func (e *Env) Counters() Counters { return Counters{e.sso()} }

// Budgets keeps how much of their budgets callers have spent.
func (e *Env) Budgets() Budgets { return Budgets{e.hiding(e.sso())} }

// Devices remembers in which browsers people have signed on.
func (e *Env) Devices() Devices { return Devices{e.dated(e.hiding(e.sso()))} }

// Clients keeps the client applications.
func (e *Env) Clients() Clients { return Clients{e.registry()} }

// KnownClients keeps the client applications, and for a minute what was read of one.
func (e *Env) KnownClients() *KnownClients { return KnowClients(e.Clients()) }

// Claims tells what the registry knows of people and what things are called.
func (e *Env) Claims() Claims { return Claims{e.hiding(e.registry())} }

// Persons keeps people.
func (e *Env) Persons() Persons { return Persons{e.hiding(e.registry())} }

// Organisations keeps agencies and enterprises.
func (e *Env) Organisations() Organisations { return Organisations{e.registry()} }

// Mandates keeps who may act for whom.
func (e *Env) Mandates() Mandates { return Mandates{e.hiding(e.registry())} }

// SealDirectory shows the organisations of the registry and their duties.
func (e *Env) SealDirectory() SealDirectory { return SealDirectory{e.registry()} }

// LicenceDirectory shows the people and organisations of the registry.
func (e *Env) LicenceDirectory() LicenceDirectory { return LicenceDirectory{e.hiding(e.registry())} }

// Seals keeps the records of seals.
func (e *Env) Seals() Seals { return Seals{e.seals()} }

// SealCodes keeps which seal claimed which code.
func (e *Env) SealCodes() SealCodes { return SealCodes{e.seals()} }

// SealStatus shows verifiers the register of seals.
func (e *Env) SealStatus() SealStatus { return SealStatus{e.seals()} }

// Orders keeps the uses of seals.
func (e *Env) Orders() Orders { return Orders{e.seals()} }

// Licences keeps the records of licences and the identifiers bound to them.
func (e *Env) Licences() Licences { return Licences{e.hiding(e.licences())} }

// LicenceTypes keeps licence types.
func (e *Env) LicenceTypes() LicenceTypes { return LicenceTypes{e.licences()} }

// LicenceRegister shows verifiers the register of licences.
func (e *Env) LicenceRegister() LicenceRegister { return LicenceRegister{e.licences()} }

// StatusLists keeps the published status lists.
func (e *Env) StatusLists() StatusLists { return StatusLists{e.licences()} }

// Tickets gives places in status lists.
func (e *Env) Tickets() Tickets { return Tickets{e.licences()} }

// TicketKeeper keeps places in status lists from being given again.
func (e *Env) TicketKeeper() TicketKeeper { return TicketKeeper{e.licences()} }

// ShowCodes keeps the codes that holders show.
func (e *Env) ShowCodes() ShowCodes { return ShowCodes{e.dated(e.licences())} }

// Events keeps the audit events.
func (e *Env) Events() Events { return Events{e.hiding(e.log())} }

// TokenKeys publishes the public halves of the token keys.
func (e *Env) TokenKeys() *TokenKeys { return OpenTokenKeys(e.sso(), 0) }

// Guard checks access tokens and their live grants.
func (e *Env) Guard() access.Guard {
	return access.Guard{Issuer: e.Issuer(), Keys: e.TokenKeys(), Grants: e.Grants(), Epoch: e.TokenEpoch(), Now: e.now}
}

// TokenSigners opens the token key, at the cold start already: the first request does not wait for it.
func (e *Env) TokenSigners() *Keys {
	k := e.keys(e.sso(), e.custody(key.Token, "TOKEN_KEYS"))
	if e.Err() == nil {
		e.fault("opening the token key", k.WarmKey(e.ctx, key.Token, ""))
	}
	return k
}

// SealKeys opens the keys of seals.
func (e *Env) SealKeys() *Keys {
	return e.keys(e.seals(), e.custody(key.Seal, "SEAL_KEYS"), e.custody(key.SealCompat, "SEAL_KEYS"))
}

// NewSealKeys makes the keys of seals. Its function cannot open them again.
func (e *Env) NewSealKeys() *Keys {
	return e.keys(e.seals(), e.custody(key.Seal, "SEAL_KEYS"), e.custody(key.SealCompat, "SEAL_KEYS"))
}

// MakerKeys opens the keys of makers of seals.
func (e *Env) MakerKeys() *Keys { return e.keys(e.seals(), e.custody(key.SealMaker, "MAKER_KEYS")) }

// LicenceKeys opens the keys with which agencies issue licences.
func (e *Env) LicenceKeys() *Keys {
	return e.keys(e.licences(), e.custody(key.LicenceIssuer, "ISSUER_KEYS"))
}

// StatusListKeys opens the keys with which agencies sign status lists.
func (e *Env) StatusListKeys() *Keys {
	return e.keys(e.licences(), e.custody(key.StatusList, "STATUS_KEYS"))
}

// kept is how the keys of a purpose are kept.
type kept struct {
	purpose key.Purpose
	custody Custody
}

func (e *Env) custody(purpose key.Purpose, name string) kept {
	text := e.variable(name)
	if text == "" {
		return kept{purpose: purpose}
	}
	c, err := ParseCustody(text)
	e.fault("reading "+name, err)
	return kept{purpose, c}
}

func (e *Env) keys(db *DB, list ...kept) *Keys {
	custody := map[key.Purpose]Custody{}
	for _, k := range list {
		custody[k.purpose] = k.custody
	}
	if e.Err() != nil {
		return nil // the cold start ends with what is known already
	}
	k, err := OpenKeys(KeysOptions{DB: db, Config: e.config("KMS"), Custody: custody})
	e.fault("opening the keys", err)
	return k
}

// Trust is what certificates are judged by.
func (e *Env) Trust() *Trust { return NewTrust(e.registry(), e.LicenceTypes()) }

// Certificates keeps the certificates of keys.
func (e *Env) Certificates() Certificates { return Certificates{e.registry()} }

// Enrolled keeps the certificates of keys, and reads the keys that they are compared with.
func (e *Env) Enrolled() Certificates {
	e.seals()
	e.licences()
	return e.Certificates()
}

// Certifier has keys of seals certified by the authority of the deployment.
func (e *Env) Certifier() Certifier {
	c := Certifier{Certificates: e.Certificates(), Anchors: NewAnchors(e.registry()), Address: e.variable("CA_ADDRESS"),
		Client: &http.Client{Timeout: enrolmentTime}}
	if at, err := url.Parse(c.Address); c.Address != "" && (err != nil || at.Scheme != "https" && at.Hostname() != "127.0.0.1") {
		e.fault("reading CA_ADDRESS", errors.New("the credential is sent over https alone")) // or to this machine, in tests
	}
	sealed, kmsKey := e.variable("CA_CREDENTIAL"), e.variable("SECRET_KEY")
	if e.Err() != nil {
		return c
	}
	var err error
	c.Credential, err = e.decrypted(sealed, kmsKey, "ca")
	e.fault("reading CA_CREDENTIAL", err)
	return c
}

// decrypted is a variable that holds a secret as kms:Encrypt made it of the operator's text, in base64.
func (e *Env) decrypted(sealed, kmsKey, name string) (string, error) {
	blob, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", err
	}
	out, err := openKMS(e.config("KMS"), e.open()).Decrypt(e.ctx, &kms.DecryptInput{
		KeyId: &kmsKey, CiphertextBlob: blob, EncryptionContext: map[string]string{"purpose": "secret", "owner": name},
	})
	if err != nil {
		return "", fmt.Errorf("decrypting: %w", err)
	}
	return string(out.Plaintext), nil
}

// AnyStatusLists are the status lists of this installation and of others.
func (e *Env) AnyStatusLists() AnyStatusLists {
	return AnyStatusLists{
		Own: PublishedStatusLists{DB: e.licences(), Issuer: e.Issuer()},
		Out: outbound.New(outbound.Options{Timeout: 5 * time.Second, MaxBytes: 1 << 20}),
	}
}

// NewTokenKeys makes and ends token keys. Its function cannot sign with them.
func (e *Env) NewTokenKeys() *Keys { return e.keys(e.sso(), e.custody(key.Token, "TOKEN_KEYS")) }

// NewAgencyKeys makes the keys of makers, and those with which agencies issue licences and sign status lists. SM2 keys
// of issuers are in KMS, which has them in China Regions only: elsewhere their custody is none.
func (e *Env) NewAgencyKeys() *Keys {
	e.seals()
	return e.keys(e.licences(), e.custody(key.SealMaker, "MAKER_KEYS"), e.custody(key.LicenceIssuer, "ISSUER_KEYS"),
		e.custody(key.LicenceGM, "ISSUER_GM_KEYS"), e.custody(key.StatusList, "STATUS_KEYS"))
}

// Artefacts keeps the faces of licences.
func (e *Env) Artefacts() Artefacts { return Artefacts{e.blobs("faces/", 0)} }

// Uploads keeps documents that clients upload.
func (e *Env) Uploads() Uploads {
	return Uploads{DB: e.seals(), Blobs: e.blobs("uploads/", document.MaxSize)}
}

// Results keeps what jobs made. A stamp adds to a document.
func (e *Env) Results() Results {
	return Results{Blobs: e.blobs("results/", document.MaxSize+4<<20), Now: e.now}
}

func (e *Env) blobs(prefix string, most int64) *Blobs {
	bucket, kmsKey := e.variable("ARTEFACTS_BUCKET"), e.variable("BUCKET_KEY")
	if e.Err() != nil {
		return nil // the cold start ends with what is known already
	}
	b, err := OpenBlobs(BlobsOptions{
		Config: e.config("S3"), Rand: rand.Reader, Bucket: bucket, Prefix: prefix, KMSKey: kmsKey, Max: most,
	})
	e.fault("opening the artefacts", err)
	return b
}

// Jobs keeps what jobs ask for.
func (e *Env) Jobs() Jobs { return Jobs{e.seals()} }

// JobStates keeps how far jobs are.
func (e *Env) JobStates() JobStates { return JobStates{e.seals()} }

// JobQueue is the queue of jobs.
func (e *Env) JobQueue() JobQueue {
	return JobQueue{URL: e.variable("JOBS_QUEUE"), Config: e.config("SQS"), Now: e.now, Rand: rand.Reader}
}

// Notices is the queue of what people and organisations are told.
func (e *Env) Notices() Notices {
	return Notices{URL: e.variable("NOTICES_QUEUE"), Config: e.config("SQS"), Now: e.now, Rand: rand.Reader}
}

// JobWorker has jobs done by seal-stamp.
func (e *Env) JobWorker() JobWorker {
	return JobWorker{Function: e.variable("STAMP_FUNCTION"), Config: e.config("LAMBDA"), Now: e.now}
}

// FaceStamper has faces stamped by seal-stamp.
func (e *Env) FaceStamper() FaceStamper {
	return FaceStamper{Function: e.variable("STAMP_FUNCTION"), Config: e.config("LAMBDA"), Now: e.now}
}

// Fonts are the embedded fonts.
func (e *Env) Fonts() *layout.Fonts {
	f, err := layout.Embedded()
	e.fault("reading the embedded fonts", err)
	return f
}
