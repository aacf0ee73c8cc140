package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/problem"
)

// Restored is the reason in the events of a [Replay].
const Restored = "restored"

// Redone is what became of an act that was done again.
type Redone int

// What becomes of an act.
const (
	Passed  Redone = iota // nothing hangs on it after a restore
	InForce               // done again now, or found done
	Lost                  // what it made or changed cannot be rebuilt from the trail
)

// Redoer does again the acts of one service that a restored table has forgotten.
type Redoer interface {
	// Redo does again the act of an event, unless the records hold it. again is the event of doing it again, which is
	// written with the record; its identifier follows from that of the act, so that a second call for one act, also
	// after a first that stopped half way, changes nothing more and answers the same. Redo never gives what was taken:
	// where the records say less than the trail, less stays.
	Redo(ctx context.Context, act, again Event) (Redone, error)
}

// ReplayPorts are the rights of log-replay.
type ReplayPorts struct {
	Trail     TimeReader
	Acts      ObjectReader
	Seals     Redoer // acts "seal.…"
	Licences  Redoer // "licence.…"
	Registry  Redoer // "registry.…"
	Clients   Redoer // "client.…"
	TokenKeys Redoer // "key.…"
	Epoch     time.Time
	Now       func() time.Time
}

// ReplayOrder says what is replayed.
type ReplayOrder struct {
	// From is the time that the tables were restored to. Where that lies before the end of an earlier replay, From is the
	// From of that replay.
	From time.Time `json:"from"`
	To   time.Time `json:"to"` // since when nothing is served
	// Cursor is where the answer before ended; empty for the first call.
	Cursor string `json:"cursor,omitempty"`
}

// ReplayAnswer is what one call came to. The same call has the same answer.
type ReplayAnswer struct {
	Read    int       `json:"read"`    // events
	InForce int       `json:"inForce"` // acts that were done again, or that the restored records hold
	Lost    []LostAct `json:"lost"`    // what an operator must see to before serving
	Cursor  string    `json:"cursor,omitempty"`
}

// LostAct is an act whose result is gone.
type LostAct struct {
	Event  string    `json:"event"`
	Time   time.Time `json:"time"`
	Action string    `json:"action"`
	Object string    `json:"object"`
	Binds  string    `json:"binds,omitempty"`
}

// The refusals of a replay.
var (
	ErrReplayPeriod = problem.New(http.StatusBadRequest, "replay_period",
		"A replay has a from before its to, neither of them to come, the cursor of the answer before, and holds earlier replays whole.")
	ErrEpoch = problem.New(http.StatusConflict, "epoch_not_raised",
		"The token epoch must be raised to the end of the replay before it begins.")
)

// lookBack is how long before the time that was restored a replay begins: the time of an event is that of another clock
// than the table's, and is taken before the write. What the records hold is done once.
const lookBack = 2 * time.Minute

// replayPage is how many events one call goes through.
const replayPage = 200

// Replay is log-replay, which an operator invokes after tables were restored to an earlier time, and again with the
// cursor of the answer until it has none:
//
//	trail, oldest first ── Redoer of the service ── one conditional write, with an event of its own
//	                                             └─ lost: listed, for the operator
//
// Acts whose whole content stands in their event are done again: what was revoked, suspended, ended or killed since,
// and what was taken for good (identifiers, codes, places in status lists, uses of seals). What was made since is gone
// and is listed. What a person or client held as tokens, codes and sessions is not in it: the token epoch ends all of
// that, so a replay is refused until the epoch stands at its end.
//
// The event of an act that is done again is that of the act with another identifier, the time of now, the channel
// "event" and the reason [Restored]; Binds names the act as "event/…".
func Replay(p ReplayPorts) func(ctx context.Context, o ReplayOrder) (ReplayAnswer, error) {
	return p.replay
}

func (p ReplayPorts) replay(ctx context.Context, o ReplayOrder) (ReplayAnswer, error) {
	at, last, err := o.start()
	switch {
	case err != nil:
		return ReplayAnswer{}, err
	case !o.From.Before(o.To) || o.To.After(p.Now()) || at.Before(o.From.Add(-lookBack)) || !at.Before(o.To):
		return ReplayAnswer{}, ErrReplayPeriod
	case p.Epoch.Before(o.To):
		return ReplayAnswer{}, ErrEpoch.With("it stands at " + p.Epoch.UTC().Format(time.RFC3339))
	}
	page, more, err := p.page(ctx, at, last, o.To)
	if err != nil {
		return ReplayAnswer{}, err
	}
	answer := ReplayAnswer{Lost: []LostAct{}}
	for _, act := range page {
		answer.Read++
		redone, err := p.redo(ctx, act, o)
		if err != nil {
			return ReplayAnswer{}, fmt.Errorf("replaying %s of event %s: %w", act.Action, act.ID, err)
		}
		switch redone {
		case InForce:
			answer.InForce++
		case Lost:
			answer.Lost = append(answer.Lost, LostAct{act.ID, act.Time, act.Action, act.Object, act.Binds})
		}
		if more {
			answer.Cursor = act.Time.UTC().Format(time.RFC3339Nano) + "#" + act.ID
		}
	}
	return answer, nil
}

