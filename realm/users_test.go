package realm_test

import (
	"errors"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

// TestStateMachine walks through client-api.md §2.4 and §2.5: each step names
// what happens, and what app and user look like afterwards.
func TestStateMachine(t *testing.T) {
	s := newServer(t)
	app := newApp(t, s.URL)
	ctx := t.Context()
	changes := 0
	app.AddListener(func() { changes++ })
	var ada, eve, anon *realm.User
	linked := ok(`{"identities":[{"id":"a","provider_type":"anon-user"},{"id":"b","provider_type":"local-userpass"}],"data":{"email":"eve@example.com"}}`)
	steps := []struct {
		name    string
		run     func() error
		err     error
		current func() *realm.User
		users   func() []*realm.User
		app     int // calls of app listeners
	}{
		{"log in", func() (err error) {
			ada, err = app.LogIn(ctx, realm.EmailPassword("ada@example.com", "secret1"))
			return
		}, nil, func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada} }, 1},
		{"log in anonymously", func() (err error) { anon, err = app.LogIn(ctx, realm.Anonymous()); return }, nil,
			func() *realm.User { return anon }, func() []*realm.User { return []*realm.User{anon, ada} }, 1},
		{"log in again keeps the user", func() error {
			again, err := app.LogIn(ctx, realm.EmailPassword("ada@example.com", "secret1"))
			if again != ada {
				t.Error("another *User for the same id")
			}
			return err
		}, nil, func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada, anon} }, 1},
		{"anonymous is reused without a request", func() error {
			s.requests()
			again, err := app.LogIn(ctx, realm.Anonymous())
			if again != anon || len(s.requests()) != 0 {
				t.Error("not reused, or asked the server")
			}
			return err
		}, nil, func() *realm.User { return anon }, func() []*realm.User { return []*realm.User{anon, ada} }, 1},
		{"switch", func() error { return app.SwitchUser(ctx, ada) }, nil,
			func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada, anon} }, 1},
		{"switch to nobody", func() error { return app.SwitchUser(ctx, nil) }, realm.ErrUserUnknown,
			func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada, anon} }, 0},
		{"link anonymous credentials", func() error { return anon.LinkCredentials(ctx, realm.Anonymous()) }, realm.ErrAnonymousLink,
			func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada, anon} }, 0},
		{"a failed link changes nothing", func() error {
			s.on("POST /app/"+appID+"/auth/providers/local-userpass/login", refused(409, "", "a user already exists with the specified provider"))
			defer s.off("POST /app/" + appID + "/auth/providers/local-userpass/login")
			return anon.LinkCredentials(ctx, realm.EmailPassword("ada@example.com", "secret1"))
		}, realm.ErrIdentityInUse, func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada, anon} }, 0},
		{"link makes current", func() error {
			s.on("POST /app/"+appID+"/auth/providers/local-userpass/login", ok(`{"access_token":"`+anon.AccessToken()+`"}`))
			s.on("GET /auth/profile", linked)
			defer s.off("GET /auth/profile")
			defer s.off("POST /app/" + appID + "/auth/providers/local-userpass/login")
			return anon.LinkCredentials(ctx, realm.EmailPassword("eve@example.com", "secret1"))
		}, nil, func() *realm.User { return anon }, func() []*realm.User { return []*realm.User{anon, ada} }, 1},
		{"a linked user is not anonymous any more", func() (err error) {
			eve = anon
			anon, err = app.LogIn(ctx, realm.Anonymous())
			if anon == eve {
				t.Error("the linked user was reused")
			}
			return
		}, nil, func() *realm.User { return anon }, func() []*realm.User { return []*realm.User{anon, eve, ada} }, 1},
		{"logging out an anonymous user removes it", func() error {
			err := anon.LogOut(ctx)
			if anon.State() != realm.Removed {
				t.Errorf("state %s", anon.State())
			}
			return err
		}, nil, func() *realm.User { return eve }, func() []*realm.User { return []*realm.User{eve, ada} }, 1},
		{"again does nothing", func() error { s.requests(); defer noRequests(t, s); return anon.LogOut(ctx) }, nil,
			func() *realm.User { return eve }, func() []*realm.User { return []*realm.User{eve, ada} }, 0},
		{"switch to a removed user", func() error { return app.SwitchUser(ctx, anon) }, realm.ErrUserUnknown,
			func() *realm.User { return eve }, func() []*realm.User { return []*realm.User{eve, ada} }, 0},
		{"log out", func() error {
			err := eve.LogOut(ctx)
			if eve.State() != realm.LoggedOut || eve.AccessToken() != "" || eve.RefreshToken() != "" || len(eve.CustomData()) != 0 {
				t.Errorf("state %s", eve.State())
			}
			return err
		}, nil, func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{eve, ada} }, 1},
		{"switch to a logged-out user", func() error { return app.SwitchUser(ctx, eve) }, realm.ErrLoggedOut,
			func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{eve, ada} }, 0},
		{"delete a logged-out user", func() error { return app.DeleteUser(ctx, eve) }, realm.ErrLoggedOut,
			func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{eve, ada} }, 0},
		{"remove a logged-out user", func() error { return app.RemoveUser(ctx, eve) }, nil,
			func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada} }, 1},
		{"remove again", func() error { return app.RemoveUser(ctx, eve) }, realm.ErrUserUnknown,
			func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada} }, 0},
		{"a failed log-in changes nothing", func() error {
			s.on("POST /app/"+appID+"/auth/providers/local-userpass/login", refused(401, "InvalidPassword", "unauthorized"))
			defer s.off("POST /app/" + appID + "/auth/providers/local-userpass/login")
			_, err := app.LogIn(ctx, realm.EmailPassword("eve@example.com", "wrong"))
			return err
		}, realm.ErrInvalidPassword, func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada} }, 0},
		{"a log-in without profile is listed, not current", func() error {
			s.on("GET /auth/profile", refused(500, "InternalServerError", "internal error"))
			defer s.off("GET /auth/profile")
			_, err := app.LogIn(ctx, realm.EmailPassword("eve@example.com", "secret1"))
			eve = app.AllUsers()[0]
			return err
		}, realm.ErrInternalServer, func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{eve, ada} }, 0},
		{"delete one who is not current", func() error {
			want := "Bearer " + eve.AccessToken()
			s.requests()
			err := app.DeleteUser(ctx, eve)
			if log := s.requests(); len(log) != 1 || log[0].String() != "DELETE /auth/delete" || log[0].auth != want {
				t.Errorf("requests %v", log)
			}
			if eve.State() != realm.Removed {
				t.Errorf("state %s", eve.State())
			}
			return err
		}, nil, func() *realm.User { return ada }, func() []*realm.User { return []*realm.User{ada} }, 1},
		{"a log-out the server does not hear of", func() error {
			s.on("DELETE /auth/session", refused(503, "", "away"))
			defer s.off("DELETE /auth/session")
			err := ada.LogOut(ctx)
			if ada.State() != realm.LoggedOut {
				t.Errorf("state %s", ada.State())
			}
			if err == nil {
				t.Error("no error")
			}
			return nil
		}, nil, func() *realm.User { return nil }, func() []*realm.User { return []*realm.User{ada} }, 0},
	}
	for _, step := range steps {
		changes = 0
		if err := step.run(); !errors.Is(err, step.err) {
			t.Errorf("%s: error %v, want %v", step.name, err, step.err)
		}
		if app.CurrentUser() != step.current() {
			t.Errorf("%s: wrong current user", step.name)
		}
		if !slices.Equal(app.AllUsers(), step.users()) {
			t.Errorf("%s: wrong users: %d", step.name, len(app.AllUsers()))
		}
		if changes != step.app {
			t.Errorf("%s: app listeners called %d times, want %d", step.name, changes, step.app)
		}
	}
}

