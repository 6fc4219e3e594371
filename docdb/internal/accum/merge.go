package accum

import "regent/docdb/internal/expr"

func (a *sum) Merge(later Accumulator) error {
	a.s.Merge(&later.(*sum).s)
	return nil
}

func (a *avg) Merge(later Accumulator) error {
	a.s.Merge(&later.(*avg).s)
	return nil
}

func (a *counter) Merge(later Accumulator) error {
	a.n += later.(*counter).n
	return nil
}

func (a *one) Merge(later Accumulator) error {
	b := later.(*one)
	switch {
	case !b.some:
	case !a.some || a.last, a.dir != 0 && a.dir*expr.Compare(b.v, a.v, a.coll) > 0:
		a.v, a.some = b.v, true
	}
	return nil
}

func (a *list) Merge(later Accumulator) error {
	for _, v := range later.(*list).vs {
		if a.set != nil {
			if !a.set.Add(v) {
				continue
			}
			a.bytes += len(v.Value) + overhead
		}
		a.vs = append(a.vs, v)
		a.bytes += len(v.Value) + overhead
		if err := tooLarge(a.op, a.bytes); err != nil {
			return err
		}
	}
	return nil
}

func (a *percentile) Merge(later Accumulator) error {
	a.nums = append(a.nums, later.(*percentile).nums...)
	return tooLarge("$percentile", a.Held())
}
