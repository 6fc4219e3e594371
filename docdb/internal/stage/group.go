package stage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// group is $group.
type group struct {
	id     expr.Expr
	names  []string
	specs  []*accum.Spec
	idOnly string // the single field path that _id is, "" for anything else
	// fields are those that the stage's expressions read, idField the one that _id is, if it is nothing else.
	fields  expr.Fields
	idField expr.Noted
	merges  bool // all accumulators are Mergers
	holds   bool // some accumulators keep values
}

func compileGroup(c *compiler, name string, spec bson.RawValue) (*group, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(15947, "a group's fields must be specified in an object")
	}
	g := &group{merges: true}
	c = &compiler{c.env, c.scope.Noting(&g.fields)}
	for it := expr.Each(spec.Value); ; {
		n, v, ok := it.Next()
		if !ok {
			break
		}
		if string(n) == "_id" {
			if g.id != nil {
				return nil, mongoerr.New(15948, "a group's _id may only be specified once")
			}
			if err := computedKey(v); err != nil {
				return nil, err
			}
			var err error
			if g.id, err = expr.Compile(v, c.scope); err != nil {
				return nil, err
			}
			continue
		}
		s, err := c.accumulator(string(n), v)
		if err != nil {
			return nil, err
		}
		g.names, g.specs = append(g.names, string(n)), append(g.specs, s)
		g.merges, g.holds = g.merges && s.Merges(), g.holds || s.Holds()
	}
	if g.id == nil {
		return nil, mongoerr.New(15955, "a group specification must include an _id")
	}
	g.idOnly, _ = expr.FieldPath(g.id)
	g.idField = expr.NotedField(g.id)
	return g, nil
}

// computedKey refuses a key that looks like an inclusion: {_id: {a: 1}}.
func computedKey(id bson.RawValue) error {
	if id.Type != bson.TypeEmbeddedDocument {
		return nil
	}
	for it := expr.Each(id.Value); ; {
		name, v, ok := it.Next()
		if !ok || len(name) > 0 && name[0] == '$' {
			return nil
		}
		if v.Type == bson.TypeBoolean || value.IsNumber(v) {
			return mongoerr.New(17390, "$group does not support inclusion-style expressions")
		}
	}
}

// accumulator compiles field: {$operator: …}.
func (c *compiler) accumulator(field string, v bson.RawValue) (*accum.Spec, error) {
	for i := 0; i < len(field); i++ {
		switch {
		case field[i] == '.':
			return nil, mongoerr.New(40235, "The field name '%s' cannot contain '.'", field)
		case field[i] == '$' && i == 0:
			return nil, mongoerr.New(40236, "The field name '%s' cannot be an operator name", field)
		}
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40234, "The field '%s' must be an accumulator object", field)
	}
	it := expr.Each(v.Value)
	op, arg, ok := it.Next()
	if !ok {
		return nil, mongoerr.New(40234, "The field '%s' must be an accumulator object", field)
	}
	if _, _, more := it.Next(); more {
		return nil, mongoerr.New(40238, "The field '%s' must specify one accumulator", field)
	}
	if len(op) == 0 || op[0] != '$' {
		return nil, mongoerr.New(40234, "The field '%s' must be an accumulator object", field)
	}
	if arg.Type == bson.TypeArray {
		return nil, mongoerr.New(40237, "The %s accumulator is a unary operator", op)
	}
	return accum.Compile(string(op), arg, c.scope)
}

func (g *group) deps(d *expr.Deps) bool {
	g.id.Deps(d)
	for _, s := range g.specs {
		s.Deps(d)
	}
	return true
}

func (g *group) open(r *run, src source) (source, error) {
	return &grouping{g: g, r: r, src: src, env: r.expressions(), out: r.expressions(), coll: r.env.collation(), seed: maphash.MakeSeed(), mem: r.env.held()}, nil
}

// partitions is how many files the rows of groups that do not fit are spread over.
const partitions = 16

