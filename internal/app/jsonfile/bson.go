package jsonfile

import (
	"encoding/json"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/ejson"
)

// wrapper says whether a key is the first key of an Extended JSON value.
// $regex is not one: in the files it is the query operator, and $type, $ref and
// $id are plain keys too.
func wrapper(key string) bool {
	switch key {
	case "$oid", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$binary", "$uuid",
		"$date", "$timestamp", "$regularExpression", "$symbol", "$code", "$undefined", "$minKey",
		"$maxKey", "$dbPointer":
		return true
	}
	return false
}

// Bad is an object that looks like Extended JSON and isn't. It is kept as the
// plain document that it also is.
type Bad struct {
	Offset  int
	Message string
}

// BSON converts a value, decoding Extended JSON of both forms. Integers become
// int32 where they fit, else int64; everything else numeric becomes double.
func (n *Node) BSON() (bson.RawValue, []Bad) {
	w := writer{}
	t, v := w.value(nil, n)
	return bson.RawValue{Type: t, Value: v}, w.bad
}

// Document converts an object; nil for every other kind.
func (n *Node) Document() (bson.Raw, []Bad) {
	if n.Kind != Object {
		return nil, nil
	}
	w := writer{}
	return bson.Raw(w.document(nil, n)), w.bad
}

type writer struct{ bad []Bad }

// value appends the value's bytes to dst and returns them with the type.
func (w *writer) value(dst []byte, n *Node) (bson.Type, []byte) {
	switch n.Kind {
	case Null:
		return bson.TypeNull, dst
	case Bool:
		return bson.TypeBoolean, bsoncore.AppendBoolean(dst, n.Text == "true")
	case String:
		return bson.TypeString, bsoncore.AppendString(dst, n.Text)
	case Number:
		if i, err := strconv.ParseInt(n.Text, 10, 64); err == nil {
			if i >= math.MinInt32 && i <= math.MaxInt32 {
				return bson.TypeInt32, bsoncore.AppendInt32(dst, int32(i))
			}
			return bson.TypeInt64, bsoncore.AppendInt64(dst, i)
		}
		f, _ := strconv.ParseFloat(n.Text, 64) // Parse has checked it
		return bson.TypeDouble, bsoncore.AppendDouble(dst, f)
	case Array:
		return bson.TypeArray, w.array(dst, n)
	}
	if len(n.Members) > 0 && wrapper(n.Members[0].Key) {
		v, err := extended(n)
		if err == nil {
			return v.Type, append(dst, v.Value...)
		}
		w.bad = append(w.bad, Bad{n.Offset, "not a valid Extended JSON value: " + err.Error()})
	}
	return bson.TypeEmbeddedDocument, w.document(dst, n)
}

func (w *writer) document(dst []byte, n *Node) []byte {
	start, dst := bsoncore.AppendDocumentStart(dst)
	for i := range n.Members {
		dst = w.element(dst, n.Members[i].Key, &n.Members[i].Value)
	}
	return endDocument(dst, start)
}

func (w *writer) array(dst []byte, n *Node) []byte {
	start, dst := bsoncore.AppendDocumentStart(dst)
	for i := range n.Items {
		dst = w.element(dst, strconv.Itoa(i), &n.Items[i])
	}
	return endDocument(dst, start)
}

func (w *writer) element(dst []byte, key string, v *Node) []byte {
	at := len(dst)
	dst = bsoncore.AppendHeader(dst, bsoncore.TypeNull, key)
	t, dst := w.value(dst, v)
	dst[at] = byte(t)
	return dst
}

func endDocument(dst []byte, start int32) []byte {
	dst, _ = bsoncore.AppendDocumentEnd(dst, start) // fails only for a wrong start
	return dst
}

// extended decodes an Extended JSON object through the driver.
func extended(n *Node) (bson.RawValue, error) {
	v, err := ejson.Parse(n.AppendJSON(nil))
	if err != nil {
		return v, err
	}
	// Everything that leaves this package is valid BSON, whatever the reader let pass.
	_, whole := bsoncore.AppendDocumentStart(nil)
	whole = bsoncore.AppendValueElement(whole, "v", bsoncore.Value{Type: bsoncore.Type(v.Type), Data: v.Value})
	return v, bson.Raw(endDocument(whole, 0)).Validate()
}

// AppendJSON appends the value as plain JSON.
func (n *Node) AppendJSON(dst []byte) []byte {
	switch n.Kind {
	case Array:
		dst = append(dst, '[')
		for i := range n.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = n.Items[i].AppendJSON(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i := range n.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendQuoted(dst, n.Members[i].Key)
			dst = append(dst, ':')
			dst = n.Members[i].Value.AppendJSON(dst)
		}
		return append(dst, '}')
	case String:
		return appendQuoted(dst, n.Text)
	default:
		return append(dst, n.Text...)
	}
}

func appendQuoted(dst []byte, s string) []byte {
	q, _ := json.Marshal(s) // a string always has a JSON form
	return append(dst, q...)
}
