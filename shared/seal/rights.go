package seal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// The refusals of rights.
var (
	ErrNoPerson       = problem.New(http.StatusForbidden, "person_needed", "A person must do this, not a client alone.")
	ErrNotMandated    = problem.New(http.StatusForbidden, "not_mandated", "The person has no mandate for this.")
	ErrNotResponsible = problem.New(http.StatusForbidden, "not_responsible", "Another organisation does this.")
	ErrPurpose        = problem.New(http.StatusBadRequest, "purpose_missing", "The purpose must be stated.")
)

// rights decides who may do a row of the table to a seal. Manage, Make and Stamp share it.
type rights struct {
	directory Directory
	mandates  Mandates
}

// check runs the rules of a row: a person, the right organisation, the person's mandate, the state, two persons. The
// scope was checked by the guard.
func (r rights) check(ctx context.Context, t Transition, s Seal, c access.Caller, organisation string) error {
	if c.Person == "" {
		return ErrNoPerson
	}
	responsible, err := r.party(ctx, t.Party, s)
	if err != nil {
		return err
	}
	if organisation != responsible {
		return ErrNotResponsible.With("this is for the " + string(t.Party) + " of the seal to do")
	}
	mandated, err := r.mandates.Mandated(ctx, c.Person, organisation, t.Role)
	if err != nil {
		return fmt.Errorf("reading the mandates: %w", err)
	}
	if !mandated {
		return ErrNotMandated.With("needed: " + t.Role)
	}
	return t.allow(s, c.Person)
}

// party returns the code of the organisation that is a party of s.
func (r rights) party(ctx context.Context, p Party, s Seal) (string, error) {
	duty := DutyApprove
	switch p {
	case ByOwner:
		return s.Owner.USCC, nil
	case ByMaker:
		duty = DutyMake
	}
	o, err := r.directory.Responsible(ctx, s.Owner.Division, duty)
	if errors.Is(err, ErrOrganisationUnknown) {
		return "", ErrNotResponsible.With("no organisation has the duty " + string(duty) + " for this division")
	}
	if err != nil {
		return "", fmt.Errorf("finding the organisation responsible for %s: %w", duty, err)
	}
	return o.USCC, nil
}

// trace makes the event of an act on s.
func trace(c access.Caller, s Seal, v Verb, organisation string, why Purpose, at time.Time, id string) audit.Event {
	return audit.Event{
		ID: id, Time: at, Action: "seal." + string(v), Person: c.Person, Organisation: organisation,
		Division: s.Owner.Division, Client: c.Client, Channel: c.Channel, ItemCode: why.ItemCode, CaseNumber: why.CaseNumber,
		Purpose: why.Text, LegalBasis: why.LegalBasis, Object: "seal/" + s.ID, Holder: s.Owner.USCC, Outcome: audit.Done,
	}
}

// refuse records that an act was refused, if err is a refusal, and returns err.
func refuse(ctx context.Context, recorder audit.Recorder, e audit.Event, err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return err
	}
	e.Outcome, e.Reason = audit.Refused, p.Code
	if recordErr := recorder.Record(ctx, e); recordErr != nil {
		return fmt.Errorf("recording a refusal: %w", recordErr)
	}
	return err
}

const maxBody = 64 << 10 // bytes of a JSON request

// readJSON reads a small JSON body, strictly.
func readJSON[T command | requestCommand](w http.ResponseWriter, r *http.Request) (T, error) {
	var in, none T
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return none, problem.TooLarge
		}
		return none, problem.BadRequest.With("the body is not the JSON object that is expected")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return none, problem.BadRequest.With("something follows the JSON object")
	}
	return in, nil
}

// check refuses a purpose without a text, and fields that are too long for the trail or hold control characters.
func (p Purpose) check() error {
	if strings.TrimSpace(p.Text) == "" {
		return ErrPurpose
	}
	for _, field := range []string{p.Code, p.Text, p.ItemCode, p.CaseNumber, p.LegalBasis} {
		if utf8.RuneCountInString(field) > 200 || !utf8.ValidString(field) ||
			slices.ContainsFunc([]rune(field), func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return ErrPurpose.With("a field is longer than 200 characters or holds control characters")
		}
	}
	return nil
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, status int, v view) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client is gone if this fails
	return nil
}

// newID draws an identifier of 128 bits.
func newID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("drawing an identifier: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// newIDs draws several identifiers.
func newIDs(random io.Reader, n int) ([]string, error) {
	ids := make([]string, n)
	for i := range ids {
		var err error
		if ids[i], err = newID(random); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// endOf is the identifier of the event that ends what another began: it stands behind it also where both have one time.
func endOf(begun string) string { return begun + "-end" }

// drawSerial draws the serial of a seal code, 1 to 99999999.
func drawSerial(random io.Reader) (int, error) {
	n, err := rand.Int(random, serials)
	if err != nil {
		return 0, fmt.Errorf("drawing a serial: %w", err)
	}
	return int(n.Int64()) + 1, nil
}
