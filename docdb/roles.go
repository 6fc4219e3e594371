package docdb

import "go.mongodb.org/mongo-driver/v2/bson"

// rootRole is the only role there is: every user may do everything.
var rootRole = bson.D{{Key: "role", Value: "root"}, {Key: "db", Value: "admin"}}
