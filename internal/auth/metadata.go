package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// MaxMetadataValue is how many characters a metadata value may have: a string
// itself, anything else its JSON text (app-services.md §2.6).
const MaxMetadataValue = 4096

// maxClaimDepth bounds the nesting of claims.
const maxClaimDepth = 32

// metadata picks the configured fields out of claims or of a provider's profile.
// An error names a required field that is missing, or a value that is too long.
func metadata(fields []app.MetadataField, claims json.RawMessage) (bson.Raw, error) {
	out := bson.D{}
	for _, f := range fields {
		path := splitPath(f.Name)
		value, ok := lookup(claims, path)
		if !ok || string(value) == "null" {
			if f.Required {
				return nil, fmt.Errorf("the required metadata field '%s' is missing", f.Name)
			}
			continue
		}
		v, err := fromJSON(value)
		if err != nil {
			return nil, fmt.Errorf("the metadata field '%s': %w", f.Name, err)
		}
		size := utf8.RuneCount(value)
		if text, ok := v.(string); ok {
			size = utf8.RuneCountInString(text)
		}
		if size > MaxMetadataValue {
			return nil, fmt.Errorf("the metadata field '%s' has %d characters, at most %d are allowed", f.Name, size, MaxMetadataValue)
		}
		name := f.FieldName
		if name == "" {
			name = path[len(path)-1]
		}
		out = append(out, bson.E{Key: name, Value: v})
	}
	return bson.Marshal(out)
}

// splitPath splits a dotted path; a dot that belongs to a key is escaped by a
// backslash.
func splitPath(path string) []string {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path) && (path[i+1] == '.' || path[i+1] == '\\'):
			i++
			part.WriteByte(path[i])
		case path[i] == '.':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(path[i])
		}
	}
	return append(parts, part.String())
}

func lookup(doc json.RawMessage, path []string) (json.RawMessage, bool) {
	for _, name := range path {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(doc, &members); err != nil {
			return nil, false
		}
		var ok bool
		if doc, ok = members[name]; !ok {
			return nil, false
		}
	}
	return bytes.TrimSpace(doc), true
}

// fromJSON turns plain JSON into BSON. Nothing is read as extended JSON: a
// claim {"$oid": …} stays an object.
func fromJSON(text json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return nextJSON(d, 0)
}

func nextJSON(d *json.Decoder, depth int) (any, error) {
	if depth > maxClaimDepth {
		return nil, errors.New("nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '[' {
			out := bson.A{}
			for d.More() {
				e, err := nextJSON(d, depth+1)
				if err != nil {
					return nil, err
				}
				out = append(out, e)
			}
			_, err := d.Token()
			return out, err
		}
		out := bson.D{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			e, err := nextJSON(d, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, bson.E{Key: k.(string), Value: e})
		}
		_, err := d.Token()
		return out, err
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			if n == int64(int32(n)) {
				return int32(n), nil
			}
			return n, nil
		}
		return v.Float64()
	default: // string, bool, nil
		return v, nil
	}
}
