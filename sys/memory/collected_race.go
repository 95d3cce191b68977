//go:build race

package memory

// collected: the race detector watches the collector's memory alone.
const collected = true
