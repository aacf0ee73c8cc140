package embedded

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// JobStates keeps how far jobs are.
type JobStates struct{ *DB }

var (
	_ document.JobReader = JobStates{}
	_ document.Claims    = JobStates{}
	_ document.OpenJobs  = JobStates{}
)

func (r jobRecord) shown() document.Job {
	return document.Job{ID: r.Job.ID, Kind: seal.JobKind, State: r.State, Person: r.Job.Person, Client: r.Job.Client, At: r.Job.At,
		Attempt: r.Attempt, End: r.End}
}

// Job implements [document.JobReader].
func (s JobStates) Job(_ context.Context, id string) (j document.Job, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		r, err := openedJob(tx, id)
		j = r.shown()
		return err
	})
	if err != nil {
		return document.Job{}, err
	}
	return j, nil
}

func openedJob(tx *bbolt.Tx, id string) (jobRecord, error) {
	r, found, err := get[jobRecord](tx, bucketJobs, id)
	if err == nil && !found {
		err = document.ErrUnknown
	}
	return r, err
}

// ClaimJob implements [document.Claims].
func (s JobStates) ClaimJob(_ context.Context, id string, until time.Time) (j document.Job, err error) {
	err = s.update(func(tx *bbolt.Tx) error {
		r, err := openedJob(tx, id)
		switch {
		case err != nil:
			return err
		case r.State.Ended():
			return document.ErrEnded
		case r.State == document.Running && s.Now().Before(r.Lease):
			return document.ErrClaimed
		}
		r.State, r.Lease = document.Running, until
		r.Attempt++
		j = r.shown()
		return put(tx, bucketJobs, id, r)
	})
	if err != nil {
		return document.Job{}, err
	}
	return j, nil
}

// EndJob implements [document.Claims].
func (s JobStates) EndJob(_ context.Context, id string, attempt int, end document.End, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		r, err := openedJob(tx, id)
		switch {
		case err != nil:
			return err
		case r.State.Ended():
			return document.ErrEnded
		case r.State != document.Running || r.Attempt != attempt:
			return document.ErrClaimed
		}
		r.State, r.End = end.State(), end
		if err := put(tx, bucketJobs, id, r); err != nil {
			return err
		}
		if err := remove(tx, bucketJobsOpen, r.openKey()); err != nil {
			return err
		}
		return tell(tx, image{table: TableSeals, pk: "job#" + id}, e)
	})
}

// OpenJobs implements [document.OpenJobs].
func (s JobStates) OpenJobs(_ context.Context, before time.Time, limit int) (ids []string, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketJobsOpen))
		if b == nil {
			return nil
		}
		c, end := b.Cursor(), []byte(before.UTC().Format(eventTime))
		for k, _ := c.First(); k != nil && bytes.Compare(k, end) < 0 && len(ids) < limit; k, _ = c.Next() {
			ids = append(ids, string(k[bytes.IndexByte(k, 0)+1:]))
		}
		return nil
	})
	return ids, err
}
