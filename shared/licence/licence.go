// Package licence issues, keeps, shows and shares electronic licences (电子证照): GB/T 36903-2018 for what a licence says,
// GB/T 36904-2018 for its identifier, SD-JWT VC for the credential, Token Status List for its state.
//
//	POST /licences               Issue       an agency drafts                     ┐ one transition table,
//	     …/{id}/issue            Issue       identifier → prepare → record → sign │ transition.go
//	     …/{id}/revoke …         Issue       suspend, resume, revoke              ┘
//	GET  /licences/{id}          Credential  pdf, ofd, png, sd-jwt: for the holder and the issuer
//	POST /show-codes             Show        a code for one look, 60 to 120 s (亮证)
//	POST /share/licences/query   Share       look-up by mandate, purpose, item and case (用证)
//	GET  /licence-types …        Type        types, issuers and their keys, status lists: public
//	an event                     Publish     status lists, rebuilt from the records
//
// One record is the licence. Credential and faces are made from it: the credential an SD-JWT VC signed with the
// agency's licence-issuer key, the faces (照面) PDF and OFD stamped with the agency's seal through [FaceStamper], and a
// PNG to look at, which proves nothing. The record keeps the licence's life apart from the status in the published
// list.
//
// It does not verify licences (shared/verify does), and it does not speak OpenID4VCI or OpenID4VP yet.
package licence

import (
	"context"
	"errors"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/key"
)

// State is where a licence stands in its life.
type State string

// The states. In [Issuing] an identifier is bound and signatures may exist, none of which has left the house.
const (
	None      State = ""
	Draft     State = "draft"     // 待签发
	Issuing   State = "issuing"   // 签发中
	Active    State = "active"    // 有效
	Suspended State = "suspended" // 暂扣
	Revoked   State = "revoked"   // 撤销
	Discarded State = "discarded" // 作废草稿
)

// Code is the two digits of a state in national aggregation, or "" for what is not issued.
func (s State) Code() string {
	switch s {
	case Active:
		return "01"
	case Suspended:
		return "02"
	case Revoked:
		return "03"
	default:
		return ""
	}
}

// Issued tells whether licences in this state have been handed out.
func (s State) Issued() bool { return s.Code() != "" }

// Agency is an organisation as this service knows it.
type Agency struct {
	USCC     string `json:"uscc"` // unified social credit code (统一社会信用代码), GB 32100
	Name     string `json:"name"`
	Division string `json:"division"` // GB/T 2260, six digits
}

// Holder is the holder of a licence (持证主体).
type Holder struct {
	Subject string           `json:"subject"` // internal identifier of the person, or the organisation's code: whose ledger
	Type    ident.HolderType `json:"type"`    // 持证主体代码类型
	Code    string           `json:"code"`    // 持证主体代码
	Name    string           `json:"name"`    // 持证主体
}

// Change is one step of a licence's history.
type Change struct {
	Verb         Verb      `json:"verb"`
	State        State     `json:"state"` // after the step
	At           time.Time `json:"at"`
	Person       string    `json:"person"`       // internal identifier
	Organisation string    `json:"organisation"` // acted for
	Client       string    `json:"client"`
	Reason       string    `json:"reason,omitempty"`
	LegalBasis   string    `json:"legalBasis,omitempty"`
	Key          string    `json:"key,omitempty"`     // digest of the Idempotency-Key
	Request      string    `json:"request,omitempty"` // digest of the request under it
}

