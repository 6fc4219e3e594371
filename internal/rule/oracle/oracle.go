// Package oracle is a second reading of the rules, for tests: one document, one
// user, straight from app-services.md §5 and the table of choices, on decoded
// values, without compilation, queries, caches or shortcuts. What package rule
// does faster must come out the same.
package oracle

import (
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/rule"
	"regent/internal/user"
)

// Oracle judges for one user under one collection's rules.
type Oracle struct {
	Rules     *app.Rules
	Choices   rule.Choices
	User      *user.User
	Functions map[string]bool // results of %function by name; absent ones throw
}

type env struct{ root, prevRoot, this, prev any } // nil interface{} values are BSON null; missing is the type below

type missing struct{}

// decode turns BSON into Go values: bson.D, bson.A, string, float64, bool, nil …
func decode(v bson.RawValue) any {
	if v.Type == 0 {
		return missing{}
	}
	var out any
	if err := v.Unmarshal(&out); err != nil {
		panic(err)
	}
	return out
}

func get(v any, path []string) []any {
	if _, ok := v.(missing); ok {
		return nil
	}
	if len(path) == 0 {
		return []any{v}
	}
	var out []any
	switch x := v.(type) {
	case bson.D:
		for _, e := range x {
			if e.Key == path[0] {
				out = append(out, get(e.Value, path[1:])...)
				break
			}
		}
	case bson.A:
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(x) && i >= 0 {
			out = append(out, get(x[i], path[1:])...)
		}
		for _, item := range x {
			if d, ok := item.(bson.D); ok {
				out = append(out, get(d, path)...)
			}
		}
	}
	return out
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int32:
		return float64(x), true
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

func equal(a, b any) bool {
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch x := a.(type) {
	case bson.A:
		y, ok := b.(bson.A)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case bson.D:
		y, ok := b.(bson.D)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if x[i].Key != y[i].Key || !equal(x[i].Value, y[i].Value) {
				return false
			}
		}
		return true
	}
	if _, ok := number(b); ok {
		return false
	}
	switch b.(type) {
	case bson.A, bson.D:
		return false
	}
	return a == b
}

func has(list, v any) bool {
	l, ok := list.(bson.A)
	return ok && contains(l, v)
}

func (o *Oracle) base(name string, e env) (any, []string) {
	parts := strings.Split(name, ".")
	take := func(v any, n int) (any, []string) { return v, parts[n:] }
	switch parts[0] {
	case "root":
		return take(e.root, 1)
	case "prevRoot":
		return take(e.prevRoot, 1)
	case "this":
		return take(e.this, 1)
	case "prev":
		return take(e.prev, 1)
	case "user":
		switch parts[1] {
		case "id":
			return o.User.ID, nil
		case "custom_data":
			if o.User.CustomData == nil {
				return missing{}, nil
			}
			return take(decode(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: o.User.CustomData}), 2)
		}
	}
	panic("the oracle does not know %%" + name)
}

// value gives one value, several as an array, none as missing.
func (o *Oracle) value(v any, e env) any {
	switch x := v.(type) {
	case string:
		if strings.HasPrefix(x, "%%") {
			base, path := o.base(x[2:], e)
			switch found := get(base, path); len(found) {
			case 0:
				return missing{}
			case 1:
				return found[0]
			default:
				return bson.A(found)
			}
		}
	case bson.A:
		out := bson.A{}
		for _, item := range x {
			if r := o.value(item, e); r != (any)(missing{}) {
				out = append(out, r)
			}
		}
		return out
	}
	return v
}

// answer is what an expression says: no, unknown (it cannot be evaluated), yes.
type answer int

const (
	no answer = iota - 1
	unknown
	yes
)

func answerOf(b bool) answer {
	if b {
		return yes
	}
	return no
}

// truth evaluates an expression: what cannot be evaluated denies.
func (o *Oracle) truth(x any, e env) bool { return o.answer(x, e) == yes }

