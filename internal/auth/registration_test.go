package auth_test

import (
	"errors"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/fault"
	"regent/internal/mail"
)

// mailWorld is an app of one of the kinds of testdata/userpass.txt.
func mailWorld(t *testing.T, kind string) *world {
	kind, hide := strings.CutSuffix(kind, "+hide")
	p := &app.Provider{}
	switch kind {
	case "auto":
		p.Config = conf("autoConfirm", true, "resetPasswordUrl", "https://app.example/reset")
	case "mail":
		p.Config = conf("autoConfirm", false, "emailConfirmationUrl", "https://app.example/confirm?lang=en", "resetPasswordUrl", "")
	case "function":
		p.Config = conf("runConfirmationFunction", true, "confirmationFunctionName", "status")
	case "reset":
		p.Config = conf("autoConfirm", true, "runResetFunction", true, "resetFunctionName", "status")
	default:
		t.Fatalf("unknown kind of app %q", kind)
	}
	w := newWorld(t, providers{"local-userpass": p, "anon-user": {}}, func(c *auth.Config) { c.App.Settings.HideAccounts = hide })
	w.fns["status"] = func(args []bson.RawValue) (any, error) {
		status, _, _ := strings.Cut(args[0].Document().Lookup("username").StringValue(), "@")
		switch status {
		case "throw":
			return nil, errors.New("thrown")
		case "wait", "done":
			status = "pending"
		}
		return bson.D{{Key: "status", Value: status}}, nil
	}
	return w
}

// have makes an account that exists before the call.
func (w *world) have(email string) {
	w.t.Helper()
	if strings.HasPrefix(email, "done") {
		if _, err := w.CreateUser(w.t.Context(), email, "secret1"); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	// A pending account, or for the reset function one that can log in: as a
	// function answers that leaves it open.
	saved := w.fns["status"]
	w.fns["status"] = func([]bson.RawValue) (any, error) { return bson.D{{Key: "status", Value: "pending"}}, nil }
	w.register(email, "secret1")
	w.fns["status"] = saved
}

func TestUserpassCalls(t *testing.T) {
	text, err := os.ReadFile("testdata/userpass.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 7 {
			t.Fatalf("line %d has %d fields", i+1, len(f))
		}
		for j := range f {
			f[j] = strings.TrimSpace(f[j])
		}
		t.Run(strconv.Itoa(i+1)+" "+f[0]+" "+f[2], func(t *testing.T) {
			w := mailWorld(t, f[0])
			if f[1] != "" {
				w.have(f[1])
			}
			before, _ := w.Pending(t.Context(), "", 0)
			err := w.Userpass(t.Context(), f[2], doc(f[3]), nil)
			if f[4] == "2xx" {
				if err != nil {
					t.Fatalf("line %d: %v", i+1, err)
				}
				return
			}
			status, _ := strconv.Atoi(f[4])
			want := f[6]
			if want == "-" {
				want = ""
			}
			refused(t, err, status, fault.Code(f[5]), want)
			if after, _ := w.Pending(t.Context(), "", 0); len(after) > len(before) {
				t.Errorf("line %d: a refused call left an account", i+1)
			}
		})
	}
}

// pair takes the token pair out of the newest mail.
func (w *world) pair(kind mail.Kind) (token, id string) {
	w.t.Helper()
	for _, m := range w.outbox.Mails() {
		if m.Kind == kind {
			u, err := url.Parse(m.Link)
			if err != nil {
				w.t.Fatal(err)
			}
			return u.Query().Get("token"), u.Query().Get("tokenId")
		}
	}
	w.t.Fatalf("no %s mail", kind)
	return "", ""
}

