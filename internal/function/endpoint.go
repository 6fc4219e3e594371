package function

import (
	"context"
	"net/http"
	"net/url"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/function/wire"
)

// EndpointResult is what the handler of an HTTP endpoint or webhook made of a
// request (app-services.md §9.5).
type EndpointResult struct {
	// Configured says that the function used its response object; Status and
	// Header are set then, and Body where it gave one.
	Configured bool
	Status     int
	Header     http.Header
	Body       []byte // nil: it gave none

	// Value is what the function returned: the body where Body is nil.
	Value bson.RawValue
}

// EndpointPayload is the request as the handlers of endpoints and HTTP webhooks
// get it: the first value of each query parameter, headers as arrays under
// canonical names, and the body as Binary, absent when there is none. The
// secret is left out of the query.
func EndpointPayload(query url.Values, header http.Header, body []byte) bson.RawValue {
	q := bson.D{}
	for _, k := range sortedKeys(query) {
		if k != "secret" && len(query[k]) > 0 {
			q = append(q, bson.E{Key: k, Value: query[k][0]})
		}
	}
	h := bson.D{}
	for _, k := range sortedKeys(header) {
		h = append(h, bson.E{Key: http.CanonicalHeaderKey(k), Value: header[k]})
	}
	d := bson.D{{Key: "query", Value: q}, {Key: "headers", Value: h}}
	if len(body) > 0 {
		d = append(d, bson.E{Key: "body", Value: bson.Binary{Data: body}})
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: wire.Marshal(d)}
}

func sortedKeys[M ~map[string][]string](m M) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// CallEndpoint calls a function as the handler of an HTTP endpoint, private or
// not; its can_evaluate is asked first. payload is its first argument.
func (d *Deployment) CallEndpoint(ctx context.Context, c caller.Caller, name string, payload bson.RawValue) (EndpointResult, error) {
	f := d.app.Function(name)
	if f == nil {
		return EndpointResult{}, fault.New(fault.FunctionNotFound, "function not found: '%s'", name)
	}
	return d.handle(ctx, c, f, payload)
}

// CallWebhook calls the code of an incoming webhook the same way.
func (d *Deployment) CallWebhook(ctx context.Context, c caller.Caller, w *app.Webhook, payload bson.RawValue) (EndpointResult, error) {
	if w.Code == nil {
		return EndpointResult{}, fault.New(fault.FunctionNotFound, "webhook '%s' of service '%s' has no code", w.Name, w.Service)
	}
	return d.handle(ctx, c, webhookFunction(w), payload)
}

// webhookFunction gives a webhook's code a name that no function can have.
func webhookFunction(w *app.Webhook) *app.Function {
	f := *w.Code
	f.Name = "@webhook/" + w.Service + "/" + w.Name
	return &f
}

func (d *Deployment) handle(ctx context.Context, c caller.Caller, f *app.Function, payload bson.RawValue) (EndpointResult, error) {
	if err := d.mayEvaluate(ctx, f, c); err != nil {
		return EndpointResult{}, err
	}
	v, err := d.call(ctx, c, f, []bson.RawValue{payload}, wire.ModeEndpoint)
	if err != nil {
		return EndpointResult{}, err
	}
	doc, ok := v.DocumentOK()
	if !ok {
		return EndpointResult{}, fault.New(fault.FunctionExecutionError, "the endpoint's function gave no response")
	}
	out := EndpointResult{Value: doc.Lookup("result")}
	out.Configured, _ = doc.Lookup("configured").BooleanOK()
	if !out.Configured {
		return out, nil
	}
	status, _ := doc.Lookup("status").AsInt64OK()
	out.Status = int(status)
	out.Header = http.Header{}
	if headers, ok := doc.Lookup("headers").DocumentOK(); ok {
		elements, _ := headers.Elements()
		for _, e := range elements {
			values, _ := e.Value().ArrayOK()
			list, _ := values.Values()
			for _, v := range list {
				if s, ok := v.StringValueOK(); ok {
					out.Header.Add(e.Key(), s)
				}
			}
		}
	}
	switch body := doc.Lookup("body"); body.Type {
	case bson.TypeString:
		out.Body = []byte(body.StringValue())
	case bson.TypeBinary:
		_, data := body.Binary()
		out.Body = append([]byte{}, data...)
	case 0, bson.TypeNull, bson.TypeUndefined:
	default:
		return EndpointResult{}, fault.New(fault.FunctionExecutionError, "response.setBody takes a text or a BSON.Binary, not %s: use JSON.stringify or EJSON.stringify", body.Type)
	}
	return out, nil
}
