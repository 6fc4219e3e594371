package host

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/dop251/goja"
)

var unicodeNatives = map[string]nativeFunc{
	// unicodeClass(name, negated) writes a \p{…} out as the inside of a class,
	// undefined for an unknown name.
	"unicodeClass": func(r *realm, c goja.FunctionCall) goja.Value {
		ranges, ok := unicodeClass(c.Argument(0).String())
		if !ok {
			return goja.Undefined()
		}
		if c.Argument(1).ToBoolean() {
			ranges = complement(ranges)
		}
		var b strings.Builder
		for _, x := range ranges {
			fmt.Fprintf(&b, `\u{%x}`, x.lo)
			if x.hi > x.lo {
				fmt.Fprintf(&b, `-\u{%x}`, x.hi)
			}
		}
		return r.vm.ToValue(b.String())
	},
}

type runeRange struct{ lo, hi rune }

// longCategories maps the long names of general categories to the short ones.
var longCategories = map[string]string{
	"Letter": "L", "Cased_Letter": "LC", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Titlecase_Letter": "Lt", "Modifier_Letter": "Lm", "Other_Letter": "Lo",
	"Mark": "M", "Combining_Mark": "M", "Nonspacing_Mark": "Mn", "Spacing_Mark": "Mc", "Enclosing_Mark": "Me",
	"Number": "N", "Decimal_Number": "Nd", "digit": "Nd", "Letter_Number": "Nl", "Other_Number": "No",
	"Punctuation": "P", "punct": "P", "Connector_Punctuation": "Pc", "Dash_Punctuation": "Pd", "Open_Punctuation": "Ps", "Close_Punctuation": "Pe",
	"Initial_Punctuation": "Pi", "Final_Punctuation": "Pf", "Other_Punctuation": "Po",
	"Symbol": "S", "Math_Symbol": "Sm", "Currency_Symbol": "Sc", "Modifier_Symbol": "Sk", "Other_Symbol": "So",
	"Separator": "Z", "Space_Separator": "Zs", "Line_Separator": "Zl", "Paragraph_Separator": "Zp",
	"Other": "C", "Control": "Cc", "cntrl": "Cc", "Format": "Cf", "Surrogate": "Cs", "Private_Use": "Co",
}

// binaryProperties are those that are made of others; the rest are Go's own.
var binaryProperties = map[string][]*unicode.RangeTable{
	"Alphabetic": {unicode.L, unicode.Nl, unicode.Other_Alphabetic}, "Alpha": {unicode.L, unicode.Nl, unicode.Other_Alphabetic},
	"Uppercase": {unicode.Lu, unicode.Other_Uppercase}, "Upper": {unicode.Lu, unicode.Other_Uppercase},
	"Lowercase": {unicode.Ll, unicode.Other_Lowercase}, "Lower": {unicode.Ll, unicode.Other_Lowercase},
	"White_Space": {unicode.White_Space}, "space": {unicode.White_Space},
	"ASCII": {{R16: []unicode.Range16{{Lo: 0, Hi: 0x7f, Stride: 1}}}},
	"Any":   {{R32: []unicode.Range32{{Lo: 0, Hi: unicode.MaxRune, Stride: 1}}}},
}

// unicodeClass finds what a \p{…} names: a general category, a script, or a
// property, as ECMAScript writes them.
func unicodeClass(text string) ([]runeRange, bool) {
	kind, name, valued := strings.Cut(text, "=")
	if !valued {
		name = kind
	}
	if !valued || kind == "General_Category" || kind == "gc" {
		short := name
		if s, ok := longCategories[name]; ok {
			short = s
		}
		if short == "LC" {
			return tableRanges(unicode.Lu, unicode.Ll, unicode.Lt), true
		}
		if t, ok := unicode.Categories[short]; ok && len(short) <= 2 {
			return tableRanges(t), true
		}
	}
	if valued {
		if kind == "Script" || kind == "sc" || kind == "Script_Extensions" || kind == "scx" {
			if t, ok := unicode.Scripts[name]; ok {
				return tableRanges(t), true
			}
		}
		return nil, false
	}
	if t, ok := binaryProperties[name]; ok {
		return tableRanges(t...), true
	}
	if text, ok := emojiProperties[name]; ok {
		return parseRanges(text), true
	}
	if t, ok := unicode.Properties[name]; ok {
		return tableRanges(t), true
	}
	return nil, false
}

func tableRanges(tables ...*unicode.RangeTable) []runeRange {
	var out []runeRange
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			out = append(out, runeRange{lo, hi})
			return
		}
		for x := lo; x <= hi; x += stride {
			out = append(out, runeRange{x, x})
		}
	}
	for _, t := range tables {
		for _, x := range t.R16 {
			add(rune(x.Lo), rune(x.Hi), rune(x.Stride))
		}
		for _, x := range t.R32 {
			add(rune(x.Lo), rune(x.Hi), rune(x.Stride))
		}
	}
	return out
}

// complement gives what ranges leave out.
func complement(ranges []runeRange) []runeRange {
	sorted := append([]runeRange(nil), ranges...)
	slices.SortFunc(sorted, func(a, b runeRange) int { return int(a.lo - b.lo) })
	var out []runeRange
	next := rune(0)
	for _, x := range sorted {
		if x.lo > next {
			out = append(out, runeRange{next, x.lo - 1})
		}
		next = max(next, x.hi+1)
	}
	if next <= unicode.MaxRune {
		out = append(out, runeRange{next, unicode.MaxRune})
	}
	return out
}
