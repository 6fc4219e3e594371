package realm_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

// Todo is a document of the examples' collection.
type Todo struct {
	ID   bson.ObjectID `bson:"_id,omitempty"`
	Text string        `bson:"text"`
	Done bool          `bson:"done"`
}

var ctx = context.Background()

// The first program: log in, store a document, read it back.
func Example() {
	app, err := realm.NewApp("todo-abcde", realm.WithBaseURL(address()))
	check(err)
	user, err := app.LogIn(ctx, realm.Anonymous())
	check(err)
	todos := user.MongoClient("mongodb-atlas").Database("todo").Collection("items")
	_, err = todos.InsertOne(ctx, bson.M{"owner_id": user.ID(), "text": "Buy milk"})
	check(err)
	found, err := todos.Find(ctx, bson.M{"owner_id": user.ID()})
	check(err)
	fmt.Println(len(found), found[0]["text"])
	// Output: 1 Buy milk
}

func ExampleNewApp() {
	dir, err := os.MkdirTemp("", "realm")
	check(err)
	defer os.RemoveAll(dir)

	app, err := realm.NewApp("todo-abcde",
		realm.WithBaseURL(address()),
		realm.WithStorage(realm.FileStorage(filepath.Join(dir, "users.json"))), // users survive a restart
		realm.WithAppInfo("todo-cli", "1.4.0"),
		realm.WithHTTPClient(&http.Client{}),
		realm.WithTimeout(10*time.Second),
		realm.WithMaxResponseSize(8<<20),
		realm.WithLogger(slog.New(slog.DiscardHandler)),
	)
	check(err)
	defer app.CloseIdleConnections()
	fmt.Println(app.ID(), app.BaseURL() == address())
	// Output: todo-abcde true
}

func ExampleApp_LogIn() {
	app := newExampleApp()
	user, err := app.LogIn(ctx, realm.EmailPassword("ada@example.com", "secret1"))
	check(err)
	fmt.Println(user.IsLoggedIn(), user.State(), user.ProviderType())

	_, err = app.LogIn(ctx, realm.EmailPassword("ada@example.com", "wrong"))
	fmt.Println(errors.Is(err, realm.ErrInvalidPassword))
	// Output:
	// true LoggedIn local-userpass
	// true
}

func ExampleApp_LogIn_providers() {
	app := newExampleApp()
	for _, credentials := range []realm.Credentials{
		realm.Anonymous(),
		realm.NewAnonymous(), // always a new user
		realm.EmailPassword("ada@example.com", "secret1"),
		realm.APIKey("s3cret"),
		realm.JWT("header.payload.signature"),
		realm.CustomFunction(bson.M{"badge": 1815}),
		realm.GoogleAuthCode("4/abc"),
		realm.GoogleIDToken("header.payload.signature"),
		realm.Facebook("EAAB"),
		realm.Apple("header.payload.signature"),
	} {
		user, err := app.LogIn(ctx, credentials)
		check(err)
		fmt.Println(user.ProviderType() == credentials.Provider(), credentials)
	}
	// Output:
	// true credentials for anon-user
	// true credentials for anon-user
	// true credentials for local-userpass
	// true credentials for api-key
	// true credentials for custom-token
	// true credentials for custom-function
	// true credentials for oauth2-google
	// true credentials for oauth2-google
	// true credentials for oauth2-facebook
	// true credentials for oauth2-apple
}

// A command-line program logs in through the browser.
func ExampleInBrowser() {
	credentials := realm.InBrowser(realm.ProviderGoogle, realm.Browser{
		Listen: "127.0.0.1:8787", // http://127.0.0.1:8787/ is among the provider's redirect URIs
		Open: func(ctx context.Context, address string) error {
			fmt.Println("Log in at", address)
			return nil
		},
	})
	fmt.Println(credentials)
	// Output: credentials for oauth2-google
}

