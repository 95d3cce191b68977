package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// drainFor bounds how long a stopping node waits for requests under way.
const drainFor = 5 * time.Second

// garbagePercent is how much garbage there may be for what is in use, where the environment's GOGC does not say: half
// of Go's default. The packet path makes none, so that the collector runs seldom either way, and what it
// lets lie is resident memory of each participant.
const garbagePercent = 50

// Run serves until ctx ends or a part fails, then drains: the front stops accepting, routers say goodbye,
// and it returns when everything it started has ended.
func (n *Node) Run(ctx context.Context) error {
	defer n.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	// Three circles, left from the outside in: the front; the parts; what parts need to say goodbye.
	var parts, floor sync.WaitGroup
	partsCtx, endParts := context.WithCancel(context.WithoutCancel(ctx))
	defer endParts()
	floorCtx, endFloor := context.WithCancel(context.WithoutCancel(ctx))
	defer endFloor()
	start := func(wg *sync.WaitGroup, ctx context.Context, name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	if n.plane != nil {
		start(&floor, floorCtx, "media plane", n.plane.Run)
	}
	if n.web != nil {
		start(&floor, floorCtx, "web", n.web.Run)
	}
	for _, z := range n.zones {
		start(&parts, partsCtx, "zone", z.Run)
	}
	for _, r := range n.routers {
		start(&parts, partsCtx, "mmr", r.Run)
	}
	if n.tunnel != nil {
		start(&parts, partsCtx, "tunnel", n.tunnel.Run)
	}
	if r := n.renewal(); r != nil {
		floor.Go(func() { r.run(floorCtx) })
	}
	front := n.serve(cancel)
	percent := -1
	if os.Getenv("GOGC") == "" {
		percent = garbagePercent
		defer debug.SetGCPercent(debug.SetGCPercent(percent))
	}
	// Starting leaves five times as much garbage as a process without people holds (a password's hash alone takes
	// 19 MiB), and the collector would wait for twice that much before it looks.
	debug.FreeOSMemory()
	people := func() int { return 0 }
	if n.plane != nil {
		people = n.plane.Peers
	}
	floor.Go(func() { giveBack(floorCtx, percent, people) })

	<-ctx.Done()
	front.stopAccepting(drainFor)
	endParts()
	parts.Wait()
	front.wait()
	endFloor()
	floor.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
