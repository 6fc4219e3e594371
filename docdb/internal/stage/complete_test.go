package stage_test

import (
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/accum"
	"regent/docdb/internal/collation"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/expr/exprtest"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/stage"
)

// promisedStages and promisedAccumulators are what mongo-engine.md §2.4 and §2.5 tag must or should, and what it wants refused by name.
const promisedStages = `
$match $project $addFields $set $unset $group $sort $limit $skip $count $sortByCount $unwind $lookup $facet $bucket $bucketAuto
$replaceRoot $replaceWith $sample $unionWith $graphLookup $merge $out $redact $changeStream $documents $collStats $indexStats
$geoNear $setWindowFields $densify $fill $currentOp $listSessions $listLocalSessions $changeStreamSplitLargeEvent
$planCacheStats $listClusterCatalog $querySettings $queryStats $listSampledQueries $shardedDataDistribution
$search $searchMeta $vectorSearch $rankFusion $scoreFusion $listSearchIndexes`

const promisedAccumulators = `
$sum $avg $min $max $first $last $push $addToSet $count $mergeObjects $stdDevPop $stdDevSamp
$firstN $lastN $minN $maxN $top $topN $bottom $bottomN $median $percentile $concatArrays $setUnion $accumulator`

func TestEveryPromisedName(t *testing.T) {
	var stages, accs []string
	for _, o := range stage.Operators() {
		stages = append(stages, o.Name)
		if o.Help == "" {
			t.Errorf("%s has no help", o.Name)
		}
	}
	for _, o := range accum.Operators() {
		accs = append(accs, o.Name)
	}
	for _, n := range strings.Fields(promisedStages) {
		if !slices.Contains(stages, n) {
			t.Errorf("stage %s is missing", n)
		}
	}
	for _, n := range strings.Fields(promisedAccumulators) {
		if !slices.Contains(accs, n) {
			t.Errorf("accumulator %s is missing", n)
		}
	}
}

// TestCollation looks at what obeys the collation and what does not (mongo-engine.md §3.6).
func TestCollation(t *testing.T) {
	spec := bson.Raw(exprtest.Must(`{locale: "en", strength: 2}`).Value)
	c, err := collation.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct{ pipeline, docs, want string }{
		{`[{$match: {a: "X"}}, {$count: "n"}]`, `[{a: "x"}, {a: "X"}, {a: "y"}]`, `[{n: 2}]`},
		{`[{$group: {_id: "$a", n: {$sum: 1}}}]`, `[{a: "x"}, {a: "X"}, {a: "y"}]`, `[{_id: "x", n: 2}, {_id: "y", n: 1}]`},
		{`[{$sort: {a: 1}}]`, `[{a: "b"}, {a: "C"}, {a: "A"}]`, `[{a: "A"}, {a: "b"}, {a: "C"}]`},
		{`[{$project: {e: {$eq: ["$a", "x"]}, i: {$in: ["x", ["X"]]}, u: {$setUnion: [["a"], ["A"]]}, l: {$indexOfCP: ["aX", "x"]}}}]`, `[{a: "X"}]`, `[{e: true, i: true, u: ["a"], l: -1}]`},
		{`[{$group: {_id: null, s: {$addToSet: "$a"}, m: {$max: "$a"}}}]`, `[{a: "x"}, {a: "X"}, {a: "Y"}]`, `[{_id: null, s: ["x", "Y"], m: "Y"}]`},
		{`[{$lookup: {from: "o", localField: "a", foreignField: "b", as: "r"}}]`, `[{a: "x"}]`, `[{a: "x", r: [{b: "X"}]}]`},
		// From the third document on, by a hash table.
		{`[{$lookup: {from: "o", localField: "a", foreignField: "b", as: "r"}}, {$skip: 2}]`, `[{}, {}, {a: "x"}]`, `[{a: "x", r: [{b: "X"}]}]`},
	} {
		w := newWorld()
		w.put("o", []bson.Raw{exprtest.Must(`{b: "X"}`).Value, exprtest.Must(`{b: "y"}`).Value})
		stages, err := array(k.pipeline)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := array(k.docs)
		if err != nil {
			t.Fatal(err)
		}
		want, err := array(k.want)
		if err != nil {
			t.Fatal(err)
		}
		env := stage.Env{DB: "db", Collection: "c", Collections: w, Options: expr.Options{Collation: c}, CollationSpec: spec, AllowDiskUse: true}
		got, err := runPipeline(stages, env, docs, false)
		if err != nil {
			t.Errorf("%s: %v", k.pipeline, err)
		} else if !same(got, want) {
			t.Errorf("%s: got %v, want %v", k.pipeline, got, want)
		}
	}
}

