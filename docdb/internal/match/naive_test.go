package match

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/value"
)

// The oracle: the values at a path are listed, and each is asked. It knows nothing of passes, of sets and of encodings but the order of
// values, which has a test of its own.

// absent stands for no value.
type absent struct{}

// reach lists what a path leads to in a document; with spread the elements of an array at its end, too.
func reach(d bson.D, path []string, spread bool) []any {
	var v any = d
	for i, p := range path {
		d, ok := v.(bson.D)
		if !ok {
			return []any{absent{}}
		}
		at := slices.IndexFunc(d, func(e bson.E) bool { return e.Key == p })
		if at < 0 {
			return []any{absent{}}
		}
		v = d[at].Value
		if a, ok := v.(bson.A); ok {
			switch {
			case i < len(path)-1:
				return within(a, path[i+1:], spread)
			case spread:
				return append(slices.Clone([]any(a)), a)
			}
		}
	}
	return []any{v}
}

// within goes on in an array: in the documents among its elements, and in the element that a number names.
func within(a bson.A, path []string, spread bool) (out []any) {
	for i, e := range a {
		named := path[0] == strconv.Itoa(i)
		d, isDoc := e.(bson.D)
		if isDoc {
			out = append(out, reach(d, path, spread)...)
		}
		if !named {
			continue
		}
		inner, isArray := e.(bson.A)
		switch {
		case len(path) == 1:
			out = append(out, e)
		case isDoc:
			out = append(out, reach(d, path[1:], spread)...)
		case isArray:
			out = append(out, within(inner, path[1:], spread)...)
		}
	}
	return out
}

func holds(d, filter bson.D) bool {
	for _, m := range filter {
		subs := func(want bool) (n int) {
			for _, s := range m.Value.(bson.A) {
				if holds(d, s.(bson.D)) == want {
					n++
				}
			}
			return n
		}
		ok := false
		switch m.Key {
		case "$and":
			ok = subs(false) == 0
		case "$or":
			ok = subs(true) > 0
		case "$nor":
			ok = subs(true) == 0
		default:
			path := strings.Split(m.Key, ".")
			ok = meets(m.Value, func(op string, arg any) bool {
				for _, v := range reach(d, path, op != "$size" && op != "$elemMatch") {
					if is(v, op, arg) {
						return true
					}
				}
				return false
			})
		}
		if !ok {
			return false
		}
	}
	return true
}

