package realm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// CallFunction calls a function of the app as this user. Arguments are Go
// values with a BSON form; the result is nil for null and undefined, bson.M
// for a document, bson.A for an array, and otherwise the Go type of the BSON
// type (int32, int64, float64, string, bool, bson.ObjectID, bson.DateTime, …).
// [Call] decodes into a type of yours.
//
// Common errors: [ErrFunctionNotFound], [ErrFunctionExecution] with the
// exception's text, [ErrExecutionTimeLimitExceeded], [ErrLoggedOut].
func (u *User) CallFunction(ctx context.Context, name string, args ...any) (any, error) {
	return Call[any](ctx, u, name, args...)
}

// CallServiceFunction calls an action of a service by name, such as one that
// this package has no method for. The result is as in [User.CallFunction].
func (u *User) CallServiceFunction(ctx context.Context, service, name string, args ...any) (any, error) {
	return callAs[any](ctx, u, service, name, args)
}

// Call calls a function of the app as the user and decodes the result into T:
//
//	sum, err := realm.Call[int](ctx, user, "sum", 1, 2)
//
// T may be any type that BSON decodes into, bson.Raw and bson.RawValue
// included; null and undefined give the zero T. A result that does not fit T
// is [ErrBadBSON].
func Call[T any](ctx context.Context, user *User, name string, args ...any) (T, error) {
	return callAs[T](ctx, user, "", name, args)
}

// Function is a function of the app bound to a user: a value that can be
// stored and called any number of times.
type Function struct {
	user *User
	name string
}

// Function returns the function of that name, bound to this user. No request
// is made; a wrong name shows when it is called.
func (u *User) Function(name string) Function { return Function{user: u, name: name} }

// Name returns the function's name.
func (f Function) Name() string { return f.name }

// Call calls the function; see [User.CallFunction].
func (f Function) Call(ctx context.Context, args ...any) (any, error) {
	if f.user == nil {
		return nil, fmt.Errorf("calling an unbound function: %w", ErrUserUnknown)
	}
	return Call[any](ctx, f.user, f.name, args...)
}

// FunctionOf returns the function of that name, bound to the user and to the
// type of its result:
//
//	sum := realm.FunctionOf[int](user, "sum")
//	three, err := sum(ctx, 1, 2)
func FunctionOf[T any](user *User, name string) func(ctx context.Context, args ...any) (T, error) {
	return func(ctx context.Context, args ...any) (T, error) { return Call[T](ctx, user, name, args...) }
}

// functionCall is the body of a call (client-api.md §1.16).
type functionCall struct {
	Arguments []any  `bson:"arguments"`
	Name      string `bson:"name"`
	Service   string `bson:"service,omitempty"`
}

// arguments never is nil: the protocol wants an array.
func arguments(args []any) []any {
	if args == nil {
		return []any{}
	}
	return args
}

// callAs makes a function call, or a service action if service is not empty.
func callAs[T any](ctx context.Context, user *User, service, name string, args []any) (T, error) {
	var zero T
	body, err := encode(functionCall{Arguments: arguments(args), Name: name, Service: service})
	if err != nil {
		return zero, err
	}
	r := request{method: http.MethodPost, path: "/functions/call", inApp: true, body: body}
	answer, err := user.do(ctx, r)
	if err != nil {
		return zero, err
	}
	if len(answer) == 0 {
		return zero, nil // a function without a result, from a server that sends no body
	}
	result, err := decode[T](answer)
	if err != nil {
		return zero, user.app.badAnswer(r, codeOf(err), "the result of "+name, err)
	}
	return result, nil
}

// codeOf returns the Code that a decoding error carries.
func codeOf(err error) Code {
	for _, c := range []Code{ErrMalformedJSON, ErrBadBSON} {
		if errors.Is(err, c) {
			return c
		}
	}
	return ErrBadBSON
}
