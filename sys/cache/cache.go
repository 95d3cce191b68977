// Package cache tells the processor which memory is about to be used. A router's state is far larger than
// what stays near the processor between two packets of one participant, and a place that is far costs as much
// as ciphering 200 bytes; but several can be on their way at once, if somebody asks for them early.
package cache

import "unsafe"

// Line is how much memory comes at once, in bytes.
const Line = 64

// Fetch asks for the first lines of what p points at, and waits for none. Nil is allowed, and so is more
// than there is: nothing is read.
func Fetch[T any](p *T, lines int) { fetch(unsafe.Pointer(p), lines) }

// FetchAt is Fetch of what lies at bytes behind p.
func FetchAt(p unsafe.Pointer, at uintptr, lines int) { fetchAt(p, at, lines) }
