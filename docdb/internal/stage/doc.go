// Package stage compiles and runs aggregation pipelines.
//
//	p, err := stage.Compile(pipeline, env)   // once
//	it := p.Run(ctx, source)                 // pull: it.Next until io.EOF
//
// Stages stream: each pulls from the one before and keeps what it must. $sort, $group, $bucketAuto and $setWindowFields gather, within
// Env.MemoryLimit bytes each (100 MiB unless set); beyond it they go on in temporary files when Env.AllowDiskUse is set, and fail
// with 292 QueryExceededMemoryLimitNoDiskUseAllowed when it is not.
//
// A document that Next returns is valid until the following Next or Close; who keeps it copies it. Nothing here runs goroutines.
//
// What a pipeline reads and writes elsewhere ($lookup, $unionWith, $graphLookup, $out, $merge, $collStats …) goes through
// Collections, which the engine implements. Before it runs a pipeline the engine may take over its beginning: see Pushdown.
//
// Facts: mongo-engine.md §2.4, §2.5, §3.6.
package stage
