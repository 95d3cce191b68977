package netns

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/client"
)

// Doctor examines the network of a machine.
func (in *Internet) Doctor(on *Namespace, noCA bool, env []string, args ...string) (d client.Diagnosis, exit int, err error) {
	args = append([]string{in.cfg.Binary, "doctor", "https://" + SiteName, "--json"}, args...)
	if !noCA {
		args = append(args, "--ca", in.CA)
	}
	p, err := in.start(on, "doctor", in.home(on, env), args...)
	if err != nil {
		return d, 0, err
	}
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		p.Kill()
	}
	if err := json.Unmarshal([]byte(p.Output(false)), &d); err != nil {
		return d, p.ExitCode(), fmt.Errorf("%w: %s%s", err, p.Output(false), p.Output(true))
	}
	return d, p.ExitCode(), nil
}

// Told is what a diagnosis says to people: its summary, the rules to ask for, and the advice.
func Told(d client.Diagnosis) []string {
	out := slices.Clone(d.Summary)
	for _, r := range d.Rules {
		out = append(out, fmt.Sprintf("%s %d to %s", r.Protocol, r.Port, strings.Join(r.To, ", ")))
	}
	return append(out, d.Advice...)
}
