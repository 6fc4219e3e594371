package sdk

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
	"regent/test/server"
)

// TestProviders logs in with every provider that needs nobody outside.
func TestProviders(t *testing.T) {
	s := start(t)
	app := open(t, shopID, s.URL)
	ada := register(t, app, "ada@example.com")
	key, err := ada.APIKeys().Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		credentials realm.Credentials
		identity    string // of the log-in, "" if it varies
		same        *realm.User
	}{
		{realm.Anonymous(), "", nil},
		{realm.NewAnonymous(), "", nil},
		{realm.EmailPassword("ada@example.com", password), "", ada},
		{realm.APIKey(key.Key), "", ada},
		{realm.JWT(jwt("subject-1", "Addie")), "subject-1", nil},
		{realm.CustomFunction(bson.M{"name": "ada"}), "ada", nil},
	} {
		t.Run(string(test.credentials.Provider()), func(t *testing.T) {
			user := logIn(t, app, test.credentials)
			if app.CurrentUser() != user || user.ProviderType() != test.credentials.Provider() {
				t.Errorf("provider %s", user.ProviderType())
			}
			if test.same != nil && user != test.same {
				t.Error("another user")
			}
			if i := user.Identities()[0]; test.identity != "" && i.ID != test.identity {
				t.Errorf("identity %v", i)
			}
			if test.credentials.Provider() == realm.ProviderCustomToken && user.Profile().Data["nick"] != "Addie" {
				t.Errorf("profile %v", user.Profile())
			}
		})
	}
	for name, test := range map[string]struct {
		credentials realm.Credentials
		code        realm.Code
	}{
		"wrong password":        {realm.EmailPassword("ada@example.com", "wrong horse"), realm.ErrInvalidPassword},
		"unknown address":       {realm.EmailPassword("nobody@example.com", password), realm.ErrInvalidPassword},
		"unknown key":           {realm.APIKey("nonsense"), realm.ErrAuth},
		"bad JWT":               {realm.JWT("a.b.c"), realm.ErrAuth},
		"function that refuses": {realm.CustomFunction(nil), realm.ErrAuth},
		"provider not there":    {realm.GoogleIDToken("a.b.c"), realm.ErrAuthProviderNotFound},
	} {
		_, err := app.LogIn(t.Context(), test.credentials)
		want(t, name, err, test.code)
		var e *realm.Error
		if !errors.As(err, &e) || !strings.Contains(e.Link, "logs?co_id=") {
			t.Errorf("%s: no link in %v", name, err)
		}
	}
	_, err = open(t, "nope-abcde", s.URL).LogIn(t.Context(), realm.Anonymous())
	if err == nil || !strings.Contains(err.Error(), "cannot find app using Client App ID 'nope-abcde'") {
		t.Errorf("unknown app: %v", err)
	}
}

func TestEmailPasswordAuth(t *testing.T) {
	s := start(t)
	app := open(t, shopID, s.URL)
	accounts := app.EmailPasswordAuth()
	ctx := t.Context()
	register(t, app, "ada@example.com")
	want(t, "the same address", accounts.RegisterUser(ctx, "ada@example.com", password), realm.ErrAccountNameInUse)
	want(t, "a short password", accounts.RegisterUser(ctx, "eve@example.com", "short"), realm.ErrBadRequest)
	want(t, "a bad token", accounts.ConfirmUser(ctx, "token", "id"), realm.ErrBadRequest)
	want(t, "a bad reset token", accounts.ResetPassword(ctx, "token", "id", password), realm.ErrBadRequest)
	if err := accounts.RetryCustomConfirmation(ctx, "ada@example.com"); err == nil || !strings.Contains(err.Error(), "automatic confirmation is enabled") {
		t.Errorf("confirming what needs no confirmation: %v", err)
	}
	want(t, "resetting an unknown address", accounts.CallResetPasswordFunction(ctx, "nobody@example.com", password), realm.ErrUserNotFound)
	if err := accounts.CallResetPasswordFunction(ctx, "ada@example.com", "new password", "abracadabra"); err == nil {
		t.Error("the wrong word resets the password")
	}
	if err := accounts.CallResetPasswordFunction(ctx, "ada@example.com", "new password", "sesame"); err != nil {
		t.Error(err)
	}
	_, err := app.LogIn(ctx, realm.EmailPassword("ada@example.com", password))
	want(t, "the old password", err, realm.ErrInvalidPassword)
	logIn(t, app, realm.EmailPassword("ada@example.com", "new password"))
	if err := accounts.SendResetPasswordEmail(ctx, "ada@example.com"); err == nil {
		t.Error("the app resets by function, and sent a mail")
	}
	if err := accounts.ResendConfirmationEmail(ctx, "nobody@example.com"); err == nil {
		t.Error("a mail was sent to nobody")
	}
}

