// Package store keeps collections, indexes, the oplog and sessions' write results in one Pebble database.
//
// # Layout (frozen; format version 1, see meta key "version")
//
//	key                                             value
//	00 "version"                                    uint32 BE
//	00 "ids"                                        uint32 BE: last collection or index id given out
//	00 "counts"                                     uint64 BE: the time up to which the stored counts are true
//	00 "trimmed"                                    uint64 BE: the oplog is complete from this time on
//	01 [collection 4]                               BSON: catalogue entry (name, uuid, options, indexes)
//	02 [collection 4][record 8]                     the document
//	03 [index 4][fields' keys][record 8]            –          (index that is not unique)
//	03 [index 4][fields' keys]                      record 8   (unique index)
//	04 [time 8][sequence 4]                         BSON: oplog entry
//	05 [session id]                                 BSON: results of the session's last retryable write, the first page
//	06 [collection 4]                               [documents 8][bytes 8] as of "counts"
//	07 [name]                                       BSON: a user, or another named setting
//	08 [size of the id 2][session id][page 4]       BSON: further pages of results
//
// All integers are big-endian, so keys sort as their numbers do. Record ids grow for ever within a collection: natural order is
// insertion order. Fields' keys are described in package keys; an index's entry in the catalogue names the rules by which they are made
// (rulesFirst …), and an index keeps those for as long as it lives. Times are BSON timestamps (seconds in the upper half, a counter
// in the lower one) and grow strictly.
//
// Beside Pebble's files, the folder has CLEAN after it was closed: the time up to which all is written, and its files with their sizes and
// sums (see clean.go). A backup has it, too.
//
// # Guarantees
//
// A write is one atomic batch: documents, index entries, oplog entries, and the session's result. It is visible to readers
// when it is applied, and acknowledged after the log has been synced (unless the writer asked otherwise). Writers of one document
// or unique key take turns for the short time between reading the present state and applying the batch (see stripes); a write of many
// documents, a transaction's commit and a change of the catalogue have the collection to themselves for that time. All share syncs.
// Readers take no locks on what they read: they read snapshots, and documents from caches that answer as the snapshot would: single
// ones (see recordCache), and those of consecutive records together (see Pack). Whatever applies a batch with documents or index entries
// that readers may have seen goes through apply, which takes them out of the caches first. Readers share a snapshot for as long as
// nothing is written.
package store
