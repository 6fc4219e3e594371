package auth_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/app"
	"regent/internal/auth"
	"regent/internal/fault"
)

func TestAnonymous(t *testing.T) {
	w := newWorld(t, everything())
	a, b := w.login("anon-user", `{}`), w.login("anon-user", `{"options": {"device": {"platform": "Linux"}}}`)
	if a.UserID == b.UserID {
		t.Error("two anonymous log-ins gave one user")
	}
	se := w.session(a)
	if len(se.User.Identities) != 1 || !regexp.MustCompile(`^[0-9a-f]{24}-[a-z]{24}$`).MatchString(se.User.Identities[0].ID) {
		t.Errorf("identities: %+v", se.User.Identities)
	}
	if a.DeviceID != strings.Repeat("0", 24) {
		t.Errorf("device id without a device: %s", a.DeviceID)
	}
	if b.DeviceID == strings.Repeat("0", 24) {
		t.Error("no device id for a described device")
	}
	if got, want := w.took(), []string{"CREATE anon-user", "LOGIN anon-user", "CREATE anon-user", "LOGIN anon-user"}; !cmp.Equal(got, want) {
		t.Errorf("events: %v", got)
	}
	p, err := w.Profile(t.Context(), se.User)
	if err != nil {
		t.Fatal(err)
	}
	if p.Lookup("data").Document().String() != "{}" || p.Lookup("type").StringValue() != "normal" || p.Lookup("user_id").StringValue() != a.UserID {
		t.Errorf("profile: %s", p)
	}
}

func TestDeviceIDStays(t *testing.T) {
	w := newWorld(t, everything())
	const id = "650000000000000000000001"
	for _, body := range []string{`{"options": {"device": {"deviceId": {"$oid": "` + id + `"}}}}`, `{"options": {"device": {"deviceId": "` + id + `"}}}`} {
		if got := w.login("anon-user", body).DeviceID; got != id {
			t.Errorf("%s: got %s", body, got)
		}
	}
	tok := w.login("anon-user", `{"options": {"device": {"deviceId": {"$oid": "`+id+`"}}}}`)
	if se := w.session(tok); se.Device.Hex() != id {
		t.Errorf("session's device: %s", se.Device.Hex())
	}
	// Unfit ids are as good as none.
	for _, body := range []string{`{"options": {"device": {"deviceId": 5}}}`, `{"options": {"device": {"deviceId": "x"}}}`, `{"options": {"device": {"deviceId": "000000000000000000000000"}}}`} {
		if got := w.login("anon-user", body).DeviceID; got == strings.Repeat("0", 24) || got == id {
			t.Errorf("%s: got %s", body, got)
		}
	}
}

func TestUserpass(t *testing.T) {
	w := newWorld(t, everything())
	w.register("ann@example.com", "correct horse")
	first := w.login("local-userpass", userpass("ann@example.com", "correct horse"))
	again := w.login("local-userpass", userpass("ann@example.com", "correct horse"))
	if first.UserID != again.UserID {
		t.Error("the user changed between log-ins")
	}
	if got, _ := w.session(first).User.Data.Lookup("email").StringValueOK(); got != "ann@example.com" {
		t.Errorf("email in data: %q", got)
	}
	login := func(body string) error {
		_, err := w.Login(t.Context(), "local-userpass", doc(body), nil)
		return err
	}
	refused(t, login(userpass("ann@example.com", "wrong")), 401, fault.InvalidPassword, "unauthorized")
	refused(t, login(userpass("bob@example.com", "wrong")), 401, fault.InvalidPassword, "unauthorized")
	refused(t, login(userpass("Ann@example.com", "correct horse")), 401, fault.InvalidPassword, "unauthorized")
	refused(t, login(userpass("ann@example.com", strings.Repeat("x", 100_000))), 401, fault.InvalidPassword, "unauthorized")
	refused(t, login(`{}`), 400, fault.BadRequest, "")
	refused(t, login(`{"username": 5, "password": []}`), 400, fault.BadRequest, "")
	refused(t, login(`{"username": {"$ne": null}, "password": "x"}`), 400, fault.BadRequest, "")
}

