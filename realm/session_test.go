package realm_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"regent/realm"
)

// count returns how many of the requests are the one named.
func count(log []seen, what string) int {
	n := 0
	for _, s := range log {
		if s.String() == what {
			n++
		}
	}
	return n
}

const functionsCall = "POST /app/" + appID + "/functions/call"

func TestRefreshIsShared(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.Anonymous())
	s.expire()
	const callers = 50
	// The refresh is answered once all calls have been refused, so that every
	// one of them finds it under way or done.
	var refused atomic.Int32
	all := make(chan struct{})
	s.handle(functionsCall, func(w http.ResponseWriter, r *http.Request) {
		rep := s.answer(r, "/app/"+appID+"/functions/call", nil)
		if rep.status == 401 && refused.Add(1) == callers {
			close(all)
		}
		rep.write(w)
	})
	s.handle("POST /auth/session", func(w http.ResponseWriter, r *http.Request) {
		<-all
		s.answer(r, "/auth/session", nil).write(w)
	})
	s.requests()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := user.CallFunction(t.Context(), "f"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	log := s.requests()
	if n := count(log, "POST /auth/session"); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	if n := count(log, functionsCall); n != 2*callers {
		t.Errorf("%d calls, want each made twice: %d", n, 2*callers)
	}
}

func TestRefreshSurvivesTheCallerWhoBeganIt(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.Anonymous())
	s.expire()
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	s.handle("POST /auth/session", func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		s.answer(r, "/auth/session", nil).write(w)
	})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := user.CallFunction(ctx, "f"); first <- err }()
	<-arrived
	second := make(chan error, 1)
	go func() { _, err := user.CallFunction(t.Context(), "f"); second <- err }()
	for range 500 { // until the second call is refused and waits too
		if s.mu.Lock(); len(s.log) >= 6 {
			s.mu.Unlock()
			break
		}
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("first caller: %v, want context.Canceled", err)
	}
	close(release)
	if err := <-second; err != nil {
		t.Errorf("second caller: %v", err)
	}
	if n := count(s.requests(), "POST /auth/session"); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

func TestRefreshEndsWithItsLastCaller(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.Anonymous())
	s.expire()
	ended := make(chan struct{})
	s.handle("POST /auth/session", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(ended)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := user.CallFunction(ctx, "f")
	var e *realm.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) {
		t.Errorf("got %v, want an *Error with context.DeadlineExceeded", err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the refresh is still running")
	}
	if !user.IsLoggedIn() {
		t.Error("the user was logged out")
	}
}

func TestRevokedSession(t *testing.T) {
	s := newServer(t)
	storage := realm.MemoryStorage()
	app := newApp(t, s.URL, realm.WithStorage(storage))
	user := logIn(t, app, realm.EmailPassword("ada@example.com", "secret1"))
	other := logIn(t, app, realm.EmailPassword("eve@example.com", "secret1"))
	var userChanges, appChanges atomic.Int32
	other.AddListener(func() { userChanges.Add(1) })
	app.AddListener(func() { appChanges.Add(1) })
	s.mu.Lock()
	delete(s.live, other.RefreshToken())
	delete(s.access, other.AccessToken())
	s.mu.Unlock()

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := other.CallFunction(t.Context(), "f")
			if !errors.Is(err, realm.ErrLoggedOut) {
				t.Errorf("got %v, want ErrLoggedOut", err)
			}
		})
	}
	wg.Wait()
	if other.State() != realm.LoggedOut || other.AccessToken() != "" || other.RefreshToken() != "" || other.IsLoggedIn() {
		t.Errorf("state %s, tokens %q %q", other.State(), other.AccessToken(), other.RefreshToken())
	}
	if app.CurrentUser() != user {
		t.Error("the current user is not the one who is still logged in")
	}
	if len(app.AllUsers()) != 2 {
		t.Error("the logged-out user is no longer listed")
	}
	if userChanges.Load() != 1 || appChanges.Load() != 1 {
		t.Errorf("listeners called %d and %d times, want once each", userChanges.Load(), appChanges.Load())
	}
	// It stays so in another run of the program.
	again := newApp(t, s.URL, realm.WithStorage(storage))
	if u := find(again, other.ID()); u == nil || u.State() != realm.LoggedOut {
		t.Errorf("after a restart: %v", u)
	}
	// No request is made for somebody who is known to be logged out.
	s.requests()
	if _, err := other.CallFunction(t.Context(), "f"); !errors.Is(err, realm.ErrLoggedOut) {
		t.Error(err)
	}
	if _, err := other.APIKeys().FetchAll(t.Context()); !errors.Is(err, realm.ErrLoggedOut) {
		t.Error(err)
	}
	if _, err := other.RefreshCustomData(t.Context()); !errors.Is(err, realm.ErrLoggedOut) {
		t.Error(err)
	}
	if err := other.LinkCredentials(t.Context(), realm.APIKey("k")); !errors.Is(err, realm.ErrLoggedOut) {
		t.Error(err)
	}
	if log := s.requests(); len(log) != 0 {
		t.Errorf("requests were made: %v", log)
	}
	// Logging in again revives the same user.
	if revived := logIn(t, app, realm.EmailPassword("eve@example.com", "secret1")); revived != other || !other.IsLoggedIn() {
		t.Error("logging in again did not revive the user")
	}
}

