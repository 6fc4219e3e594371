package regent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/data"
	"regent/internal/ejson"
	"regent/internal/operator"
)

var explainCommands = []boundCommand{
	{operator.Command{Name: "explain", Use: "DIR", Short: "Say which role applies to a document, which expression decided, and what of it may be read",
		Long: `Explain how rules decide about a stored document (--id) or one in a file (--doc,
Extended JSON), as they would for the user of --as. Without a document, what
rules add to the user's queries is shown.`,
		MinArgs: 1, MaxArgs: 1, NoApp: true, Dir: true, AppDir: true, Files: []string{"doc"},
		Flags: []operator.Flag{
			{Name: "as", Default: "system", Help: "who asks: EMAIL, ID or system"},
			{Name: "service", Help: "data source (default: the app's first)"},
			{Name: "db", Help: "database"},
			{Name: "coll", Help: "collection"},
			{Name: "op", Default: "find", Help: "find, insert, update or delete"},
			{Name: "doc", Help: "file with the document in Extended JSON: the new one for insert, the one after the change for update"},
			{Name: "id", Help: "_id of a stored document, Extended JSON; 24 hex digits are an ObjectId"},
		}}, (*Server).explain},
}

// explain prints how the rules of a namespace decide.
func (srv *Server) explain(ctx context.Context, c *operator.Call) error {
	in, err := srv.appOf(c.Args[0])
	if err != nil {
		return err
	}
	q := data.ExplainRequest{Service: c.Flags["service"], Database: c.Flags["db"], Collection: c.Flags["coll"], Operation: c.Flags["op"]}
	if q.Database == "" || q.Collection == "" {
		return errors.New("--db and --coll say which collection is meant")
	}
	if q.Service == "" {
		q.Service = "mongodb-atlas"
		if len(in.app.DataSources) > 0 {
			q.Service = in.app.DataSources[0].Name
		}
	}
	if text := c.Flags["doc"]; text != "" {
		if q.Document, err = ejson.ParseDocument([]byte(text)); err != nil {
			return fmt.Errorf("--doc: %w", err)
		}
	}
	if id := c.Flags["id"]; id != "" {
		q.ID = documentID(id)
	}
	who, err := in.callerAs(ctx, c.Flags["as"])
	if err != nil {
		return err
	}
	x, err := in.data.Explain(ctx, who, q)
	if err != nil {
		return err
	}
	row, err := x.JSON()
	if err != nil {
		return err
	}
	return c.PrintTextJSON(strings.TrimRight(x.String(), "\n"), row)
}

// documentID reads an _id of a command line: 24 hex digits are an ObjectId, the
// rest Extended JSON, else a string.
func documentID(text string) bson.RawValue {
	if oid, err := bson.ObjectIDFromHex(text); err == nil {
		return bson.RawValue{Type: bson.TypeObjectID, Value: oid[:]}
	}
	return argument(text)
}