func TestLoginRefusals(t *testing.T) {
	ps := everything()
	ps["anon-user"].Disabled = true
	w := newWorld(t, ps)
	for _, name := range []string{"anon-user", "oauth2-google", "no-such", ""} {
		_, err := w.Login(t.Context(), name, doc(`{}`), nil)
		refused(t, err, 404, fault.AuthProviderNotFound, "")
	}
}

func TestCustomFunction(t *testing.T) {
	w := newWorld(t, everything())
	var got bson.Raw
	var answer any
	var failure error
	w.fns["authenticate"] = func(args []bson.RawValue) (any, error) {
		got = args[0].Document()
		return answer, failure
	}
	login := func() (auth.Tokens, error) {
		return w.Login(t.Context(), "custom-function", doc(`{"name": "x", "provider": "mine", "options": {"device": {}}}`), nil)
	}
	answer = "abc"
	a, err := login()
	if err != nil {
		t.Fatal(err)
	}
	// Only options is the SDK's own.
	if got.String() != `{"name": "x","provider": "mine"}` {
		t.Errorf("the function got %s", got)
	}
	answer = bson.D{{Key: "id", Value: "abc"}, {Key: "name", Value: "Ann"}}
	b, err := login()
	if err != nil || a.UserID != b.UserID {
		t.Fatalf("one external id, two users: %v", err)
	}
	if se := w.session(b); se.User.Data.Lookup("name").StringValue() != "Ann" || se.User.Identities[0].ID != "abc" {
		t.Errorf("user: %+v", se.User)
	}
	// What real apps return when they mean no.
	for _, v := range []any{nil, false, true, 5, "", bson.D{{Key: "id", Value: ""}}, bson.D{{Key: "status", Value: "error"}}, bson.D{{Key: "id", Value: 5}}, bson.A{"abc"}, bson.D{{Key: "insertedId", Value: bson.NewObjectID()}}, strings.Repeat("x", 2000)} {
		answer = v
		_, err := login()
		refused(t, err, 401, fault.AuthError, "unauthorized")
	}
	failure = errors.New("Authentication failed")
	_, err = login()
	refused(t, err, 401, fault.AuthError, "Authentication failed")
}

