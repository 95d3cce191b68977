package node

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryFaultIsSaid(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string // the keys at fault, or words of theirs, in order
	}{
		{"nothing", ``, []string{"config: no part to run"}},
		{"the smallest site", "data: /x\nweb: {}\n", nil},
		{"not YAML", "web: [", []string{"config: "}},
		{"unknown keys", "data: /x\nweb: {}\nwebb: {}\nlisten: {htttps: ':1'}\n",
			[]string{`line 3: unknown key webb`, `line 4: unknown key htttps`}},
		{"a site without a place", "web: {}\n", []string{"data: "}},
		{"addresses", "data: /x\nweb: {}\nlisten: {https: '8443', http: ':8080'}\nadmin: {listen: '192.0.2.1:9'}\n",
			[]string{`listen.https: "8443" is not an address`, "listen.http: \":8080\" leaves this machine", "admin.listen: "}},
		{"levels", "data: /x\nweb: {}\nlog: {level: loud}\n", []string{`log.level: "loud" is none of`}},
		{"half a certificate", "data: /x\nweb: {}\ntls: {cert: a}\nbus: {ca: a}\n",
			[]string{"bus: ca, cert and key go together", "tls: cert and key go together"}},
		{"zones", "data: /x\nweb: {}\nmmr: {}\nzones: [a, A, a]\n",
			[]string{`zones[1]: "A": only lower-case`, `zones[2]: "a" is there twice`}},
		{"zones and a zone", "data: /x\nweb: {}\nmmr: {}\nzone: {id: a}\nzones: [a]\n", []string{"zones: goes with"}},
		{"zones without routers", "data: /x\nweb: {}\nzones: [a]\n", []string{"zones: goes with"}},
		{"a controller apart", "zone: {id: par}\n", []string{"zone.url: required here"}},
		{"a controller nowhere", "zone: {url: 'https://zc.example.org', lat: 91, hosting: moon}\n",
			[]string{"zone.id: required", `zone.hosting: "moon"`, "zone.lat: 91, 0 is no place on Earth"}},
		{"a tunnel apart", "tunnel: {streams: -1}\n", []string{"tunnel.url: required here", "site: required beside a tunnel", "tunnel.streams: -1"}},
		{"a tunnel", "tunnel: {id: t1, url: 'https://t1.example.net'}\nsite: 'https://meet.example.org'\n", nil},
		{"a router apart", "mmr: {zone: par, url: 'ftp://x', media: ['8801'], advertise: [here], dscp: high, max_people: -1}\n",
			[]string{`mmr.url: "ftp://x"`, `mmr.media[0]: "8801"`, `mmr.advertise[0]: "here"`, `mmr.dscp: "high"`, "mmr.max_people: -1"}},
		{"two at one place", "zone: {id: a, url: 'https://x.example.org'}\nmmr: {url: 'https://x.example.org/'}\n",
			[]string{"mmr.url: \"https://x.example.org/\" is where zone.url is already"}},
		{"at the site's own place", "data: /x\nweb: {}\nmmr: {zone: a, url: 'https://x.example.org'}\n",
			[]string{"mmr.url: \"https://x.example.org\" is where the web infrastructure is"}},
		{"balancers", "data: /x\nweb: {}\nlisten: {balancers: [10.0.0.1, 10.0.0.0/8]}\n", []string{`listen.balancers[0]: "10.0.0.1"`}},
		{"a bus in the clear", "mmr: {zone: a, url: 'https://x.example.org/mmr'}\nbus: {url: 'nats://bus.example.org:4222'}\n",
			[]string{"bus.url: nats://bus.example.org:4222 leaves this machine: mutual TLS is required"}},
		{"a bus on this machine", "mmr: {zone: a, url: 'https://x.example.org/mmr'}\nbus: {url: 'nats://127.0.0.1:4222'}\n", nil},
		{"one of several in the clear", "mmr: {zone: a, url: 'https://x.example.org/mmr'}\nbus: {url: 'nats://127.0.0.1:1,nats://192.0.2.1:1'}\n",
			[]string{"bus.url: nats://192.0.2.1:1 leaves"}},
		{"an open bus", "mmr: {zone: a, url: 'https://x.example.org/mmr'}\nbus: {listen: ':4222'}\n",
			[]string{"bus.listen: :4222 leaves this machine"}},
		{"a bus under the site's CA", "data: /x\nweb: {}\nbus: {listen: ':4222'}\n", nil},
		{"a bus twice", "data: /x\nweb: {}\nbus: {url: 'nats://127.0.0.1:1', listen: '127.0.0.1:2'}\n", []string{"bus: url and listen exclude each other"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ReadConfig([]byte(tc.text), nil)
			got := []string{}
			if err != nil {
				got = strings.Split(err.Error(), "\n")
				slices.Sort(got)
			}
			if len(got) != len(tc.want) {
				t.Fatalf("faults:\n%s\nwant %d: %q", strings.Join(got, "\n"), len(tc.want), tc.want)
			}
			want := slices.Sorted(slices.Values(tc.want))
			for i := range want {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("fault %q, want %q", got[i], want[i])
				}
			}
		})
	}
}

func TestDefaultsAndEnvironment(t *testing.T) {
	env := map[string]string{"PARLEY_BUS_URL": "nats://127.0.0.1:9", "PARLEY_ZONE_ID": "par", "PARLEY_WEB_GEOIP": "ignored: no such section"}
	c, err := ReadConfig([]byte("site: https://meet.example.org\nzone: {id: x, url: 'https://par.example.org/zone'}\nmmr: {url: 'https://par.example.org/mmr'}\n"),
		func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	if c.Bus.URL != "nats://127.0.0.1:9" || c.Zone.ID != "par" || c.Web != nil {
		t.Errorf("the environment did not count: %+v", c)
	}
	if c.Zone.Name != "par" || c.Zone.Hosting != "cloud" || c.Router.Zone != "par" || c.Router.DSCP != "standard" ||
		len(c.Router.Media) != 1 || c.Router.Media[0] != ":8801" || c.Listen.HTTPS != ":443" {
		t.Errorf("defaults: %+v %+v %+v", c, c.Zone, c.Router)
	}
	if !strings.HasPrefix(c.Router.ID, "par-") || !strings.HasPrefix(c.Zone.Server, "par-zc-") {
		t.Errorf("ids: router %q, controller %q", c.Router.ID, c.Zone.Server)
	}
	// What check prints is itself a config, and says the same.
	again, err := ReadConfig([]byte(c.Text()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.Text() != c.Text() {
		t.Errorf("the effective config reads back as\n%s\nnot\n%s", again.Text(), c.Text())
	}
}
