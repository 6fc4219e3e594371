package command

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

var readModes = []string{"primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"}

// checkReadPreference checks what drivers say about where to read. The only member is the answer to all of it that is sound.
func checkReadPreference(d bson.Raw) error {
	mode := ""
	tagged := false
	it := value.Over(d)
	for it.Next() {
		v := it.Value()
		switch it.Key() {
		case "mode":
			s, ok := value.Text(v)
			if !ok || !slices.Contains(readModes, s) {
				return mongoerr.New(mongoerr.FailedToParse, "Could not parse $readPreference mode '%s'. Only the modes '%s' are supported.", s, strings.Join(readModes, "', '"))
			}
			mode = strings.Clone(s)
		case "tags":
			if v.Type != bson.TypeArray {
				return wrongType("$readPreference.tags", v, array)
			}
			for _, set := range value.Elements(v.Value) {
				tagged = tagged || set.Type != bson.TypeEmbeddedDocument || value.Count(set.Value) > 0
			}
		case "maxStalenessSeconds":
			if n, ok := value.Integer(v); !ok || n < 0 {
				return mongoerr.New(mongoerr.BadValue, "maxStalenessSeconds value must be non-negative, found %s", value.Show(v))
			} else if n > 0 {
				tagged = true
			}
		case "hedge":
			if v.Type != bson.TypeEmbeddedDocument {
				return wrongType("$readPreference.hedge", v, object)
			}
		default:
			return mongoerr.New(40415, "BSON field '$readPreference.%s' is an unknown field.", it.Key())
		}
	}
	if mode == "" {
		return mongoerr.New(mongoerr.FailedToParse, "Could not parse $readPreference without a mode")
	}
	if tagged && mode == "primary" {
		return mongoerr.New(mongoerr.BadValue, "Only empty tags and no maxStalenessSeconds are allowed with primary read preference")
	}
	return nil
}
