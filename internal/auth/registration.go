package auth

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/user"
)

// confirmation is how the app confirms addresses. Where several are configured
// the first of this order counts (app-services.md §2.4).
type confirmation int

const (
	confirmAutomatically confirmation = iota
	confirmByFunction
	confirmByMail
)

func (p *provider) confirmation() confirmation {
	switch {
	case flag(p.Config, "autoConfirm"):
		return confirmAutomatically
	case flag(p.Config, "runConfirmationFunction"):
		return confirmByFunction
	}
	return confirmByMail
}

// userpassCall is a row of the table of calls below local-userpass/.
type userpassCall struct {
	name string
	run  func(*Service, context.Context, *provider, bson.Raw, *caller.Request) error
}

// The calls of client-api.md §1.8.
func userpassCalls() []userpassCall {
	return []userpassCall{
		{"register", (*Service).register},
		{"confirm", (*Service).confirm},
		{"confirm/send", (*Service).confirmSend},
		{"confirm/call", (*Service).confirmCall},
		{"reset", (*Service).reset},
		{"reset/send", (*Service).resetSend},
		{"reset/call", (*Service).resetCall},
	}
}

// Userpass performs one of the calls of client-api.md §1.8 by its path below
// local-userpass/.
func (s *Service) Userpass(ctx context.Context, call string, body bson.Raw, request *caller.Request) error {
	p, err := s.provider(user.LocalUserpass)
	if err != nil {
		return err
	}
	for _, c := range userpassCalls() {
		if c.name == call {
			return c.run(s, ctx, p, body, request)
		}
	}
	return fault.New(fault.None, "no such call: local-userpass/%s", call).WithStatus(404)
}

func emailOf(body bson.Raw) (string, error) {
	email, err := text(body, "email")
	if err != nil {
		return "", err
	}
	if len(email) > MaxEmail {
		return "", errBody("email must have at most %d bytes", MaxEmail)
	}
	return email, nil
}

// register makes an account. Errors: AccountNameInUse, BadRequest.
func (s *Service) register(ctx context.Context, p *provider, body bson.Raw, request *caller.Request) error {
	if err := s.throttleCall(ctx, countRegistrations, "", request); err != nil {
		return err
	}
	email, err := emailOf(body)
	if err != nil {
		return err
	}
	pass, err := text(body, "password")
	if err != nil {
		return err
	}
	if email == "" {
		return errBody("email invalid")
	}
	if err := checkPassword(pass); err != nil {
		return err
	}
	how := p.confirmation()
	if how == confirmByMail && !plausibleAddress(email) {
		// Only auto-confirmed and function-confirmed names may be anything.
		return errBody("email invalid")
	}
	now := s.Now()
	a := &account{ID: bson.NewObjectID(), App: s.Domain, Email: email, State: pending, Created: now}
	if how == confirmAutomatically {
		a.State, a.Confirmed = confirmed, &now
	}
	// The hash is computed even for a name that is taken: the time must not tell
	// under hide_accounts.
	if a.Hash, err = s.hash(ctx, pass); err != nil {
		return err
	}
	if _, err := s.store.accounts.InsertOne(ctx, a); err != nil {
		if !mongo.IsDuplicateKeyError(err) {
			return fmt.Errorf("registering: %w", err)
		}
		if s.hidden() {
			return nil
		}
		return fault.New(fault.AccountNameInUse, "name already in use")
	}
	switch how {
	case confirmByFunction:
		err = s.runConfirmation(ctx, p, a, request)
	case confirmByMail:
		err = s.sendConfirmation(ctx, p, a)
	}
	if err == nil {
		return nil
	}
	// Refused, or the mail could not be sent: nothing remains, so that the
	// address can be registered again. Not if it was confirmed meanwhile.
	s.forgetPending(context.WithoutCancel(ctx), a)
	return err
}

// forgetPending removes an account that was never confirmed.
func (s *Service) forgetPending(ctx context.Context, a *account) {
	_, err := s.store.accounts.DeleteOne(ctx, bson.D{{Key: "_id", Value: a.ID}, {Key: "state", Value: pending}})
	if err == nil {
		_, err = s.store.tokens.DeleteMany(ctx, bson.D{{Key: "account", Value: a.ID}})
	}
	if err != nil {
		s.Logger.Error("a refused registration was not removed", "account", a.ID.Hex(), "error", err)
	}
}

