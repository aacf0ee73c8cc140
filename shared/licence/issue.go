package licence

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/problem"
)

// IssuePorts are the rights of licence-issue: it alone signs with the licence-issuer keys of agencies.
type IssuePorts struct {
	Issuer       string // base URL of the platform
	Access       access.Guard
	Records      Records
	Identifiers  Identifiers
	ByIdentifier IdentifierReader
	Tickets      Tickets
	Artefacts    Artefacts
	Types        TypeReader
	Agencies     Agencies
	Holders      Holders
	Mandates     Mandates
	Keys         key.Opener // keys of the purpose LicenceIssuer, owned by the agency's code
	Certificates IssuerCertificates
	Stamper      FaceStamper
	Audit        audit.Recorder // refusals and failures
	Fonts        *layout.Fonts
	Now          func() time.Time
	Rand         io.Reader
}

// IssueRoutes are the routes of [Issue].
var IssueRoutes = []string{
	"POST /licences",
	"POST /licences/{id}/{verb}",
}

// Issue serves the life of licences: drafts, and every verb of [Transitions].
//
// Both routes take an Idempotency-Key: the same request under the same key has one effect and the same answer.
func Issue(p IssuePorts) http.Handler {
	i := issuing{p}
	return routes(IssueRoutes, p.Access.Require(Role, i.draft), p.Access.Require(Role, i.verb))
}

type issuing struct{ IssuePorts }

// draftCommand is the JSON body of POST /licences.
type draftCommand struct {
	Organisation string            `json:"organisation"` // code of the issuing agency
	Type         string            `json:"type"`         // 证照类型代码
	Holder       holderCommand     `json:"holder"`
	Number       string            `json:"number"` // 证照编号
	Fields       map[string]string `json:"fields"`
	ValidFrom    string            `json:"validFrom,omitempty"` // 2006-01-02; today
	ValidTo      string            `json:"validTo,omitempty"`   // 2006-01-02; by the rule of the type
	Purpose      audit.Purpose     `json:"purpose"`
}

type holderCommand struct {
	Type ident.HolderType `json:"type"`
	Code string           `json:"code"`
	Name string           `json:"name"`
}

// verbCommand is the JSON body of the verbs.
type verbCommand struct {
	Organisation string        `json:"organisation"` // code of the issuing agency
	Reason       string        `json:"reason,omitempty"`
	Purpose      audit.Purpose `json:"purpose"`
}

// view is what the agency and the holder see of a record. The credential and the faces have media types of their own.
type view struct {
	ID         string            `json:"id"`
	Identifier string            `json:"identifier,omitempty"`
	TypeCode   string            `json:"typeCode"`
	Name       string            `json:"name"`
	State      State             `json:"state"`
	StateCode  string            `json:"stateCode,omitempty"`
	Issuer     Agency            `json:"issuer"`
	Holder     holderView        `json:"holder"`
	Number     string            `json:"number"`
	Fields     map[string]string `json:"fields"`
	ValidFrom  string            `json:"validFrom"`
	ValidTo    string            `json:"validTo,omitempty"`
	Lost       bool              `json:"lost,omitempty"` // its content was lost in a restore
	History    []viewChange      `json:"history"`
}

type holderView struct {
	Type ident.HolderType `json:"type"`
	Code string           `json:"code"`
	Name string           `json:"name"`
}

