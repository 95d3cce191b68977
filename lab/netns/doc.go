// Package netns is the laboratory on real kernels: a site, meeting zones and tunnels running the built
// binary, and clients behind gateways, proxies and portals, each in a network namespace of its own. What
// lies between a client and the servers is a wire (package wire) in this process.
//
//	client ──veth── gateway ──TUN── wire ──TUN── internet ──bridge── site, controllers, routers, tunnels
//	                NAT, firewall,               (routes)
//	                squid, our own proxies
//
// It needs Linux, root, iproute2 and nftables, squid for proxies, and haproxy for the rows that have a balancer. Nothing
// of it touches the network of the machine itself: every address lives in a namespace, and the namespaces carry
// the process's number, so that a later run removes what a crashed one left behind.
package netns
