package stage

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

// refusedStages are known by name and answered with a reason.
func refusedStages() []definition {
	refuse := func(name string, code mongoerr.Code, why string) definition {
		return definition{name: name, help: "refused: " + why, place: eitherWay, compile: func(_ *compiler, name string, _ bson.RawValue) ([]node, error) {
			return nil, mongoerr.New(code, "%s is not supported: %s", name, why)
		}}
	}
	const search = "Using Atlas Search aggregation stages requires additional configuration; this server has no search service. Use $text or $regex"
	var out []definition
	for _, n := range []string{"$search", "$searchBeta", "$searchMeta", "$vectorSearch", "$rankFusion", "$scoreFusion", "$score", "$listSearchIndexes"} {
		out = append(out, refuse(n, 31082, search))
	}
	return append(out,
		refuse("$shardedDataDistribution", mongoerr.CommandNotSupported, "this server is not sharded"),
		refuse("$listSampledQueries", mongoerr.CommandNotSupported, "this server is not sharded"),
		refuse("$queryStats", mongoerr.CommandNotSupported, "this server collects no query statistics"),
		refuse("$_internalInhibitOptimization", 40324, "internal stages are not available"),
	)
}
