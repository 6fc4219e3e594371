package plan

// Make chooses a plan.
func Make(r *Request) *Plan {
	if r.Natural != 0 {
		return &Plan{Stage: CollScan, Def: r.Def, Reverse: r.Natural < 0, Distinct: true, Sorted: r.Sort == nil}
	}
	c := analyze(r.Filter, r.Collator)
	if p := best(r, c); p != nil {
		return p
	}
	return &Plan{Stage: CollScan, Def: r.Def, Distinct: true, Sorted: r.Sort == nil}
}

// best gives the best plan that uses an index, or nil.
func best(r *Request, c *conjunction) *Plan {
	var top *Plan
	var topScore int
	for _, ix := range r.Def.Indexes {
		if r.Hint != nil {
			if ix != r.Hint {
				continue
			}
		} else if ix.Hidden || ix.Built > r.Snapshot && r.Snapshot != 0 {
			continue
		}
		p := use(r, c, ix)
		if p == nil {
			continue
		}
		if s := score(p, r); top == nil || s > topScore {
			top, topScore = p, s
		}
	}
	if r.Hint != nil {
		return top
	}
	if top != nil && top.Limited > 0 {
		return top
	}
	if u := union(r, c); u != nil {
		return u
	}
	return top
}

// score orders plans: more fields that hold one value first, then other narrowed fields, then order.
func score(p *Plan, r *Request) int {
	s := 0
	if p.Stage == Nothing {
		return 1 << 30
	}
	points := 0
	for _, b := range p.Bounds {
		if b.text == "" && b.ivs == nil {
			break
		}
		points++
	}
	one := len(p.Ranges) == 1 && p.Index.Unique && p.Limited == len(p.Index.Keys.Fields) && p.Exact
	if one {
		s += 100_000
	}
	s += p.Limited * 1000
	s += points * 100
	if p.Sorted && r.Sort != nil {
		s += 500
	}
	if p.Index.IsID() {
		s += 5
	}
	return s*32 - len(p.Index.Keys.Fields)
}

// union plans an $or whose branches all have an index.
func union(r *Request, c *conjunction) *Plan {
	for _, or := range c.ors {
		p := &Plan{Stage: Union, Def: r.Def, Limited: 1}
		ok := true
		for _, b := range or {
			br := *r
			br.Sort = nil
			x := best(&br, b)
			if x == nil || x.Limited == 0 {
				ok = false
				break
			}
			if x.Stage == Union {
				p.Branches = append(p.Branches, x.Branches...)
				continue
			}
			p.Branches = append(p.Branches, x)
		}
		if ok && len(p.Branches) > 0 {
			p.Sorted = r.Sort == nil
			return p
		}
	}
	return nil
}
