// Package notice tells people and organisations what was done with what is theirs: who looked at a licence and why,
// what became of it and of a seal, and a sign-on that may not have been their own (全过程留痕 for those whom it concerns).
//
//	trail ── event ── Of: the table of what tells whom ── Notice ── Sender ── the message gateway of the deployer
//
// A notice goes to one recipient, says by a kind what happened, and refers to the rest: it has no name, no number of an
// identity or a licence, and no contents of anything, since it leaves the platform by channels that others read. Why it
// was done is told as whoever did it said, without the citizen numbers in it; that is no text of ours. Whoever wants to
// know more signs on and reads the ledger (account/usage), where every event stands, also those that tell nobody.
//
// The same event may come again, late and in another order; its notice then has the same identifier, and is sent once.
//
// It does not know phone numbers or addresses, and sends nothing itself.
package notice

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/redact"
)

// Kind says what happened.
type Kind string

// The kinds of notices.
const (
	LicenceRead      Kind = "licence.read"      // somebody else looked it up
	LicenceVerified  Kind = "licence.verified"  // somebody who is known verified it
	LicenceIssued    Kind = "licence.issued"    // 签发
	LicenceSuspended Kind = "licence.suspended" // 暂扣
	LicenceResumed   Kind = "licence.resumed"   // 暂扣发还
	LicenceRevoked   Kind = "licence.revoked"   // 撤销
	SealApproved     Kind = "seal.approved"     // 审批
	SealRejected     Kind = "seal.rejected"     // 驳回
	SealMade         Kind = "seal.made"         // 制作
	SealActivated    Kind = "seal.activated"    // 启用
	SealSuspended    Kind = "seal.suspended"    // 停用
	SealResumed      Kind = "seal.resumed"      // 恢复
	SealRevoked      Kind = "seal.revoked"      // 撤销
	SignedOnAnew     Kind = "account.browser"   // signed on in a browser that was never used before
	SignOnThrottled  Kind = "account.throttled" // too many attempts with a wrong password
	PasswordChanged  Kind = "account.password"
	SessionCopied    Kind = "account.copied" // a refresh token came twice: its sign-on was ended (RFC 9700, section 4.14.2)
)

// Notice is what one recipient is told about one event.
type Notice struct {
	ID           string    `json:"id"`                     // of the event and the recipient: the same whenever it comes
	To           string    `json:"to"`                     // internal identifier of a person, or an organisation's code
	Organisation bool      `json:"organisation,omitempty"` // To is an organisation
	Kind         Kind      `json:"kind"`
	Time         time.Time `json:"time"`                 // of the event
	By           string    `json:"by,omitempty"`         // code of the organisation that did it
	Client       string    `json:"client,omitempty"`     // client application through which it was done
	Purpose      string    `json:"purpose,omitempty"`    // why, as whoever did it said
	ItemCode     string    `json:"itemCode,omitempty"`   // 事项编码
	CaseNumber   string    `json:"caseNumber,omitempty"` // 办件编号
	Object       string    `json:"object,omitempty"`     // "licence/<id>", "seal/<id>", "person/<id>"
	ZH           string    `json:"zh"`                   // what to say, from a table
	EN           string    `json:"en"`
}

// rule is a row of the table: which events make a notice.
type rule struct {
	action  string
	outcome audit.Outcome
	reason  string // of the event; "" for any
	kind    Kind
	not     func(e audit.Event) bool // exceptions
}

// rules is the table of which event tells its holder what. An event without a holder tells nobody.
var rules = []rule{
	{"licence.read", audit.Done, "", LicenceRead, own},
	{"licence.verify", audit.Done, "", LicenceVerified, ownOrUnknown},
	{"licence.issue", audit.Done, "", LicenceIssued, nil},
	{"licence.suspend", audit.Done, "", LicenceSuspended, nil},
	{"licence.resume", audit.Done, "", LicenceResumed, nil},
	{"licence.revoke", audit.Done, "", LicenceRevoked, nil},
	{"seal.approve", audit.Done, "", SealApproved, nil},
	{"seal.reject", audit.Done, "", SealRejected, nil},
	{"seal.make", audit.Done, "", SealMade, nil},
	{"seal.activate", audit.Done, "", SealActivated, nil},
	{"seal.suspend", audit.Done, "", SealSuspended, nil},
	{"seal.resume", audit.Done, "", SealResumed, nil},
	{"seal.revoke", audit.Done, "", SealRevoked, nil},
	{"account.browser", audit.Done, "", SignedOnAnew, nil},
	{"session.begin", audit.Refused, "throttled", SignOnThrottled, nil},
	{"account.password", audit.Done, "", PasswordChanged, seeded},
	{"grant.revoke", audit.Done, "refresh_token_reuse", SessionCopied, nil},
}

