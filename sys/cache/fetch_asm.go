//go:build amd64 || arm64

package cache

import "unsafe"

//go:noescape
func fetchAt(p unsafe.Pointer, at uintptr, lines int)

func fetch(p unsafe.Pointer, lines int) { fetchAt(p, 0, lines) }