// Licence is the record of one licence.
type Licence struct {
	ID       string `json:"id"`
	Revision int    `json:"revision"` // 1 for the draft, one more with every change
	Request  string `json:"request"`  // digest of the request that made the draft

	TypeCode  string            `json:"typeCode"`
	Issuer    Agency            `json:"issuer"`
	Holder    Holder            `json:"holder"`
	Number    string            `json:"number"`            // 证照编号: what the face shows
	Fields    map[string]string `json:"fields"`            // 照面数据
	ValidFrom string            `json:"validFrom"`         // 2006-01-02
	ValidTo   string            `json:"validTo,omitempty"` // 2006-01-02, the last day; empty: long-term

	// From the state issuing on:
	Identifier string `json:"identifier,omitempty"` // GB/T 36904
	Version    int    `json:"version,omitempty"`    // 证照版本号
	List       string `json:"list,omitempty"`       // status list
	Index      int    `json:"index,omitempty"`      // in it

	Issue   *Issuance `json:"issue,omitempty"` // from the state active on
	History []Change  `json:"history"`

	// Lost tells that the tables were restored to a time before the licence was issued: of what was issued the record has
	// identifier, place and life alone, as the trail had them. It is suspended and revoked as any other; who asks for it
	// learns that its content is gone.
	Lost bool `json:"lost,omitempty"`
}

// Kept tells whether what was handed out as the licence is kept here.
func (l Licence) Kept() bool { return l.State().Issued() && l.Issue != nil }

// Issuance is what was signed.
type Issuance struct {
	At         time.Time         `json:"at"`
	Credential string            `json:"credential"` // SD-JWT VC with every disclosure
	Faces      map[Format]string `json:"faces"`      // names of artefacts
}

// Format is a form in which a licence is handed out.
type Format string

// The formats.
const (
	PDF Format = "pdf"
	OFD Format = "ofd"
	PNG Format = "png"
)

// State is the present state.
func (l Licence) State() State {
	if len(l.History) == 0 {
		return None
	}
	return l.History[len(l.History)-1].State
}

// The sentinels of the ports.
var (
	ErrUnknown  = errors.New("licence: no such record")
	ErrExists   = errors.New("licence: the record exists")
	ErrChanged  = errors.New("licence: the record was changed by another")
	ErrListFull = errors.New("licence: the status list is full")
)

// Reader reads licences.
type Reader interface {
	// Licence returns the licence with an identifier of ours, as last written by any function (a consistent read), or
	// [ErrUnknown].
	Licence(ctx context.Context, id string) (Licence, error)
}

// Records keeps licences.
type Records interface {
	Reader
	// CreateLicence stores a draft together with its event, or returns [ErrExists] where the identifier is taken: of any
	// number of concurrent calls with one identifier exactly one succeeds.
	CreateLicence(ctx context.Context, l Licence, e audit.Event) error
	// ReplaceLicence stores l, whose Revision is one more than the stored one, together with the event, in one step. It
	// returns [ErrChanged] where the stored revision is another, so that of any number of concurrent changes of one
	// revision exactly one succeeds, and [ErrUnknown] where there is no such licence.
	ReplaceLicence(ctx context.Context, l Licence, e audit.Event) error
}

// Identifiers binds GB/T 36904 identifiers.
type Identifiers interface {
	// ClaimIdentifier binds an identifier to a licence for ever, in one atomic step: of any number of concurrent calls
	// with one identifier and different licences exactly one succeeds, the others get [ErrExists]. Claiming it again for
	// the same licence succeeds.
	ClaimIdentifier(ctx context.Context, identifier, licenceID string) error
}

// IdentifierReader finds licences by their GB/T 36904 identifier.
type IdentifierReader interface {
	// LicenceByIdentifier returns the licence that claimed an identifier, or [ErrUnknown].
	LicenceByIdentifier(ctx context.Context, identifier string) (licenceID string, err error)
}

// HolderReader finds the licences of a holder.
type HolderReader interface {
	// LicencesOf returns the identifiers of the licences whose holder has a subject, oldest first. It may lag behind
	// writes.
	LicencesOf(ctx context.Context, subject string) (licenceIDs []string, err error)
}

// Ticket is a place in a status list that was given to one licence only.
type Ticket struct {
	Sequence int      // 0, 1, 2 …: the order in which places were given
	Key      [32]byte // of the list: it turns the sequence into an index (see statusIndex)
}

