package store

import (
	"fmt"
	"maps"
	"sort"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

type nsKey struct{ db, coll string }

// catalogEntry is how a collection is stored.
type catalogEntry struct {
	DB       string       `bson:"db"`
	Name     string       `bson:"name"`
	UUID     bson.Binary  `bson:"uuid"`
	View     bool         `bson:"view,omitempty"`
	Options  bson.Raw     `bson:"options"`
	Indexes  []indexEntry `bson:"indexes"`
	Multikey bool         `bson:"-"`
}

type indexEntry struct {
	ID       int64    `bson:"id"`
	Spec     bson.Raw `bson:"spec"`
	Multikey int64    `bson:"multikey"`
	Built    int64    `bson:"built"`
	Rules    int      `bson:"rules,omitempty"`
}

// Lookup finds a collection or view by its name; nil where there is none. The names may share memory that changes later.
func (s *Store) Lookup(db, coll []byte) *Collection {
	return (*s.names.Load())[nsKey{string(db), string(coll)}]
}

// Collection finds a collection or view by its name; nil where there is none.
func (s *Store) Collection(db, coll string) *Collection {
	return (*s.names.Load())[nsKey{db, coll}]
}

// ByID finds a collection by its id.
func (s *Store) ByID(id uint32) *Collection {
	for _, c := range *s.names.Load() {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// Collections lists a database's collections and views by name.
func (s *Store) Collections(db string) []*Collection {
	var out []*Collection
	for k, c := range *s.names.Load() {
		if k.db == db {
			out = append(out, c)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Def().Name < out[j].Def().Name })
	return out
}

// All lists every collection and view.
func (s *Store) All() []*Collection {
	out := make([]*Collection, 0, len(*s.names.Load()))
	for _, c := range *s.names.Load() {
		out = append(out, c)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Def().Namespace() < out[j].Def().Namespace() })
	return out
}

// Databases lists the names of all databases that have a collection.
func (s *Store) Databases() []string {
	seen := map[string]bool{}
	for k := range *s.names.Load() {
		seen[k.db] = true
	}
	out := make([]string, 0, len(seen))
	for n := range seen {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

// DatabaseLike finds a database whose name differs by case only.
func (s *Store) DatabaseLike(name string) (string, bool) {
	for k := range *s.names.Load() {
		if k.db != name && strings.EqualFold(k.db, name) {
			return k.db, true
		}
	}
	return "", false
}

// register changes the map of names; the caller holds ddl.
func (s *Store) register(change func(map[nsKey]*Collection)) {
	m := maps.Clone(*s.names.Load())
	change(m)
	s.names.Store(&m)
}

// newDef makes a definition from options as they are stored.
func (s *Store) newDef(db, name string, view bool, options bson.Raw, indexes []*Index) (*Def, error) {
	d := &Def{DB: db, Name: name, View: view, Options: options, Indexes: indexes}
	els, err := options.Elements()
	if err != nil {
		return nil, err
	}
	for _, e := range els {
		v := e.Value()
		switch e.Key() {
		case "viewOn":
			d.On, _ = v.StringValueOK()
		case "pipeline":
			a, _ := v.ArrayOK()
			d.Pipeline = bson.Raw(a)
		case "capped":
			d.Capped = truthy(v)
		case "size":
			d.MaxSize, _ = v.AsInt64OK()
		case "max":
			d.MaxDocs, _ = v.AsInt64OK()
		case "collation":
			d.Collation, _ = v.DocumentOK()
		case "changeStreamPreAndPostImages":
			if o, ok := v.DocumentOK(); ok {
				d.Images = truthy(o.Lookup("enabled"))
			}
		}
	}
	if d.Validate, err = s.lang.Validator(options); err != nil {
		return nil, err
	}
	return d, nil
}

func (c *Collection) entry(d *Def) ([]byte, error) {
	e := catalogEntry{DB: d.DB, Name: d.Name, UUID: bson.Binary{Subtype: 4, Data: c.UUID[:]}, View: d.View, Options: d.Options}
	for _, ix := range d.Indexes {
		ix.multikey.written = ix.Multikey()
		e.Indexes = append(e.Indexes, indexEntry{ID: int64(ix.ID), Spec: ix.Spec, Multikey: int64(ix.multikey.written), Built: int64(ix.Built), Rules: ix.rules})
	}
	return bson.Marshal(e)
}

func (c *Collection) putEntry(b *pebble.Batch, d *Def) error {
	v, err := c.entry(d)
	if err != nil {
		return err
	}
	return b.Set(prefix32(spaceCatalog, c.ID), v, nil)
}

// loadCatalog reads all collections.
func (s *Store) loadCatalog() error {
	m := map[nsKey]*Collection{}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceCatalog}, UpperBound: []byte{spaceCatalog + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		id := uint32(recordIDOf(append([]byte{0, 0, 0, 0}, it.Key()[1:]...)))
		var e catalogEntry
		if err := bson.Unmarshal(it.Value(), &e); err != nil {
			return fmt.Errorf("catalogue entry %d: %w", id, err)
		}
		c := &Collection{ID: id, store: s}
		copy(c.UUID[:], e.UUID.Data)
		var indexes []*Index
		for _, ie := range e.Indexes {
			ix, err := newIndex(uint32(ie.ID), ie.Spec, uint64(ie.Multikey), ie.Rules, s.lang, s.opts.Now())
			if err != nil {
				return fmt.Errorf("%s.%s: %w", e.DB, e.Name, err)
			}
			ix.Built = uint64(ie.Built)
			indexes = append(indexes, ix)
		}
		d, err := s.newDef(e.DB, e.Name, e.View, e.Options, indexes)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", e.DB, e.Name, err)
		}
		c.def.Store(d)
		m[nsKey{e.DB, e.Name}] = c
	}
	s.names.Store(&m)
	return it.Error()
}
