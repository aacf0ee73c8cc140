package gateway

import (
	"context"
	"log/slog"
)

// LogHandler gives every line that is written while a request is answered the identifier of the request, by which lines
// belong together. In AWS lambdacontext does the same with that of the invocation.
func LogHandler(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ next slog.Handler }

// Enabled implements [slog.Handler].
func (h logHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle implements [slog.Handler].
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if c, ok := RequestContext(ctx); ok && c.RequestID != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("requestId", c.RequestID))
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.next.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.next.WithGroup(name)} }
