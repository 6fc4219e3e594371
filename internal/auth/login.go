package auth

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/session"
	"regent/internal/user"
)

// Tokens is the answer to a log-in (client-api.md §1.5.3).
type Tokens struct {
	AccessToken  string
	RefreshToken string // empty after linking: the session goes on
	UserID       string
	DeviceID     string // 24 zeros: none
}

// Login logs a client in by a provider (client-api.md §1.5). Errors:
// AuthProviderNotFound, InvalidPassword, AuthError, UserDisabled, BadRequest, and
// 429 without a code when there were too many failures.
func (s *Service) Login(ctx context.Context, providerName string, body bson.Raw, request *caller.Request) (Tokens, error) {
	p, err := s.provider(providerName)
	if err != nil {
		return Tokens{}, err
	}
	d, err := parseDevice(body)
	if err != nil {
		return Tokens{}, err
	}
	id, err := s.identify(ctx, p, &attempt{body: body, request: request})
	if err != nil {
		return Tokens{}, err
	}
	return s.enter(ctx, p, id, d, request)
}

// identify checks credentials, under the throttle.
func (s *Service) identify(ctx context.Context, p *provider, a *attempt) (*identified, error) {
	leave, err := s.throttleLogin(ctx, p.Name, a)
	if err != nil {
		return nil, err
	}
	id, err := p.how.authenticate(ctx, a)
	leave(err)
	return id, err
}

// enter opens a session for who was identified.
func (s *Service) enter(ctx context.Context, p *provider, id *identified, d device, request *caller.Request) (Tokens, error) {
	if id.fresh {
		return s.enterNew(ctx, p, id, d, request)
	}
	r, created, err := s.admit(ctx, p, id, request)
	if err != nil {
		return Tokens{}, err
	}
	t, err := s.begin(ctx, p, id, d, r, request)
	if err != nil {
		return Tokens{}, err
	}
	return s.entered(p, d, r, created, t), nil
}

// enterNew is enter for an identity that nobody can have. The user's document
// holds its first session, so that one write makes both durable; the tokens are
// signed meanwhile.
func (s *Service) enterNew(ctx context.Context, p *provider, id *identified, d device, request *caller.Request) (Tokens, error) {
	r, err := s.draft(ctx, bson.NewObjectID(), p.Name, id, user.Normal, request)
	if err != nil {
		return Tokens{}, err
	}
	n, err := s.newSession(ctx, p, id, d, r, request)
	if err != nil {
		return Tokens{}, err
	}
	opening, err := s.Sessions.OpenFirst(ctx, n)
	if err != nil {
		return Tokens{}, err
	}
	r.First = opening.First()
	arrival := s.arrivals.insert(ctx, r)
	t, err := opening.Sign()
	if err := errors.Join(arrival.durable(ctx), err); err != nil {
		return Tokens{}, err
	}
	r.First = nil // the session is held by itself
	s.users.Put(r.ID, r)
	s.Sessions.Opened(opening)
	return s.entered(p, d, r, true, t), nil
}

func (s *Service) begin(ctx context.Context, p *provider, id *identified, d device, r *record, request *caller.Request) (session.Tokens, error) {
	n, err := s.newSession(ctx, p, id, d, r, request)
	if err != nil {
		return session.Tokens{}, err
	}
	return s.Sessions.Begin(ctx, n)
}

func (s *Service) newSession(ctx context.Context, p *provider, id *identified, d device, r *record, request *caller.Request) (session.New, error) {
	data, err := s.customData(ctx, r.view.ID)
	return session.New{
		App: s.Domain, User: r.ID,
		Identity: session.Identity{ID: id.id, ProviderType: p.Name, ProviderID: s.providerID(p.Name)},
		Device:   d.id, DeviceInfo: d.info, Address: address(request), UserData: data,
		AccessTTL: s.accessTTL(), RefreshTTL: s.refreshTTL(p.Name),
	}, err
}

func (s *Service) entered(p *provider, d device, r *record, created bool, t session.Tokens) Tokens {
	now := s.Now()
	if created {
		s.Events(Event{Operation: Create, Providers: []string{p.Name}, User: r.view, Time: now, First: true})
	}
	s.Events(Event{Operation: Login, Providers: []string{p.Name}, User: r.view, Time: now, First: created})
	return Tokens{AccessToken: t.Access, RefreshToken: t.Refresh, UserID: r.view.ID, DeviceID: d.id.Hex()}
}

// admit finds or creates the user to whom an identity belongs.
func (s *Service) admit(ctx context.Context, p *provider, id *identified, request *caller.Request) (r *record, created bool, err error) {
	// Two first log-ins of one identity at once must not run the user creation
	// function twice; between processes the unique index decides.
	unlock, err := s.creating.lock(ctx, loginKey(p.Name, id.id))
	if err != nil {
		return nil, false, err
	}
	defer unlock()
	for range 5 {
		r, err := s.userByLogin(ctx, p.Name, id.id)
		switch {
		case err == nil:
			if !id.owner.IsZero() && r.ID != id.owner {
				return nil, false, errUnauthorized().WithCause(errors.New("the API key's identity belongs to another user"))
			}
			return r, false, s.returning(ctx, r, p.Name, id)
		case !errors.Is(err, errNoUser):
			return nil, false, err
		}
		if !id.owner.IsZero() {
			err := s.attach(ctx, id.owner, p.Name, id)
			if _, refused := fault.CodeOf(err); refused || errors.Is(err, errNoUser) {
				return nil, false, errUnauthorized().WithCause(err)
			}
			if err != nil {
				return nil, false, err
			}
			continue
		}
		r, err = s.create(ctx, bson.NewObjectID(), p.Name, id, user.Normal, request)
		if mongo.IsDuplicateKeyError(err) {
			continue // somebody was faster: theirs is the user
		}
		if err != nil {
			return nil, false, err
		}
		if id.still != nil {
			ok, err := id.still(ctx)
			if err != nil {
				return nil, false, err
			}
			if !ok {
				if err := s.removeUser(context.WithoutCancel(ctx), r.ID); err != nil {
					return nil, false, err
				}
				return nil, false, errInvalidPassword()
			}
		}
		return r, true, nil
	}
	return nil, false, errors.New("an identity is created and deleted again and again")
}

