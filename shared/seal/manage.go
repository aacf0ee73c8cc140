package seal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/problem"
)

// ManagePorts are the rights of seal-manage. It opens no key.
type ManagePorts struct {
	Access    access.Guard
	Records   Records
	Codes     Codes
	ByCode    CodeReader
	Directory Directory
	Mandates  Mandates
	Audit     audit.Recorder // refusals
	Fonts     *layout.Fonts
	Now       func() time.Time
	Rand      io.Reader
}

// ManageRoutes are the routes of [Manage].
var ManageRoutes = []string{
	"POST /seals",
	"POST /seals/{id}/{verb}",
	"GET /seals/{id}",
	"GET /seals/{id}/status",
	"GET /seals/{id}/picture",
}

// Manage serves the life of seals but for their making and use: requests, every verb of [Transitions] except make, the
// record, the status at a time, and the picture. A request takes an Idempotency-Key: repeated under the same key it is
// answered with the one seal that it made.
//
// The status is public: whoever holds a stamped document may ask for it. Record and picture ask for a token, of any
// scope. In all of them the seal's code does as well as its identifier.
func Manage(p ManagePorts) http.Handler {
	m := manage{ManagePorts: p, rights: rights{p.Directory, p.Mandates}}
	handlers := []http.Handler{
		p.Access.Require(Transitions[0].Scope, m.request),
		http.HandlerFunc(m.verb),
		p.Access.Require("", m.record),
		problem.Handler(m.status),
		p.Access.Require("", m.picture),
	}
	mux := http.NewServeMux()
	for i, route := range ManageRoutes {
		mux.Handle(route, handlers[i])
	}
	return mux
}

type manage struct {
	ManagePorts
	rights rights
}

// command is the JSON body of every POST but a stamp.
type command struct {
	Organisation string        `json:"organisation"` // code of the organisation that the person acts for
	Purpose      audit.Purpose `json:"purpose"`
}

// requestCommand is the JSON body of a request.
type requestCommand struct {
	command
	Kind  Kind   `json:"kind,omitempty"`  // statutory (default) or business
	Line  string `json:"line,omitempty"`  // of a business seal: what stands under the star
	Years int    `json:"years,omitempty"` // validity, 1 (default) to 5
}

// view is what is shown of a seal: everything but persons and clients.
type view struct {
	ID        string        `json:"id"`
	Code      string        `json:"code,omitempty"`
	State     State         `json:"state"`
	Since     time.Time     `json:"since"`
	At        *time.Time    `json:"at,omitempty"` // of a status: the time asked for
	Kind      Kind          `json:"kind,omitempty"`
	Name      string        `json:"name,omitempty"`
	Line      string        `json:"line,omitempty"`
	Owner     *Organisation `json:"owner,omitempty"`
	ValidFrom *time.Time    `json:"validFrom,omitempty"`
	ValidTo   *time.Time    `json:"validTo,omitempty"`
	History   []viewChange  `json:"history"`
}

type viewChange struct {
	Verb  Verb      `json:"verb"`
	State State     `json:"state"`
	At    time.Time `json:"at"`
}

func show(s Seal) view {
	v := status(s, s.History[len(s.History)-1].At)
	v.At, v.Kind, v.Name, v.Line, v.Owner = nil, s.Kind, s.Name, s.Line, &s.Owner
	return v
}

// status is what a stranger is told: the state at a time and how it came to it.
func status(s Seal, at time.Time) view {
	state, since := s.StateAt(at)
	v := view{ID: s.ID, Code: s.Code, State: state, Since: since, At: &at, History: []viewChange{}}
	for _, c := range s.History {
		if !c.At.After(at) {
			v.History = append(v.History, viewChange{c.Verb, c.State, c.At})
		}
	}
	if s.Body != nil {
		v.ValidFrom, v.ValidTo = &s.Body.ValidFrom, &s.Body.ValidTo
	}
	return v
}

// The refusals of a request.
var (
	ErrKind  = problem.New(http.StatusBadRequest, "seal_kind", "The kind, line or validity of the seal is not allowed.")
	ErrOwner = problem.New(http.StatusBadRequest, "organisation_unknown", "The organisation is not registered.")
)

