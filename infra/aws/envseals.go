package aws

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/yinxin/yinxin/shared/key"
)

// SealDirectory shows the organisations of the registry and their duties.
func (e *Env) SealDirectory() SealDirectory { return SealDirectory{e.registry()} }

// Seals keeps the records of seals.
func (e *Env) Seals() Seals { return Seals{e.seals()} }

// SealCodes keeps which seal claimed which code.
func (e *Env) SealCodes() SealCodes { return SealCodes{e.seals()} }

// SealStatus shows verifiers the register of seals.
func (e *Env) SealStatus() SealStatus { return SealStatus{e.seals()} }

// Orders keeps the uses of seals.
func (e *Env) Orders() Orders { return Orders{e.seals()} }

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