// TestSessionsOfTwoDevices: what one does to its session, and to the account.
func TestSessionsOfTwoDevices(t *testing.T) {
	s := start(t)
	phone, laptop := open(t, shopID, s.URL), open(t, shopID, s.URL)
	onPhone := register(t, phone, "ada@example.com")
	onLaptop := logIn(t, laptop, realm.EmailPassword("ada@example.com", password))
	if onPhone.ID() != onLaptop.ID() || onPhone.RefreshToken() == onLaptop.RefreshToken() {
		t.Error("want one user with two sessions")
	}
	if err := onPhone.LogOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := onLaptop.RefreshCustomData(t.Context()); err != nil {
		t.Errorf("the other session ended too: %v", err)
	}
	logIn(t, phone, realm.EmailPassword("ada@example.com", password))
	if err := phone.DeleteUser(t.Context(), onPhone); err != nil {
		t.Fatal(err)
	}
	if onPhone.State() != realm.Removed || phone.CurrentUser() != nil {
		t.Errorf("state %s", onPhone.State())
	}
	_, err := onLaptop.CallFunction(t.Context(), "sum", 1)
	want(t, "the deleted user's other session", err, realm.ErrLoggedOut)
	if onLaptop.State() != realm.LoggedOut {
		t.Errorf("state %s", onLaptop.State())
	}
	_, err = phone.LogIn(t.Context(), realm.EmailPassword("ada@example.com", password))
	want(t, "logging in to a deleted account", err, realm.ErrInvalidPassword)
}

