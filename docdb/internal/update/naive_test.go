package update

import (
	"slices"
	"strconv"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// The oracle: operators one after the other, in the order of their paths, on decoded documents.

type step struct {
	op   string
	path value.Path
	arg  any
}

type naiveError struct{ code mongoerr.Code }

func fail(code mongoerr.Code) { panic(naiveError{code}) }

func decode(d bson.Raw) bson.D {
	var out bson.D
	if err := bson.Unmarshal(d, &out); err != nil {
		panic(err)
	}
	return out
}

func naive(doc bson.D, steps []step) (out bson.D, code mongoerr.Code) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case naiveError:
			code = e.code
		default:
			panic(e)
		}
	}()
	original := decode(cases.Encode(doc).Value)
	steps = slices.Clone(steps)
	slices.SortStableFunc(steps, func(a, b step) int {
		for i := range min(len(a.path), len(b.path)) {
			if d := compareNames(a.path[i], b.path[i]); d != 0 {
				return d
			}
		}
		return 0
	})
	var v any = doc
	for _, s := range steps {
		v = s.at(v, s.path, original)
	}
	return v.(bson.D), 0
}

// creates reports whether an operator makes what is missing.
func (s step) creates() bool {
	return !slices.Contains([]string{"$unset", "$pull", "$pullAll", "$pop"}, s.op)
}

func (s step) at(v any, path value.Path, original bson.D) any {
	part := path[0]
	switch v := v.(type) {
	case bson.D:
		for i := range v {
			if v[i].Key != part {
				continue
			}
			if len(path) > 1 {
				v[i].Value = s.at(v[i].Value, path[1:], original)
			} else if s.op == "$unset" {
				return slices.Delete(v, i, i+1)
			} else {
				v[i].Value = s.change(v[i].Value, true)
			}
			return v
		}
		if !s.creates() {
			return v
		}
		if len(path) > 1 {
			return append(v, bson.E{Key: part, Value: s.at(bson.D{}, path[1:], original)})
		}
		return append(v, bson.E{Key: part, Value: s.change(nil, false)})
	case bson.A:
		i, err := strconv.Atoi(part)
		if err != nil {
			if s.creates() {
				fail(mongoerr.PathNotViable)
			}
			return v
		}
		if i >= len(v) {
			if !s.creates() {
				return v
			}
			for len(v) < i {
				v = append(v, nil)
			}
			if len(path) > 1 {
				return append(v, s.at(bson.D{}, path[1:], original))
			}
			return append(v, s.change(nil, false))
		}
		switch {
		case len(path) > 1:
			v[i] = s.at(v[i], path[1:], original)
		case s.op == "$unset":
			v[i] = nil
		default:
			v[i] = s.change(v[i], true)
		}
		return v
	}
	if s.creates() {
		fail(mongoerr.PathNotViable)
	}
	return v
}

func equal(a, b any) bool { return value.Equal(cases.Encode(a), cases.Encode(b)) }

