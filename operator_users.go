package regent

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"regent/internal/auth"
	"regent/internal/ejson"
	"regent/internal/operator"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// userCommands are the commands about people's accounts. A user is named by
// e-mail address or id.
var userCommands = []boundCommand{
	{operator.Command{Name: "users list", Short: "List users in the order of their ids", Flags: []operator.Flag{
		{Name: "provider", Help: "only users with an identity of this provider, e.g. local-userpass"},
		{Name: "disabled", Bool: true, Help: "only disabled users"},
		{Name: "after", Help: "go on after this user id"},
		{Name: "limit", Default: "50", Help: "at most this many, up to 1000"},
	}}, (*Server).listUsers},
	{operator.Command{Name: "users show", Use: "EMAIL|ID", Short: "Show a user with its identities and data", MinArgs: 1, MaxArgs: 1}, withUser(showUser)},
	{operator.Command{Name: "users create", Use: "EMAIL", Short: "Make a confirmed e-mail user", MinArgs: 1, MaxArgs: 1,
		Flags: []operator.Flag{{Name: "password", Help: "the password; without it a random one is made and printed"}}}, (*Server).createUser},
	{operator.Command{Name: "users disable", Use: "EMAIL|ID", Short: "Refuse a user's log-ins and tokens until it is enabled again", MinArgs: 1, MaxArgs: 1},
		withUser(func(ctx context.Context, s *auth.Service, id string, c *operator.Call) error {
			return done(c, id, "disabled", s.SetDisabled(ctx, id, true))
		})},
	{operator.Command{Name: "users enable", Use: "EMAIL|ID", Short: "Let a disabled user log in again", MinArgs: 1, MaxArgs: 1},
		withUser(func(ctx context.Context, s *auth.Service, id string, c *operator.Call) error {
			return done(c, id, "enabled", s.SetDisabled(ctx, id, false))
		})},
	{operator.Command{Name: "users delete", Use: "EMAIL|ID", Short: "Delete a user with its identities, keys and sessions; its documents stay", MinArgs: 1, MaxArgs: 1},
		withUser(func(ctx context.Context, s *auth.Service, id string, c *operator.Call) error {
			return done(c, id, "deleted", s.RemoveUser(ctx, id))
		})},
	{operator.Command{Name: "users logout", Use: "EMAIL|ID", Short: "End all sessions of a user", MinArgs: 1, MaxArgs: 1},
		withUser(func(ctx context.Context, s *auth.Service, id string, c *operator.Call) error {
			n, err := s.RevokeSessions(ctx, id)
			if err != nil {
				return err
			}
			return c.PrintText(fmt.Sprintf("%s: %d sessions ended", id, n), operator.Row{{Name: "id", Value: id}, {Name: "ended", Value: n}})
		})},
	{operator.Command{Name: "users sessions", Use: "EMAIL|ID", Short: "List a user's sessions with device, last use and address", MinArgs: 1, MaxArgs: 1}, withUser(listSessions)},
	{operator.Command{Name: "users set-email", Use: "EMAIL|ID NEW-EMAIL", Short: "Change the address that an e-mail user logs in by", MinArgs: 2, MaxArgs: 2},
		withUser(func(ctx context.Context, s *auth.Service, id string, c *operator.Call) error {
			return done(c, id, "address changed", s.SetEmail(ctx, id, c.Args[1]))
		})},
	{operator.Command{Name: "users set-password", Use: "EMAIL|ID", Short: "Set an e-mail user's password and end its sessions", MinArgs: 1, MaxArgs: 1,
		Flags: []operator.Flag{{Name: "password", Help: "the password; without it a random one is made and printed"}}},
		withUser(setPassword)},
	{operator.Command{Name: "users pending", Short: "List registrations that were not confirmed", Flags: []operator.Flag{
		{Name: "after", Help: "go on after this registration id"}, {Name: "limit", Default: "50", Help: "at most this many, up to 1000"},
	}}, (*Server).listPending},
	{operator.Command{Name: "users confirm", Use: "EMAIL", Short: "Confirm a registration without its owner's help", MinArgs: 1, MaxArgs: 1},
		withAccounts(func(ctx context.Context, s *auth.Service, c *operator.Call) error {
			return done(c, c.Args[0], "confirmed", s.ConfirmAccount(ctx, c.Args[0]))
		})},
	{operator.Command{Name: "users import", Use: "FILE", Short: "Add users from JSON lines, keeping their ids; - is standard input", MinArgs: 1, MaxArgs: 1, Input: true,
		Long: `Each line is a user as the App Services admin API lists them,

  {"_id": "650…", "type": "normal", "creation_date": 1700000000, "disabled": false, "data": {},
   "identities": [{"id": "650…", "provider_type": "local-userpass",
                   "provider_data": {"email": "ann@example.com"}, "password_hash": "$2b$…"}]}

(on one line), or a plain e-mail user:

  {"id": "650…", "email": "ann@example.com", "password_hash": "$argon2id$…", "confirmed": true, "data": {}}

Hashes: argon2, bcrypt, scrypt, PBKDF2 and Firebase's scrypt, written as
docs/accounts.md shows. Users without a hash set a password by the reset flow.
Users that are there already stay as they are, so an import can be repeated; a
line that cannot be taken is reported and costs only itself.`}, (*Server).importUsers},
	{operator.Command{Name: "users export", Use: "FILE", Short: "Write all users, password hashes included, to a new file with mode 0600", MinArgs: 1, MaxArgs: 1, Output: true}, (*Server).exportUsers},
}

