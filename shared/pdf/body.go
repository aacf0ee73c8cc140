package pdf

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// body is the objects of a revision in the making.
type body struct {
	b       bytes.Buffer
	next    int // number of the next new object
	offsets map[ref]int
}

func (w *body) allot() ref {
	w.next++
	return ref{w.next - 1, 0}
}

// put writes an object.
func (w *body) put(r ref, o object) {
	w.offsets[r] = w.b.Len()
	fmt.Fprintf(&w.b, "%d %d obj\n", r.num, r.gen)
	writeObject(&w.b, o)
	w.b.WriteString("\nendobj\n")
}

// add writes an object under a new number.
func (w *body) add(o object) ref {
	r := w.allot()
	w.put(r, o)
	return r
}

func (w *body) sorted() []ref {
	return slices.SortedFunc(maps.Keys(w.offsets), func(a, b ref) int { return a.num - b.num })
}

// table writes a classic cross-reference section. free is the entry of object 0, or empty.
func (w *body) table(trailer dict, free string) {
	trailer["Size"] = integer(w.next)
	start := w.b.Len()
	w.b.WriteString("xref\n" + free)
	for group := range runs(w.sorted()) {
		fmt.Fprintf(&w.b, "%d %d\n", group[0].num, len(group))
		for _, r := range group {
			fmt.Fprintf(&w.b, "%010d %05d n \n", w.offsets[r], r.gen)
		}
	}
	w.b.WriteString("trailer\n")
	writeObject(&w.b, trailer)
	fmt.Fprintf(&w.b, "\nstartxref\n%d\n%%%%EOF\n", start)
}

// runs yields the stretches of consecutive numbers.
func runs(refs []ref) func(func([]ref) bool) {
	return func(yield func([]ref) bool) {
		for len(refs) > 0 {
			n := 1
			for n < len(refs) && refs[n].num == refs[n-1].num+1 {
				n++
			}
			if !yield(refs[:n]) {
				return
			}
			refs = refs[n:]
		}
	}
}