func (s step) change(old any, exists bool) any {
	array := func() bson.A {
		if !exists {
			return bson.A{}
		}
		a, ok := old.(bson.A)
		if !ok {
			if s.op == "$pop" {
				fail(mongoerr.TypeMismatch)
			}
			fail(mongoerr.BadValue)
		}
		return a
	}
	switch s.op {
	case "$set":
		return s.arg
	case "$inc":
		by := s.arg.(int32)
		switch o := old.(type) {
		case int32:
			if sum := int64(o) + int64(by); sum != int64(int32(sum)) {
				return sum
			}
			return o + by
		case int64:
			return o + int64(by)
		case float64:
			return o + float64(by)
		}
		if exists {
			fail(mongoerr.TypeMismatch)
		}
		return by
	case "$min", "$max":
		d := 1
		if exists {
			d = value.Compare(cases.Encode(s.arg), cases.Encode(old))
		} else if s.op == "$min" {
			d = -1
		}
		if s.op == "$min" && d < 0 || s.op == "$max" && d > 0 {
			return s.arg
		}
		return old
	case "$mul":
		if !exists {
			switch s.arg.(type) {
			case int32:
				return int32(0)
			case int64:
				return int64(0)
			}
			return 0.0
		}
		return multiplied(old, s.arg)
	case "$bit":
		return s.bits(old, exists)
	case "$push":
		if mods, ok := s.arg.(bson.D); ok && len(mods) > 0 && mods[0].Key == "$each" {
			return pushed(array(), mods)
		}
		return append(array(), s.arg)
	case "$addToSet":
		a, list := array(), bson.A{s.arg}
		if mods, ok := s.arg.(bson.D); ok && len(mods) > 0 && mods[0].Key == "$each" {
			list = mods[0].Value.(bson.A)
		}
		for _, v := range list {
			if !slices.ContainsFunc(a, func(e any) bool { return equal(e, v) }) {
				a = append(a, v)
			}
		}
		return a
	case "$pull":
		return slices.DeleteFunc(array(), func(e any) bool { return equal(e, s.arg) })
	case "$pullAll":
		return slices.DeleteFunc(array(), func(e any) bool {
			return slices.ContainsFunc(s.arg.(bson.A), func(v any) bool { return equal(e, v) })
		})
	case "$pop":
		a := array()
		if len(a) == 0 {
			return a
		}
		if s.arg.(int32) < 0 {
			return a[1:]
		}
		return a[:len(a)-1]
	}
	panic(s.op)
}

// multiplied is a product in the wider of two types, and in a wider one still when it does not fit.
func multiplied(a, b any) any {
	float := func(v any) float64 {
		switch v := v.(type) {
		case int32:
			return float64(v)
		case int64:
			return float64(v)
		case float64:
			return v
		}
		fail(mongoerr.TypeMismatch)
		return 0
	}
	float(a)
	switch x := a.(type) {
	case int32:
		switch y := b.(type) {
		case int32:
			if p := int64(x) * int64(y); p != int64(int32(p)) {
				return p
			}
			return x * y
		case int64:
			return int64(x) * y
		}
	case int64:
		switch y := b.(type) {
		case int32:
			return x * int64(y)
		case int64:
			return x * y
		}
	}
	return float(a) * float(b)
}

// bits applies {and|or|xor: n}; what is missing is a zero.
func (s step) bits(old any, exists bool) any {
	spec := s.arg.(bson.D)[0]
	if !exists {
		old = int32(0)
	}
	of := func(v any) (int64, bool) {
		switch v := v.(type) {
		case int32:
			return int64(v), false
		case int64:
			return v, true
		}
		fail(mongoerr.BadValue)
		return 0, false
	}
	x, wideX := of(old)
	y, wideY := of(spec.Value)
	switch spec.Key {
	case "and":
		x &= y
	case "or":
		x |= y
	case "xor":
		x ^= y
	}
	if wideX || wideY {
		return x
	}
	return int32(x)
}

// pushed inserts, sorts and cuts.
func pushed(a bson.A, mods bson.D) bson.A {
	list, at := mods[0].Value.(bson.A), len(a)
	for _, m := range mods[1:] {
		if m.Key == "$position" {
			switch p := int(m.Value.(int32)); {
			case p >= 0:
				at = min(p, len(a))
			default:
				at = max(len(a)+p, 0)
			}
		}
	}
	a = slices.Insert(slices.Clone(a), at, list...)
	for _, m := range mods[1:] {
		if m.Key != "$sort" {
			continue
		}
		dir := int(m.Value.(int32))
		slices.SortStableFunc(a, func(x, y any) int { return dir * value.Compare(cases.Encode(x), cases.Encode(y)) })
	}
	for _, m := range mods[1:] {
		if m.Key != "$slice" {
			continue
		}
		if n := int(m.Value.(int32)); n >= 0 {
			a = a[:min(n, len(a))]
		} else {
			a = a[max(len(a)+n, 0):]
		}
	}
	return a
}

