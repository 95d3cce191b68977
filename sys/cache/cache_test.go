package cache

import (
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
