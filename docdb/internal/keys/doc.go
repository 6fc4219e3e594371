// Package keys turns BSON values into bytes whose order (bytes.Compare) is MongoDB's order of values, and documents into the
// index keys that an index holds for them.
//
// # Layout of one value (frozen: it is stored on disk)
//
//	type byte   payload
//	10 MinKey   –
//	15 undefined and the empty array of an indexed path
//	20 null, missing
//	30 NaN      –
//	31 number   8 bytes: the largest double <= the number, sign-flipped big-endian
//	            0x00                     the double is exact, or
//	            0x01 [exp 2][digits 16]  the number itself, decimal, 34 digits (all bytes inverted if negative)
//	60 string   bytes with 00 written as 00 FF, end 00 01 (a collation key instead of the text under a collation)
//	70 object   per member [canonical type][name as string bytes][value]; end 00
//	80 array    per element [value]; end 00
//	90 binData  length 4, subtype 1, bytes
//	100 ObjectId 12 bytes
//	110 false, 111 true
//	120 date    8 bytes, sign bit flipped, big-endian
//	130 timestamp 8 bytes big-endian
//	140 regex   pattern as string bytes, options as string bytes
//	150 DBPointer namespace as string bytes, 12 bytes
//	160 code    as string bytes
//	170 code with scope: code as string bytes, scope as object
//	240 MaxKey
//
// Numbers of the four numeric types that are equal have equal bytes, so 1, 1L and 1.0 collide in a unique index, as they must.
// No encoded value is a proper prefix of another one, and no value starts with 00 or FF: FF after a prefix is an upper bound of
// everything that starts with the prefix. A descending field has all its bytes inverted. A field of a wildcard index is two values: the
// path as a string, always ascending, and the value found there (extractWildcard).
package keys