func (o *Oracle) answer(x any, e env) answer {
	switch v := x.(type) {
	case bool:
		return answerOf(v)
	case bson.D:
		a := yes
		for _, p := range v {
			a = min(a, o.pair(p.Key, p.Value, e))
		}
		return a
	}
	panic(fmt.Sprintf("the oracle does not know %T as an expression", x))
}

func (o *Oracle) pair(key string, v any, e env) answer {
	switch key {
	case "%and", "$and":
		a := yes
		for _, x := range v.(bson.A) {
			a = min(a, o.answer(x, e))
		}
		return a
	case "%or", "$or":
		a := no
		for _, x := range v.(bson.A) {
			a = max(a, o.answer(x, e))
		}
		return a
	case "%not":
		return -o.answer(v, e)
	case "%%true":
		if d, ok := v.(bson.D); ok && len(d) == 1 && d[0].Key == "%function" {
			r, known := o.Functions[d[0].Value.(bson.D)[0].Value.(string)]
			if !known {
				return unknown
			}
			return answerOf(r)
		}
		return o.answer(v, e)
	}
	base, path := e.root, strings.Split(key, ".")
	if strings.HasPrefix(key, "%%") {
		base, path = o.base(key[2:], e)
	}
	return o.condition(get(base, path), v, e)
}

func (o *Oracle) condition(left []any, v any, e env) answer {
	d, ok := v.(bson.D)
	if !ok || len(d) == 0 || d[0].Key[0] != '$' && d[0].Key[0] != '%' {
		return answerOf(o.compare("$eq", left, o.value(v, e)))
	}
	a := yes
	for _, p := range d {
		op := "$" + p.Key[1:]
		r := o.value(p.Value, e)
		one := unknown
		_, isList := r.(bson.A)
		switch op {
		case "$ne":
			one = answerOf(!o.compare("$eq", left, r))
		case "$in", "$nin":
			// A list that is not one cannot be searched, in either direction.
			if isList {
				one = answerOf(o.compare("$in", left, r) == (op == "$in"))
			}
		case "$exists":
			one = answerOf(len(left) > 0 == p.Value.(bool))
		case "$not":
			one = -o.condition(left, p.Value, e)
		default:
			one = answerOf(o.compare(op, left, r))
		}
		a = min(a, one)
	}
	return a
}

func (o *Oracle) compare(op string, left []any, r any) bool {
	if _, ok := r.(missing); ok {
		return false
	}
	for _, l := range left {
		switch op {
		case "$eq":
			if equal(l, r) || has(l, r) || has(r, l) {
				return true
			}
		case "$in":
			list, _ := r.(bson.A)
			for _, x := range list {
				if equal(l, x) || has(l, x) {
					return true
				}
			}
		default:
			candidates := []any{l}
			if list, ok := l.(bson.A); ok {
				candidates = append(candidates, list...)
			}
			for _, c := range candidates {
				if ordered(op, c, r) {
					return true
				}
			}
		}
	}
	return false
}

func ordered(op string, a, b any) bool {
	c := 0
	if x, ok := number(a); ok {
		y, ok := number(b)
		if !ok {
			return false
		}
		switch {
		case x < y:
			c = -1
		case x > y:
			c = 1
		}
	} else if x, ok := a.(string); ok {
		y, ok := b.(string)
		if !ok {
			return false
		}
		c = strings.Compare(x, y)
	} else if x, ok := a.(bool); ok {
		y, ok := b.(bool)
		if !ok {
			return false
		}
		switch {
		case !x && y:
			c = -1
		case x && !y:
			c = 1
		}
	} else if a != nil || b != nil {
		return false
	}
	switch op {
	case "$gt":
		return c > 0
	case "$gte":
		return c >= 0
	case "$lt":
		return c < 0
	case "$lte":
		return c <= 0
	}
	panic("the oracle does not know " + op)
}

// permission is a permission that is true, false or undefined.
func (o *Oracle) permission(v bson.RawValue, e env) (granted, defined bool) {
	if v.Type == 0 {
		return false, false
	}
	return o.truth(decode(v), e), true
}

