package regent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/ejson"
	"regent/internal/operator"
	"regent/internal/push"
)

// pushService is the flag that names the service.
var pushService = operator.Flag{Name: "service", Help: "the push service, when the app has several"}

// pushCommands are the commands about push messages.
var pushCommands = []boundCommand{
	{operator.Command{Name: "push send", Use: "[JSON]", Short: "Send a push message to users, tokens, a topic or everyone", MaxArgs: 1,
		Long: `The message is given by flags, or as JSON as functions write it (docs/push.md):

  regent push send --user 65f… --title Hello --body "Your order is ready"
  regent push send '{"all": true, "notification": {"title": "Hello"}, "data": {"n": 1}}'`,
		Flags: []operator.Flag{
			pushService,
			{Name: "user", Help: "ids of users, with commas"},
			{Name: "token", Help: "registration tokens, with commas"},
			{Name: "topic", Help: "a topic"},
			{Name: "all", Bool: true, Help: "every registered device"},
			{Name: "title", Help: "title of the notification"},
			{Name: "body", Help: "text of the notification"},
			{Name: "payload", Help: "data as a JSON object"},
			{Name: "key", Help: "idempotency key: repeating the command with it sends nothing twice"},
			{Name: "wait", Bool: true, Help: "wait until the message was sent everywhere, and print how it went"},
		}}, withPush((*Server).sendPush)},
	{operator.Command{Name: "push status", Use: "MESSAGE-ID", Short: "Show how far a message is", MinArgs: 1, MaxArgs: 1},
		withPush(func(_ *Server, ctx context.Context, s *push.Service, c *operator.Call) error {
			return printProgress(ctx, s, c, c.Args[0])
		})},
	{operator.Command{Name: "push devices", Short: "List registered devices", Flags: []operator.Flag{
		pushService, {Name: "user", Help: "only devices of this user, by id"}, {Name: "limit", Default: "1000", Help: "at most this many"},
	}}, withPush(listDevices)},
	{operator.Command{Name: "push failures", Short: "List messages that did not reach a device, the newest first", Flags: []operator.Flag{
		pushService, {Name: "since", Help: "only those that are not older than this, e.g. 2h"}, {Name: "limit", Default: "100", Help: "at most this many"},
	}}, withPush(listPushFailures)},
	{operator.Command{Name: "push key", Short: "Print the public key that a web page subscribes with (applicationServerKey)", Flags: []operator.Flag{pushService}},
		withPush(func(_ *Server, _ context.Context, s *push.Service, c *operator.Call) error {
			name, err := thePushService(s, c)
			if err != nil {
				return err
			}
			key, err := s.PublicKey(name)
			if err != nil {
				return err
			}
			return c.PrintText(key, operator.Row{{Name: "service", Value: name}, {Name: "key", Value: key}})
		})},
}

// withPush finds the app's push services for a command.
func withPush(run func(*Server, context.Context, *push.Service, *operator.Call) error) func(*Server, context.Context, *operator.Call) error {
	return func(srv *Server, ctx context.Context, c *operator.Call) error {
		in, err := srv.theApp(c)
		if err != nil {
			return err
		}
		if in.push == nil {
			return errors.New("the app has no push service: add services/<name>/config.json of type gcm or webpush (docs/push.md)")
		}
		return run(srv, ctx, in.push, c)
	}
}

// thePushService is the service that a command means.
func thePushService(s *push.Service, c *operator.Call) (string, error) {
	if name := c.Flags["service"]; name != "" {
		return name, nil
	}
	names := s.Names()
	if len(names) == 1 {
		return names[0], nil
	}
	return "", fmt.Errorf("there are several push services, name one with --service: %s", strings.Join(names, ", "))
}

