package licence

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// TypeTaker takes licence types from seed files: each is checked by [ParseType] and stored with an event.
type TypeTaker struct {
	Types TypeSaver
	Now   func() time.Time
	Rand  io.Reader
}

// TakeRecord checks and stores one type definition, or says what is wrong with it.
func (t TypeTaker) TakeRecord(ctx context.Context, record json.RawMessage) error {
	d, err := ParseType(record)
	if err != nil {
		return err
	}
	return t.Take(ctx, d)
}

// Take stores a type, such as one of [SampleTypes].
func (t TypeTaker) Take(ctx context.Context, d Definition) error {
	id, err := audit.NewID(t.Rand)
	if err != nil {
		return err
	}
	digest, err := audit.RecordDigest(d)
	if err != nil {
		return err
	}
	return t.Types.SaveLicenceType(ctx, d, audit.Event{ID: id, Time: t.Now().UTC(), Action: "licence.type", Channel: "event",
		Organisation: d.Authority.USCC, Object: "licence-type/" + d.Code, Digest: digest, Outcome: audit.Done})
}
