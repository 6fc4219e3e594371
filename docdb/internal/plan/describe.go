package plan

import (
	"encoding/hex"
	"fmt"
)

// describe shows intervals as explain does, with the encoded bytes for values.
func describe(list []interval, desc bool) []string {
	out := make([]string, 0, min(len(list), 20))
	for i, iv := range list {
		if i == 20 {
			out = append(out, fmt.Sprintf("… %d more", len(list)-20))
			break
		}
		lo, hi := "[", ")"
		if iv.lo.after {
			lo = "("
		}
		if iv.hi.after {
			hi = "]"
		}
		a, b := show(iv.lo, "MinKey"), show(iv.hi, "MaxKey")
		if iv.hi.typ && iv.hi.b[0] == 255 {
			hi = "]"
		}
		if desc {
			lo2, hi2 := "[", "]"
			if hi == ")" {
				lo2 = "("
			}
			if lo == "(" {
				hi2 = ")"
			}
			out = append(out, lo2+b+", "+a+hi2)
			continue
		}
		out = append(out, lo+a+", "+b+hi)
	}
	return out
}

func show(e endpoint, open string) string {
	if e.typ {
		if e.b[0] == 0 || e.b[0] == 255 {
			return open
		}
		return fmt.Sprintf("type %d", e.b[0])
	}
	return "x" + hex.EncodeToString(e.b)
}
