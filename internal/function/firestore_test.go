package function

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// firestoreServer is as much of Firestore over HTTP as its client notices:
// documents, commits, and queries with filters, order and limit.
type firestoreServer struct {
	mu        sync.Mutex
	documents map[string]map[string]any // fields by name
}

// compareFields compares values of Firestore: objects whose one key is a type.
func compareFields(a, b any) int {
	x, y := fieldValue(a), fieldValue(b)
	if n, ok := x.(float64); ok {
		m, _ := y.(float64)
		return cmp.Compare(n, m)
	}
	return strings.Compare(fmt.Sprint(x), fmt.Sprint(y))
}

func fieldValue(v any) any {
	m, _ := v.(map[string]any)
	for _, x := range m {
		return x
	}
	return nil
}

func (f *firestoreServer) document(name string) map[string]any {
	return map[string]any{"name": name, "fields": f.documents[name], "createTime": firestoreTime, "updateTime": firestoreTime}
}

const firestoreTime = "2024-01-01T00:00:00Z"

// firestoreQuery is what the server knows of a query.
type firestoreQuery struct {
	StructuredQuery struct {
		From    []struct{ CollectionID string }
		Where   *firestoreFilter
		OrderBy []struct {
			Field     struct{ FieldPath string }
			Direction int // 2: descending
		}
		Limit int
	}
}

type firestoreFilter struct {
	CompositeFilter *struct{ Filters []firestoreFilter }
	FieldFilter     *struct {
		Field struct{ FieldPath string }
		Op    int
		Value any
	}
}

func (f *firestoreServer) matches(q *firestoreFilter, fields map[string]any) bool {
	switch {
	case q == nil:
		return true
	case q.CompositeFilter != nil:
		return !slices.ContainsFunc(q.CompositeFilter.Filters, func(p firestoreFilter) bool { return !f.matches(&p, fields) })
	}
	v, ok := fields[q.FieldFilter.Field.FieldPath]
	if !ok {
		return false
	}
	c := compareFields(v, q.FieldFilter.Value)
	return []bool{false, c < 0, c <= 0, c > 0, c >= 0, c == 0}[q.FieldFilter.Op%6]
}

func (f *firestoreServer) query(q firestoreQuery) []string {
	var names []string
	s := &q.StructuredQuery
	for name, fields := range f.documents {
		if strings.Contains(name, "/documents/"+s.From[0].CollectionID+"/") && f.matches(s.Where, fields) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.SortStableFunc(names, func(a, b string) int {
		for _, o := range s.OrderBy {
			x, y := f.documents[a][o.Field.FieldPath], f.documents[b][o.Field.FieldPath]
			if x == nil || y == nil {
				continue
			}
			if c := compareFields(x, y); c != 0 && o.Direction == 2 {
				return -c
			} else if c != 0 {
				return c
			}
		}
		return 0
	})
	if s.Limit > 0 && s.Limit < len(names) {
		names = names[:s.Limit]
	}
	return names
}

// ServeHTTP answers POST /v1/projects/p1/databases/(default)/documents:ACTION.
func (f *firestoreServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reply := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		reply(401, map[string]any{"error": map[string]any{"code": 401, "status": "UNAUTHENTICATED", "message": "who?"}})
		return
	}
	var body struct {
		Documents []string
		Writes    []struct {
			Update *struct {
				Name   string
				Fields map[string]any
			}
			UpdateMask *struct{ FieldPaths []string }
			Delete     string
		}
		firestoreQuery
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	var out []any
	switch r.PathValue("action") {
	case "documents:commit":
		for _, write := range body.Writes {
			if write.Update != nil {
				if write.UpdateMask == nil || f.documents[write.Update.Name] == nil {
					f.documents[write.Update.Name] = map[string]any{}
				}
				maps.Copy(f.documents[write.Update.Name], write.Update.Fields)
			}
			delete(f.documents, write.Delete)
			out = append(out, map[string]any{"updateTime": firestoreTime})
		}
		reply(200, map[string]any{"writeResults": out, "commitTime": firestoreTime})
	case "documents:batchGet":
		for _, name := range body.Documents {
			if f.documents[name] == nil {
				out = append(out, map[string]any{"missing": name, "readTime": firestoreTime})
				continue
			}
			out = append(out, map[string]any{"found": f.document(name), "readTime": firestoreTime})
		}
		reply(200, out)
	case "documents:runQuery":
		for _, name := range f.query(body.firestoreQuery) {
			out = append(out, map[string]any{"document": f.document(name), "readTime": firestoreTime})
		}
		if out == nil {
			out = []any{map[string]any{"readTime": firestoreTime}}
		}
		reply(200, out)
	case "documents:beginTransaction":
		reply(200, map[string]any{"transaction": "dDE="})
	default:
		reply(404, map[string]any{"error": map[string]any{"code": 404, "status": "NOT_FOUND", "message": "no such action"}})
	}
}