func TestConfirmByMail(t *testing.T) {
	w := mailWorld(t, "mail")
	login := func() error {
		_, err := w.Login(t.Context(), "local-userpass", doc(userpass("a@x.org", "secret1")), nil)
		return err
	}
	w.register("a@x.org", "secret1")
	refused(t, login(), 401, fault.AuthError, "unauthorized")
	m := w.outbox.Mails()[0]
	if m.To != "a@x.org" || !strings.HasPrefix(m.Link, "https://app.example/confirm?lang=en&token=") || !strings.Contains(m.Text, m.Link) || !strings.Contains(m.HTML, "token=") || m.Subject == "" {
		t.Errorf("mail: %+v", m)
	}
	first, firstID := w.pair(mail.Confirm)
	w.call("confirm/send", conf("email", "a@x.org"))
	second, secondID := w.pair(mail.Confirm)
	if first == second {
		t.Error("a token came twice")
	}
	w.call("confirm", conf("token", second, "tokenId", secondID))
	if err := login(); err != nil {
		t.Error(err)
	}
	// The other mail's token is void with the first use of any.
	refused(t, w.Userpass(t.Context(), "confirm", conf("token", first, "tokenId", firstID), nil), 400, fault.UserpassTokenInvalid, "")
}

func TestConfirmByFunction(t *testing.T) {
	w := mailWorld(t, "function")
	var arg bson.Raw
	answer := "pending"
	w.fns["status"] = func(args []bson.RawValue) (any, error) {
		arg = args[0].Document()
		return bson.D{{Key: "status", Value: answer}}, nil
	}
	login := func(email string) error {
		_, err := w.Login(t.Context(), "local-userpass", doc(userpass(email, "secret1")), nil)
		return err
	}
	w.register("a@x.org", "secret1")
	refused(t, login("a@x.org"), 401, fault.AuthError, "unauthorized")
	if len(arg.Lookup("token").StringValue()) != 64 || len(arg.Lookup("tokenId").StringValue()) != 24 || arg.Lookup("username").StringValue() != "a@x.org" {
		t.Errorf("argument: %s", arg)
	}
	w.call("confirm", conf("token", arg.Lookup("token").StringValue(), "tokenId", arg.Lookup("tokenId").StringValue()))
	if err := login("a@x.org"); err != nil {
		t.Error(err)
	}
	w.register("b@x.org", "secret1")
	answer = "success"
	w.call("confirm/call", conf("email", "b@x.org"))
	if err := login("b@x.org"); err != nil {
		t.Error(err)
	}
	answer = "fail"
	refused(t, w.Userpass(t.Context(), "register", conf("email", "c@x.org", "password", "secret1"), nil), 400, fault.BadRequest, "")
	answer = "success"
	w.register("c@x.org", "secret1") // nothing remained
}

