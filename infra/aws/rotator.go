package aws

import (
	"context"
	"errors"
	"time"

	"github.com/yinxin/yinxin/shared/key"
)

// Rotator moves the token keys on, and ends one at once when it must.
type Rotator struct{ Keys *Keys }

// tokenRotation: a key signs for a day. It is published an hour before: the key set may be kept for five minutes by
// verifiers and is read again by our own functions after five. It is accepted for a day after: no access token lives
// longer than an hour, and an ID Token may come back as a hint.
func tokenRotation() Rotation {
	return Rotation{Every: 24 * time.Hour, Ahead: time.Hour, Accept: 24 * time.Hour}
}

// Rotate makes the next token key when its time has come, and drops those that are accepted no more.
func (r Rotator) Rotate(ctx context.Context) error {
	return r.Keys.RotateKey(ctx, key.Token, "", tokenRotation())
}

// KillOrder names the token key that is to end.
type KillOrder struct {
	KeyID string `json:"keyId"` // kid
}

// Kill ends a token key: within five minutes it signs no more and nothing that it signed is accepted.
func (r Rotator) Kill(ctx context.Context, o KillOrder) (struct{}, error) {
	if o.KeyID == "" {
		return struct{}{}, errors.New("a key to end needs its identifier")
	}
	return struct{}{}, r.Keys.KillKey(ctx, key.Token, "", o.KeyID)
}
