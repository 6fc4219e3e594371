package function

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/user"
)

// memoryBackend keeps documents in lists: enough for the shapes that cross the
// border. What queries mean is tested where they are answered.
type memoryBackend struct {
	mu          sync.Mutex
	collections map[string][]bson.Raw
}

func newMemoryBackend() *memoryBackend {
	return &memoryBackend{collections: map[string][]bson.Raw{}}
}

func (b *memoryBackend) CanEvaluate(context.Context, *app.Function, caller.Caller) (bool, error) {
	return true, nil
}

func (b *memoryBackend) User(_ context.Context, id string) (*user.User, error) {
	if id == "nobody" {
		return nil, nil
	}
	return &user.User{ID: id, Type: user.Normal}, nil
}

func value(v any) bson.RawValue {
	if d, ok := v.(bson.D); ok {
		for i, e := range d {
			if r, ok := e.Value.(bson.RawValue); ok && r.Type == 0 {
				d[i].Value = nil
			}
		}
	}
	if v == nil {
		return bson.RawValue{Type: bson.TypeNull}
	}
	t, data, err := bson.MarshalValue(v)
	if err != nil {
		panic(err)
	}
	return bson.RawValue{Type: t, Value: data}
}

func (b *memoryBackend) Data(_ context.Context, c caller.Caller, service, action string, arg bson.Raw) (bson.RawValue, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name, _ := arg.Lookup("collection").StringValueOK()
	switch action {
	case "insertOne":
		doc, _ := arg.Lookup("document").DocumentOK()
		b.collections[name] = append(b.collections[name], doc)
		return value(bson.D{{Key: "insertedId", Value: doc.Lookup("_id")}}), nil
	case "insertMany":
		docs, _ := arg.Lookup("documents").Array().Values()
		ids := bson.A{}
		for _, d := range docs {
			b.collections[name] = append(b.collections[name], d.Document())
			ids = append(ids, d.Document().Lookup("_id"))
		}
		return value(bson.D{{Key: "insertedIds", Value: ids}}), nil
	case "find", "aggregate":
		out := bson.A{}
		for _, d := range b.collections[name] {
			out = append(out, d)
		}
		return value(out), nil
	case "findOne":
		if len(b.collections[name]) == 0 {
			return value(nil), nil
		}
		return value(b.collections[name][0]), nil
	case "count", "countDocuments":
		return value(int64(len(b.collections[name]))), nil
	case "startTransaction":
		return value(bson.D{{Key: "transaction", Value: "t1"}}), nil
	case "commitTransaction", "abortTransaction":
		return value(nil), nil
	case "whoami":
		return value("who"), nil
	case "echo", "bulkWrite", "updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany", "distinct", "findOneAndUpdate", "dbAggregate":
		// What was asked comes back, with who asked.
		who := "nobody"
		if c.User != nil {
			who = c.User.ID
		}
		if c.System {
			who = "system"
		}
		return value(bson.D{{Key: "who", Value: who}, {Key: "service", Value: service}, {Key: "action", Value: action}, {Key: "arg", Value: arg}}), nil
	}
	return bson.RawValue{}, fault.New(fault.ServiceCommandNotFound, "no action %s", action)
}

func testRequest() *caller.Request {
	return &caller.Request{ID: "r1", RemoteIP: "203.0.113.9", Header: http.Header{"User-Agent": {"test"}}, Method: "POST", RawQuery: "a=1", UserAgent: "test"}
}

// describeApp gives the app of the case files its values and run-as settings:
// functions named sys_… run as system, as_… as a user.
func describeApp(t testing.TB) func(*app.App) {
	return func(a *app.App) {
		a.Environment = "production"
		a.EnvironmentValues = map[string]bson.RawValue{"base": value("https://example.com")}
		a.Values = []*app.Value{{Name: "limit", Value: value(int64(10))}, {Name: "list", Value: value(bson.A{"a", "b"})}, {Name: "lost", FromSecret: true}}
		a.DataSources = []*app.DataSource{{Name: "mongodb-atlas", Type: "mongodb-atlas"}}
		a.DeploymentModel, a.ProviderRegion = "LOCAL", "aws-eu-west-1"
		for _, f := range a.Functions {
			switch {
			case len(f.Name) > 4 && f.Name[:4] == "sys_":
				f.RunAsSystem = true
			case len(f.Name) > 3 && f.Name[:3] == "as_":
				f.RunAsUserID = "64b0000000000000000000ff"
			case len(f.Name) > 7 && f.Name[:7] == "script_":
				f.RunAsUserIDScript = `exports = function (a) { return a === "sys" ? { runAsSystem: true } : "64b0000000000000000000" + a; };`
			}
		}
	}
}
