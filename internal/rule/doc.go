// Package rule decides which documents and fields a user may see and change
// (app-services.md §5, §6).
//
// Compile turns an app's roles, filters and schemas into typed trees once, when
// the app loads; what it does not know is reported and false. A request takes
// the Namespace of its collection and an Access for its caller:
//
//	Query    what rules add to the request's own query, as far as a query can say it
//	Read     what may be read of a stored document
//	Match    whether a write sees a stored document; then Update or Delete judge
//	Insert   whether a new document is permitted
//	Validate what the schema says about the document that a write leaves behind
//
// A query only narrows; every decision is made on whole documents, here.
// Package oracle makes the same decisions a second, simpler time, for tests.
//
// Where the documentation of App Services contradicts itself or is silent, the
// reading is one row of ChoiceTable.
package rule
