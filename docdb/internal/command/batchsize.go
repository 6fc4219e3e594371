package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// cursorBatchSize reads the cursor argument of aggregate and the list commands.
func cursorBatchSize(d bson.Raw) (int64, error) {
	it := value.Over(d)
	n := int64(defaultBatch)
	for it.Next() {
		if it.Key() != "batchSize" {
			return 0, mongoerr.New(40415, "BSON field 'cursor.%s' is an unknown field.", it.Key())
		}
		if !value.IsNumber(it.Value()) {
			return 0, wrongType("cursor.batchSize", it.Value(), integer)
		}
		v, err := whole(it.Value(), "batchSize")
		if err != nil {
			return 0, err
		}
		if v < 0 {
			return 0, mongoerr.New(51024, "BSON field 'batchSize' value must be >= 0, actual value '%d'", v)
		}
		n = v
	}
	return n, nil
}
