package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOnlyJobsThatWereBegunAreSubmitted(t *testing.T) {
	record := func(n int, name, pk string) string {
		return fmt.Sprintf(`{"eventSource":"aws:dynamodb","eventName":%q,"dynamodb":{"SequenceNumber":"%d",
			"Keys":{"pk":{"S":%q},"sk":{"S":"-"}},"NewImage":{"pk":{"S":%q}}}}`, name, n, pk, pk)
	}
	event := `{"Records":[` + strings.Join([]string{
		record(1, "INSERT", "job#j1"), record(2, "MODIFY", "job#j1"), record(3, "INSERT", "seal#s1"), record(4, "REMOVE", "job#j0"),
		record(5, "INSERT", "job#j2"), record(6, "INSERT", "job#j3"), record(7, "INSERT", "job#j4"),
	}, ",") + `]}`
	var got []string
	f := Runtime{Name: "job", Log: slog.New(slog.DiscardHandler), Now: time.Now, Ways: []Way{
		NewJobs(func(_ context.Context, job string) error {
			got = append(got, job)
			if job == "j3" {
				return errors.New("made by a test")
			}
			return nil
		}),
		QueuedJobs(func(context.Context, string) error { return errors.New("of another way") }),
	}}
	answer, err := f.Invoke(t.Context(), []byte(event))
	if err != nil || string(answer) != `{"batchItemFailures":[{"itemIdentifier":"6"}]}` || !slices.Equal(got, []string{"j1", "j2", "j3"}) {
		t.Errorf("%s, %v after %v", answer, err, got)
	}
}

func TestAMessageThatNamesNoJobIsAFailureOfItsOwn(t *testing.T) {
	message := func(id, body string) string {
		return fmt.Sprintf(`{"eventSource":"aws:sqs","messageId":%q,"body":%q}`, id, body)
	}
	event := `{"Records":[` + strings.Join([]string{
		message("1", `{"job":"j1"}`), message("2", `{}`), message("3", `no JSON`), message("4", `{"job":"j2"}`), message("5", `{"job":"j3"}`),
	}, ",") + `]}`
	var got []string
	f := Runtime{Name: "job", Log: slog.New(slog.DiscardHandler), Now: time.Now, Ways: []Way{
		QueuedJobs(func(_ context.Context, job string) error {
			got = append(got, job)
			if job == "j2" {
				return errors.New("made by a test")
			}
			return nil
		})}}
	answer, err := f.Invoke(t.Context(), []byte(event))
	const failed = `{"batchItemFailures":[{"itemIdentifier":"2"},{"itemIdentifier":"3"},{"itemIdentifier":"4"}]}`
	if err != nil || string(answer) != failed || !slices.Equal(got, []string{"j1", "j2", "j3"}) {
		t.Errorf("%s, %v after %v", answer, err, got)
	}
}
