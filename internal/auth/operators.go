package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/fault"
	"regent/internal/session"
	"regent/internal/user"
)

// What operators do with users. Errors are *fault.Error with UserNotFound,
// AccountNameInUse and so on, where the operator is at fault.

// UserInfo is a user as operators see it.
type UserInfo struct {
	ID         string
	Type       user.Type
	Disabled   bool
	Created    time.Time
	LastLogin  time.Time // zero: never
	Data       bson.Raw
	Identities []user.Identity
}

func (r *record) info() UserInfo {
	i := UserInfo{ID: r.ID.Hex(), Type: r.Type, Disabled: r.Disabled, Created: r.Created, Data: r.view.Data, Identities: r.Identities}
	if r.LastLogin != nil {
		i.LastLogin = *r.LastLogin
	}
	return i
}

// UserFilter selects users.
type UserFilter struct {
	Disabled  *bool    // nil: both
	Providers []string // any of them; nil: all
	Email     string   // "": any
	After     string   // user id to go on after
	Desc      bool     // newest first
	Limit     int      // 0: 50, at most 1000
}

// Users lists users in the order of their ids, which is that of their creation
// except for imported ones.
func (s *Service) Users(ctx context.Context, f UserFilter) ([]UserInfo, error) {
	filter := bson.D{{Key: "app", Value: s.Domain}}
	if f.Disabled != nil {
		if *f.Disabled {
			filter = append(filter, bson.E{Key: "disabled", Value: true})
		} else {
			filter = append(filter, bson.E{Key: "disabled", Value: bson.D{{Key: "$ne", Value: true}}})
		}
	}
	if len(f.Providers) > 0 {
		filter = append(filter, bson.E{Key: "identities.provider_type", Value: bson.D{{Key: "$in", Value: f.Providers}}})
	}
	if f.Email != "" {
		a, err := s.findAccount(ctx, f.Email)
		if errors.Is(err, errNoAccount) {
			return []UserInfo{}, nil
		}
		if err != nil {
			return nil, err
		}
		filter = append(filter, bson.E{Key: "logins", Value: loginKey(user.LocalUserpass, a.ID.Hex())})
	}
	order, beyond := 1, "$gt"
	if f.Desc {
		order, beyond = -1, "$lt"
	}
	if f.After != "" {
		id, err := bson.ObjectIDFromHex(f.After)
		if err != nil {
			return nil, errBody("'after' must be a user id")
		}
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: beyond, Value: id}}})
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	cursor, err := s.store.users.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: order}}).SetLimit(int64(min(limit, 1000))))
	if err != nil {
		return nil, fmt.Errorf("listing users: %w", err)
	}
	var records []record
	if err := cursor.All(ctx, &records); err != nil {
		return nil, fmt.Errorf("listing users: %w", err)
	}
	out := make([]UserInfo, 0, len(records))
	for i := range records {
		out = append(out, records[i].shape().info())
	}
	return out, nil
}

// CountUsers counts the app's users.
func (s *Service) CountUsers(ctx context.Context) (int64, error) {
	return s.store.users.CountDocuments(ctx, bson.D{{Key: "app", Value: s.Domain}})
}

func errUserNotFound() *fault.Error { return fault.New(fault.UserNotFound, "user not found") }

func (s *Service) operand(ctx context.Context, id string) (*record, error) {
	oid, err := bson.ObjectIDFromHex(id)
	if err != nil {
		return nil, errUserNotFound()
	}
	r, err := s.readUser(ctx, oid)
	if errors.Is(err, errNoUser) {
		return nil, errUserNotFound()
	}
	return r, err
}

// ShowUser returns one user.
func (s *Service) ShowUser(ctx context.Context, id string) (UserInfo, error) {
	r, err := s.operand(ctx, id)
	if err != nil {
		return UserInfo{}, err
	}
	return r.info(), nil
}

