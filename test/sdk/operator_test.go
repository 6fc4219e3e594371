package sdk

import (
	"errors"
	"os/exec"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
	"regent/test/server"
)

// operator runs a command of the operator against the running server.
func operator(t *testing.T, s *server.Server, args ...string) (output string) {
	t.Helper()
	args = append(args, "--data", s.Data, "--app", shopID)
	out, err := exec.Command(server.Binary(t), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("regent %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestOperatorEndsSessions: what the SDK makes of users who are disabled,
// logged out and deleted behind their backs, with a change stream open.
func TestOperatorEndsSessions(t *testing.T) {
	s := start(t)
	for _, test := range []struct {
		command string
		after   func(app *realm.App) error // logging in afterwards
	}{
		{"disable", func(app *realm.App) error {
			_, err := app.LogIn(t.Context(), realm.EmailPassword("disable@example.com", password))
			if !errors.Is(err, realm.ErrUserDisabled) {
				return errors.Join(errors.New("want ErrUserDisabled"), err)
			}
			operator(t, s, "users", "enable", "disable@example.com")
			_, err = app.LogIn(t.Context(), realm.EmailPassword("disable@example.com", password))
			return err
		}},
		{"logout", func(app *realm.App) error {
			_, err := app.LogIn(t.Context(), realm.EmailPassword("logout@example.com", password))
			return err
		}},
		{"delete", func(app *realm.App) error {
			_, err := app.LogIn(t.Context(), realm.EmailPassword("delete@example.com", password))
			if !errors.Is(err, realm.ErrInvalidPassword) {
				return errors.Join(errors.New("want ErrInvalidPassword"), err)
			}
			return nil
		}},
	} {
		t.Run(test.command, func(t *testing.T) {
			app := open(t, shopID, s.URL)
			user := register(t, app, test.command+"@example.com")
			id := user.ID()
			ended := make(chan error, 1)
			go func() {
				cats := user.MongoClient("mongodb-atlas").Database("shop").Collection("cats")
				for _, err := range cats.Watch(t.Context(), realm.WatchOptions{Filter: bson.M{"operationType": "insert"}}) {
					ended <- err
				}
			}()
			time.Sleep(700 * time.Millisecond) // until the stream is open
			operator(t, s, "users", test.command, test.command+"@example.com")

			if _, err := user.RefreshCustomData(t.Context()); !errors.Is(err, realm.ErrLoggedOut) {
				t.Errorf("refresh: %v", err)
			}
			if user.State() != realm.LoggedOut || app.CurrentUser() != nil || user.ID() != id {
				t.Errorf("state %s", user.State())
			}
			if _, err := user.CallFunction(t.Context(), "sum", 1); !errors.Is(err, realm.ErrLoggedOut) {
				t.Errorf("call: %v", err)
			}
			select {
			case err := <-ended:
				if !errors.Is(err, realm.ErrLoggedOut) {
					t.Errorf("the change stream ended with %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("the change stream goes on")
			}
			if err := test.after(app); err != nil {
				t.Errorf("logging in afterwards: %v", err)
			}
		})
	}
}
