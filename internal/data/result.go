package data

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/fault"
)

// list builds an array value element by element.
type list struct {
	dst   []byte
	index int32
	n     int
}

func newList() *list {
	l := &list{}
	l.index, l.dst = bsoncore.AppendArrayStart(make([]byte, 0, 512))
	return l
}

func (l *list) document(d bson.Raw) {
	l.value(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: d})
}

func (l *list) value(v bson.RawValue) {
	l.dst = append(l.dst, byte(v.Type))
	l.dst = strconv.AppendInt(l.dst, int64(l.n), 10)
	l.dst = append(l.dst, 0)
	l.dst = append(l.dst, v.Value...)
	l.n++
}

func (l *list) end() bson.RawValue {
	l.dst, _ = bsoncore.AppendArrayEnd(l.dst, l.index)
	return bson.RawValue{Type: bson.TypeArray, Value: l.dst}
}

var null = bson.RawValue{Type: bson.TypeNull}

// documentOrNull is the result of findOne and its kin.
func documentOrNull(d bson.Raw) bson.RawValue {
	if d == nil {
		return null
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: d}
}

func int64Value(n int64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt64, Value: bsoncore.AppendInt64(nil, n)}
}

// object builds a document value from pairs.
func object(build func(dst []byte) []byte) bson.RawValue {
	index, dst := bsoncore.AppendDocumentStart(nil)
	dst = build(dst)
	dst, _ = bsoncore.AppendDocumentEnd(dst, index)
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: dst}
}

func appendValue(dst []byte, key string, v bson.RawValue) []byte {
	dst = bsoncore.AppendHeader(dst, bsoncore.Type(v.Type), key)
	return append(dst, v.Value...)
}

// documentOf is {key: v}.
func documentOf(key string, v bson.RawValue) bson.Raw {
	return bson.Raw(object(func(dst []byte) []byte { return appendValue(dst, key, v) }).Value)
}

func count32(n int64) int32 { return int32(min(n, 1<<31-1)) }

// raw makes a value of a marshalled Go value.
func raw(v any) (bson.RawValue, error) {
	t, b, err := bson.MarshalValue(v)
	return bson.RawValue{Type: t, Value: b}, err
}

// budget counts documents against the request's limits.
type budget struct {
	documents int
	max       int
	setting   string
	bytes     int64
	maxBytes  int64
	what      string
}

func (r *request) budget(what string, maxBytes int64) *budget {
	return &budget{max: r.s.limits.FindDocuments, setting: "find_limit", what: what, maxBytes: maxBytes}
}

// writeBudget is for the documents that one operation writes.
func (r *request) writeBudget(what string) *budget {
	return &budget{max: r.s.limits.WriteDocuments, setting: "write_max_documents", what: what, maxBytes: r.s.limits.FindBytes}
}

func (b *budget) take(d bson.Raw) error {
	b.documents++
	b.bytes += int64(len(d))
	switch {
	case b.documents > b.max:
		return fault.New(fault.ReadSizeLimitExceeded, "%s has more than %d documents (%s): narrow the query or set a limit", b.what, b.max, b.setting)
	case b.bytes > b.maxBytes:
		return fault.New(fault.ReadSizeLimitExceeded, "%s has more than %d bytes: narrow the query or set a limit", b.what, b.maxBytes)
	}
	return nil
}

// elements lists the documents of an array.
func elements(array bson.RawValue, name string) ([]bson.Raw, error) {
	values, err := bson.RawArray(array.Value).Values()
	if err != nil {
		return nil, invalid("the argument %q is not a valid array", name)
	}
	out := make([]bson.Raw, len(values))
	for i, v := range values {
		d, ok := v.DocumentOK()
		if !ok {
			return nil, invalid("%s[%d] must be a document", name, i)
		}
		out[i] = d
	}
	return out, nil
}

func itoa(n int) string { return strconv.Itoa(n) }
