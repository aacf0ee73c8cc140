package aws

import (
	"time"

	"github.com/yinxin/yinxin/infra/outbound"
	"github.com/yinxin/yinxin/shared/key"
)

// LicenceDirectory shows the people and organisations of the registry.
func (e *Env) LicenceDirectory() LicenceDirectory { return LicenceDirectory{e.hiding(e.registry())} }

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

// LicenceKeys opens the keys with which agencies issue licences.
func (e *Env) LicenceKeys() *Keys {
	return e.keys(e.licences(), e.custody(key.LicenceIssuer, "ISSUER_KEYS"))
}

// StatusListKeys opens the keys with which agencies sign status lists.
func (e *Env) StatusListKeys() *Keys {
	return e.keys(e.licences(), e.custody(key.StatusList, "STATUS_KEYS"))
}

// AnyStatusLists are the status lists of this installation and of others.
func (e *Env) AnyStatusLists() AnyStatusLists {
	return AnyStatusLists{
		Own: PublishedStatusLists{DB: e.licences(), Issuer: e.Issuer()},
		Out: outbound.New(outbound.Options{Timeout: 5 * time.Second, MaxBytes: 1 << 20}),
	}
}

// Artefacts keeps the faces of licences.
func (e *Env) Artefacts() Artefacts { return Artefacts{e.blobs("faces/", 0)} }

// FaceStamper has faces stamped by seal-stamp.
func (e *Env) FaceStamper() FaceStamper {
	return FaceStamper{Function: e.variable("STAMP_FUNCTION"), Config: e.config("LAMBDA"), Now: e.now}
}
