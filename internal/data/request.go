package data

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/caller"
	"regent/internal/fault"
	"regent/internal/rule"
)

// request is one action on its way.
type request struct {
	s       *Service
	ctx     context.Context
	caller  caller.Caller
	service string
	action  string
	args    arguments

	coll   *collection
	access *rule.Access // nil for the system
	trace  *rule.Trace  // for the log at debug level, else nil
	query  rule.Query   // what rules add; zero for the system
}

// arguments are an action's arguments, absent ones zero.
type arguments struct {
	database, collection, schemaName string

	query       bson.Raw
	projection  bson.Raw
	sort        bson.Raw
	update      bson.RawValue
	document    bson.Raw
	documents   bson.RawValue
	pipeline    bson.RawValue
	operations  bson.RawValue
	filters     bson.RawValue // arrayFilters
	ids         bson.RawValue
	limit, skip int64
	upsert      bool
	returnNew   bool
	unordered   bool
	key         string
	name        string
	transaction string
	collation   bson.Raw
	hint        bson.RawValue
	maxTime     time.Duration
	let         bson.Raw
	keys        bson.Raw
	options     bson.Raw
	concern     concern
}

// argument is a row of the table of arguments.
type argument struct {
	set  func(a *arguments, v bson.RawValue) bool // false: wrong type
	want string
}

func documentArgument(field func(*arguments) *bson.Raw) argument {
	return argument{func(a *arguments, v bson.RawValue) bool {
		d, ok := v.DocumentOK()
		*field(a) = d
		return ok
	}, "a document"}
}

func arrayArgument(field func(*arguments) *bson.RawValue) argument {
	return argument{func(a *arguments, v bson.RawValue) bool {
		*field(a) = v
		return v.Type == bson.TypeArray
	}, "an array"}
}

func valueArgument(field func(*arguments) *bson.RawValue) argument {
	return argument{func(a *arguments, v bson.RawValue) bool { *field(a) = v; return true }, "a value"}
}

func stringArgument(field func(*arguments) *string) argument {
	return argument{func(a *arguments, v bson.RawValue) (ok bool) { *field(a), ok = v.StringValueOK(); return ok }, "a string"}
}

func boolArgument(field func(*arguments) *bool) argument {
	return argument{func(a *arguments, v bson.RawValue) (ok bool) { *field(a), ok = v.BooleanOK(); return ok }, "a boolean"}
}

func countArgument(field func(*arguments) *int64) argument {
	return argument{func(a *arguments, v bson.RawValue) bool {
		n, ok := wholeNumber(v)
		*field(a) = n
		return ok && n >= 0
	}, "a whole number, not negative"}
}

// wholeNumber reads an integer of any numeric type: JavaScript sends doubles.
func wholeNumber(v bson.RawValue) (int64, bool) {
	if v.Type == bson.TypeDouble {
		f := v.Double()
		return int64(f), f == float64(int64(f)) && f >= -(1<<53) && f <= 1<<53
	}
	return v.AsInt64OK()
}

