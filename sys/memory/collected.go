//go:build !race

package memory

// collected says that everything is the collector's after all.
const collected = false