// Tickets gives places in status lists.
type Tickets interface {
	// TakeTicket returns the next ticket of a list, in one atomic step: no two calls, however concurrent, get the same
	// sequence, and none gets one that is not below size: after that it returns [ErrListFull]. The first call makes the
	// list with the key that it brings; the keys of later calls are passed over.
	TakeTicket(ctx context.Context, list string, size int, newKey [32]byte) (Ticket, error)
}

// ArtefactReader reads faces.
type ArtefactReader interface {
	// Artefact returns what was stored, or [ErrUnknown]. A caller sees what it stored itself; others may lag.
	Artefact(ctx context.Context, name string) ([]byte, error)
}

// Artefacts keeps faces. What is in it matters only once a record names it.
type Artefacts interface {
	ArtefactReader
	// PutArtefact stores data under a name that is used once, durably before it returns.
	PutArtefact(ctx context.Context, name string, data []byte) error
}

// TypeReader knows a licence type.
type TypeReader interface {
	// LicenceType returns the type with a code (证照类型代码), or [ErrUnknown].
	LicenceType(ctx context.Context, code string) (Definition, error)
}

// TypeLister knows what licence types there are.
type TypeLister interface {
	// LicenceTypes returns all types, by code.
	LicenceTypes(ctx context.Context) ([]Definition, error)
}

// Types knows the licence types.
type Types interface {
	TypeReader
	TypeLister
}

// TypeSaver takes licence types.
type TypeSaver interface {
	// SaveLicenceType stores a type, replacing what its code had, together with the event. Where the stored type is
	// equal already it writes neither.
	SaveLicenceType(ctx context.Context, t Definition, e audit.Event) error
}

// Agencies knows organisations.
type Agencies interface {
	// Agency returns an organisation by its code, or [ErrUnknown].
	Agency(ctx context.Context, uscc string) (Agency, error)
}

// Holders knows who is behind an identity number or a credit code.
type Holders interface {
	// Holder returns the holder with a code of a type, under the name that the registry knows, or [ErrUnknown].
	Holder(ctx context.Context, kind ident.HolderType, code string) (Holder, error)
}

// Mandates knows for which organisation a person acts (经办人).
type Mandates interface {
	// Mandated tells whether a person, now, has a role for an organisation.
	Mandated(ctx context.Context, person, organisation, role string) (bool, error)
}

// IssuerCertificates knows the certificates of agencies that issue licences.
type IssuerCertificates interface {
	// IssuerChain returns the certificate of an agency's key (purpose key.LicenceIssuer or key.StatusList) that is good
	// now, and its issuers up to the root, which is left out; DER, the agency's first. It returns [ErrUnknown] where
	// there is none.
	IssuerChain(ctx context.Context, purpose key.Purpose, uscc string) ([][]byte, error)
}

// Place is where the middle of a seal goes: Page from 1, X and Y in millimetres from the top left corner.
type Place struct {
	Page int     `json:"page"`
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
}

// FaceOrder asks for the seal of an agency on the face of a licence.
type FaceOrder struct {
	ID           string        // of this order; one document is ordered under one ID
	Organisation string        // the agency's code
	Format       Format        // PDF or OFD
	Document     []byte        // the face without a seal
	Place        Place         // of the seal
	LicenceID    string        // for the trail
	Person       string        // who issues
	Client       string        // through which application
	Channel      string        //
	Purpose      audit.Purpose // why
}

// FaceStamper stamps faces. The seal service does it, as it stamps any document of the agency.
type FaceStamper interface {
	// StampFace returns the document with the agency's seal: signed, recorded and verified by the seal service. The
	// person's mandate for the licence is enough; it needs none for stamping. A refusal (no active seal, a document that
	// cannot be stamped) is a *problem.Problem.
	StampFace(ctx context.Context, o FaceOrder) ([]byte, error)
}
