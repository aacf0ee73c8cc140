package aws

import (
	"context"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// Jobs keeps what jobs ask for: the body, which nobody changes. How far they are stands beside it, see [JobStates].
type Jobs struct{ *DB }

var _ seal.Jobs = Jobs{}

// jobLife is for how long a job is kept.
const jobLife = 30 * 24 * time.Hour

// openJobs is the partition of the index that holds the jobs that have not ended.
const openJobs = "jobs#"

func (s Jobs) at(id string) at { return at{s.tables.Seals, "job#" + id, noSort} }

// BeginJob implements [seal.Jobs].
func (s Jobs) BeginJob(ctx context.Context, j seal.Job, e audit.Event) error {
	body, err := encode(j)
	if err != nil {
		return err
	}
	put := indexed(byFirst, openJobs, j.At.UTC().Format(eventTime)+"#"+j.ID)
	put["body"], put["kind"], put["state"] = body, text(seal.JobKind), text(string(document.Accepted))
	put["attempt"], put["lease"], put["ttl"] = number(0), number(0), tidy(j.At.Add(jobLife))
	out, err := s.write(ctx, write{at: s.at(j.ID), put: put, condition: absent, event: &e})
	if err == nil && !out.held {
		err = seal.ErrExists
	}
	return err
}

// Job implements [seal.Jobs]. An item without a body is none of seal-stamp's.
func (s Jobs) Job(ctx context.Context, id string) (seal.Job, error) {
	it, err := s.get(ctx, s.at(id))
	if err == nil && textOf(it, "body") == "" {
		err = seal.ErrUnknown
	}
	if err != nil {
		return seal.Job{}, err
	}
	return decode[seal.Job](it)
}
