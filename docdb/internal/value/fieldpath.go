package value

import (
	"strings"

	"regent/docdb/internal/mongoerr"
)

// MaxPathDepth is the most parts that a field path of a sort, projection or expression may have.
const MaxPathDepth = 200

// ParseFieldPath splits and checks a field path as sorts, projections and expressions take it: no empty part, none that begins with
// $ except those of a DBRef. The codes are MongoDB's. The result shares no memory with s.
func ParseFieldPath(s string) (Path, error) {
	switch {
	case s == "":
		return nil, mongoerr.New(40352, "FieldPath cannot be constructed with empty string")
	case strings.HasSuffix(s, "."):
		return nil, mongoerr.New(40353, "FieldPath must not end with a '.'.")
	}
	p := ParsePath(strings.Clone(s))
	if len(p) > MaxPathDepth {
		return nil, mongoerr.New(mongoerr.Overflow, "FieldPath is too long")
	}
	for i, part := range p {
		switch {
		case part == "":
			return nil, mongoerr.New(15998, "FieldPath field names may not be empty strings.")
		case part[0] == '$' && !(i > 0 && (part == "$ref" || part == "$id" || part == "$db")):
			return nil, mongoerr.New(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField.")
		case strings.IndexByte(part, 0) >= 0:
			return nil, mongoerr.New(16411, "FieldPath field names may not contain '\\0'.")
		}
	}
	return p, nil
}
