package command

import (
	"bytes"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/project"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

const (
	maxIndexes     = 64
	maxIndexFields = 32
)

func createIndexes(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	arr := c.arg("indexes").Array()
	if value.Count(arr) == 0 {
		return mongoerr.New(mongoerr.BadValue, "Must specify at least one index to create")
	}
	if err := checkQuorum(c.arg("commitQuorum")); err != nil {
		return err
	}
	before := c.e.st.Collection(c.db, name)
	coll, err := c.ensure(name)
	if err != nil {
		return err
	}
	made := before == nil
	if c.txn != nil && !made && (coll.Count() > 0 || c.txn.begin().Writes(coll)) {
		return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Cannot create new indexes on existing collection %s.%s in a multi-document transaction.", c.db, name)
	}
	d := coll.Def()
	was := len(d.Indexes)
	var specs []bson.Raw
	it := value.Over(arr)
	for it.Next() {
		in, ok := it.Value().DocumentOK()
		if !ok {
			return mongoerr.New(mongoerr.TypeMismatch, "The elements of the 'indexes' array must be objects, but got %s", value.TypeName(it.Value().Type))
		}
		spec, err := c.indexSpec(d, in, c.on("ignoreUnknownIndexOptions", false))
		if err != nil {
			return err
		}
		fresh, err := compareIndexes(d.Indexes, specs, spec)
		if err != nil {
			return err
		}
		if fresh {
			specs = append(specs, spec)
		}
	}
	if was+len(specs) > maxIndexes {
		return mongoerr.New(mongoerr.CannotCreateIndex, "add index fails, too many indexes for %s.%s", c.db, name)
	}
	if len(specs) > 0 {
		ctx, cancel := c.deadline()
		defer cancel()
		build := c.e.st.CreateIndexes
		if c.txn != nil {
			build = c.txn.begin().CreateIndexes
		}
		if err := build(ctx, coll, specs); err != nil {
			if k := keyError(err); k != nil {
				return k
			}
			return err
		}
	}
	c.int32("numIndexesBefore", was)
	c.int32("numIndexesAfter", was+len(specs))
	c.bool("createdCollectionAutomatically", made)
	if len(specs) == 0 {
		c.string("note", "all indexes already exist")
	} else {
		c.string("commitQuorum", "votingMembers")
	}
	return nil
}

// checkQuorum checks commitQuorum: the only member is every quorum that can be met.
func checkQuorum(v bson.RawValue) error {
	if v.Type == 0 {
		return nil
	}
	if s, ok := v.StringValueOK(); ok {
		if s != "majority" && s != "votingMembers" {
			return mongoerr.New(mongoerr.UnknownReplWriteConcern, "No write concern mode named '%s' found in replica set configuration", s)
		}
		return nil
	}
	n, ok := value.Integer(v)
	if !ok {
		return mongoerr.New(mongoerr.FailedToParse, "commitQuorum has to be a number or a string, but found: %s", value.TypeName(v.Type))
	}
	if n < 0 || n > 1 {
		return mongoerr.New(mongoerr.UnsatisfiableWriteConcern, "Commit quorum cannot be satisfied by a replica set of one member")
	}
	return nil
}

// indexSpec checks an index specification and gives it the form that listIndexes shows: v, key, name, options.
func (c *call) indexSpec(d *store.Def, in bson.Raw, lenient bool) (bson.Raw, error) {
	var key bson.Raw
	var name string
	hasName := false
	var options bson.D
	special := ""
	textOptions := bson.D{}
	seen := map[string]bool{}
	it := value.Over(in)
	for it.Next() {
		k, v := strings.Clone(it.Key()), it.Value()
		if seen[k] {
			return nil, mongoerr.New(mongoerr.BadValue, "field '%s' in an index specification twice", k)
		}
		seen[k] = true
		wrong := func(want string) error {
			return mongoerr.New(mongoerr.TypeMismatch, "The field '%s' must be %s, but got %s", k, want, value.TypeName(v.Type))
		}
		at := slices.IndexFunc(indexOptions, func(o indexOption) bool { return o.Name == k })
		switch {
		case at < 0 && lenient, at >= 0 && lenient && indexOptions[at].relic:
			continue // a dump of an old deployment has such options
		case at < 0:
			return nil, mongoerr.New(mongoerr.InvalidIndexSpecificationOption, "The field '%s' is not valid for an index specification. Specification: %s", k, value.ShowDoc(in))
		case indexOptions[at].Refused:
			return nil, mongoerr.New(mongoerr.InvalidIndexSpecificationOption, "docdb does not support the index option '%s'", k)
		}
		switch k {
		case "key":
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, wrong("an object")
			}
			key = bson.Raw(v.Value)
		case "name":
			if v.Type != bson.TypeString {
				return nil, wrong("a string")
			}
			name, hasName = v.StringValue(), true
		case "ns":
		case "v":
			n, ok := value.Integer(v)
			if !ok || n != 1 && n != 2 {
				return nil, mongoerr.New(mongoerr.CannotCreateIndex, "Invalid index specification: cannot create an index with v=%s; only v: 1 and v: 2 are supported", v)
			}
		case "unique", "sparse", "hidden", "background", "prepareUnique":
			if v.Type != bson.TypeBoolean && !value.IsNumber(v) {
				return nil, wrong("a boolean or a number")
			}
			if value.Truthy(v) && k != "background" {
				options = append(options, bson.E{Key: k, Value: true})
			} else if k == "background" {
				options = append(options, bson.E{Key: k, Value: v})
			}
		case "expireAfterSeconds":
			n, err := ttlSeconds(v)
			if err != nil {
				return nil, err
			}
			options = append(options, bson.E{Key: k, Value: n})
		case "partialFilterExpression":
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, wrong("an object")
			}
			if err := checkPartial(v.Value, 0); err != nil {
				return nil, err
			}
			if _, err := match.Compile(v.Value, matchOptions(nil, nil, expr.Options{})); err != nil {
				return nil, err
			}
			options = append(options, bson.E{Key: k, Value: v})
		case "collation":
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, wrong("an object")
			}
			_, full, err := fullCollation(v.Value)
			if err != nil {
				return nil, err
			}
			if full != nil {
				options = append(options, bson.E{Key: k, Value: full})
			}
		case "wildcardProjection":
			if v.Type != bson.TypeEmbeddedDocument || len(v.Value) <= 5 {
				return nil, mongoerr.New(mongoerr.FailedToParse, "The 'wildcardProjection' field must be a non-empty object")
			}
			if _, err := project.Compile(v.Value, project.Options{}); err != nil {
				return nil, err
			}
			options = append(options, bson.E{Key: k, Value: v})
		case "weights", "default_language", "language_override", "textIndexVersion":
			textOptions = append(textOptions, bson.E{Key: k, Value: v})
		case "2dsphereIndexVersion", "bits", "min", "max":
			if !value.IsNumber(v) {
				return nil, wrong("a number")
			}
			options = append(options, bson.E{Key: k, Value: v})
		}
	}
	if key == nil {
		return nil, mongoerr.New(40414, "BSON field 'createIndexes.indexes.key' is missing but a required field")
	}
	if !hasName {
		return nil, mongoerr.New(40414, "BSON field 'createIndexes.indexes.name' is missing but a required field")
	}
	if name == "" {
		return nil, mongoerr.New(mongoerr.CannotCreateIndex, "index name cannot be empty")
	}
	if name == "*" {
		return nil, mongoerr.New(mongoerr.BadValue, "The index name '*' is not valid.")
	}
	kind, err := checkKey(key)
	if err != nil {
		return nil, err
	}
	special = kind
	isID := value.Count(key) == 1 && value.Lookup(key, "_id").Type != 0 && special == ""
	if isID {
		if f, _ := value.Float64(value.Lookup(key, "_id")); f == 1 {
			for _, o := range options {
				switch o.Key {
				case "collation":
					if !bytes.Equal(o.Value.(bson.Raw), d.Collation) {
						return nil, mongoerr.New(mongoerr.BadValue, "The _id index must have the same collation as the collection.")
					}
				case "background", "unique":
				default:
					return nil, mongoerr.New(mongoerr.InvalidIndexSpecificationOption, "The field '%s' is not valid for an _id index specification.", o.Key)
				}
			}
			return d.Indexes[0].Spec, nil
		}
	}
	if name == "_id_" {
		return nil, mongoerr.New(mongoerr.BadValue, "The index name '_id_' is reserved for the _id index, which must have key pattern {_id: 1}, found key: %s", value.ShowDoc(key))
	}
	has := func(k string) bool { return find2(options, k) }
	if has("sparse") && has("partialFilterExpression") {
		return nil, mongoerr.New(mongoerr.CannotCreateIndex, "cannot mix \"partialFilterExpression\" and \"sparse\" options")
	}
	if isID && has("partialFilterExpression") {
		return nil, mongoerr.New(mongoerr.CannotCreateIndex, "_id index cannot be a partial index")
	}
	if isID && has("sparse") {
		return nil, mongoerr.New(mongoerr.CannotCreateIndex, "_id index cannot be sparse")
	}
	if has("expireAfterSeconds") && (value.Count(key) != 1 || isID) {
		return nil, mongoerr.New(mongoerr.CannotCreateIndex, "TTL indexes are single-field indexes, compound indexes do not support TTL. Index spec: %s", value.ShowDoc(in))
	}
	if has("wildcardProjection") && special != "wildcard" {
		return nil, mongoerr.New(mongoerr.BadValue, "The field 'wildcardProjection' is only allowed in an 'wildcard' index")
	}
	switch special {
	case "wildcard":
		if err := checkWildcard(key, options); err != nil {
			return nil, err
		}
	case "hashed":
		if has("unique") {
			return nil, mongoerr.New(16764, "Currently hashed indexes cannot guarantee uniqueness. Use a regular index.")
		}
	case "text":
		if key, options, err = textSpec(key, options, textOptions); err != nil {
			return nil, err
		}
		textOptions = nil
		for _, ix := range d.Indexes {
			if hasText(ix) && ix.Name != name {
				return nil, mongoerr.New(mongoerr.CannotCreateIndex, "only one text index per collection allowed, found existing text index \"%s\"", ix.Name)
			}
		}
	case "2dsphere":
		if !has("2dsphereIndexVersion") {
			options = append(options, bson.E{Key: "2dsphereIndexVersion", Value: int32(3)})
		}
	}
	if len(textOptions) > 0 && special != "text" {
		return nil, mongoerr.New(mongoerr.InvalidIndexSpecificationOption, "The field '%s' is only allowed for text indexes", textOptions[0].Key)
	}
	if !seen["collation"] && d.Collation != nil && special != "text" && special != "2d" {
		options = append(options, bson.E{Key: "collation", Value: d.Collation})
	}
	out, err := bson.Marshal(append(bson.D{{Key: "v", Value: int32(2)}, {Key: "key", Value: key}, {Key: "name", Value: name}}, options...))
	return out, err
}

