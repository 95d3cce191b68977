// Package heap holds what is to happen, the earliest first: events of the laboratory's networks.
package heap

// Ordered is a pointer to what can be compared with its like. Of two that are not before each other either may
// come first.
type Ordered[T any] interface {
	*T
	// Before tells whether the one comes before the other.
	Before(*T) bool
}

// Heap is a binary heap. The zero value is empty; the first element is the earliest.
type Heap[T any, P Ordered[T]] []T

// Push adds e and tells whether it is now the first.
func (q *Heap[T, P]) Push(e T) bool {
	*q = append(*q, e)
	h := *q
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !P(&h[i]).Before(&h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	return i == 0
}

// Pop takes the first, which must be there.
func (q *Heap[T, P]) Pop() T {
	h := *q
	var none T
	first, last := h[0], len(h)-1
	h[0], h[last] = h[last], none
	h = h[:last]
	*q = h
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if P(&h[child]).Before(&h[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
