//go:build race

package forward

// poison makes a packet unreadable once nobody holds it any more: where the race detector runs, tests are to see
// whoever still looks.
const poison = true
