package data

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/fault"
	"regent/internal/rule"
)

// fail turns what went wrong into the error that the caller gets. Texts follow
// client-api.md §1.17, because SDKs' users compare them.
func (s *Service) fail(ctx context.Context, action string, err error) error {
	var (
		known     *fault.Error
		refusal   *rule.Refusal
		violation *rule.Violation
	)
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &refusal):
		return fault.New(fault.NoMatchingRuleFound, "%s not permitted", refusal.Operation).WithStatus(400).WithCause(errors.New(refusal.Detail()))
	case errors.As(err, &violation):
		return fault.New(fault.SchemaValidationFailedWrite, "%s", violation.Error())
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.New(fault.ExecutionTimeLimitExceeded, "execution time limit exceeded").WithCause(err)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if text, ok := serverMessage(err); ok {
		return fault.New(fault.MongoDBError, "%s", text).WithCause(err)
	}
	if errors.Is(err, context.DeadlineExceeded) || mongo.IsTimeout(err) {
		return fault.New(fault.MongoDBError, "the operation exceeded its time limit (maxTimeMS)").WithCause(err)
	}
	return fmt.Errorf("%s: %w", action, err)
}

// serverMessage gives the text of an error that the deployment answered.
func serverMessage(err error) (string, bool) {
	var (
		command mongo.CommandError
		write   mongo.WriteException
		bulk    mongo.BulkWriteException
		text    string
	)
	switch {
	case errors.As(err, &command):
		// Failures to reach the deployment come as command errors without a code.
		if command.Code == 0 {
			return "", false
		}
		text = command.Message
	case errors.As(err, &write):
		switch {
		case len(write.WriteErrors) > 0:
			text = write.WriteErrors[0].Message
		case write.WriteConcernError != nil:
			text = write.WriteConcernError.Message
		}
	case errors.As(err, &bulk):
		switch {
		case len(bulk.WriteErrors) > 0:
			text = bulk.WriteErrors[0].Message
		case bulk.WriteConcernError != nil:
			text = bulk.WriteConcernError.Message
		}
	default:
		return "", false
	}
	if mongo.IsDuplicateKeyError(err) && !strings.Contains(text, "Duplicate key error") {
		text = "Duplicate key error: " + text
	}
	return text, true
}

// Transient tells whether an error of a transaction that a function holds means
// that the function should run the whole transaction again.
func Transient(err error) bool { return labeled(err, "TransientTransactionError") }

func labeled(err error, label string) bool {
	var e mongo.LabeledError
	return errors.As(err, &e) && e.HasErrorLabel(label)
}
