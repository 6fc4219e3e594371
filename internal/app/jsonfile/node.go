// Package jsonfile reads the JSON files of an app directory and remembers where
// everything stood, so that a problem can be told with its line and column.
//
// It reads what real directories contain (real-apps.md §1, §11 trap 12): a byte
// order mark, any line ends, comments, trailing commas and repeated keys are
// accepted; the last three are noted. Everything else is JSON to the letter.
package jsonfile

import (
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is the type of a JSON value.
type Kind uint8

// The kinds of a value.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// String names the kind with its article, for messages.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "a boolean"
	case Number:
		return "a number"
	case String:
		return "a string"
	case Array:
		return "an array"
	default:
		return "an object"
	}
}

// Node is one JSON value and where it starts.
type Node struct {
	Kind    Kind
	Offset  int    // of the value's first byte in Document.Text
	Text    string // a string's content, a number's literal, "true" or "false"
	Items   []Node
	Members []Member // in the file's order, without repeated keys
}

// Member is one key of an object and its value.
type Member struct {
	Key       string
	KeyOffset int
	Value     Node
}

// Get returns the value of a key, or nil.
func (n *Node) Get(key string) *Node {
	for i := range n.Members {
		if n.Members[i].Key == key {
			return &n.Members[i].Value
		}
	}
	return nil
}

// SetString gives a key a string value, keeping the place of a value that was
// there already.
func (n *Node) SetString(key, text string) {
	if v := n.Get(key); v != nil {
		*v = Node{Kind: String, Offset: v.Offset, Text: text}
		return
	}
	n.Members = append(n.Members, Member{Key: key, KeyOffset: n.Offset, Value: Node{Kind: String, Offset: n.Offset, Text: text}})
}

// Note is something that the reader accepted although it is not JSON.
type Note struct {
	Offset  int
	Message string
	Style   bool // a comment or a comma: no more than a matter of taste
}

// Document is a file that was read.
type Document struct {
	Text  []byte // without byte order mark
	Root  Node
	Notes []Note // at most one of each sort

	newlines []int
}

// Position gives the line and the column, both from 1, of a byte offset.
// Columns count characters.
func (d *Document) Position(offset int) (line, column int) {
	return position(d.Text, d.lineStarts(), offset)
}

func (d *Document) lineStarts() []int {
	if d.newlines == nil {
		d.newlines = lineStarts(d.Text)
	}
	return d.newlines
}

func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, c := range text {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

func position(text []byte, starts []int, offset int) (line, column int) {
	offset = min(max(offset, 0), len(text))
	line = sort.SearchInts(starts, offset+1)
	return line, utf8.RuneCount(text[starts[line-1]:offset]) + 1
}

// Key appends a key to a JSON path: $.roles, or $["local-userpass"] where the
// key is not a plain word.
func Key(path, key string) string {
	if plain(key) {
		return path + "." + key
	}
	return path + "[" + strconv.Quote(key) + "]"
}

// Index appends an array index to a JSON path.
func Index(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

func plain(key string) bool {
	for i := 0; i < len(key); i++ {
		c := key[i]
		letter := c == '_' || c == '$' || c == '%' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-') {
			return false
		}
	}
	return key != ""
}

// Find returns the offset of the value at a path that Key and Index built. It
// is lenient, because a path may have been built elsewhere: a key with dots is
// found in the form .a.b too, and where the path leads nowhere the offset of
// the last value on the way is returned with ok false.
func (d *Document) Find(path string) (offset int, ok bool) {
	return find(&d.Root, d.Root.Offset, strings.TrimPrefix(path, "$"), 0)
}

func find(n *Node, at int, rest string, depth int) (int, bool) {
	if rest == "" {
		return at, true
	}
	if depth > MaxDepth {
		return at, false
	}
	if rest[0] == '[' {
		end := bracketEnd(rest)
		if end < 0 {
			return at, false
		}
		inner, rest := rest[1:end], rest[end+1:]
		if i, err := strconv.Atoi(inner); err == nil {
			if n.Kind == Array && i >= 0 && i < len(n.Items) {
				return find(&n.Items[i], n.Items[i].Offset, rest, depth+1)
			}
			return at, false
		}
		key, err := strconv.Unquote(inner)
		if err != nil {
			key = inner
		}
		for i := range n.Members {
			if n.Members[i].Key == key {
				return find(&n.Members[i].Value, n.Members[i].KeyOffset, rest, depth+1)
			}
		}
		return at, false
	}
	rest = strings.TrimPrefix(rest, ".")
	// The longest key that fits wins, so that "a.b" beats "a" before ".b".
	best := -1
	for i := range n.Members {
		key := n.Members[i].Key
		if key == "" || !strings.HasPrefix(rest, key) {
			continue
		}
		if after := rest[len(key):]; after != "" && after[0] != '.' && after[0] != '[' {
			continue
		}
		if best < 0 || len(key) > len(n.Members[best].Key) {
			best = i
		}
	}
	if best < 0 {
		return at, false
	}
	m := &n.Members[best]
	return find(&m.Value, m.KeyOffset, rest[len(m.Key):], depth+1)
}

// bracketEnd finds the bracket that closes the one at the start, outside quotes.
func bracketEnd(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ']' && !quoted:
			return i
		}
	}
	return -1
}
