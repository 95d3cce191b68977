// Command crowd is many people in one process, for the browsers' tests: each joins the meeting of a link and
// shows a file again and again, until a signal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"parley/client"
	"parley/sys/clip"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

func run() error {
	link := flag.String("link", "", "link of the meeting")
	count := flag.Int("count", 25, "how many people")
	flag.Parse()
	files := flag.Args()
	l, err := client.ParseLink(*link)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("give files to show, in turn")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var people sync.WaitGroup
	fault := make(chan error, *count)
	for i := range *count {
		people.Go(func() {
			if err := join(ctx, l, fmt.Sprintf("Guest %d", i+1), files[i%len(files)]); err != nil && ctx.Err() == nil {
				fault <- err
				stop()
			}
		})
	}
	people.Wait()
	select {
	case err := <-fault:
		return err
	default:
		return nil
	}
}

// join is one person.
func join(ctx context.Context, l client.Link, name, file string) error {
	show, err := clip.Open(ctx, file, clip.Options{Loop: true})
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{Site: l.Site, Number: l.Number, Pwd: l.Pwd, Name: name, Publish: show})
	if err != nil {
		return err
	}
	return c.Run(ctx)
}