func sign(t *testing.T, key string, claims jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCustomToken(t *testing.T) {
	key := strings.Repeat("k", 40)
	valid := func(w *world) jwt.MapClaims {
		return jwt.MapClaims{"aud": w.app.ID, "sub": "ext-1", "exp": time.Now().Add(time.Hour).Unix(),
			"profile": map[string]any{"name": "Ann", "secret": 1}, "a.b": []any{1, "x", map[string]any{"$oid": 1.5}}}
	}
	login := func(w *world, token string) (auth.Tokens, error) {
		return w.Login(t.Context(), "custom-token", conf("token", token), nil)
	}
	t.Run("OK", func(t *testing.T) {
		w := newWorld(t, everything())
		tok, err := login(w, sign(t, key, valid(w)))
		if err != nil {
			t.Fatal(err)
		}
		want := `{"name": "Ann","a.b": [{"$numberInt":"1"},"x",{"$oid": {"$numberDouble":"1.5"}}]}`
		if got := w.session(tok).User.Data.String(); got != want {
			t.Errorf("data: %s", got)
		}
	})
	for name, change := range map[string]func(jwt.MapClaims){
		"ErrNoSubject":        func(c jwt.MapClaims) { delete(c, "sub") },
		"ErrNoExpiry":         func(c jwt.MapClaims) { delete(c, "exp") },
		"ErrExpired":          func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() },
		"ErrNotYet":           func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(time.Hour).Unix() },
		"ErrAudience":         func(c jwt.MapClaims) { c["aud"] = "other" },
		"ErrNoAudience":       func(c jwt.MapClaims) { delete(c, "aud") },
		"ErrLongMetadata":     func(c jwt.MapClaims) { c["a.b"] = strings.Repeat("x", 5000) },
		"ErrEmptySubject":     func(c jwt.MapClaims) { c["sub"] = "" },
		"ErrSubjectNotString": func(c jwt.MapClaims) { c["sub"] = map[string]any{"$ne": 1} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, everything())
			c := valid(w)
			change(c)
			_, err := login(w, sign(t, key, c))
			refused(t, err, 401, fault.AuthError, "unauthorized")
		})
	}
	t.Run("ErrWrongKey", func(t *testing.T) {
		w := newWorld(t, everything())
		_, err := login(w, sign(t, strings.Repeat("x", 40), valid(w)))
		refused(t, err, 401, fault.AuthError, "unauthorized")
	})
	t.Run("ErrAlgNone", func(t *testing.T) {
		w := newWorld(t, everything())
		s, err := jwt.NewWithClaims(jwt.SigningMethodNone, valid(w)).SignedString(jwt.UnsafeAllowNoneSignatureType)
		if err != nil {
			t.Fatal(err)
		}
		_, err = login(w, s)
		refused(t, err, 401, fault.AuthError, "unauthorized")
	})
	t.Run("ErrGarbage", func(t *testing.T) {
		w := newWorld(t, everything())
		for _, s := range []string{"", ".", "..", "a.b.c", strings.Repeat("x", 1_100_000)} {
			_, err := login(w, s)
			refused(t, err, 401, fault.AuthError, "unauthorized")
		}
	})
	audiences := func(list any, any bool) *world {
		ps := everything()
		ps["custom-token"].Config = conf("audience", list, "requireAnyAudience", any)
		return newWorld(t, ps)
	}
	t.Run("Audiences", func(t *testing.T) {
		for _, c := range []struct {
			list any
			any  bool
			aud  any
			ok   bool
		}{
			{bson.A{"a", "b"}, false, []string{"a", "b", "c"}, true},
			{bson.A{"a", "b"}, false, []string{"a"}, false},
			{bson.A{"a", "b"}, true, "b", true},
			{bson.A{"a", "b"}, true, "c", false},
			{"a, b", true, "b", true},
		} {
			w := audiences(c.list, c.any)
			claims := valid(w)
			claims["aud"] = c.aud
			_, err := login(w, sign(t, key, claims))
			if (err == nil) != c.ok {
				t.Errorf("%+v: %v", c, err)
			}
		}
		w := audiences("", false)
		if _, err := login(w, sign(t, key, valid(w))); err != nil {
			t.Errorf("an empty audience stands for the app id: %v", err)
		}
	})
	t.Run("PEM", func(t *testing.T) {
		is := newIssuer(t, "old", "new", "other")
		ps := everything()
		ps["custom-token"].Config = conf("signingAlgorithm", "RS256")
		ps["custom-token"].SecretConfig = map[string][]string{"signingKeys": {"old", "new"}}
		w := newWorld(t, ps, func(c *auth.Config) {
			for kid, key := range is.keys {
				der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
				if err != nil {
					t.Fatal(err)
				}
				public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
				// As secrets of one line have it.
				c.App.Secrets[kid] = strings.ReplaceAll(public, "\n", `\n`)
			}
		})
		for kid, ok := range map[string]bool{"old": true, "new": true, "other": false} {
			if _, err := login(w, is.sign(t, kid, valid(w))); (err == nil) != ok {
				t.Errorf("key %s: %v", kid, err)
			}
		}
		// The public key is no HMAC secret.
		for _, kid := range []string{"old", "new"} {
			_, err := login(w, sign(t, w.app.Secrets[kid], valid(w)))
			refused(t, err, 401, fault.AuthError, "unauthorized")
		}
	})
	t.Run("Limits", func(t *testing.T) {
		ps := everything()
		ps["custom-token"].MetadataFields = []app.MetadataField{{Name: "about"}}
		w := newWorld(t, ps)
		about := func(v any) string {
			c := valid(w)
			c["about"] = v
			return sign(t, key, c)
		}
		padded := func(length int) string {
			c := valid(w)
			c["pad"] = ""
			c["pad"] = strings.Repeat("x", (length-len(sign(t, key, c)))*3/4)
			return sign(t, key, c)
		}
		for name, c := range map[string]struct {
			token string
			ok    bool
		}{
			"Value":     {about(strings.Repeat("\u00e4", 4096)), true},
			"LongValue": {about(strings.Repeat("x", 4097)), false},
			"List":      {about([]string{strings.Repeat("x", 4092)}), true},
			"LongList":  {about([]string{strings.Repeat("x", 4093)}), false},
			"Token":     {padded(auth.MaxExternalToken - 8), true},
			"LongToken": {padded(auth.MaxExternalToken + 8), false},
		} {
			if _, err := login(w, c.token); (err == nil) != c.ok {
				t.Errorf("%s, %d characters: %v", name, len(c.token), err)
			}
		}
	})
	t.Run("ErrShortSecret", func(t *testing.T) {
		w := newWorld(t, everything(), func(c *auth.Config) { c.App.Secrets["jwt_key"] = strings.Repeat("k", 31) })
		_, err := login(w, sign(t, strings.Repeat("k", 31), valid(w)))
		refused(t, err, 401, fault.AuthError, "")
	})
	t.Run("ErrRequiredMetadata", func(t *testing.T) {
		ps := everything()
		ps["custom-token"].MetadataFields = []app.MetadataField{{Name: "department", Required: true}}
		w := newWorld(t, ps)
		_, err := login(w, sign(t, key, valid(w)))
		refused(t, err, 401, fault.AuthError, "unauthorized")
	})
	t.Run("ErrSecretMissing", func(t *testing.T) {
		ps := everything()
		ps["custom-token"].SecretConfig = map[string][]string{"signingKeys": {"gone"}}
		w := newWorld(t, ps)
		_, err := login(w, sign(t, "", valid(w)))
		refused(t, err, 401, fault.AuthError, "")
	})
}

