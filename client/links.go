package client

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Link is what a join link says.
type Link struct {
	Site   string // base URL without a slash at its end
	Number string // digits
	Pwd    string // derived value, "" where the link has none
}

// errNumber is the answer to anything that can't be a meeting number.
var errNumber = errors.New("a meeting number has 9 to 11 digits")

// ParseLink reads "https://host[:port][/base]/j/<number>?pwd=…" (S37).
func ParseLink(s string) (Link, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return Link{}, fmt.Errorf("%q is not a join link: it should look like https://HOST/j/NUMBER", s)
	}
	base, number, ok := strings.Cut(strings.TrimSuffix(u.Path, "/"), "/j/")
	if !ok {
		return Link{}, fmt.Errorf("%q is not a join link: it has no /j/NUMBER", s)
	}
	if number, err = CleanNumber(number); err != nil {
		return Link{}, fmt.Errorf("join link: %w", err)
	}
	site := url.URL{Scheme: u.Scheme, Host: u.Host, Path: base}
	return Link{Site: site.String(), Number: number, Pwd: u.Query().Get("pwd")}, nil
}

// IsLink tells a link from a meeting number.
func IsLink(s string) bool { return strings.Contains(s, "://") }

// CleanNumber takes spaces and dashes out of a meeting number and checks it: 9 to 11 digits (S37).
func CleanNumber(s string) (string, error) {
	out := make([]byte, 0, 11)
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			out = append(out, c)
		case c != ' ' && c != '-':
			return "", fmt.Errorf("%q: %w", s, errNumber)
		}
	}
	if len(out) < 9 || len(out) > 11 {
		return "", fmt.Errorf("%q: %w", s, errNumber)
	}
	return string(out), nil
}
