package function

import (
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/function/wire"
	"regent/internal/user"
)

// userDocument is context.user (app-services.md §2.9). Both spellings of the
// identities' provider type are given.
func userDocument(u *user.User) bson.Raw {
	identities := bson.A{}
	for _, i := range u.Identities {
		d := bson.D{{Key: "id", Value: i.ID}, {Key: "provider_type", Value: i.ProviderType}, {Key: "providerType", Value: i.ProviderType}, {Key: "provider_id", Value: i.ProviderID}}
		if i.Data != nil {
			d = append(d, bson.E{Key: "data", Value: i.Data})
		}
		identities = append(identities, d)
	}
	d := bson.D{}
	if u.ID != "" {
		d = append(d, bson.E{Key: "id", Value: u.ID})
	}
	d = append(d, bson.E{Key: "type", Value: string(u.Type)}, bson.E{Key: "data", Value: orEmpty(u.Data)},
		bson.E{Key: "custom_data", Value: orEmpty(u.CustomData)}, bson.E{Key: "identities", Value: identities})
	return wire.Marshal(d)
}

func orEmpty(d bson.Raw) any {
	if len(d) == 0 {
		return bson.D{}
	}
	return d
}

// requestDocument is context.request (app-services.md §4.5).
func requestDocument(r *caller.Request) bson.Raw {
	headers := bson.D{}
	names := make([]string, 0, len(r.Header))
	for n := range r.Header {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		headers = append(headers, bson.E{Key: n, Value: r.Header[n]})
	}
	d := bson.D{{Key: "remoteIPAddress", Value: r.RemoteIP}, {Key: "requestHeaders", Value: headers}}
	for _, f := range []struct{ key, value string }{
		{"webhookUrl", r.WebhookURL}, {"httpMethod", r.Method}, {"rawQueryString", r.RawQuery}, {"httpReferrer", r.Referrer},
		{"httpUserAgent", r.UserAgent}, {"service", r.Service}, {"action", r.Action},
	} {
		if f.value != "" || f.key == "rawQueryString" {
			d = append(d, bson.E{Key: f.key, Value: f.value})
		}
	}
	return wire.Marshal(d)
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
