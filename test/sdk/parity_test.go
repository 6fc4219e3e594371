package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
	"regent/test/server"
	"regent/test/web"
)

// goSide is what the steps of TestParity share on the Go side.
type goSide struct {
	app  *realm.App
	user *realm.User
}

func (g *goSide) cats() *realm.Collection[bson.M] {
	return g.user.MongoClient("mongodb-atlas").Database("shop").Collection("cats")
}

// discard is for calls whose result the comparison does not need.
func discard[T any](_ T, err error) error { return err }

// refusal makes an error out of a call that should have failed.
func refusal(err error, code realm.Code) error {
	if !errors.Is(err, code) {
		return fmt.Errorf("got %v, want %s", err, string(code))
	}
	return nil
}

const jsCats = `const cats = v.user.mongoClient("mongodb-atlas").db("shop").collection("cats"); `

// parity is one session, step by step, with realm-web and with the Go SDK. What
// the server sees must be the same, except where differs says why not.
var parity = []struct {
	name    string
	js      string
	golang  func(ctx context.Context, g *goSide) error
	differs string
}{
	{"register", `await app.emailPasswordAuth.registerUser({email: "ada@example.com", password: "correct horse"})`,
		func(ctx context.Context, g *goSide) error {
			return g.app.EmailPasswordAuth().RegisterUser(ctx, "ada@example.com", password)
		}, ""},
	{"reset with a bad token", `await app.emailPasswordAuth.resetPassword({token: "t", tokenId: "i", password: "new password"}).catch(() => {})`,
		func(ctx context.Context, g *goSide) error {
			return refusal(g.app.EmailPasswordAuth().ResetPassword(ctx, "t", "i", "new password"), realm.ErrBadRequest)
		}, ""},
	{"confirm with a bad token", `await app.emailPasswordAuth.confirmUser({token: "t", tokenId: "i"}).catch(() => {})`,
		func(ctx context.Context, g *goSide) error {
			return refusal(g.app.EmailPasswordAuth().ConfirmUser(ctx, "t", "i"), realm.ErrBadRequest)
		}, ""},
	{"resend confirmation", `await app.emailPasswordAuth.resendConfirmationEmail({email: "nobody@example.com"}).catch(() => {})`,
		func(ctx context.Context, g *goSide) error {
			_ = g.app.EmailPasswordAuth().ResendConfirmationEmail(ctx, "nobody@example.com")
			return nil
		}, ""},
	{"retry confirmation", `await app.emailPasswordAuth.retryCustomConfirmation({email: "nobody@example.com"}).catch(() => {})`,
		func(ctx context.Context, g *goSide) error {
			_ = g.app.EmailPasswordAuth().RetryCustomConfirmation(ctx, "nobody@example.com")
			return nil
		}, ""},
	{"send reset mail", `await app.emailPasswordAuth.sendResetPasswordEmail({email: "nobody@example.com"}).catch(() => {})`,
		func(ctx context.Context, g *goSide) error {
			_ = g.app.EmailPasswordAuth().SendResetPasswordEmail(ctx, "nobody@example.com")
			return nil
		}, ""},
	{"call reset function", `await app.emailPasswordAuth.callResetPasswordFunction({email: "ada@example.com", password: "correct horse"}, "sesame", 42, {a: [1.5]})`,
		func(ctx context.Context, g *goSide) error {
			return g.app.EmailPasswordAuth().CallResetPasswordFunction(ctx, "ada@example.com", password, "sesame", 42, bson.M{"a": bson.A{1.5}})
		}, ""},
	{"wrong password", `await app.logIn(Credentials.emailPassword("ada@example.com", "wrong")).catch(() => {})`,
		func(ctx context.Context, g *goSide) error {
			return refusal(discard(g.app.LogIn(ctx, realm.EmailPassword("ada@example.com", "wrong"))), realm.ErrInvalidPassword)
		}, ""},
	{"anonymous log-in", `v.anon = await app.logIn(Credentials.anonymous())`,
		func(ctx context.Context, g *goSide) (err error) {
			g.user, err = g.app.LogIn(ctx, realm.Anonymous())
			return err
		}, ""},
	{"anonymous log-in, reused", `await app.logIn(Credentials.anonymous())`,
		func(ctx context.Context, g *goSide) error { return discard(g.app.LogIn(ctx, realm.Anonymous())) },
		"realm-web fetches the profile of the reused user; Go makes no request, as the native SDKs"},
	{"another anonymous log-in", `await app.logIn(Credentials.anonymous(false))`,
		func(ctx context.Context, g *goSide) error { return discard(g.app.LogIn(ctx, realm.NewAnonymous())) }, ""},
	{"link", `await v.anon.linkCredentials(Credentials.function({name: "linked"}))`,
		func(ctx context.Context, g *goSide) error {
			return g.user.LinkCredentials(ctx, realm.CustomFunction(bson.M{"name": "linked"}))
		}, ""},
	{"custom function log-in", `await app.logIn(Credentials.function({name: "fn", n: 1, f: 1.5, b: true, nothing: null, at: new Date(1000)}))`,
		func(ctx context.Context, g *goSide) error {
			return discard(g.app.LogIn(ctx, realm.CustomFunction(bson.M{"name": "fn", "n": 1, "f": 1.5, "b": true, "nothing": nil, "at": bson.DateTime(1000)})))
		}, ""},
	{"JWT log-in", `await app.logIn(Credentials.jwt("a.b.c")).catch(() => {})`,
		func(ctx context.Context, g *goSide) error {
			return refusal(discard(g.app.LogIn(ctx, realm.JWT("a.b.c"))), realm.ErrAuth)
		}, ""},
	{"Google log-ins", `for (const c of [Credentials.google({authCode: "c"}), Credentials.google({idToken: "t"})]) await app.logIn(c).catch(() => {})`,
		func(ctx context.Context, g *goSide) error {
			_, _ = g.app.LogIn(ctx, realm.GoogleAuthCode("c"))
			_, _ = g.app.LogIn(ctx, realm.GoogleIDToken("t"))
			return nil
		}, ""},
	{"Facebook and Apple log-ins", `for (const c of [Credentials.facebook("f"), Credentials.apple("a")]) await app.logIn(c).catch(() => {})`,
		func(ctx context.Context, g *goSide) error {
			_, _ = g.app.LogIn(ctx, realm.Facebook("f"))
			_, _ = g.app.LogIn(ctx, realm.Apple("a"))
			return nil
		}, ""},
	{"e-mail log-in", `v.user = await app.logIn(Credentials.emailPassword("ada@example.com", "correct horse"))`,
		func(ctx context.Context, g *goSide) (err error) {
			g.user, err = g.app.LogIn(ctx, realm.EmailPassword("ada@example.com", password))
			return err
		}, ""},
	{"refresh custom data", `await v.user.refreshCustomData()`,
		func(ctx context.Context, g *goSide) error { return discard(g.user.RefreshCustomData(ctx)) }, ""},
	{"refresh profile", `await v.user.refreshProfile()`,
		func(ctx context.Context, g *goSide) error { return g.user.RefreshProfile(ctx) }, ""},
	{"function", `await v.user.functions.sum(1, 2)`,
		func(ctx context.Context, g *goSide) error { return discard(g.user.Function("sum").Call(ctx, 1, 2)) }, ""},
	{"function without arguments", `await v.user.callFunction("whoami")`,
		func(ctx context.Context, g *goSide) error { return discard(g.user.CallFunction(ctx, "whoami")) }, ""},
	{"function with every kind of argument", `await v.user.functions.echo({i: 5, l: BSON.Long.fromNumber(5), big: 5000000000, f: 1.5, s: "x", t: true, n: null, d: new Date(1000), o: new BSON.ObjectId("5f1a00000000000000000001"), a: [1, "x", {b: 2}], dec: BSON.Decimal128.fromString("1.10"), bin: new BSON.Binary(Buffer.from([1, 2]))})`,
		func(ctx context.Context, g *goSide) error {
			id, _ := bson.ObjectIDFromHex("5f1a00000000000000000001")
			dec, _ := bson.ParseDecimal128("1.10")
			return discard(g.user.CallFunction(ctx, "echo", bson.M{"i": 5, "l": int64(5), "big": 5000000000, "f": 1.5, "s": "x", "t": true, "n": nil,
				"d": bson.DateTime(1000), "o": id, "a": bson.A{1, "x", bson.M{"b": 2}}, "dec": dec, "bin": bson.Binary{Data: []byte{1, 2}}}))
		}, ""},
	{"insert", jsCats + `await cats.insertOne({_id: "tom", owner_id: v.user.id, name: "Tom", age: 3}); await cats.insertMany([{_id: 1, owner_id: v.user.id}, {_id: 2, owner_id: v.user.id}])`,
		func(ctx context.Context, g *goSide) error {
			_, err1 := g.cats().InsertOne(ctx, bson.M{"_id": "tom", "owner_id": g.user.ID(), "name": "Tom", "age": 3})
			_, err2 := g.cats().InsertMany(ctx, []bson.M{{"_id": 1, "owner_id": g.user.ID()}, {"_id": 2, "owner_id": g.user.ID()}})
			return errors.Join(err1, err2)
		}, ""},
	{"find", jsCats + `await cats.find(); await cats.find({age: {$gt: 1}}, {projection: {name: 1}, sort: {age: -1, name: 1}, limit: 5})`,
		func(ctx context.Context, g *goSide) error {
			_, err1 := g.cats().Find(ctx, nil)
			_, err2 := g.cats().Find(ctx, bson.M{"age": bson.M{"$gt": 1}}, realm.FindOptions{Projection: bson.M{"name": 1}, Sort: bson.D{{Key: "age", Value: -1}, {Key: "name", Value: 1}}, Limit: 5})
			return errors.Join(err1, err2)
		}, ""},
	{"findOne", jsCats + `await cats.findOne({_id: "tom"}); await cats.findOne({}, {projection: {name: 1}, sort: {age: 1}})`,
		func(ctx context.Context, g *goSide) error {
			_, err1 := g.cats().FindOne(ctx, bson.M{"_id": "tom"})
			_, err2 := g.cats().FindOne(ctx, nil, realm.FindOneOptions{Projection: bson.M{"name": 1}, Sort: bson.M{"age": 1}})
			return errors.Join(err1, err2)
		}, ""},
	{"count", jsCats + `await cats.count(); await cats.count({age: 3}, {limit: 2})`,
		func(ctx context.Context, g *goSide) error {
			_, err1 := g.cats().Count(ctx, nil)
			_, err2 := g.cats().Count(ctx, bson.M{"age": 3}, realm.CountOptions{Limit: 2})
			return errors.Join(err1, err2)
		}, ""},
	{"aggregate", jsCats + `await cats.aggregate([{$match: {age: 3}}, {$limit: 1}])`,
		func(ctx context.Context, g *goSide) error {
			return discard(g.cats().Aggregate(ctx, bson.A{bson.M{"$match": bson.M{"age": 3}}, bson.M{"$limit": 1}}))
		}, ""},
	{"update", jsCats + `await cats.updateOne({_id: "tom"}, {$set: {age: 4}}); await cats.updateMany({}, {$set: {age: 4}}); await cats.updateOne({_id: "up"}, {$set: {owner_id: v.user.id}}, {upsert: true})`,
		func(ctx context.Context, g *goSide) error {
			_, err1 := g.cats().UpdateOne(ctx, bson.M{"_id": "tom"}, bson.M{"$set": bson.M{"age": 4}})
			_, err2 := g.cats().UpdateMany(ctx, nil, bson.M{"$set": bson.M{"age": 4}})
			_, err3 := g.cats().UpdateOne(ctx, bson.M{"_id": "up"}, bson.M{"$set": bson.M{"owner_id": g.user.ID()}}, realm.UpdateOptions{Upsert: true})
			return errors.Join(err1, err2, err3)
		}, ""},
	{"findOneAndUpdate", jsCats + `await cats.findOneAndUpdate({_id: "tom"}, {$set: {age: 5}}); await cats.findOneAndUpdate({_id: "tom"}, {$set: {age: 6}}, {projection: {age: 1}, sort: {age: 1}, upsert: true, returnNewDocument: true})`,
		func(ctx context.Context, g *goSide) error {
			_, err1 := g.cats().FindOneAndUpdate(ctx, bson.M{"_id": "tom"}, bson.M{"$set": bson.M{"age": 5}})
			_, err2 := g.cats().FindOneAndUpdate(ctx, bson.M{"_id": "tom"}, bson.M{"$set": bson.M{"age": 6}},
				realm.FindOneAndUpdateOptions{Projection: bson.M{"age": 1}, Sort: bson.M{"age": 1}, Upsert: true, ReturnNewDocument: true})
			return errors.Join(err1, err2)
		}, ""},
	{"findOneAndReplace", jsCats + `await cats.findOneAndReplace({_id: "tom"}, {owner_id: v.user.id, name: "Tom II"}, {returnNewDocument: true})`,
		func(ctx context.Context, g *goSide) error {
			return discard(g.cats().FindOneAndReplace(ctx, bson.M{"_id": "tom"}, bson.M{"owner_id": g.user.ID(), "name": "Tom II"}, realm.FindOneAndUpdateOptions{ReturnNewDocument: true}))
		}, ""},
	{"findOneAndDelete", jsCats + `await cats.findOneAndDelete({_id: "tom"})`,
		func(ctx context.Context, g *goSide) error {
			return discard(g.cats().FindOneAndDelete(ctx, bson.M{"_id": "tom"}))
		}, "realm-web 2.0.1 sends findOneAndReplace without a replacement"},
	{"delete", jsCats + `await cats.deleteOne({_id: 1}); await cats.deleteMany()`,
		func(ctx context.Context, g *goSide) error {
			_, err1 := g.cats().DeleteOne(ctx, bson.M{"_id": 1})
			_, err2 := g.cats().DeleteMany(ctx, nil)
			return errors.Join(err1, err2)
		}, ""},
	{"watch", jsCats + `for (const o of [{}, {ids: [1, "x"]}, {filter: {"fullDocument.name": "%\n????>>>>"}}]) { const s = cats.watch(o); const first = s.next(); await new Promise((r) => setTimeout(r, 400)); first.catch(() => {}); s.return() }`,
		func(ctx context.Context, g *goSide) error {
			for _, o := range []realm.WatchOptions{{}, {IDs: []any{1, "x"}}, {Filter: bson.M{"fullDocument.name": "%\n????>>>>"}}} {
				short, cancel := context.WithTimeout(ctx, 400*time.Millisecond)
				for _, err := range g.cats().Watch(short, o) {
					if err != nil {
						cancel()
						return err
					}
				}
				cancel()
			}
			return nil
		}, ""},
	{"API keys", `const k = await v.user.apiKeys.create("key"); await v.user.apiKeys.fetch(k._id); await v.user.apiKeys.fetchAll(); await v.user.apiKeys.disable(k._id); await v.user.apiKeys.enable(k._id); await v.user.apiKeys.delete(k._id)`,
		func(ctx context.Context, g *goSide) error {
			keys := g.user.APIKeys()
			k, err := keys.Create(ctx, "key")
			if err != nil {
				return err
			}
			_, err1 := keys.Fetch(ctx, k.ID)
			_, err2 := keys.FetchAll(ctx)
			return errors.Join(err1, err2, keys.Disable(ctx, k.ID), keys.Enable(ctx, k.ID), keys.Delete(ctx, k.ID))
		}, ""},
	{"log out", `await v.user.logOut()`, func(ctx context.Context, g *goSide) error { return g.user.LogOut(ctx) }, ""},
	{"remove", `await app.removeUser(await app.logIn(Credentials.emailPassword("ada@example.com", "correct horse")))`,
		func(ctx context.Context, g *goSide) error {
			user, err := g.app.LogIn(ctx, realm.EmailPassword("ada@example.com", password))
			if err != nil {
				return err
			}
			return g.app.RemoveUser(ctx, user)
		}, ""},
	{"delete user", `await app.deleteUser(await app.logIn(Credentials.emailPassword("ada@example.com", "correct horse")))`,
		func(ctx context.Context, g *goSide) error {
			user, err := g.app.LogIn(ctx, realm.EmailPassword("ada@example.com", password))
			if err != nil {
				return err
			}
			return g.app.DeleteUser(ctx, user)
		}, "realm-web also ends the session, which is gone with the user"},
}

