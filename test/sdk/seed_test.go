package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

// fixture is one server with somebody logged in.
type fixture struct {
	ctx  context.Context
	app  *realm.App
	user *realm.User // e-mail/password, with custom data
	// devices is what `regent push devices` prints.
	devices func() string
}

var hex24 = regexp.MustCompile(`^[0-9a-f]{24}$`)

// seedMembers maps each member of the class User to Go, and proves it. A
// member that Go lacks does not compile; one that is missing here fails
// TestSeed.
var seedMembers = []struct {
	member string
	proof  func(f fixture) error
}{
	{"property id", func(f fixture) error {
		var id string = f.user.ID()
		return matches(id, hex24)
	}},
	{"property accessToken", func(f fixture) error {
		var token string = f.user.AccessToken()
		if strings.Count(token, ".") != 2 {
			return fmt.Errorf("no JWT: %q", token)
		}
		return nil
	}},
	{"property refreshToken", func(f fixture) error {
		var token string = f.user.RefreshToken()
		if strings.Count(token, ".") != 2 || token == f.user.AccessToken() {
			return fmt.Errorf("no JWT of its own: %q", token)
		}
		return nil
	}},
	{"property deviceId", func(f fixture) error {
		var id string = f.user.DeviceID()
		return matches(id, hex24)
	}},
	{"property identities", func(f fixture) error {
		var identities []realm.Identity = f.user.Identities()
		if len(identities) != 1 || identities[0].ProviderType != realm.ProviderLocalUserPass {
			return fmt.Errorf("identities %v", identities)
		}
		return matches(identities[0].ID, hex24)
	}},
	{"property providerType", func(f fixture) error {
		var provider realm.ProviderType = f.user.ProviderType()
		return equal(provider, "local-userpass")
	}},
	{"property profile", func(f fixture) error {
		var profile realm.Profile = f.user.Profile()
		return equal(profile.Email, "ada@example.com")
	}},
	{"type UserProfileDataType", func(f fixture) error {
		type profile struct {
			Email string `bson:"email"`
		}
		p, err := realm.ProfileAs[profile](f.user)
		if err != nil {
			return err
		}
		return equal(p, profile{"ada@example.com"})
	}},
	{"property customData", func(f fixture) error {
		var data bson.M = f.user.CustomData()
		return equal(data["colour"], "teal")
	}},
	{"type CustomDataType", func(f fixture) error {
		type custom struct {
			Colour string        `bson:"colour"`
			Since  int64         `bson:"since"`
			Born   bson.DateTime `bson:"born"`
		}
		c, err := realm.CustomData[custom](f.user)
		if err != nil {
			return err
		}
		return equal(c, custom{"teal", 1843, 1000})
	}},
	{"method refreshCustomData", func(f fixture) error {
		profiles := f.user.MongoClient("mongodb-atlas").Database("shop").Collection("profiles")
		if _, err := profiles.UpdateOne(f.ctx, bson.M{"owner_id": f.user.ID()}, bson.M{"$set": bson.M{"colour": "plum"}}); err != nil {
			return err
		}
		if err := equal(f.user.CustomData()["colour"], "teal"); err != nil {
			return err
		}
		data, err := f.user.RefreshCustomData(f.ctx)
		if err != nil {
			return err
		}
		if err := equal(data["colour"], "plum"); err != nil {
			return err
		}
		return equal(f.user.CustomData()["colour"], "plum")
	}},
	{"property isLoggedIn", func(f fixture) error {
		var in bool = f.user.IsLoggedIn()
		return equal(in, true)
	}},
	{"property state", func(f fixture) error {
		var state realm.UserState = f.user.State()
		return equal(state, realm.LoggedIn)
	}},
	{"method callFunction", func(f fixture) error {
		result, err := f.user.CallFunction(f.ctx, "echo", bson.M{"a": bson.A{1, int64(2), 1.5, nil, "x"}})
		if err != nil {
			return err
		}
		return equal(fmt.Sprintf("%#v", result), fmt.Sprintf("%#v", bson.M{"a": bson.A{int32(1), int64(2), 1.5, nil, "x"}}))
	}},
	{"property functions", func(f fixture) error {
		var sum realm.Function = f.user.Function("sum")
		for i, want := range []any{3, 7} {
			got, err := sum.Call(f.ctx, 1+2*i, 2+2*i)
			if err != nil {
				return err
			}
			if err := equal(got, want); err != nil {
				return err
			}
		}
		return nil
	}},
	{"type FunctionsFactoryType", func(f fixture) error {
		sum := realm.FunctionOf[int](f.user, "sum")
		n, err := sum(f.ctx, 1, 2, 3)
		if err != nil {
			return err
		}
		if err := equal(n, 6); err != nil {
			return err
		}
		type who struct {
			ID     string `bson:"id"`
			Custom struct {
				OwnerID string `bson:"owner_id"`
			} `bson:"custom"`
		}
		w, err := realm.Call[who](f.ctx, f.user, "whoami")
		if err != nil {
			return err
		}
		return equal([]string{w.ID, w.Custom.OwnerID}, []string{f.user.ID(), f.user.ID()})
	}},
	{"property apiKeys", func(f fixture) error {
		var keys *realm.APIKeys = f.user.APIKeys()
		key, err := keys.Create(f.ctx, "my-key")
		if err != nil {
			return err
		}
		all, err := keys.FetchAll(f.ctx)
		if err != nil {
			return err
		}
		if err := equal(all, []realm.UserAPIKey{{ID: key.ID, Name: "my-key"}}); err != nil {
			return err
		}
		other, err := realm.NewApp(shopID, realm.WithBaseURL(f.app.BaseURL()))
		if err != nil {
			return err
		}
		defer other.CloseIdleConnections()
		same, err := other.LogIn(f.ctx, realm.APIKey(key.Key))
		if err != nil {
			return err
		}
		if err := equal(same.ID(), f.user.ID()); err != nil {
			return err
		}
		if err := keys.Disable(f.ctx, key.ID); err != nil {
			return err
		}
		if _, err := other.LogIn(f.ctx, realm.APIKey(key.Key)); !errors.Is(err, realm.ErrAuth) {
			return fmt.Errorf("a disabled key: %v", err)
		}
		if err := keys.Enable(f.ctx, key.ID); err != nil {
			return err
		}
		one, err := keys.Fetch(f.ctx, key.ID)
		if err != nil {
			return err
		}
		if err := equal(one, realm.UserAPIKey{ID: key.ID, Name: "my-key"}); err != nil {
			return err
		}
		if err := keys.Delete(f.ctx, key.ID); err != nil {
			return err
		}
		if _, err := keys.Fetch(f.ctx, key.ID); !errors.Is(err, realm.ErrAPIKeyNotFound) {
			return fmt.Errorf("a deleted key: %v", err)
		}
		return nil
	}},
	{"method linkCredentials", func(f fixture) error {
		user, err := f.app.LogIn(f.ctx, realm.NewAnonymous())
		if err != nil {
			return err
		}
		if err := user.LinkCredentials(f.ctx, realm.CustomFunction(bson.M{"name": "linked"})); err != nil {
			return err
		}
		if err := equal(user.Identities()[1], realm.Identity{ID: "linked", ProviderType: realm.ProviderCustomFunction}); err != nil {
			return err
		}
		again, err := f.app.LogIn(f.ctx, realm.CustomFunction(bson.M{"name": "linked"}))
		if err != nil {
			return err
		}
		if err := equal(again.ID(), user.ID()); err != nil {
			return err
		}
		err = f.user.LinkCredentials(f.ctx, realm.CustomFunction(bson.M{"name": "linked"}))
		if !errors.Is(err, realm.ErrIdentityInUse) {
			return fmt.Errorf("linking what belongs to somebody else: %v", err)
		}
		return f.app.SwitchUser(f.ctx, f.user)
	}},
	{"method mongoClient", func(f fixture) error {
		cats := f.user.MongoClient("mongodb-atlas").Database("shop").Collection("cats")
		if _, err := cats.InsertOne(f.ctx, bson.M{"owner_id": f.user.ID(), "name": "Tom"}); err != nil {
			return err
		}
		found, err := cats.Find(f.ctx, bson.M{"name": "Tom"})
		if err != nil {
			return err
		}
		return equal(len(found), 1)
	}},
	{"method push", func(f fixture) error {
		var push *realm.Push = f.user.Push("nonsense")
		if err := push.Register(f.ctx, "token"); !errors.Is(err, realm.ErrServiceNotFound) {
			return fmt.Errorf("a service that does not exist: %v", err)
		}
		push = f.user.Push("gcm")
		for _, token := range []string{"first-token", "second-one"} { // the second replaces the first
			if err := push.Register(f.ctx, token); err != nil {
				return err
			}
		}
		if out := f.devices(); !strings.Contains(out, f.user.ID()) || !strings.Contains(out, "second-one") || strings.Contains(out, "first-token") {
			return fmt.Errorf("the operator sees the devices %s", out)
		}
		for range 2 {
			if err := push.Deregister(f.ctx); err != nil {
				return err
			}
		}
		if out := f.devices(); strings.Contains(out, f.user.ID()) {
			return fmt.Errorf("after the end of the registration the operator sees %s", out)
		}
		return nil
	}},
	{"method logOut", func(f fixture) error {
		refresh := f.user.RefreshToken()
		if err := f.user.LogOut(f.ctx); err != nil {
			return err
		}
		if f.user.IsLoggedIn() || f.user.State() != realm.LoggedOut || f.user.AccessToken() != "" || refresh == "" {
			return fmt.Errorf("state %s", f.user.State())
		}
		_, err := f.user.CallFunction(f.ctx, "sum")
		if !errors.Is(err, realm.ErrLoggedOut) {
			return fmt.Errorf("a call afterwards: %v", err)
		}
		return nil
	}},
}

