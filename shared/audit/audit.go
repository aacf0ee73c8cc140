// Package audit holds the trace of every act (全过程留痕): who did what, for whom, why, by which right, and how it ended.
//
//	service ── port method(record, Event) ── one atomic write ── stream ── log, notifications, holder's ledger
//
// An event travels in the port method that changes the record, so that neither exists without the other. Acts that
// change nothing (a look-up, a refused log-in) go through [Recorder]. Supervision, the holder's usage page and the
// transparency log read the same events.
//
// No event holds a document, a licence's contents, a token, or an identity number: objects are named by identifier
// and digest.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Outcome is how an act ended.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused"
	Failed  Outcome = "failed"
	Begun   Outcome = "begun" // recorded before a signature exists; a Done or Failed event with the same Object follows
)

// Event is one act. Every field is filled from the first day; what does not apply is empty.
type Event struct {
	ID           string    `json:"id"` // unique; the caller draws it
	Time         time.Time `json:"time"`
	Action       string    `json:"action"`                 // "seal.stamp", "licence.issue", "licence.read" …
	Person       string    `json:"person,omitempty"`       // the acting person's internal identifier
	Organisation string    `json:"organisation,omitempty"` // the unified social credit code acted for
	Division     string    `json:"division,omitempty"`     // GB/T 2260
	Client       string    `json:"client,omitempty"`       // the client application
	Channel      string    `json:"channel,omitempty"`      // "web", "app", "api", "event"
	ItemCode     string    `json:"itemCode,omitempty"`     // 事项编码
	CaseNumber   string    `json:"caseNumber,omitempty"`   // 办件编号
	Purpose      string    `json:"purpose,omitempty"`      // why, as the holder will read it
	LegalBasis   string    `json:"legalBasis,omitempty"`
	Object       string    `json:"object,omitempty"` // "seal/<id>", "licence/<id>", "person/<id>"
	Digest       string    `json:"digest,omitempty"` // SHA-256 or SM3 of the object's bytes, hex, with its algorithm in front: "sm3:…"
	Holder       string    `json:"holder,omitempty"` // the person or organisation in whose ledger it appears
	Outcome      Outcome   `json:"outcome"`
	Reason       string    `json:"reason,omitempty"` // the code of a refusal or verdict
	// Binds is what the act took for good and what must never be given again: names separated by spaces, each kind/name,
	// such as "licence-identifier/…", "status/<list>/<index>", "seal-code/…", "order/…". See [Replay].
	Binds string `json:"binds,omitempty"`
}

// Bound returns the name of a kind that the act bound, or "".
func (e Event) Bound(kind string) string {
	for name := range strings.FieldsSeq(e.Binds) {
		if rest, ok := strings.CutPrefix(name, kind+"/"); ok {
			return rest
		}
	}
	return ""
}

// RecordDigest is the digest of a record that a registry keeps, as Digest of the event that stores it: by it the trail
// tells whether a record that was restored is the one that was last stored.
func RecordDigest[T any](record T) (string, error) {
	data, err := json.Marshal(record)
	if err != nil {
		return "", fmt.Errorf("encoding a record: %w", err)
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Check refuses an event that lacks what every event has: its ID, time, action and outcome.
func (e Event) Check() error {
	if e.ID == "" || e.Time.IsZero() || e.Action == "" || e.Outcome == "" {
		// Without its texts: what a person wrote as purpose has no place in a log.
		return fmt.Errorf("the audit event %q of action %q on %q lacks ID, time, action or outcome", e.ID, e.Action, e.Object)
	}
	return nil
}

// Recorder records acts that change no record.
type Recorder interface {
	// Record stores the event durably before it returns. An event whose ID is known already is not stored again; one
	// without ID, Time, Action or Outcome is an error.
	Record(ctx context.Context, e Event) error
}

// TimeReader reads the trail as it went.
type TimeReader interface {
	// ByTime returns the events of from ≤ time < to, oldest first, at most limit.
	ByTime(ctx context.Context, from, to time.Time, limit int) ([]Event, error)
}

// ObjectReader reads what happened to one object.
type ObjectReader interface {
	// ByObject returns the events of one object, oldest first.
	ByObject(ctx context.Context, object string) ([]Event, error)
}

// HolderReader reads a holder's ledger.
type HolderReader interface {
	// ByHolder returns the events of a holder's ledger, newest first, at most limit.
	ByHolder(ctx context.Context, holder string, limit int) ([]Event, error)
}

// Reader reads events back.
type Reader interface {
	TimeReader
	ObjectReader
	HolderReader
}
