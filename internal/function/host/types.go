package host

import (
	"math"
	"slices"
	"strings"
	"weak"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// typeMemory remembers which BSON type numbers had before they became plain
// JavaScript numbers, so that they leave as they came (client-api.md §1.16.2).
//
// An object that was made from BSON keeps its source document beside it: a
// property that still holds the source's value leaves with the source's type.
// A computed number takes the widest type that was seen under its key, or under
// a key from which the code computes it (int32 < int64 < double), and int32,
// int64 or double by its value when there was none. What stays different is
// listed in docs/functions.md.
//
// Objects are keyed weakly and in two generations, so that a call which walks
// through a large collection does not keep it in memory.
type typeMemory struct {
	young, old map[weak.Pointer[goja.Object]]bson.Raw
	keys       map[string]numberType
	alone      map[float64]numberType // results of operations that are numbers

	dep   *deployment
	flows []*wire.FunctionSource // of the functions that run in this call
}

// came notes a number that was the whole result of an operation, as of count():
// it keeps its type when it is returned as it is.
func (t *typeMemory) came(f float64, n numberType) {
	if t.alone == nil {
		t.alone = map[float64]numberType{}
	}
	if len(t.alone) < maxKeys {
		t.alone[f] = n
	}
}

// numberType orders the numeric types by width.
type numberType uint8

const (
	noNumber numberType = iota
	int32Number
	int64Number
	doubleNumber
)

const (
	maxRemembered = 100_000 // objects in each generation
	maxKeys       = 20_000
)

func newTypeMemory(d *deployment) *typeMemory {
	return &typeMemory{dep: d}
}

// useFlows notes that the code of a function takes part in the call.
func (t *typeMemory) useFlows(f *wire.FunctionSource) {
	if len(f.Flows) > 0 && !slices.Contains(t.flows, f) {
		t.flows = append(t.flows, f)
	}
}

// computedFrom gives the widest type that came in under a key, and under those
// that its values are computed from.
func (t *typeMemory) computedFrom(key string) numberType {
	widest := t.keys[key]
	for _, f := range t.flows {
		widest = max(widest, t.widest(f.Flows[key], 0))
	}
	return widest
}

func (t *typeMemory) widest(sources []string, depth int) numberType {
	n := noNumber
	for _, s := range sources {
		switch {
		case s == "#long":
			n = max(n, int64Number)
		case s == "#double":
			n = max(n, doubleNumber)
		case strings.HasPrefix(s, "f:"):
			if f := t.dep.functions[s[2:]]; f != nil && depth < maxFlowDepth {
				n = max(n, t.widest(f.source.Flows[""], depth+1))
			}
		default:
			n = max(n, t.keys[s])
		}
	}
	return n
}

// maxFlowDepth bounds how far results of functions are followed into others.
const maxFlowDepth = 3

// remember keeps the document that o was made from.
func (t *typeMemory) remember(o *goja.Object, raw bson.Raw) {
	if t.young == nil {
		t.young = map[weak.Pointer[goja.Object]]bson.Raw{}
	}
	if len(t.young) >= maxRemembered {
		t.old, t.young = t.young, map[weak.Pointer[goja.Object]]bson.Raw{}
	}
	t.young[weak.Make(o)] = raw
}

// source is what o was made from, nil when unknown.
func (t *typeMemory) source(o *goja.Object) bson.Raw {
	if len(t.young) == 0 {
		return nil
	}
	p := weak.Make(o)
	if raw, ok := t.young[p]; ok {
		return raw
	}
	return t.old[p]
}

// see notes that a number of that type came in under key.
func (t *typeMemory) see(key string, n numberType) {
	if t.keys[key] >= n {
		return
	}
	if t.keys == nil {
		t.keys = map[string]numberType{}
	}
	if len(t.keys) < maxKeys {
		t.keys[key] = n
	}
}

func numberTypeOf(t bson.Type) numberType {
	switch t {
	case bson.TypeInt32:
		return int32Number
	case bson.TypeInt64:
		return int64Number
	case bson.TypeDouble:
		return doubleNumber
	}
	return noNumber
}

// unchanged reports whether v is a number that equals f bit by bit.
func unchanged(v bson.RawValue, f float64) bool {
	switch v.Type {
	case bson.TypeInt32:
		return float64(v.Int32()) == f && !negativeZero(f)
	case bson.TypeInt64:
		return float64(v.Int64()) == f && !negativeZero(f) && math.Abs(f) <= maxSafe
	case bson.TypeDouble:
		d := v.Double()
		return d == f && negativeZero(d) == negativeZero(f) || d != d && f != f
	}
	return false
}

func negativeZero(f float64) bool { return f == 0 && math.Signbit(f) }

const maxSafe = 1<<53 - 1

// choose gives the type of a number under a key.
func (t *typeMemory) choose(key string, f float64) numberType {
	if f != math.Trunc(f) || math.IsInf(f, 0) || negativeZero(f) || f != f {
		return doubleNumber
	}
	if n := t.alone[f]; n != noNumber && key == "" {
		return n
	}
	seen := t.computedFrom(key)
	switch {
	case seen == doubleNumber:
		return doubleNumber
	case seen == int64Number && f >= math.MinInt64 && f < math.MaxInt64:
		return int64Number
	case f >= math.MinInt32 && f <= math.MaxInt32:
		return int32Number
	case math.Abs(f) <= maxSafe:
		return int64Number
	}
	return doubleNumber
}
