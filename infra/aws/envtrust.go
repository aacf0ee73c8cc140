package aws

import (
	"github.com/yinxin/yinxin/shared/key"
)

// Trust is what certificates are judged by.
func (e *Env) Trust() *Trust { return NewTrust(e.registry(), e.LicenceTypes()) }

// TrustRecords keeps what certificates are judged by.
func (e *Env) TrustRecords() TrustRecords { return TrustRecords{e.registry()} }

// Certificates keeps the certificates of keys.
func (e *Env) Certificates() Certificates { return Certificates{e.registry()} }

// Enrolled keeps the certificates of keys, and reads the keys that they are compared with.
func (e *Env) Enrolled() Certificates {
	e.seals()
	e.licences()
	return e.Certificates()
}

// NewAgencyKeys makes the keys of makers, and those with which agencies issue licences and sign status lists. SM2 keys
// of issuers are in KMS, which has them in China Regions only: elsewhere their custody is none.
func (e *Env) NewAgencyKeys() *Keys {
	e.seals()
	return e.keys(e.licences(), e.custody(key.SealMaker, "MAKER_KEYS"), e.custody(key.LicenceIssuer, "ISSUER_KEYS"),
		e.custody(key.LicenceGM, "ISSUER_GM_KEYS"), e.custody(key.StatusList, "STATUS_KEYS"))
}
