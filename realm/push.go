package realm

import (
	"context"
	"net/http"
	"net/url"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Push registers devices for push messages through Firebase Cloud Messaging
// (client-api.md §1.20).
type Push struct {
	user    *User
	service string
}

// ServiceName returns the name of the push service.
func (p *Push) ServiceName() string { return p.service }

// Register lets messages to the user reach the device with the FCM
// registration token. Registering again replaces the token. Fails with
// [ErrServiceNotFound].
func (p *Push) Register(ctx context.Context, registrationToken string) error {
	body, err := encode(bson.D{{Key: "registrationToken", Value: registrationToken}})
	if err != nil {
		return err
	}
	return p.call(ctx, http.MethodPut, body)
}

// Deregister ends the registration. It succeeds if there was none. Fails with
// [ErrServiceNotFound].
func (p *Push) Deregister(ctx context.Context) error {
	return p.call(ctx, http.MethodDelete, nil)
}

func (p *Push) call(ctx context.Context, method string, body []byte) error {
	_, err := p.user.do(ctx, request{
		method: method, path: "/push/providers/" + url.PathEscape(p.service) + "/registration", inApp: true, body: body,
	})
	return err
}
