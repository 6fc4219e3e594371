// Package mongoerr holds the errors that docdb sends to drivers: MongoDB's own numeric codes with their names, because
// drivers and applications decide by them (mongo-engine.md §1.4).
package mongoerr

import (
	"errors"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Code is a MongoDB error code. The names of the known ones are in the table in codes.go; any other number is a
// "Location" code, as MongoDB itself prints it.
type Code int32

// Name returns the code's codeName: its name in MongoDB's table, else "Location" and the number.
func (c Code) Name() string {
	if n, ok := names[c]; ok {
		return n
	}
	return "Location" + strconv.Itoa(int(c))
}

// Error is an error as a driver sees it, at the top level of a reply or inside writeErrors.
type Error struct {
	Code    Code
	Name    string
	Message string
	// Labels are sent as errorLabels: TransientTransactionError and its kin.
	Labels []string
	// KeyPattern and KeyValue accompany DuplicateKey.
	KeyPattern, KeyValue bson.Raw
	// ErrInfo accompanies DocumentValidationFailure: {failingDocumentId, details}.
	ErrInfo bson.Raw
}

// New makes an error with the code's name and a message formatted as by fmt.Sprintf.
func New(code Code, format string, args ...any) *Error {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	return &Error{Code: code, Name: code.Name(), Message: msg}
}

// Error returns the name and the message.
func (e *Error) Error() string { return e.Name + ": " + e.Message }

// Is makes errors.Is compare by code, so that callers can test for a code without knowing the message.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}

// WithLabels returns the error with further labels.
func (e *Error) WithLabels(labels ...string) *Error {
	c := *e
	c.Labels = append(append([]string(nil), e.Labels...), labels...)
	return &c
}

// Prefix returns the error with text put before its message, for errors that are found deep inside an argument.
func (e *Error) Prefix(text string) *Error {
	c := *e
	c.Message = text + c.Message
	return &c
}

// CodeOf returns the code of a MongoDB error anywhere in err's chain, 0 when there is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// As returns err as a MongoDB error; anything else becomes InternalError with err's text.
func As(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return New(InternalError, "%s", err.Error())
}

// HasLabel reports whether the error carries the label.
func (e *Error) HasLabel(label string) bool {
	for _, l := range e.Labels {
		if l == label {
			return true
		}
	}
	return false
}

// Labels that change what a driver does.
const (
	LabelTransientTransaction     = "TransientTransactionError"
	LabelUnknownCommitResult      = "UnknownTransactionCommitResult"
	LabelRetryableWrite           = "RetryableWriteError"
	LabelResumableChangeStream    = "ResumableChangeStreamError"
	LabelNonResumableChangeStream = "NonResumableChangeStreamError"
)