// modifiers draws {$each: …} and what may go with it.
func modifiers(t *rapid.T, push bool) bson.D {
	list := bson.A{}
	for range rapid.IntRange(0, 3).Draw(t, "each") {
		list = append(list, anyValue(t, 1))
	}
	d := bson.D{{Key: "$each", Value: list}}
	if !push {
		return d
	}
	if rapid.Bool().Draw(t, "position") {
		d = append(d, bson.E{Key: "$position", Value: int32(rapid.IntRange(-4, 4).Draw(t, "at"))})
	}
	if rapid.Bool().Draw(t, "sort") {
		dir := rapid.SampledFrom([]int32{1, -1}).Draw(t, "direction")
		d = append(d, bson.E{Key: "$sort", Value: dir})
	}
	if rapid.Bool().Draw(t, "slice") {
		d = append(d, bson.E{Key: "$slice", Value: int32(rapid.IntRange(-4, 4).Draw(t, "slice"))})
	}
	return d
}

var names = []string{"a", "b", "0", "1", "10", "c"}

func anyValue(t *rapid.T, depth int) any {
	kinds := 7
	if depth == 0 {
		kinds = 5
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]int32{0, 1, 2, 1<<31 - 1}).Draw(t, "int")
	case 1:
		return rapid.SampledFrom([]int64{1, 5}).Draw(t, "long")
	case 2:
		return rapid.SampledFrom([]float64{1, 2.5}).Draw(t, "double")
	case 3:
		return rapid.SampledFrom([]string{"", "x"}).Draw(t, "string")
	case 4:
		return nil
	case 5:
		return anyDoc(t, depth-1)
	}
	a := bson.A{}
	for range rapid.IntRange(0, 3).Draw(t, "length") {
		a = append(a, anyValue(t, depth-1))
	}
	return a
}

func anyDoc(t *rapid.T, depth int) bson.D {
	d := bson.D{}
	for _, n := range rapid.Permutation(names).Draw(t, "names")[:rapid.IntRange(0, 4).Draw(t, "members")] {
		d = append(d, bson.E{Key: n, Value: anyValue(t, depth)})
	}
	return d
}

func TestUpdatesAgreeWithANaiveImplementation(t *testing.T) {
	applied, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		doc := cases.Encode(anyDoc(t, 3)).Value
		var steps []step
		byOp := map[string]bson.D{}
		for range rapid.IntRange(1, 4).Draw(t, "operators") {
			s := step{op: rapid.SampledFrom([]string{"$set", "$unset", "$inc", "$min", "$max", "$push", "$addToSet", "$pull", "$pop", "$mul", "$bit", "$pullAll"}).Draw(t, "op")}
			for range rapid.IntRange(1, 3).Draw(t, "parts") {
				s.path = append(s.path, rapid.SampledFrom(names).Draw(t, "part"))
			}
			switch s.op {
			case "$inc":
				s.arg = rapid.SampledFrom([]int32{0, 1, -5}).Draw(t, "by")
			case "$mul":
				s.arg = rapid.SampledFrom([]any{int32(2), int32(-1), int64(3), 0.5}).Draw(t, "factor")
			case "$bit":
				s.arg = bson.D{{Key: rapid.SampledFrom([]string{"and", "or", "xor"}).Draw(t, "bits"), Value: rapid.SampledFrom([]any{int32(5), int32(0), int64(6)}).Draw(t, "mask")}}
			case "$pullAll":
				s.arg = bson.A{anyValue(t, 1), anyValue(t, 1)}
			case "$push", "$addToSet":
				if s.arg = anyValue(t, 1); rapid.Bool().Draw(t, "modifiers") {
					s.arg = modifiers(t, s.op == "$push")
				}
			case "$pop":
				s.arg = rapid.SampledFrom([]int32{1, -1}).Draw(t, "end")
			case "$pull": // a document is a condition, not a value
				s.arg = rapid.SampledFrom([]any{int32(1), 2.5, "x", nil}).Draw(t, "value")
			default:
				s.arg = anyValue(t, 1)
			}
			steps = append(steps, s)
			byOp[s.op] = append(byOp[s.op], bson.E{Key: s.path.String(), Value: s.arg})
		}
		spec := bson.D{}
		for op, fields := range byOp {
			spec = append(spec, bson.E{Key: op, Value: fields})
		}
		conflict := false
		for i, a := range steps {
			for _, b := range steps[:i] {
				conflict = conflict || a.path.HasPrefix(b.path) || b.path.HasPrefix(a.path)
			}
		}
		u, err := Compile(cases.Encode(spec), Options{})
		if conflict {
			if mongoerr.CodeOf(err) != mongoerr.ConflictingUpdateOperators {
				t.Fatalf("%v: no conflict: %v", spec, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("%v: %v", spec, err)
		}
		got, err := u.Apply(doc, Context{Position: -1})
		want, code := naive(decode(doc), steps)
		if code != 0 || err != nil {
			refused++
			if (code == 0) != (err == nil) || len(steps) == 1 && code != mongoerr.CodeOf(err) {
				t.Fatalf("%s by %v: %v, want code %d", value.ShowDoc(doc), spec, err, code)
			}
			return
		}
		applied++
		if w := cases.Encode(want).Value; string(got.Doc) != string(w) || got.Modified != (string(w) != string(doc)) {
			t.Fatalf("%s by %v:\n got %s\nwant %s\nmodified %t", value.ShowDoc(doc), spec, value.ShowDoc(got.Doc), value.ShowDoc(w), got.Modified)
		}
		checkDiff(t, doc, got.Doc)
	})
	if applied == 0 || refused == 0 {
		t.Errorf("%d applied, %d refused", applied, refused)
	}
}

