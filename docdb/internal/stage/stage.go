package stage

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// Limits of a pipeline.
const (
	// MaxStages bounds the stages of a pipeline; beyond it the error is 7749501.
	MaxStages = 1000
	// MaxNested bounds how deep pipelines hold pipelines; beyond it the error is 232 MaxSubPipelineDepthExceeded.
	MaxNested = 20
)

// node is a compiled stage.
type node interface {
	// open starts the stage over the rows of the one before.
	open(r *run, src source) (source, error)
	// deps adds what the stage reads of its input. It returns true when nothing else of the input can be seen after the stage: its
	// output consists of what it read.
	deps(d *expr.Deps) bool
}

// liveContext is the context of the call to Next that is going on. What a stage opens may outlive the call that it was opened in, as
// a cursor's batches come with a context each.
type liveContext struct{ context.Context }

// run is one execution of a pipeline.
type run struct {
	ctx  context.Context
	env  *Env
	vars []bson.RawValue
}

// expressions returns a fresh Env for a stage's expressions.
func (r *run) expressions() *expr.Env {
	e := expr.NewEnv(r.ctx)
	e.Count(r.env.Memory)
	for i, v := range r.vars {
		e.Bind(i, v)
	}
	return e
}

// compiler is the state of compiling one pipeline.
type compiler struct {
	env   *Env
	scope *expr.Scope
}

// place restricts where a stage may stand.
type place uint8

const (
	mustBeFirst place = 1 << iota
	// mustBeLast also means: in a command only.
	mustBeLast
	notInFacet
	// makesRows is a stage that takes no input.
	makesRows
	// perEvent is allowed after $changeStream.
	perEvent
	// collectionless stages go with {aggregate: 1}, and only with it; eitherWay ones do not mind.
	collectionless
	eitherWay
	// writes is $out and $merge.
	writes
)

// definition is a row of the table of stages.
type definition struct {
	name, help string
	place      place
	compile    func(c *compiler, name string, spec bson.RawValue) ([]node, error)
}

// Operator describes a stage to readers of the documentation.
type Operator struct{ Name, Help string }

// Operators lists the stages by name.
func Operators() []Operator {
	var out []Operator
	for _, d := range table() {
		out = append(out, Operator{d.name, d.help})
	}
	slices.SortFunc(out, func(a, b Operator) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// table is every stage that is known by name.
func table() []definition {
	return slices.Concat(coreStages(), foreignStages(), windowStages(), serverStages(), refusedStages())
}

// single lifts a compile function that makes one node.
func single[N node](f func(c *compiler, name string, spec bson.RawValue) (N, error)) func(*compiler, string, bson.RawValue) ([]node, error) {
	return func(c *compiler, name string, spec bson.RawValue) ([]node, error) {
		n, err := f(c, name, spec)
		if err != nil {
			return nil, err
		}
		return []node{n}, nil
	}
}

func coreStages() []definition {
	return []definition{
		{"$match", "documents that a filter selects", perEvent, single(compileMatch)},
		{"$project", "fields to keep, leave out or compute", perEvent, single(compileProject)},
		{"$addFields", "fields to add or change", perEvent, single(compileAddFields)},
		{"$set", "fields to add or change ($addFields)", perEvent, single(compileAddFields)},
		{"$unset", "fields to leave out", perEvent, single(compileUnset)},
		{"$replaceRoot", "an expression in the document's place", perEvent, single(compileReplaceRoot)},
		{"$replaceWith", "an expression in the document's place", perEvent, single(compileReplaceRoot)},
		{"$redact", "keeps, prunes or descends into sub-documents", perEvent, single(compileRedact)},
		{"$group", "one document for each key, with accumulators", 0, single(compileGroup)},
		{"$sort", "documents in order", 0, single(compileSort)},
		{"$limit", "the first documents", 0, single(compileLimit)},
		{"$skip", "all but the first documents", 0, single(compileSkip)},
		{"$count", "the number of documents", 0, compileCount},
		{"$sortByCount", "the number of documents of each value, largest first", 0, compileSortByCount},
		{"$unwind", "one document for each element of an array", 0, single(compileUnwind)},
		{"$sample", "documents at random", 0, single(compileSample)},
		{"$facet", "several pipelines over the same documents", notInFacet, single(compileFacet)},
		{"$bucket", "documents by ranges of a value", 0, compileBucket},
		{"$bucketAuto", "documents in ranges of about the same size", 0, single(compileBucketAuto)},
		{"$documents", "documents of the pipeline itself", mustBeFirst | makesRows | collectionless, compileDocuments},
	}
}

// Pipeline is a compiled pipeline. It may be run any number of times, by one goroutine at a time.
type Pipeline struct {
	env   *Env
	specs []spec
	nodes []node
	vars  []bson.RawValue
}

// spec is a stage as it was written.
type spec struct {
	name  string
	value bson.RawValue
	place place
	nodes int
}

// Compile compiles a pipeline.
func Compile(pipeline []bson.Raw, env Env) (*Pipeline, error) {
	scope, vars := env.scope()
	p, err := compilePipeline(pipeline, &env, scope)
	if err != nil {
		return nil, err
	}
	p.vars = vars
	return p, nil
}

// Split returns the stages of a pipeline given as a BSON array.
func Split(pipeline bson.RawValue) ([]bson.Raw, error) {
	if pipeline.Type != bson.TypeArray {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "'pipeline' option must be specified as an array")
	}
	var out []bson.Raw
	for it := expr.Each(pipeline.Value); ; {
		_, v, ok := it.Next()
		if !ok {
			return out, nil
		}
		if v.Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "Each element of the 'pipeline' array must be an object")
		}
		out = append(out, bson.Raw(v.Value))
	}
}

