package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/yinxin/yinxin/shared/problem"
)

// NewID draws an identifier of 128 bits, for an event or a record.
func NewID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("drawing an identifier: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// Refuse records that an act was refused, if err is a refusal, and returns err.
func Refuse(ctx context.Context, recorder Recorder, e Event, err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return err
	}
	e.Outcome, e.Reason = Refused, p.Code
	if recordErr := recorder.Record(ctx, e); recordErr != nil {
		return fmt.Errorf("recording a refusal: %w", recordErr)
	}
	return err
}