func find2(d bson.D, key string) bool {
	for _, e := range d {
		if e.Key == key {
			return true
		}
	}
	return false
}

func ttlSeconds(v bson.RawValue) (int64, error) {
	if !value.IsNumber(v) {
		return 0, mongoerr.New(mongoerr.TypeMismatch, "TTL index 'expireAfterSeconds' option must be numeric, but received a type of '%s'", value.TypeName(v.Type))
	}
	n, _ := value.Truncated(v)
	if n < 0 {
		return 0, mongoerr.New(mongoerr.CannotCreateIndex, "TTL index 'expireAfterSeconds' option cannot be less than 0")
	}
	if n > 1<<31-1 {
		return 0, mongoerr.New(mongoerr.CannotCreateIndex, "TTL index 'expireAfterSeconds' option must be within an acceptable range, try a different value than %d", n)
	}
	return n, nil
}

// checkKey checks a key pattern and names its special kind.
func checkKey(key bson.Raw) (kind string, err error) {
	if len(key) <= 5 {
		return "", mongoerr.New(mongoerr.CannotCreateIndex, "Index keys cannot be empty.")
	}
	n := 0
	seen := map[string]bool{}
	it := value.Over(key)
	for it.Next() {
		n++
		path, v := strings.Clone(it.Key()), it.Value()
		if seen[path] {
			return "", mongoerr.New(mongoerr.CannotCreateIndex, "Index key contains the field '%s' twice", path)
		}
		seen[path] = true
		wild := isWildcard(path)
		if path == "" {
			return "", mongoerr.New(mongoerr.CannotCreateIndex, "Index keys cannot be an empty field.")
		}
		switch {
		case v.Type == bson.TypeString:
			s := v.StringValue()
			switch known := slices.ContainsFunc(plugins, func(p Documented) bool { return p.Name == s }); {
			case !known:
				return "", mongoerr.New(mongoerr.CannotCreateIndex, "Unknown index plugin '%s'", s)
			case kind != "" && kind != s:
				return "", mongoerr.New(mongoerr.CannotCreateIndex, "Can't use more than one index plugin for a single index.")
			case kind == "hashed":
				return "", mongoerr.New(31303, "A maximum of one index field is allowed to be hashed but found 2 for 'key' %s", value.ShowDoc(key))
			}
			kind = s
		case value.IsNumber(v):
			f, _ := value.Float64(v)
			if f == 0 || f != f {
				return "", mongoerr.New(mongoerr.CannotCreateIndex, "Values in the index key pattern cannot be 0.")
			}
			if wild && kind == "wildcard" {
				return "", mongoerr.New(mongoerr.CannotCreateIndex, "wildcard indexes do not allow more than one wildcard field")
			}
			if wild && kind != "" {
				return "", mongoerr.New(mongoerr.CannotCreateIndex, "wildcard indexes do not allow fields of the kind '%s'", kind)
			}
			if wild {
				kind = "wildcard"
			}
		default:
			return "", mongoerr.New(mongoerr.CannotCreateIndex, "Values in v:2 index key pattern cannot be of type %s. Only numbers > 0, numbers < 0, and strings are allowed.", value.TypeName(v.Type))
		}
		if wild {
			continue
		}
		for _, p := range strings.Split(path, ".") {
			if p == "" {
				return "", mongoerr.New(mongoerr.CannotCreateIndex, "Index keys cannot contain an empty field.")
			}
			if strings.HasPrefix(p, "$") && p != "$id" && p != "$ref" && p != "$db" {
				return "", mongoerr.New(mongoerr.CannotCreateIndex, "Index key contains an illegal field name: field name starts with '$'.")
			}
		}
	}
	if n > maxIndexFields {
		return "", mongoerr.New(13103, "too many compound keys")
	}
	return kind, nil
}