// request serves POST /seals.
func (m manage) request(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	in, body, err := problem.ReadJSON[requestCommand](w, r)
	if err != nil {
		return err
	}
	if err := in.Purpose.Check(); err != nil {
		return err
	}
	key, err := access.IdempotencyKey(r, c)
	if err != nil {
		return err
	}
	s, err := m.draft(r.Context(), in)
	if err != nil {
		return err
	}
	if key != "" { // the identifier is the key's, so that creating the record keeps it
		s.ID, s.Request = key[:32], access.Digest(string(body))
	}
	eventID, err := audit.NewID(m.Rand)
	if err != nil {
		return err
	}
	t, at := Transitions[0], m.Now().UTC()
	e := trace(c, s, t.Verb, in.Organisation, in.Purpose, at, eventID)
	if err := m.rights.check(r.Context(), t, s, c, in.Organisation); err != nil {
		return audit.Refuse(r.Context(), m.Audit, e, err)
	}
	s = t.apply(s, change(c, in.command, at))
	err = m.Records.CreateSeal(r.Context(), s, e)
	if errors.Is(err, ErrExists) && key != "" {
		s, err = m.again(r.Context(), s)
	}
	if err != nil {
		return fmt.Errorf("storing a request: %w", err)
	}
	w.Header().Set("Location", "/seals/"+s.ID)
	return problem.WriteJSON(w, http.StatusCreated, show(s))
}

// again returns the seal that the same request made before.
func (m manage) again(ctx context.Context, s Seal) (Seal, error) {
	first, err := m.Records.Seal(ctx, s.ID)
	if err == nil && first.Request != s.Request {
		err = access.ErrKeyReused
	}
	return first, err
}

// draft makes the seal that is asked for, before its first change.
func (m manage) draft(ctx context.Context, in requestCommand) (Seal, error) {
	if in.Kind == "" {
		in.Kind = Statutory
	}
	if in.Years == 0 {
		in.Years = 1
	}
	line := utf8.RuneCountInString(in.Line)
	switch {
	case typeNumber[in.Kind] == 0:
		return Seal{}, ErrKind.With("kind is statutory or business")
	case in.Kind == Statutory && line > 0, in.Kind == Business && (line == 0 || line > 10),
		!audit.Printable(in.Line, 10):
		return Seal{}, ErrKind.With("a business seal has a line of 1 to 10 characters, a statutory seal none")
	case in.Years < 1 || in.Years > 5:
		return Seal{}, ErrKind.With("years is 1 to 5")
	}
	owner, err := m.Directory.Organisation(ctx, in.Organisation)
	if errors.Is(err, ErrOrganisationUnknown) {
		return Seal{}, ErrOwner
	}
	if err != nil {
		return Seal{}, fmt.Errorf("reading the owner: %w", err)
	}
	id, err := audit.NewID(m.Rand)
	if err != nil {
		return Seal{}, err
	}
	s := Seal{ID: id, Kind: in.Kind, Name: owner.Name, Line: in.Line, Owner: owner, Years: in.Years}
	_, err = s.picture(m.Fonts) // what cannot be engraved is refused now
	return s, err
}

// verb serves POST /seals/{id}/{verb} under the scope of the verb's row.
func (m manage) verb(w http.ResponseWriter, r *http.Request) {
	t, known := transition(Verb(r.PathValue("verb")))
	if !known || t.Verb == VerbRequest || t.Verb == VerbMake {
		problem.Write(w, r, ErrVerbUnknown)
		return
	}
	m.Access.Require(t.Scope, func(w http.ResponseWriter, r *http.Request, c access.Caller) error {
		return m.act(w, r, c, t)
	}).ServeHTTP(w, r)
}