func (o *Oracle) orTrue(v bson.RawValue, e env) bool {
	granted, defined := o.permission(v, e)
	return granted || !defined
}

func (o *Oracle) role(e env) *app.Role {
	for i := range o.Rules.Roles {
		if o.truth(decode(o.Rules.Roles[i].ApplyWhen), e) {
			return &o.Rules.Roles[i]
		}
	}
	return nil
}

func stored(doc bson.D) env { return env{doc, doc, doc, doc} }

// Read gives what the user may read of a stored document.
func (o *Oracle) Read(doc bson.D) (bson.D, bool) {
	e := stored(doc)
	r := o.role(e)
	if r == nil {
		return nil, false
	}
	return o.readAs(r, doc, e)
}

// Whole tells whether a document that the user may read is readable as a whole,
// whatever fields it has.
func (o *Oracle) Whole(doc bson.D) bool {
	e := stored(doc)
	r := o.role(e)
	read, _ := o.permission(r.Read, e)
	write, _ := o.permission(r.Write, e)
	return (read || write) && o.passesFilter(r, e)
}

func (o *Oracle) passesFilter(r *app.Role, e env) bool {
	if !r.HasDocFilters || o.orTrue(r.DocFilterRead, e) {
		return true
	}
	granted, _ := o.permission(r.DocFilterWrite, e)
	return granted
}

func (o *Oracle) readAs(r *app.Role, doc bson.D, e env) (bson.D, bool) {
	if !o.passesFilter(r, e) {
		return nil, false
	}
	read, readDefined := o.permission(r.Read, e)
	write, _ := o.permission(r.Write, e)
	switch {
	case read || write:
		return doc, true
	case readDefined:
		return nil, false
	}
	out := bson.D{}
	for _, f := range doc {
		if v, ok := o.readField(fieldRule(r.Fields, f.Key), addRule(r), f.Value, e); ok {
			out = append(out, bson.E{Key: f.Key, Value: v})
		}
	}
	return out, len(out) > 0
}

// fieldRule is {read, write, fields} of a listed field, nil for others.
func fieldRule(fields bson.Raw, name string) bson.D {
	if fields == nil {
		return nil
	}
	v, err := fields.LookupErr(name)
	if err != nil {
		return nil
	}
	return decode(v).(bson.D)
}

func addRule(r *app.Role) bson.D {
	if r.AdditionalFields == nil {
		return bson.D{}
	}
	return decode(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: r.AdditionalFields}).(bson.D)
}

func (o *Oracle) grants(rule bson.D, what string, e env) bool {
	for _, p := range rule {
		if p.Key == what {
			return o.truth(p.Value, e)
		}
	}
	return false
}

func nested(rule bson.D) (bson.D, bool) {
	for _, p := range rule {
		if p.Key == "fields" {
			inner := p.Value.(bson.D)
			return inner, len(inner) > 0 // none listed is as good as no fields
		}
	}
	return nil, false
}

func (o *Oracle) readField(own, additional bson.D, v any, e env) (any, bool) {
	e.this, e.prev = v, v
	if own == nil {
		return v, o.grants(additional, "read", e) || o.grants(additional, "write", e)
	}
	if o.grants(own, "read", e) || o.grants(own, "write", e) {
		return v, true
	}
	inner, ok := nested(own)
	if !ok {
		return nil, false
	}
	return o.readInside(inner, v, e)
}

func (o *Oracle) readInside(rules bson.D, v any, e env) (any, bool) {
	switch x := v.(type) {
	case bson.D:
		out := bson.D{}
		for _, f := range x {
			for _, r := range rules {
				if r.Key == f.Key {
					if v, ok := o.readField(r.Value.(bson.D), nil, f.Value, e); ok {
						out = append(out, bson.E{Key: f.Key, Value: v})
					}
				}
			}
		}
		return out, len(out) > 0
	case bson.A:
		out := bson.A{}
		for _, item := range x {
			if v, ok := o.readInside(rules, item, e); ok {
				out = append(out, v)
			}
		}
		return out, len(out) > 0
	}
	return nil, false
}

