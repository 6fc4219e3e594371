package app

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app/jsonfile"
)

// value is a JSON value and where it stands. Its methods decode what real
// files contain (real-apps.md §11 trap 12): a value of another type than
// expected is converted where its meaning is plain, and reported.
type value struct {
	l    *loader
	file string
	path string
	node *jsonfile.Node
}

func (v value) source() Source { return Source{File: v.file, Path: v.path} }

func (v value) problem(severity Severity, allowed, message string) {
	p := Problem{Severity: severity, File: v.file, Path: v.path, Message: message, Allowed: allowed}
	if doc := v.l.docs[v.file]; doc != nil {
		p.Line, p.Column = doc.Position(v.node.Offset)
	}
	v.l.add(p)
}

func (v value) warn(format string, args ...any) {
	v.l.add(v.at(v.source().Warn(format, args...)))
}

func (v value) fail(format string, args ...any) {
	v.l.add(v.at(v.source().Error(format, args...)))
}

func (v value) at(p Problem) Problem {
	if doc := v.l.docs[v.file]; doc != nil {
		p.Line, p.Column = doc.Position(v.node.Offset)
	}
	return p
}

// object returns the value as an object, or nil after a warning. An empty
// string, list or false stands for "nothing" in old exports and is let pass.
func (v value) object() *object {
	n := v.node
	if o := v.objectOnly(); o != nil {
		return o
	}
	empty := n.Kind == jsonfile.Null || n.Kind == jsonfile.String && n.Text == "" ||
		n.Kind == jsonfile.Array && len(n.Items) == 0 || n.Kind == jsonfile.Bool && n.Text == "false"
	if !empty {
		v.warn("expected an object, found %s: ignored", n.Kind)
	}
	return nil
}

// objectOnly is object without a warning.
func (v value) objectOnly() *object {
	if v.node.Kind != jsonfile.Object {
		return nil
	}
	return &object{value: v}
}

// text returns the value as a string; other scalars are converted.
func (v value) text() string {
	switch v.node.Kind {
	case jsonfile.String:
		return v.node.Text
	case jsonfile.Number, jsonfile.Bool:
		v.warn("expected a string, found %s: %s is taken as text", v.node.Kind, v.node.Text)
		return v.node.Text
	case jsonfile.Object, jsonfile.Array:
		if len(v.node.Members)+len(v.node.Items) > 0 {
			v.warn("expected a string, found %s: ignored", v.node.Kind)
		}
	}
	return ""
}

// items returns the elements of a list; a single value is a list of one.
func (v value) items() []value {
	switch v.node.Kind {
	case jsonfile.Null:
		return nil
	case jsonfile.Array:
		list := make([]value, len(v.node.Items))
		for i := range v.node.Items {
			list[i] = value{v.l, v.file, jsonfile.Index(v.path, i), &v.node.Items[i]}
		}
		return list
	case jsonfile.String:
		if v.node.Text == "" {
			return nil
		}
	case jsonfile.Object:
		if len(v.node.Members) == 0 {
			return nil
		}
	}
	v.warn("expected a list, found %s: taken as a list of one", v.node.Kind)
	return []value{v}
}

// bson converts the value, reporting Extended JSON that is none.
func (v value) bson() bson.RawValue {
	raw, bad := v.node.BSON()
	v.reportBad(bad)
	return raw
}

func (v value) document() bson.Raw {
	raw, bad := v.node.Document()
	v.reportBad(bad)
	return raw
}

func (v value) reportBad(bad []jsonfile.Bad) {
	for _, b := range bad {
		p := v.source().Warn("%s; it is taken as a plain object", b.Message)
		if doc := v.l.docs[v.file]; doc != nil {
			p.Line, p.Column = doc.Position(b.Offset)
		}
		v.l.add(p)
	}
}

// expression returns a rule expression as it stands; "true" and "false" in
// quotes are booleans, because nobody means the words (real-apps.md §5).
func (v value) expression() bson.RawValue {
	if v.node.Kind == jsonfile.String && (v.node.Text == "true" || v.node.Text == "false") {
		v.problem(SeverityWarning, "", "the string \""+v.node.Text+"\" is taken as the boolean "+v.node.Text)
		n := jsonfile.Node{Kind: jsonfile.Bool, Offset: v.node.Offset, Text: v.node.Text}
		raw, _ := n.BSON()
		return raw
	}
	return v.bson()
}

// object is a value that is an object. It remembers which keys were asked for,
// so that done can name the others.
type object struct {
	value
	asked   []string
	ignored []string
}

// get returns the value of a key; null counts as absent.
func (o *object) get(key string) (value, bool) {
	if !slices.Contains(o.asked, key) {
		o.asked = append(o.asked, key)
	}
	n := o.node.Get(key)
	if n == nil || n.Kind == jsonfile.Null {
		return value{}, false
	}
	return o.child(key, n), true
}

func (o *object) child(key string, n *jsonfile.Node) value {
	return value{o.l, o.file, jsonfile.Key(o.path, key), n}
}

// at is where a key stands, or the object itself when the key is absent.
func (o *object) at(key string) value {
	if n := o.node.Get(key); n != nil {
		return o.child(key, n)
	}
	return o.value
}