// checkPartial refuses what a partial index's filter may not hold.
func checkPartial(f bson.Raw, depth int) error {
	bad := func(what string) error {
		return mongoerr.New(mongoerr.CannotCreateIndex, "Expression not supported in partial index: %s", what)
	}
	if depth > 4 {
		return bad("nesting is too deep")
	}
	it := value.Over(f)
	for it.Next() {
		k, v := it.Key(), it.Value()
		if k == "$and" || k == "$or" {
			for _, d := range value.Elements(v.Value) {
				if d.Type != bson.TypeEmbeddedDocument {
					return bad(k)
				}
				if err := checkPartial(d.Value, depth+1); err != nil {
					return err
				}
			}
			continue
		}
		if strings.HasPrefix(k, "$") {
			return bad(k)
		}
		if v.Type == bson.TypeRegex {
			return bad("a regular expression")
		}
		if v.Type != bson.TypeEmbeddedDocument {
			continue
		}
		ops := value.Over(v.Value)
		for ops.Next() {
			switch o := ops.Key(); {
			case o == "$exists":
				if !value.Truthy(ops.Value()) {
					return bad("$exists: false")
				}
			case o == "$eq", o == "$gt", o == "$gte", o == "$lt", o == "$lte", o == "$type", o == "$in", o == "$geoWithin", o == "$geoIntersects":
			case strings.HasPrefix(o, "$"):
				return bad(o)
			}
		}
	}
	return nil
}

