package main

import (
	"syscall"
	"time"
	"unsafe"
)

// processTime is the processor time another process has used so far, by its clock (clock_getcpuclockid(3)): to the
// nanosecond, where /proc/PID/stat knows 10 ms.
func processTime(pid int) time.Duration {
	var t syscall.Timespec
	clock := uintptr(int32(^pid)<<3 | 2)
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}