func TestReset(t *testing.T) {
	login := func(w *world, pass string) error {
		_, err := w.Login(t.Context(), "local-userpass", doc(userpass("done@x.org", pass)), nil)
		return err
	}
	t.Run("ByMail", func(t *testing.T) {
		w := mailWorld(t, "auto")
		w.have("done@x.org")
		tok := w.login("local-userpass", userpass("done@x.org", "secret1"))
		w.call("reset/send", conf("email", "done@x.org"))
		token, id := w.pair(mail.Reset)
		refused(t, w.Userpass(t.Context(), "reset", conf("token", token, "tokenId", id, "password", "short"), nil), 400, fault.BadRequest, "")
		w.call("reset", conf("token", token, "tokenId", id, "password", "secret2"))
		refused(t, login(w, "secret1"), 401, fault.InvalidPassword, "unauthorized")
		if err := login(w, "secret2"); err != nil {
			t.Error(err)
		}
		_, err := w.Authenticate(t.Context(), tok.AccessToken)
		refused(t, err, 401, fault.InvalidSession, "")
	})
	t.Run("ByFunction", func(t *testing.T) {
		w := mailWorld(t, "reset")
		w.have("done@x.org")
		var got []bson.RawValue
		answer := "fail"
		w.fns["status"] = func(args []bson.RawValue) (any, error) {
			got = args
			return bson.D{{Key: "status", Value: answer}}, nil
		}
		call := func(pass string) error {
			return w.Userpass(t.Context(), "reset/call", doc(`{"email": "done@x.org", "password": "`+pass+`", "arguments": ["x", {"$numberInt": "42"}]}`), nil)
		}
		refused(t, call("secret2"), 400, fault.None, "")
		if len(got) != 3 || got[1].StringValue() != "x" || got[2].Int32() != 42 {
			t.Errorf("arguments: %v", got)
		}
		arg := got[0].Document()
		if arg.Lookup("password").StringValue() != "secret2" || arg.Lookup("username").StringValue() != "done@x.org" || arg.Lookup("currentPasswordValid").Boolean() {
			t.Errorf("argument: %s", arg)
		}
		if err := login(w, "secret1"); err != nil {
			t.Error(err)
		}
		answer = "pending"
		if err := call("secret1"); err != nil {
			t.Error(err)
		}
		arg = got[0].Document()
		if !arg.Lookup("currentPasswordValid").Boolean() {
			t.Errorf("argument: %s", arg)
		}
		w.call("reset", conf("token", arg.Lookup("token").StringValue(), "tokenId", arg.Lookup("tokenId").StringValue(), "password", "secret3"))
		if err := login(w, "secret3"); err != nil {
			t.Error(err)
		}
		answer = "success"
		if err := call("secret4"); err != nil {
			t.Error(err)
		}
		if err := login(w, "secret4"); err != nil {
			t.Error(err)
		}
	})
}