// meets takes a condition apart into what can be asked of one value, and its opposites.
func meets(cond any, ask func(op string, arg any) bool) bool {
	ops, ok := cond.(bson.D)
	if !ok || len(ops) == 0 || ops[0].Key[0] != '$' {
		if r, ok := cond.(bson.Regex); ok {
			return ask("$regex", r)
		}
		return ask("$eq", cond)
	}
	for _, o := range ops {
		ok := false
		switch o.Key {
		case "$ne":
			ok = !ask("$eq", o.Value)
		case "$nin":
			ok = !ask("$in", o.Value)
		case "$not":
			ok = !meets(o.Value, ask)
		case "$all":
			list := o.Value.(bson.A)
			ok = len(list) > 0
			for _, e := range list {
				ok = ok && meets(e, ask)
			}
		case "$exists":
			ok = ask("$exists", true) == o.Value.(bool)
		default:
			ok = ask(o.Key, o.Value)
		}
		if !ok {
			return false
		}
	}
	return true
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int32:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// is asks one value.
func is(v any, op string, arg any) bool {
	_, missing := v.(absent)
	if missing && op != "$exists" && op != "$in" {
		if op == "$eq" || op == "$gte" || op == "$lte" {
			return arg == nil
		}
		return false
	}
	n, isNumber := number(v)
	switch op {
	case "$exists":
		return !missing
	case "$in":
		return slices.ContainsFunc(arg.(bson.A), func(e any) bool {
			if _, ok := e.(bson.Regex); ok {
				return is(v, "$regex", e)
			}
			return is(v, "$eq", e)
		})
	case "$eq", "$gt", "$gte", "$lt", "$lte":
		a, b := cases.Encode(v), cases.Encode(arg)
		if value.Rank(a.Type) != value.Rank(b.Type) {
			return false
		}
		c := value.Compare(a, b)
		return map[string]bool{"$eq": c == 0, "$gt": c > 0, "$gte": c >= 0, "$lt": c < 0, "$lte": c <= 0}[op]
	case "$regex":
		r := arg.(bson.Regex)
		if s, ok := v.(string); ok {
			return regexp.MustCompile("(?" + r.Options + ":" + r.Pattern + ")").MatchString(s)
		}
		return v == arg
	case "$size":
		a, ok := v.(bson.A)
		return ok && int32(len(a)) == arg
	case "$type":
		switch v.(type) {
		case nil:
			return arg == "null"
		case string:
			return arg == "string"
		case bool:
			return arg == "bool"
		case bson.D:
			return arg == "object"
		case bson.A:
			return arg == "array"
		case int32:
			return arg == "int" || arg == "number"
		case int64:
			return arg == "long" || arg == "number"
		case float64:
			return arg == "double" || arg == "number"
		case bson.Regex:
			return arg == "regex"
		}
	case "$mod":
		a := arg.(bson.A)
		return isNumber && math.Mod(math.Trunc(n), float64(a[0].(int32))) == float64(a[1].(int32))
	case "$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear":
		if !isNumber || n != math.Trunc(n) {
			return false
		}
		bits, mask := int64(n), int64(arg.(int32))
		return map[string]bool{"$bitsAllSet": bits&mask == mask, "$bitsAllClear": bits&mask == 0, "$bitsAnySet": bits&mask != 0, "$bitsAnyClear": bits&mask != mask}[op]
	case "$elemMatch":
		a, _ := v.(bson.A)
		cond := arg.(bson.D)
		return slices.ContainsFunc(a, func(e any) bool {
			if len(cond) > 0 && cond[0].Key[0] == '$' && !slices.Contains([]string{"$and", "$or", "$nor"}, cond[0].Key) {
				return meets(cond, func(op string, arg any) bool { return is(e, op, arg) })
			}
			d, ok := e.(bson.D)
			if list, isArray := e.(bson.A); isArray {
				for i, e := range list {
					d = append(d, bson.E{Key: strconv.Itoa(i), Value: e})
				}
				ok = true
			}
			return ok && holds(d, cond)
		})
	}
	panic(op)
}

var paths = []string{"a", "a", "a", "b", "a.b", "a.0", "b.a.0", "0", "a.b.a", "a.0.b", "a.1.0", "a.0.0.b"}

// stored is a value of a document: anyValue with more kinds of numbers and texts.
func stored(t *rapid.T, depth int) any {
	switch rapid.IntRange(0, 9).Draw(t, "stored") {
	case 0:
		return rapid.SampledFrom([]any{int64(1), int64(6), int32(5), int32(-5), -2.5, 1e10}).Draw(t, "number")
	case 1:
		return rapid.SampledFrom([]string{"ab", "Ab", "b\na"}).Draw(t, "text")
	case 2:
		return bson.Regex{Pattern: "^a"}
	case 3, 4:
		if depth > 0 {
			a := bson.A{}
			for range rapid.IntRange(0, 3).Draw(t, "length") {
				a = append(a, stored(t, depth-1))
			}
			return a
		}
	case 5, 6:
		if depth > 0 {
			return storedDoc(t, depth-1)
		}
	}
	return anyValue(t, depth)
}

func storedDoc(t *rapid.T, depth int) bson.D {
	d := bson.D{}
	for _, n := range []string{"a", "b", "0"} {
		if rapid.IntRange(0, 3).Draw(t, "has") > 0 {
			d = append(d, bson.E{Key: n, Value: stored(t, depth)})
		}
	}
	return d
}

// literal is a value that a condition names: no operators.
func literal(t *rapid.T, depth int) any {
	v := stored(t, depth)
	if _, ok := v.(bson.Regex); ok {
		return "ab"
	}
	return v
}

func pattern(t *rapid.T) bson.Regex {
	return bson.Regex{Pattern: rapid.SampledFrom([]string{"^a", "b", "^ab?$", "a$", ""}).Draw(t, "pattern"), Options: rapid.SampledFrom([]string{"", "", "i", "m"}).Draw(t, "options")}
}

func anyOperator(t *rapid.T, depth int) bson.E {
	kinds := 10
	if depth > 0 {
		kinds = 13
	}
	pick := func(names ...string) string { return rapid.SampledFrom(names).Draw(t, "operator") }
	switch rapid.IntRange(0, kinds-1).Draw(t, "family") {
	case 0, 1:
		return bson.E{Key: pick("$eq", "$ne", "$gt", "$gte", "$lt", "$lte"), Value: literal(t, 1)}
	case 2:
		list := bson.A{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			list = append(list, literal(t, 1))
		}
		if rapid.IntRange(0, 3).Draw(t, "regex") == 0 {
			list = append(list, pattern(t))
		}
		return bson.E{Key: pick("$in", "$nin"), Value: list}
	case 3:
		return bson.E{Key: "$exists", Value: rapid.Bool().Draw(t, "exists")}
	case 4:
		return bson.E{Key: "$size", Value: int32(rapid.IntRange(0, 2).Draw(t, "size"))}
	case 5:
		return bson.E{Key: "$type", Value: pick("null", "string", "bool", "object", "array", "int", "long", "double", "number", "regex")}
	case 6:
		return bson.E{Key: "$mod", Value: bson.A{int32(rapid.SampledFrom([]int{2, 3, -2}).Draw(t, "divisor")), int32(rapid.IntRange(-1, 1).Draw(t, "rest"))}}
	case 7:
		return bson.E{Key: "$regex", Value: pattern(t)}
	case 8:
		return bson.E{Key: pick("$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear"), Value: int32(rapid.IntRange(0, 7).Draw(t, "mask"))}
	case 9:
		list := bson.A{}
		for range rapid.IntRange(0, 2).Draw(t, "length") {
			list = append(list, literal(t, 1))
		}
		return bson.E{Key: "$all", Value: list}
	case 10:
		cond := bson.D{anyOperator(t, depth-1)}
		if cond[0].Key == "$regex" && rapid.Bool().Draw(t, "bare") {
			return bson.E{Key: "$not", Value: cond[0].Value}
		}
		return bson.E{Key: "$not", Value: cond}
	case 11:
		list := bson.A{}
		for range rapid.IntRange(1, 2).Draw(t, "length") {
			list = append(list, bson.D{elements(t, depth-1)})
		}
		return bson.E{Key: "$all", Value: list}
	}
	return elements(t, depth-1)
}

func elements(t *rapid.T, depth int) bson.E {
	if rapid.Bool().Draw(t, "of values") {
		return bson.E{Key: "$elemMatch", Value: conjoined(t, depth)}
	}
	return bson.E{Key: "$elemMatch", Value: condition(t, depth)}
}

// conjoined are one or two operators of different names.
func conjoined(t *rapid.T, depth int) bson.D {
	d := bson.D{anyOperator(t, depth)}
	if o := anyOperator(t, depth); o.Key != d[0].Key && rapid.Bool().Draw(t, "two") {
		d = append(d, o)
	}
	return d
}

func condition(t *rapid.T, depth int) bson.D {
	f := bson.D{}
	for range rapid.IntRange(1, 3).Draw(t, "conditions") {
		if depth > 0 && rapid.IntRange(0, 4).Draw(t, "logic") == 0 {
			f = append(f, bson.E{Key: rapid.SampledFrom([]string{"$and", "$or", "$nor"}).Draw(t, "name"), Value: bson.A{condition(t, depth-1), condition(t, depth-1)}})
			continue
		}
		e := bson.E{Key: rapid.SampledFrom(paths).Draw(t, "path"), Value: conjoined(t, depth)}
		switch rapid.IntRange(0, 5).Draw(t, "bare") {
		case 0:
			e.Value = literal(t, 1)
		case 1:
			e.Value = pattern(t)
		}
		f = append(f, e)
	}
	return f
}

// TestMatchesAgreeWithANaiveMatcher runs every family of operators, on values, in arrays and in arrays of documents.
func TestMatchesAgreeWithANaiveMatcher(t *testing.T) {
	yes, no := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		f := condition(t, 2)
		m, err := Compile(raw(t, f), Options{})
		if err != nil {
			t.Fatalf("%s: %v", value.ShowDoc(raw(t, f)), err)
		}
		for range 4 {
			d := storedDoc(t, 3)
			got, err := often(t, m, raw(t, d))
			if err != nil {
				t.Fatal(err)
			}
			if want := holds(d, f); got != want {
				t.Fatalf("%s on %s: %t, want %t", value.ShowDoc(raw(t, f)), value.ShowDoc(raw(t, d)), got, want)
			}
			if got {
				yes++
			} else {
				no++
			}
		}
	})
	if yes == 0 || no == 0 {
		t.Errorf("%d matches, %d not", yes, no)
	}
}