func TestCustomDataAndCreationFunction(t *testing.T) {
	w := newWorld(t, everything(), func(c *auth.Config) {
		c.App.CustomUserData = app.CustomUserData{Enabled: true, DataSource: "mongodb-atlas", Database: "cud" + c.App.ID, Collection: "users", UserIDField: "owner", OnUserCreation: "welcome"}
	})
	coll := shared.client.Database("cud" + w.app.ID).Collection("users")
	refuse := false
	w.fns["welcome"] = func(args []bson.RawValue) (any, error) {
		if refuse {
			return nil, errors.New("nobody more")
		}
		id := args[0].Document().Lookup("id").StringValue()
		oid, _ := bson.ObjectIDFromHex(id)
		_, err := coll.InsertMany(t.Context(), []any{
			bson.D{{Key: "owner", Value: oid}, {Key: "n", Value: "by ObjectId"}},
			bson.D{{Key: "owner", Value: id}, {Key: "n", Value: int32(1)}, {Key: "at", Value: time.UnixMilli(1700000000000)}},
			bson.D{{Key: "owner", Value: id}, {Key: "n", Value: int32(2)}},
		})
		return nil, err
	}
	tok := w.login("anon-user", `{}`)
	se := w.session(tok)
	// The string beats the ObjectId, the first inserted wins, types survive.
	if n, ok := se.User.CustomData.Lookup("n").Int32OK(); !ok || n != 1 {
		t.Errorf("custom data: %s", se.User.CustomData)
	}
	if at, ok := se.User.CustomData.Lookup("at").TimeOK(); !ok || at.UnixMilli() != 1700000000000 {
		t.Errorf("custom data: %s", se.User.CustomData)
	}
	if _, err := coll.UpdateMany(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: int32(9)}}}}); err != nil {
		t.Fatal(err)
	}
	access, err := w.Refresh(t.Context(), tok.RefreshToken, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := w.session(auth.Tokens{AccessToken: access}).User.CustomData.Lookup("n").Int32(); n != 9 {
		t.Errorf("after a refresh: %d", n)
	}
	if n := w.session(tok).User.CustomData.Lookup("n").Int32(); n != 1 {
		t.Errorf("the old token says %d", n)
	}
	refuse = true
	before, _ := w.CountUsers(t.Context())
	_, err = w.Login(t.Context(), "anon-user", doc(`{}`), nil)
	refused(t, err, 401, fault.AuthError, "nobody more")
	if after, _ := w.CountUsers(t.Context()); after != before {
		t.Error("a refused user was created")
	}
}

