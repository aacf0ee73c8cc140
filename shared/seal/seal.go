// Package seal makes, manages and uses unified electronic seals (统一电子印章) after the Measures for the Administration
// of Electronic Seals (电子印章管理办法, 国办发〔2025〕33号) and GB/T 38540-2020.
//
//	POST /seals            Manage  owner's agency requests (申请)          ┐
//	     …/approve         Manage  issuing authority approves (审批)       │ one transition table,
//	     …/make            Make    making unit makes the seal (制作)       │ transition.go
//	     …/activate …      Manage  owner activates; authority suspends …   ┘
//	     …/stamps          Stamp   owner stamps a document (用章): order → signature → own verifier → completed;
//	                               one that was uploaded is a job: recorded → … → [Stamper.DoJob] → result stored
//	GET  /seals/{id} …     Manage  record, status at a time, picture
//
// Each of Manage, Make and Stamp is one Lambda with rights of its own: Manage opens no key, Make signs seals with the
// maker's key, Stamp alone opens the keys of seals. A seal's identifier is drawn at the request; its 14-digit code
// (印章编码, the esID of GB/T 38540) is claimed by the approval.
//
// It does not import seals made elsewhere, file them with a registry, renew them or stamp by digest alone; the table
// has room for those verbs. Time stamps are not taken: the time of a stamp is that of its order, in the audit trail.
package seal