func find(app *realm.App, id string) *realm.User {
	for _, u := range app.AllUsers() {
		if u.ID() == id {
			return u
		}
	}
	return nil
}

// TestFailuresThatEndNoSession: only the server's own word ends a session.
func TestFailuresThatEndNoSession(t *testing.T) {
	for name, r := range map[string]reply{
		"server error":           refused(500, "InternalServerError", "internal error"),
		"proxy error":            {status: 502, typ: "text/html", body: "<html>"},
		"captive portal":         {status: 401, typ: "text/html", body: "<html>log in to the wifi"},
		"empty 401":              {status: 401},
		"throttled":              refused(429, "", "slow down"),
		"forbidden by a gateway": {status: 403, typ: "text/plain", body: "forbidden"},
		"redirect":               {status: 302, header: http.Header{"Location": {"http://portal.example/login"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			user := logIn(t, newApp(t, s.URL), realm.Anonymous())
			s.expire()
			s.on("POST /auth/session", r)
			_, err := user.CallFunction(t.Context(), "f")
			var e *realm.Error
			if !errors.As(err, &e) || e.StatusCode != r.status || errors.Is(err, realm.ErrLoggedOut) {
				t.Errorf("got %v, want the refresh's own failure", err)
			}
			if !user.IsLoggedIn() || user.RefreshToken() == "" {
				t.Error("the user was logged out")
			}
			s.off("POST /auth/session")
			if _, err := user.CallFunction(t.Context(), "f"); err != nil {
				t.Errorf("after the failure: %v", err)
			}
		})
	}
}

func TestLogOutDuringRefresh(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.EmailPassword("ada@example.com", "secret1"))
	s.expire()
	arrived, release := make(chan struct{}), make(chan struct{})
	s.handle("POST /auth/session", func(w http.ResponseWriter, r *http.Request) {
		rep := s.answer(r, "/auth/session", nil)
		close(arrived)
		<-release
		rep.write(w)
	})
	done := make(chan error)
	go func() { _, err := user.CallFunction(t.Context(), "f"); done <- err }()
	<-arrived
	if err := user.LogOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-done; !errors.Is(err, realm.ErrLoggedOut) {
		t.Errorf("got %v, want ErrLoggedOut", err)
	}
	if user.AccessToken() != "" || user.State() != realm.LoggedOut {
		t.Error("the refresh brought the session back")
	}
}

func TestLogOutDuringLink(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.EmailPassword("ada@example.com", "secret1"))
	access := user.AccessToken()
	s.handle("POST /app/"+appID+"/auth/providers/api-key/login", func(w http.ResponseWriter, r *http.Request) {
		if err := user.LogOut(t.Context()); err != nil {
			t.Error(err)
		}
		ok(`{"access_token":"` + access + `"}`).write(w)
	})
	if err := user.LinkCredentials(t.Context(), realm.APIKey("k")); !errors.Is(err, realm.ErrLoggedOut) {
		t.Errorf("got %v", err)
	}
	if user.AccessToken() != "" {
		t.Error("the link brought the session back")
	}
}

