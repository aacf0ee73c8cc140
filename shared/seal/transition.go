package seal

import (
	"net/http"
	"slices"

	"github.com/yinxin/yinxin/shared/problem"
)

// Verb is what is done to a seal. Each but [VerbRequest] is the last part of the path POST /seals/{id}/{verb}.
type Verb string

// The verbs.
const (
	VerbRequest  Verb = "request"  // 申请
	VerbApprove  Verb = "approve"  // 审批
	VerbReject   Verb = "reject"   // 驳回
	VerbMake     Verb = "make"     // 制作
	VerbActivate Verb = "activate" // 启用
	VerbSuspend  Verb = "suspend"  // 停用
	VerbResume   Verb = "resume"   // 恢复
	VerbRevoke   Verb = "revoke"   // 撤销
)

// Party is the organisation for which a verb is done.
type Party string

// The parties of a seal.
const (
	ByOwner     Party = "owner"     // 印章所有单位
	ByAuthority Party = "authority" // issuing authority of the owner's division (制发部门)
	ByMaker     Party = "maker"     // making unit of the owner's division (制作管理单位)
)

// Transition is one row of the life cycle: who may do what, in which states, and what comes of it.
type Transition struct {
	Verb  Verb
	From  []State
	To    State
	Party Party
	Role  string // mandate of the person for the party
	Scope string // scope of the access token
	NotBy []Verb // whoever did one of these to the seal may not do this: two different persons (双人)
}

// Transitions is the life cycle. Verbs, states, scopes, roles, routes and the dual control all come from these rows.
//
//	requested ── approve ── approved ── make ── made ── activate ── active ⇄ suspended ── revoke ── revoked
//	    └─ reject ── rejected
var Transitions = []Transition{
	{VerbRequest, []State{None}, Requested, ByOwner, "seal.request", "seal.request", nil},
	{VerbApprove, []State{Requested}, Approved, ByAuthority, "seal.approve", "seal.approve", []Verb{VerbRequest}},
	{VerbReject, []State{Requested}, Rejected, ByAuthority, "seal.approve", "seal.approve", []Verb{VerbRequest}},
	{VerbMake, []State{Approved}, Made, ByMaker, "seal.make", "seal.make", []Verb{VerbApprove}},
	{VerbActivate, []State{Made}, Active, ByOwner, "seal.request", "seal.request", []Verb{VerbApprove, VerbMake}},
	{VerbSuspend, []State{Active}, Suspended, ByAuthority, "seal.approve", "seal.approve", nil},
	{VerbResume, []State{Suspended}, Active, ByAuthority, "seal.approve", "seal.approve", nil},
	{VerbRevoke, []State{Made, Active, Suspended}, Revoked, ByAuthority, "seal.approve", "seal.approve",
		[]Verb{VerbRequest}},
}

// use is the right to stamp: no transition, but the same rules.
var use = Transition{Verb: "stamp", From: []State{Active}, To: Active, Party: ByOwner, Role: "seal.stamp",
	Scope: "seal.stamp"}

// The refusals of the life cycle.
var (
	ErrVerbUnknown = problem.New(http.StatusNotFound, "seal_verb_unknown", "A seal has no such verb.")
	ErrState       = problem.New(http.StatusConflict, "seal_state", "The state of the seal does not allow this.")
	ErrSamePerson  = problem.New(http.StatusForbidden, "seal_same_person", "A second person must do this.")
	ErrSuspended   = problem.New(http.StatusConflict, "seal_suspended", "The seal is suspended.")
	ErrRevoked     = problem.New(http.StatusConflict, "seal_revoked", "The seal is revoked.")
)

// transition returns the row of a verb.
func transition(v Verb) (Transition, bool) {
	i := slices.IndexFunc(Transitions, func(t Transition) bool { return t.Verb == v })
	if i < 0 {
		return Transition{}, false
	}
	return Transitions[i], true
}

// allow tells whether the row lets a person act on s as it stands. Roles and scopes are the caller's to check.
func (t Transition) allow(s Seal, person string) error {
	state := s.State()
	if !slices.Contains(t.From, state) {
		switch {
		case state == Suspended:
			return ErrSuspended
		case state == Revoked:
			return ErrRevoked
		default:
			return ErrState.With("the seal is " + string(state))
		}
	}
	for _, v := range t.NotBy {
		if c, ok := s.by(v); ok && c.Person == person {
			return ErrSamePerson.With("the person who did " + string(v) + " may not do " + string(t.Verb))
		}
	}
	return nil
}

// apply returns s after the change, one revision later. The history of s is not touched. Where the clocks of two functions
// differ, a change is not older than the one before it, so that there is one state at every time.
func (t Transition) apply(s Seal, c Change) Seal {
	c.Verb, c.State = t.Verb, t.To
	if n := len(s.History); n > 0 && c.At.Before(s.History[n-1].At) {
		c.At = s.History[n-1].At
	}
	s.History = append(slices.Clip(s.History), c)
	s.Revision++
	return s
}
