// Command testsite is `parley up` with a bad network, for the browsers' tests: its router loses part of
// what arrives, the same part for the same seed.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"parley/mmr"
	"parley/node"
	"parley/sys/monitor"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "testsite:", err)
		os.Exit(1)
	}
}

func run() error {
	data := flag.String("data", "", "directory of the database and the keys")
	loss := flag.Float64("loss", 0, "part of arriving datagrams that is lost, 0 to 1")
	seed := flag.Uint64("seed", 1, "which part")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log, err := monitor.NewLogger(os.Stderr, monitor.LogConfig{Level: "warn"})
	if err != nil {
		return err
	}
	n, ready, err := node.Up(ctx, node.UpConfig{
		Data: *data, HTTPS: "127.0.0.1:0", HTTP: "localhost:0", Media: []string{":0"}, Zones: []string{"main"},
	}, node.Deps{Build: "test", Log: log, Plane: func(c *mmr.PlaneConfig) { c.ReceiveLoss = lose(*loss, *seed) }})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		cancel()
		<-done
		return err
	}
	return <-done
}

// lose says of each datagram whether it is lost; every shard asks.
func lose(part float64, seed uint64) func() bool {
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(seed, seed))
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		return dice.Float64() < part
	}
}
