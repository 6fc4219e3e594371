package mail

// Compose writes a mail.
func Compose(l Link) (Message, error) {
	return Message{Kind: l.Kind, App: l.App, To: l.To, Subject: l.Subject, Text: l.URL, Link: l.URL}, nil
}