func ExampleApp_SwitchUser() {
	app := newExampleApp()
	ada, err := app.LogIn(ctx, realm.EmailPassword("ada@example.com", "secret1"))
	check(err)
	eve, err := app.LogIn(ctx, realm.EmailPassword("eve@example.com", "secret2"))
	check(err)
	fmt.Println(app.CurrentUser() == eve, len(app.AllUsers()))

	check(app.SwitchUser(ctx, ada))
	fmt.Println(app.CurrentUser() == ada)

	check(eve.LogOut(ctx))
	fmt.Println(eve.State(), len(app.AllUsers()))

	check(app.RemoveUser(ctx, eve)) // forgotten here
	check(app.DeleteUser(ctx, ada)) // gone on the server, too
	fmt.Println(eve.State(), ada.State(), app.CurrentUser() == nil, len(app.AllUsers()))
	// Output:
	// true 2
	// true
	// LoggedOut 2
	// Removed Removed true 0
}

func ExampleApp_AddListener() {
	app := newExampleApp()
	remove := app.AddListener(func() { fmt.Println("somebody is logged in:", app.CurrentUser() != nil) })
	user, err := app.LogIn(ctx, realm.EmailPassword("ada@example.com", "secret1"))
	check(err)
	user.AddListener(func() { fmt.Println("the user is now", user.State()) })
	check(user.LogOut(ctx))
	remove()
	user.RemoveAllListeners()
	app.RemoveAllListeners()
	// Output:
	// somebody is logged in: true
	// the user is now LoggedOut
	// somebody is logged in: false
}

func ExampleApp_UpdateBaseURL() {
	app, err := realm.NewApp("todo-abcde", realm.WithBaseURL(address()))
	check(err)
	err = app.UpdateBaseURL(ctx, "http://127.0.0.1:1") // nobody answers there
	fmt.Println(err != nil, app.BaseURL() == address())
	// Output: true true
}

// A server acts as the user whose access token a request carries.
func ExampleApp_UserFromToken() {
	phone, err := newExampleApp().LogIn(ctx, realm.EmailPassword("ada@example.com", "secret1"))
	check(err)

	backend := newExampleApp()
	user, err := backend.UserFromToken(ctx, phone.AccessToken())
	check(err)
	sum, err := realm.Call[int](ctx, user, "sum", 1, 2)
	check(err)
	fmt.Println(user.ID() == phone.ID(), sum)

	_, err = backend.UserFromToken(ctx, "forged.access.token")
	fmt.Println(errors.Is(err, realm.ErrLoggedOut))
	// Output:
	// true 3
	// true
}

func ExampleEmailPasswordAuth() {
	accounts := newExampleApp().EmailPasswordAuth()
	check(accounts.RegisterUser(ctx, "ada@example.com", "secret1"))
	check(accounts.ConfirmUser(ctx, "token from the mail", "tokenId from the mail"))
	check(accounts.ResendConfirmationEmail(ctx, "ada@example.com"))
	check(accounts.RetryCustomConfirmation(ctx, "ada@example.com"))
	check(accounts.SendResetPasswordEmail(ctx, "ada@example.com"))
	check(accounts.ResetPassword(ctx, "token from the mail", "tokenId from the mail", "secret2"))
	check(accounts.CallResetPasswordFunction(ctx, "ada@example.com", "secret3", "her first pet's name"))

	err := accounts.SendResetPasswordEmail(ctx, "nobody@example.com")
	fmt.Println(errors.Is(err, realm.ErrUserNotFound))
	// Output: true
}

func ExampleUser() {
	user := exampleUser()
	fmt.Println(len(user.ID()), user.App().ID(), user.Type(), user.DeviceID())
	fmt.Println(user.AccessToken() != "", user.RefreshToken() != "")
	for _, identity := range user.Identities() {
		fmt.Println(identity.ProviderType)
	}
	// Output:
	// 24 todo-abcde normal 5f1a0000000000000000d001
	// true true
	// local-userpass
}

