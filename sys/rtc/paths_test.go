package rtc

import (
	"fmt"
	"testing"
)

// A client tries every rung at once where the first is slow: each of its routes over UDP, as many over TCP, and TLS.
func TestEveryRouteOfEveryRungHasAPath(t *testing.T) {
	b := newBare(t, nil)
	for i := range 2*maxRoutes + 1 {
		b.take(fmt.Sprintf("198.51.100.%d:5000", i+1), checkOf("user1:x", password))
	}
	if got, want := len(b.Transport("user1").paths), 2*maxRoutes+1; got != want {
		t.Errorf("%d paths for %d routes", got, want)
	}
}
