package realm

import (
	"context"
	"net/http"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// EmailPasswordAuth manages e-mail/password accounts (client-api.md §1.8).
// None of its calls needs a user.
type EmailPasswordAuth struct{ app *App }

// RegisterUser makes an account. Whether it can be used at once, or must be
// confirmed first, is the app's setting. Fails with [ErrAccountNameInUse], or
// with [ErrBadRequest] for a password outside 6 to 128 characters.
func (e *EmailPasswordAuth) RegisterUser(ctx context.Context, email, password string) error {
	return e.post(ctx, "/register", bson.D{{Key: "email", Value: email}, {Key: "password", Value: password}})
}

// ConfirmUser confirms an account with the two tokens from the confirmation
// mail. Fails with [ErrBadRequest] or [ErrUserpassTokenInvalid].
func (e *EmailPasswordAuth) ConfirmUser(ctx context.Context, token, tokenID string) error {
	return e.post(ctx, "/confirm", bson.D{{Key: "token", Value: token}, {Key: "tokenId", Value: tokenID}})
}

// ResendConfirmationEmail sends the confirmation mail again. Fails with
// [ErrUserNotFound] or [ErrUserAlreadyConfirmed].
func (e *EmailPasswordAuth) ResendConfirmationEmail(ctx context.Context, email string) error {
	return e.post(ctx, "/confirm/send", bson.D{{Key: "email", Value: email}})
}

// RetryCustomConfirmation runs the app's confirmation function again. Fails
// with [ErrUserNotFound] or [ErrUserAlreadyConfirmed].
func (e *EmailPasswordAuth) RetryCustomConfirmation(ctx context.Context, email string) error {
	return e.post(ctx, "/confirm/call", bson.D{{Key: "email", Value: email}})
}

// SendResetPasswordEmail sends the mail that lets the owner choose a new
// password. Fails with [ErrUserNotFound].
func (e *EmailPasswordAuth) SendResetPasswordEmail(ctx context.Context, email string) error {
	return e.post(ctx, "/reset/send", bson.D{{Key: "email", Value: email}})
}

// ResetPassword sets a new password with the two tokens from the reset mail.
// Fails with [ErrBadRequest] or [ErrUserpassTokenInvalid].
func (e *EmailPasswordAuth) ResetPassword(ctx context.Context, token, tokenID, newPassword string) error {
	return e.post(ctx, "/reset", bson.D{{Key: "token", Value: token}, {Key: "tokenId", Value: tokenID}, {Key: "password", Value: newPassword}})
}

// CallResetPasswordFunction runs the app's reset function, which decides
// whether the account gets the new password. The function receives args after
// its own first argument. Fails with [ErrUserNotFound].
func (e *EmailPasswordAuth) CallResetPasswordFunction(ctx context.Context, email, newPassword string, args ...any) error {
	return e.post(ctx, "/reset/call", bson.D{
		{Key: "email", Value: email}, {Key: "password", Value: newPassword}, {Key: "arguments", Value: arguments(args)},
	})
}

// post makes one of the calls; the answer has no content.
func (e *EmailPasswordAuth) post(ctx context.Context, path string, doc bson.D) error {
	body, err := encode(doc)
	if err != nil {
		return err
	}
	_, err = e.app.exchange(ctx, request{
		method: http.MethodPost, path: "/auth/providers/local-userpass" + path, inApp: true, body: body,
	})
	return err
}
