package auth

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/caller"
	"regent/internal/fault"
)

// reset sets a new password by the token pair of a mail or function. The
// account's sessions end: who resets a password may have lost control of one.
func (s *Service) reset(ctx context.Context, _ *provider, body bson.Raw, request *caller.Request) error {
	pass, err := text(body, "password")
	if err != nil {
		return err
	}
	if err := checkPassword(pass); err != nil {
		return err
	}
	return s.withToken(ctx, body, purposeReset, request, func(accountID bson.ObjectID) error {
		ok, err := s.changePassword(ctx, accountID, pass)
		if err != nil {
			return err
		}
		if !ok {
			return errTokenInvalid()
		}
		return s.endSessions(ctx, accountID)
	})
}

// changePassword reports whether the account still exists.
func (s *Service) changePassword(ctx context.Context, accountID bson.ObjectID, pass string) (bool, error) {
	h, err := s.hash(ctx, pass)
	if err != nil {
		return false, err
	}
	res, err := s.store.accounts.UpdateOne(ctx, bson.D{{Key: "_id", Value: accountID}, {Key: "app", Value: s.Domain}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "hash", Value: h}}}})
	if err != nil {
		return false, fmt.Errorf("changing a password: %w", err)
	}
	// Whatever else was sent to reset the old password is void.
	if _, err := s.store.tokens.DeleteMany(ctx, bson.D{{Key: "account", Value: accountID}, {Key: "purpose", Value: purposeReset}}); err != nil {
		return false, fmt.Errorf("removing reset tokens: %w", err)
	}
	return res.MatchedCount == 1, nil
}

// resetSend mails a reset link.
func (s *Service) resetSend(ctx context.Context, p *provider, body bson.Raw, request *caller.Request) error {
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
	if flag(p.Config, "runResetFunction") {
		return s.unlessHidden(fault.New(fault.None, "please use reset password via function"))
	}
	return s.sendReset(ctx, p, a)
}

// resetCall runs the app's reset function (app-services.md §2.4): success sets
// the password at once, pending leaves it to a later reset with the token pair.
func (s *Service) resetCall(ctx context.Context, p *provider, body bson.Raw, request *caller.Request) error {
	email, err := emailOf(body)
	if err != nil {
		return err
	}
	if err := s.throttleCall(ctx, countResets, email, request); err != nil {
		return err
	}
	pass, err := text(body, "password")
	if err != nil {
		return err
	}
	if err := checkPassword(pass); err != nil {
		return err
	}
	var extra []bson.RawValue
	if v, err := body.LookupErr("arguments"); err == nil && v.Type != bson.TypeNull {
		arr, ok := v.ArrayOK()
		if !ok {
			return errBody("'arguments' must be an array")
		}
		if extra, err = arr.Values(); err != nil {
			return errBody("malformed 'arguments'")
		}
	}
	if !flag(p.Config, "runResetFunction") {
		return fault.New(fault.None, "cannot reset the password via function: no reset function is configured")
	}
	a, err := s.known(ctx, email)
	if a == nil {
		return err
	}
	current, _, err := s.verify(ctx, a.Hash, pass)
	if err != nil {
		return err
	}
	t, err := s.newToken(ctx, a, purposeReset)
	if err != nil {
		return err
	}
	arg, err := bson.Marshal(bson.D{
		{Key: "token", Value: t.secret}, {Key: "tokenId", Value: t.id.Hex()}, {Key: "username", Value: a.Email},
		{Key: "password", Value: pass}, {Key: "currentPasswordValid", Value: current},
	})
	if err != nil {
		return err
	}
	args := append([]bson.RawValue{{Type: bson.TypeEmbeddedDocument, Value: arg}}, extra...)
	status, err := s.callStatus(ctx, optionalText(p.Config, "resetFunctionName"), args, request)
	if err != nil {
		s.Logger.Warn("reset function failed", "error", err)
	}
	switch status {
	case "success":
		ok, err := s.changePassword(ctx, a.ID, pass)
		if err == nil && !ok {
			return fault.New(fault.UserNotFound, "user not found")
		}
		return err
	case "pending":
		return nil
	}
	s.dropToken(ctx, t)
	// No code: SDKs expect the unknown class (client-api.md §1.8).
	return s.unlessHidden(fault.New(fault.None, "failed to reset password for user \"%s\"", a.Email).WithCause(err))
}
