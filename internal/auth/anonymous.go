package auth

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// anonymous lets everybody in, each time as a new user (app-services.md §2.3).
type anonymous struct{ s *Service }

func openAnonymous(s *Service, _ *app.Provider) (authenticator, error) { return &anonymous{s}, nil }

// authenticate makes an identity id of 49 characters, 24 hex digits and 24
// letters with a hyphen between (client-api.md §1.10).
func (p *anonymous) authenticate(context.Context, *attempt) (*identified, error) {
	tail, err := letters(p.s.Rand, 24)
	if err != nil {
		return nil, err
	}
	return &identified{id: bson.NewObjectID().Hex() + "-" + tail, fresh: true}, nil
}
