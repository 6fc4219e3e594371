package data

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/fault"
	"regent/internal/rule"
)

// What users may send to the database. Everything is allow-listed: what is not
// here is refused by name, at any depth (app-services.md §4.9, rules-attacks.md
// 4 and 5). System callers are not restricted.

// maxQueryDepth bounds the nesting of queries, updates and pipelines.
const maxQueryDepth = 100

func set(names string) map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(names) {
		m["$"+n] = true
	}
	return m
}

var (
	// queryOperators may stand under a field of a query.
	queryOperators = set(`eq ne gt gte lt lte in nin exists type mod regex options all elemMatch size not comment`)

	// refusedOperators are MongoDB's, yet not for users.
	refusedOperators = set(`expr where function accumulator jsonSchema text search geoWithin geoIntersects near nearSphere
		geometry box center centerSphere polygon maxDistance minDistance bitsAllSet bitsAnySet bitsAllClear bitsAnyClear sampleRate rand natural meta`)

	// updateOperators may stand at the top of an update.
	updateOperators = set(`set unset inc mul min max rename currentDate setOnInsert push pull pullAll addToSet pop bit`)

	// pipelineUpdateStages may stand in an update that is a pipeline.
	pipelineUpdateStages = set(`set addFields unset project replaceRoot replaceWith`)

	// stages may stand in a pipeline of a user.
	stages = set(`match project addFields set unset group sort limit skip unwind count sortByCount bucket bucketAuto
		replaceRoot replaceWith redact sample setWindowFields fill densify search vectorSearch`)

	// refusedStages are MongoDB's, yet not for users: they reach other collections
	// or tell about the deployment.
	refusedStages = set(`collStats facet geoNear graphLookup indexStats lookup merge out unionWith currentOp listSessions
		listLocalSessions listSampledQueries listSearchIndexes planCacheStats changeStream changeStreamSplitLargeEvent documents searchMeta rankFusion scoreFusion
		shardedDataDistribution querySettings queryStats`)

	// expressionOperators may stand anywhere inside the stages of a user: the
	// expressions and accumulators of MongoDB that compute from their arguments.
	expressionOperators = set(`abs add ceil divide exp floor ln log log10 mod multiply pow round sqrt subtract trunc
		arrayElemAt arrayToObject concatArrays filter first firstN in indexOfArray isArray last lastN map maxN minN objectToArray range reduce
		reverseArray size slice sortArray zip and or not nor cmp eq gt gte lt lte ne cond ifNull switch
		dateAdd dateDiff dateFromParts dateFromString dateSubtract dateToParts dateToString dateTrunc dayOfMonth dayOfWeek dayOfYear hour isoDayOfWeek
		isoWeek isoWeekYear millisecond minute month second toDate week year tsIncrement tsSecond
		literal getField setField unsetField mergeObjects let allElementsTrue anyElementTrue setDifference setEquals setIntersection setUnion
		concat indexOfBytes indexOfCP ltrim regexFind regexFindAll regexMatch replaceOne replaceAll rtrim split strLenBytes strLenCP strcasecmp
		substr substrBytes substrCP toLower toString toUpper trim sin cos tan asin acos atan atan2 asinh acosh atanh sinh cosh tanh
		degreesToRadians radiansToDegrees convert isNumber toBool toDecimal toDouble toInt toLong toObjectId toUUID type bitAnd bitOr bitXor bitNot
		binarySize bsonSize addToSet avg bottom bottomN count max median min percentile push stdDevPop stdDevSamp sum top topN
		covariancePop covarianceSamp denseRank derivative documentNumber expMovingAvg integral linearFill locf rank shift minMaxScaler
		regex options exists nin all elemMatch comment unset set`)
)

func refuse(what, name string) error {
	return fault.New(fault.MongoDBError, "%s %s is not allowed for users", what, name)
}

func mongoFault(format string, args ...any) error {
	return fault.New(fault.MongoDBError, format, args...)
}

var errDepth = fault.New(fault.InvalidParameter, "nested more than %d levels", maxQueryDepth)

// pathCollector gathers the fields that a query or sort looks at.
type pathCollector func(path string)

// checkQuery judges a query of a user.
func checkQuery(q bson.Raw, depth int, paths pathCollector) error {
	return checkQueryAt(q, "", depth, paths)
}