import (
	"context"
	"errors"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// State is where a seal stands in its life.
type State string

// The states, in the order of a life. [None] is the state before a request.
const (
	None      State = ""
	Requested State = "requested" // 已申请
	Approved  State = "approved"  // 已审批
	Made      State = "made"      // 已制作
	Active    State = "active"    // 启用
	Suspended State = "suspended" // 停用
	Rejected  State = "rejected"  // 已驳回
	Revoked   State = "revoked"   // 撤销
)

// Kind is what a seal is for, after article 3 of the Measures. The numbers are our own: those seen in the field do not
// agree with each other, so a reader must treat property.type of GB/T 38540 as opaque.
type Kind string

// The kinds.
const (
	Statutory Kind = "statutory" // 法定名称章: the organisation's registered name
	Business  Kind = "business"  // 业务专用章: the name, and the business on a line below the star
)

// typeNumber is property.type of GB/T 38540 for the kinds.
var typeNumber = map[Kind]int{Statutory: 1, Business: 4}

// Organisation is what this service knows of an organisation.
type Organisation struct {
	USCC     string `json:"uscc"` // unified social credit code (统一社会信用代码), GB 32100
	Name     string `json:"name"`
	Division string `json:"division"` // GB/T 2260, six digits
}

// Change is one step of a seal's history.
type Change struct {
	Verb         Verb      `json:"verb"`
	State        State     `json:"state"` // after the step
	At           time.Time `json:"at"`
	Person       string    `json:"person"`       // internal identifier
	Organisation string    `json:"organisation"` // acted for
	Client       string    `json:"client"`
	Reason       string    `json:"reason,omitempty"`
	LegalBasis   string    `json:"legalBasis,omitempty"`
}

// Seal is the record of one seal.
type Seal struct {
	ID       string       `json:"id"`                // drawn at the request
	Code     string       `json:"code,omitempty"`    // 14 digits, from approval on: division ‖ serial
	Revision int          `json:"revision"`          // 1 at the request, one more with every change
	Request  string       `json:"request,omitempty"` // digest of the request, where it came under an Idempotency-Key
	Kind     Kind         `json:"kind"`
	Name     string       `json:"name"`           // on the arc
	Line     string       `json:"line,omitempty"` // under the star
	Owner    Organisation `json:"owner"`
	Years    int          `json:"years"` // validity asked for, 1 to 5
	History  []Change     `json:"history"`
	Body     *Body        `json:"body,omitempty"` // from the making on
}

// Body is what the making of a seal left: the seal itself and its owner's certificates. Its keys are elsewhere.
type Body struct {
	ESL         []byte    `json:"esl"`         // DER SESeal
	Chain       [][]byte  `json:"chain"`       // SM2 signer certificate and its issuers, DER
	CompatChain [][]byte  `json:"compatChain"` // P-256 certificate for PAdES and its issuers, DER
	Diameter    float64   `json:"diameter"`    // millimetres
	ValidFrom   time.Time `json:"validFrom"`
	ValidTo     time.Time `json:"validTo"`
}

// State is the present state.
func (s Seal) State() State {
	if len(s.History) == 0 {
		return None
	}
	return s.History[len(s.History)-1].State
}

// StateAt returns the state at a time, and since when it stood; [None] before the request.
func (s Seal) StateAt(at time.Time) (State, time.Time) {
	var state State
	var since time.Time
	for _, c := range s.History {
		if c.At.After(at) {
			break
		}
		if c.State != state {
			state, since = c.State, c.At
		}
	}
	return state, since
}

// by returns the last change made by a verb.
func (s Seal) by(v Verb) (Change, bool) {
	for i := len(s.History) - 1; i >= 0; i-- {
		if s.History[i].Verb == v {
			return s.History[i], true
		}
	}
	return Change{}, false
}

// The sentinels of [Records], [Codes], [Orders] and [Directory].
var (
	ErrUnknown             = errors.New("seal: no such record")
	ErrExists              = errors.New("seal: the record exists")
	ErrChanged             = errors.New("seal: the record was changed by another")
	ErrOrganisationUnknown = errors.New("seal: no such organisation")
)

// Reader reads seals.
type Reader interface {
	// Seal returns the seal with an identifier, as last written by any function (a consistent read), or [ErrUnknown].
	Seal(ctx context.Context, id string) (Seal, error)
}

// Records keeps the records of seals.
type Records interface {
	Replacer
	// CreateSeal stores a new seal together with the event of its request, or returns [ErrExists] where the identifier
	// is taken: of any number of concurrent calls with one identifier exactly one succeeds.
	CreateSeal(ctx context.Context, s Seal, e audit.Event) error
}

// Replacer changes records of seals.
type Replacer interface {
	Reader
	// ReplaceSeal stores s, whose Revision is one more than the stored one, together with the event of the change, in
	// one step. It returns [ErrChanged] where the stored revision is another, so that of any number of concurrent
	// changes of one revision exactly one succeeds, and [ErrUnknown] where there is no such seal.
	ReplaceSeal(ctx context.Context, s Seal, e audit.Event) error
}

// Codes claims 14-digit seal codes.
type Codes interface {
	// ClaimSealCode binds a code to a seal for ever, in one atomic step: of any number of concurrent calls with one
	// code and different seals exactly one succeeds, the others get [ErrExists]. Claiming it again for the same seal
	// succeeds.
	ClaimSealCode(ctx context.Context, code, sealID string) error
}

// CodeReader finds seals by their code.
type CodeReader interface {
	// SealByCode returns the identifier of the seal that claimed a code, or [ErrUnknown].
	SealByCode(ctx context.Context, code string) (sealID string, err error)
}

// OwnerReader finds the seals of an owner.
type OwnerReader interface {
	// SealsOf returns the identifiers of an owner's seals, oldest first. It may lag behind writes.
	SealsOf(ctx context.Context, uscc string) (sealIDs []string, err error)
}

// Duty is what an authority does for a division.
type Duty string

// The duties: the issuing authority (制发部门) and the making unit (制作管理单位). They are also the names of the mandate
// roles of the persons who act for them.
const (
	DutyApprove Duty = "seal.approve"
	DutyMake    Duty = "seal.make"
)

// Directory knows organisations and which of them has a duty for a division.
type Directory interface {
	// Organisation returns an organisation by its code, or [ErrOrganisationUnknown].
	Organisation(ctx context.Context, uscc string) (Organisation, error)
	// Responsible returns the organisation that has a duty for a division, or [ErrOrganisationUnknown] where none has.
	Responsible(ctx context.Context, division string, duty Duty) (Organisation, error)
}

// Mandates knows for which organisation a person acts (经办人).
type Mandates interface {
	// Mandated tells whether a person, now, has a role for an organisation.
	Mandated(ctx context.Context, person, organisation, role string) (bool, error)
}
