// Package caller says on whose behalf something runs: who asked, with which
// rights it is done, and what is known of the request. It travels from the HTTP
// layer through functions to rules; nothing below the HTTP layer looks at
// http.Request.
package caller

import (
	"net/http"

	"regent/internal/user"
)

// Caller is the identity under which an operation runs.
type Caller struct {
	// User is the authenticated user (context.user, %%user); nil when nobody
	// authenticated, as in a trigger.
	User *user.User

	// System is set when the operation runs as the system user, which bypasses
	// rules, filters, schemas and operator restrictions (app-services.md §4.2).
	System bool

	// Request describes the client's request; nil outside of one.
	Request *Request
}

// Request is what rules (%%request) and functions (context.request) may see of
// the client's request.
type Request struct {
	ID         string // correlation id: reply header, error link, log
	RemoteIP   string // after --trusted-proxies
	Header     http.Header
	Method     string
	RawQuery   string // without secret=… pairs
	Referrer   string
	UserAgent  string
	WebhookURL string // endpoint route or path of an incoming webhook, empty otherwise
	Service    string // service and action of a service call, empty otherwise
	Action     string
	DeviceID   string
	SessionID  string
}