// TestLogInDuringRefresh: whatever becomes of the old session's renewal, the
// new session stays.
func TestLogInDuringRefresh(t *testing.T) {
	for name, answer := range map[string]func(s *server, r *http.Request) reply{
		"Refused": func(*server, *http.Request) reply {
			return refused(401, "InvalidSession", "invalid session: failed to find refresh token")
		},
		"Renewed": func(s *server, r *http.Request) reply { return s.answer(r, "/auth/session", nil) },
	} {
		t.Run(name, func(t *testing.T) { testLogInDuringRefresh(t, answer) })
	}
}

func testLogInDuringRefresh(t *testing.T, answer func(s *server, r *http.Request) reply) {
	s := newServer(t)
	app := newApp(t, s.URL)
	user := logIn(t, app, realm.EmailPassword("ada@example.com", "secret1"))
	s.expire()
	arrived, release := make(chan struct{}), make(chan struct{})
	s.handle("POST /auth/session", func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		answer(s, r).write(w)
	})
	done := make(chan error)
	go func() { _, err := user.CallFunction(t.Context(), "f"); done <- err }()
	<-arrived
	logIn(t, app, realm.EmailPassword("ada@example.com", "secret1"))
	fresh := user.AccessToken()
	close(release)
	if err := <-done; err != nil {
		t.Errorf("the call failed although there is a new session: %v", err)
	}
	if !user.IsLoggedIn() || user.AccessToken() != fresh {
		t.Error("the old session's end took the new one along")
	}
}

