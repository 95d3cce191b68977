package link

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// monitorSlack is how late the thread by which the runtime watches its goroutines may wake. A thread that waits
// untold (see rawWait) looks busy to it, so that it comes a hundred times a second; with this it comes when the
// processor is up for something else, in most cases. That is 7 % of what a hundred receivers cost, 15 % of what ten
// do (bench "video 1→100" and "video 1→10", 20 November 2026); and what it is to notice, a goroutine that
// computes or sits in a system call for long, it notices so much later at most.
const monitorSlack = 20 * time.Millisecond

// slackMonitor is best effort: where that thread can't be told from others all stays as it is.
func slackMonitor() {
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		return
	}
	defer tasks.Close()
	// In the order of their making: the runtime makes this one first, behind the one it begins on.
	threads, err := tasks.Readdirnames(2)
	if err != nil || len(threads) < 2 {
		return
	}
	monitor := "/proc/" + threads[1]
	for range 10 {
		// It alone sleeps, but may be awake just now; idle threads wait for a futex or in epoll.
		call, err := os.ReadFile(monitor + "/syscall")
		if err != nil {
			return
		}
		if strings.HasPrefix(string(call), fmt.Sprint(unix.SYS_NANOSLEEP, " ")) {
			_ = os.WriteFile(monitor+"/timerslack_ns", strconv.AppendInt(nil, int64(monitorSlack), 10), 0)
			return
		}
		time.Sleep(time.Millisecond)
	}
}