// sendPush sends a message and, when asked, waits for it.
func (srv *Server) sendPush(ctx context.Context, s *push.Service, c *operator.Call) error {
	name, err := thePushService(s, c)
	if err != nil {
		return err
	}
	message, err := pushMessage(c)
	if err != nil {
		return err
	}
	r, err := s.Send(ctx, name, "", message)
	if err != nil {
		return err
	}
	if srv.client == nil {
		if c.Bool("wait") {
			return fmt.Errorf("message %s is queued, but no server runs: it is sent when one serves the app", r.ID)
		}
		if err := c.Note("no server runs: the message is sent when one serves the app"); err != nil {
			return err
		}
	}
	text := r.ID + ": queued"
	if r.Duplicate {
		text = r.ID + ": was queued before"
	}
	if !c.Bool("wait") {
		return c.PrintText(text, operator.Row{{Name: "id", Value: r.ID}, {Name: "duplicate", Value: r.Duplicate}})
	}
	for {
		p, err := s.Progress(ctx, r.ID)
		if err != nil {
			return err
		}
		if p.Done() {
			return printProgress(ctx, s, c, r.ID)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// pushMessage makes a message of JSON and flags.
func pushMessage(c *operator.Call) (bson.Raw, error) {
	var d bson.D
	if len(c.Args) == 1 {
		raw, err := ejson.ParseDocument([]byte(c.Args[0]))
		if err != nil {
			return nil, fmt.Errorf("the message is no JSON object: %w", err)
		}
		if err := bson.Unmarshal(raw, &d); err != nil {
			return nil, err
		}
	}
	add := func(key string, v any) { d = append(d, bson.E{Key: key, Value: v}) }
	for _, f := range []struct{ flag, key string }{{"user", "userIds"}, {"token", "registrationTokens"}} {
		if v := c.Flags[f.flag]; v != "" {
			add(f.key, strings.Split(v, ","))
		}
	}
	for _, f := range []struct{ flag, key string }{{"topic", "topic"}, {"key", "idempotencyKey"}} {
		if v := c.Flags[f.flag]; v != "" {
			add(f.key, v)
		}
	}
	if c.Bool("all") {
		add("all", true)
	}
	var note bson.D
	for _, f := range []string{"title", "body"} {
		if v := c.Flags[f]; v != "" {
			note = append(note, bson.E{Key: f, Value: v})
		}
	}
	if note != nil {
		add("notification", note)
	}
	if v := c.Flags["payload"]; v != "" {
		raw, err := ejson.ParseDocument([]byte(v))
		if err != nil {
			return nil, fmt.Errorf("--payload is no JSON object: %w", err)
		}
		add("data", raw)
	}
	return bson.Marshal(d)
}

func printProgress(ctx context.Context, s *push.Service, c *operator.Call, id string) error {
	p, err := s.Progress(ctx, id)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return fmt.Errorf("there is no message %s: it was never sent, or more than a day has passed since it expired", id)
	}
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s: sent to %d devices, %d wait, %d are gone, %d failed", id, p.Sent, p.Waiting, p.Gone, p.Failed)
	if !p.Complete {
		text += "; not all devices are known yet"
	}
	return c.PrintText(text, operator.Row{
		{Name: "id", Value: id}, {Name: "complete", Value: p.Complete}, {Name: "sent", Value: p.Sent},
		{Name: "waiting", Value: p.Waiting}, {Name: "gone", Value: p.Gone}, {Name: "failed", Value: p.Failed},
	})
}

func limitFlag(c *operator.Call) (int64, error) {
	var n int64
	if _, err := fmt.Sscan(c.Flags["limit"], &n); err != nil || n < 1 {
		return 0, fmt.Errorf("--limit %q: a number above 0 is allowed", c.Flags["limit"])
	}
	return n, nil
}

func listDevices(_ *Server, ctx context.Context, s *push.Service, c *operator.Call) error {
	limit, err := limitFlag(c)
	if err != nil {
		return err
	}
	return s.Devices(ctx, c.Flags["service"], c.Flags["user"], limit, func(d push.DeviceInfo) error {
		return c.Print(operator.Row{
			{Name: "service", Value: d.Service}, {Name: "user", Value: d.User}, {Name: "device", Value: d.Device}, {Name: "kind", Value: d.Kind},
			{Name: "to", Value: d.To}, {Name: "topics", Value: strings.Join(d.Topics, " ")}, {Name: "registered", Value: d.Updated},
		})
	})
}

func listPushFailures(_ *Server, ctx context.Context, s *push.Service, c *operator.Call) error {
	limit, err := limitFlag(c)
	if err != nil {
		return err
	}
	var since time.Time
	if v := c.Flags["since"]; v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("--since %q: allowed are durations such as 90s, 15m or 2h", v)
		}
		since = time.Now().Add(-d)
	}
	return s.Failures(ctx, c.Flags["service"], since, limit, func(f push.FailureInfo) error {
		return c.Print(operator.Row{
			{Name: "time", Value: f.Time}, {Name: "service", Value: f.Service}, {Name: "message", Value: f.Message}, {Name: "user", Value: f.User},
			{Name: "to", Value: f.To}, {Name: "code", Value: f.Code}, {Name: "attempts", Value: f.Attempts}, {Name: "detail", Value: f.Detail},
		})
	})
}
