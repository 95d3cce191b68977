package netns

import (
	"encoding/json"
	"fmt"
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