// argumentTable lists the arguments of all actions (client-api.md §1.17 and our
// additions). SDKs send some to actions that do not use them; those are ignored.
var argumentTable = map[string]argument{
	"database":                 stringArgument(func(a *arguments) *string { return &a.database }),
	"collection":               stringArgument(func(a *arguments) *string { return &a.collection }),
	"schema_name":              stringArgument(func(a *arguments) *string { return &a.schemaName }),
	"query":                    documentArgument(func(a *arguments) *bson.Raw { return &a.query }),
	"filter":                   documentArgument(func(a *arguments) *bson.Raw { return &a.query }),
	"project":                  documentArgument(func(a *arguments) *bson.Raw { return &a.projection }),
	"projection":               documentArgument(func(a *arguments) *bson.Raw { return &a.projection }),
	"sort":                     documentArgument(func(a *arguments) *bson.Raw { return &a.sort }),
	"update":                   valueArgument(func(a *arguments) *bson.RawValue { return &a.update }),
	"replacement":              valueArgument(func(a *arguments) *bson.RawValue { return &a.update }),
	"document":                 documentArgument(func(a *arguments) *bson.Raw { return &a.document }),
	"documents":                arrayArgument(func(a *arguments) *bson.RawValue { return &a.documents }),
	"pipeline":                 arrayArgument(func(a *arguments) *bson.RawValue { return &a.pipeline }),
	"operations":               arrayArgument(func(a *arguments) *bson.RawValue { return &a.operations }),
	"arrayFilters":             arrayArgument(func(a *arguments) *bson.RawValue { return &a.filters }),
	"ids":                      arrayArgument(func(a *arguments) *bson.RawValue { return &a.ids }),
	"limit":                    countArgument(func(a *arguments) *int64 { return &a.limit }),
	"skip":                     countArgument(func(a *arguments) *int64 { return &a.skip }),
	"upsert":                   boolArgument(func(a *arguments) *bool { return &a.upsert }),
	"returnNewDocument":        boolArgument(func(a *arguments) *bool { return &a.returnNew }),
	"ordered":                  {func(a *arguments, v bson.RawValue) bool { b, ok := v.BooleanOK(); a.unordered = !b; return ok }, "a boolean"},
	"key":                      stringArgument(func(a *arguments) *string { return &a.key }),
	"name":                     stringArgument(func(a *arguments) *string { return &a.name }),
	"transaction":              stringArgument(func(a *arguments) *string { return &a.transaction }),
	"collation":                documentArgument(func(a *arguments) *bson.Raw { return &a.collation }),
	"hint":                     valueArgument(func(a *arguments) *bson.RawValue { return &a.hint }),
	"keys":                     documentArgument(func(a *arguments) *bson.Raw { return &a.keys }),
	"options":                  documentArgument(func(a *arguments) *bson.Raw { return &a.options }),
	"useCompactEvents":         {func(a *arguments, v bson.RawValue) bool { b, ok := v.BooleanOK(); return ok && !b }, "false: compact events are not served"},
	"let":                      documentArgument(func(a *arguments) *bson.Raw { return &a.let }),
	"comment":                  {func(*arguments, bson.RawValue) bool { return true }, ""},
	"allowDiskUse":             {func(*arguments, bson.RawValue) bool { return true }, ""}, // deployments allow it by themselves
	"batchSize":                {func(*arguments, bson.RawValue) bool { return true }, ""},
	"bypassDocumentValidation": {func(a *arguments, v bson.RawValue) bool { b, ok := v.BooleanOK(); return ok && !b }, "false: MongoDB's validators are not bypassed"},
	"maxTimeMS": {func(a *arguments, v bson.RawValue) bool {
		n, ok := wholeNumber(v)
		a.maxTime = time.Duration(n) * time.Millisecond
		return ok && n >= 0 && n < 1<<31
	}, "milliseconds"},
	"readConcern":    concernArgument("readConcern"),
	"writeConcern":   concernArgument("writeConcern"),
	"readPreference": concernArgument("readPreference"),
}

func concernArgument(name string) argument {
	row := concernTable[name]
	return argument{func(a *arguments, v bson.RawValue) bool { return row.set(&a.concern, v) }, row.want}
}

// invalid is an error about an argument.
func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidParameter, format, args...)
}

func parseArguments(arg bson.Raw) (arguments, error) {
	var a arguments
	if len(arg) == 0 {
		return a, invalid("the action needs one argument, a document")
	}
	elements, err := arg.Elements()
	if err != nil {
		return a, invalid("the argument is not a valid document")
	}
	for _, e := range elements {
		key, v := e.Key(), e.Value()
		if v.Type == bson.TypeNull || v.Type == bson.TypeUndefined {
			continue // .NET and Kotlin mean absence
		}
		x, ok := argumentTable[key]
		if !ok {
			return a, invalid("unknown argument %q", key)
		}
		if !x.set(&a, v) {
			return a, invalid("the argument %q must be %s", key, x.want)
		}
	}
	return a, nil
}

// maxName bounds the length of database and collection names, as MongoDB does.
const maxName = 255

