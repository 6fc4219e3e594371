package auth_test

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/internal/app"
	"regent/internal/fault"
	"regent/internal/session"
)

// anyValue is any BSON value that a client can send as extended JSON.
func anyValue(depth int) *rapid.Generator[any] {
	plain := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Just[any](""), rapid.Just[any](bson.MinKey{}), rapid.Just[any](bson.NilObjectID),
		rapid.String().AsAny(), rapid.Int32().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(), rapid.Just[any](bson.Regex{Pattern: ".*"}), rapid.Just[any](bson.JavaScript("1")),
		rapid.SampledFrom([]string{"a@x.org", "secret1", "e30=", "650000000000000000000001", "a.b.c", "0000000000000000000000000000000000000000000000000000000000000000"}).AsAny(),
	}
	if depth > 0 {
		plain = append(plain,
			rapid.Map(rapid.SliceOfN(anyValue(depth-1), 0, 3), func(v []any) any { return bson.A(v) }),
			rapid.Map(anyDocument(depth-1), func(d bson.D) any { return d }))
	}
	return rapid.OneOf(plain...)
}

var names = []string{"username", "password", "email", "token", "tokenId", "key", "arguments", "id_token", "authCode", "accessToken", "options", "device", "deviceId", "provider", "id", "$ne", "", "a.b"}

func anyDocument(depth int) *rapid.Generator[bson.D] {
	return rapid.Custom(func(t *rapid.T) bson.D {
		d := bson.D{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 5, rapid.ID[string]).Draw(t, "names") {
			d = append(d, bson.E{Key: name, Value: anyValue(depth).Draw(t, name)})
		}
		return d
	})
}

// Whatever a client sends is answered, and never as a fault of the server.
func TestAnyBody(t *testing.T) {
	ps := everything()
	ps["local-userpass"].Config = conf("autoConfirm", true, "runResetFunction", true, "resetFunctionName", "echo")
	ps["oauth2-google"] = &app.Provider{Config: conf("clientId", "x")}
	w := newWorld(t, ps)
	w.app.Settings.OAuth = nil
	echo := func(args []bson.RawValue) (any, error) { return args[0], nil }
	w.fns["authenticate"], w.fns["echo"] = echo, echo
	se := w.session(w.login("anon-user", `{}`))
	calls := []string{"register", "confirm", "confirm/send", "confirm/call", "reset", "reset/send", "reset/call", "nothing", ""}
	// Google itself is not asked: without an id token there is nothing to ask it.
	logins := []string{"anon-user", "local-userpass", "api-key", "custom-function", "custom-token", "", "nothing"}
	rapid.Check(t, func(t *rapid.T) {
		body, err := bson.Marshal(anyDocument(3).Draw(t, "body"))
		if err != nil {
			t.Skip(err)
		}
		answered := func(what string, err error) {
			var f *fault.Error
			if err != nil && (!errors.As(err, &f) || f.Status >= 500) {
				t.Fatalf("%s: %v", what, err)
			}
		}
		call := rapid.SampledFrom(calls).Draw(t, "call")
		answered(call, w.Userpass(t.Context(), call, body, nil))
		provider := rapid.SampledFrom(logins).Draw(t, "provider")
		_, err = w.Login(t.Context(), provider, body, nil)
		answered("log in by "+provider, err)
		_, err = w.Link(t.Context(), se, provider, body, nil)
		answered("link "+provider, err)
	})
}

// Nor does any token.
func TestAnyToken(t *testing.T) {
	w := newWorld(t, everything())
	genuine := w.login("anon-user", `{}`)
	rapid.Check(t, func(t *rapid.T) {
		token := []byte(rapid.SampledFrom([]string{genuine.AccessToken, genuine.RefreshToken}).Draw(t, "token"))
		i := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "change") {
		case 0:
			c := rapid.Byte().Draw(t, "byte")
			if c == token[i] {
				t.Skip()
			}
			token[i] = c
		case 1:
			token = token[:i]
		case 2:
			token = append(token[:i:i], append([]byte(rapid.String().Draw(t, "text")), token[i:]...)...)
		}
		if s := string(token); s == genuine.AccessToken || s == genuine.RefreshToken {
			t.Skip()
		}
		session.AppOf(string(token))
		for _, err := range []error{
			func() error { _, err := w.Authenticate(t.Context(), string(token)); return err }(),
			func() error { _, err := w.Refresh(t.Context(), string(token), nil); return err }(),
		} {
			var f *fault.Error
			if !errors.As(err, &f) || f.Status != 401 {
				t.Fatalf("%q: %v", token, err)
			}
		}
	})
}
