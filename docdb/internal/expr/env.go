package expr

import (
	"context"
	"math"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/budget"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// Limits of one evaluation. They are far above what a document can hold (16 MiB) and exist so that a hostile expression cannot
// take the memory or the processor of the server.
const (
	// MaxValueBytes bounds a single value built by an expression; beyond it the error is 10334 BSONObjectTooLarge.
	MaxValueBytes = 64 << 20
	// MaxArenaBytes bounds everything built for one document; beyond it the error is 146 ExceededMemoryLimit.
	MaxArenaBytes = 256 << 20
)

const (
	arenaChunk = 4 << 10 // first and usual chunk of the arena
	arenaKeep  = 1 << 20 // larger chunks are given back at Reset
	stackKeep  = 8 << 10 // so are stacks of more values
	stackValue = 40      // bytes of a value on the stack
	tickEvery  = 1 << 10 // loop turns between two looks at the context
)

// Meta is what travels beside a document: values that $meta reads.
type Meta struct {
	TextScore    bson.RawValue
	GeoDistance  bson.RawValue
	GeoPoint     bson.RawValue
	SortKey      bson.RawValue
	IndexKey     bson.RawValue
	RecordID     bson.RawValue
	RandVal      bson.RawValue
	SearchScore  bson.RawValue
	HighlightSet bson.RawValue
}

// Env is the state of evaluating expressions over one document after another. It is not safe for concurrent use.
type Env struct {
	ctx     context.Context
	root    bson.RawValue
	current bson.RawValue
	meta    *Meta
	slots   []bson.RawValue
	stack   []bson.RawValue
	chunk   []byte
	used    int
	ticks   int
	zones   map[string]*time.Location
	memory  budget.Share // counts large arenas
	outer   int          // the slots that were bound from outside

	// fields are those that have been looked for in root, tops what was found; nil for none. room is Gather's own.
	fields     *Fields
	tops, room []value.Found
}

// NewEnv returns an Env whose evaluations stop when ctx is done.
func NewEnv(ctx context.Context) *Env { return &Env{ctx: ctx} }

// Count has large values be counted by a ledger until the next Reset, or Release. The variables that are bound are the caller's from now on.
func (e *Env) Count(l *budget.Ledger) { e.memory.Ledger, e.outer = l, len(e.slots) }

// Release gives up the document and every value, also what was left behind of former ones: an Env that waits for the next document may
// wait for long, and there may be many.
func (e *Env) Release() {
	e.Reset(nil)
	e.chunk = nil
	clear(e.stack[:cap(e.stack)])
	clear(e.slots[e.outer:])
	e.tops, e.room = nil, nil
}

// Reset points the Env at the next document and gives up every value built for the last one.
func (e *Env) Reset(doc bson.Raw) {
	e.root = bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
	e.current = e.root
	e.meta = nil
	e.fields = nil
	e.recycle()
}

// ResetMeta is Reset for a document with metadata.
func (e *Env) ResetMeta(doc bson.Raw, meta *Meta) {
	e.Reset(doc)
	e.meta = meta
}

// SetCurrent points $$CURRENT, and with it plain field paths, at a sub-document of the document ($redact).
func (e *Env) SetCurrent(doc bson.RawValue) { e.current, e.fields = doc, nil }

// Root returns the document that the Env was last reset to.
func (e *Env) Root() bson.Raw { return e.root.Value }

// Context returns the context that bounds evaluation.
func (e *Env) Context() context.Context { return e.ctx }

// SetContext replaces the context that bounds evaluation.
func (e *Env) SetContext(ctx context.Context) { e.ctx = ctx }

// Bind gives the variable in slot a value. The value must live as long as it is bound.
func (e *Env) Bind(slot int, v bson.RawValue) {
	for len(e.slots) <= slot {
		e.slots = append(e.slots, bson.RawValue{})
	}
	e.slots[slot] = v
}

func (e *Env) recycle() {
	e.used = 0
	e.memory.Release()
	if cap(e.chunk) > arenaKeep {
		e.chunk = nil
	}
	e.chunk = e.chunk[:0]
	e.stack = e.stack[:0]
	if cap(e.stack) > stackKeep {
		e.stack = nil
	}
}

// alloc returns n zero or stale bytes of the arena that the caller overwrites wholly.
func (e *Env) alloc(n int) []byte {
	if cap(e.chunk)-len(e.chunk) < n {
		e.chunk = make([]byte, 0, max(arenaChunk, n))
	}
	at := len(e.chunk)
	e.chunk = e.chunk[:at+n]
	e.used += n
	return e.chunk[at : at+n : at+n]
}

// reserve checks that n more bytes may be built. Everything whose size a user controls calls it before alloc.
func (e *Env) reserve(n int) error {
	if n > MaxValueBytes {
		return mongoerr.New(mongoerr.BSONObjectTooLarge, "a value of %d bytes built by an expression exceeds the limit of %d bytes", n, MaxValueBytes)
	}
	if e.used+n > MaxArenaBytes {
		return mongoerr.New(mongoerr.ExceededMemoryLimit, "the expressions evaluated for one document need more than %d bytes", MaxArenaBytes)
	}
	return e.afford(n)
}

// afford counts n bytes that are about to be taken, with what has been.
func (e *Env) afford(n int) error {
	if t := e.used + n + stackValue*cap(e.stack); t > arenaKeep && !e.memory.Need(t) {
		return mongoerr.New(mongoerr.ExceededMemoryLimit, "the queries that are running hold the %d bytes of memory that there are for all; try again", e.memory.Most())
	}
	return nil
}

// tick is called once per turn of every loop over user data; it looks at the context now and then.
func (e *Env) tick() error {
	e.ticks++
	if e.ticks < tickEvery {
		return nil
	}
	e.ticks = 0
	return e.ctx.Err()
}

// Values of fixed content share their bytes.
var (
	falseByte = []byte{0}
	trueByte  = []byte{1}
)

// Null is BSON null.
var Null = bson.RawValue{Type: bson.TypeNull}

// Bool returns a boolean value.
func Bool(b bool) bson.RawValue {
	if b {
		return bson.RawValue{Type: bson.TypeBoolean, Value: trueByte}
	}
	return bson.RawValue{Type: bson.TypeBoolean, Value: falseByte}
}

// Int32 builds a 32-bit integer.
func (e *Env) Int32(i int32) bson.RawValue {
	b := e.alloc(4)
	le.PutUint32(b, uint32(i))
	return bson.RawValue{Type: bson.TypeInt32, Value: b}
}

// Int64 builds a 64-bit integer.
func (e *Env) Int64(i int64) bson.RawValue { return e.word(bson.TypeInt64, uint64(i)) }

// Int builds a 32-bit integer when i fits, else a 64-bit one.
func (e *Env) Int(i int64) bson.RawValue {
	if i == int64(int32(i)) {
		return e.Int32(int32(i))
	}
	return e.Int64(i)
}

// Double builds a double.
func (e *Env) Double(f float64) bson.RawValue { return e.word(bson.TypeDouble, math.Float64bits(f)) }

// Date builds a date from milliseconds since 1970.
func (e *Env) Date(ms int64) bson.RawValue { return e.word(bson.TypeDateTime, uint64(ms)) }

func (e *Env) word(t bson.Type, w uint64) bson.RawValue {
	b := e.alloc(8)
	le.PutUint64(b, w)
	return bson.RawValue{Type: t, Value: b}
}

// Decimal builds a decimal128, rounding d to 34 digits.
func (e *Env) Decimal(d value.Decimal) bson.RawValue { return value.FromDecimal(d) }

// String builds a string.
func (e *Env) String(s string) (bson.RawValue, error) { return buildString(e, s) }

func buildString[T string | []byte](e *Env, s T) (bson.RawValue, error) {
	n := len(s) + 5
	if err := e.reserve(n); err != nil {
		return bson.RawValue{}, err
	}
	b := e.alloc(n)
	le.PutUint32(b, uint32(len(s)+1))
	copy(b[4:], s)
	b[n-1] = 0
	return bson.RawValue{Type: bson.TypeString, Value: b}, nil
}

// digits returns the length of i in decimal.
func digits(i int) int {
	n := 1
	for i >= 10 {
		i /= 10
		n++
	}
	return n
}

// Array builds an array; missing elements become null.
func (e *Env) Array(vs []bson.RawValue) (bson.RawValue, error) {
	n := 5
	for i, v := range vs {
		n += 2 + digits(i) + len(v.Value)
		if n > MaxValueBytes {
			break
		}
	}
	if err := e.reserve(n); err != nil {
		return bson.RawValue{}, err
	}
	b := e.alloc(n)[:4]
	le.PutUint32(b, uint32(n))
	for i, v := range vs {
		t := v.Type
		if t == 0 {
			t = bson.TypeNull
		}
		b = append(b, byte(t))
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, 0)
		b = append(b, v.Value...)
	}
	return bson.RawValue{Type: bson.TypeArray, Value: append(b, 0)}, nil
}

// member is a named value of a document being built.
type member struct {
	name  []byte
	value bson.RawValue
}

// object builds a document; missing members are left out.
func (e *Env) object(ms []member) (bson.RawValue, error) {
	n := 5
	for _, m := range ms {
		if m.value.Type != 0 {
			n += 2 + len(m.name) + len(m.value.Value)
		}
	}
	if err := e.reserve(n); err != nil {
		return bson.RawValue{}, err
	}
	b := e.alloc(n)[:4]
	le.PutUint32(b, uint32(n))
	for _, m := range ms {
		if m.value.Type == 0 {
			continue
		}
		b = append(b, byte(m.value.Type))
		b = append(b, m.name...)
		b = append(b, 0)
		b = append(b, m.value.Value...)
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: append(b, 0)}, nil
}
