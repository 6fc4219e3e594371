package function

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/function/wire"
)

// ServiceRuler is what a Backend may also be: it evaluates the `when` of a
// third-party service's rule. Without it only rules whose `when` is {} or true
// permit anything to users.
type ServiceRuler interface {
	ServiceRule(ctx context.Context, c caller.Caller, s *app.Service, when bson.RawValue, args bson.Raw) (bool, error)
}

// PushSender is what a Backend may also be: it does the actions send, subscribe
// and unsubscribe of push services, as in context.services.get("gcm").send.
type PushSender interface {
	Push(ctx context.Context, c caller.Caller, service, action string, args bson.Raw) (bson.RawValue, error)
}

// thirdParty does an action of a third-party service (app-services.md §15). The
// service's secrets stay here.
func (x *execution) thirdParty(ctx context.Context, as caller.Caller, m wire.OperationMessage) (bson.RawValue, error) {
	s := serviceOf(x.deployment.app, m.Service)
	if s == nil {
		return bson.RawValue{}, fault.New(fault.ServiceNotFound, "service not found: '%s'", m.Service)
	}
	action, args := m.Action, m.Argument
	if action == "allow" { // an HTTP service asks before it sends
		action, _ = m.Argument.Lookup("name").StringValueOK()
		args, _ = m.Argument.Lookup("args").DocumentOK()
	}
	if err := x.permitted(ctx, as, s, action, args); err != nil {
		return bson.RawValue{}, err
	}
	switch {
	case m.Action == "allow":
		return bson.RawValue{}, nil
	case s.Type == "twilio" && action == "send":
		return x.twilioSend(ctx, s, args)
	case s.Type == "gcm" || s.Type == "webpush":
		if p, ok := x.deployment.backend.(PushSender); ok {
			return p.Push(ctx, as, s.Name, action, args)
		}
	}
	return bson.RawValue{}, fault.New(fault.ServiceCommandNotFound, "service '%s': %s %s is not available in Regent", s.Name, s.Type, action)
}

func serviceOf(a *app.App, name string) *app.Service {
	for _, s := range a.Services {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// permitted applies the service's rules; the system user is above them.
func (x *execution) permitted(ctx context.Context, as caller.Caller, s *app.Service, action string, args bson.Raw) error {
	if as.System {
		return nil
	}
	ruler, _ := x.deployment.backend.(ServiceRuler)
	for _, r := range s.Rules {
		if !lists(r.Actions, action) {
			continue
		}
		if always(r.When) {
			return nil
		}
		if ruler == nil {
			continue
		}
		ok, err := ruler.ServiceRule(ctx, as, s, r.When, args)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	return fault.New(fault.NoMatchingRuleFound, "no rule of service '%s' permits '%s'", s.Name, action)
}

func lists(actions []string, action string) bool {
	for _, a := range actions {
		if a == action || a == "*" || strings.HasSuffix(a, "*") && strings.HasPrefix(action, strings.TrimSuffix(a, "*")) {
			return true
		}
	}
	return false
}

// always reports whether an expression is true by itself: absent, {} or true.
func always(when bson.RawValue) bool {
	if b, ok := when.BooleanOK(); ok {
		return b
	}
	if d, ok := when.DocumentOK(); ok {
		elements, err := d.Elements()
		return err == nil && len(elements) == 0
	}
	return when.Type == 0
}

// twilioAddress is the service's public interface.
const twilioAddress = "https://api.twilio.com/2010-04-01/Accounts/"

// twilioSend sends a text message.
func (x *execution) twilioSend(ctx context.Context, s *app.Service, args bson.Raw) (bson.RawValue, error) {
	sid, _ := s.Config.Lookup("sid").StringValueOK()
	var token string
	for _, name := range s.SecretConfig["auth_token"] {
		token = x.deployment.app.Secrets[name]
	}
	if sid == "" || token == "" {
		return bson.RawValue{}, fault.New(fault.TwilioError, "service '%s' lacks config.sid or its secret auth_token", s.Name)
	}
	form := url.Values{}
	for _, f := range []struct{ arg, field string }{{"to", "To"}, {"from", "From"}, {"body", "Body"}} {
		v, _ := args.Lookup(f.arg).StringValueOK()
		form.Set(f.field, v)
	}
	base := twilioAddress
	if x.deployment.outbound.policy.TwilioAddress != "" {
		base = x.deployment.outbound.policy.TwilioAddress
	}
	u, err := url.Parse(base + url.PathEscape(sid) + "/Messages.json")
	if err != nil {
		return bson.RawValue{}, err
	}
	u.User = url.UserPassword(sid, token)
	ctx, cancel := context.WithTimeout(ctx, x.deployment.outbound.policy.Timeout)
	defer cancel()
	q := &httpRequest{Method: http.MethodPost, Headers: map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}}}
	r, err := x.deployment.outbound.do(ctx, u, q, []byte(form.Encode()))
	if err != nil {
		return bson.RawValue{}, fault.New(fault.TwilioError, "twilio: %s", strings.ReplaceAll(httpFailure(err, x.deployment.outbound.policy.Timeout).Error(), token, "***"))
	}
	defer r.Body.Close()
	var answer struct{ Message, Status, SID string }
	_ = json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20)).Decode(&answer)
	if r.StatusCode >= 300 {
		return bson.RawValue{}, fault.New(fault.TwilioError, "twilio answered %s: %s", r.Status, answer.Message)
	}
	raw := wire.Marshal(bson.D{{Key: "sid", Value: answer.SID}, {Key: "status", Value: answer.Status}})
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, nil
}
