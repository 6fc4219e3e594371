package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/mail"
)

// callStatus runs a confirmation or reset function and reads the status that it
// returns. A function that throws or returns something else has failed.
func (s *Service) callStatus(ctx context.Context, name string, args []bson.RawValue, request *caller.Request) (string, error) {
	if name == "" {
		return "fail", errors.New("the provider's configuration names no function")
	}
	if s.Functions == nil {
		return "fail", errors.New("this server runs no functions")
	}
	// No user calls it: whoever registers or resets is not logged in.
	result, err := s.Functions.Call(ctx, caller.Caller{System: true, Request: request}, name, args)
	if err != nil {
		return "fail", fmt.Errorf("function '%s': %w", name, err)
	}
	doc, ok := result.DocumentOK()
	if !ok {
		return "fail", fmt.Errorf("function '%s' returned %s, expected {status: \"success\", \"pending\" or \"fail\"}", name, result.Type)
	}
	status, _ := doc.Lookup("status").StringValueOK()
	switch status {
	case "success", "pending", "fail":
		return status, nil
	}
	return "fail", fmt.Errorf("function '%s' returned the status %q, expected success, pending or fail", name, cut(status, 40))
}

// runConfirmation asks the app's confirmation function about an account.
func (s *Service) runConfirmation(ctx context.Context, p *provider, a *account, request *caller.Request) error {
	t, err := s.newToken(ctx, a, purposeConfirm)
	if err != nil {
		return err
	}
	arg, err := bson.Marshal(bson.D{{Key: "token", Value: t.secret}, {Key: "tokenId", Value: t.id.Hex()}, {Key: "username", Value: a.Email}})
	if err != nil {
		return err
	}
	status, err := s.callStatus(ctx, optionalText(p.Config, "confirmationFunctionName"),
		[]bson.RawValue{{Type: bson.TypeEmbeddedDocument, Value: arg}}, request)
	if err != nil {
		s.Logger.Warn("confirmation function failed", "error", err)
	}
	switch status {
	case "success":
		ok, err := s.setConfirmed(ctx, a.ID)
		if err == nil && !ok {
			return fault.New(fault.UserNotFound, "user not found")
		}
		return err
	case "pending":
		return nil
	}
	return fault.New(fault.BadRequest, "failed to confirm user \"%s\"", a.Email).WithCause(err)
}

func (s *Service) sendConfirmation(ctx context.Context, p *provider, a *account) error {
	return s.sendLink(ctx, a, purposeConfirm, mail.Confirm, optionalText(p.Config, "emailConfirmationUrl"),
		cmp.Or(optionalText(p.Config, "confirmEmailSubject"), s.settings.MailConfirmSubject, "Confirm your e-mail address"))
}

func (s *Service) sendReset(ctx context.Context, p *provider, a *account) error {
	return s.sendLink(ctx, a, purposeReset, mail.Reset, optionalText(p.Config, "resetPasswordUrl"),
		cmp.Or(optionalText(p.Config, "resetPasswordSubject"), s.settings.MailResetSubject, "Reset your password"))
}

// sendLink mails a link with a new token pair. Under hide_accounts it returns at
// once: the time that sending takes would tell that there is an account.
func (s *Service) sendLink(ctx context.Context, a *account, why purpose, kind mail.Kind, page, subject string) error {
	t, err := s.newToken(ctx, a, why)
	if err != nil {
		return err
	}
	link, err := s.linkURL(page, why, t)
	if err == nil && s.Mail == nil {
		err = errors.New("this server sends no mail")
	}
	var m mail.Message
	if err == nil {
		m, err = mail.Compose(mail.Link{
			Kind: kind, App: s.App.Name, Templates: s.mailTemplates(), To: a.Email, Subject: subject,
			From: s.settings.MailFrom, ReplyTo: s.settings.MailReplyTo,
			URL: link, ValidFor: s.settings.ConfirmationTokenTTL,
		})
	}
	if err != nil {
		s.dropToken(ctx, t)
		s.Logger.Error("a mail could not be written", "kind", string(kind), "error", err)
		return s.unlessHidden(errProcessing(err))
	}
	if s.hidden() {
		ctx := context.WithoutCancel(ctx)
		go func() {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if err := s.Mail.Send(ctx, m); err != nil {
				s.Logger.Error("a mail could not be sent", "kind", string(kind), "error", err)
			}
		}()
		return nil
	}
	if err := s.Mail.Send(ctx, m); err != nil {
		s.dropToken(ctx, t)
		s.Logger.Error("a mail could not be sent", "kind", string(kind), "error", err)
		return errProcessing(err)
	}
	return nil
}

// mailTemplates is the folder of the app's own templates.
func (s *Service) mailTemplates() string {
	if s.App.Dir == "" || s.settings.MailTemplates == "" {
		return ""
	}
	return filepath.Join(s.App.Dir, filepath.FromSlash(s.settings.MailTemplates))
}

func errProcessing(cause error) *fault.Error {
	return fault.New(fault.None, "error processing request").WithCause(cause)
}

// linkURL is the app's own page with the token pair as query parameters, or the
// server's page when the app names none that could work: exports hold "https://"
// and empty strings (real-apps.md §2).
func (s *Service) linkURL(page string, why purpose, t issued) (string, error) {
	u, err := url.Parse(strings.TrimSpace(page))
	if err != nil || u.Scheme == "" || (u.Host == "" && u.Opaque == "" && strings.Trim(u.Path, "/") == "") {
		if !s.settings.MailShowPages {
			return "", fmt.Errorf("the provider's configuration names no page to %s, and mail_show_pages is false", why)
		}
		if u, err = url.Parse(s.PublicURL()); err != nil || u.Host == "" {
			return "", fmt.Errorf("the server does not know its public URL (%q)", s.PublicURL())
		}
		u = u.JoinPath(PagesPath, s.App.ID, string(why))
	}
	q := u.Query()
	q.Set("token", t.secret)
	q.Set("tokenId", t.id.Hex())
	u.RawQuery = q.Encode()
	return u.String(), nil
}
