package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// ErrLockTimeout says that a transaction's change of the catalogue has met another one, which goes on (mongo-engine.md §1.5).
var ErrLockTimeout = errors.New("the catalogue is being changed")

// lockPatience is how long a transaction waits for other changes of the catalogue.
const lockPatience = 5 * time.Millisecond

// lockCatalog takes the store's lock for changes of the catalogue, or gives up.
func (t *Txn) lockCatalog() error {
	for until := time.Now().Add(lockPatience); !t.s.ddl.TryLock(); {
		if time.Now().After(until) {
			return ErrLockTimeout
		}
		time.Sleep(lockPatience / 20)
	}
	return nil
}

// Create makes a collection or view inside the transaction, as Store.Create does. Others see it, empty, from now on; they are told of it
// when the transaction commits, and it is taken back when the transaction aborts.
func (t *Txn) Create(n NewCollection) (*Collection, error) {
	if err := t.lockCatalog(); err != nil {
		return nil, err
	}
	defer t.s.ddl.Unlock()
	n.Quiet = true
	c, err := t.s.create(n)
	if err != nil {
		return c, err
	}
	t.made = append(t.made, c)
	t.adopt(c)
	return c, nil
}

// CreateIndexes builds indexes on a collection without documents, as Store.CreateIndexes does.
func (t *Txn) CreateIndexes(ctx context.Context, c *Collection, specs []bson.Raw) error {
	if err := t.lockCatalog(); err != nil {
		return err
	}
	defer t.s.ddl.Unlock()
	if err := t.s.createIndexes(ctx, c, specs, slices.Contains(t.made, c)); err != nil {
		return err
	}
	t.adopt(c)
	return nil
}

// adopt notes that the transaction has itself made the collection or changed its indexes.
func (t *Txn) adopt(c *Collection) {
	if tc := t.colls[c]; tc != nil {
		tc.def = c.def.Load()
		return
	}
	t.colls[c] = &txnColl{def: c.def.Load()}
}

// events are the entries of the collections that the transaction has made.
func (t *Txn) events() ([]pending, error) {
	var out []pending
	for _, c := range t.made {
		d := t.colls[c].def
		if d.View {
			continue
		}
		cmds := []bson.D{createEvent(d)}
		if len(d.Indexes) > 1 {
			cmds = append(cmds, createIndexesEvent(d.Indexes[1:]))
		}
		for _, cmd := range cmds {
			doc, err := bson.Marshal(cmd)
			if err != nil {
				return nil, err
			}
			ch := change{kind: OpCommand, doc: doc}
			out = append(out, pending{kind: OpCommand, doc: appendEntry(nil, c, d, &ch, t.s.opts.Now(), nil, 0), coll: c})
		}
	}
	return out, nil
}

// unmake drops the collections that the transaction has made, unless somebody else has begun to use them.
func (t *Txn) unmake() {
	for _, c := range t.made {
		t.s.ddl.Lock()
		c.mu.RLock()
		unused := c.def.Load() == t.colls[c].def && c.Count() == 0 && len(c.held) == 0
		c.mu.RUnlock()
		if unused {
			// A disk that fails leaves an empty collection.
			_ = t.s.drop(c, true)
		}
		t.s.ddl.Unlock()
	}
	t.made = nil
}
