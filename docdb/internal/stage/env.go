package stage

import (
	"context"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/budget"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// DefaultMemoryLimit is how much a stage gathers in memory unless Env.MemoryLimit says otherwise.
const DefaultMemoryLimit = 100 << 20

// Context says where a pipeline stands; some stages are refused in some places.
type Context uint8

// The places of a pipeline.
const (
	// Command is the aggregate command.
	Command Context = iota
	// View is a pipeline that a view is defined by.
	View
	// ChangeStream is what follows $changeStream.
	ChangeStream
	// Update is the pipeline of an update.
	Update
	inFacet
	inLookup
	inUnion
)

// Env is what a pipeline runs in.
type Env struct {
	// DB and Collection are the namespace; Collection is empty for {aggregate: 1}.
	DB, Collection string
	// Options are what expressions depend on; the collation among them also holds for stages.
	Options expr.Options
	// CollationSpec is the collation as the command gave it, handed on to Collections.
	CollationSpec bson.Raw
	// Let holds the command's variables, already evaluated (see EvaluateLet).
	Let []Variable
	// Context is where the pipeline stands.
	Context Context
	// Collections reaches other collections; nil refuses every stage that needs one.
	Collections Collections
	// AllowDiskUse lets stages use temporary files.
	AllowDiskUse bool
	// TempDir is where temporary files go; the system's directory unless set.
	TempDir string
	// MemoryLimit is what one stage gathers in memory, in bytes.
	MemoryLimit int
	// Memory counts what the stages hold against what all queries may hold; nil for no bound.
	Memory *budget.Ledger
	// Match holds what filters need of the engine: geometry, text search, JSON schema. The rest of it is filled in here.
	Match match.Options
	// Intn returns a random number in [0, n) for $sample; nil uses the process's random source.
	Intn func(n int) int

	depth int
}

// Variable is a variable of a command or stage with its value.
type Variable struct {
	Name  string
	Value bson.RawValue
}

// Namespace names a collection.
type Namespace struct{ DB, Collection string }

// Query is what a stage asks a collection for.
type Query struct {
	// Filter selects documents; nil selects all. It holds no variables.
	Filter bson.Raw
	// Collation is the collation that Filter compares with; nil is by bytes.
	Collation bson.Raw
}

// Collections is what stages need of the engine. All methods see the operation's snapshot and session through ctx.
type Collections interface {
	// Resolve follows views: it returns the collection under ns and the pipeline that makes ns of it, nil for a collection. A
	// collection that does not exist resolves to itself.
	Resolve(ctx context.Context, ns Namespace) (base Namespace, pipeline []bson.Raw, err error)
	// Find opens the documents of a collection (no view), in natural order; none when it does not exist. It uses an index where one helps.
	Find(ctx context.Context, ns Namespace, q Query) (Iter, error)
	// Indexed reports whether an equality filter on path is served by an index.
	Indexed(ctx context.Context, ns Namespace, path string, collation bson.Raw) bool
	// Special opens the documents of a stage that reports on the server: $collStats, $indexStats, $currentOp, $listSessions,
	// $listLocalSessions, $planCacheStats, $listCatalog, $querySettings. It refuses what it does not have by name.
	Special(ctx context.Context, stage string, ns Namespace, spec bson.RawValue) (Iter, error)
	// CheckTarget refuses a namespace that $out or $merge (stage) may not write to: views, system collections, capped ones for $out.
	CheckTarget(ctx context.Context, stage string, ns Namespace) error
	// Replace makes the documents written to the returned writer the collection's content, at Commit and atomically, keeping its indexes.
	Replace(ctx context.Context, ns Namespace) (Replacement, error)
	// Insert inserts documents; a failing one is reported as its write error (11000 and so on).
	Insert(ctx context.Context, ns Namespace, docs []bson.Raw) error
	// Update applies an update (replacement document, operators, or pipeline with variables) to the first match and reports whether there was one.
	Update(ctx context.Context, ns Namespace, filter bson.Raw, update bson.RawValue, let []Variable) (matched bool, err error)
	// UniqueIndex reports whether ns has a unique index, not partial and with the same collation, over exactly these fields.
	UniqueIndex(ctx context.Context, ns Namespace, fields []string, collation bson.Raw) (bool, error)
}

// Replacement collects the new content of a collection ($out).
type Replacement interface {
	Insert(ctx context.Context, docs []bson.Raw) error
	Commit(ctx context.Context) error
	Abort() error
}

func (e *Env) limit() int {
	if e.MemoryLimit > 0 {
		return e.MemoryLimit
	}
	return DefaultMemoryLimit
}

func (e *Env) intn(n int) int {
	if e.Intn != nil {
		return e.Intn(n)
	}
	return rand.IntN(n)
}

func (e *Env) collation() value.StringComparer { return e.Options.Collation }

// scope returns the names that the pipeline's expressions may use, and the values of the slots.
func (e *Env) scope() (*expr.Scope, []bson.RawValue) {
	s := expr.NewScope(e.Options)
	var vars []bson.RawValue
	for _, v := range e.Let {
		s, _ = s.Define(v.Name)
		vars = append(vars, v.Value)
	}
	return s, vars
}

// EvaluateLet evaluates the let of a command: each value may use the ones before it, none a field.
func EvaluateLet(let bson.Raw, opts expr.Options) ([]Variable, error) {
	var out []Variable
	scope := expr.NewScope(opts)
	env := expr.NewEnv(context.Background())
	for it := expr.Each(let); ; {
		name, v, ok := it.Next()
		if !ok {
			return out, nil
		}
		switch string(name) {
		case "NOW", "CLUSTER_TIME", "USER_ROLES":
			return nil, mongoerr.New(4738901, "Attempt to set internal constant: %s", name)
		}
		if err := expr.ValidVariable(string(name)); err != nil {
			return nil, err
		}
		e, err := expr.Compile(v, scope)
		if err != nil {
			return nil, err
		}
		if err := noFields(e); err != nil {
			return nil, err
		}
		env.Reset(bson.Raw{5, 0, 0, 0, 0})
		r, err := e.Eval(env)
		if err != nil {
			return nil, err
		}
		r = expr.Clone(r)
		out = append(out, Variable{string(name), r})
		var slot int
		scope, slot = scope.Define(string(name))
		env.Bind(slot, r)
	}
}