// TestExpiredAccessTokens: tokens that live for a second, and many callers.
func TestExpiredAccessTokens(t *testing.T) {
	o := shopOptions()
	o.Args = []string{"--access-token-ttl", "1s"}
	s := server.Start(t, o)
	user := logIn(t, open(t, shopID, s.URL), realm.Anonymous())
	deadline := time.Now().Add(3 * time.Second)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for time.Now().Before(deadline) {
				if n, err := realm.Call[int](t.Context(), user, "sum", 1, 2); err != nil || n != 3 {
					t.Errorf("%d, %v", n, err)
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	wg.Wait()
}

// TestUsersSurviveRestarts of the program, and of the server.
func TestUsersSurviveRestarts(t *testing.T) {
	s := start(t)
	storage := realm.FileStorage(filepath.Join(t.TempDir(), "users.json"))
	listen := strings.TrimPrefix(s.URL, "http://")
	user := logIn(t, open(t, shopID, s.URL, realm.WithStorage(storage)), realm.Anonymous())
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	o := shopOptions()
	o.Args = []string{"--listen", listen}
	s.Restart(o)
	again := open(t, shopID, s.URL, realm.WithStorage(storage)).CurrentUser()
	if again == nil || again.ID() != user.ID() {
		t.Fatalf("current user %v", again)
	}
	if _, err := again.CallFunction(t.Context(), "sum", 1); err != nil {
		t.Error(err)
	}
}

// TestUserFromToken: a back end believes the tokens of its own app only.
func TestUserFromToken(t *testing.T) {
	s := start(t)
	phone := register(t, open(t, shopID, s.URL), "ada@example.com")
	backend := open(t, shopID, s.URL)
	user, err := backend.UserFromToken(t.Context(), phone.AccessToken())
	if err != nil {
		t.Fatal(err)
	}
	if user.ID() != phone.ID() || user.Profile().Email != "ada@example.com" {
		t.Errorf("user %s", user.ID())
	}
	if id, err := realm.Call[bson.M](t.Context(), user, "whoami"); err != nil || id["id"] != phone.ID() {
		t.Errorf("%v, %v", id, err)
	}
	other := logIn(t, open(t, todoID, s.URL), realm.Anonymous())
	for name, token := range map[string]string{
		"a token of another app": other.AccessToken(),
		"a refresh token":        phone.RefreshToken(),
		"a forged token":         forge(phone.AccessToken()),
		"a token of nothing":     "a.e30.c",
	} {
		if user, err := backend.UserFromToken(t.Context(), token); user != nil || !errors.Is(err, realm.ErrLoggedOut) {
			t.Errorf("%s: %v, %v", name, user, err)
		}
	}
	if err := phone.LogOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := backend.UserFromToken(t.Context(), user.AccessToken()); !errors.Is(err, realm.ErrLoggedOut) {
		t.Errorf("a token of a session that was logged out: %v", err)
	}
}

// forge changes the signature's first letter.
func forge(token string) string {
	i := strings.LastIndexByte(token, '.') + 1
	c := byte('A')
	if token[i] == c {
		c = 'B'
	}
	return token[:i] + string(c) + token[i+1:]
}

// TestWatchResumes: the server is killed and started again under a running
// loop, three times, while somebody goes on writing. Every insert is seen, once,
// in order.
func TestWatchResumes(t *testing.T) {
	s := start(t)
	listen := strings.TrimPrefix(s.URL, "http://")
	writer, reader := open(t, shopID, s.URL), open(t, shopID, s.URL)
	me := register(t, writer, "ada@example.com")
	watched := logIn(t, reader, realm.EmailPassword("ada@example.com", password))
	of := func(u *realm.User) *realm.Collection[cat] {
		return realm.CollectionOf[cat](u.MongoClient("mongodb-atlas").Database("shop"), "cats")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	const kills = 3
	var enough atomic.Bool // the last restart is over
	written := make(chan struct{})
	go func() {
		defer close(written)
		for n := 0; ctx.Err() == nil; n++ {
			c := cat{ID: n, Owner: me.ID(), Age: n}
			if enough.Load() {
				c.Name = "last"
			}
			for ctx.Err() == nil {
				// Where the answer was lost, the same _id says whether the insert was.
				_, err := of(me).InsertOne(ctx, c)
				if err == nil || errors.Is(err, realm.ErrMongoDB) && strings.Contains(err.Error(), "duplicate key") {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if c.Name != "" {
				return
			}
			time.Sleep(3 * time.Millisecond)
		}
	}()
	next, restarts, resumed := -1, 0, 0
	for event, err := range of(watched).Watch(ctx, realm.WatchOptions{
		Filter: bson.M{"operationType": "insert"},
		OnReconnect: func(_ error, r bool) {
			if r {
				resumed++
			}
		},
	}) {
		if err != nil {
			t.Fatal(err)
		}
		got := event.FullDocument
		if next >= 0 && got.Age != next {
			t.Fatalf("got insert %d, want %d", got.Age, next)
		}
		if event.ResumeID == "" {
			t.Error("no resume id")
		}
		if next = got.Age + 1; got.Name == "last" {
			break
		}
		if got.Age > 0 && got.Age%40 == 0 && restarts < kills {
			s.Kill()
			time.Sleep(100 * time.Millisecond)
			o := shopOptions()
			o.Args = []string{"--listen", listen}
			s = s.Restart(o)
			restarts++
			enough.Store(restarts == kills)
		}
	}
	<-written
	if ctx.Err() != nil || restarts != kills || resumed == 0 {
		t.Errorf("%d inserts seen, %d restarts, resumed %d times", next, restarts, resumed)
	}
}

// TestWatchSeesOnlyItsOwn changes, by filter, by id, and by rule.
func TestWatchSeesOnlyItsOwn(t *testing.T) {
	s := start(t)
	ada, eve := register(t, open(t, shopID, s.URL), "ada@example.com"), register(t, open(t, shopID, s.URL), "eve@example.com")
	of := func(u *realm.User) *realm.Collection[cat] {
		return realm.CollectionOf[cat](u.MongoClient("mongodb-atlas").Database("shop"), "cats")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for name, test := range map[string]struct {
		options realm.WatchOptions
		want    []string
	}{
		"all":    {realm.WatchOptions{}, []string{"insert a", "insert b", "update a", "delete -"}},
		"ids":    {realm.WatchOptions{IDs: []any{"ids a"}}, []string{"insert a", "update a", "delete -"}},
		"filter": {realm.WatchOptions{Filter: bson.M{"fullDocument.name": "b"}}, []string{"insert b"}},
	} {
		t.Run(name, func(t *testing.T) {
			done, updated := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				time.Sleep(700 * time.Millisecond)
				_, err1 := of(eve).InsertOne(ctx, cat{ID: name + " eve", Owner: eve.ID(), Name: "eve"})
				_, err2 := of(ada).InsertMany(ctx, []cat{{ID: name + " a", Owner: ada.ID(), Name: "a"}, {ID: name + " b", Owner: ada.ID(), Name: "b"}})
				_, err3 := of(ada).UpdateOne(ctx, bson.M{"_id": name + " a"}, bson.M{"$set": bson.M{"age": 5}})
				// Whoever is told of an update is told with the document of then: one that is gone cannot be judged by a rule.
				select {
				case <-updated:
				case <-ctx.Done():
				}
				_, err4 := of(ada).DeleteOne(ctx, bson.M{"_id": name + " a"})
				if err := errors.Join(err1, err2, err3, err4); err != nil {
					t.Error(err)
				}
			}()
			var got []string
			for event, err := range of(ada).Watch(ctx, test.options) {
				if err != nil {
					t.Fatal(err)
				}
				who := "-"
				if event.FullDocument != nil {
					who = event.FullDocument.Name
				}
				if event.OperationType == "update" {
					close(updated)
				}
				if got = append(got, fmt.Sprint(event.OperationType, " ", who)); len(got) == len(test.want) {
					break
				}
			}
			if !slices.Contains(got, "update a") {
				close(updated) // it is not wanted here
			}
			<-done
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
