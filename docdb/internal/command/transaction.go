package command

import (
	"time"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
)

// txnState is where a transaction is.
type txnState uint8

const (
	txnOpen txnState = iota
	txnCommitted
	txnAborted
)

// transaction is a session's multi-document transaction. Its snapshot is taken at its first operation.
type transaction struct {
	e        *Engine
	number   int64
	state    txnState
	tx       *store.Txn
	deadline time.Time
	// sync says whether commit waits for durability.
	wrote bool
}

// begin takes the snapshot if there is none yet.
func (t *transaction) begin() *store.Txn {
	if t.tx == nil {
		t.tx = t.e.st.Start()
	}
	return t.tx
}

func (t *transaction) abort() {
	if t.state != txnOpen {
		return
	}
	t.state = txnAborted
	if t.tx != nil {
		t.tx.Abort()
	}
}

// enterTransaction finds or starts the transaction of a command with autocommit: false. The session is locked.
func (c *call) enterTransaction(ss *session) error {
	if !c.cmd.InTransaction {
		return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Cannot run '%s' in a multi-document transaction.", c.name)
	}
	ending := c.cmd.Name == "commitTransaction" || c.cmd.Name == "abortTransaction"
	if c.hasWriteConcern && !ending {
		return mongoerr.New(mongoerr.InvalidOptions, "writeConcern is not allowed within a multi-statement transaction")
	}
	if !ending && (c.db == "config" || c.db == "local" || c.db == "admin") && c.cmd.Write && c.cmd.Name != "bulkWrite" {
		return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Cannot run command against the '%s' database in a transaction.", c.db)
	}
	if c.startTxn {
		if ending {
			return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Cannot run '%s' with startTransaction.", c.name)
		}
		switch c.readLevel {
		case "", "local", "majority", "snapshot":
		default:
			return mongoerr.New(mongoerr.InvalidOptions, "The readConcern level must be either 'local' (default), 'majority' or 'snapshot' in order to run in a transaction")
		}
		if c.txnNumber == ss.number {
			if ss.txn != nil && ss.txn.state == txnOpen && ss.txn.tx == nil {
				// The first command of the transaction came twice, before anything was done.
				c.txn = ss.txn
				return nil
			}
			if ss.txn == nil && ss.retry != nil {
				return mongoerr.New(50911, "Cannot start a transaction with number %d: it was used for a retryable write", c.txnNumber)
			}
			if ss.txn != nil {
				ss.endTransaction()
				return mongoerr.New(50911, "Cannot start a transaction at given transaction number %d: a transaction with the same number has been started", c.txnNumber)
			}
		}
		ss.endTransaction()
		ss.number, ss.retry = c.txnNumber, nil
		ss.txn = &transaction{e: c.e, number: c.txnNumber, deadline: c.e.opts.Now().Add(c.e.opts.TransactionTimeout)}
		c.txn = ss.txn
		return nil
	}
	if c.readLevel != "" {
		return mongoerr.New(mongoerr.InvalidOptions, "Only the first command in a transaction may specify a readConcern")
	}
	t := ss.txn
	if t == nil || t.number != c.txnNumber {
		err := mongoerr.New(mongoerr.NoSuchTransaction, "Given transaction number %d does not match any in-progress transactions. The active transaction number is %d", c.txnNumber, ss.number)
		if ending {
			return err
		}
		return err.WithLabels(mongoerr.LabelTransientTransaction)
	}
	if t.state == txnOpen && c.e.opts.Now().After(t.deadline) {
		t.abort()
	}
	switch {
	case ending:
	case t.state == txnCommitted:
		return mongoerr.New(mongoerr.TransactionCommitted, "Transaction %d has been committed.", c.txnNumber)
	case t.state == txnAborted:
		return mongoerr.New(mongoerr.NoSuchTransaction, "Transaction %d has been aborted.", c.txnNumber).WithLabels(mongoerr.LabelTransientTransaction)
	}
	c.txn = t
	return nil
}

func commitTransaction(c *call) error {
	if c.txn == nil {
		return mongoerr.New(125, "commitTransaction must be run within a transaction")
	}
	t := c.txn
	switch t.state {
	case txnCommitted:
		return nil
	case txnAborted:
		return mongoerr.New(mongoerr.NoSuchTransaction, "Transaction %d has been aborted.", c.txnNumber)
	}
	if t.tx == nil {
		t.state = txnCommitted
		return nil
	}
	if _, err := t.tx.Commit(c.sync()); err != nil {
		t.state = txnAborted
		return c.labelled(c.translate(err))
	}
	t.state = txnCommitted
	return nil
}

func abortTransaction(c *call) error {
	if c.txn == nil {
		return mongoerr.New(125, "abortTransaction must be run within a transaction")
	}
	switch c.txn.state {
	case txnCommitted:
		return mongoerr.New(mongoerr.TransactionCommitted, "Transaction %d has been committed.", c.txnNumber)
	case txnAborted:
		return mongoerr.New(mongoerr.NoSuchTransaction, "Transaction %d has been aborted.", c.txnNumber)
	}
	c.txn.abort()
	return nil
}
