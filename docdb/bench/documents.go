package main

import (
	"encoding/binary"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// template is a document of about a given size whose numbers are set in place, so that making one costs next to nothing:
//
//	{_id: ObjectId, n: i (insertion order), k: scattered, g: "g00"–"g99", on: bool, v: double, pad: half random}
type template struct {
	doc            bson.Raw
	n, k, g, v, on int // where the values begin
	process        bson.ObjectID
}

func newTemplate(size int) *template {
	t := &template{process: bson.ObjectID{0x65, 0, 0, 0, 0xbe, 0x4c}}
	i, b := bsoncore.AppendDocumentStart(nil)
	b = bsoncore.AppendObjectIDElement(b, "_id", [12]byte(t.process))
	b = bsoncore.AppendInt32Element(b, "n", 0)
	t.n = len(b) - 4
	b = bsoncore.AppendInt32Element(b, "k", 0)
	t.k = len(b) - 4
	b = bsoncore.AppendStringElement(b, "g", "g00")
	t.g = len(b) - 4
	b = bsoncore.AppendBooleanElement(b, "on", false)
	t.on = len(b) - 1
	b = bsoncore.AppendDoubleElement(b, "v", 0)
	t.v = len(b) - 8
	// Half of the padding is random, so that it compresses to about a half.
	pad := make([]byte, max(0, size-len(b)-12))
	r := rand.New(rand.NewPCG(1, 2))
	for j := range pad {
		pad[j] = 'x'
		if j%2 == 0 {
			pad[j] = byte('a' + r.IntN(26))
		}
	}
	b = bsoncore.AppendStringElement(b, "pad", string(pad))
	b, _ = bsoncore.AppendDocumentEnd(b, i)
	t.doc = b
	return t
}

// idOffset is where the ObjectId begins: length 4, type 1, "_id" and its zero.
const idOffset = 9

// id is the _id of document i.
func (t *template) id(i int) bson.ObjectID {
	id := t.process
	binary.BigEndian.PutUint32(id[8:], uint32(i))
	return id
}

// scatter maps document numbers to others that are all over the place, one to one.
func scatter(i int) int32 { return int32(uint32(i) * 2654435761) }

// group is the group of document i, 0 to 99.
func group(i int) int { return int(uint32(scatter(i)) / 7 % 100) }

// make writes document i into dst.
func (t *template) make(dst []byte, i int) bson.Raw {
	d := append(dst[:0], t.doc...)
	id := t.id(i)
	copy(d[idOffset:], id[:])
	binary.LittleEndian.PutUint32(d[t.n:], uint32(i))
	binary.LittleEndian.PutUint32(d[t.k:], uint32(scatter(i)))
	g := group(i)
	d[t.g], d[t.g+1], d[t.g+2] = 'g', byte('0'+g/10), byte('0'+g%10)
	bits := uint64(0x3ff0000000000000) | uint64(i)<<20
	binary.LittleEndian.PutUint64(d[t.v:], bits)
	d[t.on] = byte(i & 1)
	return d
}
