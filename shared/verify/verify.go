// Package verify is the one door for verification: it takes a stamped document, a licence credential, an identifier or
// a shown code, and answers with a verdict that says why.
//
//	POST /verify ── what is it? ─┬─ PDF, OFD                 ── shared/proof ──────────────┐
//	                             ├─ SD-JWT VC                ── shared/proof, status list ─┤
//	                             ├─ GB/T 36904 identifier    ── register of licences ──────┼─ verdict.Verdict
//	                             └─ shown code (亮证码)       ── spent once ── SD-JWT VC ───┘
//	GET  /verify ── the page for people
//
// A verdict is always answered with 200, also "invalid": a status of 4xx says that the request could not be read. The
// door is open to everybody and opens no key. Whoever asks about a stored licence states a purpose, which the holder
// reads; documents and credentials are brought by the caller and need none, and nothing of them is kept. Of a document
// that is the face of a licence the register is asked for the state too, once the issuer's stamp was found good.
//
// It does not sign what it answers, and it fetches nothing itself: status lists come through a port.
package verify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

// The sentinels of the ports.
var (
	ErrUnknown   = errors.New("verify: not known here")
	ErrCodeSpent = errors.New("verify: the code has been used")
)

// Trust is what certificates are judged by.
type Trust interface {
	// Trust returns the anchors, the trust list and the revocation lists that are in force now. What it returns is read
	// only and may be shared by callers.
	Trust(ctx context.Context) (trust.Anchors, trust.List, []*cert.CRL, error)
}

// SealStatus is the register of seals.
type SealStatus interface {
	// SealStatus returns the state of the seal with a code (esID) at a time, or [ErrUnknown]. A change that returned
	// before the call is seen.
	SealStatus(ctx context.Context, code string, at time.Time) (proof.SealFacts, error)
}

// StatusLists returns Status List Tokens.
type StatusLists interface {
	// StatusList returns the current token of an address, or [ErrUnknown]. It may lag by the token's own ttl.
	StatusList(ctx context.Context, uri string) (token string, err error)
}

// Found is a licence of the register.
type Found struct {
	proof.Registered
	ID     string // of the record, for the trail
	Holder string // in whose ledger a look-up appears
}

// LicenceLookup is the register of licences.
type LicenceLookup interface {
	// LookUpLicence returns the licence with a GB/T 36904 identifier, as last written, its values masked by the rules of
	// its type, or [ErrUnknown].
	LookUpLicence(ctx context.Context, identifier string) (Found, error)
}

// Shown is what a holder shows with a code.
type Shown struct {
	Presentation string // SD-JWT with the disclosures that the code gives
}

// ShowCodes spends the codes that holders show.
type ShowCodes interface {
	// RedeemShowCode spends a code and returns what its holder shows with it, together with the event of the look, whose
	// Object and Holder the adapter takes from the code's record: of any number of concurrent calls with one code exactly
	// one returns a nil error, the others [ErrCodeSpent]. It returns [ErrUnknown] for a code that never was or has
	// expired. code is the text of 16 random bytes in base64url.
	RedeemShowCode(ctx context.Context, code string, e audit.Event) (Shown, error)
}

// Pages shows verdicts to people.
type Pages interface {
	// VerifyForm shows the form, with an input typed in already unless it is empty.
	VerifyForm(w http.ResponseWriter, input string)
	// VerifyRefused shows the form with what was typed, and why it could not be read.
	VerifyRefused(w http.ResponseWriter, status int, zh, en, input, purpose string)
	VerifyResult(w http.ResponseWriter, v verdict.Verdict)
}

// VerifyPorts are the rights of verify: published state, and nothing that signs. Seals, StatusLists, Licences and
// ShowCodes may be nil: what they would answer is then not checked, or not known.
type VerifyPorts struct {
	Access      access.Guard // who asks, where a token is sent; none is needed
	Trust       Trust
	Seals       SealStatus
	StatusLists StatusLists
	Licences    LicenceLookup
	ShowCodes   ShowCodes
	Budgets     access.Budgets // of look-ups by identifier; nil: as many as anybody likes
	Audit       audit.Recorder
	Pages       Pages
	Now         func() time.Time
	Rand        io.Reader
}

// VerifyRoutes are the routes of [Verify].
var VerifyRoutes = []string{"POST /verify", "GET /verify", "GET /c/{code}"}

