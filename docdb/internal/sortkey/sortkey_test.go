package sortkey

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/cases"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// TestCases runs testdata/sort.txt.
func TestCases(t *testing.T) {
	var s *Sort
	var failure error
	type row struct {
		d    bson.Raw
		line string
	}
	var rows []row
	cases.Run(t, "testdata/sort.txt", func(l *cases.Line) {
		switch l.Verb {
		case "sort":
			l.About = l.Arg
			s, failure = Compile(l.Doc(), Options{})
			rows = nil
		case "order":
			for dec := json.NewDecoder(strings.NewReader(l.Arg)); dec.More(); {
				var m json.RawMessage
				if err := dec.Decode(&m); err != nil {
					l.Fatalf("%s: %v", l.Place(), err)
				}
				d := cases.Doc(t, string(m))
				for _, r := range rows {
					want := -1
					if r.line == l.Place() {
						want = 0
					}
					got, err := s.CompareDocs(r.d, d)
					back, _ := s.CompareDocs(d, r.d)
					if err != nil || min(max(got, -1), 1) != want || back != -got {
						l.Wrong("%s and %s compare %d, want %d (%v)", value.ShowDoc(r.d), value.ShowDoc(d), got, want, err)
					}
				}
				rows = append(rows, row{d, l.Place()})
			}
		case "natural":
			if failure != nil || strconv.Itoa(s.Natural) != l.Arg {
				l.Wrong("%v %v", s, failure)
			}
		case "fails":
			code := l.Word()
			if _, err := s.Key(l.Doc(), nil); strconv.Itoa(int(mongoerr.CodeOf(err))) != code {
				l.Wrong("%v", err)
			}
		case "error":
			l.WantError(failure)
		default:
			l.Unknown()
		}
	})
}
