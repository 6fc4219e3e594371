// Command go-client is a to-do list in the terminal, on the example app:
//
//	regent serve examples/todo        # in one terminal
//	go run ./examples/go-client add Buy milk
//	go run ./examples/go-client list
//	go run ./examples/go-client watch # shows what the web page does, live
//
// It begins as an anonymous user and remembers who it is. `register` gives that
// user an e-mail address and a password, with which the same list opens on the
// web page.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/realm"
)

// item is a document of the app's collection todo.items.
type item struct {
	ID      bson.ObjectID `bson:"_id,omitempty"`
	OwnerID string        `bson:"owner_id"`
	Text    string        `bson:"text"`
	Done    bool          `bson:"done"`
	Created time.Time     `bson:"created"`
}

// client is one run of the program.
type client struct {
	app *realm.App
	out io.Writer
}

// commands by name; args is what they take.
var commands = []struct {
	name, args, help string
	run              func(c *client, ctx context.Context, args []string) error
}{
	{"list", "", "show the list", (*client).list},
	{"add", "TEXT…", "add an item", (*client).add},
	{"done", "N", "tick item N", (*client).done},
	{"rm", "N", "delete item N", (*client).remove},
	{"watch", "", "show changes as they happen, until Ctrl-C", (*client).watch},
	{"summary", "", "call the app's function summary", (*client).summary},
	{"register", "EMAIL PASSWORD", "keep the list: give this user an e-mail address and a password", (*client).register},
	{"login", "EMAIL PASSWORD", "log in", (*client).login},
	{"logout", "", "log out; what an anonymous user has is lost then", (*client).logout},
	{"whoami", "", "show the user and the custom data", (*client).whoami},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if op := new(net.OpError); errors.As(err, &op) && op.Op == "dial" {
			fmt.Fprintln(os.Stderr, "Is the server running? regent serve examples/todo")
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("go-client", flag.ContinueOnError)
	url := flags.String("url", realm.DefaultBaseURL, "the server's address")
	id := flags.String("app", "todo-kxqwm", "the app's id")
	users := flags.String("users", defaultUsers(), "file that remembers who is logged in")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: go-client [flags] command")
		for _, c := range commands {
			fmt.Fprintf(flags.Output(), "  %-24s %s\n", c.name+" "+c.args, c.help)
		}
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	app, err := realm.NewApp(*id, realm.WithBaseURL(*url), realm.WithStorage(realm.FileStorage(*users)), realm.WithAppInfo("go-client", "1.0"))
	if err != nil {
		return err
	}
	defer app.CloseIdleConnections()
	c := &client{app: app, out: out}
	name, rest := "list", []string{}
	if flags.NArg() > 0 {
		name, rest = flags.Arg(0), flags.Args()[1:]
	}
	for _, command := range commands {
		if command.name == name {
			return command.run(c, ctx, rest)
		}
	}
	flags.Usage()
	return fmt.Errorf("unknown command %q", name)
}

func defaultUsers() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "regent-go-client", "users.json")
}

// user is who runs the program: the one of last time, or a new anonymous one.
func (c *client) user(ctx context.Context) (*realm.User, error) {
	if user := c.app.CurrentUser(); user != nil {
		return user, nil
	}
	return c.app.LogIn(ctx, realm.Anonymous())
}

// items is the user's collection. The app's rules keep the lists of different
// users apart; the client does not have to.
func (c *client) items(ctx context.Context) (*realm.Collection[item], *realm.User, error) {
	user, err := c.user(ctx)
	if err != nil {
		return nil, nil, err
	}
	return realm.CollectionOf[item](user.MongoClient("mongodb-atlas").Database("todo"), "items"), user, nil
}

func (c *client) find(ctx context.Context) (*realm.Collection[item], []item, error) {
	items, _, err := c.items(ctx)
	if err != nil {
		return nil, nil, err
	}
	list, err := items.Find(ctx, nil, realm.FindOptions{Sort: bson.D{{Key: "created", Value: 1}, {Key: "_id", Value: 1}}})
	return items, list, err
}

func (c *client) list(ctx context.Context, _ []string) error {
	_, list, err := c.find(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(c.out, "nothing to do")
	}
	for i, it := range list {
		fmt.Fprintf(c.out, "%3d %s\n", i+1, line(it))
	}
	return nil
}