func ExampleUser_Profile() {
	user := exampleUser()
	fmt.Println(user.Profile().Name, user.Profile().Data["email"])

	type profile struct {
		Email string `bson:"email"`
	}
	p, err := realm.ProfileAs[profile](user)
	check(err)
	fmt.Println(p.Email)
	check(user.RefreshProfile(ctx))
	// Output:
	// Ada Lovelace ada@example.com
	// ada@example.com
}

func ExampleUser_CustomData() {
	user := exampleUser()
	fmt.Println(user.CustomData())

	data, err := user.RefreshCustomData(ctx)
	check(err)
	fmt.Println(data["colour"])

	type settings struct {
		Colour string `bson:"colour"`
		Since  int    `bson:"since"`
	}
	s, err := realm.CustomData[settings](user)
	check(err)
	fmt.Println(s)
	s, err = realm.RefreshCustomData[settings](ctx, user)
	check(err)
	fmt.Println(s)
	// Output:
	// {}
	// teal
	// {teal 1843}
	// {teal 1843}
}

func ExampleUser_LinkCredentials() {
	app := newExampleApp()
	user, err := app.LogIn(ctx, realm.Anonymous())
	check(err)
	check(app.EmailPasswordAuth().RegisterUser(ctx, "ada@example.com", "secret1"))
	check(user.LinkCredentials(ctx, realm.EmailPassword("ada@example.com", "secret1")))
	fmt.Println(app.CurrentUser() == user)
	// Output: true
}

func ExampleUser_CallFunction() {
	user := exampleUser()
	result, err := user.CallFunction(ctx, "summary")
	check(err)
	fmt.Println(result.(bson.M)["greeting"])

	_, err = user.CallFunction(ctx, "nonsense")
	fmt.Println(errors.Is(err, realm.ErrFunctionNotFound))
	// Output:
	// Hello
	// true
}

func ExampleCall() {
	user := exampleUser()
	type summary struct {
		Open int `bson:"open"`
		Done int `bson:"done"`
	}
	s, err := realm.Call[summary](ctx, user, "summary")
	check(err)
	fmt.Println(s.Open, s.Done)
	// Output: 2 1
}

func ExampleFunction() {
	user := exampleUser()
	sum := user.Function("sum") // bound to the user, can be stored
	three, err := sum.Call(ctx, 1, 2)
	check(err)
	six, err := sum.Call(ctx, 1, 2, 3)
	check(err)
	fmt.Println(sum.Name(), three, six)
	// Output: sum 3 6
}

func ExampleFunctionOf() {
	sum := realm.FunctionOf[int](exampleUser(), "sum")
	n, err := sum(ctx, 40, 2)
	check(err)
	fmt.Println(n)
	// Output: 42
}

func ExampleUser_CallServiceFunction() {
	user := exampleUser()
	n, err := user.CallServiceFunction(ctx, "mongodb-atlas", "count", bson.M{"database": "todo", "collection": "items"})
	check(err)
	fmt.Printf("%T\n", n)
	// Output: int64
}

func ExampleAPIKeys() {
	keys := exampleUser().APIKeys()
	key, err := keys.Create(ctx, "backup-job")
	check(err)
	fmt.Println(key.Name, key.Key) // the secret is shown this once

	check(keys.Disable(ctx, key.ID))
	key, err = keys.Fetch(ctx, key.ID)
	check(err)
	fmt.Println(key.Disabled, key.Key == "")
	check(keys.Enable(ctx, key.ID))

	check(keys.Delete(ctx, key.ID))
	all, err := keys.FetchAll(ctx)
	check(err)
	fmt.Println(len(all))
	// Output:
	// backup-job s3cret
	// true true
	// 0
}

func ExampleUser_Push() {
	push := exampleUser().Push("gcm")
	check(push.Register(ctx, "registration token from Firebase"))
	check(push.Deregister(ctx))
	fmt.Println(push.ServiceName())
	// Output: gcm
}

