package auth

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/session"
	"regent/internal/user"
)

// encode writes what the driver would, whatever of a record is there.
func TestEncode(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_123)
	data, _ := bson.Marshal(bson.D{{Key: "name", Value: "Ann"}})
	every := &session.DeviceInfo{}
	for _, f := range session.DeviceFields() {
		*f.Of(every) = f.Sent
	}
	for name, r := range map[string]*record{
		"Least": {ID: bson.NewObjectID(), App: bson.NewObjectID(), Type: user.Normal, Created: now, Identities: []user.Identity{}},
		"Anonymous": {
			ID: bson.NewObjectID(), App: bson.NewObjectID(), Type: user.Normal, Created: now, LastLogin: &now,
			Identities: []user.Identity{{ID: "a-b", ProviderType: user.AnonUser, ProviderID: "p"}},
			First:      &session.First{Created: now, Used: now},
		},
		"Everything": {
			ID: bson.NewObjectID(), App: bson.NewObjectID(), Type: user.Server, Created: now, LastLogin: &now, Disabled: true, Data: data,
			Identities: []user.Identity{{ID: "1", ProviderType: "a", ProviderID: "p", Data: data}, {ID: "2", ProviderType: "b", ProviderID: "q"}},
			Logins:     []string{"a:1", "b:2"}, Imported: true,
			First: &session.First{Device: bson.NewObjectID(), DeviceInfo: every, Created: now, Used: now, Address: "192.0.2.1", Expires: &now},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := bson.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(bson.Raw(want).String(), r.encode().String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