func noRequests(t *testing.T, s *server) {
	t.Helper()
	if log := s.requests(); len(log) != 0 {
		t.Errorf("requests were made: %v", log)
	}
}

func TestUsersOfAnotherApp(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.Anonymous())
	other := newApp(t, s.URL)
	for name, err := range map[string]error{
		"switch": other.SwitchUser(t.Context(), user),
		"remove": other.RemoveUser(t.Context(), user),
		"delete": other.DeleteUser(t.Context(), user),
	} {
		if !errors.Is(err, realm.ErrUserUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !user.IsLoggedIn() {
		t.Error("the user was touched")
	}
}

func TestListeners(t *testing.T) {
	s := newServer(t)
	app := newApp(t, s.URL)
	var order []string
	currentSeen := false
	remove := app.AddListener(func() {
		order = append(order, "first")
		currentSeen = app.CurrentUser() != nil && len(app.CurrentUser().Identities()) == 1
	})
	app.AddListener(func() { order = append(order, "second") })
	user := logIn(t, app, realm.EmailPassword("ada@example.com", "secret1"))
	if !slices.Equal(order, []string{"first", "second"}) || !currentSeen {
		t.Errorf("order %v, current user and profile set: %v", order, currentSeen)
	}
	remove()
	remove()
	app.RemoveAllListeners()
	var n int
	user.AddListener(func() { n++ })
	for i, change := range []func() error{
		func() error { _, err := user.RefreshCustomData(t.Context()); return err },
		func() error { return user.RefreshProfile(t.Context()) },
		func() error { return user.LogOut(t.Context()) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if n != i+1 {
			t.Errorf("change %d: user listener called %d times", i, n)
		}
	}
	if len(order) != 2 {
		t.Errorf("removed listeners were called: %v", order)
	}
}

func TestNewAppRefuses(t *testing.T) {
	for name, opts := range map[string][]realm.Option{
		"no scheme":        {realm.WithBaseURL("localhost:8080")},
		"another scheme":   {realm.WithBaseURL("ftp://host")},
		"no host":          {realm.WithBaseURL("http://")},
		"a password":       {realm.WithBaseURL("http://u:secret@host")},
		"a query":          {realm.WithBaseURL("http://host?x=1")},
		"garbage":          {realm.WithBaseURL("http://[::1")},
		"nil client":       {realm.WithHTTPClient(nil)},
		"nil storage":      {realm.WithStorage(nil)},
		"nil logger":       {realm.WithLogger(nil)},
		"nil clock":        {realm.WithClock(nil)},
		"negative timeout": {realm.WithTimeout(-1)},
		"no bytes":         {realm.WithMaxResponseSize(0)},
	} {
		if _, err := realm.NewApp(appID, opts...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := realm.NewApp("  "); err == nil {
		t.Error("no id: no error")
	}
}

func TestCredentialsShowNoSecrets(t *testing.T) {
	c := realm.EmailPassword("ada@example.com", "hunter2")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := sprintf(verb, c); text != "credentials for local-userpass" {
			t.Errorf("%s: %s", verb, text)
		}
	}
	if _, err := newApp(t, "http://127.0.0.1:1").LogIn(t.Context(), realm.Credentials{}); err == nil {
		t.Error("empty credentials were accepted")
	}
	_, err := newApp(t, newServer(t).URL).LogIn(t.Context(), realm.CustomFunction(map[string]any{"options": 1}))
	if err == nil {
		t.Error("a payload with options was accepted")
	}
}

// TestMistakesOfTheCaller are told without a request.
func TestMistakesOfTheCaller(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.Anonymous())
	cats := user.MongoClient("mongodb-atlas").Database("shop").Collection("cats")
	ctx := t.Context()
	s.requests()
	for name, call := range map[string]func() error{
		"a sort order without order": func() error {
			_, err := cats.Find(ctx, nil, realm.FindOptions{Sort: bson.M{"a": 1, "b": -1}})
			return err
		},
		"the same for findOne": func() error {
			_, err := cats.FindOne(ctx, nil, realm.FindOneOptions{Sort: map[string]int{"a": 1, "b": -1}})
			return err
		},
		"options given twice":             func() error { _, err := cats.Count(ctx, nil, realm.CountOptions{}, realm.CountOptions{}); return err },
		"an argument without a BSON form": func() error { _, err := user.CallFunction(ctx, "f", make(chan int)); return err },
		"a filter without a BSON form":    func() error { _, err := cats.Find(ctx, bson.M{"a": func() {}}); return err },
		"an operation that is nil":        func() error { _, err := cats.BulkWrite(ctx, []realm.BulkOperation{nil}); return err },
		"an unbound function":             func() error { _, err := realm.Function{}.Call(ctx); return err },
	} {
		if err := call(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	noRequests(t, s)
}
