package realm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

// fuzzTypes are the content types that a fuzzed answer may have.
var fuzzTypes = []string{"application/json", "application/json; charset=utf-8", "text/event-stream", "text/html", ""}

// answering is a transport that gives every request the same answer.
type answering struct {
	status int
	header http.Header
	body   []byte
	// left is how many requests are answered; those after it are refused.
	left int
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.left--; a.left < 0 {
		return &http.Response{StatusCode: http.StatusTeapot, Request: r, Header: http.Header{}, Body: http.NoBody}, nil
	}
	return &http.Response{StatusCode: a.status, Request: r, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: -1}, nil
}

// fuzzApp is an app with a user who is logged in, behind a transport.
func fuzzApp(t testing.TB, transport http.RoundTripper, opts ...realm.Option) (*realm.App, *realm.User) {
	const base = "http://realm.example"
	storage := realm.MemoryStorage()
	err := storage.Update(t.Context(), appID+"@"+base, func(a *realm.StoredApp) {
		a.Current = userID
		a.Users = []realm.StoredUser{{ID: userID, State: realm.LoggedIn, AccessToken: accessToken(userID, 1), RefreshToken: refreshToken(userID, 1), ProviderType: realm.ProviderLocalUserPass}}
	})
	if err != nil {
		t.Fatal(err)
	}
	app := newApp(t, base, append([]realm.Option{realm.WithStorage(storage), realm.WithHTTPClient(&http.Client{Transport: transport}), realm.WithClock(stoppedClock{})}, opts...)...)
	return app, app.CurrentUser()
}

// FuzzReplies gives every call of the SDK an arbitrary answer: none panics, and
// those that fail say so with an *Error or ErrLoggedOut.
func FuzzReplies(f *testing.F) {
	for _, body := range []string{
		"", "null", "{}", "[]", "1", `"x"`, `{"hostname":"http://a.example"}`, `{"hostname":5}`, `{"hostname":"://"}`,
		`{"access_token":"a.e30.c","refresh_token":"a.e30.c","user_id":"u","device_id":"d"}`, `{"access_token":"a.bnVsbA.c"}`, `{"access_token":5}`,
		`{"user_id":"` + userID + `","identities":[{"id":"i","provider_type":"p"},null,5],"data":{"name":{"$oid":5}},"type":"normal"}`,
		`{"identities":null,"data":[]}`, `{"insertedId":1}`, `{"insertedIds":{"0":1}}`, `{"insertedIds":[{"$oid":"x"}]}`, `{"matchedCount":"x"}`, `{"$numberLong":"7"}`,
		`{"_id":"k","key":"s","name":"n","disabled":false}`, `[{"_id":5}]`, `{"error":"text","error_code":"UserNotFound","link":"l"}`, `{"error":5,"error_code":null}`,
		"data: {\"operationType\":\"insert\",\"fullDocument\":{\"a\":1}}\n\n", "event: error\ndata: {\"error\":\"x\",\"error_code\":\"InvalidSession\"}\n\n", ": beat\n\nid: 1\ndata: %0A%zz%\n\n",
		"data: {\"ns\":5}\n\n", "data: {\"documentKey\":{\"_id\":{\"$oid\":1}}}\n\n", "\r\n\r\n", "data\n\n", strings.Repeat("[", 300),
	} {
		for _, status := range []uint16{200, 201, 401, 404} {
			f.Add(status, byte(0), "7", []byte(body))
		}
		f.Add(uint16(200), byte(2), "", []byte(body))
	}
	f.Add(uint16(302), byte(0), "Thu, 01 Jan 1970 00:01:00 GMT", []byte("http://elsewhere"))
	f.Fuzz(func(t *testing.T, status uint16, typ byte, retryAfter string, body []byte) {
		header := http.Header{"Content-Type": {fuzzTypes[int(typ)%len(fuzzTypes)]}, "Retry-After": {retryAfter}, "Location": {string(body)}}
		for _, call := range fuzzCalls {
			for _, location := range []bool{true, false} {
				a := &answering{status: 100 + int(status)%500, header: header, body: body, left: 4}
				var opts []realm.Option
				if !location {
					opts = append(opts, realm.WithoutLocationRequest())
				}
				app, user := fuzzApp(t, a, append(opts, realm.WithMaxResponseSize(1<<16))...)
				err := call(t.Context(), app, user)
				var e *realm.Error
				if err != nil && !errors.As(err, &e) && !errors.Is(err, realm.ErrLoggedOut) {
					t.Errorf("%d %q: %T %v", a.status, body, err, err)
				}
				_, _, _ = user.Profile(), user.CustomData(), user.Identities()
			}
		}
	})
}

