package client

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"parley/core/join"
	"parley/sys/proxy"
)

func (v *verdict) judgeName() {
	if v.dnsErr == "" {
		v.find("site", "Name", OK, strings.Join(v.addrs, ", "), "")
		return
	}
	status, note := Fail, "Without the name's address nothing can be reached directly; a proxy may know it."
	if v.siteErr == nil {
		status = OK
		note = "The proxy knows it."
	}
	v.find("site", "Name", status, v.dnsErr, note)
}

// judgeSilence says why the site does not answer.
func (v *verdict) judgeSilence() {
	text := v.siteText
	v.find("site", "HTTPS", Fail, text, "")
	v.say("The site does not answer: " + text)
	tunnel := v.judgeTunnels(true)
	g := Useless
	if tunnel != "" {
		g = Limited
		v.blame(CauseTunnelOnly, Limited)
		v.say(join.SayTunnel(tunnel))
	}
	var untrusted *proxy.Untrusted
	var invalid x509.CertificateInvalidError
	var login *proxy.LoginError
	var refused *proxy.Refused
	switch {
	case v.portal != "":
		v.find("site", "Sign-in page", Fail, "‘"+v.portal+"’ answers instead", "Networks of hotels, trains and guests let nothing out before you have signed in to them.")
		v.blame(CauseCaptivePortal, g)
		v.advise("This network wants you to sign in first: open any page in a browser, sign in, and try again.")
		return
	case errors.As(v.siteErr, &untrusted) && errors.As(v.siteErr, &invalid) && invalid.Reason == x509.Expired:
		v.blame(CauseClockFatal, g)
		v.advise("Set this computer's date and time, best by letting it take them from the network.")
		return
	case errors.As(v.siteErr, &untrusted):
		v.blame(CauseInspected, g)
		v.advise(fmt.Sprintf("Exempt %s from TLS inspection; or have the inspecting box's certificate authority (‘%s’) installed on this computer.", v.hostname(), untrusted.Issuer))
		return
	case errors.As(v.siteErr, &login):
		v.blame(CauseProxyLogin, g)
		v.advise(fmt.Sprintf("Give a user name and password for the proxy: --proxy-user USER:PASSWORD, or @FILE; and --proxy-user-for %s if a script (PAC) names it.", login.Proxy))
		return
	case errors.As(v.siteErr, &refused):
		v.blame(CauseProxyRefuses, g)
		v.advise(fmt.Sprintf("Let the proxy %s pass CONNECT to %s and to the site's zones.", refused.Proxy, endpoint(v.site, v.site)))
		return
	case v.unused != "":
		v.find("site", "Proxy", Fail, v.unused, "")
		v.blame(CauseProxyUnusable, g)
		v.advise(mendProxy)
		return
	case v.dnsErr != "":
		v.blame(CauseName, g)
		v.advise(fmt.Sprintf("Let this computer's DNS server resolve %s; and see that the name is spelt rightly.", v.hostname()))
		return
	}
	if tunnel == "" {
		v.blame(CauseNoPath, Useless)
	}
	port := 443
	if u, err := url.Parse(v.site); err == nil && u.Port() != "" {
		port, _ = strconv.Atoi(u.Port())
	}
	v.allow("TCP", port, append([]string{v.hostname()}, v.addrs...), "the site: without it nobody can join")
	if errors.Is(v.siteErr, syscall.ECONNRESET) {
		v.advise("Something on the way cuts connections to the site that had come about, as firewalls do that let browsers pass and no other program: let this program pass too, or join in a browser.")
	}
	v.advise("If this network has a proxy, name it: --proxy http://HOST:PORT, or --pac URL.")
}

// mendProxy is what to do about a proxy that can't be used.
const mendProxy = "See that the proxy or its script is named rightly (--proxy, --pac, HTTPS_PROXY) and runs; where this network has none, take the setting away."

func (v *verdict) judgeSite() {
	value := fmt.Sprintf("%s, %s", millis(v.siteRTT), cmp.Or(v.tlsName, "without TLS"))
	if v.issuer != "" {
		value += ", certificate by ‘" + v.issuer + "’"
	}
	v.find("site", "HTTPS", OK, value, "")
	if v.proxy != "" {
		v.say(join.SayProxy(v.proxy))
		note := "The site can be reached without it too."
		if !v.direct {
			note = "Nothing but the proxy leads to the site. Sound and pictures take it too, unless UDP is open beside it."
			v.blame(CauseProxyRequired, Limited)
		}
		v.find("site", "Proxy", OK, v.proxy+", "+v.proxyFrom, note)
	}
	if v.unused != "" {
		v.say(join.SayUnused(v.unused))
		v.blame(CauseProxyUnusable, Best)
		v.find("site", "Proxy", Warn, v.unused, "Servers are reached directly instead, a little later.")
		v.advise(mendProxy)
	}
	switch {
	case v.inspected != "":
		v.say(join.SayInspected(v.inspected))
		v.blame(CauseInspected, Limited)
		v.find("site", "TLS inspection", Warn, "by ‘"+v.inspected+"’", "Somebody on the way can read what the site and this computer say, but neither sound nor pictures.")
		v.advise(fmt.Sprintf("Exempt %s and the addresses of its zones from TLS inspection: it costs time and breaks long connections.", v.hostname()))
	case v.answer.Binding != "":
		v.find("site", "TLS inspection", OK, "nobody opens TLS on the way", "")
	}
	if v.classical {
		v.blame(CauseLongHello, Limited)
		v.say(join.SayLongHello())
		v.find("site", "Post-quantum TLS", Warn, "dropped on the way", "A firewall does not let a first TLS message of more than one packet through. Older keys are used instead.")
		v.advise("Update the firewall: it drops TLS handshakes with post-quantum key shares (X25519MLKEM768), which span two packets.")
	} else if v.tlsName != "" {
		v.find("site", "Post-quantum TLS", OK, "passes", "")
	}
	switch skew := v.skew.Round(time.Second); {
	case skew.Abs() > wrongClock:
		word := "ahead"
		if skew < 0 {
			word = "behind"
		}
		v.blame(CauseClockFatal, Limited)
		v.find("site", "Clock", Warn, fmt.Sprintf("%v %s", skew.Abs(), word), "Certificates seem to be invalid on a computer whose clock is wrong.")
		v.advise("Set this computer's date and time, best by letting it take them from the network.")
	default:
		v.find("site", "Clock", OK, "right", "")
	}
}