// compareIndexes finds out whether an index is new; one that is there under other options is an error.
func compareIndexes(have []*store.Index, added []bson.Raw, spec bson.Raw) (fresh bool, err error) {
	name := value.Lookup(spec, "name").StringValue()
	key := value.Lookup(spec, "key").Document()
	check := func(other bson.Raw) (same bool, err error) {
		oname := value.Lookup(other, "name").StringValue()
		okey := value.Lookup(other, "key").Document()
		signature := sameKey(key, okey) && sameOption(spec, other, "collation") && sameOption(spec, other, "partialFilterExpression") &&
			sameFlag(spec, other, "unique") && sameFlag(spec, other, "sparse") && sameOption(spec, other, "wildcardProjection")
		options := sameFlag(spec, other, "hidden") && sameOption(spec, other, "expireAfterSeconds") && sameWeights(spec, other)
		switch {
		case signature && options && name == oname:
			return true, nil
		case signature && options:
			return false, mongoerr.New(mongoerr.IndexOptionsConflict, "Index already exists with a different name: %s", oname)
		case signature && name != oname:
			return false, mongoerr.New(mongoerr.IndexOptionsConflict, "An equivalent index already exists with a different name and options. Requested index: %s, existing index: %s", value.ShowDoc(spec), value.ShowDoc(other))
		case signature:
			return false, mongoerr.New(mongoerr.IndexOptionsConflict, "An equivalent index already exists with the same name but different options. Requested index: %s, existing index: %s", value.ShowDoc(spec), value.ShowDoc(other))
		case name == oname:
			return false, mongoerr.New(mongoerr.IndexKeySpecsConflict, "An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: %s, existing index: %s", value.ShowDoc(spec), value.ShowDoc(other))
		}
		return false, nil
	}
	for _, ix := range have {
		if same, err := check(ix.Spec); same || err != nil {
			return false, err
		}
	}
	for _, s := range added {
		if same, err := check(s); same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func sameOption(a, b bson.Raw, key string) bool {
	x, y := value.Lookup(a, key), value.Lookup(b, key)
	if x.Type == 0 || y.Type == 0 {
		return x.Type == y.Type
	}
	return value.Equal(x, y)
}

// sameWeights compares the weights of two text indexes, in whatever order they are.
func sameWeights(a, b bson.Raw) bool {
	x, _ := value.Lookup(a, "weights").DocumentOK()
	y, _ := value.Lookup(b, "weights").DocumentOK()
	for it := value.Over(x); it.Next(); {
		if !value.Equal(it.Value(), value.Lookup(y, it.Key())) {
			return false
		}
	}
	return value.Count(x) == value.Count(y)
}

func sameFlag(a, b bson.Raw, key string) bool {
	return value.Truthy(value.Lookup(a, key)) == value.Truthy(value.Lookup(b, key))
}

func dropIndexes(c *call) error {
	name, err := c.collName()
	if err != nil {
		return err
	}
	coll, err := c.collection(name)
	if err != nil {
		return err
	}
	if coll == nil {
		return mongoerr.New(mongoerr.NamespaceNotFound, "ns not found %s.%s", c.db, name)
	}
	d := coll.Def()
	var names []string
	one := func(v bson.RawValue) error {
		s, ok := v.StringValueOK()
		if !ok {
			return mongoerr.New(mongoerr.TypeMismatch, "dropIndexes: index must be a string or an object, got %s", value.TypeName(v.Type))
		}
		if s == "_id_" {
			return mongoerr.New(mongoerr.InvalidOptions, "cannot drop _id index")
		}
		if d.Index(s) == nil {
			return mongoerr.New(mongoerr.IndexNotFound, "index not found with name [%s]", s)
		}
		names = append(names, s)
		return nil
	}
	switch v := c.arg("index"); v.Type {
	case bson.TypeString:
		if v.StringValue() == "*" {
			for _, ix := range d.Indexes[1:] {
				names = append(names, ix.Name)
			}
			break
		}
		if err := one(v); err != nil {
			return err
		}
	case bson.TypeArray:
		for _, e := range value.Elements(v.Value) {
			if err := one(e); err != nil {
				return err
			}
		}
	case bson.TypeEmbeddedDocument:
		var found []*store.Index
		for _, ix := range d.Indexes {
			if sameKey(ix.Key, v.Value) {
				found = append(found, ix)
			}
		}
		switch {
		case len(found) == 0:
			return mongoerr.New(mongoerr.IndexNotFound, "can't find index with key: %s", value.ShowDoc(v.Value))
		case len(found) > 1:
			return mongoerr.New(mongoerr.AmbiguousIndexKeyPattern, "%d indexes found for key: %s, identify by name instead", len(found), value.ShowDoc(v.Value))
		case found[0].IsID():
			return mongoerr.New(mongoerr.InvalidOptions, "cannot drop _id index")
		}
		names = append(names, found[0].Name)
	default:
		return wrongType("dropIndexes.index", v, textValue)
	}
	was := len(d.Indexes)
	if err := c.e.st.DropIndexes(coll, names); err != nil {
		if err == store.ErrIndexNotFound {
			return mongoerr.New(mongoerr.IndexNotFound, "index not found")
		}
		return err
	}
	c.int32("nIndexesWas", was)
	if v, ok := c.arg("index").StringValueOK(); ok && v == "*" {
		c.string("msg", "non-_id indexes dropped for collection")
	}
	return nil
}
