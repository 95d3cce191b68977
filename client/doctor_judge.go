package client

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley/wire/proto"
)

// Diagnosis is what an examination found, judged and in words.
type Diagnosis struct {
	Site  string `json:"site"`
	Grade Grade  `json:"grade"`
	// Cause is the first of Causes, "" where there is nothing to say against this network.
	Cause    Cause                 `json:"cause"`
	Causes   []Cause               `json:"causes"`  // all that was found, the gravest first
	Summary  []string              `json:"summary"` // the sentences a join would say
	Findings []Finding             `json:"findings"`
	Rungs    map[string]proto.Rung `json:"rungs"` // what each medium would run over; left out where nothing carries it
	Rules    []FirewallRule        `json:"rules"` // what an administrator would have to allow
	Advice   []string              `json:"advice"`
	MTU      int                   `json:"mtu,omitempty"` // bytes of the longest IP packet there and back that was tried and passed
	NAT      string                `json:"nat,omitempty"` // "none", "endpoint-independent" or "symmetric"
}

// Grade is how well this network is suited.
type Grade int

// The grades; also the exit codes of `parley doctor`.
const (
	Best    Grade = 0 // everything takes the best way
	Limited Grade = 1 // one can join, with limits
	Useless Grade = 2 // one can't join
)

// Cause is a stable name for what is wrong, for programs.
type Cause string

// The causes, the gravest first. "mtu_N" stands between them where N is measured.
const (
	CauseCaptivePortal  Cause = "captive_portal"
	CauseClockFatal     Cause = "clock_wrong"
	CauseProxyLogin     Cause = "proxy_login"
	CauseProxyRefuses   Cause = "proxy_refuses"
	CauseInspected      Cause = "tls_inspected"
	CauseName           Cause = "name_unknown"
	CauseNoPath         Cause = "no_path"
	CauseNoRouter       Cause = "no_router"
	CauseTunnelOnly     Cause = "tunnel_only"
	CauseProxyRequired  Cause = "proxy_required"
	CauseOnly443        Cause = "only_443"
	CauseUDPBlocked     Cause = "udp_blocked"
	CauseSTUNOnly       Cause = "udp_stun_only"
	CauseUDPThrottled   Cause = "udp_throttled"
	CauseUDP8801Blocked Cause = "udp_8801_blocked"
	CauseZone           Cause = "zone_unreachable"
	CauseLongHello      Cause = "tls_hello_dropped"
	CauseLoss           Cause = "udp_loss"
	CauseMarks          Cause = "marks_dropped"
	CauseMTU            Cause = "mtu_" // and the number
	CauseProxyUnusable  Cause = "proxy_unusable"
	CauseIPv6           Cause = "ipv6_silent"
	CauseNAT            Cause = "symmetric_nat"
	CauseBleached       Cause = "marks_cleared"
)

// gravity orders causes.
var gravity = [...]Cause{CauseCaptivePortal, CauseClockFatal, CauseProxyLogin, CauseProxyRefuses, CauseInspected, CauseName, CauseNoPath, CauseNoRouter, CauseTunnelOnly,
	CauseProxyRequired, CauseOnly443, CauseUDPBlocked, CauseSTUNOnly, CauseUDPThrottled, CauseUDP8801Blocked, CauseZone, CauseLongHello, CauseLoss, CauseMarks, CauseMTU, CauseProxyUnusable, CauseIPv6, CauseNAT, CauseBleached}

// Status is how a finding is to be taken.
type Status string

// The statuses.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is one line of the report.
type Finding struct {
	Phase  string `json:"phase"`
	What   string `json:"what"`
	Status Status `json:"status"`
	Value  string `json:"value"`          // as measured
	Note   string `json:"note,omitempty"` // what it means
}

// FirewallRule is a permission that is missing, from this network outwards.
type FirewallRule struct {
	Protocol string   `json:"protocol"` // "UDP" or "TCP"
	Port     int      `json:"port"`
	To       []string `json:"to"`       // addresses or names
	Improves string   `json:"improves"` // what it is good for
}

// The limits of a judgement.
const (
	wrongClock   = 2 * time.Minute // tokens have as much leeway
	muchLoss     = 0.05            // of small packets
	smallMTU     = 1400            // tunnels of all kinds leave more
	mediaPacket  = 1228            // the longest media packet over IPv4
	throttled    = 0.3             // of the large packets, where the small ones pass
	throttledLag = 300 * time.Millisecond
)

// verdict is a Diagnosis in the making.
type verdict struct {
	*seen
	d         Diagnosis
	throttled bool // UDP takes less than pictures need
}

// judge puts what was seen into words. Pure.
func (s *seen) judge() *Diagnosis {
	v := &verdict{seen: s, d: Diagnosis{Site: s.site, NAT: string(s.nat), MTU: s.both,
		Causes: []Cause{}, Rungs: map[string]proto.Rung{}, Rules: []FirewallRule{}, Advice: []string{}, Summary: []string{}}}
	v.judgeName()
	if s.siteErr != nil {
		v.judgeSilence()
	} else {
		v.judgeSite()
		v.judgeZones()
		v.judgeRungs()
		v.judgeUDP()
		v.judgeRuns()
	}
	rank := func(c Cause) int {
		if strings.HasPrefix(string(c), string(CauseMTU)) {
			c = CauseMTU
		}
		return slices.Index(gravity[:], c)
	}
	slices.SortStableFunc(v.d.Causes, func(a, b Cause) int { return cmp.Compare(rank(a), rank(b)) })
	if len(v.d.Causes) > 0 {
		v.d.Cause = v.d.Causes[0]
	}
	return &v.d
}

// find adds a line.
func (v *verdict) find(phase, what string, s Status, value, note string) {
	v.d.Findings = append(v.d.Findings, Finding{phase, what, s, value, note})
}

// blame adds a cause and what it does to the grade.
func (v *verdict) blame(c Cause, g Grade) {
	v.d.Grade = max(v.d.Grade, g)
	if !slices.Contains(v.d.Causes, c) {
		v.d.Causes = append(v.d.Causes, c)
	}
}

func (v *verdict) say(text string)    { v.d.Summary = append(v.d.Summary, text) }
func (v *verdict) advise(text string) { v.d.Advice = append(v.d.Advice, text) }

// allow asks for a rule.
func (v *verdict) allow(protocol string, port int, to []string, improves string) {
	v.d.Rules = append(v.d.Rules, FirewallRule{protocol, port, to, improves})
}

func (v *verdict) hostname() string {
	if u, err := url.Parse(v.site); err == nil {
		return u.Hostname()
	}
	return v.site
}

func hostOf(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Host
	}
	return text
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// millis is a duration for people.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
