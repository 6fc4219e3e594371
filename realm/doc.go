// Package realm is a client for Realm apps (MongoDB Atlas App Services) and for
// Regent, which serves them: users, functions, and MongoDB collections under
// the app's rules. It speaks the public client protocol and nothing else.
//
// A first program, against the example app of this repository
// (regent serve examples/todo); check ends the program if there is an error:
//
//	app, err := realm.NewApp("todo-kxqwm", realm.WithBaseURL("http://127.0.0.1:8080"))
//	check(err)
//	user, err := app.LogIn(ctx, realm.Anonymous())
//	check(err)
//	items := user.MongoClient("mongodb-atlas").Database("todo").Collection("items")
//	_, err = items.InsertOne(ctx, bson.M{"owner_id": user.ID(), "text": "Buy milk", "done": false})
//	check(err)
//	found, err := items.Find(ctx, nil)
//	check(err)
//	fmt.Println(found)
//
// # Users
//
// [App.LogIn] takes [Credentials] ([Anonymous], [EmailPassword], [APIKey],
// [JWT], [CustomFunction], [GoogleIDToken], …) and returns a [User], who has
// tokens, a profile, identities and custom data, calls functions, and reaches
// collections. Users survive the end of the program with [FileStorage].
//
// An access token that the server refuses is renewed, once for all calls under
// way, and each call is repeated once. When the session itself is over, the
// user's [User.State] is [LoggedOut] and calls fail with [ErrLoggedOut].
//
// # Values
//
// Arguments and documents are Go values as the driver's bson package knows
// them. Results come as types of your choice ([Call], [CollectionOf],
// [CustomData], [ProfileAs]), or untyped: bson.M for documents, bson.A for
// arrays, nil for null, and int32, int64, float64, string, bool, bson.ObjectID,
// bson.DateTime and so on for the rest. Ask for bson.D or bson.Raw where the
// order of fields matters.
//
// # Errors
//
// A failed request is an [*Error] with status, code, text and the link to the
// server's log. Test for a reason with errors.Is and one of the Err… codes.
//
// # Contexts and limits
//
// Every call takes a context and ends with it. A request also ends after
// [DefaultTimeout], an answer may have [DefaultMaxResponseSize] bytes; both can
// be set ([WithTimeout], [WithMaxResponseSize]). Redirects are not followed.
// Package realm starts no goroutine that outlives the call it serves.
//
// References such as "client-api.md §1.17" in this package name sections of the
// protocol's description.
package realm