// own tells whether the holder did it: alone, or an organisation by one of its agents.
func own(e audit.Event) bool { return e.Holder == e.Person || e.Holder == e.Organisation }

// ownOrUnknown tells whether the holder did it, or a stranger of whom nothing is known: a notice could only say that
// there was one, and whoever shows a code sees them.
func ownOrUnknown(e audit.Event) bool {
	return own(e) || e.Person == "" && e.Organisation == "" && e.Client == ""
}

// seeded tells whether the first password was set with the registration, by a seed file.
func seeded(e audit.Event) bool { return e.Channel == "event" }

// Of returns the notices of an event, by the table. What a replay does again was told when it was first done.
func Of(e audit.Event) []Notice {
	if e.Holder == "" || e.Reason == audit.Restored {
		return nil
	}
	for _, r := range rules {
		if e.Action != r.action || e.Outcome != r.outcome || r.reason != "" && e.Reason != r.reason || r.not != nil && r.not(e) {
			continue
		}
		t := texts[r.kind]
		isCode := !errors.Is(ident.CheckUSCC(e.Holder), ident.ErrForm) // codes with a wrong check character were issued
		return []Notice{{
			ID: e.ID + "/" + e.Holder, To: e.Holder, Organisation: isCode, Kind: r.kind, Time: e.Time.UTC(), By: e.Organisation,
			Client: e.Client, Purpose: redact.Text(e.Purpose), ItemCode: redact.Text(e.ItemCode),
			CaseNumber: redact.Text(e.CaseNumber), Object: e.Object,
			ZH: t.zh, EN: t.en,
		}}
	}
	return nil
}

// texts are what notices say, by kind.
var texts = map[Kind]struct{ zh, en string }{
	LicenceRead:      {"您的证照被查看。", "Your licence was looked up."},
	LicenceVerified:  {"您的证照被核验。", "Your licence was verified."},
	LicenceIssued:    {"一份新证照已签发给您。", "A licence was issued to you."},
	LicenceSuspended: {"您的证照已被暂扣。", "Your licence was suspended."},
	LicenceResumed:   {"您的证照已发还，恢复有效。", "Your licence is valid again."},
	LicenceRevoked:   {"您的证照已被撤销。", "Your licence was revoked."},
	SealApproved:     {"贵单位的电子印章申请已批准。", "The request for your organisation's seal was approved."},
	SealRejected:     {"贵单位的电子印章申请被驳回。", "The request for your organisation's seal was rejected."},
	SealMade:         {"贵单位的电子印章已制作完成。", "Your organisation's seal was made."},
	SealActivated:    {"贵单位的电子印章已启用。", "Your organisation's seal may be used now."},
	SealSuspended:    {"贵单位的电子印章已停用。", "Your organisation's seal was suspended."},
	SealResumed:      {"贵单位的电子印章已恢复使用。", "Your organisation's seal may be used again."},
	SealRevoked:      {"贵单位的电子印章已撤销。", "Your organisation's seal was revoked."},
	SignedOnAnew: {"您的账户在一个新的浏览器上登录。如非本人操作，请立即修改密码。",
		"Your account was used in a new browser. If that was not you, change your password at once."},
	SignOnThrottled: {"有人多次输错您的密码，登录已被暂时限制。",
		"Somebody entered a wrong password for your account again and again; sign-on is limited for a while."},
	PasswordChanged: {"您的登录密码已更改。如非本人操作，请立即联系平台。",
		"Your password was changed. If that was not you, tell the platform at once."},
	SessionCopied: {"您的一次登录可能被他人复制，已被终止，请重新登录。",
		"One of your sign-ons may have been copied by somebody else and was ended. Please sign on again."},
}

// Sender hands notices to whoever brings them to people.
type Sender interface {
	// Send hands over n durably before it returns nil. A notice whose ID was handed over already, by a call that
	// returned or one that did not, reaches its recipient once: the sender keeps one of them, or says to whoever takes
	// them that they are the same.
	Send(ctx context.Context, n Notice) error
}

// NotifyPorts are the rights of notify.
type NotifyPorts struct {
	Notices Sender
}

// Notify returns notify: called with each event that entered the trail, it sends the notices that the event makes.
func Notify(p NotifyPorts) func(ctx context.Context, e audit.Event) error {
	return func(ctx context.Context, e audit.Event) error {
		var faults []error
		for _, n := range Of(e) {
			if err := p.Notices.Send(ctx, n); err != nil {
				faults = append(faults, fmt.Errorf("sending a notice of event %s: %w", e.ID, err))
			}
		}
		return errors.Join(faults...)
	}
}
