package aws

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// JobStates keeps how far jobs are. It names, in its writes, no attribute of what a job asks for, and the policy of the
// function job lets it name no other.
type JobStates struct{ *DB }

var (
	_ document.JobReader = JobStates{}
	_ document.Claims    = JobStates{}
	_ document.OpenJobs  = JobStates{}
)

// Job implements [document.JobReader].
func (s JobStates) Job(ctx context.Context, id string) (document.Job, error) {
	it, err := s.get(ctx, Jobs(s).at(id))
	if err == nil && textOf(it, "body") == "" {
		err = document.ErrUnknown
	}
	if err != nil {
		return document.Job{}, err
	}
	return jobOf(it)
}

func jobOf(it item) (document.Job, error) {
	j, err := decode[seal.Job](it)
	if err != nil {
		return document.Job{}, err
	}
	attempt, err := numberOf(it, "attempt")
	job := document.Job{ID: j.ID, Kind: textOf(it, "kind"), State: document.State(textOf(it, "state")), Person: j.Person,
		Client: j.Client, At: j.At, Attempt: int(attempt)}
	if end := textOf(it, "end"); err == nil && end != "" {
		if err = json.Unmarshal([]byte(end), &job.End); err != nil {
			err = fmt.Errorf("decoding the end of a job: %w", err)
		}
	}
	return job, err
}

// ClaimJob implements [document.Claims]. The mark tells a call whose answer was lost that it was the one.
func (s JobStates) ClaimJob(ctx context.Context, id string, until time.Time) (document.Job, error) {
	var b [16]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return document.Job{}, fmt.Errorf("drawing a mark: %w", err)
	}
	mark := hex.EncodeToString(b[:])
	out, err := s.write(ctx, write{
		at:        Jobs(s).at(id),
		update:    "SET #state = :running, #lease = :until, #mark = :mark ADD #attempt :one",
		condition: "#state = :accepted OR (#state = :running AND #lease <= :now)",
		values: item{":running": text(string(document.Running)), ":accepted": text(string(document.Accepted)), ":mark": text(mark),
			":until": moment(until), ":now": moment(s.Now()), ":one": number(1)},
	})
	switch {
	case err != nil:
		return document.Job{}, err
	case out.item == nil:
		return document.Job{}, document.ErrUnknown
	case document.State(textOf(out.item, "state")).Ended():
		return document.Job{}, document.ErrEnded
	case !out.held && textOf(out.item, "mark") != mark:
		return document.Job{}, document.ErrClaimed
	}
	return jobOf(out.item)
}

// EndJob implements [document.Claims].
func (s JobStates) EndJob(ctx context.Context, id string, attempt int, end document.End, e audit.Event) error {
	said, err := encode(end)
	if err != nil {
		return err
	}
	out, err := s.write(ctx, write{
		at:        Jobs(s).at(id),
		update:    "SET #state = :state, #end = :end, #event = :event REMOVE #firstPk, #firstSk",
		condition: "#state = :running AND #attempt = :attempt",
		values: item{":state": text(string(end.State())), ":end": said, ":running": text(string(document.Running)),
			":attempt": number(int64(attempt))}, event: &e,
	})
	switch {
	case err != nil || out.held:
		return err
	case out.item == nil:
		return document.ErrUnknown
	case document.State(textOf(out.item, "state")).Ended():
		return document.ErrEnded
	}
	return document.ErrClaimed
}

// OpenJobs implements [document.OpenJobs].
func (s JobStates) OpenJobs(ctx context.Context, before time.Time, limit int) ([]string, error) {
	items, err := s.query(ctx, query{table: s.tables.Seals, index: byFirst, partition: openJobs, from: "0",
		before: before.UTC().Format(eventTime), limit: limit})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, it := range items {
		ids = append(ids, strings.TrimPrefix(textOf(it, "pk"), "job#"))
	}
	return ids, nil
}
