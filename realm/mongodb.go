package realm

import "go.mongodb.org/mongo-driver/v2/bson"

// MongoDB is a MongoDB service of the app, seen by one user: every operation
// is checked by the app's rules for that user.
type MongoDB struct {
	user    *User
	service string
}

// ServiceName returns the name of the service.
func (m *MongoDB) ServiceName() string { return m.service }

// Database returns the database of that name. No request is made.
func (m *MongoDB) Database(name string) *Database { return &Database{mongodb: m, name: name} }

// Database is a database of a MongoDB service.
type Database struct {
	mongodb *MongoDB
	name    string
}

// Name returns the name of the database.
func (d *Database) Name() string { return d.name }

// Collection returns the collection of that name, with documents as bson.M.
// [CollectionOf] gives them a type. No request is made.
func (d *Database) Collection(name string) *Collection[bson.M] { return CollectionOf[bson.M](d, name) }
