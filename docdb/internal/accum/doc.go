// Package accum holds the accumulators of $group, $bucket, $bucketAuto and $setWindowFields.
//
// A Spec is one compiled accumulator ({$sum: "$x"}); it makes an Accumulator for each group, which is fed one document after another
// and answers at the end. What it keeps, it copies: the values that it is fed live only until the next document.
package accum
