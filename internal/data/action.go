package data

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// scope says what an action works on.
type scope uint8

const (
	scopeCollection scope = iota
	scopeDatabase
	scopeService
)

// action is a row of the table of actions.
type action struct {
	run    func(*request) (bson.RawValue, error)
	scope  scope
	system bool // for system callers only
	help   string
}

// actions is the table of what Do performs: the SDKs' thirteen (client-api.md
// §1.17; watch is Service.Watch), what we add on the wire, and what only
// functions send.
var actions = map[string]*action{
	"find":              {run: (*request).find, help: "documents that match query, by sort, skip, limit and project"},
	"findOne":           {run: (*request).findOne, help: "the first document that matches query, or null"},
	"findOneAndUpdate":  {run: (*request).findOneAndUpdate, help: "changes one document and returns it"},
	"findOneAndReplace": {run: (*request).findOneAndReplace, help: "replaces one document and returns it; without update it deletes"},
	"findOneAndDelete":  {run: (*request).findOneAndDelete, help: "deletes one document and returns it"},
	"aggregate":         {run: (*request).aggregate, help: "runs a pipeline over the readable documents"},
	"count":             {run: (*request).count, help: "number of readable documents that match query"},
	"countDocuments":    {run: (*request).count, help: "as count"},
	"distinct":          {run: (*request).distinct, help: "the distinct values of key in the documents that match query"},
	"insertOne":         {run: (*request).insertOne, help: "inserts document"},
	"insertMany":        {run: (*request).insertMany, help: "inserts documents in order"},
	"updateOne":         {run: (*request).updateOne, help: "changes the first document that matches query"},
	"updateMany":        {run: (*request).updateMany, help: "changes every document that matches query"},
	"replaceOne":        {run: (*request).replaceOne, help: "replaces the first document that matches query"},
	"deleteOne":         {run: (*request).deleteOne, help: "deletes the first document that matches query"},
	"deleteMany":        {run: (*request).deleteMany, help: "deletes every document that matches query"},
	"bulkWrite":         {run: (*request).bulkWrite, help: "performs operations in one transaction for users"},

	"startTransaction":  {run: (*request).startTransaction, scope: scopeService, help: "begins a transaction of the running function"},
	"commitTransaction": {run: (*request).commitTransaction, scope: scopeService, help: "commits it"},
	"abortTransaction":  {run: (*request).abortTransaction, scope: scopeService, help: "takes it back"},

	"dbAggregate":        {run: (*request).dbAggregate, scope: scopeDatabase, system: true, help: "runs a pipeline on a database"},
	"getCollectionNames": {run: (*request).getCollectionNames, scope: scopeDatabase, system: true, help: "names of a database's collections"},
	"getDBNames":         {run: (*request).getDBNames, scope: scopeService, system: true, help: "names of the databases"},
	"createCollection":   {run: (*request).createCollection, system: true, help: "creates a collection with options"},
	"dropCollection":     {run: (*request).dropCollection, system: true, help: "drops a collection"},
	"createIndex":        {run: (*request).createIndex, system: true, help: "creates an index on keys with options"},
	"dropIndex":          {run: (*request).dropIndex, system: true, help: "drops the index name"},
	"listIndexes":        {run: (*request).listIndexes, system: true, help: "a collection's indexes"},
	"getIndexes":         {run: (*request).listIndexes, system: true, help: "as listIndexes"},
}

// Actions lists the names of all actions with a line of help each.
func Actions() map[string]string {
	out := make(map[string]string, len(actions))
	for name, a := range actions {
		out[name] = a.help
	}
	return out
}
