//go:build !amd64 && !arm64

package cache

import "unsafe"

func fetch(unsafe.Pointer, int) {}

func fetchAt(unsafe.Pointer, uintptr, int) {}