func line(it item) string {
	if it.Done {
		return "[x] " + it.Text
	}
	return "[ ] " + it.Text
}

func (c *client) add(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("add what?")
	}
	items, user, err := c.items(ctx)
	if err != nil {
		return err
	}
	_, err = items.InsertOne(ctx, item{OwnerID: user.ID(), Text: strings.Join(args, " "), Created: time.Now()})
	return err
}

// number finds the item that a number from the list means.
func (c *client) number(ctx context.Context, args []string) (*realm.Collection[item], item, error) {
	items, list, err := c.find(ctx)
	if err != nil {
		return nil, item{}, err
	}
	if len(args) == 1 {
		if n, err := strconv.Atoi(args[0]); err == nil && n >= 1 && n <= len(list) {
			return items, list[n-1], nil
		}
	}
	return nil, item{}, fmt.Errorf("want a number from 1 to %d, as in the list", len(list))
}

func (c *client) done(ctx context.Context, args []string) error {
	items, it, err := c.number(ctx, args)
	if err != nil {
		return err
	}
	_, err = items.UpdateOne(ctx, bson.M{"_id": it.ID}, bson.M{"$set": bson.M{"done": true}})
	return err
}

func (c *client) remove(ctx context.Context, args []string) error {
	items, it, err := c.number(ctx, args)
	if err != nil {
		return err
	}
	_, err = items.DeleteOne(ctx, bson.M{"_id": it.ID})
	return err
}

func (c *client) watch(ctx context.Context, _ []string) error {
	items, _, err := c.items(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, "watching; Ctrl-C ends it")
	for event, err := range items.Watch(ctx) {
		if err != nil {
			return err
		}
		if event.FullDocument != nil {
			fmt.Fprintf(c.out, "%-8s %s\n", event.OperationType, line(*event.FullDocument))
		} else {
			fmt.Fprintf(c.out, "%-8s %v\n", event.OperationType, event.DocumentKey["_id"])
		}
	}
	return nil
}

func (c *client) summary(ctx context.Context, _ []string) error {
	user, err := c.user(ctx)
	if err != nil {
		return err
	}
	s, err := realm.Call[struct {
		Greeting   string
		Open, Done int
	}](ctx, user, "summary")
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s %d open, %d done\n", s.Greeting, s.Open, s.Done)
	return nil
}

func (c *client) register(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("register EMAIL PASSWORD")
	}
	user, err := c.user(ctx)
	if err != nil {
		return err
	}
	err = c.app.EmailPasswordAuth().RegisterUser(ctx, args[0], args[1])
	if errors.Is(err, realm.ErrAccountNameInUse) {
		return fmt.Errorf("%s has an account already: login %s PASSWORD", args[0], args[0])
	}
	if err != nil {
		return err
	}
	if err := user.LinkCredentials(ctx, realm.EmailPassword(args[0], args[1])); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "this list is now %s's; the web page opens it, too\n", args[0])
	return nil
}

func (c *client) login(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("login EMAIL PASSWORD")
	}
	_, err := c.app.LogIn(ctx, realm.EmailPassword(args[0], args[1]))
	if errors.Is(err, realm.ErrInvalidPassword) {
		return errors.New("wrong e-mail address or password")
	}
	return err
}

func (c *client) logout(ctx context.Context, _ []string) error {
	user := c.app.CurrentUser()
	if user == nil {
		return nil
	}
	if err := user.LogOut(ctx); err != nil {
		return err
	}
	if next := c.app.CurrentUser(); next != nil {
		fmt.Fprintf(c.out, "now %s\n", name(next))
	}
	return nil
}

// name is what to call a user.
func name(user *realm.User) string {
	if email := user.Profile().Email; email != "" {
		return email
	}
	return "anonymous"
}

func (c *client) whoami(ctx context.Context, _ []string) error {
	user := c.app.CurrentUser()
	if user == nil {
		fmt.Fprintln(c.out, "nobody")
		return nil
	}
	data, err := user.RefreshCustomData(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s, user %s, favourite colour %v\n", name(user), user.ID(), data["colour"])
	return nil
}
