package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"parley/client"
)

// offerBrowser is the last way (S15): where this client finds no path, a browser may. The link has been said
// by then; this opens it, if that is wished beforehand or now.
func offerBrowser(e *env, failed *client.ConnectError, wished bool) {
	if failed.WebURL == "" {
		return
	}
	if !wished {
		if !e.tty || e.stdin == nil {
			return
		}
		fmt.Fprint(e.stderr, "Open it in a browser now? [Y/n] ")
		answer, err := readLine(e.ctx, e.stdin)
		if err != nil || strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "n") {
			return
		}
	}
	if err := e.open(failed.WebURL); err != nil {
		fmt.Fprintf(e.stderr, "No browser could be started (%v): open the address by hand.\n", err)
	}
}

// openBrowser hands a link to whatever the system opens links with.
func openBrowser(url string) error {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release() // the browser outlives this program
}
