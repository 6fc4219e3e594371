package realm

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
)

// CurrentUser returns the user who logged in or was switched to last and still
// has a session, or nil.
func (a *App) CurrentUser() *User {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

// AllUsers returns the users the app knows, those who are logged out too, the
// most recently active one first.
func (a *App) AllUsers() []*User {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.users)
}

// SwitchUser makes a logged-in user the current one. It fails with
// [ErrUserUnknown] for a user of another App or a removed one, and with
// [ErrLoggedOut] for one without a session.
func (a *App) SwitchUser(ctx context.Context, user *User) error {
	if err := a.knows(user); err != nil {
		return err
	}
	if !user.IsLoggedIn() {
		return loggedOut(user.id, nil)
	}
	a.makeCurrent(user)
	if err := a.save(ctx, user, user.RefreshToken()); err != nil {
		return err
	}
	a.listeners.fire()
	return nil
}

// RemoveUser logs the user out if need be and forgets everything about the
// user here; the account on the server stays. It fails with [ErrUserUnknown]
// for a user of another App or one who was removed before. If the server
// cannot be told, that is the error, and the user is removed all the same.
func (a *App) RemoveUser(ctx context.Context, user *User) error {
	if err := a.knows(user); err != nil {
		return err
	}
	refresh := a.forget(user)
	err := a.save(ctx, user, refresh)
	user.listeners.fire()
	a.listeners.fire()
	if revokeErr := a.revoke(ctx, refresh); revokeErr != nil {
		return revokeErr
	}
	return err
}

// DeleteUser deletes the user's account on the server, with all identities and
// sessions, and removes the user here. The user must be logged in.
func (a *App) DeleteUser(ctx context.Context, user *User) error {
	if err := a.knows(user); err != nil {
		return err
	}
	if _, err := user.do(ctx, request{method: http.MethodDelete, path: "/auth/delete"}); err != nil {
		return err
	}
	refresh := a.forget(user)
	err := a.save(ctx, user, refresh)
	user.listeners.fire()
	a.listeners.fire()
	return err
}

// knows reports, as an error, a user who is not among the app's.
func (a *App) knows(user *User) error {
	if user == nil {
		return fmt.Errorf("no user given: %w", ErrUserUnknown)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.users, user) {
		return fmt.Errorf("user %s: %w", user.id, ErrUserUnknown)
	}
	return nil
}

// find returns the user with the id. The caller holds a.mu, or is NewApp.
func (a *App) find(id string) *User {
	for _, u := range a.users {
		if u.id == id {
			return u
		}
	}
	return nil
}

// nextCurrent returns the first user with a session. The caller holds a.mu, or
// is NewApp.
func (a *App) nextCurrent() *User {
	for _, u := range a.users {
		if u.IsLoggedIn() {
			return u
		}
	}
	return nil
}

// makeCurrent puts the user in front.
func (a *App) makeCurrent(user *User) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.users, user); i > 0 {
		a.users = slices.Insert(slices.Delete(a.users, i, i+1), 0, user)
	}
	a.current = user
}

// forget takes the user out of the list and returns the refresh token that was
// in use.
func (a *App) forget(user *User) (refresh string) {
	user.mu.Lock()
	refresh = user.refresh
	user.access, user.refresh, user.state = token{}, "", Removed
	user.mu.Unlock()
	user.ended.fire()
	a.drop(user)
	return refresh
}

// drop takes the user out of the list.
func (a *App) drop(user *User) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.users, user); i >= 0 {
		a.users = slices.Delete(a.users, i, i+1)
	}
	if a.current == user {
		a.current = a.nextCurrent()
	}
}

// afterSessionEnd makes the lists and the storage follow a user whose session
// has ended, with the refresh token that was in use.
func (a *App) afterSessionEnd(ctx context.Context, user *User, refresh string) error {
	if user.State() == Removed {
		a.drop(user)
	} else {
		a.mu.Lock()
		if a.current == user {
			a.current = a.nextCurrent()
		}
		a.mu.Unlock()
	}
	return a.save(ctx, user, refresh)
}

// save brings the storage up to date about one user, the order of users, the
// current one and the device. had is the refresh token with which the change
// began: a record with another one is another process's newer session, which
// is left alone unless this user has a session of its own from a new log-in.
func (a *App) save(ctx context.Context, user *User, had string) error {
	if user.borrowed {
		return nil
	}
	// The change has happened; a cancelled call must not keep it from being
	// remembered.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storageTimeout)
	defer cancel()
	err := a.storage.Update(ctx, a.key, func(s *StoredApp) {
		a.mu.Lock()
		current, device := "", a.deviceID
		if a.current != nil {
			current = a.current.id
		}
		order := make([]string, 0, len(a.users))
		for _, u := range a.users {
			order = append(order, u.id)
		}
		a.mu.Unlock()
		rec := user.stored()
		i := slices.IndexFunc(s.Users, func(o StoredUser) bool { return o.ID == rec.ID })
		foreign := i >= 0 && had != "" && s.Users[i].RefreshToken != "" &&
			s.Users[i].RefreshToken != had && s.Users[i].RefreshToken != rec.RefreshToken
		switch {
		case foreign:
		case rec.State == Removed && i >= 0:
			s.Users = slices.Delete(s.Users, i, i+1)
		case rec.State == Removed:
		case i >= 0:
			s.Users[i] = rec
		default:
			s.Users = slices.Insert(s.Users, 0, rec)
		}
		// In this App's order; users of other processes come behind.
		slices.SortStableFunc(s.Users, func(x, y StoredUser) int { return cmp.Compare(rank(order, x.ID), rank(order, y.ID)) })
		if device != "" {
			s.DeviceID = device
		}
		// Another process may have a current user where this one has none.
		if current != "" || s.Current == rec.ID {
			s.Current = current
		}
	})
	if err != nil {
		return fmt.Errorf("realm: saving the users: %w", err)
	}
	return nil
}

// rank is the position of an id, behind all others if it is not there.
func rank(order []string, id string) int {
	if i := slices.Index(order, id); i >= 0 {
		return i
	}
	return len(order)
}

// saveQuietly is save for changes that the caller did not ask for.
func (a *App) saveQuietly(ctx context.Context, user *User, had string) {
	if err := a.save(ctx, user, had); err != nil {
		a.log.Warn("realm: a renewed access token could not be saved", "user", user.id, "error", err)
	}
}

// storedUser reads what the storage has about the user now.
func (a *App) storedUser(ctx context.Context, id string) (StoredUser, bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storageTimeout)
	defer cancel()
	stored, err := a.storage.Load(ctx, a.key)
	if err != nil {
		a.log.Warn("realm: the stored users could not be read", "error", err)
		return StoredUser{}, false
	}
	for _, s := range stored.Users {
		if s.ID == id {
			return s, true
		}
	}
	return StoredUser{}, false
}