// A log-in that is under way when its version of the app is replaced ends well.
func TestAnonymousWhileClosing(t *testing.T) {
	w := newWorld(t, everything())
	s := w.another()
	s.Close()
	tok, err := s.Login(t.Context(), "anon-user", doc(`{}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.session(tok)
}

// Log-ins that come together share commands, and each gets a user of its own.
func TestAnonymousTogether(t *testing.T) {
	w := newWorld(t, everything())
	const n = 200
	var wg sync.WaitGroup
	ids := make(chan string, n)
	for range n {
		wg.Go(func() {
			tok, err := w.Login(t.Context(), "anon-user", doc(`{}`), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := w.Authenticate(t.Context(), tok.AccessToken); err != nil {
				t.Error(err)
			}
			ids <- tok.UserID
		})
	}
	wg.Wait()
	close(ids)
	seen := map[string]bool{}
	for id := range ids {
		seen[id] = true
	}
	if users, err := w.CountUsers(t.Context()); len(seen) != n || users != n || err != nil {
		t.Errorf("%d log-ins gave %d ids and %d users, %v", n, len(seen), users, err)
	}
}

// Identities are found by their index, which leaves out users who are only anonymous.
func TestIdentitiesAreFoundByIndex(t *testing.T) {
	w := newWorld(t, everything())
	w.login("anon-user", `{}`)
	for _, logins := range []any{"custom-function:x", bson.D{{Key: "$in", Value: bson.A{"custom-function:x", "custom-function:y"}}}} {
		plan, err := shared.db.RunCommand(t.Context(), bson.D{{Key: "explain", Value: bson.D{
			{Key: "find", Value: "users"}, {Key: "filter", Value: bson.D{{Key: "app", Value: w.Domain}, {Key: "logins", Value: logins}}},
		}}, {Key: "verbosity", Value: "queryPlanner"}}).Raw()
		if err != nil {
			t.Fatal(err)
		}
		if text := plan.Lookup("queryPlanner", "winningPlan").String(); !strings.Contains(text, `"indexName": "identities"`) {
			t.Errorf("%v: %s", logins, text)
		}
	}
}

// Custom data above 16 KB is handed out and warned about (app-services.md §3.1).
func TestLargeCustomData(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, everything(), func(c *auth.Config) {
		c.App.CustomUserData = app.CustomUserData{Enabled: true, DataSource: "mongodb-atlas", Database: "cud" + c.App.ID, Collection: "users", UserIDField: "owner"}
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	w.fns["authenticate"] = func([]bson.RawValue) (any, error) { return "one", nil }
	tok := w.login("custom-function", `{}`)
	for _, size := range []int{15_000, 17_000} {
		coll := shared.client.Database("cud" + w.app.ID).Collection("users")
		if _, err := coll.UpdateOne(t.Context(), bson.D{{Key: "owner", Value: tok.UserID}}, bson.D{{Key: "$set", Value: bson.D{{Key: "text", Value: strings.Repeat("x", size)}}}}, options.UpdateOne().SetUpsert(true)); err != nil {
			t.Fatal(err)
		}
		se := w.session(w.login("custom-function", `{}`))
		if got := len(se.User.CustomData.Lookup("text").StringValue()); got != size {
			t.Errorf("%d characters of %d", got, size)
		}
		if warned := strings.Contains(log.String(), "custom user data is large"); warned != (size > 16<<10) {
			t.Errorf("%d characters, warned: %v", size, warned)
		}
	}
}