func validNamespace(database, collection string, needsCollection bool) error {
	switch {
	case database == "":
		return invalid("the argument \"database\" is missing")
	case needsCollection && collection == "":
		return invalid("the argument \"collection\" is missing")
	case len(database) > 63 || strings.ContainsAny(database, "/\\. \"$*<>:|?\x00"):
		return invalid("%q is not a valid database name", database)
	case len(collection) > maxName || strings.ContainsAny(collection, "$\x00") || strings.HasPrefix(collection, ".") || strings.HasSuffix(collection, "."):
		return invalid("%q is not a valid collection name", collection)
	}
	return nil
}

// request checks an action's arguments and finds the rules that govern it.
func (s *Service) request(ctx context.Context, c caller.Caller, service, name string, arg bson.Raw, a *action) (*request, error) {
	r := &request{s: s, ctx: ctx, caller: c, service: service, action: name}
	var err error
	if r.args, err = parseArguments(arg); err != nil {
		return nil, err
	}
	return r, r.open(a)
}

func (r *request) open(a *action) error {
	s := r.s
	if d := s.cfg.App.DataSource(r.service); d != nil {
		r.service = d.Name // mongodb-atlas stands for a lone one of another name
	} else if r.service != "mongodb-atlas" || len(s.cfg.App.DataSources) > 0 {
		return fault.New(fault.ServiceNotFound, "service not found: '%s'", r.service)
	}
	if r.args.schemaName != "" && r.args.collection == "" {
		var ok bool
		if r.args.database, r.args.collection, ok = s.cfg.Rules.ByTitle(r.service, r.args.schemaName); !ok {
			return invalid("no matching collection found that maps to a table with title %q", r.args.schemaName)
		}
	}
	if a.scope == scopeService {
		return nil
	}
	if err := validNamespace(r.args.database, r.args.collection, a.scope == scopeCollection); err != nil {
		return err
	}
	if r.caller.System {
		if rule.Reserved(r.args.database, r.args.collection) {
			return fault.New(fault.MongoDBError, "the namespace '%s.%s' is reserved", r.args.database, r.args.collection)
		}
	} else {
		n := s.cfg.Rules.Lookup(r.service, r.args.database, r.args.collection)
		if n == nil {
			return fault.New(fault.NoMatchingRuleFound, "no rule exists for namespace '%s.%s'", r.args.database, r.args.collection)
		}
		if len(r.args.collation) > 0 || r.args.hint.Type != 0 || len(r.args.let) > 0 {
			return invalid("collation, hint and let are for system functions only")
		}
		if r.args.concern.given() {
			return invalid("readConcern, writeConcern and readPreference are for system functions only")
		}
		if s.log.Enabled(r.ctx, slog.LevelDebug) {
			r.trace = &rule.Trace{Max: 50}
		}
		r.access = n.Access(r.ctx, r.caller, s.cfg.Functions, r.trace)
	}
	var err error
	if r.coll, err = s.collection(collectionKey{r.service, r.args.database, r.args.collection}); err != nil {
		return err
	}
	if r.access == nil {
		return r.reach()
	}
	if r.access.NoPushdown = s.cfg.NoPushdown; !r.access.NoPushdown {
		if r.access.NoPushdown, err = r.coll.hasCollation(r.ctx, s.now()); err != nil {
			return err
		}
	}
	r.query, err = r.access.Query()
	return err
}

// session puts the function's open transaction, when the arguments name one,
// into the context.
func (r *request) session() (context.Context, *openTransaction, error) {
	ctx := r.ctx
	if r.args.transaction == "" {
		return ctx, nil, nil
	}
	t, err := findTransaction(ctx, r.args.transaction, r.service)
	if err != nil {
		return nil, nil, err
	}
	return mongo.NewSessionContext(ctx, t.session), t, nil
}

// timed bounds ctx by maxTimeMS.
func (r *request) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.args.maxTime > 0 {
		return context.WithTimeout(ctx, r.args.maxTime)
	}
	return ctx, func() {}
}