func (o *object) str(key string) string {
	v, ok := o.get(key)
	if !ok {
		return ""
	}
	return strings.TrimSpace(v.text())
}

// text is str for content whose white space counts.
func (o *object) rawText(key string) string {
	v, ok := o.get(key)
	if !ok {
		return ""
	}
	return v.text()
}

// flag returns a boolean, false when it is absent or cannot be understood.
func (o *object) flag(key string) bool { return o.flagOr(key, false) }

// closing is flag for a key that shuts something, such as disabled or private:
// what cannot be understood is taken as true.
func (o *object) closing(key string) bool { return o.flagOr(key, true) }

// flagOr accepts "true", "false", 1 and 0 in quotes or without; "" and null are
// absent, which is false.
func (o *object) flagOr(key string, unclear bool) bool {
	v, ok := o.get(key)
	if !ok {
		return false
	}
	found := v.node.Kind.String()
	b := unclear
	switch v.node.Kind {
	case jsonfile.Bool:
		return v.node.Text == "true"
	case jsonfile.String, jsonfile.Number:
		found = strings.Replace(found, "a ", "the ", 1) + " " + strconv.Quote(v.node.Text)
		switch strings.ToLower(strings.TrimSpace(v.node.Text)) {
		case "":
			return false
		case "true", "1":
			b = true
		case "false", "0":
			b = false
		}
	}
	v.problem(SeverityWarning, "true, false", "expected a boolean, found "+found+": taken as "+strconv.FormatBool(b))
	return b
}

// integer returns a whole number; one in quotes is accepted.
func (o *object) integer(key string, def int) int {
	v, ok := o.get(key)
	if !ok {
		return def
	}
	text := v.node.Text
	switch {
	case v.node.Kind == jsonfile.String && text == "":
		return def
	case v.node.Kind == jsonfile.Object:
		if raw, bad := v.node.BSON(); len(bad) == 0 {
			if n, ok := raw.AsInt64OK(); ok && n == int64(int(n)) {
				return int(n)
			}
		}
	case v.node.Kind == jsonfile.String || v.node.Kind == jsonfile.Number:
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(text, 64); err == nil && f == float64(int32(f)) {
			return int(f)
		}
	}
	v.warn("expected a whole number, found %s: ignored", v.node.Kind)
	return def
}

// strs returns a list of strings.
func (o *object) strs(key string) []string {
	v, ok := o.get(key)
	if !ok {
		return nil
	}
	var list []string
	for _, item := range v.items() {
		if s := item.text(); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// list returns the elements of a list.
func (o *object) list(key string) []value {
	v, ok := o.get(key)
	if !ok {
		return nil
	}
	return v.items()
}

// sub returns the object under a key, or nil.
func (o *object) sub(key string) *object {
	v, ok := o.get(key)
	if !ok {
		return nil
	}
	return v.object()
}

// expr returns the rule expression under a key, zero when absent.
func (o *object) expr(key string) bson.RawValue {
	v, ok := o.get(key)
	if !ok {
		return bson.RawValue{}
	}
	return v.expression()
}

// doc returns the document under a key, nil when absent or no object.
func (o *object) doc(key string) bson.Raw {
	if s := o.sub(key); s != nil {
		return s.document()
	}
	return nil
}

// oneOf returns a string of a closed set; anything else is reported and "".
func (o *object) oneOf(key string, allowed ...string) string {
	s := o.str(key)
	if s == "" || slices.Contains(allowed, s) {
		return s
	}
	for _, a := range allowed {
		if strings.EqualFold(a, s) {
			return a
		}
	}
	o.at(key).problem(SeverityWarning, strings.Join(allowed, ", "), "unknown value "+strconv.Quote(s))
	return ""
}

// ignore marks keys that are known and of no use here.
func (o *object) ignore(keys ...string) { o.ignored = append(o.ignored, keys...) }

// done reports every key that was neither asked for nor ignored. Ids, versions
// and dates that exports carry along are ignored everywhere (app-services.md §1.11).
func (o *object) done() {
	for i := range o.node.Members {
		m := &o.node.Members[i]
		switch m.Key {
		case "id", "_id", "version", "last_modified", "$schema":
			continue
		}
		if slices.Contains(o.asked, m.Key) || slices.Contains(o.ignored, m.Key) {
			continue
		}
		message := "unknown key: ignored"
		if near := nearest(m.Key, o.asked); near != "" {
			message += "; did you mean " + near + "?"
		}
		p := Problem{Severity: SeverityWarning, File: o.file, Path: jsonfile.Key(o.path, m.Key), Message: message, Allowed: strings.Join(o.asked, ", ")}
		if doc := o.l.docs[o.file]; doc != nil {
			p.Line, p.Column = doc.Position(m.KeyOffset)
		}
		o.l.add(p)
	}
}

// nearest returns the known word that is at most two edits away, or "".
func nearest(word string, known []string) string {
	best, distance := "", 3
	if len(word) > 64 {
		return ""
	}
	for _, k := range known {
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d < distance && d < len(k)/2 {
			best, distance = k, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
