package link

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Nobody's timers may be late but the monitor's: a thread that waits for timers of ours is to wake in time.
func TestNoThreadButOneIsGivenSlack(t *testing.T) {
	polled(t)
	files, _ := filepath.Glob("/proc/self/task/*")
	n := 0
	for _, f := range files {
		tid := filepath.Base(f)
		b, err := os.ReadFile("/proc/" + tid + "/timerslack_ns")
		if err != nil {
			t.Skip("the system does not tell:", err)
		}
		if strings.TrimSpace(string(b)) != strconv.Itoa(int(monitorSlack)) {
			continue
		}
		n++
		if tid == strconv.Itoa(os.Getpid()) {
			t.Error("the thread the process began on has it")
		}
	}
	if n > 1 {
		t.Errorf("%d threads have it", n)
	}
}
