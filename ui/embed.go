// Package ui holds the web client as built files.
package ui

import (
	"embed"
	"io/fs"
)

// The stub in dist is committed, so that building and testing never needs Node; the real client is built
// into dist/app, which is not.
//
//go:embed all:dist
var files embed.FS

// Files is the web client: the built one where it is embedded, else the stub page.
func Files() fs.FS {
	for _, dir := range []string{"dist/app", "dist"} {
		sub, err := fs.Sub(files, dir)
		if err != nil {
			continue
		}
		if _, err := fs.Stat(sub, "index.html"); err == nil {
			return sub
		}
	}
	return files
}
