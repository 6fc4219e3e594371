package exprtest

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// others is the member that "..." stands for.
const others = "..."

// Like reports whether a value is what a case expects: the same bytes, but for the expectation "any", which every value meets, and a
// document that ends in "...", which may have other members besides. A member that is "absent" must not be there.
func Like(got, want bson.RawValue) bool {
	if db, _, ok := want.DBPointerOK(); ok {
		return (got.Type != 0) == (db == "any")
	}
	if got.Type != want.Type {
		return false
	}
	if want.Type != bson.TypeEmbeddedDocument && want.Type != bson.TypeArray {
		return string(got.Value) == string(want.Value)
	}
	g, err := bson.Raw(got.Value).Elements()
	w, err2 := bson.Raw(want.Value).Elements()
	if err != nil || err2 != nil {
		return false
	}
	if want.Type == bson.TypeArray {
		if len(g) != len(w) {
			return false
		}
		for i := range w {
			if !Like(g[i].Value(), w[i].Value()) {
				return false
			}
		}
		return true
	}
	return likeMembers(bson.Raw(got.Value), g, w)
}

func likeMembers(doc bson.Raw, got, want []bson.RawElement) bool {
	open := len(want) > 0 && want[len(want)-1].Key() == others
	i := 0
	for _, w := range want {
		key := w.Key()
		switch db, _, _ := w.Value().DBPointerOK(); {
		case key == others:
		case open || db == "absent":
			v, _ := doc.LookupErr(key)
			if !Like(v, w.Value()) {
				return false
			}
		default:
			if i >= len(got) || got[i].Key() != key || !Like(got[i].Value(), w.Value()) {
				return false
			}
			i++
		}
	}
	return open || i == len(got)
}