// plausibleAddress wants local@domain without display name, comment or line break.
func plausibleAddress(email string) bool {
	a, err := mail.ParseAddress(email)
	return err == nil && a.Address == email && a.Name == "" && !strings.ContainsAny(email, "\r\n<> ")
}

// setConfirmed makes an account usable. It reports whether it still exists.
func (s *Service) setConfirmed(ctx context.Context, id bson.ObjectID) (bool, error) {
	res, err := s.store.accounts.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "app", Value: s.Domain}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "state", Value: confirmed}, {Key: "confirmed", Value: s.Now()}}}})
	if err != nil {
		return false, fmt.Errorf("confirming an account: %w", err)
	}
	if _, err := s.store.tokens.DeleteMany(ctx, bson.D{{Key: "account", Value: id}, {Key: "purpose", Value: purposeConfirm}}); err != nil {
		s.Logger.Warn("used-up confirmation tokens were not removed; they expire", "account", id.Hex(), "error", err)
	}
	return res.MatchedCount == 1, nil
}

// confirm completes a registration by the token pair of a mail or function.
func (s *Service) confirm(ctx context.Context, _ *provider, body bson.Raw, request *caller.Request) error {
	return s.withToken(ctx, body, purposeConfirm, request, func(accountID bson.ObjectID) error {
		ok, err := s.setConfirmed(ctx, accountID)
		if err == nil && !ok {
			return errTokenInvalid()
		}
		return err
	})
}

// confirmSend sends the confirmation mail once more.
func (s *Service) confirmSend(ctx context.Context, p *provider, body bson.Raw, request *caller.Request) error {
	email, err := emailOf(body)
	if err != nil {
		return err
	}
	if err := s.throttleCall(ctx, countMails, email, request); err != nil {
		return err
	}
	a, err := s.known(ctx, email)
	if a == nil {
		return err
	}
	if a.State == confirmed {
		return s.unlessHidden(fault.New(fault.UserAlreadyConfirmed, "already confirmed"))
	}
	switch p.confirmation() {
	case confirmAutomatically:
		return s.unlessHidden(errAutomatic(email))
	case confirmByFunction:
		return s.unlessHidden(fault.New(fault.None, "please use confirmation via function"))
	}
	return s.sendConfirmation(ctx, p, a)
}

// confirmCall runs the confirmation function once more.
func (s *Service) confirmCall(ctx context.Context, p *provider, body bson.Raw, request *caller.Request) error {
	email, err := emailOf(body)
	if err != nil {
		return err
	}
	if err := s.throttleCall(ctx, countMails, email, request); err != nil {
		return err
	}
	switch p.confirmation() {
	case confirmAutomatically:
		return errAutomatic(email)
	case confirmByMail:
		return fault.New(fault.None, "cannot run confirmation for %s: no confirmation function is configured", email)
	}
	a, err := s.known(ctx, email)
	if a == nil {
		return err
	}
	if a.State == confirmed {
		return s.unlessHidden(fault.New(fault.UserAlreadyConfirmed, "already confirmed"))
	}
	err = s.runConfirmation(ctx, p, a, request)
	if code, refused := fault.CodeOf(err); refused && code == fault.BadRequest {
		s.forgetPending(context.WithoutCancel(ctx), a)
	}
	return err
}

// errAutomatic has no code: SDKs expect the unknown class (client-api.md §1.8).
func errAutomatic(email string) *fault.Error {
	return fault.New(fault.None, "cannot run confirmation for %s: automatic confirmation is enabled", email)
}

// known finds an account for a call that names it. Without one the account is
// nil, and the error is UserNotFound, or nil under hide_accounts.
func (s *Service) known(ctx context.Context, email string) (*account, error) {
	a, err := s.findAccount(ctx, email)
	if errors.Is(err, errNoAccount) {
		return nil, s.unlessHidden(fault.New(fault.UserNotFound, "user not found"))
	}
	return a, err
}

// hidden is the setting hide_accounts: nobody learns which addresses have accounts.
func (s *Service) hidden() bool { return s.settings.HideAccounts }

func (s *Service) unlessHidden(err error) error {
	if s.hidden() {
		return nil
	}
	return err
}
