package auth

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/fault"
	"regent/internal/session"
)

// DeleteUser deletes the session's user at its own wish (client-api.md §1.11).
// Its documents, custom data among them, stay.
func (s *Service) DeleteUser(ctx context.Context, se *session.Session) error {
	return s.removeUser(ctx, se.UserID)
}

// removeUser deletes a user with everything it logs in by. What lets somebody in
// goes first and the user last: should the process die between, no credential
// survives its user, and deleting once more completes the work.
func (s *Service) removeUser(ctx context.Context, id bson.ObjectID) error {
	r, err := s.findUser(ctx, bson.D{{Key: "_id", Value: id}, {Key: "app", Value: s.Domain}})
	if errors.Is(err, errNoUser) {
		return fault.New(fault.UserNotFound, "user not found")
	}
	if err != nil {
		return err
	}
	if err := s.deleteAccounts(ctx, r.Identities); err != nil {
		return err
	}
	if _, err := s.store.apiKeys.DeleteMany(ctx, bson.D{{Key: "user", Value: id}, {Key: "app", Value: s.Domain}}); err != nil {
		return fmt.Errorf("deleting API keys: %w", err)
	}
	res, err := s.store.users.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}})
	s.users.Evict(id)
	if err != nil {
		return fmt.Errorf("deleting a user: %w", err)
	}
	if _, err := s.Sessions.RevokeUser(ctx, s.Domain, id); err != nil {
		return fmt.Errorf("ending a deleted user's sessions: %w", err)
	}
	if res.DeletedCount == 1 {
		s.emit(Delete, providersOf(r), r)
	}
	return nil
}

func providersOf(r *record) []string {
	var names []string
	for _, id := range r.Identities {
		names = append(names, id.ProviderType)
	}
	return names
}
