package ejson_test

import (
	"testing"

	"regent/internal/ejson"
)

var sample = []byte(`{"service":"mongodb-atlas","name":"insertOne","arguments":[{"database":"bench","collection":"docs","document":{"_id":{"$oid":"5f0e9d5b8c2f4b1a2c3d4e5f"},"owner_id":"5f0e9d5b8c2f4b1a2c3d4e5f","text":"lorem ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum","done":false,"n":{"$numberInt":"7"},"created":{"$date":{"$numberLong":"1700000000000"}}}}]}`)

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ejson.Parse(sample); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	v, err := ejson.Parse(sample)
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = ejson.Append(dst[:0], v); err != nil {
			b.Fatal(err)
		}
	}
}