// TestParity does the same things with realm-web and with the Go SDK, each on a
// server of its own, and compares what the servers saw.
func TestParity(t *testing.T) {
	web.Install(t)
	js, golang := record(t, start(t).URL), record(t, start(t).URL)

	steps := [][2]string{}
	for _, step := range parity {
		steps = append(steps, [2]string{step.name, step.js})
	}
	text, err := json.Marshal(steps)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "steps.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Rel(filepath.Join(web.Dir(), "scripts"), filepath.Join(server.Root(), "test", "sdk", "parity.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	web.Node(t, script, "REGENT_URL="+js.URL, "REGENT_APP_ID="+shopID, "PARITY_STEPS="+file)

	g := &goSide{app: open(t, shopID, golang.URL, realm.WithAppInfo("parity", "1.0"))}
	for _, step := range parity {
		golang.begin(step.name)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := step.golang(ctx, g); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		cancel()
	}

	js.mu.Lock()
	defer js.mu.Unlock()
	golang.mu.Lock()
	defer golang.mu.Unlock()
	for _, step := range parity {
		diff := cmp.Diff(js.seen[step.name], golang.seen[step.name])
		switch {
		case step.differs == "" && diff != "":
			t.Errorf("%s (-realm-web +Go):\n%s", step.name, diff)
		case step.differs != "" && diff == "":
			t.Errorf("%s: no difference any more; it was: %s", step.name, step.differs)
		case len(js.seen[step.name]) == 0:
			t.Errorf("%s: realm-web made no request", step.name)
		}
	}
}
