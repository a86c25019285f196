package pdf

// rewriter writes what can be reached in a file as a new one, with new numbers: nothing
// that was removed from the graph is left in its bytes.
type rewriter struct {
	f       *file
	drop    map[int]bool // objects that are left out, with every reference to them
	numbers map[int]int
	order   []int
}

// rewrite returns the file as its objects in memory are, without the objects of drop.
func (f *file) rewrite(drop map[int]bool) ([]byte, error) {
	r := &rewriter{f: f, drop: drop, numbers: map[int]int{}}
	u := newUpdate(nil)
	u.root, _ = r.copy(f.trailer["Root"]).(ref)
	if info, ok := r.copy(f.trailer["Info"]).(ref); ok {
		u.info = info
	}
	for i := 0; i < len(r.order); i++ {
		num := r.order[i]
		o, err := f.load(ref{num, f.table[num].gen})
		if err != nil {
			return nil, err
		}
		u.objects[i+1] = r.copy(o)
	}
	u.next = len(r.order) + 1
	return u.bytes(), nil
}

// gone tells whether o refers to nothing, or to what is left out.
func (r *rewriter) gone(o object) bool {
	v, ok := o.(ref)
	if !ok {
		return false
	}
	e, known := r.f.table[v.num]
	return !known || e.gen != v.gen || r.drop[v.num]
}

func (r *rewriter) copy(o object) object {
	switch v := o.(type) {
	case ref:
		if r.gone(v) {
			return nil
		}
		n, ok := r.numbers[v.num]
		if !ok {
			r.order = append(r.order, v.num)
			n = len(r.order)
			r.numbers[v.num] = n
		}
		return ref{n, 0}
	case array:
		out := make(array, 0, len(v))
		for _, e := range v {
			if t, ok := e.(ref); ok && r.drop[t.num] {
				continue
			}
			out = append(out, r.copy(e))
		}
		return out
	case dict:
		return r.dict(v)
	case *stream:
		return &stream{dict: r.dict(v.dict), raw: v.raw}
	}
	return o
}

func (r *rewriter) dict(d dict) dict {
	out := make(dict, len(d))
	for key, e := range d {
		if e != nil && !r.gone(e) {
			out[key] = r.copy(e)
		}
	}
	return out
}
