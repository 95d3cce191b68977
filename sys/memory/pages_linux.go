package memory

import "syscall"

// noHuge is MADV_NOHUGEPAGE: where much is asked for and little touched, two megabytes for the first byte are too much.
const noHuge = 15

// pages are n zero bytes of the system's; the collector's where it gives none.
func pages(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n)
	}
	_ = syscall.Madvise(b, noHuge) // a kernel without huge pages refuses
	return b
}

// release gives pages back. What is the collector's is not known to Munmap, which refuses it.
func release(b []byte) { _ = syscall.Munmap(b) }
