package oidc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/yinxin/yinxin/shared/audit"
)

// ReplayPorts are the rights of suspending clients that the trail says are not as they were restored.
type ReplayPorts struct {
	Clients Clients
	Saver   ClientSaver
	Trail   audit.ObjectReader
}

var _ audit.Redoer = ReplayPorts{}

// Redo implements [audit.Redoer]. A client whose record is not the one that was stored last is suspended until the file
// that it came from comes again: keys and secrets that were withdrawn since must not open anything.
func (p ReplayPorts) Redo(ctx context.Context, act, again audit.Event) (audit.Redone, error) {
	id, ok := strings.CutPrefix(act.Object, "client/")
	if !ok {
		return audit.Passed, nil
	}
	c, err := p.Clients.Client(ctx, id)
	if errors.Is(err, ErrClientUnknown) {
		return audit.Lost, nil
	}
	if err != nil {
		return audit.Passed, fmt.Errorf("reading a client: %w", err)
	}
	if same, err := audit.IsLast(ctx, p.Trail, act, c); err != nil || same {
		return audit.InForce, err
	}
	if c.Suspended {
		return audit.Lost, nil
	}
	c.Suspended = true
	if again.Digest, err = audit.RecordDigest(c); err != nil {
		return audit.Passed, err
	}
	if err := p.Saver.SaveClient(ctx, c, again); err != nil {
		return audit.Passed, fmt.Errorf("suspending a client: %w", err)
	}
	last, err := audit.LastDigest(ctx, p.Trail, act)
	if err == nil && again.Digest == last {
		return audit.InForce, nil // that is what was stored last
	}
	return audit.Lost, err
}