func compilePipeline(pipeline []bson.Raw, env *Env, scope *expr.Scope) (*Pipeline, error) {
	if len(pipeline) > MaxStages {
		return nil, mongoerr.New(7749501, "Pipeline length must be no longer than %d stages.", MaxStages)
	}
	if env.depth > MaxNested {
		return nil, mongoerr.New(232, "Maximum number of nested sub-pipelines exceeded. Limit is %d", MaxNested)
	}
	defs := map[string]*definition{}
	for _, d := range table() {
		defs[d.name] = &d
	}
	c := &compiler{env: env, scope: scope}
	p := &Pipeline{env: env}
	for i, raw := range pipeline {
		it := expr.Each(raw)
		name, v, ok := it.Next()
		if _, _, more := it.Next(); !ok || more {
			return nil, mongoerr.New(40323, "A pipeline stage specification object must contain exactly one field.")
		}
		d := defs[string(name)]
		if d == nil {
			return nil, mongoerr.New(40324, "Unrecognized pipeline stage name: '%s'", name)
		}
		if err := c.placed(d, i, len(pipeline)); err != nil {
			return nil, err
		}
		nodes, err := d.compile(c, d.name, v)
		if err != nil {
			return nil, err
		}
		if m, ok := nodes[0].(*matchStage); ok && i > 0 && m.searches() {
			return nil, mongoerr.New(17313, "$match with $text is only allowed as the first pipeline stage")
		}
		p.specs = append(p.specs, spec{d.name, v, d.place, len(nodes)})
		p.nodes = append(p.nodes, nodes...)
	}
	p.nodes = optimize(p.nodes)
	return p, nil
}

// placed checks that a stage may stand where it does.
func (c *compiler) placed(d *definition, i, n int) error {
	switch c.env.Context {
	case ChangeStream:
		if d.place&perEvent == 0 {
			return mongoerr.New(mongoerr.IllegalOperation, "%s is not permitted in a $changeStream pipeline", d.name)
		}
	case Update:
		if !slices.Contains([]string{"$addFields", "$set", "$project", "$unset", "$replaceRoot", "$replaceWith"}, d.name) {
			return mongoerr.New(mongoerr.InvalidOptions, "%s is not allowed to be used within an update", d.name)
		}
	case inFacet:
		if d.place&(notInFacet|mustBeFirst|writes) != 0 {
			return mongoerr.New(40600, "%s is not allowed to be used within a $facet stage", d.name)
		}
	case inLookup:
		if d.place&writes != 0 {
			return mongoerr.New(51047, "%s is not allowed within a $lookup's sub-pipeline", d.name)
		}
	case inUnion:
		if d.place&writes != 0 {
			return mongoerr.New(31441, "%s is not allowed within a $unionWith's sub-pipeline", d.name)
		}
	case View:
		if d.place&writes != 0 {
			return mongoerr.New(mongoerr.OptionNotSupportedOnView, "%s is not allowed in the pipeline of a view", d.name)
		}
	}
	if d.place&mustBeFirst != 0 && i > 0 {
		if d.name == "$geoNear" {
			return mongoerr.New(40603, "$geoNear was not the first stage in the pipeline.")
		}
		return mongoerr.New(40602, "%s is only valid as the first stage in a pipeline.", d.name)
	}
	if d.place&mustBeLast != 0 && i < n-1 {
		return mongoerr.New(40601, "%s can only be the final stage in the pipeline", d.name)
	}
	if i == 0 && c.env.Context == Command && d.place&eitherWay == 0 {
		switch without := c.env.Collection == ""; {
		case without && d.place&collectionless == 0:
			return mongoerr.New(mongoerr.InvalidNamespace, "{aggregate: 1} is not valid for '%s'; a collection is required.", d.name)
		case !without && d.place&collectionless != 0:
			return mongoerr.New(mongoerr.InvalidNamespace, "'%s' can only be run with {aggregate: 1}", d.name)
		}
	}
	return nil
}

// Run runs the pipeline over src, which it closes at the end. An error of a stage's start comes from the first Next.
func (p *Pipeline) Run(ctx context.Context, src Iter) Iter {
	live := &liveContext{ctx}
	s, err := p.start(&run{ctx: live, env: p.env, vars: p.vars}, newInput(src))
	if err != nil {
		src.Close()
		return &output{src: failed{err}, live: live, memory: p.env.Memory}
	}
	return &output{src: s, deep: len(p.nodes) > 20, live: live, memory: p.env.Memory}
}

// start chains the stages.
func (p *Pipeline) start(r *run, src source) (source, error) {
	for _, n := range p.nodes {
		next, err := n.open(r, src)
		if err != nil {
			return nil, err
		}
		src = next
	}
	return src, nil
}

// failed is a source that could not start.
type failed struct{ err error }

func (f failed) next(context.Context) (row, error) { return row{}, f.err }
func (f failed) close() error                      { return nil }

// NeedsSource reports whether the pipeline reads the collection that it is run on; one that begins with $documents, $currentOp and
// the like does not, and is run over no documents.
func (p *Pipeline) NeedsSource() bool {
	return len(p.specs) == 0 || p.specs[0].place&makesRows == 0
}

// Writes returns the name of the stage that writes ($out or $merge), "" for a pipeline that reads only.
func (p *Pipeline) Writes() string {
	if n := len(p.specs); n > 0 && p.specs[n-1].place&writes != 0 {
		return p.specs[n-1].name
	}
	return ""
}

// Stages returns the names of the stages in order, for explain.
func (p *Pipeline) Stages() []string {
	var out []string
	for _, s := range p.specs {
		out = append(out, s.name)
	}
	return out
}
