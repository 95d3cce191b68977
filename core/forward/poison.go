//go:build !race

package forward

// poison: see the other file.
const poison = false
