package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
)

// customFunction lets a function of the app decide (app-services.md §2.7).
type customFunction struct {
	s        *Service
	function string
}

func openCustomFunction(s *Service, p *app.Provider) (authenticator, error) {
	name := optionalText(p.Config, "authFunctionName")
	if name == "" {
		return nil, errors.New("config.authFunctionName names no function")
	}
	if s.Functions == nil {
		return nil, errors.New("this server runs no functions")
	}
	return &customFunction{s, name}, nil
}

// authenticate calls the function with the client's payload. It answers with the
// external id as a string or as {id, name}; anything else lets nobody in: real
// apps return null, false and results of inserts when they mean "no"
// (real-apps.md §2).
func (p *customFunction) authenticate(ctx context.Context, a *attempt) (*identified, error) {
	payload, err := withoutOptions(a.body)
	if err != nil {
		return nil, err
	}
	result, err := p.s.Functions.Call(ctx, caller.Caller{System: true, Request: a.request}, p.function,
		[]bson.RawValue{{Type: bson.TypeEmbeddedDocument, Value: payload}})
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) && f.Status < 500 && f.Code == fault.FunctionExecutionError {
			return nil, fault.New(fault.AuthError, "%s", f.Message).WithCause(err)
		}
		return nil, errUnauthorized().WithCause(err)
	}
	id, data, err := externalIdentity(result)
	if err != nil {
		p.s.Logger.Warn("authentication function returned no identity", "function", p.function, "error", err)
		return nil, errUnauthorized().WithCause(err)
	}
	if readsLikeMessage(id) {
		p.s.Logger.Warn("authentication function returned a text with spaces; it lets in, or makes, the user with this text as its id: throw an error to refuse", "function", p.function, "id", cut(id, 80))
	}
	return &identified{id: id, data: data}, nil
}

// readsLikeMessage reports whether an id is more likely what a function says
// about a failure (real-apps.md §11, trap 16). It counts as an id all the same.
func readsLikeMessage(id string) bool { return strings.ContainsAny(strings.TrimSpace(id), " \t\n") }

func externalIdentity(result bson.RawValue) (id string, data bson.Raw, err error) {
	if t, ok := result.StringValueOK(); ok {
		return t, emptyDocument, checkIdentityID(t)
	}
	doc, ok := result.DocumentOK()
	if !ok || result.Type != bson.TypeEmbeddedDocument {
		return "", nil, fmt.Errorf("it returned %s, expected a string or {id: string, name: string}", result.Type)
	}
	id, ok = doc.Lookup("id").StringValueOK()
	if !ok {
		return "", nil, errors.New("it returned an object without a string `id`")
	}
	data = emptyDocument
	if name, ok := doc.Lookup("name").StringValueOK(); ok {
		if data, err = bson.Marshal(bson.D{{Key: "name", Value: cut(name, MaxIdentityID)}}); err != nil {
			return "", nil, err
		}
	}
	return id, data, checkIdentityID(id)
}

func checkIdentityID(id string) error {
	if id == "" {
		return errors.New("the identity's id is empty")
	}
	if len(id) > MaxIdentityID {
		return fmt.Errorf("the identity's id has %d bytes, at most %d are allowed", len(id), MaxIdentityID)
	}
	return nil
}

// withoutOptions takes `options` out of a log-in body: SDKs always overwrite it,
// so it is never the user's (client-api.md §1.5.1).
func withoutOptions(body bson.Raw) (bson.Raw, error) {
	elems, err := body.Elements()
	if err != nil {
		return nil, errBody("malformed body")
	}
	d := make(bson.D, 0, len(elems))
	for _, e := range elems {
		if e.Key() != "options" {
			d = append(d, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	return bson.Marshal(d)
}