// Verify serves the door. POST takes
//
//	application/pdf, application/ofd          the document itself
//	application/json                          {"input", "expect"?, "at"?, "purpose"?}, see [Question]
//	multipart/form-data                       parts document or input, and purpose, itemCode, caseNumber
//
// and answers with the verdict as JSON, or as a page to a browser (Accept: text/html).
//
// GET /c/{code} is where a camera lands that scanned a shown code: the form with the code in it. The code is not spent
// by opening the address, which messengers and browsers do on their own, but by asking, for a purpose.
func Verify(p VerifyPorts) http.Handler {
	d := door{p}
	mux := http.NewServeMux()
	mux.Handle(VerifyRoutes[0], problem.Handler(d.serve))
	mux.HandleFunc(VerifyRoutes[1], func(w http.ResponseWriter, _ *http.Request) { p.Pages.VerifyForm(w, "") })
	mux.HandleFunc(VerifyRoutes[2], func(w http.ResponseWriter, r *http.Request) { p.Pages.VerifyForm(w, r.PathValue("code")) })
	return mux
}

type door struct{ VerifyPorts }

// serve reads the question, answers it, and writes the verdict in the form that the caller reads.
func (d door) serve(w http.ResponseWriter, r *http.Request) error {
	person := wantsPage(r)
	q, v, err := d.verdict(w, r)
	var refused *problem.Problem
	switch {
	case person && errors.As(err, &refused):
		text := refusals[refused.Code]
		if text == (verdict.Text{}) {
			text = verdict.Text{ZH: "无法读取所提交的内容。", EN: refused.Title}
		}
		d.Pages.VerifyRefused(w, refused.Status, text.ZH, text.EN, q.Input, q.Purpose.Text)
		return nil
	case err != nil:
		return err
	case person:
		d.Pages.VerifyResult(w, v)
		return nil
	}
	return writeVerdict(w, v)
}

var refusals = map[string]verdict.Text{
	audit.ErrPurpose.Code:    {ZH: "查询证照须填写查验事由。", EN: "State the purpose of looking up a licence."},
	ErrNothing.Code:          {ZH: "请选择文件，或输入证照标识、亮证码。", EN: "Choose a file, or type an identifier or a code."},
	problem.TooMany.Code:     {ZH: "查询过于频繁，请稍后再试。", EN: "Too many look-ups; try again later."},
	problem.TooLarge.Code:    {ZH: "文件过大。", EN: "The file is too large."},
	problem.BadRequest.Code:  {ZH: "无法读取所提交的内容。", EN: "What was sent cannot be read."},
	problem.Unsupported.Code: {ZH: "不支持这种提交方式。", EN: "This form of request is not supported."},
}

// wantsPage tells whether a browser asks: one that names text/html before any JSON.
func wantsPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	page, data := strings.Index(accept, "text/html"), strings.Index(accept, "application/json")
	return page >= 0 && (data < 0 || page < data)
}

func (d door) verdict(w http.ResponseWriter, r *http.Request) (Question, verdict.Verdict, error) {
	q, err := readQuestion(w, r)
	if err != nil {
		return q, verdict.Verdict{}, err
	}
	caller, err := d.caller(r)
	if err != nil {
		return q, verdict.Verdict{}, err
	}
	now := d.Now().UTC()
	if q.At.IsZero() {
		q.At = now
	}
	if recognise(q) == kindIdentifier {
		if err := access.SpendLookUp(w, r, d.Budgets, caller, now); err != nil {
			return q, verdict.Verdict{}, err
		}
	}
	v, err := d.answer(r.Context(), q, caller, now)
	return q, v, err
}

// caller is who asks, if a token says so. A bad token is refused: who sends one wants to be known.
func (d door) caller(r *http.Request) (access.Caller, error) {
	if r.Header.Get("Authorization") == "" {
		return access.Caller{Channel: "web"}, nil
	}
	token, err := access.BearerToken(r)
	if err != nil {
		return access.Caller{}, err
	}
	return d.Access.Check(r.Context(), token)
}

// answer finds out what the input is and judges it.
func (d door) answer(ctx context.Context, q Question, c access.Caller, now time.Time) (verdict.Verdict, error) {
	kind := recognise(q)
	switch kind {
	case kindIdentifier:
		return d.identifier(ctx, q, c, now)
	case kindCode:
		return d.shown(ctx, q, c, now)
	}
	t, err := d.trust(ctx)
	if err != nil {
		return verdict.Verdict{}, err
	}
	switch kind {
	case kindPDF:
		return proof.PDF(ctx, q.document, t, now), nil
	case kindOFD:
		return proof.OFD(ctx, q.document, t, now), nil
	case kindCredential:
		return proof.Licence(ctx, q.licence(q.Input, now), t), nil
	}
	return proof.Conclude("unknown", q.bytes(), now, "input.recognised", verdict.Fail, proof.InputUnknown, nil), nil
}