type viewChange struct {
	Verb   Verb      `json:"verb"`
	State  State     `json:"state"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

func show(l Licence, t Definition) view {
	v := view{ID: l.ID, Identifier: l.Identifier, TypeCode: l.TypeCode, Name: t.Name.ZH, State: l.State(),
		StateCode: l.State().Code(),
		Issuer:    l.Issuer, Holder: holderView{l.Holder.Type, l.Holder.Code, l.Holder.Name}, Number: l.Number, Fields: l.Fields,
		ValidFrom: l.ValidFrom, ValidTo: l.ValidTo, Lost: l.Lost}
	if !l.State().Issued() {
		v.Identifier = "" // bound, and nothing bears it yet
	}
	for _, c := range l.History {
		v.History = append(v.History, viewChange{c.Verb, c.State, c.At, c.Reason})
	}
	return v
}

// The refusals of a draft.
var (
	ErrHolder = problem.New(http.StatusUnprocessableEntity, "holder_unknown",
		"The registry knows no such holder under this name.")
	ErrField = problem.New(http.StatusUnprocessableEntity, "licence_field",
		"A field is missing, too long or not one of the type's.")
	ErrValidity = problem.New(http.StatusUnprocessableEntity, "licence_validity", "The days of validity are not allowed.")
	ErrNotReady = problem.New(http.StatusServiceUnavailable, "issuer_not_ready", "The agency has no certificate for licences.")
)

// draft serves POST /licences.
func (i issuing) draft(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	ctx := r.Context()
	in, body, err := problem.ReadJSON[draftCommand](w, r)
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
	id := key
	if id == "" {
		if id, err = audit.NewID(i.Rand); err != nil {
			return err
		}
	}
	eventID, err := audit.NewID(i.Rand)
	if err != nil {
		return err
	}
	at := i.Now().UTC()
	l := Licence{ID: id[:32], Request: digest(string(body)), TypeCode: in.Type, Number: in.Number, Fields: in.Fields}
	e := trace(c, l, "licence.draft", in.Organisation, in.Purpose, at, eventID)
	t, err := i.authorise(ctx, c, in.Organisation, in.Type)
	if err != nil {
		return audit.Refuse(ctx, i.Audit, e, err)
	}
	if key != "" {
		first, err := i.again(ctx, l)
		if err == nil {
			return i.created(w, first, t)
		}
		if !errors.Is(err, ErrUnknown) {
			return err
		}
	}
	if l, err = i.fill(ctx, l, t, in, at); err != nil {
		return audit.Refuse(ctx, i.Audit, e, err)
	}
	row := Transitions[0]
	l = row.apply(l, row.To, Change{At: at, Person: c.Person, Organisation: in.Organisation, Client: c.Client, Key: key})
	e.Holder, e.Division = l.Holder.Subject, l.Issuer.Division
	switch err := i.Records.CreateLicence(ctx, l, e); {
	case errors.Is(err, ErrExists):
		if l, err = i.again(ctx, l); err != nil {
			return err
		}
	case err != nil:
		return fmt.Errorf("storing a draft: %w", err)
	}
	return i.created(w, l, t)
}

func (i issuing) created(w http.ResponseWriter, l Licence, t Definition) error {
	w.Header().Set("Location", "/licences/"+l.ID)
	return problem.WriteJSON(w, http.StatusCreated, show(l, t))
}

// again returns the licence that the same request made before.
func (i issuing) again(ctx context.Context, l Licence) (Licence, error) {
	first, err := i.Records.Licence(ctx, l.ID)
	if err != nil {
		return Licence{}, fmt.Errorf("reading the licence of an Idempotency-Key: %w", err)
	}
	if first.Request != l.Request {
		return Licence{}, access.ErrKeyReused
	}
	return first, nil
}

// authorise demands a person with a mandate for an agency that issues the type.
func (i issuing) authorise(ctx context.Context, c access.Caller, organisation, typeCode string) (Definition, error) {
	if err := mandated(ctx, i.Mandates, c, organisation, Role); err != nil {
		return Definition{}, err
	}
	t, err := i.Types.LicenceType(ctx, typeCode)
	if errors.Is(err, ErrUnknown) {
		return Definition{}, ErrTypeUnknown
	}
	if err != nil {
		return Definition{}, fmt.Errorf("reading a licence type: %w", err)
	}
	if !t.issuedBy(organisation) {
		return Definition{}, ErrNotIssuer
	}
	return t, nil
}

func (t Definition) issuedBy(uscc string) bool { return slices.Contains(t.Issuers, uscc) }

// fill checks what a draft says against the type and the registry, and that the face can show it.
func (i issuing) fill(ctx context.Context, l Licence, t Definition, in draftCommand, at time.Time) (Licence, error) {
	var err error
	if l.Issuer, err = i.Agencies.Agency(ctx, in.Organisation); errors.Is(err, ErrUnknown) {
		return l, ErrNotIssuer.With("the organisation is not registered")
	} else if err != nil {
		return l, fmt.Errorf("reading the agency: %w", err)
	}
	if in.Holder.Type != t.Holder {
		return l, ErrHolder.With("holders of this type have codes of type " + string(t.Holder))
	}
	l.Holder, err = i.Holders.Holder(ctx, in.Holder.Type, in.Holder.Code)
	if errors.Is(err, ErrUnknown) || err == nil && l.Holder.Name != in.Holder.Name {
		return l, ErrHolder
	}
	if err != nil {
		return l, fmt.Errorf("finding the holder: %w", err)
	}
	if l.Number == "" || !audit.Printable(l.Number, 60) {
		return l, ErrField.With("number has 1 to 60 characters")
	}
	if l.Fields, err = t.checkFields(in.Fields); err != nil {
		return l, err
	}
	if l.ValidFrom, l.ValidTo, err = t.validity(in.ValidFrom, in.ValidTo, at); err != nil {
		return l, err
	}
	// An identifier of the length that it will have, to see now whether everything can be drawn.
	trial := l
	trial.Version = 1
	if trial.Identifier, err = identifier(l, strings.Repeat("0", serialLength)); err != nil {
		return l, err
	}
	_, _, err = trial.facePage(t, at, i.Fonts)
	return l, err
}

// checkFields returns the fields that have a value.
func (t Definition) checkFields(in map[string]string) (map[string]string, error) {
	rest := maps.Clone(in)
	out := map[string]string{}
	for _, f := range t.Fields {
		value := rest[f.Key]
		delete(rest, f.Key)
		switch {
		case value == "" && f.Optional:
			continue
		case value == "":
			return nil, ErrField.With(f.Key + " is missing")
		case !audit.Printable(value, f.MaxLength):
			return nil, ErrField.With(f.Key + " is longer than " + strconv.Itoa(f.MaxLength) + " characters or holds control characters")
		}
		out[f.Key] = value
	}
	for k := range rest {
		return nil, ErrField.With("there is no field " + strconv.Quote(k))
	}
	return out, nil
}

// validity returns the first and the last day: those asked for, or those that the type's rule gives.
func (t Definition) validity(from, to string, at time.Time) (string, string, error) {
	if from == "" {
		from = at.In(china).Format(time.DateOnly)
	}
	first, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return "", "", ErrValidity.With("validFrom is a day like 2006-01-02")
	}
	if to == "" {
		if t.Validity.Years == 0 {
			return from, "", nil
		}
		return from, first.AddDate(t.Validity.Years, 0, -1).Format(time.DateOnly), nil
	}
	last, err := time.Parse(time.DateOnly, to)
	switch {
	case err != nil:
		return "", "", ErrValidity.With("validTo is a day like 2006-01-02")
	case last.Before(first):
		return "", "", ErrValidity.With("validTo lies before validFrom")
	case to < at.In(china).Format(time.DateOnly):
		return "", "", ErrValidity.With("validTo has passed")
	case t.Validity.Years > 0 && last.After(first.AddDate(t.Validity.Years, 0, 0)):
		return "", "", ErrValidity.With("licences of this type are valid for at most " + strconv.Itoa(t.Validity.Years) + " years")
	}
	return from, to, nil
}

// verb serves POST /licences/{id}/{verb}.
func (i issuing) verb(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	ctx := r.Context()
	row, known := transition(Verb(r.PathValue("verb")))
	if !known || row.Verb == VerbDraft {
		return ErrVerbUnknown
	}
	in, body, err := problem.ReadJSON[verbCommand](w, r)
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
	l, err := find(ctx, i.Records, i.ByIdentifier, r.PathValue("id"))
	if err != nil {
		return err
	}
	eventID, err := audit.NewID(i.Rand)
	if err != nil {
		return err
	}
	at := i.Now().UTC()
	e := trace(c, l, "licence."+string(row.Verb), in.Organisation, in.Purpose, at, eventID)
	t, err := i.allow(ctx, row, l, c, in)
	change := Change{At: at, Person: c.Person, Organisation: in.Organisation, Client: c.Client, Reason: in.Reason,
		LegalBasis: in.Purpose.LegalBasis}
	if key != "" {
		change.Key, change.Request = key, digest(string(row.Verb), string(body))
	}
	done, reused := l.doneUnder(row, change)
	if err != nil && !((done || reused) && errors.Is(err, ErrState)) {
		return audit.Refuse(ctx, i.Audit, e, err)
	}
	if reused {
		return access.ErrKeyReused
	}
	if done {
		return problem.WriteJSON(w, http.StatusOK, show(l, t))
	}
	if row.Verb == VerbIssue {
		l, err = i.issue(ctx, l, t, change, e, in.Purpose)
	} else {
		l = row.apply(l, row.To, change)
		err = i.Records.ReplaceLicence(ctx, l, e)
	}
	switch {
	case errors.Is(err, ErrChanged):
		return problem.Conflict
	case err != nil:
		var p *problem.Problem
		if errors.As(err, &p) {
			return err
		}
		return fmt.Errorf("doing %s to licence %s: %w", row.Verb, l.ID, err)
	}
	return problem.WriteJSON(w, http.StatusOK, show(l, t))
}

// allow runs the rules of a row: the agency's own licence, the mandate, grounds, the state.
func (i issuing) allow(ctx context.Context, row Transition, l Licence, c access.Caller, in verbCommand) (Definition, error) {
	if in.Organisation != l.Issuer.USCC {
		return Definition{}, ErrNotIssuer
	}
	t, err := i.authorise(ctx, c, in.Organisation, l.TypeCode)
	switch {
	case err != nil:
		return Definition{}, err
	case row.Grounds && strings.TrimSpace(in.Reason) == "":
		return Definition{}, ErrReason
	case !audit.Printable(in.Reason, 200):
		return Definition{}, ErrReason.With("a reason has at most 200 characters and no control characters")
	case row.Grounds && strings.TrimSpace(in.Purpose.LegalBasis) == "":
		return Definition{}, ErrLegalBasis
	}
	return t, row.allow(l)
}

// doneUnder tells whether the row was done to l before under the Idempotency-Key of c, whatever was done since: a
// repeated request that arrives late must not suspend again what was resumed meanwhile. reused tells that the key
// stands for another request.
func (l Licence) doneUnder(row Transition, c Change) (done, reused bool) {
	if c.Key == "" {
		return false, false
	}
	for _, earlier := range l.History {
		if earlier.Key != c.Key {
			continue
		}
		if earlier.Request != c.Request && earlier.Verb != VerbDraft { // a draft has a record of its own to compare
			return false, true
		}
		done = done || earlier.Verb == row.Verb && earlier.State == row.To
	}
	return done, false
}

// issue takes a draft, or a licence that an earlier call left half issued, to active:
//
//	1 ticket, identifier    claimed for this licence only
//	2 prepare               exact bytes of the credential, the faces without a seal; what cannot be made is refused here
//	3 record: issuing       with the event begun: from here on signatures may exist
//	4 sign, stamp           credential with the agency's key; faces by the seal service; each checked by its verifier
//	5 store the faces       under names of this attempt
//	6 record: active        with the event done: from here on the licence can be seen
//
// If we stop after 1, a place in the status list and an identifier stay unused. After 3, the record says issuing, which
// nobody is shown as a licence; the next call goes on with the same identifier and the same place, and records an event
// of its own before it signs again. After 5 there are faces that no record names. Two calls at one time meet in 3: one
// of them gets [ErrChanged].
func (i issuing) issue(ctx context.Context, l Licence, t Definition, change Change, e audit.Event, why audit.Purpose) (Licence, error) {
	row, _ := transition(VerbIssue)
	k, err := openIssuer(ctx, i.Keys, i.Certificates, key.LicenceIssuer, l.Issuer.USCC, change.At)
	if errors.Is(err, ErrUnknown) || errors.Is(err, key.ErrUnknown) {
		return l, audit.Refuse(ctx, i.Audit, e, ErrNotReady)
	}
	if err != nil {
		return l, err
	}
	if _, to, err := l.Period(); err != nil {
		return l, err
	} else if !to.IsZero() && !change.At.Before(to) {
		return l, audit.Refuse(ctx, i.Audit, e, ErrValidity.With("its last day has passed"))
	}
	if l.Identifier == "" {
		if l, err = i.claim(ctx, l); err != nil {
			return l, err
		}
	}
	issued := change.At.Truncate(time.Second)
	faces, place, err := l.faces(t, issued, i.Fonts)
	if err != nil {
		return l, audit.Refuse(ctx, i.Audit, e, err)
	}
	unsigned, err := l.prepareCredential(t, i.Issuer, issued, k, i.Rand)
	if err != nil {
		return l, err
	}
	doneID, err := audit.NewID(i.Rand)
	if err != nil {
		return l, err
	}

	begun := e
	begun.Outcome, begun.Digest, begun.Binds = audit.Begun, unsigned.Digest(), l.Binds()
	l = row.apply(l, Issuing, change)
	if err := i.Records.ReplaceLicence(ctx, l, begun); err != nil {
		return l, err
	}

	done := begun
	done.ID, done.Outcome = doneID, audit.Done
	fail := func(err error) (Licence, error) {
		done.Outcome, done.Reason, done.Time = audit.Failed, reasonOf(err), i.Now().UTC()
		return l, errors.Join(err, i.Audit.Record(ctx, done))
	}
	text, err := unsigned.Sign(ctx, k.signer)
	if err != nil {
		return fail(err)
	}
	if err := l.checkCredential(text, t, i.Issuer, issued, k); err != nil {
		return fail(err)
	}
	issuance := &Issuance{At: issued, Credential: text, Faces: map[Format]string{}}
	for _, format := range []Format{PDF, OFD} {
		order := FaceOrder{ID: digest("face", l.ID, strconv.Itoa(l.Revision), string(format))[:32], Organisation: l.Issuer.USCC,
			Format: format, Document: faces[format], Place: place, LicenceID: l.ID, Person: change.Person, Client: change.Client,
			Channel: e.Channel, Purpose: why}
		stamped, err := i.Stamper.StampFace(ctx, order)
		if err == nil {
			err = checkStamped(format, faces[format], stamped)
		}
		if err != nil {
			return fail(fmt.Errorf("stamping the %s face: %w", format, err))
		}
		faces[format] = stamped
	}
	for format, data := range faces {
		name := fmt.Sprintf("%s/%d/face.%s", l.ID, l.Revision, format)
		if err := i.Artefacts.PutArtefact(ctx, name, data); err != nil {
			return fail(fmt.Errorf("storing the %s face: %w", format, err))
		}
		issuance.Faces[format] = name
	}
	l.Issue = issuance
	change.At = i.Now().UTC()
	done.Time = change.At
	finished := row.apply(l, row.To, change)
	if err := i.Records.ReplaceLicence(ctx, finished, done); err != nil {
		done.ID = digest("lost", doneID)[:32] // the write may have been made all the same: its event keeps its name
		return fail(err)
	}
	return finished, nil
}

// reasonOf is the code of a refusal, or that of a fault.
func reasonOf(err error) string {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return problem.Internal.Code
}

const serialLength = 20 // characters of 0-9A-Z: 103 bits

// claim gives l a place in a status list of its agency and an identifier.
func (i issuing) claim(ctx context.Context, l Licence) (Licence, error) {
	var newKey [32]byte
	if _, err := io.ReadFull(i.Rand, newKey[:]); err != nil {
		return l, fmt.Errorf("drawing the key of a status list: %w", err)
	}
	for n := 1; l.List == ""; n++ {
		list := listName(l.Issuer.USCC, n)
		switch ticket, err := i.Tickets.TakeTicket(ctx, list, listSize, newKey); {
		case errors.Is(err, ErrListFull):
		case err != nil:
			return l, fmt.Errorf("taking a place in status list %s: %w", list, err)
		default:
			l.List, l.Index = list, statusIndex(ticket, listSize)
		}
	}
	l.Version = 1
	for {
		serial, err := drawSerial(i.Rand)
		if err != nil {
			return l, err
		}
		if l.Identifier, err = identifier(l, serial); err != nil {
			return l, err
		}
		err = i.Identifiers.ClaimIdentifier(ctx, l.Identifier, l.ID)
		if errors.Is(err, ErrExists) {
			continue // one in 2^103
		}
		return l, err
	}
}

// identifier is the GB/T 36904 identifier of l with a serial number.
func identifier(l Licence, serial string) (string, error) {
	id, err := ident.NewLicenceID(l.TypeCode, l.Issuer.USCC, serial, max(l.Version, 1))
	if err != nil {
		return "", fmt.Errorf("making the identifier of a licence: %w", err)
	}
	return id.String(), nil
}

// drawSerial draws the serial number (流水号) of an identifier.
func drawSerial(random io.Reader) (string, error) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	out := make([]byte, serialLength)
	for i := range out {
		n, err := rand.Int(random, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", fmt.Errorf("drawing a serial number: %w", err)
		}
		out[i] = alphabet[n.Int64()]
	}
	return string(out), nil
}