func checkQueryAt(q bson.Raw, prefix string, depth int, paths pathCollector) error {
	if depth > maxQueryDepth {
		return errDepth
	}
	elems, err := q.Elements()
	if err != nil {
		return invalid("the query is not a valid document")
	}
	for _, e := range elems {
		key, v := e.Key(), e.Value()
		switch {
		case key == "$and" || key == "$or" || key == "$nor":
			list, ok := v.ArrayOK()
			if !ok {
				return mongoFault("%s must be an array", key)
			}
			items, err := list.Values()
			if err != nil {
				return invalid("the query is not a valid document")
			}
			for _, item := range items {
				d, ok := item.DocumentOK()
				if !ok {
					return mongoFault("%s entries need to be full objects", key)
				}
				if err := checkQueryAt(d, prefix, depth+1, paths); err != nil {
					return err
				}
			}
		case key == "$comment":
		case refusedOperators[key]:
			return refuse("the query operator", key)
		case strings.HasPrefix(key, "$"):
			return mongoFault("unknown top level operator: %s. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.", key)
		default:
			if paths != nil {
				paths(prefix + key)
			}
			if d, ok := v.DocumentOK(); ok && operatorDocument(d) {
				if err := checkConditions(d, prefix+key, depth+1, paths); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// operatorDocument tells whether MongoDB reads a field's value as operators.
// References ({$ref, $id}) are values.
func operatorDocument(d bson.Raw) bool {
	e, err := d.IndexErr(0)
	if err != nil {
		return false
	}
	key := e.Key()
	return strings.HasPrefix(key, "$") && key != "$ref" && key != "$id" && key != "$db"
}

func checkConditions(d bson.Raw, path string, depth int, paths pathCollector) error {
	if depth > maxQueryDepth {
		return errDepth
	}
	elems, err := d.Elements()
	if err != nil {
		return invalid("the query is not a valid document")
	}
	for _, e := range elems {
		key, v := e.Key(), e.Value()
		if refusedOperators[key] {
			return refuse("the query operator", key)
		}
		if !queryOperators[key] {
			return mongoFault("unknown operator: %s", key)
		}
		sub, isDocument := v.DocumentOK()
		switch key {
		case "$not":
			if isDocument {
				if err := checkConditions(sub, path, depth+1, paths); err != nil {
					return err
				}
			}
		case "$elemMatch":
			if !isDocument {
				continue
			}
			if err := checkElemMatch(sub, path, depth+1, paths); err != nil {
				return err
			}
		case "$all":
			if v.Type != bson.TypeArray {
				continue
			}
			items, err := v.Array().Values()
			if err != nil {
				return invalid("the query is not a valid document")
			}
			for _, item := range items {
				if d, ok := item.DocumentOK(); ok && operatorDocument(d) {
					if err := checkConditions(d, path, depth+1, paths); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func checkElemMatch(d bson.Raw, path string, depth int, paths pathCollector) error {
	if e, err := d.IndexErr(0); err == nil && operatorDocument(d) && e.Key() != "$and" && e.Key() != "$or" && e.Key() != "$nor" {
		return checkConditions(d, path, depth, paths)
	}
	return checkQueryAt(d, path+".", depth, paths)
}

// checkSort judges a sort document of a user.
func checkSort(sort bson.Raw, paths pathCollector) error {
	elems, err := sort.Elements()
	if err != nil {
		return invalid("the sort is not a valid document")
	}
	for _, e := range elems {
		if strings.HasPrefix(e.Key(), "$") {
			return mongoFault("the sort key %s is not allowed for users", e.Key())
		}
		if n, ok := wholeNumber(e.Value()); !ok || n != 1 && n != -1 {
			return mongoFault("$sort key ordering must be 1 (for ascending) or -1 (for descending)")
		}
		if paths != nil {
			paths(e.Key())
		}
	}
	return nil
}

// denyCode refuses operators that run code or reach elsewhere, at any depth.
func denyCode(v bson.RawValue, depth int) error {
	if depth > maxQueryDepth {
		return errDepth
	}
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		return nil
	}
	elems, err := bson.Raw(v.Value).Elements()
	if err != nil {
		return invalid("the argument is not a valid document")
	}
	for _, e := range elems {
		switch key := e.Key(); key {
		case "$where", "$function", "$accumulator", "$expr", "$jsonSchema":
			return refuse("the operator", key)
		}
		if err := denyCode(e.Value(), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// checkExpressions allows only known operators at any depth. What stands under
// $literal is a value.
func checkExpressions(v bson.RawValue, depth int) error {
	if depth > maxQueryDepth {
		return errDepth
	}
	if name, ok := v.StringValueOK(); ok && strings.HasPrefix(name, "$$USER_ROLES") {
		// It would tell about the account with which the server itself logs in.
		return refuse("the variable", "$$USER_ROLES")
	}
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		return nil
	}
	elems, err := bson.Raw(v.Value).Elements()
	if err != nil {
		return invalid("the argument is not a valid document")
	}
	for _, e := range elems {
		key := e.Key()
		if v.Type == bson.TypeEmbeddedDocument && strings.HasPrefix(key, "$") {
			switch {
			case key == "$literal":
				continue
			case depth <= 1 && pipelineUpdateStages[key]:
			case refusedOperators[key] || !expressionOperators[key]:
				return refuse("the operator", key)
			}
		}
		if err := checkExpressions(e.Value(), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// checkPipeline judges the stages of a user's pipeline.
func checkPipeline(list []bson.Raw, paths pathCollector) error {
	for i, stage := range list {
		elems, err := stage.Elements()
		if err != nil || len(elems) != 1 {
			return mongoFault("A pipeline stage specification object must contain exactly one field.")
		}
		name, v := elems[0].Key(), elems[0].Value()
		switch {
		case refusedStages[name]:
			return refuse("the stage", name)
		case !stages[name]:
			return mongoFault("Unrecognized pipeline stage name: '%s'", name)
		case name == "$match":
			d, ok := v.DocumentOK()
			if !ok {
				return mongoFault("the match filter must be an object")
			}
			if err := checkQuery(d, 0, paths); err != nil {
				return err
			}
		case name == "$search" || name == "$vectorSearch":
			if i != 0 {
				return mongoFault("%s is only valid as the first stage in a pipeline", name)
			}
			if err := denyCode(v, 0); err != nil {
				return err
			}
			if err := searchPaths(v, "", paths); err != nil {
				return err
			}
		default:
			if name == "$sort" && paths != nil {
				if d, ok := v.DocumentOK(); ok {
					if es, err := d.Elements(); err == nil {
						for _, e := range es {
							paths(e.Key())
						}
					}
				}
			}
			if err := checkExpressions(v, 2); err != nil {
				return err
			}
		}
	}
	return nil
}

// strict gives a collector that remembers the first path that nobody may read,
// where the app asks for that (choice "sorting and filtering on unreadable fields").
func (r *request) strict() (pathCollector, *string) {
	var refused string
	if r.access == nil || !r.access.Namespace().Strict() {
		return nil, &refused
	}
	n := r.access.Namespace()
	return func(path string) {
		if refused == "" && !n.MayRead(strings.Split(path, ".")) {
			refused = path
		}
	}, &refused
}

// checkRead judges query and sort of a user's request.
func (r *request) checkRead() error {
	if r.access == nil {
		return nil
	}
	paths, refused := r.strict()
	if err := r.checkQuery(paths); err != nil {
		return err
	}
	if len(r.args.sort) > 0 {
		if err := checkSort(r.args.sort, paths); err != nil {
			return err
		}
	}
	return refusedPath(*refused)
}

func refusedPath(path string) error {
	if path == "" {
		return nil
	}
	return fault.New(fault.InvalidParameter, "the field %q cannot be read by anybody and must not be asked for (strict_filters)", path)
}

// judged is a request's own query joined with what rules add.
func (r *request) judged(query bson.Raw) bson.Raw {
	if r.access == nil {
		if query == nil {
			return emptyDocument
		}
		return query
	}
	return rule.And(r.query.Filters, r.query.Visible, query)
}

// selected is judged for documents that are judged again when they arrive: a
// query that names one _id needs no role conditions, and the database has a
// shorter way to answer it.
func (r *request) selected(query bson.Raw) bson.Raw {
	if r.access != nil && pinned(query) {
		return rule.And(r.query.Filters, query)
	}
	return r.judged(query)
}

// pinned tells whether a query matches one document at most, by its _id.
func pinned(query bson.Raw) bool {
	id, err := query.LookupErr("_id")
	if err != nil {
		return false
	}
	switch id.Type {
	case bson.TypeRegex, bson.TypeArray, bson.TypeNull, bson.TypeUndefined:
		return false
	case bson.TypeEmbeddedDocument:
		return !operatorDocument(id.Document())
	}
	return true
}

var emptyDocument = bson.Raw{5, 0, 0, 0, 0}

func (r *request) checkQuery(paths pathCollector) error {
	if len(r.args.query) == 0 {
		return nil
	}
	return checkQuery(r.args.query, 0, paths)
}