// start is where a call begins: a little before the period, or behind the event of the cursor.
func (o ReplayOrder) start() (at time.Time, last string, err error) {
	if o.Cursor == "" {
		return o.From.Add(-lookBack), "", nil
	}
	moment, last, _ := strings.Cut(o.Cursor, "#")
	if at, err = time.Parse(time.RFC3339Nano, moment); err != nil {
		return at, "", ErrReplayPeriod.With("cursor")
	}
	return at, last, nil
}

// page reads the events that come next, and whether others follow. Many events may have one time: as many as need be
// are read to come behind the cursor.
func (p ReplayPorts) page(ctx context.Context, at time.Time, last string, to time.Time) (page []Event, more bool, err error) {
	for limit := replayPage + 1; ; limit *= 2 {
		all, err := p.Trail.ByTime(ctx, at, to, limit)
		if err != nil {
			return nil, false, fmt.Errorf("reading the trail: %w", err)
		}
		page = slices.Clone(all)
		slices.SortStableFunc(page, func(a, b Event) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
		if last != "" {
			page = slices.DeleteFunc(page, func(e Event) bool { return e.Time.Equal(at) && e.ID <= last })
		}
		if len(page) > replayPage {
			return page[:replayPage], true, nil
		}
		if len(all) < limit {
			return page, false, nil
		}
	}
}

func (p ReplayPorts) redo(ctx context.Context, act Event, o ReplayOrder) (Redone, error) {
	kind, _, _ := strings.Cut(act.Action, ".")
	redoer := map[string]Redoer{"seal": p.Seals, "licence": p.Licences, "registry": p.Registry, "client": p.Clients,
		"key": p.TokenKeys}[kind]
	switch {
	case act.Outcome == Refused:
		return Passed, nil
	case act.Bound("event") != "":
		return p.redone(ctx, act, o)
	case redoer != nil:
		return redoer.Redo(ctx, act, p.again(act, o))
	case kind == "trust" || act.Action == "account.password":
		return Lost, nil
	}
	return Passed, nil // tokens, sessions, consents, looks: the epoch ends the first, and the others changed nothing
}

// redone passes over what an earlier replay did: it has the time of that replay, and not that of the act. The act itself
// must come again, and with it those that left no event when they were done again.
func (p ReplayPorts) redone(ctx context.Context, again Event, o ReplayOrder) (Redone, error) {
	list, err := p.Acts.ByObject(ctx, again.Object)
	if err != nil {
		return Passed, fmt.Errorf("reading the trail of an object: %w", err)
	}
	i := slices.IndexFunc(list, func(e Event) bool { return e.ID == again.Bound("event") })
	switch {
	case i < 0:
		return Lost, nil
	case list[i].Time.Before(o.From.Add(-lookBack)):
		return Passed, ErrReplayPeriod.With("it holds a replay of an act of " + list[i].Time.UTC().Format(time.RFC3339) +
			": it begins where that replay began")
	}
	return Passed, nil
}

// again is the event of doing an act again. It takes the act's outcome.
func (p ReplayPorts) again(act Event, o ReplayOrder) Event {
	e := act
	sum := sha256.Sum256([]byte(act.ID + " replayed until " + o.To.UTC().Format(time.RFC3339Nano)))
	e.ID = hex.EncodeToString(sum[:16])
	e.Time, e.Channel = p.Now().UTC(), "event"
	if e.Outcome != Failed {
		e.Reason = Restored
	}
	e.Binds = strings.TrimSpace(act.Binds + " event/" + act.ID)
	return e
}

// cutKind returns the name behind "kind/".
func cutKind(object, kind string) (string, bool) { return strings.CutPrefix(object, kind+"/") }

// IsLast tells whether a record is the one that the object of an act was last stored as, by acts of its kind.
func IsLast[T any](ctx context.Context, trail ObjectReader, act Event, record T) (bool, error) {
	last, err := LastDigest(ctx, trail, act)
	if err != nil {
		return false, err
	}
	digest, err := RecordDigest(record)
	return err == nil && digest == last, err
}

// LastDigest is the digest of the record that the object of an act was last stored as, by acts of its kind, replays
// left aside; "" where none is known.
func LastDigest(ctx context.Context, trail ObjectReader, act Event) (last string, err error) {
	list, err := trail.ByObject(ctx, act.Object)
	if err != nil {
		return "", fmt.Errorf("reading the trail of an object: %w", err)
	}
	for _, e := range list {
		if e.Action == act.Action && e.Reason != Restored && e.Outcome == Done {
			last = e.Digest
		}
	}
	return last, nil
}
