package realm

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// storageTimeout bounds one access to the storage that no caller's context
// bounds: reading at the start, saving after a change that already happened.
const storageTimeout = 10 * time.Second

// Storage keeps the users of apps between runs of a program. The package
// offers [FileStorage] and [MemoryStorage]; another implementation keeps them
// in a keychain or a database.
//
// What it keeps are credentials: whoever reads a refresh token can act as the
// user. Methods may be called concurrently, by several processes too if the
// implementation says so.
type Storage interface {
	// Load returns what is kept under the key, and the zero StoredApp when
	// there is nothing.
	Load(ctx context.Context, key string) (StoredApp, error)
	// Update replaces what is kept under the key by what change makes of it.
	// No other Update of the same key may come between reading and writing.
	// When Update fails, the old content stays. change must be called once
	// at most, and is quick.
	Update(ctx context.Context, key string, change func(*StoredApp)) error
}

// StoredApp is what a [Storage] keeps of one app.
type StoredApp struct {
	// DeviceID is the device id that the server gave this installation.
	DeviceID string `json:"device_id,omitempty"`
	// Current is the id of the current user, if there is one.
	Current string `json:"current,omitempty"`
	// Users, the most recently active one first.
	Users []StoredUser `json:"users,omitempty"`
}

// StoredUser is what a [Storage] keeps of one user.
type StoredUser struct {
	// ID is the user's id.
	ID string `json:"id"`
	// State is LoggedIn or LoggedOut; removed users are not kept.
	State UserState `json:"state"`
	// AccessToken is the session's access token, empty when logged out.
	AccessToken string `json:"access_token,omitempty"`
	// RefreshToken is the session's refresh token, empty when logged out.
	RefreshToken string `json:"refresh_token,omitempty"`
	// DeviceID is the device of the session.
	DeviceID string `json:"device_id,omitempty"`
	// ProviderType is the provider of the latest log-in.
	ProviderType ProviderType `json:"provider_type,omitempty"`
	// Type is normal or server.
	Type UserType `json:"type,omitempty"`
	// Identities in the order in which they were linked.
	Identities []Identity `json:"identities,omitempty"`
	// Profile is the profile's data as canonical extended JSON.
	Profile json.RawMessage `json:"profile,omitempty"`
}

// clone returns a copy that shares nothing with s.
func (s StoredApp) clone() StoredApp {
	s.Users = slices.Clone(s.Users)
	for i := range s.Users {
		s.Users[i].Identities = slices.Clone(s.Users[i].Identities)
		s.Users[i].Profile = slices.Clone(s.Users[i].Profile)
	}
	return s
}

// MemoryStorage returns a Storage that forgets everything when the program
// ends. Apps that are given the same one share their users' sessions at the
// time they are made.
func MemoryStorage() Storage { return &memoryStorage{apps: map[string]StoredApp{}} }

type memoryStorage struct {
	mu   sync.Mutex
	apps map[string]StoredApp
}

func (m *memoryStorage) Load(_ context.Context, key string) (StoredApp, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.apps[key].clone(), nil
}

func (m *memoryStorage) Update(_ context.Context, key string, change func(*StoredApp)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	app := m.apps[key].clone()
	change(&app)
	m.apps[key] = app.clone()
	return nil
}
