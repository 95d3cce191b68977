package netns

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/lab/netns/wire"
)

// doctored is a network and the cause `parley doctor` has to name in it.
type doctored struct {
	number string // of the list
	nat    NAT
	link   wire.Link
	rules  []string
	zones  bool // none can be reached
	cause  client.Cause
}

// The doctor names the right cause on real sockets, in the networks of the list; its exit code is its grade.
func TestDoctorNamesTheCause(t *testing.T) {
	needLab(t)
	var b built
	in, err := NewInternet(InternetConfig{Binary: b.get(t), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, tt := range []doctored{
		{number: "1"},
		{number: "2", nat: NATSymmetric, cause: client.CauseNAT},
		{number: "5", rules: []string{"oifname wan udp dport != 3478 drop"}, cause: client.CauseUDP8801Blocked},
		{number: "6", rules: []string{blockUDP}, cause: client.CauseUDPBlocked},
		{number: "7", rules: []string{blockUDP, onlyTCP443}, cause: client.CauseOnly443},
		{number: "20", link: wire.Link{Delay: rtt / 2, MTU: 1280, Silent: true}, rules: []string{"tcp flags syn tcp option maxseg size set 1100"}, cause: "mtu_1280"},
		{number: "24", zones: true, cause: client.CauseTunnelOnly},
		{number: "25b", rules: []string{tlsHandshake + " meta length > 1000 reject with tcp reset"}, cause: client.CauseLongHello},
	} {
		wg.Go(func() {
			if tt.link == (wire.Link{}) {
				tt.link = wire.Link{Delay: rtt / 2}
			}
			access, err := in.NewAccess(tt.nat, wire.Both(tt.link))
			if err != nil {
				t.Error(err)
				return
			}
			if tt.zones {
				var zones []string
				in.mu.Lock()
				for _, s := range in.servers {
					if strings.HasPrefix(s.Name, "ctl") || strings.HasPrefix(s.Name, "mmr") {
						zones = append(zones, s.Addr.String())
					}
				}
				in.mu.Unlock()
				tt.rules = []string{"ip daddr { " + strings.Join(zones, ", ") + " } drop"}
			}
			machine, err := in.NewMachine(access, false)
			if err == nil {
				err = access.Forward(tt.rules...)
			}
			if err != nil {
				t.Error(err)
				return
			}
			d, code, err := in.Doctor(machine.Namespace)
			if err != nil {
				t.Errorf("%s: %v", tt.number, err)
				return
			}
			if d.Cause != tt.cause || code != int(d.Grade) || tt.cause == "" && d.Grade != client.Best {
				t.Errorf("%s: cause %q of %v, grade %d, exit code %d, want %q\n%+v", tt.number, d.Cause, d.Causes, d.Grade, code, tt.cause, d.Findings)
			}
		})
	}
}

// Doctor examines the network of a machine.
func (in *Internet) Doctor(on *Namespace, args ...string) (d client.Diagnosis, exit int, err error) {
	p, err := in.start(on, "doctor", []string{"HOME=" + in.cfg.Dir, "XDG_STATE_HOME=" + in.cfg.Dir + "/" + on.Name},
		slices.Concat([]string{in.cfg.Binary, "doctor", "https://" + SiteName, "--ca", in.CA, "--json"}, args)...)
	if err != nil {
		return d, 0, err
	}
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		p.Kill()
	}
	return d, p.ExitCode(), json.Unmarshal([]byte(p.Output(false)), &d)
}
