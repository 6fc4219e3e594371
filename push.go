package regent

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/api/client"
	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/log"
	"regent/internal/push"
	"regent/internal/rule"
)

// openPush gives an instance its push services, if its app has any.
func (srv *Server) openPush(ctx context.Context, in *instance, s *served) ([]app.Problem, error) {
	if len(push.Services(in.app)) == 0 {
		return nil, nil
	}
	var found []app.Problem
	var err error
	in.push, found, err = push.New(ctx, push.Config{
		App: in.app, Domain: s.domain, DB: srv.deployments.system(), Sessions: in.accounts, Sealer: srv.master, Dial: in.functions.Dial,
		Logger: srv.log.With("app", in.app.ID),
		Record: func(e push.Event) { srv.recordPush(in.app.ID, e) },
		Observe: func(a push.Attempt) {
			if srv.config.ObservePush != nil {
				srv.config.ObservePush(in.app.ID, a.Service, a.Kind, a.Result, a.Took)
			}
		},
	})
	if err == nil {
		in.pushTidy = srv.tidyPush(in.push)
	}
	return found, err
}

// PushQueue is what waits in the queue of an app's push service.
type PushQueue struct {
	App, Service string
	Messages     int64 // whose devices are not all known
	Deliveries   int64 // of messages to single devices
}

// PushQueues counts what waits for each push service of the served apps.
func (srv *Server) PushQueues(ctx context.Context) ([]PushQueue, error) {
	var out []PushQueue
	for _, in := range srv.registry.all() {
		if in.push == nil {
			continue
		}
		queues, err := in.push.Queues(ctx)
		if err != nil {
			return nil, err
		}
		for _, q := range queues {
			out = append(out, PushQueue{App: in.app.ID, Service: q.Service, Messages: q.Messages, Deliveries: q.Deliveries})
		}
	}
	return out, nil
}

// startPush lets an instance send.
func (in *instance) startPush() {
	if in.push != nil {
		in.push.Start()
	}
}

// stopPush ends an instance's sending; registrations and sends into the queue
// go on.
func (in *instance) stopPush() {
	if in.push != nil {
		in.pushTidy()
		in.push.Close()
	}
}

// maxEndedSessions bounds the ended sessions that wait to be tidied up after;
// sending looks at sessions itself.
const maxEndedSessions = 4096

// tidyPush removes the registrations of sessions that end, wherever they do.
func (srv *Server) tidyPush(p *push.Service) (stop func()) {
	ended := make(chan string, maxEndedSessions)
	cancel := srv.sessions.Ended(func(id bson.ObjectID) {
		select {
		case ended <- id.Hex():
		default:
		}
	})
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case id := <-ended:
				if err := p.SessionEnded(ctx, id); err != nil && ctx.Err() == nil {
					srv.log.Warn("a logged-out device is still registered for push; it gets nothing all the same", "session", id, "error", err)
				}
			}
		}
	})
	return sync.OnceFunc(func() { cancel(); end(); running.Wait() })
}

// recordPush logs a message or its failures.
func (srv *Server) recordPush(appID string, e push.Event) {
	entry := log.Entry{
		AppID: appID, Type: log.TypePush, Started: e.Time, Completed: time.Now(), UserID: e.UserID, Route: e.Service,
		Messages: []string{e.Text}, Error: e.Error, ErrorCode: e.Code,
	}
	if e.Job != "" {
		entry.RequestID = e.Job
	}
	srv.addLog(entry)
}

// pushAPI gives push.Service the shape that the client API asks for; nil
// without push services.
func (in *instance) pushAPI() client.Push {
	if in.push == nil {
		return nil
	}
	return pushRegistrations{in.push}
}

type pushRegistrations struct{ s *push.Service }

func (p pushRegistrations) Register(ctx context.Context, s *client.Session, service, token string, _ bson.Raw) error {
	return p.s.Register(ctx, service, deviceOf(s), token)
}

func (p pushRegistrations) Deregister(ctx context.Context, s *client.Session, service string) error {
	return p.s.Deregister(ctx, service, deviceOf(s))
}

func deviceOf(s *client.Session) push.Device {
	return push.Device{UserID: s.User.ID, SessionID: s.ID, DeviceID: s.DeviceID}
}

// Push implements function.PushSender: the actions of push services. The
// function package has checked the service's rules.
func (b functionBackend) Push(ctx context.Context, c caller.Caller, service, action string, args bson.Raw) (bson.RawValue, error) {
	if b.in.push == nil {
		return bson.RawValue{}, fault.New(fault.ServiceNotFound, "service not found: '%s'", service)
	}
	var answer bson.D
	switch action {
	case "send":
		by := ""
		if c.User != nil {
			by = c.User.ID
		}
		r, err := b.in.push.Send(ctx, service, by, args)
		if err != nil {
			return bson.RawValue{}, err
		}
		answer = bson.D{{Key: "id", Value: r.ID}, {Key: "duplicate", Value: r.Duplicate}}
	case "subscribe", "unsubscribe":
		change, err := b.in.push.Subscribe(ctx, service, args, action == "subscribe")
		if err != nil {
			return bson.RawValue{}, err
		}
		answer = bson.D{{Key: "devices", Value: change.Devices}, {Key: "failed", Value: change.Failed}}
	default:
		return bson.RawValue{}, fault.New(fault.ServiceCommandNotFound, "push service '%s' has the actions send, subscribe and unsubscribe, not '%s'", service, action)
	}
	raw, err := bson.Marshal(answer)
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, err
}

// serviceRules holds the compiled `when` of third-party services' rules by
// their text: equal ones are the same.
type serviceRules map[string]*rule.Expr

func ruleKey(when bson.RawValue) string { return string(rune(when.Type)) + string(when.Value) }

func compileServiceRules(a *app.App) (serviceRules, []app.Problem) {
	rules := serviceRules{}
	var problems []app.Problem
	for _, s := range a.Services {
		for _, r := range s.Rules {
			if r.When.Type == 0 {
				continue
			}
			var found []app.Problem
			rules[ruleKey(r.When)], found = rule.CompileExpression(a, r.When, rule.Service, r.Source)
			problems = append(problems, found...)
		}
	}
	return rules, problems
}

// ServiceRule implements function.ServiceRuler.
func (b functionBackend) ServiceRule(ctx context.Context, c caller.Caller, _ *app.Service, when bson.RawValue, args bson.Raw) (bool, error) {
	x := b.in.rulesOf[ruleKey(when)]
	if x == nil {
		return false, nil
	}
	return x.Eval(ctx, &rule.Env{Caller: c, Functions: b.in, Args: args})
}
