package oidc

import (
	"io"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
)

// newEvent makes an audit event with a fresh identifier.
func newEvent(now time.Time, random io.Reader, action string, outcome audit.Outcome) (audit.Event, error) {
	id, err := access.Token(random, 16)
	return audit.Event{ID: id, Time: now, Action: action, Outcome: outcome}, err
}

// channel says through which channel a client reaches a person.
func (c Client) channel() string {
	if c.Type == "native" {
		return "app"
	}
	return "web"
}
