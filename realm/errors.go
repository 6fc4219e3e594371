package realm

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is a call that failed: refused by the server, answered in a way the
// protocol does not know, or not answered at all. Every call that reaches for
// the network fails with an *Error in its chain:
//
//	var e *realm.Error
//	if errors.As(err, &e) { log.Print(e.StatusCode, e.Code, e.Link) }
//
// The reason is tested with [errors.Is] against the Err… codes of this
// package, or against the cause (context.DeadlineExceeded, io.ErrUnexpectedEOF …).
type Error struct {
	// Method and URL of the request. The URL has no query.
	Method, URL string
	// StatusCode of the answer, 0 when there was none.
	StatusCode int
	// Code is the server's error_code, or the client's own for an answer that
	// could not be read, or empty when there is neither.
	Code Code
	// Message is the server's text, word for word, or a description.
	Message string
	// Link leads to the server's log entry for the request.
	Link string
	// RetryAfter is how long the server asks to wait, 0 when it does not say.
	RetryAfter time.Duration
	// Err is the cause inside this process: a network error, a cancelled
	// context, a value that could not be decoded.
	Err error
}

// Error returns one line: method, URL, text, status and code.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("realm: ")
	b.WriteString(e.Method)
	b.WriteByte(' ')
	b.WriteString(e.URL)
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	var notes []string
	if e.StatusCode != 0 {
		notes = append(notes, strings.TrimSpace(strconv.Itoa(e.StatusCode)+" "+http.StatusText(e.StatusCode)))
	}
	if e.Code != "" {
		notes = append(notes, string(e.Code))
	}
	if len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, ", ") + ")")
	}
	return b.String()
}

// Unwrap returns the cause inside this process, if there is one.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the failure is the one that a [Code] stands for.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	if !ok {
		return false
	}
	switch code {
	case ErrTooManyRequests:
		return e.StatusCode == http.StatusTooManyRequests || e.Code == code
	case ErrIdentityInUse:
		return strings.HasPrefix(e.Message, identityInUseText) || e.Code == code
	}
	return e.Code != "" && e.Code == code
}

// identityInUseText is what the original and Regent say when the identity to
// link has another owner (client-api.md §1.6).
const identityInUseText = "a user already exists with the specified provider"

// NumericCode returns the number of the native SDKs: that of a known code, 4355
// for a code outside the table, 4351 for a text without a code, 4000 for a
// call that got no answer (client-api.md §1.14).
func (e *Error) NumericCode() int {
	switch {
	case e.Code != "":
		return e.Code.Number()
	case e.StatusCode != 0:
		return 4351
	default:
		return 4000
	}
}

// loggedOut is the error of a call whose session has ended: it is
// ErrLoggedOut and, where the server said so, also the server's error.
func loggedOut(id string, cause error) error {
	if cause == nil {
		return fmt.Errorf("user %s: %w", id, ErrLoggedOut)
	}
	return fmt.Errorf("user %s: %w: %w", id, ErrLoggedOut, cause)
}

// asError gives an error that has no request yet, such as a context that ended
// while waiting for others, the request it was about.
func asError(err error, method, target string) error {
	var e *Error
	if err == nil || errors.As(err, &e) || errors.Is(err, ErrLoggedOut) || errors.Is(err, ErrNoRefreshToken) {
		return err
	}
	return &Error{Method: method, URL: target, Err: err}
}
