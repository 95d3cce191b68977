package memory

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// resident is what the process has in memory, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	n, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return n * os.Getpagesize()
}

func TestWhatIsGivenBackIsGone(t *testing.T) {
	const size = 64 << 20
	before := resident(t)
	b := pages(size)
	if n := resident(t) - before; n > size/8 {
		t.Errorf("%d MiB are resident before anything is written", n>>20)
	}
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1
	}
	if n := resident(t) - before; n < size/2 {
		t.Fatalf("%d MiB are resident of %d written", n>>20, size>>20)
	}
	release(b)
	if n := resident(t) - before; n > size/8 {
		t.Errorf("%d MiB are still resident", n>>20)
	}
}