// CreateUser makes a confirmed e-mail account with its user, which exists at
// once (app-services.md §2.4).
func (s *Service) CreateUser(ctx context.Context, email, pass string) (UserInfo, error) {
	p, err := s.provider(user.LocalUserpass)
	if err != nil {
		return UserInfo{}, err
	}
	if email == "" || len(email) > MaxEmail {
		return UserInfo{}, errBody("email invalid")
	}
	if err := checkPassword(pass); err != nil {
		return UserInfo{}, err
	}
	now := s.Now()
	a := &account{ID: bson.NewObjectID(), App: s.Domain, Email: email, State: confirmed, Created: now, Confirmed: &now}
	if a.Hash, err = s.hash(ctx, pass); err != nil {
		return UserInfo{}, err
	}
	if _, err := s.store.accounts.InsertOne(ctx, a); mongo.IsDuplicateKeyError(err) {
		return UserInfo{}, fault.New(fault.AccountNameInUse, "name already in use")
	} else if err != nil {
		return UserInfo{}, fmt.Errorf("creating an account: %w", err)
	}
	id, err := a.identified()
	if err != nil {
		return UserInfo{}, err
	}
	id.unseen = true
	r, created, err := s.admit(ctx, p, id, nil)
	if err != nil {
		return UserInfo{}, err
	}
	if created {
		s.emit(Create, []string{p.Name}, r)
	}
	return r.info(), nil
}

// SetDisabled disables or enables a user. Disabled, its tokens are refused at
// the next request; enabled again, they work again.
func (s *Service) SetDisabled(ctx context.Context, id string, disabled bool) error {
	r, err := s.operand(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.store.users.UpdateOne(ctx, bson.D{{Key: "_id", Value: r.ID}}, bson.D{{Key: "$set", Value: bson.D{{Key: "disabled", Value: disabled}}}})
	s.users.Evict(r.ID)
	if err != nil {
		return fmt.Errorf("changing a user: %w", err)
	}
	return nil
}

// RemoveUser deletes a user with everything it logs in by.
func (s *Service) RemoveUser(ctx context.Context, id string) error {
	r, err := s.operand(ctx, id)
	if err != nil {
		return err
	}
	return s.removeUser(ctx, r.ID)
}

// RevokeSessions ends all sessions of a user; it can log in again.
func (s *Service) RevokeSessions(ctx context.Context, id string) (int64, error) {
	r, err := s.operand(ctx, id)
	if err != nil {
		return 0, err
	}
	return s.Sessions.RevokeUser(ctx, s.Domain, r.ID)
}

// UserSessions lists a user's sessions, newest first.
func (s *Service) UserSessions(ctx context.Context, id string) ([]session.Stored, error) {
	r, err := s.operand(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.Sessions.List(ctx, s.Domain, r.ID)
}

// VerifyToken checks an access token's signature (admin-api.md §10, verify_token).
func (s *Service) VerifyToken(ctx context.Context, token string) (*session.Claims, error) {
	return s.Sessions.Inspect(ctx, s.Domain, token)
}

// PendingAccount is a registration that was not confirmed.
type PendingAccount struct {
	ID      string
	Email   string
	Created time.Time
}

// Pending lists registrations that wait for their confirmation, oldest first.
func (s *Service) Pending(ctx context.Context, after string, limit int) ([]PendingAccount, error) {
	filter := bson.D{{Key: "app", Value: s.Domain}, {Key: "state", Value: pending}}
	if after != "" {
		id, err := bson.ObjectIDFromHex(after)
		if err != nil {
			return nil, errBody("'after' must be a registration id")
		}
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$gt", Value: id}}})
	}
	if limit <= 0 {
		limit = 50
	}
	cursor, err := s.store.accounts.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(min(limit, 1000))))
	if err != nil {
		return nil, fmt.Errorf("listing registrations: %w", err)
	}
	var accounts []account
	if err := cursor.All(ctx, &accounts); err != nil {
		return nil, fmt.Errorf("listing registrations: %w", err)
	}
	out := make([]PendingAccount, 0, len(accounts))
	for _, a := range accounts {
		out = append(out, PendingAccount{a.ID.Hex(), a.Email, a.Created})
	}
	return out, nil
}

// pendingAccount finds a registration that can still be confirmed.
func (s *Service) pendingAccount(ctx context.Context, email string) (*account, error) {
	a, err := s.findAccount(ctx, email)
	if errors.Is(err, errNoAccount) {
		return nil, errUserNotFound()
	}
	if err != nil {
		return nil, err
	}
	if a.State == confirmed {
		return nil, fault.New(fault.UserAlreadyConfirmed, "already confirmed")
	}
	return a, nil
}

// ConfirmAccount confirms a registration without its owner's help.
func (s *Service) ConfirmAccount(ctx context.Context, email string) error {
	a, err := s.pendingAccount(ctx, email)
	if err != nil {
		return err
	}
	_, err = s.setConfirmed(ctx, a.ID)
	return err
}

