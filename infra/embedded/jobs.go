package embedded

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// Jobs keeps what jobs ask for. How far they are, [JobStates] keeps.
type Jobs struct{ *DB }

var _ seal.Jobs = Jobs{}

const (
	bucketJobs     = "jobs"      // identifier → job
	bucketJobsOpen = "jobs-open" // time ‖ identifier → nil
)

// jobRecord is a job and how far it is.
type jobRecord struct {
	Job     seal.Job       `json:"job"`
	State   document.State `json:"state"`
	Attempt int            `json:"attempt"`
	Lease   time.Time      `json:"lease"`
	End     document.End   `json:"end"`
}

func (r jobRecord) openKey() string { return r.Job.At.UTC().Format(eventTime) + "\x00" + r.Job.ID }

// BeginJob implements [seal.Jobs].
func (s Jobs) BeginJob(_ context.Context, j seal.Job, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		if _, taken, err := get[jobRecord](tx, bucketJobs, j.ID); err != nil || taken {
			return orErr(err, seal.ErrExists)
		}
		r := jobRecord{Job: j, State: document.Accepted}
		if err := put(tx, bucketJobs, j.ID, r); err != nil {
			return err
		}
		if err := put(tx, bucketJobsOpen, r.openKey(), nil); err != nil {
			return err
		}
		return tell(tx, image{table: TableSeals, pk: "job#" + j.ID, created: true}, e)
	})
}

// Job implements [seal.Jobs].
func (s Jobs) Job(_ context.Context, id string) (j seal.Job, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		r, found, err := get[jobRecord](tx, bucketJobs, id)
		if err == nil && !found {
			err = seal.ErrUnknown
		}
		j = r.Job
		return err
	})
	return j, err
}
