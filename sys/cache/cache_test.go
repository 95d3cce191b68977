package cache

import (
	"fmt"
	"testing"
	"unsafe"
)

func TestFetchTouchesNothing(t *testing.T) {
	Fetch[int](nil, 3)
	Fetch(new(byte), 1<<10) // far beyond: no fault
	b := [3]uint64{1, 2, 3}
	Fetch(&b, 1)
	FetchAt(unsafe.Pointer(&b), 8, 0)
	FetchAt(unsafe.Pointer(&b), 8, -1)
	if b != [3]uint64{1, 2, 3} {
		t.Errorf("changed to %v", b)
	}
	if n := testing.AllocsPerRun(100, func() { Fetch(&b, 2) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkFetch follows sixteen chains through more memory than any cache near the processor holds, and has
// something to do between two steps.
func BenchmarkFetch(b *testing.B) {
	const n = 1 << 18
	lines := make([][Line / 4]uint32, n)
	for i := range lines {
		lines[i][0] = uint32(i*5+12345) % n
	}
	for _, ahead := range []bool{false, true} {
		b.Run(fmt.Sprintf("ahead=%v", ahead), func(b *testing.B) {
			var at [16]uint32
			for i := range at {
				at[i] = uint32(i) * 7919
			}
			var sum uint32
			for i := 0; b.Loop(); i++ {
				p := &at[i%len(at)]
				*p = lines[*p][0]
				for sum ^= *p; sum > 1<<16; sum >>= 1 {
				}
				if ahead {
					Fetch(&lines[*p], 1)
				}
			}
		})
	}
}