// writeMode: 0 nothing, 1 by field, 2 everything.
func (o *Oracle) writeMode(r *app.Role, e env) int {
	granted, defined := o.permission(r.Write, e)
	switch {
	case granted:
		return 2
	case !defined, r.Write.Type == bson.TypeBoolean && o.Choices.WriteFalseFallsThrough:
		return 1
	}
	return 0
}

func field(d any, name string) any {
	if doc, ok := d.(bson.D); ok {
		for _, f := range doc {
			if f.Key == name {
				return f.Value
			}
		}
	}
	return missing{}
}

// identical compares values with their types.
func identical(a, b any) bool {
	_, noA := a.(missing)
	_, noB := b.(missing)
	if noA || noB {
		return noA == noB
	}
	return raw(a).Equal(raw(b))
}

func names(a, b any) []string {
	var out []string
	seen := map[string]bool{}
	for _, d := range []any{a, b} {
		if doc, ok := d.(bson.D); ok {
			for _, f := range doc {
				if !seen[f.Key] {
					seen[f.Key] = true
					out = append(out, f.Key)
				}
			}
		}
	}
	return out
}

func (o *Oracle) mayWrite(own, additional bson.D, before, after any, e env) bool {
	e.this, e.prev = after, before
	if own == nil {
		return o.grants(additional, "write", e)
	}
	if o.grants(own, "write", e) {
		return true
	}
	inner, ok := nested(own)
	return ok && o.mayWriteInside(inner, before, after, e)
}

func (o *Oracle) mayWriteInside(rules bson.D, before, after any, e env) bool {
	isDocument := func(v any) bool {
		switch v.(type) {
		case missing, bson.D:
			return true
		}
		return false
	}
	if isDocument(before) && isDocument(after) {
		for _, name := range names(before, after) {
			b, a := field(before, name), field(after, name)
			if identical(a, b) {
				continue
			}
			var own bson.D
			for _, r := range rules {
				if r.Key == name {
					own = r.Value.(bson.D)
				}
			}
			if own == nil || !o.mayWrite(own, nil, b, a, e) {
				return false
			}
		}
		return true
	}
	x, okx := before.(bson.A)
	y, oky := after.(bson.A)
	if !okx || !oky || len(x) != len(y) {
		return false
	}
	for i := range x {
		if !identical(x[i], y[i]) && !o.mayWriteInside(rules, x[i], y[i], e) {
			return false
		}
	}
	return true
}

func (o *Oracle) mayWriteFields(r *app.Role, before, after any, skip string, e env) bool {
	for _, name := range names(before, after) {
		b, a := field(before, name), field(after, name)
		if name == skip || identical(a, b) {
			continue
		}
		if !o.mayWrite(fieldRule(r.Fields, name), addRule(r), b, a, e) {
			return false
		}
	}
	return true
}

// filters gives the filters that apply. known is false when that cannot be said:
// then nothing is there.
func (o *Oracle) filters() (apply []app.Filter, known bool) {
	for _, f := range o.Rules.Filters {
		switch o.answer(decode(f.ApplyWhen), env{missing{}, missing{}, missing{}, missing{}}) {
		case unknown:
			return nil, false
		case yes:
			apply = append(apply, f)
		}
	}
	return apply, true
}

// Selected tells whether the filters leave a stored document there. A filter's
// query is read as an expression about the document, which the generated ones
// can be.
func (o *Oracle) Selected(doc bson.D) bool {
	apply, known := o.filters()
	for _, f := range apply {
		known = known && o.truth(decode(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: f.Query}), stored(doc))
	}
	return known
}

