// Package docdb is an embedded document database that MongoDB drivers use as they use MongoDB.
//
//	db, err := docdb.Open("data", docdb.Options{})
//	…
//	client, err := mongo.Connect(db.ClientOptions())
//
// The client above talks to the database in memory: no socket, no goroutine in between. [DB.Serve] opens the same database to other
// programs over TCP.
//
// docdb behaves as the primary of a MongoDB replica set with one member: sessions, retryable writes, multi-document transactions
// and change streams work with unchanged drivers. What it does not implement is refused by name. A folder belongs to one process
// at a time. Writes are durable before they are acknowledged, unless the client says otherwise with j: false or w: 0.
package docdb