func matches(text string, re *regexp.Regexp) error {
	if !re.MatchString(text) {
		return fmt.Errorf("%q does not match %s", text, re)
	}
	return nil
}

// TestSeed proves each member of the class User through the SDK against the
// built server.
func TestSeed(t *testing.T) {
	document, err := os.ReadFile("testdata/seed.txt")
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, line := range strings.Split(string(document), "\n") {
		if line != "" && line[0] != '#' {
			left[line] = true
		}
	}
	s := start(t)
	app := open(t, shopID, s.URL)
	user := register(t, app, "ada@example.com")
	profiles := user.MongoClient("mongodb-atlas").Database("shop").Collection("profiles")
	_, err = profiles.InsertOne(t.Context(), bson.M{"owner_id": user.ID(), "colour": "teal", "since": 1843, "born": bson.DateTime(1000)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := user.RefreshCustomData(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range seedMembers {
		if !left[m.member] {
			t.Errorf("%s is not a member of the document, or was listed twice", m.member)
		}
		delete(left, m.member)
		t.Run(m.member, func(t *testing.T) {
			if err := m.proof(fixture{t.Context(), app, user, func() string { return operator(t, s, "push", "devices") }}); err != nil {
				t.Error(err)
			}
		})
	}
	for member := range left {
		t.Errorf("%s has no Go counterpart in the table", member)
	}
}
