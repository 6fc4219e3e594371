package function

import (
	"sort"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/function/wire"
	"regent/internal/user"
)

// userDocument is context.user (app-services.md §2.9). Both spellings of the
// identities' provider type are given.
func userDocument(u *user.User) bson.Raw {
	i, b := bsoncore.AppendDocumentStart(make([]byte, 0, 256+len(u.Data)+len(u.CustomData)))
	if u.ID != "" {
		b = bsoncore.AppendStringElement(b, "id", u.ID)
	}
	b = bsoncore.AppendStringElement(b, "type", string(u.Type))
	b = bsoncore.AppendDocumentElement(b, "data", orEmpty(u.Data))
	b = bsoncore.AppendDocumentElement(b, "custom_data", orEmpty(u.CustomData))
	list, b := bsoncore.AppendArrayElementStart(b, "identities")
	for n, identity := range u.Identities {
		var d int32
		d, b = bsoncore.AppendDocumentElementStart(b, strconv.Itoa(n))
		b = bsoncore.AppendStringElement(b, "id", identity.ID)
		b = bsoncore.AppendStringElement(b, "provider_type", identity.ProviderType)
		b = bsoncore.AppendStringElement(b, "providerType", identity.ProviderType)
		b = bsoncore.AppendStringElement(b, "provider_id", identity.ProviderID)
		if len(identity.Data) > 0 {
			b = bsoncore.AppendDocumentElement(b, "data", bsoncore.Document(identity.Data))
		}
		b, _ = bsoncore.AppendDocumentEnd(b, d)
	}
	b, _ = bsoncore.AppendArrayEnd(b, list)
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	return b
}

// noDocument is the empty document.
var noDocument = bsoncore.NewDocumentBuilder().Build()

func orEmpty(d bson.Raw) bsoncore.Document {
	if len(d) == 0 {
		return noDocument
	}
	return bsoncore.Document(d)
}

// requestDocument is context.request (app-services.md §4.5).
func requestDocument(r *caller.Request) bson.Raw {
	i, b := bsoncore.AppendDocumentStart(make([]byte, 0, 512))
	b = bsoncore.AppendStringElement(b, "remoteIPAddress", r.RemoteIP)
	h, b := bsoncore.AppendDocumentElementStart(b, "requestHeaders")
	for _, name := range sortedKeys(r.Header) {
		if strings.IndexByte(name, 0) >= 0 {
			continue
		}
		var a int32
		a, b = bsoncore.AppendArrayElementStart(b, name)
		for n, v := range r.Header[name] {
			b = bsoncore.AppendStringElement(b, strconv.Itoa(n), strings.ToValidUTF8(v, "\uFFFD"))
		}
		b, _ = bsoncore.AppendArrayEnd(b, a)
	}
	b, _ = bsoncore.AppendDocumentEnd(b, h)
	for _, f := range [...]struct{ key, value string }{
		{"webhookUrl", r.WebhookURL}, {"httpMethod", r.Method}, {"rawQueryString", r.RawQuery}, {"httpReferrer", r.Referrer},
		{"httpUserAgent", r.UserAgent}, {"service", r.Service}, {"action", r.Action},
	} {
		if f.value != "" || f.key == "rawQueryString" {
			b = bsoncore.AppendStringElement(b, f.key, strings.ToValidUTF8(f.value, "\uFFFD"))
		}
	}
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	return b
}

// appDocument is context.app.
func appDocument(a *app.App) bson.Raw {
	return wire.Marshal(bson.D{
		{Key: "id", Value: a.ID}, {Key: "clientAppId", Value: a.ID}, {Key: "name", Value: a.Name}, {Key: "projectId", Value: ""},
		{Key: "deployment", Value: bson.D{{Key: "model", Value: a.DeploymentModel}, {Key: "providerRegion", Value: a.ProviderRegion}}},
	})
}

// environmentDocument is context.environment.
func environmentDocument(a *app.App) bson.Raw {
	values := bson.D{}
	names := make([]string, 0, len(a.EnvironmentValues))
	for n := range a.EnvironmentValues {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if v := a.EnvironmentValues[n]; v.Type != 0 {
			values = append(values, bson.E{Key: n, Value: v})
		}
	}
	return wire.Marshal(bson.D{{Key: "tag", Value: a.Environment}, {Key: "values", Value: values}})
}

// valuesDocument holds what context.values.get gives. A value whose secret is
// missing is left out: undefined, as an absent one.
func valuesDocument(a *app.App) bson.Raw {
	d := bson.D{}
	for _, v := range a.Values {
		if v.Value.Type != 0 {
			d = append(d, bson.E{Key: v.Name, Value: v.Value})
		}
	}
	return wire.Marshal(d)
}
