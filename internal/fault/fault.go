// Package fault holds the errors that a client may see: a code from the
// protocol's own table (client-api.md §1.14), the HTTP status that goes with
// it, and a text for the person at the other end.
//
// Every service returns a *Error for what is the caller's fault or the app's;
// anything else is an internal error, whose text never leaves the process.
// Exactly one function turns either into an HTTP reply: package api/client.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code is an error_code as the SDKs know it. The empty code is legal: the
// protocol's tables ask for a text without a code in several places, which
// native SDKs report as AppUnknownError.
type Code string

// The codes of client-api.md §1.14.
const (
	None                        Code = ""
	MissingAuthReq              Code = "MissingAuthReq"
	InvalidSession              Code = "InvalidSession"
	UserAppDomainMismatch       Code = "UserAppDomainMismatch"
	DomainNotAllowed            Code = "DomainNotAllowed"
	ReadSizeLimitExceeded       Code = "ReadSizeLimitExceeded"
	InvalidParameter            Code = "InvalidParameter"
	MissingParameter            Code = "MissingParameter"
	TwilioError                 Code = "TwilioError"
	GCMError                    Code = "GCMError"
	HTTPError                   Code = "HTTPError"
	AWSError                    Code = "AWSError"
	MongoDBError                Code = "MongoDBError"
	ArgumentsNotAllowed         Code = "ArgumentsNotAllowed"
	FunctionExecutionError      Code = "FunctionExecutionError"
	NoMatchingRuleFound         Code = "NoMatchingRuleFound"
	InternalServerError         Code = "InternalServerError"
	AuthProviderNotFound        Code = "AuthProviderNotFound"
	AuthProviderAlreadyExists   Code = "AuthProviderAlreadyExists"
	ServiceNotFound             Code = "ServiceNotFound"
	ServiceTypeNotFound         Code = "ServiceTypeNotFound"
	ServiceCommandNotFound      Code = "ServiceCommandNotFound"
	ValueNotFound               Code = "ValueNotFound"
	FunctionNotFound            Code = "FunctionNotFound"
	FunctionSyntaxError         Code = "FunctionSyntaxError"
	FunctionInvalid             Code = "FunctionInvalid"
	IncomingWebhookNotFound     Code = "IncomingWebhookNotFound"
	IncomingWebhookAuthFailed   Code = "IncomingWebhookAuthFailed"
	RuleNotFound                Code = "RuleNotFound"
	APIKeyNotFound              Code = "APIKeyNotFound"
	APIKeyAlreadyExists         Code = "APIKeyAlreadyExists"
	RestrictedHost              Code = "RestrictedHost"
	ExecutionTimeLimitExceeded  Code = "ExecutionTimeLimitExceeded"
	NotCallable                 Code = "NotCallable"
	UserAlreadyConfirmed        Code = "UserAlreadyConfirmed"
	UserNotFound                Code = "UserNotFound"
	UserDisabled                Code = "UserDisabled"
	AuthError                   Code = "AuthError"
	BadRequest                  Code = "BadRequest"
	AccountNameInUse            Code = "AccountNameInUse"
	InvalidPassword             Code = "InvalidPassword"
	SchemaValidationFailedWrite Code = "SchemaValidationFailedWrite"
	MaintenanceInProgress       Code = "MaintenanceInProgress"
	UserpassTokenInvalid        Code = "UserpassTokenInvalid"
)

// statuses gives the HTTP status of a code where it is not 400.
var statuses = map[Code]int{
	MissingAuthReq:            401,
	InvalidSession:            401,
	DomainNotAllowed:          403,
	NoMatchingRuleFound:       403,
	InternalServerError:       500,
	AuthProviderNotFound:      404,
	AuthProviderAlreadyExists: 409,
	ServiceNotFound:           404,
	ServiceTypeNotFound:       404,
	ServiceCommandNotFound:    404,
	ValueNotFound:             404,
	FunctionNotFound:          404,
	IncomingWebhookNotFound:   404,
	IncomingWebhookAuthFailed: 401,
	RuleNotFound:              404,
	APIKeyNotFound:            404,
	APIKeyAlreadyExists:       409,
	UserNotFound:              404,
	UserDisabled:              401,
	AuthError:                 401,
	AccountNameInUse:          409,
	InvalidPassword:           401,
	MaintenanceInProgress:     500,
}

// Error is an error with a code, a status and a text that a client may see.
type Error struct {
	Code    Code
	Status  int    // HTTP status, never 0
	Message string // sent to the client verbatim

	// RetryAfter is sent as a Retry-After header when it is not 0.
	RetryAfter time.Duration

	// Cause is for the log only.
	Cause error
}

// New returns an error with the status that the code has in the protocol's
// table (400 where the table has none).
func New(code Code, format string, args ...any) *Error {
	status := statuses[code]
	if status == 0 {
		status = 400
	}
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// NotServed says that a part of the original is not built here, by its name.
func NotServed(feature string) *Error {
	return New(None, "%s is not served by this version of Regent", feature).WithStatus(501)
}

// WithStatus returns a copy of e with another HTTP status.
func (e *Error) WithStatus(status int) *Error {
	c := *e
	c.Status = status
	return &c
}

// WithCause returns a copy of e that carries a cause for the log.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.Cause = err
	return &c
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf returns the code of the *Error in err's chain, and whether there is one.
func CodeOf(err error) (Code, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Code, true
	}
	return None, false
}