// trust collects what a verification rests on.
func (d door) trust(ctx context.Context) (proof.Trust, error) {
	anchors, list, crls, err := d.Trust.Trust(ctx)
	if err != nil {
		return proof.Trust{}, fmt.Errorf("reading what is trusted: %w", err)
	}
	t := proof.Trust{Anchors: anchors, List: list, CRLs: crls}
	if d.Seals != nil {
		t.Seal = func(ctx context.Context, code string, at time.Time) (proof.SealFacts, bool, error) {
			facts, err := d.Seals.SealStatus(ctx, code, at)
			if errors.Is(err, ErrUnknown) {
				return proof.SealFacts{}, false, nil
			}
			return facts, err == nil, err
		}
	}
	if d.Licences != nil {
		t.Licence = func(ctx context.Context, identifier string) (proof.Registered, bool, error) {
			found, err := d.Licences.LookUpLicence(ctx, identifier)
			if errors.Is(err, ErrUnknown) {
				return proof.Registered{}, false, nil
			}
			return found.Registered, err == nil, err
		}
	}
	if d.StatusLists != nil {
		t.StatusList = func(ctx context.Context, uri string) (string, bool, error) {
			token, err := d.StatusLists.StatusList(ctx, uri)
			if errors.Is(err, ErrUnknown) {
				return "", false, nil
			}
			return token, err == nil, err
		}
	}
	return t, nil
}

// identifier looks a licence up. The event is stored before the answer leaves: a look that nobody saw happen does not
// happen.
func (d door) identifier(ctx context.Context, q Question, c access.Caller, now time.Time) (verdict.Verdict, error) {
	if err := q.Purpose.Check(); err != nil {
		return verdict.Verdict{}, err
	}
	var record *proof.Registered
	e, err := d.event(q, c, now)
	if err != nil {
		return verdict.Verdict{}, err
	}
	// What has not the form of an identifier, or is a megabyte of digits, is no key to ask the register for.
	if _, _, malformed := ident.ParseLicenceID(q.Input); malformed == nil && d.Licences != nil {
		found, err := d.Licences.LookUpLicence(ctx, q.Input)
		switch {
		case err == nil:
			record, e.Object, e.Holder = &found.Registered, "licence/"+found.ID, found.Holder
		case !errors.Is(err, ErrUnknown):
			return verdict.Verdict{}, fmt.Errorf("looking up a licence: %w", err)
		}
	}
	v := proof.Identifier(q.Input, record, q.Expect.expectation(), q.At, now)
	e.Reason = strings.Join(v.Failed(), ",")
	if err := d.Audit.Record(ctx, e); err != nil {
		return verdict.Verdict{}, fmt.Errorf("recording a look-up: %w", err)
	}
	return v, nil
}

// shown spends a shown code and judges the presentation behind it.
func (d door) shown(ctx context.Context, q Question, c access.Caller, now time.Time) (verdict.Verdict, error) {
	if err := q.Purpose.Check(); err != nil {
		return verdict.Verdict{}, err
	}
	e, err := d.event(q, c, now)
	if err != nil {
		return verdict.Verdict{}, err
	}
	err = ErrUnknown
	var shown Shown
	if d.ShowCodes != nil {
		shown, err = d.ShowCodes.RedeemShowCode(ctx, codeOf(q.Input), e)
	}
	switch {
	case errors.Is(err, ErrCodeSpent):
		return proof.Conclude("show-code", q.bytes(), now, "show_code", verdict.Fail, proof.CodeSpent, nil), nil
	case errors.Is(err, ErrUnknown):
		return proof.Conclude("show-code", q.bytes(), now, "show_code", verdict.Fail, proof.CodeUnknown, nil), nil
	case err != nil:
		return verdict.Verdict{}, fmt.Errorf("redeeming a shown code: %w", err)
	}
	t, err := d.trust(ctx)
	if err != nil {
		return verdict.Verdict{}, err
	}
	return proof.Licence(ctx, q.licence(shown.Presentation, now), t), nil
}

// event is the trace of a look at a stored licence.
func (d door) event(q Question, c access.Caller, now time.Time) (audit.Event, error) {
	var id [16]byte
	if _, err := io.ReadFull(d.Rand, id[:]); err != nil {
		return audit.Event{}, fmt.Errorf("drawing an identifier: %w", err)
	}
	return audit.Event{ID: hex.EncodeToString(id[:]), Time: now, Action: "licence.verify", Person: c.Person,
		Organisation: c.Organisation, Client: c.Client, Channel: c.Channel, ItemCode: q.Purpose.ItemCode,
		CaseNumber: q.Purpose.CaseNumber,
		Purpose:    q.Purpose.Text, LegalBasis: q.Purpose.LegalBasis, Outcome: audit.Done}, nil
}