// grouping gathers groups in memory. When the limit is reached it opens no further groups: the rows that would begin one go to
// files by a hash of their key, and each file is grouped by itself once the groups in memory have been given out. Within a group
// the order of rows is kept.
type grouping struct {
	g    *group
	r    *run
	src  source
	env  *expr.Env
	out  *expr.Env
	seed maphash.Seed

	coll   value.StringComparer
	index  map[string]int
	recent [recentSlots]uint32 // groups by a hash of their values; any number is allowed
	groups []groupState
	key    []byte
	bytes  int // held by groups
	held   int // of that, by accumulators' values, which cannot be spilled
	full   bool
	level  int
	files  []*spillFile // being written
	todo   []partition  // to be grouped
	at     int
	ready  bool
	buf    []byte
	mem    held
}

type groupState struct {
	id   bson.RawValue
	key  string
	accs []accum.Accumulator
}

type partition struct {
	f     *spillFile
	level int
}

// groupOverhead is about what a group costs beside its key and accumulators' values.
const groupOverhead = 200

func (s *grouping) next(ctx context.Context) (row, error) {
	for {
		if !s.ready {
			if err := s.gather(ctx); err != nil {
				return row{}, err
			}
			s.ready = true
		}
		if s.at < len(s.groups) {
			g := &s.groups[s.at]
			s.at++
			return s.result(g)
		}
		if len(s.todo) == 0 {
			return row{}, io.EOF
		}
		if err := ctx.Err(); err != nil {
			return row{}, err
		}
		s.reset()
	}
}

// reset turns to the next file of rows.
func (s *grouping) reset() {
	p := s.todo[0]
	s.todo = s.todo[1:]
	s.src.close()
	s.src = &spilled{p.f}
	s.level = p.level
	s.mem.release()
	s.seed = maphash.MakeSeed()
	s.index, s.groups, s.bytes, s.held, s.full, s.at, s.ready = nil, nil, 0, 0, false, 0, false
}

// spilled reads a file as a source.
type spilled struct{ f *spillFile }

func (s *spilled) next(context.Context) (row, error) { return s.f.read() }
func (s *spilled) close() error                      { return s.f.close() }

func (s *grouping) gather(ctx context.Context) error {
	s.index = map[string]int{}
	if err := s.share(ctx); err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n&0x3ff == 0x3ff {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		r, err := s.src.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		s.env.ResetMeta(r.doc, r.meta)
		s.env.Gather(&s.g.fields)
		i, err := s.find()
		if err != nil {
			return err
		}
		if i < 0 {
			if err := s.spill(r); err != nil {
				return err
			}
			continue
		}
		if err := s.add(i); err != nil {
			return err
		}
		if err := s.bounded(); err != nil {
			return err
		}
	}
	for _, f := range s.files {
		if f == nil {
			continue
		}
		if err := f.rewind(); err != nil {
			return err
		}
		s.todo = append(s.todo, partition{f, s.level + 1})
	}
	s.files = nil
	return nil
}

// find gives the group of the document in env, beginning it if need be; -1 when it would be a new one and there is no room.
func (s *grouping) find() (int, error) {
	t, v, ok := s.g.idField.Find(s.env)
	if !ok {
		id, err := s.g.id.Eval(s.env)
		if err != nil {
			return 0, err
		}
		t, v = id.Type, id.Value
	}
	if t == 0 {
		t = bson.TypeNull
	}
	// The same bytes are the same value, under any collation; others may be, too.
	slot := &s.recent[recentSlot(v)]
	if i := int(*slot); i < len(s.groups) {
		if g := &s.groups[i]; g.id.Type == t && bytes.Equal(g.id.Value, v) {
			return i, nil
		}
	}
	s.key = value.AppendKeyParts(s.key[:0], t, v, s.coll)
	i, known := s.index[string(s.key)]
	switch {
	case known:
	case s.full:
		return -1, nil
	default:
		var err error
		if i, err = s.begin(bson.RawValue{Type: t, Value: v}); err != nil {
			return 0, err
		}
	}
	*slot = uint32(i)
	return i, nil
}