func ExampleCollectionOf() {
	db := exampleUser().MongoClient("mongodb-atlas").Database("todo")
	todos := realm.CollectionOf[Todo](db, "items")
	inserted, err := todos.InsertOne(ctx, Todo{Text: "Buy milk"})
	check(err)
	todo, err := todos.FindOne(ctx, bson.M{"_id": inserted.InsertedID})
	check(err)
	fmt.Println(todo.Text, todo.Done)
	fmt.Println(todos.ServiceName(), todos.DatabaseName(), todos.Name(), db.Name())
	// Output:
	// Buy milk false
	// mongodb-atlas todo items todo
}

func ExampleCollection_Find() {
	todos := exampleTodos("Buy milk", "Read Ada's notes")
	found, err := todos.Find(ctx, bson.M{"done": false}, realm.FindOptions{
		Sort: bson.D{{Key: "text", Value: 1}}, Projection: bson.M{"text": 1}, Limit: 10,
	})
	check(err)
	for _, todo := range found {
		fmt.Println(todo.Text)
	}
	_, err = todos.FindOne(ctx, bson.M{"text": "Fly"}, realm.FindOneOptions{Sort: bson.M{"text": 1}})
	fmt.Println(errors.Is(err, realm.ErrNoDocuments))
	// Output:
	// Buy milk
	// Read Ada's notes
	// true
}

func ExampleCollection_InsertMany() {
	todos := exampleTodos()
	result, err := todos.InsertMany(ctx, []Todo{{Text: "one"}, {Text: "two"}})
	check(err)
	fmt.Println(len(result.InsertedIDs))
	// Output: 2
}

func ExampleCollection_UpdateOne() {
	todos := exampleTodos("Buy milk", "Read")
	one, err := todos.UpdateOne(ctx, bson.M{"text": "Buy milk"}, bson.M{"$set": bson.M{"done": true}}, realm.UpdateOptions{Upsert: true})
	check(err)
	many, err := todos.UpdateMany(ctx, nil, bson.M{"$set": bson.M{"done": true}})
	check(err)
	replaced, err := todos.ReplaceOne(ctx, bson.M{"text": "Read"}, Todo{Text: "Write"}, realm.ReplaceOptions{})
	check(err)
	fmt.Println(one.MatchedCount, many.MatchedCount, replaced.ModifiedCount)
	// Output: 1 2 1
}

func ExampleCollection_FindOneAndUpdate() {
	todos := exampleTodos("Buy milk")
	after, err := todos.FindOneAndUpdate(ctx, bson.M{"text": "Buy milk"}, bson.M{"$set": bson.M{"done": true}},
		realm.FindOneAndUpdateOptions{ReturnNewDocument: true})
	check(err)
	before, err := todos.FindOneAndReplace(ctx, bson.M{"text": "Buy milk"}, Todo{Text: "Drink milk"})
	check(err)
	deleted, err := todos.FindOneAndDelete(ctx, nil, realm.FindOneAndDeleteOptions{Sort: bson.M{"text": 1}})
	check(err)
	fmt.Println(after.Done, before.Text, deleted.Text)
	// Output: true Buy milk Drink milk
}

func ExampleCollection_DeleteMany() {
	todos := exampleTodos("one", "two", "three")
	one, err := todos.DeleteOne(ctx, bson.M{"text": "one"})
	check(err)
	many, err := todos.DeleteMany(ctx, nil)
	check(err)
	fmt.Println(one.DeletedCount, many.DeletedCount)
	// Output: 1 2
}

func ExampleCollection_Count() {
	todos := exampleTodos("one", "two")
	n, err := todos.Count(ctx, nil, realm.CountOptions{Limit: 100})
	check(err)
	fmt.Println(n)
	// Output: 2
}

