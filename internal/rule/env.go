package rule

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/caller"
)

// Functions runs the app's functions for %function. Private functions may be
// called; the caller is the acting user. An error (a throw, a limit) makes the
// expression false.
type Functions interface {
	Call(ctx context.Context, c caller.Caller, name string, args []bson.RawValue) (bson.RawValue, error)
}

// maxFunctionDepth bounds %function calls inside the data access of functions
// that %function called.
const maxFunctionDepth = 4

// maxRememberedCalls bounds the results of %function that one request keeps.
const maxRememberedCalls = 1024

// defaultFunctionCalls bounds the calls of %function in one operation.
const defaultFunctionCalls = 10_000

// Env is what an expression may look at. One Env serves one request; Root and
// its neighbours change from document to document. It must not be shared
// between goroutines.
type Env struct {
	Caller    caller.Caller
	Functions Functions // nil: every %function is false

	// Root is the document after the operation, or the stored one on reads;
	// PrevRoot the one before, absent (nil) for inserts, the stored one on reads.
	Root, PrevRoot bson.Raw

	// This and Prev are the field under judgement, after and before.
	This, Prev bson.RawValue

	// Args are a service action's arguments (%%args).
	Args bson.Raw

	ctx     context.Context
	failed  int   // operands that could not be evaluated so far
	err     error // the request's context ended
	trace   *Trace
	user    bson.RawValue
	userID  bson.RawValue
	idents  bson.RawValue
	request bson.RawValue
	calls   map[string]bson.RawValue

	callsLeft int
	scratch   []bson.RawValue
}

// document wraps a raw document as a value; nil is a missing one.
func document(d bson.Raw) bson.RawValue {
	if d == nil {
		return bson.RawValue{}
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: d}
}

func stringValue(s string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeString, Value: bsoncore.AppendString(nil, s)}
}

func boolValue(b bool) bson.RawValue {
	if b {
		return bson.RawValue{Type: bson.TypeBoolean, Value: []byte{1}}
	}
	return bson.RawValue{Type: bson.TypeBoolean, Value: []byte{0}}
}

// id is %%user.id, which most roles compare with every document.
func (e *Env) id() bson.RawValue {
	if e.userID.Type == 0 {
		e.userID = stringValue(e.Caller.User.ID)
	}
	return e.userID
}

// identities is %%user.identities: [{id, provider_type, provider_id, data}].
func (e *Env) identities() bson.RawValue {
	if e.idents.Type == 0 && e.Caller.User != nil {
		index, dst := bsoncore.AppendArrayStart(nil)
		for i, id := range e.Caller.User.Identities {
			var at int32
			at, dst = bsoncore.AppendDocumentElementStart(dst, arrayKey(i))
			dst = bsoncore.AppendStringElement(dst, "id", id.ID)
			dst = bsoncore.AppendStringElement(dst, "provider_type", id.ProviderType)
			dst = bsoncore.AppendStringElement(dst, "provider_id", id.ProviderID)
			if id.Data != nil {
				dst = bsoncore.AppendDocumentElement(dst, "data", bsoncore.Document(id.Data))
			}
			dst, _ = bsoncore.AppendDocumentEnd(dst, at)
		}
		dst, _ = bsoncore.AppendArrayEnd(dst, index)
		e.idents = bson.RawValue{Type: bson.TypeArray, Value: dst}
	}
	return e.idents
}

// userDocument is %%user as a whole.
func (e *Env) userDocument() bson.RawValue {
	u := e.Caller.User
	if e.user.Type == 0 && u != nil {
		index, dst := bsoncore.AppendDocumentStart(nil)
		dst = bsoncore.AppendStringElement(dst, "id", u.ID)
		dst = bsoncore.AppendStringElement(dst, "type", string(u.Type))
		if u.Data != nil {
			dst = bsoncore.AppendDocumentElement(dst, "data", bsoncore.Document(u.Data))
		}
		if u.CustomData != nil {
			dst = bsoncore.AppendDocumentElement(dst, "custom_data", bsoncore.Document(u.CustomData))
		}
		dst = bsoncore.AppendArrayElement(dst, "identities", bsoncore.Array(e.identities().Value))
		dst, _ = bsoncore.AppendDocumentEnd(dst, index)
		e.user = bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: dst}
	}
	return e.user
}

