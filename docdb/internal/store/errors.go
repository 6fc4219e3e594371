package store

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Errors that callers tell apart.
var (
	// ErrLocked: another process has the folder open.
	ErrLocked = errors.New("another process has this folder open")
	// ErrFormat: the folder was written by a newer version.
	ErrFormat = errors.New("the folder was written by a newer version of docdb")
	// ErrWriteConflict: a transaction met a document that changed after its snapshot, or that another open one has written.
	ErrWriteConflict = errors.New("write conflict")
	// ErrTransactionTooLarge: a transaction's writes went beyond the limit.
	ErrTransactionTooLarge = errors.New("the transaction's writes are larger than the limit")
	// ErrTransactionsFull: the writes of all open transactions together went beyond the limit.
	ErrTransactionsFull = errors.New("the open transactions together hold as much as there may be; try again")
	// ErrTransactionDone: the transaction has been aborted or committed.
	ErrTransactionDone = errors.New("the transaction has ended")
	// ErrCollectionGone: the collection was dropped while it was in use.
	ErrCollectionGone = errors.New("the collection was dropped")
	// ErrNamespaceExists: a collection or view of that name is there already.
	ErrNamespaceExists = errors.New("namespace exists")
	// ErrNamespaceNotFound: there is no such collection.
	ErrNamespaceNotFound = errors.New("namespace not found")
	// ErrIndexNotFound: there is no such index.
	ErrIndexNotFound = errors.New("index not found")
	// ErrNeedLock is never seen by callers: a write has to wait for a transaction and start again.
	ErrNeedLock = errors.New("the document is held by an open transaction")
)

// Damaged says in one line that a file holds what was not written to it, and what to do; it gives other errors back as they are.
func Damaged(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("a file of the database is missing: %w; restore a backup", err)
	}
	if err == nil || !IsCorruption(err) {
		return err
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("a file of the database is damaged: %s; check the disk and restore a backup", text)
}

// IsCorruption reports whether an error says that a file holds what was not written to it.
func IsCorruption(err error) bool { return pebble.IsCorruptionError(err) }

// DuplicateKeyError says that a unique index already has the key of a document.
type DuplicateKeyError struct {
	DB, Coll string
	Index    *Index
	// Key is the key of the present document, as the fields of the index name it.
	Values []bson.RawValue
	// Found is the record that has the key.
	Found RecordID
}

func (e *DuplicateKeyError) Error() string {
	return fmt.Sprintf("E11000 duplicate key error collection: %s.%s index: %s", e.DB, e.Coll, e.Index.Name)
}

// ParallelWriteError marks a write that has to wait for Done and be tried again: an open transaction holds the document.
type heldError struct{ done <-chan struct{} }

func (e *heldError) Error() string { return ErrNeedLock.Error() }
func (e *heldError) Unwrap() error { return ErrNeedLock }