func ExampleAggregateAs() {
	todos := exampleTodos("one", "two")
	type total struct {
		Count int `bson:"count"`
	}
	totals, err := realm.AggregateAs[total](ctx, todos, bson.A{
		bson.M{"$group": bson.M{"_id": nil, "count": bson.M{"$sum": 1}}},
	})
	check(err)
	fmt.Println(totals[0].Count)

	docs, err := todos.Aggregate(ctx, bson.A{bson.M{"$match": bson.M{"done": false}}})
	check(err)
	fmt.Printf("%T\n", docs)
	// Output:
	// 2
	// []realm_test.Todo
}

func ExampleCollection_Distinct() {
	todos := exampleTodos("one", "two", "one")
	values, err := todos.Distinct(ctx, "text", nil)
	check(err)
	texts, err := realm.DistinctAs[string](ctx, todos, "text", nil)
	check(err)
	fmt.Println(values, texts)
	// Output: [one two] [one two]
}

func ExampleCollection_BulkWrite() {
	todos := exampleTodos("old")
	result, err := todos.BulkWrite(ctx, []realm.BulkOperation{
		realm.BulkInsertOne{Document: Todo{Text: "new"}},
		realm.BulkDeleteOne{Filter: bson.M{"text": "old"}},
	})
	check(err)
	fmt.Println(result.InsertedCount, result.DeletedCount)
	// Output: 1 1
}

func ExampleCollection_Watch() {
	todos := exampleTodos()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	go func() {
		for ctx.Err() == nil { // until the stream is open and tells about it
			_, _ = todos.InsertOne(ctx, Todo{Text: "Buy milk"})
			time.Sleep(10 * time.Millisecond)
		}
	}()
	for event, err := range todos.Watch(ctx, realm.WatchOptions{Filter: bson.M{"operationType": "insert"}}) {
		check(err)
		fmt.Println(event.OperationType, event.FullDocument.Text)
		break // closes the stream
	}
	// Output: insert Buy milk
}

func ExampleError() {
	_, err := newExampleApp().LogIn(ctx, realm.EmailPassword("ada@example.com", "wrong"))
	var e *realm.Error
	if errors.As(err, &e) {
		fmt.Println(e.StatusCode, e.Code, e.NumericCode(), e.Message, e.Link != "")
	}
	fmt.Println(realm.ErrInvalidPassword.Number(), errors.Is(err, realm.Code("InvalidPassword")))
	// Output:
	// 401 realm: invalid username or password 4349 unauthorized true
	// 4349 true
}

func ExampleMemoryStorage() {
	storage := realm.MemoryStorage()
	first, err := realm.NewApp("todo-abcde", realm.WithBaseURL(address()), realm.WithStorage(storage))
	check(err)
	user, err := first.LogIn(ctx, realm.Anonymous())
	check(err)
	second, err := realm.NewApp("todo-abcde", realm.WithBaseURL(address()), realm.WithStorage(storage))
	check(err)
	fmt.Println(second.CurrentUser().ID() == user.ID())
	// Output: true
}

// newExampleApp is an app whose users are forgotten when the example ends.
func newExampleApp() *realm.App {
	app, err := realm.NewApp("todo-abcde", realm.WithBaseURL(address()), realm.WithoutLocationRequest(), realm.WithClock(systemTime{}))
	check(err)
	return app
}

func exampleUser() *realm.User {
	user, err := newExampleApp().LogIn(ctx, realm.EmailPassword("ada@example.com", "secret1"))
	check(err)
	return user
}

// exampleTodos is the collection with just these documents in it.
func exampleTodos(texts ...string) *realm.Collection[Todo] {
	todos := realm.CollectionOf[Todo](exampleUser().MongoClient("mongodb-atlas").Database("todo"), "items")
	_, err := todos.DeleteMany(ctx, nil)
	check(err)
	for _, text := range texts {
		_, err := todos.InsertOne(ctx, Todo{Text: text})
		check(err)
	}
	return todos
}

type systemTime struct{}

func (systemTime) Now() time.Time                         { return time.Now() }
func (systemTime) After(d time.Duration) <-chan time.Time { return time.After(d) }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
