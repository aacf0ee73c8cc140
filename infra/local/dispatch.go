package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// event drives a function that no request reaches: in AWS a schedule, a queue or a stream invokes it, here a clock.
type event struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) error
}

// dispatch invokes each function now and at its interval until ctx ends, never twice at a time. An invocation that
// fails is logged and tried again at the next interval, as a Lambda would be.
func (s *server) dispatch(ctx context.Context, events []event) {
	var loops sync.WaitGroup
	for _, e := range events {
		loops.Go(func() {
			tick := time.NewTicker(e.Every)
			defer tick.Stop()
			for {
				s.invoke(ctx, e)
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	loops.Wait()
}

func (s *server) invoke(ctx context.Context, e event) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "event panicked", slog.String("function", e.Name), slog.Any("panic", v))
		}
	}()
	if err := e.Run(ctx); err != nil && ctx.Err() == nil {
		s.log.LogAttrs(ctx, slog.LevelError, "event failed", slog.String("function", e.Name),
			slog.String("error", err.Error()))
	}
}
