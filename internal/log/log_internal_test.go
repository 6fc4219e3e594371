package log

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// encode writes what the driver would, whatever of an entry is there.
func TestEncode(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123)
	for name, e := range map[string]Entry{
		"Least": {ID: bson.NewObjectID(), Started: at, Completed: at, Expires: at},
		"Everything": {
			ID: bson.NewObjectID(), RequestID: "r", AppID: "a", Type: TypeFunction, Started: at, Completed: at.Add(time.Second), UserID: "u", RemoteIP: "192.0.2.1",
			FunctionName: "f", Arguments: "[]", Messages: []string{"one", "two"}, MemoryBytes: 1 << 40, Route: "call", Status: 500, Error: "e",
			ErrorCode: "c", Stack: "s", Expires: at.Add(time.Hour),
		},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := bson.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(bson.Raw(want).String(), e.encode().String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
