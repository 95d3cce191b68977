//go:build !unix

package store

import "os"

// lock takes a file; systems without advisory locks keep two processes apart by nothing but its name.
func lock(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) }
