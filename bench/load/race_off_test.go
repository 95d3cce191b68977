//go:build !race

package load

// raceEnabled: the race detector makes everything heavier.
const raceEnabled = false
