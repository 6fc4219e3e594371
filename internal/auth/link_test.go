package auth_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/fault"
)

func TestLink(t *testing.T) {
	w := newWorld(t, everything())
	w.fns["authenticate"] = func(args []bson.RawValue) (any, error) { return args[0].Document().Lookup("id").StringValue(), nil }
	w.register("ann@example.com", "secret1")
	w.register("bob@example.com", "secret2")
	anon := w.login("anon-user", `{}`)
	w.took()
	link := func(se auth.Tokens, provider, body string) (auth.Tokens, error) {
		return w.Link(t.Context(), w.session(se), provider, doc(body), nil)
	}
	linked, err := link(anon, "local-userpass", userpass("ann@example.com", "secret1"))
	if err != nil {
		t.Fatal(err)
	}
	if linked.UserID != anon.UserID || linked.AccessToken == "" || linked.RefreshToken != "" || linked.DeviceID == "" {
		t.Errorf("answer: %+v", linked)
	}
	if got := identities(w.session(linked)); got != "anon-user local-userpass" {
		t.Errorf("identities: %s", got)
	}
	if got := w.login("local-userpass", userpass("ann@example.com", "secret1")); got.UserID != anon.UserID {
		t.Error("the linked account logs in another user")
	}
	if got, want := w.took(), []string{"CREATE local-userpass", "LOGIN local-userpass"}; !cmp.Equal(got, want) {
		t.Errorf("events: %v", got)
	}

	t.Run("AgainIsNoError", func(t *testing.T) {
		if _, err := link(anon, "local-userpass", userpass("ann@example.com", "secret1")); err != nil {
			t.Error(err)
		}
		for range 2 {
			if _, err := link(anon, "custom-function", `{"id": "f1"}`); err != nil {
				t.Error(err)
			}
		}
		if got := identities(w.session(anon)); got != "anon-user local-userpass custom-function" {
			t.Errorf("identities: %s", got)
		}
	})
	t.Run("ErrSecondUserpass", func(t *testing.T) {
		_, err := link(anon, "local-userpass", userpass("bob@example.com", "secret2"))
		refused(t, err, 409, fault.InternalServerError, "linking a local-userpass identity is not allowed when one is already linked")
	})
	t.Run("ErrBelongsToOther", func(t *testing.T) {
		bob := w.login("local-userpass", userpass("bob@example.com", "secret2"))
		_, err := link(bob, "custom-function", `{"id": "f1"}`)
		refused(t, err, 409, fault.InvalidSession, "a user already exists with the specified provider")
		other := w.login("anon-user", `{}`)
		_, err = link(other, "local-userpass", userpass("bob@example.com", "secret2"))
		refused(t, err, 409, fault.InvalidSession, "a user already exists with the specified provider")
		_, err = link(anon, "local-userpass", userpass("bob@example.com", "secret2"))
		refused(t, err, 409, fault.InvalidSession, "a user already exists with the specified provider")
	})
	t.Run("ErrAnonymous", func(t *testing.T) {
		_, err := link(anon, "anon-user", `{}`)
		refused(t, err, 409, fault.InternalServerError, "linking an anonymous identity is not allowed")
	})
	// realm-web repeats a 401 with these texts for ever.
	t.Run("ErrCredentialsWithout401", func(t *testing.T) {
		_, err := link(anon, "local-userpass", userpass("bob@example.com", "wrong"))
		refused(t, err, 409, fault.InvalidPassword, "unauthorized")
		_, err = link(anon, "oauth2-facebook", `{"accessToken": "x"}`)
		refused(t, err, 409, fault.InvalidSession, "")
	})
}

// Attack 23: many users link one identity at once; exactly one gets it.
func TestRacingLinks(t *testing.T) {
	w := newWorld(t, everything())
	w.fns["authenticate"] = func([]bson.RawValue) (any, error) { return "the one", nil }
	const n = 12
	users := make([]auth.Tokens, n)
	for i := range users {
		users[i] = w.login("anon-user", `{}`)
	}
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range users {
		wg.Go(func() {
			_, errs[i] = w.Link(t.Context(), w.session(users[i]), "custom-function", doc(`{}`), nil)
		})
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			if got := w.login("custom-function", `{}`); got.UserID != users[i].UserID {
				t.Error("the identity logs in another user than the one it was linked to")
			}
			continue
		}
		refused(t, err, 409, fault.InvalidSession, "")
	}
	if won != 1 {
		t.Errorf("%d links won", won)
	}
}

// Two processes and many clients log in by one new identity at once.
func TestRacingFirstLogins(t *testing.T) {
	w := newWorld(t, everything())
	w.fns["authenticate"] = func([]bson.RawValue) (any, error) { return "new", nil }
	services := []*auth.Service{w.Service, w.another()}
	var mu sync.Mutex
	ids := map[string]int{}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			tok, err := services[i%2].Login(t.Context(), "custom-function", doc(`{}`), nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			ids[tok.UserID]++
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("users: %v", ids)
	}
}