// TestAnotherProcessLoggedInAgain: the storage has a newer session than the one
// that ended.
func TestAnotherProcessLoggedInAgain(t *testing.T) {
	s := newServer(t)
	storage := realm.MemoryStorage()
	here, there := newApp(t, s.URL, realm.WithStorage(storage)), newApp(t, s.URL, realm.WithStorage(storage))
	user := logIn(t, here, realm.EmailPassword("ada@example.com", "secret1"))
	s.revoke()
	newer := logIn(t, there, realm.EmailPassword("ada@example.com", "secret1"))
	if _, err := user.CallFunction(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	if user.RefreshToken() != newer.RefreshToken() {
		t.Error("the newer session was not taken over")
	}
	// And the reverse: an end that is noticed late does not log the other out.
	s.on("GET /auth/api_keys", ok("[]"))
	if _, err := newer.APIKeys().FetchAll(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLogOutLeavesAnotherProcessAlone: the storage has a newer session than the
// one that is logged out here.
func TestLogOutLeavesAnotherProcessAlone(t *testing.T) {
	s := newServer(t)
	storage := realm.MemoryStorage()
	here, there := newApp(t, s.URL, realm.WithStorage(storage)), newApp(t, s.URL, realm.WithStorage(storage))
	user := logIn(t, here, realm.EmailPassword("ada@example.com", "secret1"))
	newer := logIn(t, there, realm.EmailPassword("ada@example.com", "secret1"))
	if err := user.LogOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := newApp(t, s.URL, realm.WithStorage(storage)).CurrentUser()
	if again == nil || again.RefreshToken() != newer.RefreshToken() {
		t.Errorf("the other process's session is no longer stored: %v", again)
	}
}

func TestRefreshCustomDataIsNotShared(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.Anonymous())
	s.expire()
	first := make(chan struct{})
	release := make(chan struct{})
	var n atomic.Int32
	s.handle("POST /auth/session", func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			close(first)
			<-release
		}
		s.answer(r, "/auth/session", nil).write(w)
	})
	done := make(chan error)
	go func() { _, err := user.CallFunction(t.Context(), "f"); done <- err }()
	<-first
	if _, err := user.RefreshCustomData(t.Context()); err != nil {
		t.Error(err)
	}
	if n.Load() != 2 {
		t.Error("RefreshCustomData waited for a refresh that began before it")
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDeviceIDIsKeptAndSent(t *testing.T) {
	s := newServer(t)
	storage := realm.MemoryStorage()
	app := newApp(t, s.URL, realm.WithStorage(storage), realm.WithAppInfo("todo", "1.2.3"))
	user := logIn(t, app, realm.Anonymous())
	if user.DeviceID() != device {
		t.Errorf("device %q", user.DeviceID())
	}
	logIn(t, newApp(t, s.URL, realm.WithStorage(storage), realm.WithAppInfo("todo", "1.2.3")), realm.NewAnonymous())
	var bodies []string
	for _, r := range s.requests() {
		if strings.HasSuffix(r.path, "/login") {
			bodies = append(bodies, r.body)
		}
	}
	if strings.Contains(bodies[0], "deviceId") {
		t.Errorf("a device id was sent before there was one: %s", bodies[0])
	}
	if want := `"deviceId":{"$oid":"` + device + `"}`; !strings.Contains(bodies[1], want) {
		t.Errorf("no %s in %s", want, bodies[1])
	}
	if !strings.Contains(bodies[0], `"appId":"todo","appVersion":"1.2.3"`) {
		t.Errorf("no app info in %s", bodies[0])
	}
}

func TestLocationIsAskedOnce(t *testing.T) {
	s := newServer(t)
	app := newApp(t, s.URL)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := app.LogIn(t.Context(), realm.NewAnonymous()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(s.requests(), "GET /app/"+appID+"/location"); n != 1 {
		t.Errorf("%d location requests, want 1", n)
	}
}

func TestLocation(t *testing.T) {
	t.Run("AskedAgainAfterAFailure", func(t *testing.T) {
		s := newServer(t)
		s.on("GET /app/"+appID+"/location", refused(503, "", "away"))
		app := newApp(t, s.URL)
		if _, err := app.LogIn(t.Context(), realm.Anonymous()); err == nil {
			t.Fatal("no error")
		}
		s.off("GET /app/" + appID + "/location")
		logIn(t, app, realm.Anonymous())
	})
	t.Run("SkippedWhenAsked", func(t *testing.T) {
		s := newServer(t)
		logIn(t, newApp(t, s.URL, realm.WithoutLocationRequest()), realm.Anonymous())
		if n := count(s.requests(), "GET /app/"+appID+"/location"); n != 0 {
			t.Errorf("%d location requests, want 0", n)
		}
	})
	t.Run("LeadsToAnotherHost", func(t *testing.T) {
		s, elsewhere := newServer(t), newServer(t)
		s.on("GET /app/"+appID+"/location", ok(`{"hostname":"`+elsewhere.URL+`","ws_hostname":"ws://x"}`))
		logIn(t, newApp(t, s.URL), realm.Anonymous())
		if n := len(s.requests()); n != 1 {
			t.Errorf("%d requests at the base URL, want 1", n)
		}
		if n := len(elsewhere.requests()); n != 2 {
			t.Errorf("%d requests at the host, want log-in and profile", n)
		}
	})
	t.Run("UpdateBaseURL", func(t *testing.T) {
		s, elsewhere := newServer(t), newServer(t)
		app := newApp(t, s.URL)
		if err := app.UpdateBaseURL(t.Context(), "http://127.0.0.1:1"); err == nil {
			t.Error("moved to where nobody is")
		}
		if app.BaseURL() != s.URL {
			t.Errorf("base URL %s", app.BaseURL())
		}
		if err := app.UpdateBaseURL(t.Context(), elsewhere.URL+"/"); err != nil {
			t.Fatal(err)
		}
		logIn(t, app, realm.Anonymous())
		if app.BaseURL() != elsewhere.URL || len(s.requests()) != 0 {
			t.Error("the app did not move")
		}
	})
}

// TestListenersMayCall: a listener makes calls of its own, even ones that need
// another renewal.
func TestListenersMayCall(t *testing.T) {
	s := newServer(t)
	user := logIn(t, newApp(t, s.URL), realm.EmailPassword("ada@example.com", "secret1"))
	n := 0
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	// Calls whose new token the listener makes useless may fail, not hang.
	call := func() {
		if _, err := user.CallFunction(ctx, "f"); err != nil && !errors.Is(err, realm.ErrInvalidSession) {
			t.Error(err)
		}
	}
	user.AddListener(func() {
		if n++; n < 3 {
			s.expire()
			call()
		}
	})
	s.expire()
	call()
	if n < 3 {
		t.Errorf("listener called %d times", n)
	}
}
