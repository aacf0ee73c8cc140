package licence

import (
	"net/http"
	"slices"

	"github.com/yinxin/yinxin/shared/problem"
)

// Verb is what is done to a licence. Each but [VerbDraft] is the last part of the path POST /licences/{id}/{verb}.
type Verb string

// The verbs.
const (
	VerbDraft   Verb = "draft"   // 拟制
	VerbIssue   Verb = "issue"   // 签发
	VerbDiscard Verb = "discard" // 作废草稿
	VerbSuspend Verb = "suspend" // 暂扣
	VerbResume  Verb = "resume"  // 暂扣发还
	VerbRevoke  Verb = "revoke"  // 撤销
)

// Role is the mandate role, and the scope, of who acts for an issuing agency.
const Role = "licence.issue"

// Transition is one row of the life cycle: what may be done in which states, and what comes of it. All of it is done by
// a person with the mandate [Role] for the issuing agency.
type Transition struct {
	Verb    Verb
	From    []State
	To      State
	Grounds bool // a reason and a legal basis must be stated
}

// Transitions is the life cycle. Suspension is reversible, revocation is not (ARF VCR_04).
//
//	draft ── issue ── (issuing) ── active ⇄ suspended
//	   └─ discard         └─ revoke ──┴────────┴── revoked
var Transitions = []Transition{
	{VerbDraft, []State{None}, Draft, false},
	{VerbIssue, []State{Draft, Issuing}, Active, false},
	{VerbDiscard, []State{Draft}, Discarded, false},
	{VerbSuspend, []State{Active}, Suspended, true},
	{VerbResume, []State{Suspended}, Active, true},
	{VerbRevoke, []State{Active, Suspended}, Revoked, true},
}

// The refusals of the life cycle.
var (
	ErrVerbUnknown = problem.New(http.StatusNotFound, "licence_verb_unknown", "A licence has no such verb.")
	ErrState       = problem.New(http.StatusConflict, "licence_state", "The state of the licence does not allow this.")
	ErrReason      = problem.New(http.StatusBadRequest, "reason_missing", "A reason must be stated.")
	ErrLegalBasis  = problem.New(http.StatusBadRequest, "legal_basis_missing", "A legal basis must be stated.")
)

// transition returns the row of a verb.
func transition(v Verb) (Transition, bool) {
	i := slices.IndexFunc(Transitions, func(t Transition) bool { return t.Verb == v })
	if i < 0 {
		return Transition{}, false
	}
	return Transitions[i], true
}

// allow tells whether the row may be done to l as it stands.
func (t Transition) allow(l Licence) error {
	if !slices.Contains(t.From, l.State()) {
		return ErrState.With("the licence is " + string(l.State()))
	}
	return nil
}

// apply returns l after the change, one revision later. The history of l is not touched.
func (t Transition) apply(l Licence, to State, c Change) Licence {
	c.Verb, c.State = t.Verb, to
	l.History = append(slices.Clip(l.History), c)
	l.Revision++
	return l
}