// ResendConfirmation sends the confirmation mail once more.
func (s *Service) ResendConfirmation(ctx context.Context, email string) error {
	p, err := s.provider(user.LocalUserpass)
	if err != nil {
		return err
	}
	a, err := s.pendingAccount(ctx, email)
	if err != nil {
		return err
	}
	return s.sendConfirmation(ctx, p, a)
}

// RunConfirmation runs the confirmation function once more. It reports whether
// the account is confirmed now.
func (s *Service) RunConfirmation(ctx context.Context, email string) (bool, error) {
	p, err := s.provider(user.LocalUserpass)
	if err != nil {
		return false, err
	}
	a, err := s.pendingAccount(ctx, email)
	if err != nil {
		return false, err
	}
	if err := s.runConfirmation(ctx, p, a, nil); err != nil {
		return false, err
	}
	a, err = s.findAccount(ctx, email)
	return err == nil && a.State == confirmed, err
}

// DeletePending removes a registration that was not confirmed, by its address
// or its id.
func (s *Service) DeletePending(ctx context.Context, emailOrID string) error {
	filter := bson.D{{Key: "app", Value: s.Domain}, {Key: "state", Value: pending}}
	if id, err := bson.ObjectIDFromHex(emailOrID); err == nil {
		filter = append(filter, bson.E{Key: "_id", Value: id})
	} else {
		filter = append(filter, bson.E{Key: "email", Value: emailOrID})
	}
	a, err := s.oneAccount(ctx, filter)
	if errors.Is(err, errNoAccount) {
		return errUserNotFound()
	}
	if err != nil {
		return err
	}
	s.forgetPending(ctx, a)
	return nil
}

// userAccount is the e-mail account of a user.
func (s *Service) userAccount(ctx context.Context, id string) (*record, *account, error) {
	r, err := s.operand(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range r.Identities {
		if i.ProviderType != user.LocalUserpass {
			continue
		}
		oid, err := bson.ObjectIDFromHex(i.ID)
		if err != nil {
			break
		}
		a, err := s.oneAccount(ctx, bson.D{{Key: "_id", Value: oid}, {Key: "app", Value: s.Domain}})
		if errors.Is(err, errNoAccount) {
			break
		}
		return r, a, err
	}
	return nil, nil, errBody("the user has no e-mail account")
}

// SetEmail changes the address of an e-mail user.
func (s *Service) SetEmail(ctx context.Context, id, email string) error {
	if email == "" || len(email) > MaxEmail {
		return errBody("email invalid")
	}
	r, a, err := s.userAccount(ctx, id)
	if err != nil {
		return err
	}
	// The account first: its unique index decides whether the address is free.
	_, err = s.store.accounts.UpdateOne(ctx, bson.D{{Key: "_id", Value: a.ID}}, bson.D{{Key: "$set", Value: bson.D{{Key: "email", Value: email}}}})
	if mongo.IsDuplicateKeyError(err) {
		return fault.New(fault.AccountNameInUse, "name already in use")
	}
	if err != nil {
		return fmt.Errorf("changing an address: %w", err)
	}
	a.Email = email
	ident, err := a.identified()
	if err != nil {
		return err
	}
	_, err = s.store.users.UpdateOne(ctx, bson.D{
		{Key: "_id", Value: r.ID},
		{Key: "identities", Value: bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "provider_type", Value: user.LocalUserpass}, {Key: "id", Value: ident.id}}}}},
	}, bson.D{{Key: "$set", Value: bson.D{{Key: "identities.$.data", Value: ident.data}}}})
	s.users.Evict(r.ID)
	if err != nil {
		return fmt.Errorf("changing an address: %w", err)
	}
	return nil
}

// SetPassword changes the password of an e-mail user and ends its sessions.
func (s *Service) SetPassword(ctx context.Context, id, pass string) error {
	if err := checkPassword(pass); err != nil {
		return err
	}
	r, a, err := s.userAccount(ctx, id)
	if err != nil {
		return err
	}
	if _, err := s.changePassword(ctx, a.ID, pass); err != nil {
		return err
	}
	_, err = s.Sessions.RevokeUser(ctx, s.Domain, r.ID)
	return err
}

var hex24 = regexp.MustCompile(`^[0-9a-f]{24}$`)

// LooksLikeID says whether an operator's argument is a user id rather than an address.
func LooksLikeID(text string) bool { return hex24.MatchString(strings.ToLower(text)) }