var fuzzCalls = func() []func(context.Context, *realm.App, *realm.User) error {
	calls := []func(context.Context, *realm.App, *realm.User) error{
		func(ctx context.Context, _ *realm.App, u *realm.User) error {
			return discard(hostileCats(u).InsertOne(ctx, bson.D{}))
		},
		func(ctx context.Context, _ *realm.App, u *realm.User) error {
			return discard(hostileCats(u).InsertMany(ctx, []bson.D{{}}))
		},
		func(ctx context.Context, _ *realm.App, u *realm.User) error {
			return discard(hostileCats(u).UpdateOne(ctx, nil, bson.M{}))
		},
		func(ctx context.Context, _ *realm.App, u *realm.User) error {
			return discard(hostileCats(u).Count(ctx, nil))
		},
		func(ctx context.Context, _ *realm.App, u *realm.User) error {
			_, err := hostileCats(u).FindOne(ctx, nil)
			if errors.Is(err, realm.ErrNoDocuments) {
				return nil
			}
			return err
		},
		func(ctx context.Context, _ *realm.App, u *realm.User) error {
			return discard(hostileCats(u).BulkWrite(ctx, []realm.BulkOperation{realm.BulkDeleteOne{}}))
		},
		func(ctx context.Context, _ *realm.App, u *realm.User) error {
			return discard(realm.Call[struct{ A int }](ctx, u, "f"))
		},
	}
	for _, c := range hostileCalls {
		calls = append(calls, c.do)
	}
	return calls
}()

// FuzzStoredFile starts an app on an arbitrary file of stored users: it is
// refused or served, and never makes anything panic.
func FuzzStoredFile(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `null`, `[]`, `{"version":1}`, `{"version":1,"apps":null}`, `{"version":1,"apps":{"` + appID + `@http://realm.example":{}}}`,
		`{"version":1,"apps":{"` + appID + `@http://realm.example":{"current":"a","users":[{"id":"a","state":"LoggedIn","access_token":"a.e30.c","refresh_token":"r","identities":[{}],"profile":{"name":5}},{"id":"a"},{}]}}}`,
		`{"version":1,"apps":{"` + appID + `@http://realm.example":{"users":[{"id":"a","state":"LoggedIn","access_token":"a.eyJ1c2VyX2RhdGEiOltdfQ.c","refresh_token":"r","profile":[]}]}}}`,
	} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "users.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		a := &answering{status: 200, header: http.Header{"Content-Type": {"application/json"}}, body: []byte("null"), left: 1 << 30}
		app, err := realm.NewApp(appID, realm.WithBaseURL("http://realm.example"), realm.WithStorage(realm.FileStorage(path)),
			realm.WithHTTPClient(&http.Client{Transport: a}), realm.WithoutLocationRequest())
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("%q: %v does not name the file", text, err)
			}
			return
		}
		for _, u := range app.AllUsers() {
			_, _, _, _ = u.Profile(), u.CustomData(), u.DeviceID(), u.ProviderType()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _ = u.CallFunction(ctx, "f")
			cancel()
		}
		if u := app.CurrentUser(); u != nil && !u.IsLoggedIn() {
			t.Errorf("%q: the current user is %s", text, u.State())
		}
	})
}
