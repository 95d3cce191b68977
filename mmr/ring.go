package mmr

import "sync/atomic"

// ring carries values from one goroutine to one other, in order, without a lock or an allocation. What is
// put is seen by the other side once it is flushed, and its place is reused once it is released: values
// are made and used where they lie.
type ring[T any] struct {
	slots []T

	next uint32 // owned by the producer: where the next value is put
	_    [60]byte
	tail atomic.Uint32 // up to here flushed
	_    [60]byte
	head atomic.Uint32 // up to here released
	_    [60]byte
	took uint32 // owned by the consumer: the next value to be got
}

// newRing makes one for n values, a power of two.
func newRing[T any](n int) ring[T] { return ring[T]{slots: make([]T, n)} }

// put is the place of the next value, nil if there is none.
func (r *ring[T]) put() *T {
	if r.next-r.head.Load() == uint32(len(r.slots)) {
		return nil
	}
	v := &r.slots[r.next&uint32(len(r.slots)-1)]
	r.next++
	return v
}

// flush shows what was put to the other side, and reports whether there was anything.
func (r *ring[T]) flush() bool {
	if r.tail.Load() == r.next {
		return false
	}
	r.tail.Store(r.next)
	return true
}

// get is the next value, good until release; nil if there is none.
func (r *ring[T]) get() *T {
	if r.took == r.tail.Load() {
		return nil
	}
	v := &r.slots[r.took&uint32(len(r.slots)-1)]
	r.took++
	return v
}

// release gives the places of all that was got back.
func (r *ring[T]) release() {
	if r.head.Load() != r.took {
		r.head.Store(r.took)
	}
}

// filled is how much of it waits for the consumer, which asks: 1 is all.
func (r *ring[T]) filled() float64 { return float64(r.tail.Load()-r.took) / float64(len(r.slots)) }

// taken is how much of it is not free, to the producer, which asks: 1 is all.
func (r *ring[T]) taken() float64 { return float64(r.next-r.head.Load()) / float64(len(r.slots)) }

// fresh is how much of it the producer, which asks, has put since the last flush: 1 is all.
func (r *ring[T]) fresh() float64 { return float64(r.next-r.tail.Load()) / float64(len(r.slots)) }

// waiting reports whether there is anything to get.
func (r *ring[T]) waiting() bool { return r.tail.Load() != r.head.Load() }