// act does one row of the table. If it stops after the claim of a code, the code stays bound to this seal and is never
// used: 1 of 99,999,999 of the division.
func (m manage) act(w http.ResponseWriter, r *http.Request, c access.Caller, t Transition) error {
	ctx := r.Context()
	in, _, err := problem.ReadJSON[command](w, r)
	if err != nil {
		return err
	}
	if err := in.Purpose.Check(); err != nil {
		return err
	}
	s, err := find(ctx, m.Records, m.ByCode, r.PathValue("id"))
	if err != nil {
		return err
	}
	eventID, err := audit.NewID(m.Rand)
	if err != nil {
		return err
	}
	at := m.Now().UTC()
	e := trace(c, s, t.Verb, in.Organisation, in.Purpose, at, eventID)
	if err := m.rights.check(ctx, t, s, c, in.Organisation); err != nil {
		return audit.Refuse(ctx, m.Audit, e, err)
	}
	if t.Verb == VerbApprove {
		if s.Code, err = m.claim(ctx, s); err != nil {
			return err
		}
		e.Binds = "seal-code/" + s.Code
	}
	s = t.apply(s, change(c, in, at))
	if err := replace(ctx, m.Records, s, e); err != nil {
		return err
	}
	return problem.WriteJSON(w, http.StatusOK, show(s))
}

var serials = big.NewInt(99_999_999)

// claim binds a new code of the owner's division to s.
func (m manage) claim(ctx context.Context, s Seal) (string, error) {
	for range 20 { // with half of all codes taken, one in a million seals finds none
		serial, err := drawSerial(m.Rand)
		if err != nil {
			return "", err
		}
		code, err := ident.NewSealCode(s.Owner.Division, serial)
		if err != nil {
			return "", fmt.Errorf("making a code of division %s: %w", s.Owner.Division, err)
		}
		switch err := m.Codes.ClaimSealCode(ctx, code.String(), s.ID); {
		case err == nil:
			return code.String(), nil
		case !errors.Is(err, ErrExists):
			return "", fmt.Errorf("claiming a code: %w", err)
		}
	}
	return "", errors.New("claiming a code: none found free")
}

// change is the history entry of an act. Verb and state come from the row. Its time is in whole seconds, as the time in
// a signature is, so that "the state at T" compares like with like: a stamp in the second of an activation is good, one
// in the second of a suspension or revocation is not.
func change(c access.Caller, in command, at time.Time) Change {
	return Change{At: at.Truncate(time.Second), Person: c.Person, Organisation: in.Organisation, Client: c.Client,
		Reason: in.Purpose.Text, LegalBasis: in.Purpose.LegalBasis}
}

// replace stores the next revision of a seal; one that another call has overtaken is a conflict.
func replace(ctx context.Context, records Replacer, s Seal, e audit.Event) error {
	err := records.ReplaceSeal(ctx, s, e)
	if errors.Is(err, ErrChanged) {
		return problem.Conflict.With("the seal was changed by another call; read it again")
	}
	if err != nil {
		return fmt.Errorf("storing a change: %w", err)
	}
	return nil
}

// find returns the seal of an identifier or a code.
func find(ctx context.Context, records Reader, byCode CodeReader, idOrCode string) (Seal, error) {
	id := idOrCode
	if _, err := ident.ParseSealCode(idOrCode); err == nil {
		id, err = byCode.SealByCode(ctx, idOrCode)
		if errors.Is(err, ErrUnknown) {
			return Seal{}, problem.NotFound
		}
		if err != nil {
			return Seal{}, fmt.Errorf("finding a seal by its code: %w", err)
		}
	}
	s, err := records.Seal(ctx, id)
	if errors.Is(err, ErrUnknown) {
		return Seal{}, problem.NotFound
	}
	if err != nil {
		return Seal{}, fmt.Errorf("reading a seal: %w", err)
	}
	return s, nil
}

// record serves GET /seals/{id}.
func (m manage) record(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	s, err := find(r.Context(), m.Records, m.ByCode, r.PathValue("id"))
	if err != nil {
		return err
	}
	return problem.WriteJSON(w, http.StatusOK, show(s))
}

// status serves GET /seals/{id}/status?at=, at in RFC 3339, now where it is absent. A time to come has no status.
func (m manage) status(w http.ResponseWriter, r *http.Request) error {
	now := m.Now().UTC()
	at := now
	if text := r.URL.Query().Get("at"); text != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, text); err != nil || at.After(now) {
			return problem.BadRequest.With("at is a past time as in RFC 3339")
		}
		at = at.UTC()
	}
	s, err := find(r.Context(), m.Records, m.ByCode, r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return problem.WriteJSON(w, http.StatusOK, status(s, at))
}