// TestNoDisk fails by name where the disk may not be used.
func TestNoDisk(t *testing.T) {
	docs, _ := array(`[{_id: 1, a: 1}, {_id: 2, a: 2}, {_id: 3, a: 3}]`)
	for _, p := range []string{`[{$sort: {a: 1}}]`, `[{$group: {_id: "$a"}}]`, `[{$bucketAuto: {groupBy: "$a", buckets: 2}}]`} {
		stages, _ := array(p)
		_, err := runPipeline(stages, stage.Env{DB: "db", Collection: "c", MemoryLimit: 10}, docs, false)
		if mongoerr.CodeOf(err) != mongoerr.QueryExceededMemoryLimitNoDiskUseAllowed {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// TestUpdatePipeline looks at what may stand in the pipeline of an update.
func TestUpdatePipeline(t *testing.T) {
	for _, k := range []struct {
		pipeline, doc, want string
		code                mongoerr.Code
	}{
		{pipeline: `[{$set: {b: {$add: ["$a", "$$n"]}}}, {$unset: "a"}]`, doc: `{_id: 1, a: 1}`, want: `{_id: 1, b: 11}`},
		{pipeline: `[{$replaceWith: {$mergeObjects: ["$$ROOT", {c: 1}]}}]`, doc: `{_id: 1, a: 1}`, want: `{_id: 1, a: 1, c: 1}`},
		{pipeline: `[{$project: {a: 1}}]`, doc: `{_id: 1, a: 1, b: 2}`, want: `{_id: 1, a: 1}`},
		{pipeline: `[{$group: {_id: 1}}]`, code: mongoerr.InvalidOptions},
		{pipeline: `[{$match: {}}]`, code: mongoerr.InvalidOptions},
		{pipeline: `[{$nope: {}}]`, code: 40324},
	} {
		u, err := stage.CompileUpdate(exprtest.Must(k.pipeline), stage.Env{Let: []stage.Variable{{Name: "n", Value: exprtest.Must("10")}}})
		if k.code != 0 {
			if mongoerr.CodeOf(err) != k.code {
				t.Errorf("%s: %v", k.pipeline, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", k.pipeline, err)
			continue
		}
		got, err := u.Apply(t.Context(), exprtest.Must(k.doc).Value)
		if err != nil || string(got) != string(exprtest.Must(k.want).Value) {
			t.Errorf("%s: got %v, %v", k.pipeline, got, err)
		}
	}
}

// TestChangeStreamStages lets only stages that look at one event through.
func TestChangeStreamStages(t *testing.T) {
	env := stage.Env{DB: "db", Collection: "c", Context: stage.ChangeStream}
	for p, ok := range map[string]bool{
		`[{$match: {operationType: "insert"}}, {$project: {_id: 1}}, {$addFields: {a: 1}}, {$replaceRoot: {newRoot: "$fullDocument"}}, {$redact: "$$KEEP"}, {$unset: "a"}, {$changeStreamSplitLargeEvent: {}}]`: true,
		`[{$group: {_id: 1}}]`:         false,
		`[{$sort: {_id: 1}}]`:          false,
		`[{$limit: 1}]`:                false,
		`[{$lookup: {from: "x"}}]`:     false,
		`[{$out: "x"}]`:                false,
		`[{$facet: {a: []}}]`:          false,
		`[{$changeStream: {}}]`:        false,
		`[{$unwind: "$fullDocument"}]`: false,
	} {
		stages, err := array(p)
		if err != nil {
			t.Fatal(err)
		}
		_, err = stage.Compile(stages, env)
		if ok != (err == nil) || !ok && mongoerr.CodeOf(err) != mongoerr.IllegalOperation {
			t.Errorf("%s: %v", p, err)
		}
	}
}
