package licence

import (
	"context"
	"crypto/sha256"
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

// The refusals of rights and of what every purposeful call must state.
var (
	ErrNoPerson     = problem.New(http.StatusForbidden, "person_needed", "A person must do this, not a client alone.")
	ErrNotMandated  = problem.New(http.StatusForbidden, "not_mandated", "The person has no mandate for this.")
	ErrNotIssuer    = problem.New(http.StatusForbidden, "not_issuer", "The organisation may not issue licences of this type, or this licence is not its own.")
	ErrPurpose      = problem.New(http.StatusBadRequest, "purpose_missing", "The purpose must be stated.")
	ErrItemCode     = problem.New(http.StatusBadRequest, "item_code_missing", "The item code (事项编码) must be stated.")
	ErrCaseNumber   = problem.New(http.StatusBadRequest, "case_number_missing", "The case number (办件编号) must be stated.")
	ErrLicence      = problem.New(http.StatusNotFound, "licence_unknown", "There is no such licence.")
	ErrTypeUnknown  = problem.New(http.StatusBadRequest, "licence_type_unknown", "There is no such licence type.")
	ErrKeyReused    = problem.New(http.StatusUnprocessableEntity, "idempotency_key_reused", "The Idempotency-Key was used for another request.")
	ErrKeyMalformed = problem.New(http.StatusBadRequest, "idempotency_key_malformed", "An Idempotency-Key has 1 to 128 visible ASCII characters.")
)

// mandated demands a person with a role for an organisation.
func mandated(ctx context.Context, m Mandates, c access.Caller, organisation, role string) error {
	if c.Person == "" {
		return ErrNoPerson
	}
	ok, err := m.Mandated(ctx, c.Person, organisation, role)
	if err != nil {
		return fmt.Errorf("reading the mandates: %w", err)
	}
	if !ok {
		return ErrNotMandated.With("needed: " + role)
	}
	return nil
}

// find returns the licence that a path names by our identifier or by that of GB/T 36904. An identifier that was bound to
// it in an attempt that did not come to its end names nothing.
func find(ctx context.Context, records Reader, aliases IdentifierReader, name string) (Licence, error) {
	id := name
	if strings.Contains(name, ".") {
		var err error
		if id, err = aliases.LicenceByIdentifier(ctx, name); errors.Is(err, ErrUnknown) {
			return Licence{}, ErrLicence
		} else if err != nil {
			return Licence{}, fmt.Errorf("looking up a licence identifier: %w", err)
		}
	}
	l, err := records.Licence(ctx, id)
	if errors.Is(err, ErrUnknown) || err == nil && id != name && l.Identifier != name {
		return Licence{}, ErrLicence
	}
	if err != nil {
		return Licence{}, fmt.Errorf("reading a licence: %w", err)
	}
	return l, nil
}

// trace makes the event of an act on l.
func trace(c access.Caller, l Licence, action, organisation string, why Purpose, at time.Time, id string) audit.Event {
	return audit.Event{
		ID: id, Time: at, Action: action, Person: c.Person, Organisation: organisation, Division: l.Issuer.Division,
		Client: c.Client, Channel: c.Channel, ItemCode: why.ItemCode, CaseNumber: why.CaseNumber, Purpose: why.Text,
		LegalBasis: why.LegalBasis, Object: "licence/" + l.ID, Holder: l.Holder.Subject, Outcome: audit.Done,
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

// readJSON reads a small JSON body, strictly, and returns its bytes too.
func readJSON[T draftCommand | verbCommand | showCommand | shareCommand](w http.ResponseWriter, r *http.Request) (T, []byte, error) {
	var in, none T
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return none, nil, problem.TooLarge
	case err != nil:
		return none, nil, problem.BadRequest.With("the body breaks off")
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return none, nil, problem.BadRequest.With("the body is not the JSON object that is expected")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return none, nil, problem.BadRequest.With("something follows the JSON object")
	}
	return in, body, nil
}

// check refuses a purpose without a text, and fields that are too long for the trail or hold control characters.
func (p Purpose) check() error {
	if strings.TrimSpace(p.Text) == "" {
		return ErrPurpose
	}
	for _, field := range []string{p.Code, p.Text, p.ItemCode, p.CaseNumber, p.LegalBasis} {
		if !printable(field, 200) {
			return ErrPurpose.With("a field is longer than 200 characters or holds control characters")
		}
	}
	return nil
}

// printable tells whether s is UTF-8 of at most limit characters without control characters.
func printable(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		!slices.ContainsFunc([]rune(s), func(r rune) bool { return r < ' ' || r == 0x7f })
}

// idempotencyKey returns the digest of the Idempotency-Key under which c asks for one thing, or "" where there is none.
func idempotencyKey(r *http.Request, c access.Caller) (string, error) {
	k := r.Header.Get("Idempotency-Key")
	if k == "" {
		return "", nil
	}
	if len(k) > 128 || strings.ContainsFunc(k, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", ErrKeyMalformed
	}
	return digest("idempotency", c.Client, c.Person, k), nil
}

// digest is SHA-256 over texts, hexadecimal. Texts of different lists never make the same bytes.
func digest(texts ...string) string {
	h := sha256.New()
	for _, s := range texts {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// newID draws an identifier of 128 bits.
func newID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("drawing an identifier: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// writeJSON answers with v.
func writeJSON[T view | typeList | issuerView | issuerMetadata | listOfLists | showView | shareView](w http.ResponseWriter, status int, v T) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client is gone if this fails
	return nil
}

// routes serves handlers under patterns, one for one.
func routes(patterns []string, handlers ...http.Handler) http.Handler {
	mux := http.NewServeMux()
	for i, pattern := range patterns {
		mux.Handle(pattern, handlers[i])
	}
	return mux
}
