package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/key"
)

// KillPorts are the rights of ending a token key at once.
type KillPorts struct {
	Keys  key.Rotator // keys of the purpose Token
	Audit Recorder
	Now   func() time.Time
	Rand  io.Reader
}

// Kill ends a token key at once, as [key.TokenRotator] does, and records it as "key.kill" of "key/<identifier>", before
// and after: a table that is restored brings the key back, and the replay of the trail ends it again.
func Kill(p KillPorts) func(ctx context.Context, o key.KillOrder) (struct{}, error) {
	return func(ctx context.Context, o key.KillOrder) (struct{}, error) {
		if !isKeyID(o.KeyID) {
			return struct{}{}, errors.New("a key to end needs its identifier")
		}
		id, err := NewID(p.Rand)
		if err != nil {
			return struct{}{}, err
		}
		e := Event{ID: id, Time: p.Now().UTC(), Action: "key.kill", Channel: "event", Object: "key/" + o.KeyID, Outcome: Begun}
		if err := p.Audit.Record(ctx, e); err != nil {
			return struct{}{}, fmt.Errorf("recording the end of a key: %w", err)
		}
		out, killErr := key.TokenRotator{Keys: p.Keys}.Kill(ctx, o)
		if e.ID, e.Outcome = e.ID+"-end", Done; killErr != nil {
			e.Outcome, e.Reason = Failed, "internal"
		}
		return out, errors.Join(killErr, p.Audit.Record(ctx, e))
	}
}

// isKeyID tells whether s can be the kid of a key of ours, so that nothing else that was put in its place, a token say,
// comes into the trail.
func isKeyID(s string) bool {
	strange := func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_'
	}
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, strange)
}

// KillAgain is the [Redoer] of token keys: one that was killed is killed again, also where the trail has only that it
// was to be.
type KillAgain struct {
	Keys  key.Rotator // keys of the purpose Token
	Audit Recorder
}

// Redo implements [Redoer].
func (k KillAgain) Redo(ctx context.Context, act, again Event) (Redone, error) {
	id, ok := cutKind(act.Object, "key")
	if act.Action != "key.kill" || !ok {
		return Lost, nil
	}
	if act.Outcome != Begun {
		return InForce, nil // its beginning stands before it in the trail
	}
	_, err := key.TokenRotator{Keys: k.Keys}.Kill(ctx, key.KillOrder{KeyID: id})
	if errors.Is(err, key.ErrUnknown) {
		return InForce, nil // made after the time that was restored, or killed already
	}
	if err != nil {
		return Passed, err
	}
	again.Outcome = Done
	return InForce, k.Audit.Record(ctx, again)
}
