package auth

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/app"
	"regent/internal/auth/password"
	"regent/internal/fault"
	"regent/internal/user"
)

// state of an e-mail account.
type state string

const (
	pending   state = "pending"   // registered; cannot log in
	confirmed state = "confirmed" // can log in; has a user from the first log-in on
)

// account is an e-mail address with a password, in __regent.accounts. Its id is
// the id of the local-userpass identity. It may have no user yet: the user is
// made at the first log-in, or the account is linked to one (client-api.md §1.5.3).
type account struct {
	ID        bson.ObjectID `bson:"_id"`
	App       bson.ObjectID `bson:"app"`
	Email     string        `bson:"email"` // compared as it was written
	Hash      string        `bson:"hash"`  // PHC; empty: imported without a password
	State     state         `bson:"state"`
	Created   time.Time     `bson:"created"`
	Confirmed *time.Time    `bson:"confirmed,omitempty"`
}

// Bounds of an e-mail account.
const (
	MinPassword = 6   // characters
	MaxPassword = 128 // characters
	MaxEmail    = 320 // bytes
)

var errNoAccount = errors.New("no such account")

func (s *Service) findAccount(ctx context.Context, email string) (*account, error) {
	return s.oneAccount(ctx, bson.D{{Key: "app", Value: s.Domain}, {Key: "email", Value: email}})
}

func (s *Service) oneAccount(ctx context.Context, filter bson.D) (*account, error) {
	var a account
	err := s.store.accounts.FindOne(ctx, filter).Decode(&a)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, errNoAccount
	}
	if err != nil {
		return nil, fmt.Errorf("reading an e-mail account: %w", err)
	}
	return &a, nil
}

func checkPassword(p string) error {
	if n := utf8.RuneCountInString(p); n < MinPassword || n > MaxPassword {
		return fault.New(fault.BadRequest, "password must be between %d and %d characters", MinPassword, MaxPassword)
	}
	return nil
}

// hash computes a new hash, and refuses in the protocol's words when too many wait.
func (s *Service) hash(ctx context.Context, p string) (string, error) {
	h, err := s.Passwords.Hash(ctx, p)
	return h, hashError(err)
}

func (s *Service) verify(ctx context.Context, hash, p string) (ok, outdated bool, err error) {
	// Longer passwords cannot belong to any account; they are not worth the work.
	if utf8.RuneCountInString(p) > MaxPassword {
		p = ""
	}
	ok, outdated, err = s.Passwords.Verify(ctx, hash, p)
	return ok && p != "", outdated, hashError(err)
}

func hashError(err error) error {
	if errors.Is(err, password.ErrBusy) {
		f := fault.New(fault.None, "too many log-ins at once, try again").WithStatus(503)
		f.RetryAfter = 2 * time.Second
		return f
	}
	return err
}

// userpass is the provider local-userpass (app-services.md §2.4).
type userpass struct {
	s *Service
}

func openUserpass(s *Service, _ *app.Provider) (authenticator, error) { return &userpass{s}, nil }

func errInvalidPassword() *fault.Error { return fault.New(fault.InvalidPassword, "unauthorized") }

// authenticate takes the same time and answers the same whether the account
// exists or not; that an account is pending is told only to who knows its password.
func (p *userpass) authenticate(ctx context.Context, a *attempt) (*identified, error) {
	email, err := text(a.body, "username")
	if err != nil {
		return nil, err
	}
	pass, err := text(a.body, "password")
	if err != nil {
		return nil, err
	}
	s := p.s
	acc, err := s.findAccount(ctx, cut(email, MaxEmail+1))
	if err != nil && !errors.Is(err, errNoAccount) {
		return nil, err
	}
	var hash string
	if acc != nil {
		hash = acc.Hash
	}
	ok, outdated, err := s.verify(ctx, hash, pass)
	if err != nil {
		return nil, err
	}
	if !ok && acc != nil && acc.Hash == "" && s.settings.FirstLoginSetsPassword {
		// The app's owner chose this for users who were brought along without a password.
		if ok, err = s.setFirstPassword(ctx, acc, pass); err != nil {
			return nil, err
		}
	}
	if !ok {
		return nil, errInvalidPassword()
	}
	if acc.State != confirmed {
		return nil, errUnauthorized()
	}
	if outdated {
		s.rehash(ctx, acc, pass)
	}
	id, err := acc.identified()
	if err != nil {
		return nil, err
	}
	id.still = func(ctx context.Context) (bool, error) {
		_, err := s.oneAccount(ctx, bson.D{{Key: "_id", Value: acc.ID}})
		if errors.Is(err, errNoAccount) {
			return false, nil
		}
		return err == nil, err
	}
	return id, nil
}

func (a *account) identified() (*identified, error) {
	data, err := bson.Marshal(bson.D{{Key: "email", Value: a.Email}})
	return &identified{id: a.ID.Hex(), data: data}, err
}

// setFirstPassword gives an account without a password its first one
// (first_login_sets_password). Of two log-ins at once one wins.
func (s *Service) setFirstPassword(ctx context.Context, a *account, pass string) (bool, error) {
	if a.State != confirmed || checkPassword(pass) != nil {
		return false, nil
	}
	h, err := s.hash(ctx, pass)
	if err != nil {
		return false, err
	}
	res, err := s.store.accounts.UpdateOne(ctx, bson.D{{Key: "_id", Value: a.ID}, {Key: "hash", Value: ""}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "hash", Value: h}}}})
	if err != nil {
		return false, fmt.Errorf("setting a first password: %w", err)
	}
	return res.MatchedCount == 1, nil
}

// rehash replaces a hash of another scheme or of weaker parameters, unless the
// password was changed meanwhile.
func (s *Service) rehash(ctx context.Context, a *account, pass string) {
	h, err := s.hash(ctx, pass)
	if err == nil {
		_, err = s.store.accounts.UpdateOne(ctx, bson.D{{Key: "_id", Value: a.ID}, {Key: "hash", Value: a.Hash}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "hash", Value: h}}}})
	}
	if err != nil {
		s.Logger.Warn("a password's hash was not renewed", "account", a.ID.Hex(), "error", err)
	}
}

// deleteAccounts removes the e-mail accounts behind identities, with their tokens.
func (s *Service) deleteAccounts(ctx context.Context, identities []user.Identity) error {
	for _, id := range identities {
		if id.ProviderType != user.LocalUserpass {
			continue
		}
		oid, err := bson.ObjectIDFromHex(id.ID)
		if err != nil {
			continue
		}
		if _, err := s.store.accounts.DeleteOne(ctx, bson.D{{Key: "_id", Value: oid}, {Key: "app", Value: s.Domain}}); err != nil {
			return fmt.Errorf("deleting an e-mail account: %w", err)
		}
		if _, err := s.store.tokens.DeleteMany(ctx, bson.D{{Key: "account", Value: oid}}); err != nil {
			return fmt.Errorf("deleting the tokens of an e-mail account: %w", err)
		}
	}
	return nil
}