// requestDocument is %%request as a whole, without headers, which are looked up
// one by one because their names compare without case.
func (e *Env) requestDocument() bson.RawValue {
	r := e.Caller.Request
	if e.request.Type == 0 && r != nil {
		index, dst := bsoncore.AppendDocumentStart(nil)
		for _, f := range [...]struct{ name, value string }{
			{"remoteIPAddress", r.RemoteIP}, {"httpMethod", r.Method}, {"httpReferrer", r.Referrer},
			{"httpUserAgent", r.UserAgent}, {"rawQueryString", r.RawQuery}, {"service", r.Service},
			{"action", r.Action}, {"webhookUrl", r.WebhookURL},
		} {
			if f.value != "" {
				dst = bsoncore.AppendStringElement(dst, f.name, f.value)
			}
		}
		dst, _ = bsoncore.AppendDocumentEnd(dst, index)
		e.request = bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: dst}
	}
	return e.request
}

// header is the array of a request header's values.
func (e *Env) header(name string) bson.RawValue {
	if e.Caller.Request == nil {
		return bson.RawValue{}
	}
	var values []string
	for k, v := range e.Caller.Request.Header {
		if strings.EqualFold(k, name) {
			values = append(values, v...)
		}
	}
	if values == nil {
		return bson.RawValue{}
	}
	index, dst := bsoncore.AppendArrayStart(nil)
	for i, v := range values {
		dst = bsoncore.AppendStringElement(dst, arrayKey(i), v)
	}
	dst, _ = bsoncore.AppendArrayEnd(dst, index)
	return bson.RawValue{Type: bson.TypeArray, Value: dst}
}

type depthKey struct{}

// call runs a function and gives its value; ok is false when it failed.
func (e *Env) call(name string, args []bson.RawValue) (v bson.RawValue, ok bool) {
	if e.err != nil || e.Functions == nil {
		return bson.RawValue{}, false
	}
	key := callKey(name, args)
	if v, hit := e.calls[key]; hit {
		return v, v.Type != 0
	}
	depth, _ := e.ctx.Value(depthKey{}).(int)
	if depth >= maxFunctionDepth {
		e.note("%%function %q is false: rules call functions that call rules more than %d deep", name, maxFunctionDepth)
		return bson.RawValue{}, false
	}
	if e.callsLeft--; e.callsLeft == -1 {
		// Counted from the bound down; 0 at the start means the default.
		e.callsLeft += defaultFunctionCalls
	}
	if e.callsLeft == 0 {
		e.callsLeft = 1 // stays exhausted
		e.note("%%function %q is false: too many calls in one operation (rule_function_max_calls)", name)
		return bson.RawValue{}, false
	}
	v, err := e.Functions.Call(context.WithValue(e.ctx, depthKey{}, depth+1), e.Caller, name, args)
	switch {
	case e.ctx.Err() != nil:
		e.err = context.Cause(e.ctx)
		return bson.RawValue{}, false
	case err != nil:
		e.note("%%function %q failed, which is false: %v", name, err)
		v = bson.RawValue{}
	case v.Type == 0:
		v = bson.RawValue{Type: bson.TypeUndefined}
	}
	if len(e.calls) < maxRememberedCalls {
		if e.calls == nil {
			e.calls = map[string]bson.RawValue{}
		}
		e.calls[key] = v
	}
	return v, v.Type != 0
}

func callKey(name string, args []bson.RawValue) string {
	var b strings.Builder
	b.WriteString(name)
	for _, a := range args {
		b.WriteByte(0)
		b.WriteByte(byte(a.Type))
		b.Write(a.Value)
	}
	return b.String()
}

var smallKeys = func() (k [100]string) {
	for i := range k {
		if i >= 10 {
			k[i] = string([]byte{byte('0' + i/10), byte('0' + i%10)})
		} else {
			k[i] = string([]byte{byte('0' + i)})
		}
	}
	return
}()

// arrayKey is the element name of an array's n-th element.
func arrayKey(n int) string {
	if n < len(smallKeys) {
		return smallKeys[n]
	}
	return arrayKey(n/10) + smallKeys[n%10]
}
