package stage

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func compileGeoNear(c *compiler, name string, spec bson.RawValue) ([]node, error) {
	return nil, mongoerr.New(mongoerr.NotImplemented, "%s is not supported yet", name)
}
