package wire

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// section is a body (no name) or a sequence of documents.
func section(t *testing.T, name string, docs ...bson.D) []byte {
	t.Helper()
	var b []byte
	for _, d := range docs {
		raw, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, raw...)
	}
	if name == "" {
		return append([]byte{0}, b...)
	}
	out := binary.LittleEndian.AppendUint32([]byte{1}, uint32(4+len(name)+1+len(b)))
	return append(append(append(out, name...), 0), b...)
}

// TestSectionsInAnyOrder: bodies and document sequences may come in any order, a checksum is not looked at, and exhaust is no reason to
// answer otherwise than once (mongo-engine.md §1.1).
func TestSectionsInAnyOrder(t *testing.T) {
	body := section(t, "", bson.D{{Key: "bulkWrite", Value: 1}})
	ops := section(t, "ops", bson.D{{Key: "insert", Value: 0}}, bson.D{{Key: "insert", Value: 1}})
	ns := section(t, "nsInfo", bson.D{{Key: "ns", Value: "t.c"}})
	for name, msg := range map[string][]byte{
		"body first":         opMsgOf(0, body, ops, ns),
		"body in the middle": opMsgOf(0, ops, body, ns),
		"body last":          opMsgOf(0, ns, ops, body),
		"a wrong checksum":   opMsgOf(flagChecksum, ns, ops, body, []byte{1, 2, 3, 4}),
		"exhaust":            opMsgOf(flagExhaustAllowed, ops, ns, body),
		"unknown optional":   opMsgOf(1<<20, ops, ns, body),
	} {
		var r Request
		if err := r.parse(msg); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Body.Lookup("bulkWrite").Int32() != 1 || len(r.Sequences) != 2 || r.NoReply {
			t.Errorf("%s: %+v", name, r)
		}
		var names []string
		for _, s := range r.Sequences {
			names = append(names, s.Name)
			want := ops
			if s.Name == "nsInfo" {
				want = ns
			}
			if !slices.Equal(s.Docs, want[5+len(s.Name)+1:]) {
				t.Errorf("%s: the documents of %s are %x", name, s.Name, s.Docs)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, []string{"nsInfo", "ops"}) {
			t.Errorf("%s: %v", name, names)
		}
	}
	var r Request
	if err := r.parse(opMsgOf(flagMoreToCome, body)); err != nil || !r.NoReply {
		t.Errorf("more to come: %v, %+v", err, r)
	}
	for bit := range 16 {
		err := r.parse(opMsgOf(1<<bit, body, []byte{0, 0, 0, 0}[:4*(1-min(bit, 1))]))
		if known := bit < 2; known != (err == nil) || !known && !errors.Is(err, ErrMalformed) {
			t.Errorf("required flag %d: %v", bit, err)
		}
	}
	for name, msg := range map[string][]byte{
		"the same sequence twice": opMsgOf(0, body, ops, ops),
		"kind 2":                  opMsgOf(0, body, []byte{2, 4, 0, 0, 0}),
		"compressed":              message(opCompressed, []byte{1, 2, 3}),
		"a query of documents":    message(opQuery, append([]byte{0, 0, 0, 0}, "t.c\x00\x00\x00\x00\x00\xff\xff\xff\xff\x05\x00\x00\x00\x00"...)),
	} {
		if err := r.parse(msg); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLegacyHello: an OP_QUERY on $cmd is answered by an OP_REPLY with one document (mongo-engine.md §1.1).
func TestLegacyHello(t *testing.T) {
	doc, err := bson.Marshal(bson.D{{Key: "isMaster", Value: 1}, {Key: "helloOk", Value: true}})
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := bson.Marshal(bson.D{{Key: "$query", Value: bson.D{{Key: "isMaster", Value: 1}}}, {Key: "$readPreference", Value: bson.D{{Key: "mode", Value: "primary"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range [][]byte{doc, wrapped} {
		var r Request
		if err := r.parse(message(opQuery, append(append([]byte{0, 0, 0, 0}, "admin.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff"...), q...))); err != nil {
			t.Fatal(err)
		}
		if !r.Legacy || r.DB != "admin" || r.Body.Lookup("isMaster").Int32() != 1 {
			t.Errorf("%+v", r)
		}
		out := endReply(append(r.beginReply(nil), doc...), 0, 77)
		at := func(i int) uint32 { return binary.LittleEndian.Uint32(out[i:]) }
		if at(0) != uint32(len(out)) || at(4) != 77 || at(8) != 1 || at(12) != opReply || at(32) != 1 || !slices.Equal(out[36:], doc) {
			t.Errorf("the reply is %x", out)
		}
	}
}
