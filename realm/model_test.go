package realm_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"regent/realm"
)

// modelUser is what the simple model of client-api.md §2.4 knows of a user.
type modelUser struct {
	user *realm.User
	anon bool
	in   bool
}

// model is the list of users in order, with the current one.
type model struct {
	users   []*modelUser
	current *modelUser
}

func (m *model) find(u *realm.User) *modelUser {
	i := slices.IndexFunc(m.users, func(x *modelUser) bool { return x.user == u })
	if i < 0 {
		return nil
	}
	return m.users[i]
}

func (m *model) front(u *modelUser) {
	m.users = slices.DeleteFunc(m.users, func(x *modelUser) bool { return x == u })
	m.users = slices.Insert(m.users, 0, u)
	m.current = u
}

func (m *model) next() {
	m.current = nil
	for _, u := range m.users {
		if u.in {
			m.current = u
			return
		}
	}
}

// end is a log-out, or a session that the server has ended.
func (m *model) end(u *modelUser, remove bool) {
	u.in = false
	if remove || u.anon {
		m.users = slices.DeleteFunc(m.users, func(x *modelUser) bool { return x == u })
	}
	if m.current == u {
		m.next()
	}
}

func (m *model) String() string {
	var b strings.Builder
	for _, u := range m.users {
		fmt.Fprintf(&b, "%s %v %v; ", u.user.ID(), u.in, u == m.current)
	}
	return b.String()
}

func stateOf(app *realm.App) string {
	var b strings.Builder
	for _, u := range app.AllUsers() {
		fmt.Fprintf(&b, "%s %v %v; ", u.ID(), u.IsLoggedIn(), u == app.CurrentUser())
	}
	return b.String()
}

// TestStateMachineAgainstModel does random things to an app's users, restarts
// of the program included, and compares with the model after each.
func TestStateMachineAgainstModel(t *testing.T) {
	s := newServer(t)
	rapid.Check(t, func(rt *rapid.T) {
		storage := realm.MemoryStorage()
		fresh := func() *realm.App {
			app, err := realm.NewApp(appID, realm.WithBaseURL(s.URL), realm.WithStorage(storage), realm.WithHTTPClient(s.Client()), realm.WithoutLocationRequest())
			if err != nil {
				rt.Fatal(err)
			}
			return app
		}
		app, m := fresh(), &model{}
		ctx := t.Context()
		logIn := func(c realm.Credentials, anon bool) {
			u, err := app.LogIn(ctx, c)
			if err != nil {
				rt.Fatal(err)
			}
			known := m.find(u)
			if known == nil {
				known = &modelUser{user: u, anon: anon}
			}
			known.in = true
			m.front(known)
		}
		pick := func() *modelUser {
			if len(m.users) == 0 {
				rt.Skip("nobody there")
			}
			return rapid.SampledFrom(m.users).Draw(rt, "user")
		}
		expect := func(what string, err error, in bool) {
			if in && err != nil || !in && !errors.Is(err, realm.ErrLoggedOut) {
				rt.Fatalf("%s of a user who is logged in (%v): %v", what, in, err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"log in": func(*rapid.T) {
				logIn(realm.EmailPassword(rapid.SampledFrom([]string{"ada@x", "eve@x", "bob@x"}).Draw(rt, "who"), "secret1"), false)
			},
			"log in anonymous": func(*rapid.T) { logIn(realm.Anonymous(), true) },
			"new anonymous":    func(*rapid.T) { logIn(realm.NewAnonymous(), true) },
			"log out": func(*rapid.T) {
				u := pick()
				if err := u.user.LogOut(ctx); err != nil {
					rt.Fatal(err)
				}
				if u.in {
					m.end(u, false)
				}
			},
			"switch": func(*rapid.T) {
				u := pick()
				expect("switch", app.SwitchUser(ctx, u.user), u.in)
				if u.in {
					m.front(u)
				}
			},
			"remove": func(*rapid.T) {
				u := pick()
				if err := app.RemoveUser(ctx, u.user); err != nil {
					rt.Fatal(err)
				}
				m.end(u, true)
			},
			"delete": func(*rapid.T) {
				u := pick()
				expect("delete", app.DeleteUser(ctx, u.user), u.in)
				if u.in {
					m.end(u, true)
				}
			},
			"revoke": func(*rapid.T) {
				u := pick()
				s.mu.Lock()
				delete(s.live, u.user.RefreshToken())
				delete(s.access, u.user.AccessToken())
				s.mu.Unlock()
				_, err := u.user.CallFunction(ctx, "f")
				expect("call", err, false)
				if u.in {
					m.end(u, false)
				}
			},
			"expire": func(*rapid.T) {
				u := pick()
				s.expire()
				_, err := u.user.CallFunction(ctx, "f")
				expect("call", err, u.in)
			},
			"restart": func(*rapid.T) {
				app = fresh()
				users := app.AllUsers()
				if len(users) != len(m.users) {
					rt.Fatalf("%d users after a restart, want %d", len(users), len(m.users))
				}
				for i, u := range users {
					m.users[i].user = u
				}
			},
			"": func(*rapid.T) {
				if got := stateOf(app); got != m.String() {
					rt.Fatalf("got  %s\nwant %s", got, m)
				}
			},
		})
	})
}
