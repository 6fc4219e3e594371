package realm_test

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

type cat struct {
	ID   bson.ObjectID `bson:"_id,omitempty"`
	Name string        `bson:"name"`
	Age  int           `bson:"age"`
}

func emailAuth(run func(ctx context.Context, e *realm.EmailPasswordAuth) error) wireCall {
	return bare(func(ctx context.Context, app *realm.App) error { return run(ctx, app.EmailPasswordAuth()) })
}

func keyDocs(keys ...realm.UserAPIKey) bson.A {
	out := bson.A{}
	for _, k := range keys {
		out = append(out, bson.D{{Key: "id", Value: k.ID}, {Key: "name", Value: k.Name}, {Key: "key", Value: k.Key}, {Key: "disabled", Value: k.Disabled}})
	}
	return out
}

// wireCalls are the calls that testdata/wire.txt names. They are every call of
// the SDK that makes one request.
var wireCalls = map[string]wireCall{
	"login anonymous":     logInWith(realm.Anonymous()),
	"login new anonymous": logInWith(realm.NewAnonymous()),
	"login email":         logInWith(realm.EmailPassword("ada@example.com", "secret1")),
	"login api key":       logInWith(realm.APIKey("k3y")),
	"login jwt":           logInWith(realm.JWT("a.b.c")),
	"login function": logInWith(realm.CustomFunction(struct {
		Name string    `bson:"name"`
		N    int       `bson:"n"`
		Data bson.Null `bson:"data"`
	}{"ada", 7, bson.Null{}})),
	"login function without payload": logInWith(realm.CustomFunction(nil)),
	"login google code":              logInWith(realm.GoogleAuthCode("4/code")),
	"login google token":             logInWith(realm.GoogleIDToken("g.i.t")),
	"login facebook":                 logInWith(realm.Facebook("fb")),
	"login apple":                    logInWith(realm.Apple("a.i.t")),

	"register": emailAuth(func(ctx context.Context, e *realm.EmailPasswordAuth) error {
		return e.RegisterUser(ctx, "ada@example.com", "secret1")
	}),
	"confirm": emailAuth(func(ctx context.Context, e *realm.EmailPasswordAuth) error {
		return e.ConfirmUser(ctx, "t0ken", "t0kenId")
	}),
	"resend confirmation": emailAuth(func(ctx context.Context, e *realm.EmailPasswordAuth) error {
		return e.ResendConfirmationEmail(ctx, "ada@example.com")
	}),
	"retry confirmation": emailAuth(func(ctx context.Context, e *realm.EmailPasswordAuth) error {
		return e.RetryCustomConfirmation(ctx, "ada@example.com")
	}),
	"send reset": emailAuth(func(ctx context.Context, e *realm.EmailPasswordAuth) error {
		return e.SendResetPasswordEmail(ctx, "ada@example.com")
	}),
	"reset": emailAuth(func(ctx context.Context, e *realm.EmailPasswordAuth) error {
		return e.ResetPassword(ctx, "t0ken", "t0kenId", "secret2")
	}),
	"call reset function": emailAuth(func(ctx context.Context, e *realm.EmailPasswordAuth) error {
		return e.CallResetPasswordFunction(ctx, "ada@example.com", "secret2", "x", 42)
	}),
	"call reset function without arguments": emailAuth(func(ctx context.Context, e *realm.EmailPasswordAuth) error {
		return e.CallResetPasswordFunction(ctx, "ada@example.com", "secret2")
	}),

	"profile": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		if err := u.RefreshProfile(ctx); err != nil {
			return nil, err
		}
		p := u.Profile()
		identities := bson.A{}
		for _, i := range u.Identities() {
			identities = append(identities, string(i.ProviderType)+" "+i.ID)
		}
		return bson.D{{Key: "name", Value: p.Name}, {Key: "email", Value: p.Email}, {Key: "picture", Value: p.PictureURL}, {Key: "first", Value: p.FirstName},
			{Key: "last", Value: p.LastName}, {Key: "gender", Value: p.Gender}, {Key: "birthday", Value: p.Birthday}, {Key: "min", Value: p.MinAge},
			{Key: "max", Value: p.MaxAge}, {Key: "data", Value: p.Data}, {Key: "identities", Value: identities}, {Key: "type", Value: string(u.Type())}}, nil
	}),
	"refresh custom data": asUser(func(ctx context.Context, u *realm.User) (any, error) { return asDoc(u.RefreshCustomData(ctx)) }),
	"link email": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return nil, u.LinkCredentials(ctx, realm.EmailPassword("eve@example.com", "secret3"))
	}),
	"log out":     asUser(func(ctx context.Context, u *realm.User) (any, error) { return nil, u.LogOut(ctx) }),
	"remove user": asUser(func(ctx context.Context, u *realm.User) (any, error) { return nil, u.App().RemoveUser(ctx, u) }),
	"delete user": asUser(func(ctx context.Context, u *realm.User) (any, error) { return nil, u.App().DeleteUser(ctx, u) }),

	"create key": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		k, err := u.APIKeys().Create(ctx, "my-key")
		return keyDocs(k), err
	}),
	"fetch key": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		k, err := u.APIKeys().Fetch(ctx, "5f1a00000000000000000009")
		return keyDocs(k), err
	}),
	"fetch keys": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		k, err := u.APIKeys().FetchAll(ctx)
		return keyDocs(k...), err
	}),
	"delete key": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return nil, u.APIKeys().Delete(ctx, "5f1a00000000000000000009")
	}),
	"enable key": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return nil, u.APIKeys().Enable(ctx, "5f1a00000000000000000009")
	}),
	"disable key": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return nil, u.APIKeys().Disable(ctx, "5f1a00000000000000000009")
	}),
	"fetch strange key": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		k, err := u.APIKeys().Fetch(ctx, "../a b?c")
		return keyDocs(k), err
	}),

	"function":       function("doThing"),
	"function types": function("doThing", 1, int64(2), 1.5, "x", true, nil, oid, bson.M{"a": bson.A{int32(1)}}, []string{"p"}, bson.DateTime(1000)),
	"function typed": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return asDoc(realm.Call[cat](ctx, u, "doThing"))
	}),
	"function int": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return asDoc(realm.Call[int](ctx, u, "doThing"))
	}),
	"function bound": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		f := u.Function("doThing")
		if _, err := f.Call(ctx, "a1"); err != nil {
			return nil, err
		}
		return f.Call(ctx, "a2")
	}),
	"service function": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return u.CallServiceFunction(ctx, "svc", "act", bson.M{"a": 1})
	}),

	"find": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) { return asDoc(c.Find(ctx, nil)) }),
	"find with options": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.Find(ctx, bson.M{"name": "Tom"}, realm.FindOptions{Projection: bson.M{"name": 1}, Sort: bson.D{{Key: "b", Value: 1}, {Key: "a", Value: -1}}, Limit: 5}))
	}),
	"find one": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.FindOne(ctx, bson.M{"_id": oid}))
	}),
	"find one with options": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.FindOne(ctx, nil, realm.FindOneOptions{Projection: bson.M{"name": true}, Sort: bson.M{"age": -1}}))
	}),
	"find one typed": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return asDoc(realm.CollectionOf[cat](u.MongoClient("mongodb-atlas").Database("shop"), "cats").FindOne(ctx, nil))
	}),
	"find one and update": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.FindOneAndUpdate(ctx, bson.M{"name": "Tom"}, bson.M{"$set": bson.M{"age": 4}}))
	}),
	"find one and update with options": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.FindOneAndUpdate(ctx, bson.M{"name": "Tom"}, bson.M{"$set": bson.M{"age": 4}},
			realm.FindOneAndUpdateOptions{Projection: bson.M{"name": 1}, Sort: bson.M{"age": 1}, Upsert: true, ReturnNewDocument: true}))
	}),
	"find one and replace": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.FindOneAndReplace(ctx, bson.M{"name": "Tom"}, bson.M{"name": "Kit"}))
	}),
	"find one and delete": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.FindOneAndDelete(ctx, bson.M{"name": "Tom"}, realm.FindOneAndDeleteOptions{Sort: bson.M{"age": 1}, Projection: bson.M{"name": 1}}))
	}),
	"aggregate": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.Aggregate(ctx, bson.A{bson.M{"$match": bson.M{"age": 3}}}))
	}),
	"count": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.Count(ctx, bson.M{"age": 3}, realm.CountOptions{Limit: 9}))
	}),
	"distinct": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.Distinct(ctx, "age", bson.M{"name": "Tom"}))
	}),
	"insert one": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		r, err := c.InsertOne(ctx, bson.M{"name": "Tom"})
		return r.InsertedID, err
	}),
	"insert one typed": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		r, err := realm.CollectionOf[cat](u.MongoClient("mongodb-atlas").Database("shop"), "cats").InsertOne(ctx, cat{Name: "Tom", Age: 3})
		return r.InsertedID, err
	}),
	"insert many": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		r, err := c.InsertMany(ctx, []bson.M{{"_id": 1}, {"_id": "two"}})
		return r.InsertedIDs, err
	}),
	"delete one": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		r, err := c.DeleteOne(ctx, nil)
		return r.DeletedCount, err
	}),
	"delete many": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		r, err := c.DeleteMany(ctx, bson.M{"age": 3})
		return r.DeletedCount, err
	}),
	"update one": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.UpdateOne(ctx, bson.M{"name": "Tom"}, bson.M{"$set": bson.M{"age": 4}}))
	}),
	"update many": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.UpdateMany(ctx, nil, bson.M{"$set": bson.M{"a.$[x]": 1}}, realm.UpdateOptions{Upsert: true, ArrayFilters: []any{bson.M{"x": 2}}}))
	}),
	"replace one": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.ReplaceOne(ctx, bson.M{"name": "Tom"}, bson.M{"name": "Kit"}, realm.ReplaceOptions{Upsert: true}))
	}),
	"bulk write": inCollection(func(ctx context.Context, c *realm.Collection[bson.M]) (any, error) {
		return asDoc(c.BulkWrite(ctx, []realm.BulkOperation{
			realm.BulkInsertOne{Document: bson.M{"_id": 1}},
			realm.BulkUpdateOne{Filter: bson.M{"_id": 1}, Update: bson.M{"$set": bson.M{"a": 1}}, Upsert: true},
			realm.BulkUpdateMany{Update: bson.M{"$set": bson.M{"a.$[x]": 1}}, ArrayFilters: []any{bson.M{"x": 1}}},
			realm.BulkReplaceOne{Filter: bson.M{"_id": 1}, Replacement: bson.M{"b": 1}},
			realm.BulkDeleteOne{Filter: bson.M{"_id": 1}},
			realm.BulkDeleteMany{},
		}, realm.BulkWriteOptions{Unordered: true}))
	}),

	"push register": asUser(func(ctx context.Context, u *realm.User) (any, error) {
		return nil, u.Push("gcm").Register(ctx, "fcm-token")
	}),
	"push deregister": asUser(func(ctx context.Context, u *realm.User) (any, error) { return nil, u.Push("gcm").Deregister(ctx) }),
}
