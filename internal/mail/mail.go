// Package mail writes and sends the mails of accounts: confirm an address,
// reset a password.
package mail

import (
	"context"
	"time"
)

// Kind names a mail; templates are named for it.
type Kind string

// The mails that are sent.
const (
	Confirm Kind = "confirm"
	Reset   Kind = "reset"
)

// Message is a mail ready to be sent.
type Message struct {
	Kind    Kind
	App     string
	From    string // "Name <address>"; "": the sender's own
	ReplyTo string // "": none
	To      string
	Subject string
	Text    string
	HTML    string
	Link    string // what the mail asks the reader to open
}

// Sender delivers mails. Send returns when the mail was handed over.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Link is what a mail is written from.
type Link struct {
	Kind      Kind
	App       string // name of the app
	Templates string // folder of the app's own templates; "": none
	From      string
	ReplyTo   string
	To        string
	Subject   string
	URL       string
	ValidFor  time.Duration
}