// returning notes a log-in of a known user and refreshes the identity's metadata.
func (s *Service) returning(ctx context.Context, r *record, providerName string, id *identified) error {
	if r.Disabled {
		return errDisabled()
	}
	now := s.Now()
	set := bson.D{{Key: "last_login", Value: now}}
	filter := bson.D{{Key: "_id", Value: r.ID}}
	for i := range r.Identities {
		have := &r.Identities[i]
		if have.ProviderType == providerName && have.ID == id.id && id.data != nil && !sameDocument(have.Data, id.data) {
			filter = append(filter, bson.E{Key: "identities", Value: bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "provider_type", Value: providerName}, {Key: "id", Value: id.id}}}}})
			set = append(set, bson.E{Key: "identities.$.data", Value: id.data})
			r.Identities = append([]user.Identity{}, r.Identities...)
			r.Identities[i].Data = id.data
			r.shape()
			break
		}
	}
	_, err := s.store.users.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: set}})
	s.users.Evict(r.ID)
	if err != nil {
		return fmt.Errorf("noting a log-in: %w", err)
	}
	r.LastLogin = &now
	return nil
}

func sameDocument(a, b bson.Raw) bool {
	if len(a) == 0 {
		a = emptyDocument
	}
	return string(a) == string(b)
}

func errDisabled() *fault.Error { return fault.New(fault.UserDisabled, "user disabled") }

// create makes a user with its first identity.
func (s *Service) create(ctx context.Context, userID bson.ObjectID, providerName string, id *identified, typ user.Type, request *caller.Request) (*record, error) {
	r, err := s.draft(ctx, userID, providerName, id, typ, request)
	if err != nil {
		return nil, err
	}
	return r, s.insert(ctx, r)
}

func (s *Service) insert(ctx context.Context, r *record) error {
	if _, err := s.store.users.InsertOne(ctx, r); err != nil {
		return fmt.Errorf("creating a user: %w", err)
	}
	s.users.Put(r.ID, r)
	return nil
}

// draft describes a new user. The app's user creation function is asked and can
// prevent it (app-services.md §3.2).
func (s *Service) draft(ctx context.Context, userID bson.ObjectID, providerName string, id *identified, typ user.Type, request *caller.Request) (*record, error) {
	now := s.Now()
	r := (&record{
		ID: userID, App: s.Domain, Type: typ, Created: now,
		Identities: []user.Identity{{ID: id.id, ProviderType: providerName, ProviderID: s.providerID(providerName), Data: id.data}},
	}).shape()
	if !id.unseen {
		r.LastLogin = &now
	}
	if !id.fresh {
		r.Logins = []string{loginKey(providerName, id.id)}
	}
	if name := s.App.CustomUserData.OnUserCreation; name != "" {
		if err := s.runCreationFunction(ctx, name, r.view, request); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (s *Service) runCreationFunction(ctx context.Context, name string, u *user.User, request *caller.Request) error {
	if s.Functions == nil {
		return fault.New(fault.FunctionNotFound, "the user creation function '%s' cannot run: this server runs no functions", name)
	}
	arg, err := userArgument(u)
	if err != nil {
		return err
	}
	if _, err := s.Functions.Call(ctx, caller.Caller{System: true, Request: request}, name, []bson.RawValue{arg}); err != nil {
		s.Logger.Warn("user creation function refused a user", "function", name, "error", err)
		var f *fault.Error
		if errors.As(err, &f) && f.Status < 500 {
			return fault.New(fault.AuthError, "%s", f.Message).WithCause(err)
		}
		return fault.New(fault.AuthError, "user creation failed").WithCause(err)
	}
	return nil
}

// userArgument is a user as functions get it as an argument.
func userArgument(u *user.User) (bson.RawValue, error) {
	identities := bson.A{}
	for _, id := range u.Identities {
		d := bson.D{{Key: "id", Value: id.ID}, {Key: "provider_type", Value: id.ProviderType}, {Key: "provider_id", Value: id.ProviderID}}
		if len(id.Data) > 0 {
			d = append(d, bson.E{Key: "data", Value: id.Data})
		}
		identities = append(identities, d)
	}
	custom := u.CustomData
	if custom == nil {
		custom = emptyDocument
	}
	raw, err := bson.Marshal(bson.D{
		{Key: "id", Value: u.ID}, {Key: "type", Value: string(u.Type)}, {Key: "data", Value: u.Data},
		{Key: "custom_data", Value: custom}, {Key: "identities", Value: identities},
	})
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, err
}

func (s *Service) emit(op Operation, providers []string, r *record) {
	s.Events(Event{Operation: op, Providers: providers, User: r.view, Time: s.Now()})
}

func address(request *caller.Request) string {
	if request == nil {
		return ""
	}
	return request.RemoteIP
}
