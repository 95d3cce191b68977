package main

import (
	"fmt"
	"io"
	"os"

	"parley/node"
	"parley/sys/monitor"
	"parley/ui"
)

// serveCmd is `parley serve`.
type serveCmd struct {
	Config string `help:"Config file." required:"" placeholder:"FILE" env:"PARLEY_CONFIG"`
}

// Run runs the parts whose sections are present.
func (c *serveCmd) Run(e *env) error {
	cfg, err := readConfig(c.Config)
	if err != nil {
		return err
	}
	format := "text"
	if cfg.Log.JSON {
		format = "json"
	}
	log, err := monitor.NewLogger(e.stderr, monitor.LogConfig{Level: cfg.Log.Level, Format: format})
	if err != nil {
		return &exitError{exitUsage, err}
	}
	n, err := node.New(e.ctx, cfg, node.Deps{UI: ui.Files(), Build: build, Log: log})
	if err != nil {
		return err
	}
	email, password, err := n.FirstAdmin(e.ctx)
	if err != nil {
		n.Close()
		return err
	}
	return serveNode(e, n, func(w io.Writer) error {
		https, _, media := n.Addrs()
		attrs := []any{"https", https.Port()}
		if media.IsValid() {
			attrs = append(attrs, "media", media.Port())
		}
		log.Info("serving", attrs...)
		if password == "" {
			return nil
		}
		_, err := fmt.Fprintf(w, "This site is new. Sign in as %s with password %s\n(made just now and shown only this time; change it with: parley user passwd)\n", email, password)
		return err
	})
}

// readConfig reads and checks a file. All faults are in the error.
func readConfig(path string) (node.Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return node.Config{}, &exitError{exitUsage, err}
	}
	cfg, err := node.ReadConfig(b, os.LookupEnv)
	if err != nil {
		return cfg, &exitError{exitUsage, fmt.Errorf("%s:\n%w", path, err)}
	}
	return cfg, nil
}

// checkCmd is `parley check`.
type checkCmd struct {
	Config string `help:"Config file." required:"" placeholder:"FILE" env:"PARLEY_CONFIG"`
}

// Run prints the effective config.
func (c *checkCmd) Run(e *env) error {
	cfg, err := readConfig(c.Config)
	if err != nil {
		return err
	}
	_, err = io.WriteString(e.stdout, cfg.Text())
	return err
}