// keyCommands are the commands about server API keys.
var keyCommands = []boundCommand{
	{operator.Command{Name: "keys list", Short: "List the app's server API keys"}, withAccounts(func(ctx context.Context, s *auth.Service, c *operator.Call) error {
		keys, err := s.ServerKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := c.Print(operator.Row{{Name: "id", Value: k.ID}, {Name: "name", Value: k.Name}, {Name: "disabled", Value: k.Disabled}}); err != nil {
				return err
			}
		}
		return nil
	})},
	{operator.Command{Name: "keys create", Use: "NAME", Short: "Make a server API key; it is printed this once", MinArgs: 1, MaxArgs: 1}, withAccounts(func(ctx context.Context, s *auth.Service, c *operator.Call) error {
		k, err := s.CreateServerKey(ctx, c.Args[0])
		if err != nil {
			return err
		}
		return c.Print(operator.Row{{Name: "id", Value: k.ID}, {Name: "name", Value: k.Name}, {Name: "key", Value: k.Key}})
	})},
	{operator.Command{Name: "keys enable", Use: "ID", Short: "Let a disabled key log in again", MinArgs: 1, MaxArgs: 1}, withAccounts(func(ctx context.Context, s *auth.Service, c *operator.Call) error {
		return done(c, c.Args[0], "enabled", s.SetServerKeyDisabled(ctx, c.Args[0], false))
	})},
	{operator.Command{Name: "keys disable", Use: "ID", Short: "Refuse log-ins with a key", MinArgs: 1, MaxArgs: 1}, withAccounts(func(ctx context.Context, s *auth.Service, c *operator.Call) error {
		return done(c, c.Args[0], "disabled", s.SetServerKeyDisabled(ctx, c.Args[0], true))
	})},
	{operator.Command{Name: "keys delete", Use: "ID", Short: "Delete a key and the user that it is", MinArgs: 1, MaxArgs: 1}, withAccounts(func(ctx context.Context, s *auth.Service, c *operator.Call) error {
		return done(c, c.Args[0], "deleted", s.DeleteServerKey(ctx, c.Args[0]))
	})},
}

// signingCommands are the commands about the keys that sign tokens.
var signingCommands = []boundCommand{
	{operator.Command{Name: "signing-keys list", Short: "List the keys that sign the app's tokens; the newest signs, all verify"}, func(srv *Server, ctx context.Context, c *operator.Call) error {
		in, err := srv.theApp(c)
		if err != nil {
			return err
		}
		keys, err := srv.sessions.Keys(ctx, in.accounts.Domain)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := c.Print(operator.Row{{Name: "kid", Value: k.ID}, {Name: "created", Value: when(k.Created)}}); err != nil {
				return err
			}
		}
		return nil
	}},
	{operator.Command{Name: "signing-keys rotate", Short: "Sign new tokens with a new key; nobody is logged out"}, func(srv *Server, ctx context.Context, c *operator.Call) error {
		in, err := srv.theApp(c)
		if err != nil {
			return err
		}
		kid, err := srv.sessions.RotateKey(ctx, in.accounts.Domain)
		return done(c, kid, "signs from now on", err)
	}},
	{operator.Command{Name: "signing-keys retire", Use: "KID", Short: "Refuse all tokens that a key signed, for a key that leaked: their users log in again", MinArgs: 1, MaxArgs: 1}, func(srv *Server, ctx context.Context, c *operator.Call) error {
		in, err := srv.theApp(c)
		if err != nil {
			return err
		}
		return done(c, c.Args[0], "retired", srv.sessions.RetireKey(ctx, in.accounts.Domain, c.Args[0]))
	}},
}

