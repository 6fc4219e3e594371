// Package value works on BSON values as MongoDB understands them: their order, equality, types, numbers and paths.
//
// Everything here reads raw bytes ([bson.Raw], [bson.RawValue]) and allocates only where a result needs new bytes. Documents are
// validated once, where they enter the database ([Validate]); on malformed bytes the functions of this package end early, they do
// not panic. The zero RawValue (Type 0) stands for a missing value.
package value