// The user creation function runs once for a new user, however many first
// log-ins come at once.
func TestCreationFunctionRunsOnce(t *testing.T) {
	w := newWorld(t, everything(), func(c *auth.Config) { c.App.CustomUserData.OnUserCreation = "welcome" })
	w.fns["authenticate"] = func([]bson.RawValue) (any, error) { return "new", nil }
	var runs atomic.Int64
	w.fns["welcome"] = func([]bson.RawValue) (any, error) {
		runs.Add(1)
		time.Sleep(20 * time.Millisecond)
		return nil, nil
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.Login(t.Context(), "custom-function", doc(`{}`), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := runs.Load(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// Attack 22: no id or address that a provider returns is another provider's.
func TestIdentitiesDoNotCross(t *testing.T) {
	w := newWorld(t, everything())
	w.register("ann@example.com", "secret1")
	ann := w.login("local-userpass", userpass("ann@example.com", "secret1"))
	id := w.session(ann).User.Identities[0].ID
	for _, claim := range []any{"ann@example.com", id, ann.UserID, "local-userpass:" + id, bson.D{{Key: "id", Value: id}, {Key: "name", Value: "ann@example.com"}}} {
		w.fns["authenticate"] = func([]bson.RawValue) (any, error) { return claim, nil }
		got := w.login("custom-function", `{"email": "ann@example.com"}`)
		if got.UserID == ann.UserID {
			t.Errorf("%v took the account over", claim)
		}
	}
}

// A login racing a delete ends with no usable session of a user that is gone.
func TestLoginRacingDelete(t *testing.T) {
	w := newWorld(t, everything())
	for i := range 10 {
		email := fmt.Sprintf("u%d@example.com", i)
		w.register(email, "secret1")
		tok := w.login("local-userpass", userpass(email, "secret1"))
		var late auth.Tokens
		var lateErr error
		var wg sync.WaitGroup
		wg.Go(func() { late, lateErr = w.Login(t.Context(), "local-userpass", doc(userpass(email, "secret1")), nil) })
		wg.Go(func() {
			if err := w.DeleteUser(t.Context(), w.session(tok)); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		_, err := w.Authenticate(t.Context(), tok.AccessToken)
		refused(t, err, 401, fault.InvalidSession, "")
		if lateErr != nil {
			refused(t, lateErr, 401, fault.InvalidPassword, "")
			continue
		}
		if late.UserID != tok.UserID {
			t.Error("the log-in brought a deleted account back")
		}
		_, err = w.Authenticate(t.Context(), late.AccessToken)
		refused(t, err, 401, fault.InvalidSession, "")
	}
}

// The user goes after a log-in has found it and before its session is opened: the
// session stands, and lets nobody in.
func TestUserGoneDuringLogin(t *testing.T) {
	var during func()
	w := newWorld(t, everything(), func(c *auth.Config) {
		c.App.CustomUserData = app.CustomUserData{Enabled: true, DataSource: "mongodb-atlas", Database: "cud", Collection: "users", UserIDField: "owner"}
		c.CustomData = func(context.Context, string) (*mongo.Client, error) {
			if during != nil {
				during()
			}
			return shared.client, nil
		}
	})
	w.fns["authenticate"] = func([]bson.RawValue) (any, error) { return "goner", nil }
	first := w.login("custom-function", `{}`)
	during = func() {
		during = nil
		if err := w.DeleteUser(t.Context(), w.session(first)); err != nil {
			t.Error(err)
		}
	}
	late, err := w.Login(t.Context(), "custom-function", doc(`{}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if late.UserID != first.UserID {
		t.Fatal("the log-in had not found the user yet")
	}
	_, err = w.Authenticate(t.Context(), late.AccessToken)
	refused(t, err, 401, fault.InvalidSession, "invalid session: failed to find refresh token")
	_, err = w.Refresh(t.Context(), late.RefreshToken, nil)
	refused(t, err, 401, fault.InvalidSession, "invalid session: failed to find refresh token")
}

// The account goes while its first log-in is under way: no user may be left
// behind, since nobody could log in to delete it.
func TestAccountGoneDuringFirstLogin(t *testing.T) {
	w := newWorld(t, everything(), func(c *auth.Config) { c.App.CustomUserData.OnUserCreation = "welcome" })
	w.fns["welcome"] = func([]bson.RawValue) (any, error) {
		return nil, shared.db.Collection("accounts").FindOneAndDelete(t.Context(), bson.D{{Key: "app", Value: w.Domain}, {Key: "email", Value: "ann@example.com"}}).Err()
	}
	w.register("ann@example.com", "secret1")
	_, err := w.Login(t.Context(), "local-userpass", doc(userpass("ann@example.com", "secret1")), nil)
	refused(t, err, 401, fault.InvalidPassword, "unauthorized")
	if n, err := w.CountUsers(t.Context()); n != 0 || err != nil {
		t.Errorf("%d users, %v", n, err)
	}
}