func done(c *operator.Call, id, what string, err error) error {
	if err != nil {
		return err
	}
	return c.PrintText(id+": "+what, operator.Row{{Name: "id", Value: id}, {Name: "done", Value: what}})
}

// withAccounts runs a command on the accounts of the app that it means.
func withAccounts(f func(context.Context, *auth.Service, *operator.Call) error) func(*Server, context.Context, *operator.Call) error {
	return func(srv *Server, ctx context.Context, c *operator.Call) error {
		in, err := srv.theApp(c)
		if err != nil {
			return err
		}
		return f(ctx, in.accounts, c)
	}
}

// withUser runs a command on the user that its first argument names.
func withUser(f func(ctx context.Context, s *auth.Service, id string, c *operator.Call) error) func(*Server, context.Context, *operator.Call) error {
	return withAccounts(func(ctx context.Context, s *auth.Service, c *operator.Call) error {
		id, err := userID(ctx, s, c.Args[0])
		if err != nil {
			return err
		}
		return f(ctx, s, id, c)
	})
}

// userID finds a user by e-mail address or id.
func userID(ctx context.Context, s *auth.Service, name string) (string, error) {
	users, err := s.Users(ctx, auth.UserFilter{Email: name, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(users) == 1 {
		return users[0].ID, nil
	}
	if auth.LooksLikeID(name) {
		u, err := s.ShowUser(ctx, strings.ToLower(name))
		return u.ID, err
	}
	return "", fmt.Errorf("no user has the e-mail address or id %s", name)
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func limitOf(c *operator.Call) (int, error) {
	n, err := strconv.Atoi(c.Flags["limit"])
	if err != nil || n < 1 || n > 1000 {
		return 0, fmt.Errorf("--limit %q: numbers from 1 to 1000 are allowed", c.Flags["limit"])
	}
	return n, nil
}

func (srv *Server) listUsers(ctx context.Context, c *operator.Call) error {
	in, err := srv.theApp(c)
	if err != nil {
		return err
	}
	f := auth.UserFilter{After: c.Flags["after"]}
	if f.Limit, err = limitOf(c); err != nil {
		return err
	}
	if p := c.Flags["provider"]; p != "" {
		f.Providers = strings.Split(p, ",")
	}
	if c.Bool("disabled") {
		yes := true
		f.Disabled = &yes
	}
	users, err := in.accounts.Users(ctx, f)
	if err != nil {
		return err
	}
	for _, u := range users {
		var providers []string
		for _, i := range u.Identities {
			providers = append(providers, i.ProviderType)
		}
		email, _ := u.Data.Lookup("email").StringValueOK()
		if err := c.Print(operator.Row{
			{Name: "id", Value: u.ID}, {Name: "type", Value: u.Type}, {Name: "email", Value: email}, {Name: "providers", Value: strings.Join(providers, ",")},
			{Name: "disabled", Value: u.Disabled}, {Name: "created", Value: when(u.Created)}, {Name: "last_login", Value: when(u.LastLogin)},
		}); err != nil {
			return err
		}
	}
	return nil
}

func showUser(ctx context.Context, s *auth.Service, id string, c *operator.Call) error {
	u, err := s.ShowUser(ctx, id)
	if err != nil {
		return err
	}
	data, err := ejson.AppendRelaxed(nil, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: u.Data})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("id          %s\ntype        %s\ndisabled    %v\ncreated     %s\nlast login  %s\ndata        %s", u.ID, u.Type, u.Disabled, when(u.Created), when(u.LastLogin), data)
	var identities []operator.Row
	for _, i := range u.Identities {
		text += fmt.Sprintf("\nidentity    %s %s", i.ProviderType, i.ID)
		identities = append(identities, operator.Row{{Name: "id", Value: i.ID}, {Name: "provider_type", Value: i.ProviderType}})
	}
	return c.PrintText(text, operator.Row{
		{Name: "id", Value: u.ID}, {Name: "type", Value: u.Type}, {Name: "disabled", Value: u.Disabled}, {Name: "created", Value: when(u.Created)},
		{Name: "last_login", Value: when(u.LastLogin)}, {Name: "data", Value: rawJSON(data)}, {Name: "identities", Value: identities},
	})
}

// rawJSON is text that is JSON already.
type rawJSON []byte

func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

func (srv *Server) createUser(ctx context.Context, c *operator.Call) error {
	in, err := srv.theApp(c)
	if err != nil {
		return err
	}
	pass, made, err := passwordOf(c)
	if err != nil {
		return err
	}
	u, err := in.accounts.CreateUser(ctx, c.Args[0], pass)
	if err != nil {
		return err
	}
	row := operator.Row{{Name: "id", Value: u.ID}, {Name: "email", Value: c.Args[0]}}
	if made {
		row = append(row, operator.Field{Name: "password", Value: pass})
	}
	return c.Print(row)
}

// passwordOf is the --password of a command, or a random one.
func passwordOf(c *operator.Call) (pass string, made bool, err error) {
	if pass = c.Flags["password"]; pass != "" {
		return pass, false, nil
	}
	pass, err = randomPassword()
	return pass, true, err
}

func setPassword(ctx context.Context, s *auth.Service, id string, c *operator.Call) error {
	pass, made, err := passwordOf(c)
	if err != nil {
		return err
	}
	if err := s.SetPassword(ctx, id, pass); err != nil || !made {
		return done(c, id, "password set", err)
	}
	return c.Print(operator.Row{{Name: "id", Value: id}, {Name: "password", Value: pass}})
}

func listSessions(ctx context.Context, s *auth.Service, id string, c *operator.Call) error {
	sessions, err := s.UserSessions(ctx, id)
	if err != nil {
		return err
	}
	for _, se := range sessions {
		platform := ""
		if d := se.DeviceInfo; d != nil {
			platform = strings.TrimSpace(d.Platform + " " + d.PlatformVersion)
		}
		expires := "never"
		if se.Expires != nil {
			expires = when(*se.Expires)
		}
		if err := c.Print(operator.Row{
			{Name: "id", Value: se.ID.Hex()}, {Name: "provider", Value: se.Identity.ProviderType}, {Name: "device", Value: se.Device.Hex()}, {Name: "platform", Value: platform},
			{Name: "created", Value: when(se.Created)}, {Name: "used", Value: when(se.Used)}, {Name: "address", Value: se.Address}, {Name: "expires", Value: expires},
		}); err != nil {
			return err
		}
	}
	return nil
}

func (srv *Server) listPending(ctx context.Context, c *operator.Call) error {
	in, err := srv.theApp(c)
	if err != nil {
		return err
	}
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	accounts, err := in.accounts.Pending(ctx, c.Flags["after"], limit)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if err := c.Print(operator.Row{{Name: "id", Value: a.ID}, {Name: "email", Value: a.Email}, {Name: "created", Value: when(a.Created)}}); err != nil {
			return err
		}
	}
	return nil
}

// importUsers reads users from the command's input and shows progress; refused
// lines are named with their reason and make the command fail at its end.
func (srv *Server) importUsers(ctx context.Context, c *operator.Call) error {
	in, err := srv.theApp(c)
	if err != nil {
		return err
	}
	last := time.Now()
	report, err := in.accounts.Import(ctx, c.In, auth.ImportOptions{
		Refused: func(line int, reason error) { c.Note("line %d refused: %v", line, reason) },
		Progress: func(r auth.ImportReport) {
			if time.Since(last) > time.Second {
				last = time.Now()
				c.Note("%d lines: %d created, %d there already, %d refused", r.Lines, r.Created, r.Unchanged, r.Refused)
			}
		},
	})
	if err != nil {
		return err
	}
	if err := c.Print(operator.Row{{Name: "lines", Value: report.Lines}, {Name: "created", Value: report.Created}, {Name: "there_already", Value: report.Unchanged}, {Name: "refused", Value: report.Refused}}); err != nil {
		return err
	}
	if report.Refused > 0 {
		return fmt.Errorf("%d lines were refused, the others are imported", report.Refused)
	}
	return nil
}

func (srv *Server) exportUsers(ctx context.Context, c *operator.Call) error {
	in, err := srv.theApp(c)
	if err != nil {
		return err
	}
	lines, w := io.Pipe()
	defer lines.Close()
	go func() {
		_, err := in.accounts.Export(ctx, w)
		w.CloseWithError(err)
	}()
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		if err := c.PrintJSON(scanner.Bytes()); err != nil {
			return err
		}
	}
	return scanner.Err()
}

// randomPassword makes a password of 80 random bits.
func randomPassword() (string, error) {
	b := make([]byte, 10)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b)), nil
}
