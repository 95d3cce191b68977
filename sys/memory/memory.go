// Package memory gives out memory that the collector does not know of. What it knows of costs half as much again, for
// it lets that share of garbage lie, and is not given back to the system for minutes. So what is large, holds no
// pointers and has one owner who knows when it ends is kept here: packets, and room to receive them.
package memory

import "sync/atomic"

// Store gives blocks out and takes them back. The zero value is ready; safe from any goroutine.
type Store struct{ used atomic.Int64 }

// Take gives n zero bytes, n above 0. Those never touched cost nothing.
func (s *Store) Take(n int) []byte {
	s.used.Add(int64(n))
	if collected {
		return make([]byte, n)
	}
	return pages(n)
}

// Give takes back what Take gave, whole. Whoever touches it later crashes the process.
func (s *Store) Give(b []byte) {
	s.used.Add(-int64(len(b)))
	if !collected {
		release(b)
	}
}

// Used is how much is given out, in bytes.
func (s *Store) Used() int64 { return s.used.Load() }
