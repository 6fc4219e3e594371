package auth

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/fault"
	"regent/internal/user"
)

// How often, and how many at once, idle anonymous users are removed.
const (
	sweepEvery = time.Hour
	sweepFirst = time.Minute
	sweepBatch = 1000
)

// sweep removes idle anonymous users until ctx ends. Several processes may do so
// at once.
func (s *Service) sweep(ctx context.Context) {
	wait := sweepFirst
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = sweepEvery
		n, err := s.RemoveIdleAnonymous(ctx, sweepBatch)
		if err != nil && ctx.Err() == nil {
			s.Logger.Error("idle anonymous users were not removed", "error", err)
		}
		if n > 0 {
			s.Logger.Info("idle anonymous users removed", "users", n)
		}
		if n == sweepBatch {
			wait = time.Second
		}
	}
}

// RemoveIdleAnonymous deletes anonymous users who were not seen since idle ago
// (anonymous_user_max_idle_days) and have no other identity; at most most of
// them. Refreshing a session counts as being seen. Their documents stay. With
// the setting at 0 nobody is removed.
func (s *Service) RemoveIdleAnonymous(ctx context.Context, most int) (int, error) {
	days := s.settings.AnonymousUserMaxIdleDays
	if days <= 0 {
		return 0, nil
	}
	before := s.Now().Add(-time.Duration(days) * 24 * time.Hour)
	removed, after := 0, bson.NilObjectID
	for removed < most {
		// Who was seen lately by a session stays, so the next page must not
		// begin with the same users.
		cursor, err := s.store.users.Find(ctx, bson.D{
			{Key: "app", Value: s.Domain}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}},
			{Key: "type", Value: user.Normal}, {Key: "last_login", Value: bson.D{{Key: "$lt", Value: before}}},
			{Key: "identities.0.provider_type", Value: user.AnonUser}, {Key: "identities.1", Value: bson.D{{Key: "$exists", Value: false}}},
		}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(min(most-removed, idlePage))))
		if err != nil {
			return removed, fmt.Errorf("looking for idle anonymous users: %w", err)
		}
		var page []record
		if err := cursor.All(ctx, &page); err != nil {
			return removed, fmt.Errorf("looking for idle anonymous users: %w", err)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].ID
		for i := range page {
			gone, err := s.removeIfIdle(ctx, page[i].ID, before)
			if err != nil {
				return removed, err
			}
			if gone {
				removed++
			}
		}
	}
	return removed, nil
}

// idlePage is how many users are looked at together.
const idlePage = 200

func (s *Service) removeIfIdle(ctx context.Context, id bson.ObjectID, before time.Time) (bool, error) {
	sessions, err := s.Sessions.List(ctx, s.Domain, id)
	if err != nil {
		return false, err
	}
	for _, st := range sessions {
		if !st.Used.Before(before) {
			return false, nil
		}
	}
	err = s.removeUser(ctx, id)
	if code, _ := fault.CodeOf(err); code == fault.UserNotFound {
		return false, nil // another process was faster
	}
	return err == nil, err
}