// recentSlots is how many groups are found by a look at the end of their values, without a key and the map.
const recentSlots = 1024

func recentSlot(v []byte) int {
	var w uint64
	switch n := len(v); {
	case n >= 8:
		w = binary.LittleEndian.Uint64(v[n-8:])
	case n >= 4:
		w = uint64(binary.LittleEndian.Uint32(v[n-4:]))
	case n > 0:
		w = uint64(v[n-1])
	}
	return int(w * 0x9e3779b97f4a7c15 >> 54)
}

// add takes the document that find has looked at into its group.
func (s *grouping) add(i int) error {
	if !s.g.holds {
		for _, a := range s.groups[i].accs {
			if err := a.Add(s.env); err != nil {
				return err
			}
		}
		return nil
	}
	for _, a := range s.groups[i].accs {
		before := a.Held()
		if err := a.Add(s.env); err != nil {
			return err
		}
		s.bytes += a.Held() - before
		s.held += a.Held() - before
	}
	return nil
}

// bounded looks at what the groups hold.
func (s *grouping) bounded() error {
	limit := s.mem.limit
	if s.full {
		if err := s.mem.needs(s.bytes); err != nil {
			return err
		}
	} else if ok, err := s.mem.fits(s.bytes); err != nil {
		return err
	} else if !ok {
		if !s.r.env.AllowDiskUse {
			return memoryExceeded("$group", limit)
		}
		s.full = true
		// The groups stay; those of a part that others have made may be more than what fits.
		if err := s.mem.needs(s.bytes); err != nil {
			return err
		}
	}
	if s.held > 8*limit {
		return mongoerr.New(mongoerr.ExceededMemoryLimit, "the accumulated values of $group need more than %d bytes of memory and cannot be spilled to disk", 8*limit)
	}
	return nil
}

// begin opens the group of the key in s.key.
func (s *grouping) begin(id bson.RawValue) (int, error) {
	g := groupState{id: expr.Clone(id), key: string(s.key), accs: make([]accum.Accumulator, len(s.g.specs))}
	for i, sp := range s.g.specs {
		var err error
		if g.accs[i], err = sp.New(g.id); err != nil {
			return 0, err
		}
	}
	i := len(s.groups)
	s.index[g.key] = i
	s.groups = append(s.groups, g)
	s.bytes += s.g.cost(g.key)
	return i, nil
}

// cost is about what a group takes beside its accumulators' values.
func (g *group) cost(key string) int { return 2*len(key) + groupOverhead + 64*len(g.specs) }

func (s *grouping) spill(r row) error {
	if s.files == nil {
		s.files = make([]*spillFile, partitions)
	}
	p := maphash.Bytes(s.seed, s.key) % partitions
	if s.files[p] == nil {
		f, err := newSpillFile(s.r.env, "$group")
		if err != nil {
			return err
		}
		s.files[p] = f
	}
	return s.files[p].write(r)
}

func (s *grouping) result(g *groupState) (row, error) {
	s.out.Reset(emptyDocument)
	d := newDoc(s.buf)
	d.add("_id", g.id)
	for i, a := range g.accs {
		v, err := a.Value(s.out)
		if err != nil {
			return row{}, err
		}
		if expr.Missing(v) {
			v = expr.Null
		}
		d.add(s.g.names[i], v)
	}
	s.buf = d.done()
	if len(s.buf) > expr.MaxValueBytes {
		return row{}, mongoerr.New(mongoerr.BSONObjectTooLarge, "a document of $group has %d bytes, more than a document may have", len(s.buf))
	}
	*g = groupState{}
	return row{doc: s.buf}, nil
}

func (s *grouping) close() error {
	for _, f := range s.files {
		if f != nil {
			f.close()
		}
	}
	for _, p := range s.todo {
		p.f.close()
	}
	s.files, s.todo, s.groups, s.index = nil, nil, nil, nil
	s.mem.release()
	s.env.Release()
	s.out.Release()
	return s.src.close()
}
