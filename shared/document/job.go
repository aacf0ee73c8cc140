package document

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// The times of jobs.
const (
	// ClaimLife is how long a claim is good: longer than any invocation of job, whose timeout is 40 seconds, so that the
	// worker of a claim that has run out is gone.
	ClaimLife = time.Minute
	// SweepAfter is how old an open job is when it is put on the queue again: the queue had it five times by then.
	SweepAfter = 25 * time.Minute
	// MaxAttempts is how often a job is claimed before it ends as failed.
	MaxAttempts = 10
	sweepLimit  = 100
)

// ErrExhausted is the end of a job that met faults until it was given up.
var ErrExhausted = problem.New(http.StatusInternalServerError, "job_exhausted",
	"The job was tried several times and met faults; nothing was handed out.")

// Submit puts a new job on the queue: what the stream of the table brings.
func Submit(queue Queue) func(ctx context.Context, job string) error {
	return func(ctx context.Context, job string) error {
		if err := queue.Enqueue(ctx, job); err != nil {
			return fmt.Errorf("putting job %s on the queue: %w", job, err)
		}
		return nil
	}
}

// SweepPorts are what [Sweep] needs.
type SweepPorts struct {
	Open  OpenJobs
	Queue Queue
	Now   func() time.Time
}

// Sweep puts jobs that are open for long on the queue again, whose message was lost or given up: [Work] either does
// them, or ends them. It runs on a schedule.
func Sweep(p SweepPorts) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		jobs, err := p.Open.OpenJobs(ctx, p.Now().Add(-SweepAfter), sweepLimit)
		if err != nil {
			return fmt.Errorf("finding open jobs: %w", err)
		}
		for _, job := range jobs {
			if err := p.Queue.Enqueue(ctx, job); err != nil {
				return fmt.Errorf("putting job %s on the queue again: %w", job, err)
			}
		}
		return nil
	}
}

// WorkPorts are what [Work] needs.
type WorkPorts struct {
	Claims Claims
	Worker Worker
	Now    func() time.Time
	Rand   io.Reader
}

// Work takes a job from the queue. What it returns is a fault: the message comes again. A job that has ended, or that
// never was, is no fault; one that another delivery works on is, since that one may die.
//
//	claim ── DoJob ── result  ── EndJob(done)
//	            ├──── refusal ── EndJob(failed)
//	            └──── fault   ── the claim runs out, the message comes again ── … ── after MaxAttempts EndJob(failed)
//
// A process that dies between DoJob and EndJob leaves a job that was done and does not know it: the next attempt asks
// the worker again, which gives the same result.
func Work(p WorkPorts) func(ctx context.Context, job string) error {
	return func(ctx context.Context, id string) error {
		job, err := p.Claims.ClaimJob(ctx, id, p.Now().Add(ClaimLife))
		switch {
		case errors.Is(err, ErrEnded), errors.Is(err, ErrUnknown):
			return nil
		case err != nil:
			return fmt.Errorf("claiming job %s: %w", id, err)
		}
		if job.Attempt > MaxAttempts { // they died, or they would have ended it
			return p.end(ctx, job, End{Problem: ErrExhausted})
		}
		result, err := p.Worker.DoJob(ctx, id)
		var refused *problem.Problem
		switch {
		case err == nil:
			return p.end(ctx, job, End{Result: &result})
		case errors.As(err, &refused):
			return p.end(ctx, job, End{Problem: refused})
		case job.Attempt >= MaxAttempts:
			return errors.Join(fmt.Errorf("doing job %s: %w", id, err), p.end(ctx, job, End{Problem: ErrExhausted}))
		default:
			return fmt.Errorf("doing job %s, attempt %d: %w", id, job.Attempt, err)
		}
	}
}

// end ends a job under the claim of this delivery.
func (p WorkPorts) end(ctx context.Context, job Job, end End) error {
	event, err := audit.NewID(p.Rand)
	if err != nil {
		return err
	}
	e := audit.Event{ID: event, Time: p.Now().UTC(), Action: "job.end", Person: job.Person, Client: job.Client, Channel: "event",
		Object: "job/" + job.ID, Outcome: audit.Done}
	if end.Result != nil {
		e.Digest = "sha256:" + end.Result.SHA256
	} else {
		e.Outcome, e.Reason = audit.Failed, end.Problem.Code
	}
	switch err := p.Claims.EndJob(ctx, job.ID, job.Attempt, end, e); {
	case errors.Is(err, ErrEnded):
		return nil // another delivery was as far
	case err != nil:
		return fmt.Errorf("ending job %s: %w", job.ID, err)
	}
	return nil
}
