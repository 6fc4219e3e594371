package rule

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"regent/internal/app"
	"regent/internal/caller"
	"regent/internal/ejson"
	"regent/internal/user"
)

func TestConstantRoleCostsNothing(t *testing.T) {
	v, _ := ejson.Parse([]byte(`{"owner_id": "%%user.id"}`))
	x, p := CompileExpression(nil, v, Document, app.Source{})
	if len(p) > 0 {
		t.Fatal(p)
	}
	doc, _ := bson.Marshal(bson.D{{Key: "owner_id", Value: "u1"}})
	e := &Env{Caller: caller.Caller{User: &user.User{ID: "u1"}}, Root: doc}
	ok, err := x.Eval(context.Background(), e)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	t.Log(bson.Raw(x.node.query(e).query))
}
