package memory

import "testing"

func TestStoreKnowsWhatIsOut(t *testing.T) {
	var s Store
	a, b := s.Take(100), s.Take(1<<20)
	if s.Used() != 100+1<<20 {
		t.Errorf("%d bytes are out", s.Used())
	}
	s.Give(a)
	if s.Used() != 1<<20 {
		t.Errorf("%d bytes are out once some were given back", s.Used())
	}
	s.Give(b)
	if s.Used() != 0 {
		t.Errorf("%d bytes are out in the end", s.Used())
	}
}

// Where the race detector runs, Store does not use these.
func TestPagesAreZeroAndApart(t *testing.T) {
	var all [][]byte
	for i := range 64 {
		b := pages(32<<10 - i)
		if len(b) != 32<<10-i || cap(b) != len(b) {
			t.Fatalf("%d of %d bytes, want %d", len(b), cap(b), 32<<10-i)
		}
		all = append(all, b)
	}
	for i, b := range all {
		for k := range b {
			if b[k] != 0 {
				t.Fatalf("byte %d of %d is %d before it was written", k, i, b[k])
			}
			b[k] = byte(i + 1)
		}
	}
	for i, b := range all {
		if b[0] != byte(i+1) || b[len(b)-1] != byte(i+1) {
			t.Errorf("block %d was overwritten by another", i)
		}
		if i%2 == 0 {
			release(b)
		}
	}
	for i, b := range all {
		if i%2 == 1 && b[len(b)/2] != byte(i+1) {
			t.Errorf("block %d changed when its neighbours went", i)
		}
	}
	for i, b := range all {
		if i%2 == 1 {
			release(b)
		}
	}
	release(make([]byte, 4096)) // what is the collector's stays its own
}
