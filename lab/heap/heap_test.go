package heap

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

type item struct{ at, seq int }

func (a *item) Before(b *item) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

func compare(a, b item) int { return cmp.Or(a.at-b.at, a.seq-b.seq) }

func TestTheEarliestComesFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q Heap[item, *item]
	var want []item // sorted
	for i := range 10_000 {
		if len(want) > 0 && r.IntN(5) < 2 {
			if got := q.Pop(); got != want[0] {
				t.Fatalf("pop %d: got %v, want %v", i, got, want[0])
			}
			want = want[1:]
			continue
		}
		e := item{r.IntN(100), i}
		at, _ := slices.BinarySearchFunc(want, e, compare)
		want = slices.Insert(want, at, e)
		if first := q.Push(e); first != (at == 0) {
			t.Fatalf("push %d: says first %t, want %t", i, first, at == 0)
		}
	}
	for _, e := range want {
		if got := q.Pop(); got != e {
			t.Fatalf("got %v, want %v", got, e)
		}
	}
	if len(q) != 0 {
		t.Errorf("%d are left", len(q))
	}
}