// checkDiff replays a diff on the old document; apart from the order of members it must give the new one.
func checkDiff(t *rapid.T, before, after bson.Raw) {
	change := Diff(before, after)
	updated, removed, truncated := change.Updated, change.Removed, change.Truncated
	var v any = decode(before)
	for _, cut := range truncated {
		path := value.ParsePath(cut.Field)
		v = replay(v, path, func(old any) any { return old.(bson.A)[:cut.NewSize] })
	}
	for _, r := range removed {
		v = step{op: "$unset"}.at(v, value.ParsePath(r), nil)
	}
	for _, e := range decode(updated) {
		v = step{op: "$set", arg: e.Value}.at(v, value.ParsePath(e.Key), nil)
	}
	if string(cases.Encode(sorted(v)).Value) != string(cases.Encode(sorted(decode(after))).Value) {
		t.Fatalf("diff of %s and %s: %s, removed %v, truncated %v gives %v", value.ShowDoc(before), value.ShowDoc(after), value.ShowDoc(updated), removed, truncated, v)
	}
}

func replay(v any, path value.Path, f func(any) any) any {
	if len(path) == 0 {
		return f(v)
	}
	switch v := v.(type) {
	case bson.D:
		for i := range v {
			if v[i].Key == path[0] {
				v[i].Value = replay(v[i].Value, path[1:], f)
			}
		}
	case bson.A:
		i, _ := strconv.Atoi(path[0])
		v[i] = replay(v[i], path[1:], f)
	}
	return v
}

// sorted orders the members of documents by name.
func sorted(v any) any {
	switch v := v.(type) {
	case bson.D:
		for i := range v {
			v[i].Value = sorted(v[i].Value)
		}
		slices.SortFunc(v, func(a, b bson.E) int { return compareNames(a.Key, b.Key) })
	case bson.A:
		for i := range v {
			v[i] = sorted(v[i])
		}
	}
	return v
}

func FuzzUpdate(f *testing.F) {
	for _, u := range []string{`{"$set": {"a.b": 1}}`, `{"$push": {"a": {"$each": [1], "$slice": -1}}}`, `{"$pull": {"a": {"$gt": 1}}}`, `{"$rename": {"a": "b"}}`, `{"$inc": {"a.$[]": 1}}`, `{"a": 1}`} {
		f.Add([]byte(cases.Doc(f, u)), []byte(cases.Doc(f, `{"_id": 1, "a": [1, {"b": 2}]}`)))
	}
	f.Fuzz(func(t *testing.T, u, d []byte) {
		c, err := Compile(value.Doc(u), Options{})
		if err != nil {
			return
		}
		r, err := c.Apply(d, Context{Position: 0})
		if err == nil && value.Validate(d, 50) == nil && value.Validate(u, 50) == nil {
			if err := value.Validate(r.Doc, 150); err != nil {
				t.Error(err)
			}
		}
		c.Upsert(d, Context{Position: -1}, func() bson.ObjectID { return bson.ObjectID{1} })
	})
}