// Shown is what a client gets of a stored document that it may read: the
// projections of the filters leave out fields.
func (o *Oracle) Shown(doc bson.D) (bson.D, bool) {
	shown, ok := o.Read(doc)
	if !ok {
		return nil, false
	}
	apply, _ := o.filters()
	out := bson.D{}
	for _, e := range shown {
		hidden := false
		for _, f := range apply {
			if f.Projection != nil {
				_, err := f.Projection.LookupErr(e.Key)
				hidden = hidden || err == nil
			}
		}
		if !hidden {
			out = append(out, e)
		}
	}
	return out, true
}

// Distinct gives the values of a field of documents, arrays unfolded.
func Distinct(docs []bson.D, name string) bson.A {
	out := bson.A{}
	for _, d := range docs {
		values, isList := field(d, name).(bson.A)
		if !isList {
			values = bson.A{field(d, name)}
		}
		for _, v := range values {
			if _, none := v.(missing); !none && !contains(out, v) {
				out = append(out, v)
			}
		}
	}
	return out
}

func contains(list bson.A, v any) bool {
	for _, x := range list {
		if equal(x, v) {
			return true
		}
	}
	return false
}

// Matches tells whether a write sees a stored document at all.
func (o *Oracle) Matches(doc bson.D) bool {
	if !o.Selected(doc) {
		return false
	}
	e := stored(doc)
	r := o.role(e)
	if r == nil {
		return false
	}
	if _, ok := o.readAs(r, doc, e); ok {
		return true
	}
	// Nothing to see, but perhaps something to write.
	if r.Read.Type != 0 || !o.passesFilter(r, e) {
		return false
	}
	e.this, e.prev = missing{}, missing{}
	mode := o.writeMode(r, stored(doc))
	return mode == 2 || mode == 1 && (o.grants(addRule(r), "write", e) || o.anyWritable(r.Fields, e))
}

func (o *Oracle) anyWritable(fields bson.Raw, e env) bool {
	if fields == nil {
		return false
	}
	elems, _ := fields.Elements()
	for _, f := range elems {
		own := f.Value().Document()
		if o.grants(decode(f.Value()).(bson.D), "write", e) {
			return true
		}
		if inner, err := own.LookupErr("fields"); err == nil && o.anyWritable(inner.Document(), e) {
			return true
		}
	}
	return false
}

// Update tells whether a change of a matched document is permitted.
func (o *Oracle) Update(before, after bson.D) bool {
	r := o.role(stored(before))
	e := env{after, before, after, before}
	if r.HasDocFilters {
		gate := e
		gate.root, gate.prevRoot = before, before
		if !o.orTrue(r.DocFilterWrite, gate) || !o.orTrue(r.DocFilterWrite, e) {
			return false
		}
	}
	switch o.writeMode(r, e) {
	case 2:
		return true
	case 1:
		return o.mayWriteFields(r, before, after, "", e)
	}
	return false
}

// Insert tells whether a new document is permitted.
func (o *Oracle) Insert(doc bson.D, generatedID bool) bool {
	e := env{doc, missing{}, doc, missing{}}
	r := o.role(e)
	if r == nil || r.HasDocFilters && !o.orTrue(r.DocFilterWrite, e) {
		return false
	}
	skip := ""
	if generatedID {
		skip = "_id"
	}
	switch o.writeMode(r, e) {
	case 0:
		return false
	case 1:
		if !o.mayWriteFields(r, missing{}, doc, skip, e) {
			return false
		}
	}
	return o.orTrue(r.Insert, e)
}

// Delete tells whether a matched document may be deleted.
func (o *Oracle) Delete(doc bson.D) bool {
	e := stored(doc)
	r := o.role(e)
	if r.HasDocFilters && !o.orTrue(r.DocFilterWrite, e) || !o.orTrue(r.Delete, e) {
		return false
	}
	if !o.Choices.DeleteNeedsWrite {
		return true
	}
	switch o.writeMode(r, e) {
	case 2:
		return true
	case 1:
		return o.mayWriteFields(r, doc, missing{}, "", e)
	}
	return false
}