// Attack 24: reuse, expiry, another account's tokenId, another purpose, another app.
func TestTokenMisuse(t *testing.T) {
	w := mailWorld(t, "mail")
	w.have("done@x.org")
	w.register("wait@x.org", "secret1")
	w.call("reset/send", conf("email", "done@x.org"))
	confirmToken, confirmID := w.pair(mail.Confirm)
	resetToken, resetID := w.pair(mail.Reset)
	confirm := func(s *auth.Service, token, id string) error {
		return s.Userpass(t.Context(), "confirm", conf("token", token, "tokenId", id), nil)
	}
	reset := func(token, id string) error {
		return w.Userpass(t.Context(), "reset", conf("token", token, "tokenId", id, "password", "taken over"), nil)
	}
	invalid := func(err error) { t.Helper(); refused(t, err, 400, fault.UserpassTokenInvalid, "") }
	invalid(confirm(w.Service, confirmToken, resetID))
	invalid(confirm(w.Service, resetToken, confirmID))
	invalid(reset(confirmToken, confirmID))
	invalid(reset(resetToken, confirmID))
	invalid(confirm(w.Service, resetToken, resetID))
	invalid(confirm(mailWorld(t, "mail").Service, confirmToken, confirmID))
	invalid(confirm(w.Service, strings.ToUpper(confirmToken), confirmID))

	t.Run("UsedOnceHoweverManyTry", func(t *testing.T) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		worked := 0
		for range 8 {
			wg.Go(func() {
				if confirm(w.Service, confirmToken, confirmID) == nil {
					mu.Lock()
					worked++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if worked != 1 {
			t.Errorf("the token worked %d times", worked)
		}
	})
	t.Run("ErrExpired", func(t *testing.T) {
		w.clock.advance(31 * time.Minute)
		invalid(reset(resetToken, resetID))
	})
	t.Run("HashedAtRest", func(t *testing.T) {
		n, err := shared.db.Collection("tokens").CountDocuments(t.Context(), bson.D{{Key: "$or", Value: bson.A{bson.D{{Key: "hash", Value: resetToken}}, bson.D{{Key: "token", Value: resetToken}}, bson.D{{Key: "secret", Value: resetToken}}}}})
		if err != nil || n != 0 {
			t.Errorf("%d tokens in clear text, %v", n, err)
		}
	})
}

func TestOperatorsAccounts(t *testing.T) {
	w := mailWorld(t, "mail")
	ctx := t.Context()
	w.register("wait@x.org", "secret1")
	pending, err := w.Pending(ctx, "", 0)
	if err != nil || len(pending) != 1 || pending[0].Email != "wait@x.org" {
		t.Fatalf("%+v %v", pending, err)
	}
	if err := w.ConfirmAccount(ctx, "wait@x.org"); err != nil {
		t.Fatal(err)
	}
	refused(t, w.ConfirmAccount(ctx, "wait@x.org"), 400, fault.UserAlreadyConfirmed, "")
	tok := w.login("local-userpass", userpass("wait@x.org", "secret1"))
	if err := w.SetEmail(ctx, tok.UserID, "now@x.org"); err != nil {
		t.Fatal(err)
	}
	if got := w.session(tok).User.Data.Lookup("email").StringValue(); got != "now@x.org" {
		t.Errorf("email in data: %s", got)
	}
	if err := w.SetPassword(ctx, tok.UserID, "secret2"); err != nil {
		t.Fatal(err)
	}
	if again := w.login("local-userpass", userpass("now@x.org", "secret2")); again.UserID != tok.UserID {
		t.Error("another user after the change")
	}
	u, err := w.CreateUser(ctx, "made@x.org", "secret1")
	if err != nil {
		t.Fatal(err)
	}
	if !u.LastLogin.IsZero() {
		t.Errorf("who was made by an operator has logged in at %v", u.LastLogin)
	}
	refused(t, w.SetEmail(ctx, u.ID, "now@x.org"), 409, fault.AccountNameInUse, "")
	_, err = w.CreateUser(ctx, "made@x.org", "secret1")
	refused(t, err, 409, fault.AccountNameInUse, "")
	if got := w.login("local-userpass", userpass("made@x.org", "secret1")); got.UserID != u.ID {
		t.Error("the created user is not who logs in")
	}
	if err := w.RemoveUser(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, w.RemoveUser(ctx, u.ID), 404, fault.UserNotFound, "")
	_, err = w.Login(ctx, "local-userpass", doc(userpass("made@x.org", "secret1")), nil)
	refused(t, err, 401, fault.InvalidPassword, "")
	w.register("gone@x.org", "secret1")
	if err := w.DeletePending(ctx, "gone@x.org"); err != nil {
		t.Fatal(err)
	}
	w.register("gone@x.org", "secret1")
}

func TestIdleAnonymousUsers(t *testing.T) {
	w := newWorld(t, everything(), func(c *auth.Config) { c.App.Settings.AnonymousUserMaxIdleDays = 90 })
	ctx := t.Context()
	idle, linked, seen := w.login("anon-user", `{}`), w.login("anon-user", `{}`), w.login("anon-user", `{}`)
	w.register("a@example.com", "secret1")
	w.register("b@example.com", "secret1")
	if _, err := w.Link(ctx, w.session(linked), "local-userpass", doc(userpass("a@example.com", "secret1")), nil); err != nil {
		t.Fatal(err)
	}
	old := w.login("local-userpass", userpass("b@example.com", "secret1"))
	if n, err := w.RemoveIdleAnonymous(ctx, 100); n != 0 || err != nil {
		t.Fatalf("%d users were removed at once, %v", n, err)
	}
	w.clock.advance(91 * 24 * time.Hour)
	// seen refreshed its session lately.
	id, err := bson.ObjectIDFromHex(seen.UserID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.db.Collection("users").UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: bson.D{{Key: "first_session.used", Value: w.clock.now()}}}}); err != nil {
		t.Fatal(err)
	}
	if n, err := w.RemoveIdleAnonymous(ctx, 100); n != 1 || err != nil {
		t.Errorf("%d users were removed, %v", n, err)
	}
	for tok, there := range map[auth.Tokens]bool{idle: false, linked: true, seen: true, old: true} {
		if _, err := w.ShowUser(ctx, tok.UserID); (err == nil) != there {
			t.Errorf("there: %v, want %v", err == nil, there)
		}
	}
}
