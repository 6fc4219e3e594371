package function

import (
	"errors"
	"net"
	"syscall"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/fault"
	"regent/internal/function/wire"
)

// ScriptError is what a function threw: the cause of the *fault.Error that a
// call returns, for the log.
type ScriptError struct {
	Name    string
	Message string
	Stack   string // in the user's own files
}

// Error gives the message.
func (e *ScriptError) Error() string { return e.Message }

// errorOf turns a call's failure into what a client may see (client-api.md §1.16.3).
func errorOf(f *wire.Failure) error {
	code := fault.FunctionExecutionError
	switch fault.Code(f.Code) {
	case fault.ExecutionTimeLimitExceeded, fault.FunctionNotFound, fault.FunctionSyntaxError:
		code = fault.Code(f.Code)
	}
	return fault.New(code, "%s", f.Message).WithCause(&ScriptError{Name: f.Name, Message: f.Message, Stack: f.Stack})
}

// failureOf turns an operation's error into what the function sees.
func failureOf(err error) *wire.Failure {
	out := &wire.Failure{Name: "Error", Message: err.Error()}
	var known *fault.Error
	if errors.As(err, &known) {
		out.Code = string(known.Code)
	}
	var command mongo.CommandError
	var write mongo.WriteException
	var bulk mongo.BulkWriteException
	switch {
	case errors.As(err, &command):
		out.Name, out.Number, out.Labels = "MongoServerError", command.Code, command.Labels
	case errors.As(err, &write):
		out.Name, out.Labels = "MongoServerError", write.Labels
		if len(write.WriteErrors) > 0 {
			out.Number = int32(write.WriteErrors[0].Code)
		}
	case errors.As(err, &bulk):
		out.Name, out.Labels = "MongoBulkWriteError", bulk.Labels
		if len(bulk.WriteErrors) > 0 {
			out.Number = int32(bulk.WriteErrors[0].Code)
		}
	case errors.As(err, new(*networkError)):
		out.Code = errorCode(err)
	case known == nil:
		// Not meant for anybody outside; the function may still handle it.
		out.Message = "internal error: " + out.Message
	}
	return out
}

// errorCode is the code that Node gives an error of the network.
func errorCode(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "ENOTFOUND"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "ECONNREFUSED"
	case errors.Is(err, syscall.ECONNRESET):
		return "ECONNRESET"
	case errors.Is(err, syscall.EPIPE):
		return "EPIPE"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "ETIMEDOUT"
	}
	return ""
}
